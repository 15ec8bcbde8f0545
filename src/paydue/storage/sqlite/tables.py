"""The tables of a SQLite file as a move goes through them, and the new file that a move makes."""

# ruff: noqa: S608 - the names put into these statements are those that the schema itself gave.

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

import apsw

from paydue.domain.errors import StoreUnavailable
from paydue.storage.errors import DatabaseMissing
from paydue.storage.migrate import require_current
from paydue.storage.move import TableShape, portable, refuse_full
from paydue.storage.rows import Row
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Engine, claimed, connect
from paydue.storage.sqlite.schema import MIGRATIONS, migrate_file, schema_number

_AT_ONCE: Final = 2000
_CACHE_KIBIBYTES: Final = 256 << 10

_NAMES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
# Columns that are neither hidden nor computed.
_COLUMNS: Final = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0"
_REFERENCES: Final = 'SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)'
# In the order of their making, which is that of the ordinals.
_ORDER: Final = {"merchants": " ORDER BY ordinal"}
_ORDINALS: Final = "SELECT merchant_id, ordinal FROM merchants"


class SqliteTables:
    """`storage.move.Tables` over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def shapes(self) -> Sequence[TableShape]:
        """Return the tables with the columns that are moved."""
        return [
            portable(name, [column for (column,) in self._read(_COLUMNS, (name,))]) for (name,) in self._read(_NAMES)
        ]

    async def references(self) -> Mapping[str, set[str]]:
        """Return which other tables each table's rows refer to."""
        return {name: {other for (other,) in self._read(_REFERENCES, (name,))} for (name,) in self._read(_NAMES)}

    async def count(self, table: str) -> int:
        ((count,),) = await asyncio.to_thread(self._read, f"SELECT count(*) FROM {table}")
        return int(count)

    async def rows(self, shape: TableShape) -> AsyncIterator[list[Row]]:
        """Yield all rows, merchants in the order of their making."""
        query = f"SELECT {', '.join(shape.columns)} FROM {shape.name}{_ORDER.get(shape.name, '')}"
        with _told():
            cursor = self._connection.execute(query)
            while rows := list(islice(cursor, _AT_ONCE)):
                yield rows

    def _read(self, statement: str, bindings: Row = ()) -> list[Row]:
        with _told():
            return self._connection.execute(statement, bindings).fetchall()


class SqliteTarget(SqliteTables):
    """`storage.move.Target`: a file beside the one to be, which takes its place when all is there."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        super().__init__(connection)
        self._path = path
        self._ordinals: dict[str, int] = {}

    async def add(self, shape: TableShape, rows: Sequence[Row]) -> None:
        """Add rows; invoices get the row ids that they are found by here."""
        columns = shape.columns
        if shape.name == "invoices":
            columns, rows = ("id", *columns), list(self._with_ids(shape, rows))
        marks = ", ".join("?" * len(columns))
        with _told():
            self._connection.executemany(f"INSERT INTO {shape.name} ({', '.join(columns)}) VALUES ({marks})", rows)

    async def keep(self) -> None:
        """Put the file where it belongs, durably."""
        with _told():
            self._connection.execute("COMMIT")
            # Kept in the file: whoever opens it next writes as a server does.
            self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
            self._connection.close()
        made = _made_beside(self._path)
        for path in (made, self._path.parent):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                if path == made:
                    _remove(self._path, but_the_file=True)
                    made.replace(self._path)
            finally:
                os.close(descriptor)

    def _with_ids(self, shape: TableShape, rows: Sequence[Row]) -> Iterator[Row]:
        if not self._ordinals:
            self._ordinals = {f"{name}": int(ordinal) for name, ordinal in self._read(_ORDINALS)}
        merchant, serial = shape.columns.index("merchant_id"), shape.columns.index("serial")
        for row in rows:
            yield (sql.invoice_id(self._ordinals[row[merchant]], row[serial]), *row)


@asynccontextmanager
async def source_file(path: Path) -> AsyncIterator[SqliteTables]:
    """
    Lend the tables of a file that nobody else may write meanwhile; nothing of it is changed.

    Raises DatabaseMissing, DatabaseInUse when it is served, SchemaMismatch, StoreUnavailable.
    """
    if not _is_there(path):
        raise DatabaseMissing(f"There is no database at {path}.")
    with claimed(path):
        connection = _current(path)
        try:
            with _told():
                # The lock of a writer, for whatever else has the file open, such as a worker.
                connection.execute("BEGIN IMMEDIATE")
            yield SqliteTables(connection)
        finally:
            connection.close(True)


@asynccontextmanager
async def target_file(path: Path) -> AsyncIterator[SqliteTarget]:
    """
    Lend a new file with this release's schema, to be filled and to become the one at `path`.

    What an interrupted move left is thrown away. Raises DatabaseInUse, CannotMove when there is a database with
    anything in it, SchemaMismatch, StoreUnavailable.
    """
    with claimed(path):
        if _is_there(path):
            there = _current(path)
            try:
                await refuse_full(SqliteTables(there))
            finally:
                there.close(True)
        made = _made_beside(path)
        _remove(made)
        await migrate_file(made)
        with _told():
            connection = connect(made)
            for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIBIBYTES}"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            connection.execute("BEGIN EXCLUSIVE")
        try:
            yield SqliteTarget(connection, path)
        finally:
            connection.close(True)
            _remove(made)


def _is_there(path: Path) -> bool:
    """Tell whether there is a database; a file of no bytes is one whose maker died at once."""
    return path.is_file() and path.stat().st_size > 0


def _current(path: Path) -> apsw.Connection:
    """Return a connection to a file of this release's schema. Raises SchemaMismatch, StoreUnavailable."""
    engine = Engine(path, serves=False)
    try:
        require_current(schema_number(engine), len(MIGRATIONS))
    finally:
        engine.close()
    with _told():
        return connect(path)


def _made_beside(path: Path) -> Path:
    return path.with_name(path.name + ".moving")


def _remove(path: Path, *, but_the_file: bool = False) -> None:
    for suffix in ("-wal", "-shm", "-journal", *(() if but_the_file else ("",))):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        raise StoreUnavailable(str(error)) from error
