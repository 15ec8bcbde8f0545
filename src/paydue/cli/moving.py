"""`paydue move`: bring an installation's data into another database, prove it, and say what comes next."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click
import msgspec
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from paydue.bootstrap.moving import move_store
from paydue.cli.options import print_json, read_config, run, say
from paydue.cli.verification import findings_in
from paydue.storage.move import MovedTable, Told

_SHOWN: Final = 20


def move_data(*, as_json: bool, config_file: Path | None, data: Path | None, source: str | None, target: str) -> None:
    """Move, compare, verify; ends with exit code 0 only if everything agrees."""
    source_config = read_config(config_file, data=data, database=source)
    # Read as a setting is, so that a wrong one is told of in the same words.
    database = read_config(config_file, data=data, database=target).database
    target_config = replace(source_config, database=database)
    began = time.monotonic()
    with _progress() as tell:
        moved = run(move_store(source_config, target_config, tell))
    seconds = time.monotonic() - began
    say(f"moved {sum(table.rows for table in moved):,} rows in {seconds:.1f} s; verifying what is there now")
    findings, count = run(findings_in(target_config))
    if as_json:
        print_json(
            {
                "to": _shown(database),
                "tables": {table.name: {"rows": table.rows, "checksum": table.checksum} for table in moved},
                "seconds": round(seconds, 3),
                "holds": not count,
                "findings": [msgspec.to_builtins(each) for each in findings],
            }
        )
    else:
        _print(moved, database, count)
        for finding in findings[:_SHOWN]:
            click.echo(f"{finding.rule}: {finding.place}: {finding.found}")
    sys.exit(1 if count else 0)


def _print(moved: list[MovedTable], database: str | None, count: int) -> None:
    for table in moved:
        click.echo(f"{table.name:<22}{table.rows:>12,}  {table.checksum}")
    if count:
        click.echo(f"The copy is what was sent, but it does not hold: {count} findings, which the source has too.")
        return
    click.echo("Every row arrived, and everything holds. Now, with the same key file:")
    click.echo(f'  database = "{_shown(database)}"')
    click.echo("in paydue.toml, then start the servers. Never start the old database again: both would send its mails.")


def _shown(database: str | None) -> str:
    """Return the address without the password that may stand in it."""
    password = urlsplit(database or "").password
    return (database or "").replace(f":{password}@", ":***@", 1) if password else database or ""


@contextmanager
def _progress() -> Iterator[Told]:
    """Show bars on a terminal, and elsewhere a line for each table that has rows."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[tuple[str, str], TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def tell(step: str, table: str, done: int, total: int) -> None:
            if not total:
                return
            if (step, table) not in tasks:
                tasks[step, table] = bars.add_task(f"{step} {table}", total=total)
                if not console.is_terminal:
                    say(f"{step} {table}: {total:,} rows")
            bars.update(tasks[step, table], completed=done)

        yield tell
