"""
A PostgreSQL of the harness's own: made for one run with the settings of a small production server, and gone after it.

It runs on the load's core: what it needs there is measured, and the server keeps a core to itself.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import msgspec
from tests.postgres_server import PostgresServer

# A commit is on the disk when it is answered, as with SQLite.
SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "effective_cache_size": "2GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "max_connections": "100",
}


class Databases(msgspec.Struct, frozen=True, kw_only=True):
    """Where new databases come from, and the server's process, if it is ours."""

    new: Callable[[], str]
    pids: tuple[int, ...] = ()


@contextmanager
def own_databases(under: Path) -> Iterator[Databases]:
    """Run PostgreSQL in a new folder below `under` for the length of a `with` block."""
    folder = Path(tempfile.mkdtemp(prefix="paydue-bench-postgres-", dir=under))
    server = PostgresServer(folder, settings=SETTINGS)
    try:
        server.make()
        yield Databases(new=server.new_database, pids=(server.pid,))
    finally:
        server.stop(hard=True)
        shutil.rmtree(folder, ignore_errors=True)


def stored_bytes(url: str) -> int:
    """Answer how much a database takes on the disk."""

    async def ask() -> int:
        connection = await asyncpg.connect(url)
        try:
            found: int = await connection.fetchval("SELECT pg_database_size(current_database())")
            return found
        finally:
            await connection.close()

    return asyncio.run(ask())
