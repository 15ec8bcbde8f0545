"""One installation's store for each test, on every engine; and how to close it and open it again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from paydue.domain.merchant import Merchant
from paydue.storage.sqlite.schema import migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.ports import MerchantStore, Store
from storing import FixedClock


class Installation(Protocol):
    """What the contract suite needs of an engine: a store that is open, and may be closed and opened again."""

    clock: FixedClock
    store: Store

    async def open(self) -> Store: ...

    async def reopen(self) -> Store: ...


class SqliteInstallation:
    """A fresh SQLite file in a folder of its own."""

    store: SqliteStore

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
        self.store = await SqliteStore.open(self.path, KeyFile.read(self.key_path), self.clock, serves=True)
        return self.store

    async def reopen(self) -> SqliteStore:
        await self.store.close()
        return await self.open()


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


@pytest.fixture(params=["sqlite"])
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
