"""What the PostgreSQL engine does beside other nodes, when rows are locked or races lost, and with few connections."""

import asyncio
import random
import types
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from builders import NOON, some_terms
from paydue.domain.errors import BrokenFact, StoreBusy, StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.settings import ProductType, Settings
from paydue.domain.terms import Customer
from paydue.storage.postgres import sessions
from paydue.storage.postgres import statements as sql
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.short_memory import SECONDS
from paydue.usecases.access_keys import AccessKey, KeyKind, new_shared_secret
from paydue.usecases.ports import StaleVersion
from postgres_server import name_of
from storing import assert_all_holds, create, pay

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


def held(postgres: Any, statement: str) -> Any:
    return _Held(postgres, statement)


async def test_a_read_may_begin_before_it_has_a_task_even_when_it_has_to_connect(postgres: Any) -> None:
    """So begin calls that are expected to be answered at once: see cli/http_protocol.py."""
    loop, readers = asyncio.get_running_loop(), Readers(postgres.url, 1)
    found = loop.create_future()

    @types.coroutine
    def rest(reading: Any, waits_for: Any) -> Iterator[Any]:
        yield waits_for
        return (yield from reading)

    def begin() -> None:
        reading = readers.read("SELECT 1").__await__()
        try:
            waits_for = next(reading)
        except RuntimeError as failure:
            found.set_exception(failure)
        else:
            found.set_result(loop.create_task(rest(reading, waits_for)))

    loop.call_soon(begin)

    assert [tuple(row) for row in await (await found)] == [(1,)]
    await readers.close()


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


async def test_whoever_reads_may_have_begun_outside_of_a_task(postgres: Any) -> None:
    invoice = await create(postgres.store.of("acme"))
    # It has no connection that could be taken at once.
    readers = Readers(postgres.url)
    loop = asyncio.get_running_loop()
    begun: asyncio.Future[Any] = loop.create_future()
    call = readers.read(sql.INVOICE, "acme", invoice.number)

    def begin() -> None:
        try:
            begun.set_result(call.send(None))
        except RuntimeError as failure:
            begun.set_exception(failure)

    loop.call_soon(begin)
    waits_for = await begun
    found = None
    while found is None:
        await asyncio.wait([waits_for])
        try:
            waits_for = call.send(None)
        except StopIteration as done:
            found = done.value

    assert len(found) == 1
    await readers.close()


@pytest.mark.parametrize("name", ["", "plain", "a\x1db", "\x1c", "\x1d", 'a, {b} "c" \\ NULL', "\U0001f980"])
@pytest.mark.parametrize("count", [1, 2, 5])
async def test_texts_of_every_kind_are_kept_as_they_are_however_many_come_together(
    postgres: Any, name: str, count: int
) -> None:
    acme = postgres.store.of("acme")
    customer = Customer(name=name or None, merchant_customer_id="\x1c" if count == 2 else None, company_name="Acme")
    await create(acme)
    for is_known in (True, False):
        if not is_known:
            postgres.store._writer._known.clear()
        made = await asyncio.gather(
            *(create(acme, terms=some_terms(email=None, customer=customer)) for _ in range(count))
        )
        for invoice in made:
            assert await acme.invoice(invoice.number) == invoice
            assert invoice.terms.customer == customer
    page = await acme.page(0, count, None)
    assert [each.customer_name for each in page.invoices] == [name or None] * count
    await assert_all_holds(postgres.store)


async def test_what_was_planned_on_empty_tables_is_planned_anew_when_they_have_grown(postgres: Any) -> None:
    session = await sessions.connect(postgres.url)
    try:
        await session.fetch(sql.INVOICE, "acme", "1")
        acme = postgres.store.of("acme")
        await asyncio.gather(*(create(acme) for _ in range(2000)))
        for _ in range(110):
            await session.fetch(sql.INVOICE, "acme", "1999")
        (name,) = [
            name for (name,) in await session.fetch("SELECT name FROM pg_prepared_statements ORDER BY name LIMIT 1")
        ]
        plan = await session._connection.fetch(f"EXPLAIN EXECUTE {name}('acme', '1999')")
    finally:
        await session.close()

    conditions = [line for (line,) in plan if "Index Cond" in line]
    assert any("number" in condition for condition in conditions), plan
