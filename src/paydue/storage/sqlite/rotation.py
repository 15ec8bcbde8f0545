"""The ciphertexts of a SQLite file, for a rotation of the data keys beside a server that goes on."""

# ruff: noqa: S608 - the names put into these statements are constants of this package, never a caller's.

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import apsw

from paydue.domain.errors import StoreUnavailable
from paydue.storage.migrate import require_current
from paydue.storage.rotation import Sealed, SealedColumn
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.schema import MIGRATIONS, schema_number
from paydue.storage.vault import WrappedDataKey

_AT_ONCE: Final = 500
# A server that waits for the write lock looks for it every few milliseconds.
_PAUSE_SECONDS: Final = 0.005
# Before the first row id.
_FIRST: Final = -1


class SqliteSealedRows:
    """`storage.rotation.SealedRows` over one file, through connections of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def data_keys(self) -> Sequence[WrappedDataKey]:
        return [WrappedDataKey(*row) for row in self._engine.read(sql.DATA_KEYS)]

    async def add_data_key(self, wrapped: WrappedDataKey) -> None:
        """Keep a data key, unless there is one of that number."""
        row = (wrapped.number, wrapped.wrapped_by, wrapped.ciphertext, wrapped.used_from)
        await self._write([(sql.ADD_DATA_KEY_IF_NEW, row)])

    async def batches(self, column: SealedColumn) -> AsyncIterator[Sequence[Sealed]]:
        """Yield all ciphertexts of a column, in the order of their rows."""
        names = _key_of(column)
        key, marks = ", ".join(names), ", ".join("?" * len(names))
        statement = (
            f"SELECT merchant_id, {column.row}, {column.column}, {key} FROM {column.table}"
            f" WHERE ({key}) > ({marks}) ORDER BY {key} LIMIT {_AT_ONCE}"
        )
        last: tuple[str | int, ...] = (_FIRST,) if names == ("id",) else ("",) * len(names)
        while found := await asyncio.to_thread(self._engine.read, statement, last):
            last = tuple(found[-1][3:])
            yield [Sealed(row[3:], *row[:3]) for row in found if row[2] is not None]

    async def replace(self, column: SealedColumn, changes: Sequence[tuple[Sealed, bytes]]) -> int:
        """Put new ciphertexts in the place of those that are still there; return how many were."""
        where = " AND ".join(f"{name} = ?" for name in (*_key_of(column), column.column))
        statement = f"UPDATE {column.table} SET {column.column} = ? WHERE {where}"
        written = await self._write([(statement, (new, *old.key, old.ciphertext)) for old, new in changes])
        await asyncio.sleep(_PAUSE_SECONDS)
        return written

    async def _write(self, statements: Sequence[tuple[str, tuple[object, ...]]]) -> int:
        engine, touched = self._engine, 0
        try:
            await engine.begin()
            try:
                for statement, values in statements:
                    engine.write.execute(statement, values)
                    touched += engine.changed_rows()
                await engine.commit()
            except BaseException:
                engine.rollback()
                raise
        except apsw.Error as error:
            raise StoreUnavailable(str(error)) from error
        return touched


@asynccontextmanager
async def sealed_rows_of_file(path: Path) -> AsyncIterator[SqliteSealedRows]:
    """Lend the ciphertexts of the file. Raises DatabaseMissing, SchemaMismatch, StoreUnavailable."""
    engine = Engine(path, serves=False)
    try:
        require_current(schema_number(engine), len(MIGRATIONS))
        yield SqliteSealedRows(engine)
    finally:
        engine.close()


def _key_of(column: SealedColumn) -> tuple[str, ...]:
    if column.table == "invoices":
        return ("id",)
    return ("key_id",) if column.table == "access_keys" else ("merchant_id", column.row)
