"""The options that many commands share, and how a command gets its configuration and says what is wrong."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import click

from paydue.config import Config, WrongSetting, load_config
from paydue.domain.card_numbers import masked

if TYPE_CHECKING:
    from paydue.usecases.ports import Store

P = ParamSpec("P")
R = TypeVar("R")


class Commands(click.Group):
    """A group whose commands are listed in the order in which one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def default_data(kind: str) -> Path:
    """Return where data lie when nobody says: a folder of its own for the demo, so that it never meets real books."""
    home = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    return Path(home) / "paydue" / kind


def data_options(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command `--data`, `--database` and `--config`."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--config", "config_file", type=path, help="Another configuration file than paydue.toml in it."),
        click.option("--database", metavar="URL", help="Another database than the SQLite file in it."),
        click.option("--data", type=path, help="The data folder.  [default: ~/.local/share/paydue/data]"),
    ):
        command = option(command)
    return command


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")(command)


def read_config(
    config_file: Path | None,
    *,
    kind: str = "data",
    defaults: Mapping[str, object] | None = None,
    **options: object,
) -> Config:
    """Return the configuration of a command; a wrong value ends it with one line that names it."""
    try:
        return load_config(options, os.environ, default_data=default_data(kind), file=config_file, defaults=defaults)
    except WrongSetting as wrong:
        fail(str(wrong))


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn what an operator can put right into one line on standard error and exit code 1."""
    from paydue.domain.errors import StoreUnavailable  # noqa: PLC0415 - `paydue --help` needs none of it
    from paydue.storage.errors import CannotOpenStore  # noqa: PLC0415

    try:
        yield
    except (WrongSetting, CannotOpenStore) as fault:
        fail(str(fault))
    except StoreUnavailable as fault:
        fail(f"the database does not answer: {fault}")
    except OSError as fault:
        if fault.filename is None:
            raise
        fail(f"{fault.filename}: {fault.strerror}")


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run a command's work to its end."""
    with told_plainly():
        return asyncio.run(work)


def with_store(config: Config, work: Callable[["Store"], Awaitable[R]]) -> R:
    """Return what `work` makes of the installation's store, which is closed afterwards."""

    async def opened() -> R:
        from paydue.bootstrap import open_store  # noqa: PLC0415

        store = await open_store(config, serves=False)
        try:
            return await work(store)
        finally:
            await store.close()

    return run(opened())


def fail(message: str) -> NoReturn:
    """End the command with exit code 1 and that line."""
    # What was typed is repeated, and terminals are recorded.
    click.echo(f"paydue: {masked(message.rstrip('.'))}.", err=True)
    raise SystemExit(1)


def say(text: str) -> None:
    """Tell a person what goes on, away from what a script reads."""
    click.echo(text, err=True)


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None))
