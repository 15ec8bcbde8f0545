"""Where a run takes place: which program, which folder on a disk, which core for the server and which for the load."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from bench.machine import refuse_memory
from bench.processes import RunningServer, ServerFailed, clean_environment, running_server
from bench.product import Product

_ROOT = Path(__file__).parents[1]
# The File Hierarchy Standard keeps this folder through a restart, so that it is on a disk where /tmp may not be.
_ON_DISK = Path("/var/tmp")  # noqa: S108 - whatever is made there gets a name of its own
_OUR_CORES = sorted(os.sched_getaffinity(0))


class Workplace(msgspec.Struct, frozen=True, kw_only=True):
    """The choices that every command of the harness shares."""

    paydue: Path
    data_under: Path
    database: str | None
    with_worker: bool
    server_core: int
    load_core: int

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """
        Keep a new folder on a disk for the length of a `with` block, this process away from the server's core, and a
        SIGTERM from leaving servers behind.

        Raises NoDisk when the folder would lie in memory.
        """
        refuse_memory(self.data_under)
        signal.signal(signal.SIGTERM, _leave_in_order)
        os.sched_setaffinity(0, {self.load_core})
        with tempfile.TemporaryDirectory(prefix="paydue-bench-", dir=self.data_under) as folder:
            yield Path(folder)

    def product_in(self, folder: Path, name: str, database: str | None) -> Product:
        """Answer the product as it will be installed in `folder`; raises ServerFailed when there is no program."""
        if not self.paydue.exists():
            raise ServerFailed(f"there is no {self.paydue}; make it with `make setup` or name another with --paydue")
        return Product(
            name=name,
            command=(str(self.paydue.absolute()),),
            folder=folder,
            core=self.server_core,
            database=database,
            with_worker=self.with_worker,
        )

    @contextmanager
    def floor_in(self, folder: Path, *options: str, name: str = "floor") -> Iterator[RunningServer]:
        """Serve the raw floor for the length of a `with` block."""
        command = [sys.executable, "-m", "bench.floor", *options]
        environment = clean_environment({"PYTHONPATH": str(_ROOT)})
        with running_server(name, command, folder=folder, core=self.server_core, environment=environment) as server:
            yield server


def workplace_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a click command the options of a workplace, and hand it the workplace that they make as `workplace`."""

    @wraps(command)
    def with_workplace(
        *,
        paydue: Path,
        data_under: Path,
        database: str | None,
        with_worker: bool,
        server_core: int,
        load_core: int,
        **others: Any,
    ) -> None:
        workplace = Workplace(
            paydue=paydue,
            data_under=data_under,
            database=database,
            with_worker=with_worker,
            server_core=server_core,
            load_core=load_core,
        )
        command(workplace=workplace, **others)

    for option in reversed(_OPTIONS):
        with_workplace = option(with_workplace)
    return with_workplace


def _refuse_foreign_core(_context: click.Context, _option: click.Parameter, core: int) -> int:
    if core not in _OUR_CORES:
        raise click.BadParameter(f"core {core} is not among ours, which are {', '.join(map(str, _OUR_CORES))}.")
    return core


_OPTIONS = (
    click.option(
        "--paydue",
        type=click.Path(path_type=Path),
        default=Path(sys.executable).with_name("paydue"),
        help="The program to measure; by default the one beside this Python.",
    ),
    click.option(
        "--data-under",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        default=_ON_DISK,
        show_default=True,
        help="Make the temporary data folder here; it must lie on a disk.",
    ),
    click.option("--database", metavar="URL", help="An empty PostgreSQL database instead of our own."),
    click.option("--with-worker", is_flag=True, help="Let the server deliver mails and webhooks meanwhile."),
    click.option(
        "--server-core",
        type=int,
        default=_OUR_CORES[0],
        show_default=True,
        callback=_refuse_foreign_core,
        help="Core of the servers.",
    ),
    click.option(
        "--load-core",
        type=int,
        default=_OUR_CORES[1 % len(_OUR_CORES)],
        show_default=True,
        callback=_refuse_foreign_core,
        help="Core of the load generator.",
    ),
)


def _leave_in_order(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
