"""The schema of the SQLite file: its number, and how a migration is applied to it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import apsw

from paydue.domain.errors import StoreUnavailable
from paydue.storage.migrate import Migration, migrate, migrations_of
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Engine

MIGRATIONS: Final = migrations_of(__package__)


async def migrate_file(
    path: Path,
    progress: Callable[[Migration], None] = lambda _: None,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> int:
    """
    Bring the database at `path` to this release's schema, making the file if there is none.

    Returns how many migrations were applied. Raises SchemaMismatch when it is newer than this release,
    StoreUnavailable when it cannot be read or is locked for long.
    """
    Engine.create(path)
    engine = Engine(path, serves=False)
    try:
        return await migrate(SqliteSchema(engine), migrations, progress)
    except apsw.BusyError as busy:
        raise StoreUnavailable(f"{path} stayed locked by another process: {busy}") from busy
    finally:
        engine.close()


class SqliteSchema:
    """The schema of an open file."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def number(self) -> int:
        """Return the number of the last migration applied, 0 for an empty file."""
        return schema_number(self._engine)

    async def apply(self, migration: Migration) -> None:
        """Apply a migration and record its number, both or none, unless another process has done it meanwhile."""
        engine = self._engine
        await engine.begin()
        try:
            # Nobody else can write now, so what the reading connection sees is the truth.
            if schema_number(engine) >= migration.number:
                engine.rollback()
                return
            engine.write.execute(migration.sql).fetchall()
            engine.write.execute(sql.ADD_SCHEMA_NUMBER, (migration.number, migration.title))
            await engine.commit()
        except BaseException:
            engine.rollback()
            raise


def schema_number(engine: Engine) -> int:
    """Return the number of the last migration applied to the file, 0 when it is empty."""
    if not engine.read(sql.HAS_SCHEMA):
        return 0
    number: int | None = engine.read(sql.SCHEMA_NUMBER)[0][0]
    return number or 0
