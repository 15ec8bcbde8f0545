"""Opens the two databases of a move: what is read from, and what is made."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from paydue.bootstrap import database_path, key_file_path
from paydue.config import Config
from paydue.storage.move import CannotMove, MovedTable, Tables, Target, Told, move, refuse_other_key
from paydue.storage.sqlite.tables import source_file, target_file
from paydue.storage.vault import KeyFile


async def move_store(source: Config, target: Config, tell: Told) -> list[MovedTable]:
    """
    Move everything from one database to the other, which has the same key file, and return what was moved.

    Raises CannotOpenStore, whose text says what to do, and StoreUnavailable; the target then holds nothing of it.
    """
    key_file = KeyFile.read(key_file_path(source))
    if _where(source) == _where(target):
        raise CannotMove("Both sides of the move are the same database.")
    async with _source(source) as tables:
        await refuse_other_key(tables, key_file)
        async with _target(target) as empty:
            return await move(tables, empty, tell)


def _where(config: Config) -> str:
    return f"{database_path(config) or config.database}"


@asynccontextmanager
async def _source(config: Config) -> AsyncIterator[Tables]:
    path = database_path(config)
    if path is not None:
        async with source_file(path) as tables:
            yield tables
        return
    # Imported here because whoever uses SQLite need not pay for the driver.
    from paydue.storage.postgres.tables import source_database  # noqa: PLC0415

    async with source_database(f"{config.database}") as tables:
        yield tables


@asynccontextmanager
async def _target(config: Config) -> AsyncIterator[Target]:
    path = database_path(config)
    if path is not None:
        async with target_file(path) as tables:
            yield tables
        return
    from paydue.storage.postgres.tables import target_database  # noqa: PLC0415 - see above

    async with target_database(f"{config.database}") as tables:
        yield tables
