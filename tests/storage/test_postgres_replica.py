"""A real standby beside a real primary: lists are read from it and never too old, and it takes over without a loss."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paydue.domain.errors import StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.storage.postgres import replica
from paydue.storage.postgres.schema import migrate_database
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.export_books import ExportFilter
from postgres_server import PostgresServer, name_of, running_postgres, running_standby
from storing import FixedClock, assert_all_holds, create

# What a session has last asked for.
LISTS_SERVED = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'paydue' AND query LIKE '%counted.total%'"
)
# Exports that have a view of the database open.
EXPORTS_RUNNING = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'paydue' AND state = 'idle in transaction'"
    " AND datname = current_database()"
)


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    with running_standby(primary) as server:
        yield server


class Pair:
    """An installation on both servers, and how to open its store."""

    def __init__(self, url: str, primary: PostgresServer, standby: PostgresServer, key_path: Path) -> None:
        self.url = url
        self.primary = primary
        self.standby = standby
        self._key_path = key_path
        self._opened: list[PostgresStore] = []

    async def open(self, lag_seconds: float = 0, replica_url: str = "") -> PostgresStore:
        url = replica_url or self.standby.url(name_of(self.url))
        key_file = KeyFile.read(self._key_path)
        store = await PostgresStore.open(
            self.url, key_file, FixedClock(), replica_url=url, replica_lag_seconds=lag_seconds
        )
        self._opened.append(store)
        return store

    async def close(self) -> None:
        for store in self._opened:
            await store.close()

    def on_standby(self, statement: str) -> str:
        return self.standby.psql("postgres", statement)

    def lists_served_by_the_standby(self) -> bool:
        return self.standby.psql(name_of(self.url), LISTS_SERVED + " AND datname = current_database()") != "0"


@pytest.fixture
async def pair(primary: PostgresServer, standby: PostgresServer, tmp_path: Path) -> Any:
    create_key_file(tmp_path / "key")
    url = primary.new_database()
    await migrate_database(url)
    made = Pair(url, primary, standby, tmp_path / "key")
    store = await PostgresStore.open(url, KeyFile.read(tmp_path / "key"), FixedClock())
    await store.add_merchant(Merchant(merchant_id="acme", name="Acme"))
    await store.close()
    yield made
    await made.close()


async def total_of(store: PostgresStore) -> int:
    return (await store.of("acme").page(0, 5, None)).total


async def test_lists_are_read_from_the_standby_and_hold_what_any_node_has_just_kept(pair: Pair) -> None:
    here, beside = await pair.open(), await pair.open()

    for each in range(1, 101):
        await create((here if each % 2 else beside).of("acme"))
        assert await total_of(beside if each % 2 else here) == each

    assert pair.lists_served_by_the_standby()


async def test_a_standby_that_does_not_follow_is_left_alone_and_comes_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replica, "_LEFT_ALONE_WHEN_BEHIND_SECONDS", 0)
    caplog.set_level("INFO", "paydue.storage")
    store = await pair.open()
    pair.on_standby("SELECT pg_wal_replay_pause()")
    try:
        for each in range(1, 6):
            await create(store.of("acme"))
            assert await total_of(store) == each
        assert not pair.lists_served_by_the_standby()
    finally:
        pair.on_standby("SELECT pg_wal_replay_resume()")
    async with asyncio.timeout(20):
        while not pair.lists_served_by_the_standby():
            assert await total_of(store) == 5
    assert [record.message for record in caplog.records] == ["replica_not_used", "replica_is_back"]


async def test_lists_may_be_as_old_as_the_operator_allows(pair: Pair) -> None:
    patient = await pair.open(lag_seconds=600)
    await create(patient.of("acme"))
    assert await total_of(patient) == 1
    pair.on_standby("SELECT pg_wal_replay_pause()")
    try:
        await create(patient.of("acme"))

        assert await total_of(patient) == 1
        assert await total_of(await pair.open()) == 2
    finally:
        pair.on_standby("SELECT pg_wal_replay_resume()")


async def test_a_standby_of_something_else_is_not_read(pair: Pair, postgres_server: PostgresServer) -> None:
    strange = postgres_server.new_database()
    await migrate_database(strange)
    for url in (strange, pair.url, pair.standby.url("postgres")):
        store = await pair.open(lag_seconds=600, replica_url=url)
        before = await total_of(store)
        await create(store.of("acme"))
        assert await total_of(store) == before + 1
        assert not pair.lists_served_by_the_standby()


async def exported(store: PostgresStore) -> int:
    portions = [portion async for portion in store.exports_of("acme").invoices(ExportFilter())]
    return sum(len(portion.records) for portion in portions)


async def test_exports_are_read_from_the_standby_and_hold_what_was_just_kept(pair: Pair) -> None:
    here, beside = await pair.open(), await pair.open()
    for each in range(1, 21):
        await create((here if each % 2 else beside).of("acme"))
        assert await exported(beside if each % 2 else here) == each
    running = await an_export_at_the_standby(pair, here)

    assert pair.primary.psql(name_of(pair.url), EXPORTS_RUNNING) == "0"
    await running.aclose()


async def an_export_at_the_standby(pair: Pair, store: PostgresStore) -> Any:
    """Return an export under way there. On a busy machine a standby may be late, and is then left alone for a while."""
    async with asyncio.timeout(60):
        while True:
            running = store.exports_of("acme").invoices(ExportFilter())
            await anext(running)
            if pair.standby.psql(name_of(pair.url), EXPORTS_RUNNING) == "1":
                return running
            await running.aclose()
            await asyncio.sleep(0.2)


async def test_exports_come_from_the_primary_while_the_standby_does_not_follow_or_is_away(pair: Pair) -> None:
    store = await pair.open()
    await create(store.of("acme"))
    assert await exported(store) == 1
    pair.on_standby("SELECT pg_wal_replay_pause()")
    try:
        await create(store.of("acme"))
        assert await exported(store) == 2
    finally:
        pair.on_standby("SELECT pg_wal_replay_resume()")
    lenient = await pair.open(lag_seconds=600)
    assert await exported(lenient) == 2
    await asyncio.to_thread(pair.standby.stop)
    try:
        assert await exported(lenient) == 2
    finally:
        await asyncio.to_thread(pair.standby.start)


async def test_a_standby_that_stops_fails_no_list(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "_LEFT_ALONE_WHEN_AWAY_SECONDS", 0.05)
    store = await pair.open()
    await create(store.of("acme"))
    stopping = asyncio.Event()

    async def keep_listing() -> int:
        lists = 0
        while not stopping.is_set():
            assert await total_of(store) == 1
            lists += 1
        return lists

    listing = [asyncio.ensure_future(keep_listing()) for _ in range(4)]
    await asyncio.sleep(0.1)
    await asyncio.to_thread(pair.standby.stop)
    await asyncio.sleep(0.2)
    await asyncio.to_thread(pair.standby.start)
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(pair.lists_served_by_the_standby):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    stopping.set()

    assert min(await asyncio.gather(*listing)) > 10


async def test_a_standby_takes_over_under_load_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    create_key_file(tmp_path / "key")
    with running_postgres() as primary, running_standby(primary) as standby:
        url = primary.new_database()
        await migrate_database(url)
        primary.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        both = url.replace(f":{primary.port}/", f":{primary.port},127.0.0.1:{standby.port}/")
        store = await PostgresStore.open(both, KeyFile.read(tmp_path / "key"), FixedClock())
        await store.add_merchant(Merchant(merchant_id="acme", name="Acme"))
        acme = store.of("acme")
        kept: list[Invoice] = []
        failures: list[StoreUnavailable] = []
        stopping = asyncio.Event()

        async def keep_creating() -> None:
            while not stopping.is_set():
                try:
                    kept.append(await create(acme, sent=random.random() < 0.5))
                    assert await acme.invoice(kept[-1].number) is not None
                except StoreUnavailable as failure:
                    failures.append(failure)
                    await asyncio.sleep(0.01)

        load = [asyncio.ensure_future(keep_creating()) for _ in range(8)]
        await more_than(kept, 100)
        await asyncio.to_thread(primary.stop, hard=True)
        before = len(kept)
        await asyncio.to_thread(standby.promote)
        await more_than(kept, before + 100)
        stopping.set()
        await asyncio.gather(*load)

        assert failures
        assert len({invoice.number for invoice in kept}) == len(kept)
        for invoice in kept:
            assert await acme.invoice(invoice.number) == invoice
        await assert_all_holds(store)
        await store.close()


async def more_than(kept: list[Invoice], count: int) -> None:
    async with asyncio.timeout(60):
        while len(kept) <= count:  # noqa: ASYNC110 - whatever it is, nobody tells of it
            await asyncio.sleep(0.01)
