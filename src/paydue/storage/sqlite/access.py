"""SQLite as `storage.access` has it: nothing waits here, for statements are run on the loop."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from types import ModuleType
from typing import Any, Final, cast

from paydue.storage.rows import Row
from paydue.storage.sqlite import delivery_statements
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.writer import Writer
from paydue.usecases.ports import Receipt


class SqliteHand:
    """`storage.access.Hand` on a batch."""

    sql: Final[ModuleType] = delivery_statements

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    async def read(self, statement: str, *values: Any) -> list[Row]:
        return self._batch.read(statement, values)

    async def write(self, statement: str, *values: Any) -> int:
        return self._batch.write(statement, values)

    async def refuse_repeat(self, merchant_id: str, receipt: Receipt) -> None:
        self._batch.refuse_repeat(merchant_id, receipt)

    async def add_receipt(self, merchant_id: str, receipt: Receipt, stored: object, at: datetime) -> None:
        # A batch has the time from the clock of the store itself.
        self._batch.keep_receipt(merchant_id, receipt, stored)


class SqliteReads:
    """`storage.access.Reads` of one SQLite file."""

    sql: Final[ModuleType] = delivery_statements

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def read(self, statement: str, merchant_id: str, *values: Any) -> list[Row]:
        return self._engine.read(statement, (merchant_id, *values))

    async def search(self, statement: str, merchant_id: str, *values: Any) -> list[Row]:
        return await asyncio.to_thread(self._search, statement, (merchant_id, *values))

    async def read_all(self, statement: str, *values: Any) -> list[Row]:
        return self._engine.read(statement, values)

    def _search(self, statement: str, values: Row) -> list[Row]:
        with self._engine.snapshot() as snapshot:
            try:
                return snapshot.read(statement, values)
            except UnicodeEncodeError:
                # Half a surrogate pair, from a caller: no such text can have been stored.
                return []


class SqliteWrites:
    """`storage.access.Writes` to one SQLite file."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def write(
        self,
        merchants: tuple[str, ...],  # one write at a time waits for all others
        work: Callable[[SqliteHand], Awaitable[Any]],
        *,
        locks: bool = True,
    ) -> Any:
        return await self._writer.submit(
            lambda batch: batch.whole(lambda: _at_once(cast("Coroutine[Any, Any, Any]", work(SqliteHand(batch)))))
        )


class SqliteAccess(SqliteReads, SqliteWrites):
    """`storage.access.Access` on one SQLite file."""

    def __init__(self, engine: Engine, writer: Writer) -> None:
        SqliteReads.__init__(self, engine)
        SqliteWrites.__init__(self, writer)


def _at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run what waits for nothing to its end, and return what it returns."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    raise AssertionError("a write on SQLite waited in the middle of its transaction")
