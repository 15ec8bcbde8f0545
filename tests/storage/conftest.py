"""One installation's store for each test, on every engine; and how to close it and open it again."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from paydue.domain.merchant import Merchant
from paydue.storage.postgres.schema import migrate_database
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.sqlite.schema import migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.ports import NOT_SHOWN, MerchantStore, Showing, Store
from postgres_server import PostgresServer, name_of
from storing import FixedClock


class Installation(Protocol):
    """What the contract suite needs of an engine: a store that is open, and may be closed and opened again."""

    clock: FixedClock
    store: Store
    showing: Showing

    async def open(self) -> Store: ...

    async def reopen(self) -> Store: ...


class SqliteInstallation:
    """A fresh SQLite file in a folder of its own."""

    store: SqliteStore
    showing = NOT_SHOWN

    def __init__(self, folder: Path) -> None:
        self.path = folder / "paydue.db"
        self.key_path = folder / "paydue.key"
        self.clock = FixedClock()

    async def make(self) -> None:
        create_key_file(self.key_path)
        await migrate_file(self.path)
        await self.open()
        for merchant_id in ("acme", "zeta"):
            await self.store.add_merchant(Merchant(merchant_id=merchant_id, name=merchant_id.title()))

    async def open(self) -> SqliteStore:
        self.store = await SqliteStore.open(
            self.path, KeyFile.read(self.key_path), self.clock, serves=True, showing=self.showing
        )
        return self.store

    async def beside(self) -> SqliteStore:
        """Return another process's store of the same file."""
        return await SqliteStore.open(self.path, KeyFile.read(self.key_path), self.clock, serves=False)

    async def reopen(self) -> SqliteStore:
        await self.store.close()
        return await self.open()


class PostgresInstallation:
    """A fresh database on the tests' own PostgreSQL server."""

    store: PostgresStore
    showing = NOT_SHOWN

    def __init__(self, server: PostgresServer, url: str, key_path: Path) -> None:
        self.server = server
        self.url = url
        self.key_path = key_path
        self.clock = FixedClock()

    async def make(self) -> None:
        create_key_file(self.key_path)
        await self.open()
        for merchant_id in ("acme", "zeta"):
            await self.store.add_merchant(Merchant(merchant_id=merchant_id, name=merchant_id.title()))

    async def open(self) -> PostgresStore:
        self.store = await self.beside()
        return self.store

    async def beside(self) -> PostgresStore:
        """Return another node's store of the same database."""
        return await PostgresStore.open(self.url, KeyFile.read(self.key_path), self.clock, showing=self.showing)

    async def reopen(self) -> PostgresStore:
        await self.store.close()
        return await self.open()

    def psql(self, *statements: str) -> str:
        """Do something by hand, as a superuser, whom no wall stops."""
        return self.server.psql(name_of(self.url), *statements)


@pytest.fixture
def unmade_sqlite(tmp_path: Path) -> SqliteInstallation:
    """A place for a SQLite installation, for tests that make it themselves."""
    return SqliteInstallation(tmp_path)


@pytest.fixture
async def sqlite(unmade_sqlite: SqliteInstallation) -> AsyncIterator[SqliteInstallation]:
    """A new SQLite installation with the merchants acme and zeta."""
    await unmade_sqlite.make()
    yield unmade_sqlite
    await unmade_sqlite.store.close()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """Return the name of a database with this release's schema, to copy from."""
    url = postgres_server.new_database()
    # Each test has an event loop of its own, so what is for all of them happens apart.
    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, migrate_database(url)).result()
    return name_of(url)


@pytest.fixture
async def postgres(
    postgres_server: PostgresServer, postgres_template: str, tmp_path: Path
) -> AsyncIterator[PostgresInstallation]:
    """A new PostgreSQL installation with the merchants acme and zeta."""
    url = postgres_server.new_database(postgres_template)
    installation = PostgresInstallation(postgres_server, url, tmp_path / "paydue.key")
    await installation.make()
    yield installation
    await installation.store.close()


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest) -> Installation:
    """A new installation with the merchants acme and zeta, on each engine in turn."""
    fixture: Installation = request.getfixturevalue(request.param)
    return fixture


@pytest.fixture
def store(installation: Installation) -> Store:
    return installation.store


@pytest.fixture
def acme(store: Store) -> MerchantStore:
    return store.of("acme")


@pytest.fixture
def zeta(store: Store) -> MerchantStore:
    return store.of("zeta")
