"""PostgreSQL as `storage.access` has it."""

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from paydue.storage.postgres import delivery_statements
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.statements import EVERYBODY
from paydue.storage.postgres.works import Hand
from paydue.storage.postgres.writer import Writer
from paydue.storage.rows import Row


class PostgresReads:
    """`storage.access.Reads` on PostgreSQL."""

    sql: Final[ModuleType] = delivery_statements

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def read(self, statement: str, merchant_id: str, *values: Any) -> list[Row]:
        return await self._readers.read(statement, merchant_id, *values)

    search = read

    async def read_all(self, statement: str, *values: Any) -> list[Row]:
        return await self._readers.read(statement, EVERYBODY, *values)


class PostgresWrites:
    """`storage.access.Writes` on PostgreSQL."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def write(
        self, merchants: tuple[str, ...], work: Callable[[Hand], Awaitable[Any]], *, locks: bool = True
    ) -> Any:
        return await self._writer.small(merchants, work, locks=locks)


class PostgresAccess(PostgresReads, PostgresWrites):
    """`storage.access.Access` on PostgreSQL."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        PostgresReads.__init__(self, readers)
        PostgresWrites.__init__(self, writer)
