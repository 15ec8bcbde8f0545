"""What the SQLite engine does when the file is locked, full, damaged or changed from outside."""

import asyncio
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from builders import NOON
from paydue.domain.errors import StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.domain.settings import ProductType, Settings
from paydue.storage.short_memory import SECONDS
from paydue.storage.sqlite import engine as engine_module
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile
from paydue.usecases.access_keys import AccessKey, KeyKind, new_shared_secret
from storing import assert_all_holds, create


def connect(path: Path) -> Any:
    return closing(apsw.Connection(str(path)))


async def test_a_command_that_writes_meanwhile_is_waited_for_without_keeping_the_loop(sqlite: Any) -> None:
    acme = sqlite.store.of("acme")
    await create(acme)
    with connect(sqlite.path) as command:
        command.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(create(acme))
        for _ in range(20):
            await asyncio.sleep(0.001)
            assert (await acme.invoice("1")).number == "1", "reading goes on"
        assert not waiting.done()
        command.execute("COMMIT")

        assert (await waiting).number == "2"


async def test_a_lock_that_is_held_for_long_is_told_and_the_next_change_works(
    sqlite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_LOCK_WAIT_SECONDS", 0.02)
    acme = sqlite.store.of("acme")
    with connect(sqlite.path) as command:
        command.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(create(acme), create(acme), return_exceptions=True)
        command.execute("ROLLBACK")

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
    assert (await create(acme)).serial == 1
    await assert_all_holds(sqlite.store)


async def test_a_full_disk_is_told_to_every_caller_and_nothing_half_is_kept(sqlite: Any) -> None:
    acme = sqlite.store.of("acme")
    writer = sqlite.store._engine._writer
    pages = writer.pragma("page_count")
    writer.pragma("max_page_count", pages + 4)

    outcomes = await asyncio.gather(*(create(acme, sent=True) for _ in range(300)), return_exceptions=True)
    kept = [outcome for outcome in outcomes if isinstance(outcome, Invoice)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, StoreUnavailable)]

    assert refused
    assert len(kept) + len(refused) == 300
    assert (await acme.page(0, 1, None)).total == len(kept)
    writer.pragma("max_page_count", 1 << 30)
    assert (await create(acme)).serial == len(kept) + 1
    await assert_all_holds(sqlite.store)


async def test_a_failing_commit_is_told_to_every_caller_and_undone(
    sqlite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = sqlite.store.of("acme")
    monkeypatch.setattr(sqlite.store._engine._committer, "commit", failing_commit)
    outcomes = await asyncio.gather(*(create(acme) for _ in range(5)), return_exceptions=True)
    monkeypatch.undo()

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 5
    assert (await create(acme)).serial == 1
    await assert_all_holds(sqlite.store)


async def failing_commit() -> None:
    raise apsw.IOError("disk I/O error")


async def test_the_loop_is_free_while_a_commit_waits_for_the_disk(sqlite: Any) -> None:
    acme = sqlite.store.of("acme")
    await create(acme)
    cursor, held = sqlite.store._engine._committer._cursor, threading.Event()

    class SlowDisk:
        def execute(self, statement: str) -> None:
            held.wait(10)
            cursor.execute(statement)

    sqlite.store._engine._committer._cursor = SlowDisk()
    first = asyncio.ensure_future(create(acme, sent=True))
    await asyncio.sleep(0.01)
    gathering = [asyncio.ensure_future(create(acme)) for _ in range(3)]
    await asyncio.sleep(0.01)

    assert (await acme.page(0, 9, None)).total == 1, "what is not durable is not shown"
    assert await acme.invoice("2") is None
    assert not first.done()
    held.set()
    assert [(await one).number for one in (first, *gathering)] == ["2", "3", "4", "5"]


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, sqlite: Any) -> None:
    tmp_path.joinpath("other.db").write_bytes(b"no database" * 1000)

    with pytest.raises(StoreUnavailable, match="not a database"):
        await SqliteStore.open(tmp_path / "other.db", KeyFile.read(sqlite.key_path), sqlite.clock, serves=True)


async def test_what_another_process_changes_is_seen_within_five_seconds(
    sqlite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = AccessKey(
        key_id="k-1", merchant_id="acme", kind=KeyKind.SHARED_SECRET, secret=new_shared_secret(), merchants=("acme",)
    )
    serving = sqlite.store
    now = 0.0
    for memory in (serving._keys, serving._installation.settings, serving._installation.merchants):
        monkeypatch.setattr(memory, "_monotonic", lambda: now)
    command = await SqliteStore.open(sqlite.path, KeyFile.read(sqlite.key_path), sqlite.clock, serves=False)
    assert await serving.find("k-1") is None

    await command.add_key(key, NOON)
    assert await serving.find("k-1") == key, "a key that was not known is looked for each time"
    assert await serving.of("acme").settings(ProductType.INVOICING) == Settings()
    wanted = Settings(font_color="#123456")
    await command.of("acme").save_settings(ProductType.INVOICING, Settings(), wanted, None)
    await command.revoke_key("k-1", NOON)
    now = SECONDS
    assert (await serving.find("k-1")).is_revoked
    assert await serving.of("acme").settings(ProductType.INVOICING) == replace(wanted, version=1)
    await command.close()


def test_a_loop_that_is_torn_down_amid_a_commit_leaves_good_books(unmade_sqlite: Any) -> None:
    async def leave_amid_a_commit() -> None:
        await unmade_sqlite.make()
        left = asyncio.ensure_future(create(unmade_sqlite.store.of("acme")))
        # One step of the loop to accept it, one to write it up to the COMMIT.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not left.done()

    async def come_back() -> None:
        store = await unmade_sqlite.open()
        assert (await store.of("acme").page(0, 1, None)).total == 1
        await assert_all_holds(store)
        await store.close()

    asyncio.run(leave_amid_a_commit())
    unmade_sqlite.store._engine.close()
    asyncio.run(come_back())


async def test_a_closed_engine_lets_go_of_its_claim(sqlite: Any) -> None:
    await sqlite.store.close()

    engine = Engine(sqlite.path, serves=True)
    engine.close()
    engine.close()
    await sqlite.open()


async def test_every_reading_statement_of_the_hot_path_uses_a_key(sqlite: Any) -> None:
    """Their cost must not grow with the number of invoices: no scan, and no sorting."""
    from paydue.storage.sqlite import statements as sql

    hot = (
        sql.COUNTERS, sql.HAS_NUMBER, sql.HAS_RECEIPT, sql.RECEIPT, sql.INVOICE, sql.LINK, sql.INVOICE_BY_SERIAL,
        sql.SERIALS, sql.VERSIONS, sql.SUMMARIES, sql.STATUS_COUNT, sql.BLOCK_COUNTS, sql.VERSIONS_OF_STATUS,
        sql.SUMMARIES_OF_STATUS, sql.SETTINGS,
        sql.LOGO, sql.DEFINITIONS, sql.KEY, sql.KEY_BY_CERTIFICATE, sql.AMEND_INVOICE, sql.LOWER_COUNT, sql.DROP_LINK,
    )  # fmt: skip
    with connect(sqlite.path) as connection:
        for statement in hot:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * statement.count("?"))
            steps = [step for *_, step in plan]
            assert steps, statement
            assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], (statement, steps)
