"""What the PostgreSQL engine does when the server goes away, locks, refuses or answers late, and beside other nodes."""

# ruff: noqa: S608 - the statements are written here

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from builders import NOON
from paydue.domain.errors import BrokenFact, StoreBusy, StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.merchant import Merchant
from paydue.domain.settings import ProductType, Settings
from paydue.storage.errors import CannotOpenStore, SchemaMismatch, VaultError
from paydue.storage.migrate import Migration
from paydue.storage.postgres import changes, sessions, statements, writes
from paydue.storage.postgres.schema import MIGRATIONS, has_data_keys, migrate_database, require_server
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.short_memory import SECONDS
from paydue.storage.sqlite.schema import MIGRATIONS as SQLITE_MIGRATIONS
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.access_keys import AccessKey, KeyKind, new_shared_secret
from paydue.usecases.ports import StaleVersion
from postgres_server import PostgresServer, name_of, running_postgres
from storing import FixedClock, assert_all_holds, create, everything, pay

GOOD = Migration(len(MIGRATIONS) + 1, "good", "CREATE TABLE more (a TEXT); INSERT INTO more VALUES ('b');")
BAD = Migration(len(MIGRATIONS) + 2, "bad", "CREATE TABLE worse (a TEXT); INSERT INTO no_such_table VALUES (1);")


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


# Many nodes


