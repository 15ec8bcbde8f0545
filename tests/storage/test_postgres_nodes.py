"""What the nodes of one PostgreSQL database have in common: one-time values, the time, and where the database is."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from builders import NOON
from delivering import a_mail, happens
from paydue.domain.errors import StoreUnavailable
from paydue.storage.postgres import used_values
from paydue.storage.postgres.clock import DatabaseClock
from paydue.storage.postgres.hosts import each_host
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.vault import KeyFile
from storing import a_secret_key, create

KEY = a_secret_key("k-1")
HOUR = timedelta(hours=1)


class Late:
    """A clock that is wrong by some time."""

    def __init__(self, behind: timedelta) -> None:
        self._behind = behind

    def now(self) -> datetime:
        return datetime.now(UTC) - self._behind

    def nanoseconds(self) -> int:
        return int(self.now().timestamp() * 1_000_000) * 1000


@pytest.fixture
async def other(postgres: Any) -> Any:
    store = await postgres.beside()
    yield store
    await store.close()


# One-time values


async def test_a_one_time_value_that_was_used_at_one_node_is_refused_at_the_other(postgres: Any, other: Any) -> None:
    here, beside = postgres.store.replay_guard, other.replay_guard

    assert await here.first_use(KEY, "jti-1", NOON)
    assert not await beside.first_use(KEY, "jti-1", NOON)
    assert not await here.first_use(KEY, "jti-1", NOON)
    assert await beside.first_use(a_secret_key("k-2"), "jti-1", NOON)
    assert await beside.first_use(a_secret_key("k-1", "zeta"), "jti-1", NOON)
    assert await beside.first_use(KEY, "\0\ud800" + "x" * 10_000, NOON)


async def test_of_many_uses_at_both_nodes_at_once_one_is_the_first(postgres: Any, other: Any) -> None:
    guards = (postgres.store.replay_guard, other.replay_guard)

    for round_ in range(5):
        wishes = [guards[each % 2].first_use(KEY, f"{round_}-{each // 8}", NOON) for each in range(80)]
        assert sum(await asyncio.gather(*wishes)) == 10


async def test_a_use_whose_answer_was_lost_is_still_the_first(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    guard, readers = postgres.store.replay_guard, postgres.store._readers
    read = readers.read

    async def twice(statement: str, *values: Any) -> Any:
        await read(statement, *values)
        return await read(statement, *values)

    monkeypatch.setattr(readers, "read", twice)

    assert await guard.first_use(KEY, "jti-1", NOON)
    assert not await guard.first_use(KEY, "jti-1", NOON)


async def test_values_that_matter_no_more_are_forgotten(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_values, "_FORGET_AFTER", 20)
    guard = postgres.store.replay_guard
    for each in range(20):
        assert await guard.first_use(KEY, f"old-{each}", NOON + timedelta(seconds=each))
    await guard._forgetting
    postgres.clock.advance(seconds=10)
    for each in range(20):
        assert await guard.first_use(KEY, f"new-{each}", NOON + HOUR)
    await guard._forgetting

    # Its last second counts still.
    assert postgres.psql("SELECT count(*), min(matters_until) FROM used_values").startswith("30|")
    assert not await guard.first_use(KEY, "old-10", NOON)


async def test_one_time_values_cannot_be_told_while_the_database_is_away(postgres: Any) -> None:
    await postgres.store.replay_guard.close()

    with pytest.raises(StoreUnavailable):
        await postgres.store.replay_guard.first_use(KEY, "jti-1", NOON)


# The time


async def opened(postgres: Any, clock: Any, url: str = "") -> PostgresStore:
    return await PostgresStore.open(url or postgres.url, KeyFile.read(postgres.key_path), clock, agrees=True)


async def test_nodes_whose_clocks_are_wrong_live_by_the_databases(postgres: Any) -> None:
    early, late = await opened(postgres, Late(-HOUR)), await opened(postgres, Late(HOUR))
    now = datetime.now(UTC)

    for store in (early, late):
        assert abs(store.clock.now() - now) < timedelta(minutes=1)
        assert abs(store.clock.nanoseconds() / 1e9 - now.timestamp()) < 60

    # So neither takes what the other has at hand.
    await happens(early.of("acme"), a_mail(), at=early.clock.now())
    leases = []
    for store in (late, early):
        at = store.clock.now() + timedelta(seconds=1)
        leases.append(await store.outbox.lease("worker", at, at + timedelta(minutes=5), 10))
    assert [len(jobs) for jobs in leases] == [1, 0]
    await early.close()
    await late.close()


async def test_a_clock_that_agrees_is_not_disturbed_by_how_long_an_answer_takes(postgres: Any) -> None:
    clock = DatabaseClock(Late(timedelta()))
    await clock.agree(postgres.store._readers)

    assert clock._ahead_nanoseconds == 0


# Where the database is


def test_an_address_may_name_several_hosts() -> None:
    assert each_host("postgresql://role:a%2Cb@one:1,[::1]:2,three/db?sslmode=require") == [
        "postgresql://role:a%2Cb@one:1/db?sslmode=require",
        "postgresql://role:a%2Cb@[::1]:2/db?sslmode=require",
        "postgresql://role:a%2Cb@three/db?sslmode=require",
    ]
    assert each_host("postgresql:///db?host=/tmp") == ["postgresql:///db?host=/tmp"]


async def test_of_several_hosts_those_that_refuse_or_stay_silent_cost_no_time(postgres: Any) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    there = postgres.url.partition("@")[2].partition("/")[0]
    url = postgres.url.replace(there, f"127.0.0.1:1,127.0.0.1:{silent.getsockname()[1]},{there}")

    async with asyncio.timeout(4):
        store = await opened(postgres, Late(timedelta()), url)
        assert (await create(store.of("acme"))).serial == 1
    await store.close()
    silent.close()


async def test_when_no_host_answers_it_is_told_of_the_first(postgres: Any) -> None:
    with pytest.raises(StoreUnavailable, match="Connect call failed"):
        await opened(postgres, Late(timedelta()), "postgresql://paydue@127.0.0.1:1,127.0.0.1:2/paydue")
