"""The ciphertexts of a PostgreSQL database, for a rotation of the data keys beside nodes that go on."""

# ruff: noqa: S608 - the names put into these statements are constants of this package, never a caller's.

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from paydue.storage.migrate import require_current
from paydue.storage.postgres import statements as sql
from paydue.storage.postgres.clock import DatabaseClock
from paydue.storage.postgres.schema import MIGRATIONS, current_number
from paydue.storage.postgres.sessions import FAILURES, LOST_RACE, Session, connect, unavailable
from paydue.storage.rotation import Sealed, SealedColumn
from paydue.storage.rows import Row
from paydue.storage.vault import WrappedDataKey
from paydue.usecases.ports import Clock

_AT_ONCE: Final = 500
_TYPES: Final = {"serial": "bigint", "key_id": "text"}
# This session sees everybody's rows.
_NO_WALL: Final = "SET paydue.merchants = '*'"


class PostgresSealedRows:
    """`storage.rotation.SealedRows` over one session that sees everybody's rows."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def clock(self, own: Clock) -> Clock:
        """Return the database's time, by which all nodes use data keys."""
        clock = DatabaseClock(own)
        await clock.agree(self)
        return clock

    async def read(self, statement: str, *values: object) -> list[Row]:
        return await self._session.fetch(statement, *values)

    async def data_keys(self) -> Sequence[WrappedDataKey]:
        return [WrappedDataKey(*row) for row in await self._session.fetch(sql.DATA_KEYS)]

    async def add_data_key(self, wrapped: WrappedDataKey) -> None:
        """Keep a data key, unless there is one of that number."""
        row = (wrapped.number, wrapped.wrapped_by, wrapped.ciphertext, wrapped.used_from)
        await self._session.fetch(sql.ADD_DATA_KEY, *row)

    async def batches(self, column: SealedColumn) -> AsyncIterator[Sequence[Sealed]]:
        """Yield all ciphertexts of a column, in the order of their keys."""
        row, sealed = column.row, column.column
        if column.table == "access_keys":
            key, after = row, f"{row} > $2 AND $1::text IS NOT NULL"
        else:
            key, after = f"merchant_id, {row}", f"(merchant_id, {row}) > ($1, $2)"
        statement = (
            f"SELECT merchant_id, {row}, {sealed} FROM {column.table} WHERE {after} ORDER BY {key} LIMIT {_AT_ONCE}"
        )
        last: tuple[str, str | int] = ("", 0 if _TYPES[row] == "bigint" else "")
        while found := await self._session.fetch(statement, *last):
            last = (found[-1][0], found[-1][1])
            yield [Sealed((each[0], each[1]), *each) for each in found if each[2] is not None]

    async def replace(self, column: SealedColumn, changes: Sequence[tuple[Sealed, bytes]]) -> int:
        """Put new ciphertexts in the place of those that are still there; return how many were."""
        statement = (
            f"UPDATE {column.table} AS kept SET {column.column} = new.after"
            f" FROM unnest($1::text[], $2::{_TYPES[column.row]}[], $3::bytea[], $4::bytea[])"
            f" AS new (merchant_id, {column.row}, before, after)"
            f" WHERE kept.merchant_id = new.merchant_id AND kept.{column.row} = new.{column.row}"
            f" AND kept.{column.column} = new.before"
        )
        values = zip(*((old.merchant_id, old.row, old.ciphertext, new) for old, new in changes), strict=True)
        arrays = [list(each) for each in values]
        while True:
            try:
                await self._session.fetch(statement, *arrays)
            except LOST_RACE:
                # Against a node that changes some of these invoices; it was kept, and this is tried again.
                continue
            return self._session.touched_rows()


@asynccontextmanager
async def sealed_rows_of_database(url: str) -> AsyncIterator[PostgresSealedRows]:
    """Lend the ciphertexts of the database. Raises SchemaMismatch, StoreUnavailable."""
    session = await connect(url)
    try:
        require_current(await current_number(session), len(MIGRATIONS))
        await session.run(_NO_WALL)
        yield PostgresSealedRows(session)
    except (*FAILURES, TimeoutError) as failure:
        raise unavailable(failure) from failure
    finally:
        await session.close()
