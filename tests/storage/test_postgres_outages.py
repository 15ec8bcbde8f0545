"""What the PostgreSQL engine does when the server goes away and comes back."""

# ruff: noqa: S608 - the statements are written here

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paydue.domain.errors import StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.storage.postgres import sessions
from paydue.storage.postgres.schema import migrate_database
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.vault import KeyFile, create_key_file
from postgres_server import PostgresServer, running_postgres
from storing import FixedClock, assert_all_holds, create, pay


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """Return a server that the test may stop."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    create_key_file(tmp_path / "other.key")
    return KeyFile.read(tmp_path / "other.key")


async def opened(url: str, key_file: KeyFile, **more: Any) -> PostgresStore:
    return await PostgresStore.open(url, key_file, FixedClock(), **more)


@pytest.mark.parametrize("alone", [False, True])
async def test_a_commit_whose_answer_is_lost_is_told_as_unknown(
    postgres: Any, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    acme, writer = postgres.store.of("acme"), postgres.store._writer
    await create(acme)
    writer._batches_to_lock = 0 if alone else 9
    method = "fetch" if alone else "run"
    ask = getattr(writer._session, method)

    async def lose(statement: str, *values: Any) -> Any:
        answer = await ask(statement, *values)
        if alone or statement == "COMMIT":
            raise ConnectionResetError("gone")
        return answer

    monkeypatch.setattr(writer._session, method, lose)
    outcomes = await asyncio.gather(*(create(acme) for _ in range(5)), return_exceptions=True)
    monkeypatch.undo()

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 5
    assert (await acme.page(0, 1, None)).total == 6, "it was kept all the same"
    assert (await create(acme)).serial == 7
    await assert_all_holds(postgres.store)


async def test_a_batch_of_changes_is_one_round_trip_and_keeps_every_refusal(
    postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, zeta = postgres.store.of("acme"), postgres.store.of("zeta")
    sent = await create(acme, "INV-1", sent=True)
    await create(zeta)
    asked: list[str] = []
    fetch, run = sessions.Session.fetch, sessions.Session.run

    async def count_fetch(session: sessions.Session, statement: str, *values: Any) -> Any:
        asked.append(statement)
        return await fetch(session, statement, *values)

    async def count_run(session: sessions.Session, script: str) -> str:
        asked.append(script)
        return await run(session, script)

    monkeypatch.setattr(sessions.Session, "fetch", count_fetch)
    monkeypatch.setattr(sessions.Session, "run", count_run)
    outcomes = await asyncio.gather(
        create(acme), create(zeta), pay(acme, sent, "10"), pay(acme, sent, "5"), create(acme, "B"), create(acme, "B"),
        return_exceptions=True,
    )  # fmt: skip
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Invoice", "Invoice", "Invoice", "StaleVersion", "Invoice", "DuplicateInvoiceNumber"
    ]  # fmt: skip
    assert len(asked) == 1

    # What only the database can tell: a number in use, and a version that was overtaken.
    outcomes = await asyncio.gather(
        create(acme, "INV-1"), create(acme), pay(acme, sent, "7"), create(zeta, "B"), return_exceptions=True
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "DuplicateInvoiceNumber", "Invoice", "StaleVersion", "Invoice"
    ]  # fmt: skip
    assert len(asked) > 5
    assert (await acme.page(0, 1, None)).total == 4
    await assert_all_holds(postgres.store)


@pytest.mark.parametrize("hard", [False, True])
async def test_a_restart_of_the_server_under_load_loses_nothing_that_was_acknowledged(
    own_server: PostgresServer, tmp_path: Path, hard: bool
) -> None:
    create_key_file(tmp_path / "key")
    url = own_server.new_database()
    await migrate_database(url)
    store = await opened(url, KeyFile.read(tmp_path / "key"))
    await store.add_merchant(Merchant(merchant_id="acme", name="Acme"))
    acme = store.of("acme")
    kept: list[Invoice] = []
    failures: list[BaseException] = []
    stopping = asyncio.Event()

    async def keep_creating() -> None:
        while not stopping.is_set():
            try:
                invoice = await create(acme, sent=random.random() < 0.5)
                kept.append(invoice)
                assert await acme.invoice(invoice.number) == invoice
            except StoreUnavailable as failure:
                failures.append(failure)
                await asyncio.sleep(0.01)

    load = [asyncio.ensure_future(keep_creating()) for _ in range(16)]
    for _ in range(2):
        before = len(kept)
        await until(lambda before=before: len(kept) > before + 200)
        await asyncio.to_thread(own_server.stop, hard=hard)
        assert not await store.is_ready()
        await asyncio.to_thread(own_server.start)
    before = len(kept)
    await until(lambda: len(kept) > before + 200)
    stopping.set()
    await asyncio.gather(*load)

    assert failures
    assert await store.is_ready()
    assert len({invoice.number for invoice in kept}) == len(kept)
    for invoice in kept:
        assert await acme.invoice(invoice.number) == invoice
    await assert_all_holds(store)
    await store.close()


async def test_connections_that_the_server_closed_in_quiet_times_cost_nobody_anything(
    postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paydue.storage.postgres.writer._WARM_SECONDS", 0)
    acme = postgres.store.of("acme")
    sent = await create(acme, sent=True)
    await asyncio.gather(*(acme.invoice("1") for _ in range(30)))
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    postgres.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

    found, created = await asyncio.gather(acme.invoice("1"), create(acme))

    assert found == sent
    assert created.serial == 2


async def test_a_server_that_is_not_there_is_told_when_opening(tmp_path: Path, key_file: KeyFile) -> None:
    for url in ("postgresql://paydue@127.0.0.1:1/paydue", "postgresql://paydue@nowhere.invalid/paydue"):
        with pytest.raises(StoreUnavailable):
            await opened(url, key_file)
        with pytest.raises(StoreUnavailable):
            await migrate_database(url)


async def until(is_so: Any) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - whatever it is, nobody tells of it
            await asyncio.sleep(0.01)
