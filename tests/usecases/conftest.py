"""The real store, opened for one merchant, on a file of the test's own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from paydue.domain.merchant import Merchant
from paydue.storage.sqlite.schema import migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.ports import MerchantStore


class NoonClock:
    """Time stands still."""

    def now(self) -> datetime:
        return datetime(2026, 5, 5, 12, tzinfo=UTC)

    def nanoseconds(self) -> int:
        return int(self.now().timestamp()) * 1_000_000_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MerchantStore]:
    create_key_file(tmp_path / "key")
    await migrate_file(tmp_path / "paydue.db")
    store = await SqliteStore.open(tmp_path / "paydue.db", KeyFile.read(tmp_path / "key"), NoonClock(), serves=True)
    await store.add_merchant(Merchant(merchant_id="acme", name="Acme"))
    yield store.of("acme")
    await store.close()
