"""`paydue verify`: go through everything kept, and say what does not agree."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from paydue import bootstrap
from paydue.cli.options import print_json, read_config, run, say
from paydue.config import Config
from paydue.usecases.ports import Finding

_SHOWN_AT_MOST: Final = 1000
_PROGRESS_SECONDS: Final = 5.0


def verify_data(*, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """Print every finding, and end with exit code 0 only if there is none."""
    findings, count = run(findings_in(read_config(config_file, **options)))
    if as_json:
        print_json({"holds": not count, "count": count, "findings": [msgspec.to_builtins(each) for each in findings]})
    else:
        for each in findings:
            click.echo(f"{each.rule}: {each.place}: {each.found}")
        if count > len(findings):
            click.echo(f"... and {count - len(findings)} more.")
        click.echo(
            "Everything holds." if not count else f"{count} findings. Keep a copy of the data before anything else."
        )
    sys.exit(1 if count else 0)


async def findings_in(config: Config) -> tuple[list[Finding], int]:
    """Return the first findings, and how many there are in all, telling now and then how far it has come."""
    store = await bootstrap.open_store(config, serves=False)
    findings: list[Finding] = []
    count = 0

    async def tell_progress() -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            say(f"verifying for {time.monotonic() - began:.0f} s, {count} findings so far")

    progress = asyncio.create_task(tell_progress())
    try:
        async for finding in store.verify():
            count += 1
            if count <= _SHOWN_AT_MOST:
                findings.append(finding)
    finally:
        progress.cancel()
        await store.close()
    return findings, count
