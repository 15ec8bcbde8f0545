"""The product as its operator starts it: installed into a folder, given a merchant, a key and books, and served."""

import os
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.client import Account, Client, UnexpectedAnswer
from bench.figures import Spread, spread_of
from bench.lanes import STATUSES, Book
from bench.processes import RunningServer, ServerFailed, clean_environment, on_cores, resident_bytes, running_server

MERCHANT_ID = "bench"
WARM_STARTS = 5
_SETTLE_SECONDS = 1.0
_PAGES_READ, _PAGE = 8, 1000


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """An installation under measurement: which program, on whose data, on which core."""

    name: str
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
        self.folder.mkdir(exist_ok=True)
        self.paydue("init")
        added = self.paydue("merchant", "add", "--id", MERCHANT_ID, "--name", "Benchmark", "--json")
        merchant_id = msgspec.json.decode(added)["merchant_id"]
        key = msgspec.json.decode(self.paydue("key", "add", "--merchant", merchant_id, "--json"))
        return Account(merchant_id=merchant_id, key_id=key["key_id"], shared_secret=key["shared_secret"])

    def seed(self, count: int) -> float:
        """Fill the merchant's books and answer how many seconds it took; raises ServerFailed when it fails."""
        began_at = time.perf_counter()
        # On the core that the server will have; its progress is for whoever watches.
        with on_cores({self.core}):
            self.paydue("bench", "seed", "--merchant", MERCHANT_ID, "--count", str(count), shows_progress=True)
        return time.perf_counter() - began_at

    def running(self, *, core: int | None = None, node: str = "") -> AbstractContextManager[RunningServer]:
        """Serve for the length of a `with` block; `node` tells a second server of the same data from the first."""
        return running_server(
            f"{self.name}{node}",
            self.serve_command(),
            folder=self.folder,
            core=self.core if core is None else core,
            environment=self.environment(),
        )

    def serve_command(self) -> list[str]:
        """Answer the command that serves, but for its ready file."""
        worker = ["--with-worker"] if self.with_worker else []
        return [*self.command, "serve", *self._data_options(), "--port", "0", *worker]

    def worker_command(self) -> list[str]:
        """Answer the command that delivers for servers that do not, but for its ready file."""
        return [*self.command, "worker", *self._data_options(), "--public-url", "https://pay.example.com"]

    def environment(self) -> dict[str, str]:
        """Answer the settings of a production server, without the limit that would end the load."""
        return clean_environment({"PAYDUE_RATE_LIMIT": "0", "PAYDUE_MAILBOX_DIR": str(self.folder / "mailbox")})

    def stored_bytes(self) -> int:
        """Answer how much the SQLite file and its log take on the disk; 0 for another database."""
        return sum(path.stat().st_size for path in (self.folder / "data").glob("paydue.db*"))

    def paydue(self, *arguments: str, shows_progress: bool = False) -> bytes:
        """Run a command to its end and answer what it prints; raises ServerFailed, with its words, when it fails."""
        # A command takes its words first and its options after them, and the data folder is an option of each.
        command = [*self.command, *arguments, *self._data_options()]
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=None if shows_progress else subprocess.PIPE,
            check=False,
            timeout=3600 if shows_progress else 60,
            env=self.environment(),
        )
        if done.returncode:
            output = ((done.stderr or b"") + done.stdout).decode(errors="replace")
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


def book_of(client: Client) -> Book:
    """Answer thousands of invoices to read, from all over the books, and how many there are of each status."""
    totals = {status: client.invoices(0, 1, status)["totalInvoices"] for status in ("", *STATUSES)}
    found = [
        invoice for offset in _spread_offsets(totals[""]) for invoice in client.invoices(offset, _PAGE)["invoices"]
    ]
    # Links end some time after the due date; what a payer sees then is not the page that is measured.
    today = datetime.now(UTC).date().isoformat()
    open_ones = (invoice["invoiceInformation"] for invoice in client.invoices(0, _PAGE, "SENT")["invoices"])
    links = [information["paymentLink"] for information in open_ones if information["dueDate"] >= today]
    return Book(
        numbers=tuple(invoice["id"] for invoice in found),
        payment_pages=tuple(map(_target_of, links)),
        totals=totals,
    )


def refuse_lost(client: Client, acknowledged: int) -> None:
    """Raise UnexpectedAnswer unless the product lists exactly as many invoices as it acknowledged."""
    total = client.invoices(0, 1)["totalInvoices"]
    if total != acknowledged:
        raise UnexpectedAnswer(f"{acknowledged} creates were acknowledged, but the product lists {total} invoices")


def _spread_offsets(total: int) -> Iterator[int]:
    pages = min(_PAGES_READ, -(-total // _PAGE))
    for number in range(pages):
        yield number * (max(total - _PAGE, 0)) // max(pages - 1, 1)


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
