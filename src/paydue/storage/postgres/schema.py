"""The schema of the PostgreSQL database: its number, and how a migration is applied to it."""

from collections.abc import Callable, Sequence
from typing import Final

import asyncpg

from paydue.domain.errors import StoreUnavailable
from paydue.storage.errors import CannotOpenStore
from paydue.storage.migrate import Migration, migrate, migrations_of
from paydue.storage.postgres import statements as sql
from paydue.storage.postgres.index_builds import index_steps, take
from paydue.storage.postgres.sessions import FAILURES, Readers, Session, connect, unavailable
from paydue.storage.rows import Row

MIGRATIONS: Final = migrations_of(__package__)

_OLDEST_SERVER: Final = 150_000


async def migrate_database(
    url: str,
    progress: Callable[[Migration], None] = lambda _: None,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> int:
    """
    Bring the database to this release's schema and return how many migrations that took.

    Raises SchemaMismatch when it is newer than this release, CannotOpenStore when the server is too old,
    StoreUnavailable when it does not answer or a table stays locked.
    """
    session = await connect(url, patient=True)
    try:
        require_server(await session.fetch(sql.SERVER))
        return await migrate(PostgresSchema(session), migrations, progress)
    except asyncpg.LockNotAvailableError as locked:
        raise StoreUnavailable(
            "a table stayed locked by another session; nothing of that migration was kept, run it again"
        ) from locked
    except (*FAILURES, TimeoutError) as failure:
        raise unavailable(failure) from failure
    finally:
        await session.close()


async def has_data_keys(url: str) -> bool:
    """Tell whether the database was opened with a key file before, without which it cannot be read."""
    session = await connect(url)
    try:
        return await _has_schema(session) and bool(await session.fetch(sql.HAS_DATA_KEYS))
    except (*FAILURES, TimeoutError) as failure:
        raise unavailable(failure) from failure
    finally:
        await session.close()


class PostgresSchema:
    """The schema of a database, seen through one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def number(self) -> int:
        """Return the number of the last migration applied, 0 for an empty database."""
        return await current_number(self._session)

    async def apply(self, migration: Migration) -> None:
        """
        Apply a migration and record its number, both or none, unless another process has done it meanwhile.

        One of index builds is no transaction: a part of it may stay, and is not done again.
        """
        steps = index_steps(migration.sql)
        await take(self._session, steps)
        try:
            await self._apply(migration, "" if steps else migration.sql)
        except (asyncpg.UniqueViolationError, asyncpg.DuplicateTableError):
            # Two made the first table at once, and the other one won.
            if await current_number(self._session) < migration.number:
                raise

    async def _apply(self, migration: Migration, script: str) -> None:
        session = self._session
        await session.run("BEGIN")
        try:
            if await _has_schema(session):
                await session.run("LOCK TABLE schema_migrations IN EXCLUSIVE MODE")
                if await current_number(session) >= migration.number:
                    await session.run("ROLLBACK")
                    return
            if script:
                await session.run(script)
            await session.fetch(sql.ADD_SCHEMA_NUMBER, migration.number, migration.title)
            await session.run("COMMIT")
        except BaseException:
            if session.is_open:
                await session.run("ROLLBACK")
            raise


def require_server(found: Sequence[Row]) -> None:
    """Raise CannotOpenStore when the server that told this of itself is older than the statements were written for."""
    ((version, name),) = found
    if version < _OLDEST_SERVER:
        raise CannotOpenStore(f"The database server is PostgreSQL {name}: Paydue works with 15 and newer.")


async def schema_number(readers: Readers) -> int:
    """Return the number of the last migration applied to the database, 0 when it is empty."""
    if not (await readers.read(sql.HAS_SCHEMA))[0][0]:
        return 0
    found = await readers.read(sql.SCHEMA_NUMBER)
    if not found:
        raise StoreUnavailable("the schema's number cannot be read")
    number: int = found[0][0]
    return number


async def _has_schema(session: Session) -> bool:
    return bool((await session.fetch(sql.HAS_SCHEMA))[0][0])


async def current_number(session: Session) -> int:
    """Return the number of the last migration applied to the database of a session, 0 when it is empty."""
    if not await _has_schema(session):
        return 0
    number: int = (await session.fetch(sql.SCHEMA_NUMBER))[0][0]
    return number
