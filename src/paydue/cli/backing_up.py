"""`paydue backup`: a copy of a SQLite database that is known to be well; on PostgreSQL, who makes one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from paydue import bootstrap
from paydue.cli.options import fail, print_json, read_config, told_plainly
from paydue.storage.sqlite.backup import Told, back_up_file


def back_up(*, file: Path, force: bool, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """Make the copy and say what it is; end with exit code 1 when there is none."""
    config = read_config(config_file, **options)
    path = bootstrap.database_path(config)
    if path is None:
        fail(
            "the database is PostgreSQL, which has its own: pg_dump for a copy of one moment, pg_basebackup and the"
            " archived log for every moment. docs/howto/back-up.md has the commands; the key file is backed up apart"
        )
    began = time.monotonic()
    with _progress() as tell, told_plainly():
        backup = back_up_file(path, file, tell, replaces=force)
    if as_json:
        print_json({"file": str(file), **msgspec.to_builtins(backup)})
        return
    click.echo(f"{file}: {backup.bytes:,} bytes in {time.monotonic() - began:.1f} s, checked, nothing is damaged.")
    click.echo(
        f"It is of no use without the key file {bootstrap.key_file_path(config)}: keep a copy of that elsewhere."
    )


@contextmanager
def _progress() -> Iterator[Told]:
    """Show a bar on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("copying", total=None)

        def tell(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total, description="checking" if done == total else "copying")

        yield tell
