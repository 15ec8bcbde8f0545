"""`paydue rotate-data-key`: a fresh key for everything secret in the database, while servers go on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from paydue.bootstrap.rotating import rotate_data_key
from paydue.cli.options import print_json, read_config, run, say
from paydue.storage.rotation import Told

_PROGRESS_SECONDS: Final = 5.0


def rotate(*, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """Rotate, telling now and then how far it has come."""
    config = read_config(config_file, **options)
    began = time.monotonic()
    with _progress() as tell:
        number, rewritten = run(rotate_data_key(config, tell))
    if as_json:
        print_json({"data_key": number, "rewritten": rewritten})
    else:
        click.echo(
            f"Everything is under data key {number}: {rewritten:,} rewritten in {time.monotonic() - began:.0f} s."
        )


@contextmanager
def _progress() -> Iterator[Told]:
    """Show what is going on: on a terminal in place, and elsewhere a line now and then."""
    console = Console(stderr=True)
    said_at = 0.0
    with console.status("looking at what is there") as status:

        def tell(what: str, count: int) -> None:
            nonlocal said_at
            status.update(f"{what}: {count:,}")
            if not console.is_terminal and time.monotonic() - said_at >= _PROGRESS_SECONDS:
                said_at = time.monotonic()
                say(f"{what}: {count:,}")

        yield tell
