"""
The SQLite file: one connection that writes, one that reads, and who may hold them.

Statements run on the event loop, where they take microseconds. COMMIT waits for the disk, so it runs in a thread,
where SQLite does without Python's lock: reading and gathering the next batch go on meanwhile.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Final, Self

import apsw

from paydue.domain.errors import StoreUnavailable
from paydue.storage.errors import DatabaseInUse, DatabaseMissing
from paydue.storage.rows import Row
from paydue.storage.sqlite.checkpoints import GROWN_PAGES, Checkpoints

_PAGE_BYTES: Final = 8192
_CACHE_KIBIBYTES: Final = 8192
# Reads map the file instead of copying pages out of it. The pages belong to the system, which takes them back at will.
_MAPPED_BYTES: Final = 256 << 20
_WAL_BYTES_KEPT: Final = 64 << 20
_LOCK_WAIT_SECONDS: Final = 5.0
_LOCK_POLL_SECONDS: Final = 0.001
_READ_LOCK_WAIT_MILLISECONDS: Final = 1000


class Engine:
    """Both connections to one file, for one event loop."""

    def __init__(self, path: Path, *, serves: bool) -> None:
        """
        Open the file. `serves` claims it for a long-running process; short commands work beside that one.

        Raises DatabaseMissing, DatabaseInUse when another process has claimed it, StoreUnavailable when SQLite
        cannot read it.
        """
        if not path.is_file():
            raise DatabaseMissing(f"There is no database at {path}: run `paydue init` first.")
        self._claim = _claim(path) if serves else None
        try:
            self._writer = connect(path)
            self._reader = connect(path)
            self._reader.set_busy_timeout(_READ_LOCK_WAIT_MILLISECONDS)
            self._reader.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}").fetchall()
            self._reader.execute("PRAGMA query_only = ON")
            self._checkpoints = Checkpoints(self._writer, connect(path)) if serves else None
        except apsw.Error as error:
            self._release()
            raise StoreUnavailable(f"{path}: {error}") from error
        self.path: Final = path
        # Both cursors are reused: making one costs more than many a statement.
        self.write: Final = self._writer.cursor()
        self._read: Final = self._reader.cursor()
        self.moment: Final = _Moment(self._reader.cursor())
        self._committer = _Committer(self._writer.cursor())

    @classmethod
    def create(cls, path: Path) -> None:
        """Make an empty database file, readable by this user alone, unless there is one. Its schema is not made."""
        # A file of no bytes is one whose maker died just here.
        if path.is_file() and path.stat().st_size:
            return
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        connection = apsw.Connection(os.fspath(path))
        try:
            connection.set_busy_timeout(_READ_LOCK_WAIT_MILLISECONDS)
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            # Kept in the file, like the page size.
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        finally:
            connection.close()

    def read(self, sql: str, bindings: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query as last committed. Raises StoreUnavailable."""
        try:
            return self._read.execute(sql, bindings).fetchall()
        except apsw.Error as error:
            raise StoreUnavailable(str(error)) from error
        except UnicodeEncodeError:
            # Half a surrogate pair, from a caller's path: no such text can have been stored.
            return []

    def changed_rows(self) -> int:
        """Return how many rows the last INSERT, UPDATE or DELETE touched."""
        return self._writer.changes()

    def snapshot(self) -> "Snapshot":
        """Return a view of everything as it is now, on a connection of its own, for readers that take long."""
        return Snapshot(self.path)

    async def begin(self) -> None:
        """
        Start the one transaction that writes.

        A command in another process may hold the lock for some milliseconds: wait without keeping the loop. Raises
        apsw.BusyError after five seconds.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _LOCK_WAIT_SECONDS
        while True:
            try:
                self.write.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:
                if loop.time() > give_up_at:
                    raise
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            else:
                return

    async def commit(self) -> None:
        """Make the transaction durable. Raises apsw.Error; whether it was kept is then unknown."""
        await self._committer.commit()

    def rollback(self) -> None:
        """Give the transaction up, if one is open. Waits for a COMMIT that was left alone: the loop is torn down."""
        self._committer.wait()
        if self._writer.in_transaction:
            self.write.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file. A running COMMIT is waited for."""
        self._committer.close()
        if self._checkpoints is not None:
            self._checkpoints.close()
        self._writer.close()
        self._reader.close()
        self._release()

    def _release(self) -> None:
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


class _Moment:
    """All reads within a `with` of it see the same moment. Nothing may be awaited within."""

    def __init__(self, cursor: apsw.Cursor) -> None:
        self._cursor = cursor

    def __enter__(self) -> None:
        try:
            self._cursor.execute("BEGIN")
        except apsw.Error as error:
            raise StoreUnavailable(str(error)) from error

    def __exit__(self, *_: object) -> None:
        # Never refused: nothing was written.
        self._cursor.execute("COMMIT")


class _Committer:
    """A thread that runs COMMIT, one at a time. Plainer than an executor, and a third of its cost."""

    def __init__(self, cursor: apsw.Cursor) -> None:
        self._cursor = cursor
        self._asked: SimpleQueue[asyncio.Future[None] | None] = SimpleQueue()
        self._running = Lock()
        self._thread = Thread(target=self._run, name="paydue-commit", daemon=True)
        self._thread.start()

    async def commit(self) -> None:
        """Run COMMIT and return when it is done. Raises apsw.Error."""
        done = asyncio.get_running_loop().create_future()
        self._running.acquire()
        self._asked.put(done)
        await done

    def wait(self) -> None:
        """Return when no COMMIT runs: until then nobody else may use the connection."""
        with self._running:
            pass

    def close(self) -> None:
        """Wait for a COMMIT that runs, and end the thread."""
        self._asked.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (done := self._asked.get()) is not None:
            error = None
            try:
                self._cursor.execute("COMMIT")
            except apsw.Error as failure:
                error = failure
            self._running.release()
            # A loop that was torn down meanwhile has left nobody waiting.
            with suppress(RuntimeError):
                done.get_loop().call_soon_threadsafe(_settle, done, error)


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


class Snapshot:
    """A read transaction on a connection of its own: all its queries see one moment."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._cursor = self._connection.cursor()
        self._cursor.execute("PRAGMA query_only = ON")
        self._cursor.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close(True)

    def read(self, sql: str, bindings: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query. Raises StoreUnavailable."""
        try:
            return self._cursor.execute(sql, bindings).fetchall()
        except apsw.Error as error:
            raise StoreUnavailable(str(error)) from error


def connect(path: Path) -> apsw.Connection:
    """Return a connection to a file that is there, with the settings that all of ours have. Raises apsw.Error."""
    connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
    # Otherwise SQLite looks at the value bound to a LIMIT while it plans, and plans anew at every call.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        f"cache_size = -{_CACHE_KIBIBYTES}",
        f"wal_autocheckpoint = {GROWN_PAGES}",
        f"journal_size_limit = {_WAL_BYTES_KEPT}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Keep every server from the file for the length of a `with` block. Raises DatabaseInUse when there is one."""
    claim = _claim(path)
    try:
        yield
    finally:
        os.close(claim)


def _claim(path: Path) -> int:
    lock = path.with_name(path.name + ".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DatabaseInUse(
            f"Another Paydue process serves from {path}. SQLite takes one; stop that one first."
        ) from None
    return descriptor