async def test_two_nodes_that_create_at_once_share_no_number_and_leave_no_gap(postgres: Any) -> None:
    beside = await postgres.beside()
    nodes = (postgres.store, beside)
    # Both merchants on both nodes, so that each batch locks two rows.
    outcomes = await asyncio.gather(
        *(create(nodes[wish % 2].of(("acme", "zeta")[wish // 2 % 2]), sent=wish % 5 == 0) for wish in range(2000))
    )

    for merchant, mine in (("acme", [0, 1]), ("zeta", [2, 3])):
        own = [invoice for wish, invoice in enumerate(outcomes) if wish % 4 in mine]
        assert {invoice.serial for invoice in own} == set(range(1, 1001))
        assert {invoice.number for invoice in own} == {str(number) for number in range(1, 1001)}
        for node in nodes:
            pages = {status: (await node.of(merchant).page(0, 1, status)).total for status in (None, *Status)}
            assert pages[None] == 1000
            assert pages[Status.SENT] == sum(invoice.status is Status.SENT for invoice in own)
            assert sum(pages.values()) == 2000
    await assert_all_holds(beside)
    await beside.close()


async def test_of_changes_of_one_invoice_on_two_nodes_one_is_kept(postgres: Any) -> None:
    beside = await postgres.beside()
    sent = await create(postgres.store.of("acme"), sent=True)

    outcomes = await asyncio.gather(
        *(pay(node.of("acme"), sent, "10") for node in (postgres.store, beside) * 5), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Invoice", *["StaleVersion"] * 9]
    assert (await beside.of("acme").invoice(sent.number)).paid == 10  # type: ignore[union-attr]
    await assert_all_holds(postgres.store)
    await beside.close()


async def test_a_change_decided_on_what_another_node_overtook_fails_alone(postgres: Any) -> None:
    beside = await postgres.beside()
    acme = postgres.store.of("acme")
    sent = await create(acme, sent=True)
    await pay(beside.of("acme"), sent, "10")

    outcomes = await asyncio.gather(create(acme), pay(acme, sent, "5"), create(acme), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Invoice, StaleVersion, Invoice]
    await assert_all_holds(postgres.store)
    await beside.close()


async def test_what_another_node_changes_is_seen_within_five_seconds(
    postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = AccessKey(
        key_id="k-1", merchant_id="acme", kind=KeyKind.SHARED_SECRET, secret=new_shared_secret(), merchants=("acme",)
    )
    node, now = postgres.store, 0.0
    for memory in (node._keys, node._installation.settings, node._installation.merchants):
        monkeypatch.setattr(memory, "_monotonic", lambda: now)
    beside = await postgres.beside()
    await beside.add_key(key, NOON)
    assert await node.find("k-1") == key
    assert await node.of("acme").settings(ProductType.INVOICING) == Settings()

    await beside.of("acme").save_settings(ProductType.INVOICING, Settings(), Settings(font_color="#123456"), None)
    await beside.revoke_key("k-1", NOON)
    now = SECONDS

    assert (await node.find("k-1")).is_revoked
    assert (await node.of("acme").settings(ProductType.INVOICING)).font_color == "#123456"
    await beside.close()


async def test_text_that_no_row_can_hold_fails_its_caller_alone(postgres: Any) -> None:
    acme = postgres.store.of("acme")
    for _ in range(2):
        outcomes = await asyncio.gather(
            create(acme), create(acme, "a\0b"), create(acme, "\ud800"), create(acme), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [Invoice, BrokenFact, BrokenFact, Invoice]

    assert (await acme.page(0, 1, None)).total == 4
    await assert_all_holds(postgres.store)


# Locks, lost races


async def test_a_lock_that_is_held_for_long_is_told_and_the_next_change_works(
    postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sessions._LIMITS, "lock_timeout", "100ms")
    await postgres.reopen()
    acme = postgres.store.of("acme")
    async with held(postgres, "SELECT 1 FROM merchants WHERE merchant_id = 'acme' FOR UPDATE"):
        outcomes = await asyncio.gather(create(acme), create(acme), return_exceptions=True)
        assert (await acme.page(0, 1, None)).total == 0, "reading goes on"

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
    assert (await create(acme)).serial == 1
    await assert_all_holds(postgres.store)


async def test_a_read_that_takes_too_long_is_given_up(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sessions._LIMITS, "statement_timeout", "100ms")
    await postgres.reopen()
    acme = postgres.store.of("acme")
    await create(acme)
    async with held(postgres, "LOCK TABLE invoices"):
        with pytest.raises(StoreUnavailable, match="statement timeout"):
            await acme.invoice("1")

    assert (await acme.invoice("1")).number == "1"


async def test_a_lost_race_is_run_again_whole(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = postgres.store.of("acme")
    losses = spoil(monkeypatch, postgres.store, asyncpg.DeadlockDetectedError, times=3)

    outcomes = await asyncio.gather(*(create(acme, sent=True) for _ in range(5)))

    assert losses == []
    assert {invoice.serial for invoice in outcomes} == {1, 2, 3, 4, 5}
    await assert_all_holds(postgres.store)


async def test_who_loses_every_race_is_told_in_the_end(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = postgres.store.of("acme")
    spoil(monkeypatch, postgres.store, asyncpg.SerializationError, times=4)

    with pytest.raises(StoreUnavailable):
        await create(acme)

    assert (await create(acme)).serial == 1
    await assert_all_holds(postgres.store)


async def test_real_deadlocks_between_nodes_cost_nobody_his_change(postgres: Any) -> None:
    """Rows of settings are no merchants, and are locked in any order."""
    acme = postgres.store.of("acme")
    await acme.save_settings(ProductType.INVOICING, Settings(), Settings(font_color="#111111"), None)
    async with held(postgres, "SELECT 1 FROM settings WHERE merchant_id = 'acme' FOR UPDATE") as connection:
        saving = asyncio.ensure_future(
            acme.save_settings(
                ProductType.INVOICING, await acme.settings(ProductType.INVOICING), Settings(font_color="#222222"), None
            )
        )
        await asyncio.sleep(0.3)
        # It has the merchant and waits for the settings; now wait the other way round.
        await asyncio.gather(
            connection.execute("SELECT 1 FROM merchants WHERE merchant_id = 'acme' FOR UPDATE"), return_exceptions=True
        )
        await connection.execute("ROLLBACK")
        await saving

    assert (await (await postgres.reopen()).of("acme").settings(ProductType.INVOICING)).font_color == "#222222"


# The server goes away


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


# The pool


async def test_many_readers_share_few_connections(postgres: Any) -> None:
    acme = postgres.store.of("acme")
    await create(acme)

    found = await asyncio.gather(*(acme.page(0, 1, None) for _ in range(500)))

    assert all(page.total == 1 for page in found)
    used = postgres.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'paydue'"
                         " AND datname = current_database()")  # fmt: skip
    assert int(used) <= sessions.READERS + 1


async def test_a_reader_who_goes_away_leaves_nothing_for_the_next(postgres: Any) -> None:
    acme = postgres.store.of("acme")
    await asyncio.gather(*(create(acme) for _ in range(9)))
    leaving = [asyncio.ensure_future(acme.page(0, 5, None)) for _ in range(40)]
    await asyncio.sleep(0)
    for one in random.Random(1).sample(leaving, 30):
        one.cancel()

    for number in range(1, 10):
        assert (await acme.invoice(str(number))).number == str(number)
    await asyncio.gather(*leaving, return_exceptions=True)
    assert (await acme.page(0, 5, None)).total == 9


async def test_invoices_that_many_ask_for_at_once_each_come_to_who_asked(postgres: Any) -> None:
    store = postgres.store
    for merchant in ("acme", "zeta"):
        await asyncio.gather(*(create(store.of(merchant), sent=True) for _ in range(150)))
    wishes = [
        (merchant, number)
        for number in (*map(str, range(1, 161)), "1", "ü", "a\0b", "\ud800", "")
        for merchant in ("acme", "zeta", "nobody", "acme\nzeta", "*")
    ]
    random.Random(7).shuffle(wishes)

    found = await asyncio.gather(*(store.of(merchant).invoice(number) for merchant, number in wishes))

    for (merchant, number), invoice in zip(wishes, found, strict=True):
        if merchant in {"acme", "zeta"} and number.isdecimal() and int(number) <= 150:
            assert invoice.number == number
            assert await store.find_by_payment_token(invoice.payment_token) == (merchant, invoice)
        else:
            assert invoice is None


async def test_of_many_who_read_at_once_those_who_go_away_disturb_nobody(postgres: Any) -> None:
    acme = postgres.store.of("acme")
    await asyncio.gather(*(create(acme) for _ in range(20)))
    asking = [asyncio.ensure_future(acme.invoice(str(number % 20 + 1))) for number in range(100)]
    await asyncio.sleep(0)
    for one in (asking[0], *asking[3::3]):
        one.cancel()

    outcomes = await asyncio.gather(*asking, return_exceptions=True)

    for number, outcome in enumerate(outcomes):
        assert isinstance(outcome, asyncio.CancelledError) or outcome.number == str(number % 20 + 1)  # type: ignore[union-attr]
    assert sum(isinstance(outcome, Invoice) for outcome in outcomes) >= 66
    assert (await acme.invoice("7")).number == "7"


async def test_a_read_that_fails_for_many_is_told_to_each(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sessions._LIMITS, "statement_timeout", "100ms")
    await postgres.reopen()
    acme = postgres.store.of("acme")
    await create(acme)
    async with held(postgres, "LOCK TABLE invoices"):
        outcomes = await asyncio.gather(*(acme.invoice("1") for _ in range(10)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 10
    assert (await acme.invoice("1")).number == "1"


async def test_who_waits_too_long_for_a_connection_is_told(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(sessions, "_WAITING_READERS", 2)
    readers = Readers(postgres.url, 1)
    slow = asyncio.ensure_future(readers.read("SELECT pg_sleep(0.5)"))
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(readers.read("SELECT 1")) for _ in range(3)]

    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StoreBusy] * 3
    await slow
    assert len(await readers.read("SELECT 1")) == 1
    await readers.close()


# The wall between merchants


async def test_a_session_sees_only_the_merchants_that_it_named(postgres: Any) -> None:
    store = postgres.store
    for name in ("acme", "zeta"):
        await create(store.of(name), sent=True)
    session = await sessions.connect(postgres.url)
    walled = [
        name
        for (name,) in await session.fetch(
            "SELECT table_name FROM information_schema.columns"
            " WHERE column_name = 'merchant_id' AND table_schema = current_schema() ORDER BY 1"
        )
    ]
    assert {"invoices", "events", "outbox", "merchants", "payment_links", "access_keys"} < set(walled)
    for table in walled:
        count = f"SELECT count(*) FROM {table} WHERE merchant_id = 'zeta'"
        await session.run("SET paydue.merchants = 'acme'")
        assert (await session.fetch(count))[0][0] == 0, table
        await session.run("RESET paydue.merchants")
        assert (await session.fetch(f"SELECT count(*) FROM {table}"))[0][0] == 0, table
    await session.run("SET paydue.merchants = 'acme'")
    assert (await session.fetch("SELECT count(*) FROM invoices"))[0][0] == 1
    for statement in (
        "INSERT INTO events VALUES ('zeta', 1, 9, 'x', 'x', 'x', 'x', NULL)",
        "UPDATE invoices SET merchant_id = 'zeta', serial = 7",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await session.run(statement)
    await session.run("UPDATE invoices SET customer_name = 'Mallory' WHERE merchant_id = 'zeta'")
    await session.run("DELETE FROM invoices WHERE merchant_id = 'zeta'")
    await session.run("RESET paydue.merchants")
    await session.close()
    assert (await store.of("zeta").invoice("1")).terms.customer.name == "Tanya Lee"
    await assert_all_holds(store)


async def test_a_statement_that_forgets_the_merchant_is_stopped_by_the_wall(postgres: Any) -> None:
    store = postgres.store
    await create(store.of("acme"), "1")
    await create(store.of("zeta"), "1")
    forgetful = statements.INVOICE.replace("merchant_id = wall.merchant_id AND", "wall.merchant_id <> '' AND")
    assert forgetful != statements.INVOICE

    assert len(await store._readers.read(forgetful, "acme", "1")) == 1
    assert len(await store._readers.read(forgetful, "*", "1")) == 2
    assert await store._readers.read("SELECT 1 FROM invoices") == [], "the wall fell with the statement"


async def test_a_role_that_walls_do_not_bind_is_warned_of(
    postgres: Any, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres_server.url(name_of(postgres.url), "postgres")

    await (await opened(url, KeyFile.read(postgres.key_path))).close()

    assert "BYPASSRLS" in caplog.text


async def test_a_wall_that_somebody_took_down_is_found(postgres: Any) -> None:
    postgres.psql("ALTER TABLE payments NO FORCE ROW LEVEL SECURITY")

    findings = await everything(postgres.store.verify())

    assert [(finding.rule, finding.found) for finding in findings] == [
        ("database", "row-level security of payments is switched off")
    ]


# Schema


async def test_both_engines_have_the_same_steps() -> None:
    assert [(step.number, step.title) for step in MIGRATIONS] == [
        (step.number, step.title) for step in SQLITE_MIGRATIONS
    ]


async def test_migrating_tells_of_each_step_and_a_second_time_does_nothing(postgres_server: PostgresServer) -> None:
    url, told = postgres_server.new_database(), []

    assert await migrate_database(url, lambda step: told.append(step.number)) == len(MIGRATIONS)
    assert await migrate_database(url, lambda step: told.append(step.number)) == 0
    assert told == [step.number for step in MIGRATIONS]


async def test_four_who_migrate_at_once_apply_each_step_once(postgres_server: PostgresServer) -> None:
    url, steps = postgres_server.new_database(), [*MIGRATIONS, GOOD]

    await asyncio.gather(*(migrate_database(url, migrations=steps) for _ in range(4)))

    assert postgres_server.psql(name_of(url), "SELECT count(*) FROM more") == "1"
    assert postgres_server.psql(name_of(url), "SELECT count(*) FROM schema_migrations") == str(len(steps))


async def test_a_failing_step_leaves_nothing_and_those_before_it_stay(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()

    with pytest.raises(StoreUnavailable, match="no_such_table"):
        await migrate_database(url, migrations=[*MIGRATIONS, GOOD, BAD])

    tables = postgres_server.psql(name_of(url), "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r'")
    assert "more" in tables.split()
    assert "worse" not in tables.split()


async def test_another_schema_is_refused_in_one_line(postgres_server: PostgresServer, key_file: KeyFile) -> None:
    url = postgres_server.new_database()
    with pytest.raises(SchemaMismatch, match="run `paydue migrate` first"):
        await opened(url, key_file)

    await migrate_database(url, migrations=[*MIGRATIONS, GOOD])

    for wish in (opened(url, key_file), migrate_database(url)):
        with pytest.raises(SchemaMismatch, match="install the newer release"):
            await wish


def test_an_older_server_is_refused() -> None:
    require_server([(150_000, "15.0")])
    with pytest.raises(CannotOpenStore, match=r"14\.9.*15 and newer"):
        require_server([(140_009, "14.9")])


async def test_a_database_refuses_another_key_file_and_is_known_to_need_its_own(
    postgres: Any, postgres_server: PostgresServer, key_file: KeyFile
) -> None:
    with pytest.raises(VaultError, match="this database needs key"):
        await opened(postgres.url, key_file)
    assert await has_data_keys(postgres.url)
    assert not await has_data_keys(postgres_server.new_database())


async def test_four_first_openings_at_once_agree_on_one_data_key(
    postgres_server: PostgresServer, postgres_template: str, key_file: KeyFile
) -> None:
    url = postgres_server.new_database(postgres_template)

    stores = await asyncio.gather(*(opened(url, key_file) for _ in range(4)))

    assert postgres_server.psql(name_of(url), "SELECT count(*) FROM data_keys") == "1"
    for store in stores:
        await store.close()


async def test_a_database_that_answers_before_it_is_safe_is_told_to_be_safe(
    postgres: Any, postgres_server: PostgresServer
) -> None:
    postgres_server.psql("postgres", f"ALTER DATABASE {name_of(postgres.url)} SET synchronous_commit = off")

    session = await sessions.connect(postgres.url)

    assert (await session.fetch("SHOW synchronous_commit"))[0][0] == "on"
    await session.close()


async def test_every_reading_statement_of_the_hot_path_uses_a_key(postgres: Any) -> None:
    """Their cost must not grow with the number of invoices: no scan of a table, and no sorting."""
    hot = {
        "invoice": (statements.INVOICE, "text, text"),
        "link": (statements.INVOICE_BY_LINK, "text, bytea"),
        "invoices": (statements.INVOICES, "text, text[], text[]"),
        "page": (statements.PAGE, "text, bigint, bigint"),
        "page_of_status": (statements.PAGE_OF_STATUS, "text, bigint, bigint, text"),
        "deep_page": (statements.DEEP_PAGE_OF_STATUS, "text, bigint, bigint, text, bigint, bigint"),
        "receipt": (statements.RECEIPT, "text, text"),
        "settings": (statements.SETTINGS, "text, text"),
        "key": (statements.KEY, "text, text"),
        "certificate": (statements.KEY_BY_CERTIFICATE, "text, bytea"),
        "counters": (changes.LOCK_COUNTERS, "text"),
        "names": (changes.USED_NAMES, "text[], text[], text[], text[]"),
        "has_receipt": (writes.HAS_RECEIPT, "text, text"),
    }
    session = await sessions.connect(postgres.url)
    for name, (statement, types) in hot.items():
        await session.run(f"PREPARE {name} ({types}) AS {statement}")
        nothing = ", ".join("NULL" for _ in types.split(","))
        plan = "\n".join(line for (line,) in await session.fetch(f"EXPLAIN EXECUTE {name} ({nothing})"))
        assert "Seq Scan" not in plan, plan
        if name != "counters":
            assert "Sort" not in plan, plan
    await session.close()


def held(postgres: Any, statement: str) -> Any:
    return _Held(postgres, statement)


class _Held:
    """A transaction of a superuser that has done one thing and holds its locks."""

    def __init__(self, postgres: Any, statement: str) -> None:
        self._url = postgres.server.url(name_of(postgres.url), "postgres")
        self._statement = statement

    async def __aenter__(self) -> Any:
        self._connection = await asyncpg.connect(self._url)
        await self._connection.execute(f"BEGIN; {self._statement}")
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()


def spoil(monkeypatch: pytest.MonkeyPatch, store: PostgresStore, failure: type[Exception], times: int) -> list[None]:
    """Let the next commits fail, as another transaction makes them fail; return what is left to spoil."""
    left: list[None] = [None] * times
    run = sessions.Session.run

    async def lose(session: sessions.Session, script: str) -> str:
        if script == "COMMIT" and left:
            left.pop()
            await run(session, "ROLLBACK")
            raise failure("lost")
        return await run(session, script)

    monkeypatch.setattr(sessions.Session, "run", lose)
    return left


async def until(is_so: Any) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - whatever it is, nobody tells of it
            await asyncio.sleep(0.01)
