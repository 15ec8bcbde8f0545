"""The tables of a PostgreSQL database as a move goes through them: a source as of one moment, or a target."""

# ruff: noqa: S608 - the names put into these statements are those that the schema itself gave.

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from paydue.storage.errors import DatabaseInUse
from paydue.storage.migrate import require_current
from paydue.storage.move import LEFT_OUT, CannotMove, TableShape, portable, refuse_full
from paydue.storage.postgres.schema import MIGRATIONS, current_number, migrate_database
from paydue.storage.postgres.sessions import FAILURES, Session, connect, unavailable
from paydue.storage.rows import Row

_AT_ONCE: Final = 2000

# Every table with its columns and their types; those that are computed are left out.
_COLUMNS: Final = (
    "SELECT kept.relname::text, attribute.attname::text, format_type(attribute.atttypid, NULL)"
    " FROM pg_catalog.pg_class AS kept"
    " JOIN pg_catalog.pg_namespace AS space ON space.oid = kept.relnamespace"
    " JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = kept.oid"
    " WHERE space.nspname = current_schema() AND kept.relkind IN ('r', 'p') AND attribute.attnum > 0"
    " AND NOT attribute.attisdropped AND attribute.attgenerated = ''"
    " ORDER BY kept.relname, attribute.attnum"
)
_REFERENCES: Final = (
    "SELECT kept.relname::text, other.relname::text FROM pg_catalog.pg_constraint AS named"
    " JOIN pg_catalog.pg_class AS kept ON kept.oid = named.conrelid"
    " JOIN pg_catalog.pg_class AS other ON other.oid = named.confrelid"
    " JOIN pg_catalog.pg_namespace AS space ON space.oid = kept.relnamespace"
    " WHERE named.contype = 'f' AND space.nspname = current_schema()"
)
# Who else is connected to this database; the server's own helpers have no name.
_OTHERS: Final = (
    "SELECT count(*) FROM pg_catalog.pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL"
)
_ORDER: Final = {"merchants": " ORDER BY added_at, merchant_id"}
# How a type travels: what another engine has no word for becomes a number, and what it is at home when it arrives.
_TRAVELS_AS: Final = {"text": "text", "bigint": "bigint", "integer": "integer", "bytea": "bytea", "boolean": "integer"}


class PostgresTables:
    """`storage.move.Target` over one session with one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._types: dict[str, dict[str, str]] = {}
        self._place = 0
        self._cursors = 0

    async def shapes(self) -> Sequence[TableShape]:
        """Return the tables with the columns that are moved."""
        return [portable(table, tuple(columns)) for table, columns in (await self._known()).items()]

    async def references(self) -> Mapping[str, set[str]]:
        """Return which other tables each table's rows refer to."""
        found: dict[str, set[str]] = {}
        for table, other in await self._session.fetch(_REFERENCES):
            found.setdefault(table, set()).add(other)
        return found

    async def count(self, table: str) -> int:
        ((count,),) = await self._session.fetch(f"SELECT count(*) FROM {table}")
        return int(count)

    async def rows(self, shape: TableShape) -> AsyncIterator[list[Row]]:
        """Yield all rows, merchants in the order of their making."""
        types = (await self._known())[shape.name]
        columns = [f"{name}::{_travels_as(shape.name, name, types[name])}" for name in shape.columns]
        self._cursors += 1
        name = f"moving_{self._cursors}"
        await self._session.run(
            f"DECLARE {name} NO SCROLL CURSOR FOR SELECT {', '.join(columns)} FROM {shape.name}"
            f"{_ORDER.get(shape.name, '')}"
        )
        while found := await self._session.fetch(f"FETCH {_AT_ONCE} FROM {name}"):
            yield [tuple(row) for row in found]
        await self._session.run(f"CLOSE {name}")

    async def add(self, shape: TableShape, rows: Sequence[Row]) -> None:
        """Add rows; merchants get a time that keeps them in the order in which they come."""
        types = (await self._known())[shape.name]
        travelling = [_travels_as(shape.name, name, types[name]) for name in shape.columns]
        arrays = [f"${place}::{type_}[]" for place, type_ in enumerate(travelling, 1)]
        names, values = list(shape.columns), [f"new.{name}::{types[name]}" for name in shape.columns]
        more: list[Any] = []
        if shape.name == "merchants":
            names.append("added_at")
            values.append(f"now() + (${len(arrays) + 1}::bigint + new.place) * interval '1 microsecond'")
            more, self._place = [self._place], self._place + len(rows)
        await self._session.fetch(
            f"INSERT INTO {shape.name} ({', '.join(names)}) SELECT {', '.join(values)}"
            f" FROM unnest({', '.join(arrays)}) WITH ORDINALITY AS new ({', '.join(shape.columns)}, place)",
            *zip(*rows, strict=True),
            *more,
        )

    async def keep(self) -> None:
        """Commit, and have the planner look at what is there now."""
        await self._session.run("COMMIT")
        await self._session.run("ANALYZE")

    async def lock(self, mode: str) -> None:
        """Lock every table against others."""
        await self._session.run(f"LOCK TABLE {', '.join(await self._known())} IN {mode} MODE")

    async def clear(self, tables: Iterable[str]) -> None:
        """Empty these tables, which hold nothing but what interrupted moves left on their pages."""
        await self._session.run(f"TRUNCATE {', '.join(tables)}")

    async def _known(self) -> dict[str, dict[str, str]]:
        if not self._types:
            for table, column, type_ in await self._session.fetch(_COLUMNS):
                self._types.setdefault(table, {})[column] = type_
        return self._types


@asynccontextmanager
async def source_database(url: str) -> AsyncIterator[PostgresTables]:
    """
    Lend the tables of a database that nobody writes meanwhile; nothing of it is changed.

    Raises DatabaseInUse when anybody is connected, SchemaMismatch, StoreUnavailable.
    """
    async with _transaction(url, "REPEATABLE READ", "SHARE") as tables:
        yield tables


@asynccontextmanager
async def target_database(url: str) -> AsyncIterator[PostgresTables]:
    """
    Lend the empty tables of a database, made if there are none, to be filled in one transaction.

    Raises DatabaseInUse when anybody is connected, CannotMove when there is anything in it, SchemaMismatch,
    StoreUnavailable.
    """
    await migrate_database(url)
    async with _transaction(url, "READ COMMITTED", "ACCESS EXCLUSIVE") as tables:
        await refuse_full(tables)
        await tables.clear(shape.name for shape in await tables.shapes() if shape.name not in LEFT_OUT)
        yield tables


@asynccontextmanager
async def _transaction(url: str, isolation: str, lock: str) -> AsyncIterator[PostgresTables]:
    session = await connect(url, patient=True)
    try:
        require_current(await current_number(session), len(MIGRATIONS))
        ((others,),) = await session.fetch(_OTHERS)
        if others:
            raise DatabaseInUse(
                f"There are {others} other connections to that database: stop every server and worker first."
            )
        tables = PostgresTables(session)
        # Known before, because the first question in the transaction fixes what it sees: the locks have to come first.
        await tables.shapes()
        await session.run(f"BEGIN ISOLATION LEVEL {isolation}")
        await tables.lock(lock)
        yield tables
    except (*FAILURES, TimeoutError) as failure:
        raise unavailable(failure) from failure
    finally:
        # What was not kept is forgotten with the connection.
        session.drop()


def _travels_as(table: str, column: str, type_: str) -> str:
    if type_ not in _TRAVELS_AS:
        raise CannotMove(f"{table}.{column} is {type_}, which no other engine has: nothing was moved.")
    return _TRAVELS_AS[type_]
