"""The product as its operator starts it: installed into a folder, given a merchant and a key, served on one core."""

import os
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.client import Account, Client, UnexpectedAnswer
from bench.figures import Spread, spread_of
from bench.lanes import Book, create_bodies
from bench.load import Generator, LoadPlan, checked
from bench.processes import RunningServer, ServerFailed, clean_environment, resident_bytes, running_server

MERCHANT_ID = "bench"
WARM_STARTS = 5
_SETTLE_SECONDS = 1.0
# Signatures age, so that a long seeding is signed in parts.
_SEEDED_AT_ONCE = 100_000
_KEPT_ANSWERS = 8_000


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """An installation under measurement: which program, on whose data, on which core."""

    command: tuple[str, ...]
    folder: Path
    core: int
    database: str | None = None
    """A database URL; without one, SQLite inside the folder."""
    with_worker: bool = False

    @property
    def engine(self) -> str:
        """The name under which the targets are kept: sqlite or postgresql."""
        return "postgresql" if self.database else "sqlite"

    def install(self) -> Account:
        """Make the data folder, a merchant and a key; raises ServerFailed, with its words, when a command fails."""
        self._paydue("init")
        added = self._paydue("merchant", "add", "--id", MERCHANT_ID, "--name", "Benchmark", "--json")
        merchant_id = msgspec.json.decode(added)["merchant_id"]
        key = msgspec.json.decode(self._paydue("key", "add", "--merchant", merchant_id, "--json"))
        return Account(merchant_id=merchant_id, key_id=key["key_id"], shared_secret=key["shared_secret"])

    def running(self) -> AbstractContextManager[RunningServer]:
        """Serve for the length of a `with` block."""
        return running_server(
            "product", self.serve_command(), folder=self.folder, core=self.core, environment=self.environment()
        )

    def serve_command(self) -> list[str]:
        """Answer the command that serves, but for its ready file."""
        worker = ["--with-worker"] if self.with_worker else []
        return [*self.command, "serve", *self._data_options(), "--port", "0", *worker]

    def environment(self) -> dict[str, str]:
        """Answer the settings of a production server, without the limit that would end the load."""
        return clean_environment({"PAYDUE_RATE_LIMIT": "0", "PAYDUE_MAILBOX_DIR": str(self.folder / "mailbox")})

    def _paydue(self, *arguments: str) -> bytes:
        # A command takes its words first and its options after them, and the data folder is an option of each.
        command = [*self.command, *arguments, *self._data_options()]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=self.environment())
        if done.returncode:
            output = (done.stderr + done.stdout).decode(errors="replace")
            raise ServerFailed(f"{' '.join(command)} ended with code {done.returncode}:\n{output}")
        return done.stdout

    def _data_options(self) -> list[str]:
        database = ["--database", self.database] if self.database else []
        return ["--data", str(self.folder / "data"), *database]


class Starts(msgspec.Struct, frozen=True, kw_only=True):
    """How long the product takes from its start until it serves, and the memory it then sits on."""

    cold_seconds: float
    warm_seconds: Spread
    idle_bytes: int


def measure_starts(product: Product) -> Starts:
    """
    Start and stop the product several times on its data, and answer how long it took until the ready file stood.

    Cold means that the program's files had been dropped from the page cache, as far as nobody else keeps them there.
    """
    with product.running():
        pass  # the first start of an installation also compiles it, and is neither cold nor warm
    _drop_program_from_page_cache()
    with product.running() as server:
        cold_seconds = server.seconds_to_ready
    warm_seconds = []
    for _ in range(WARM_STARTS):
        with product.running() as server:
            warm_seconds.append(server.seconds_to_ready)
    with product.running() as server:
        time.sleep(_SETTLE_SECONDS)
        idle_bytes = resident_bytes(server.ready.pid)
    return Starts(cold_seconds=cold_seconds, warm_seconds=spread_of(warm_seconds), idle_bytes=idle_bytes)


def seed(client: Client, generate: Generator, count: int) -> Book:
    """
    Create `count` invoices over the API, SENT, CREATED and DRAFT mixed, and answer thousands of them to read.

    Raises UnexpectedAnswer when the product does not list exactly as many as it acknowledged.
    """
    already_there = client.invoices(0, 1)["totalInvoices"]
    bodies = [
        body
        for six in zip(
            *(create_bodies(100, status=status) for status in ("SENT", "SENT", "CREATED", "SENT", "DRAFT", "SENT")),
            strict=True,
        )
        for body in six
    ]
    kept: list[bytes] = []
    for part in _parts(count):
        plan = LoadPlan(
            host=client.server.host,
            port=client.server.port,
            requests=tuple(client.signed("POST", "/invoicing/v2/invoices", body) for body in bodies),
            connections=32,
            seconds=240,
            at_most=part,
            keep_every=max(1, count // _KEPT_ANSWERS),
        )
        kept += checked(generate(plan)).kept
    refuse_lost(client, already_there + count)
    invoices = [msgspec.json.decode(answer) for answer in kept]
    links = [invoice["invoiceInformation"].get("paymentLink") for invoice in invoices]
    return Book(
        numbers=tuple(invoice["id"] for invoice in invoices),
        payment_pages=tuple(_target_of(link) for link in links if link),
    )


def refuse_lost(client: Client, acknowledged: int) -> None:
    """Raise UnexpectedAnswer unless the product lists exactly as many invoices as it acknowledged."""
    total = client.invoices(0, 1)["totalInvoices"]
    if total != acknowledged:
        raise UnexpectedAnswer(f"{acknowledged} creates were acknowledged, but the product lists {total} invoices")


def _parts(count: int) -> Iterator[int]:
    while count > 0:
        yield min(count, _SEEDED_AT_ONCE)
        count -= _SEEDED_AT_ONCE


def _target_of(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _drop_program_from_page_cache() -> None:
    folders = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}
    paydue = find_spec("paydue")
    folders |= {Path(folder) for folder in (paydue.submodule_search_locations if paydue else None) or ()}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.suffix in {".py", ".pyc", ".so"} and path.is_file():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
