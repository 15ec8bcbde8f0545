"""Paying over the real SQLite store: races, and a process that dies at any step between begin and settle."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from builders import some_terms
from paydue.domain.attempts import AttemptState
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.storage.sqlite.schema import migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.change_attempt import Books
from paydue.usecases.pay_invoice import PaymentWish, begin_payment, charge_payment
from paydue.usecases.reconcile_payments import reconcile_payments
from paying import PAYER, Killed, Mortal, MovedClock, Processor, Steps
from storing import assert_all_holds, create

RACES = 200
PAYERS = 16


class Shop:
    """One file, one processor whose ledger is the truth, and a clock that tests move."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.clock = MovedClock()
        self.steps = Steps()
        self.processor = Processor(self.steps)
        self.books = self._books(store)

    def _books(self, store: SqliteStore) -> Books:
        return Books(Mortal(store.of("acme"), self.steps), Mortal(store.attempts_of("acme"), self.steps))

    async def bill(self, total: str, number: str = "7") -> Invoice:
        terms = some_terms(total, allows_partial_payments=True)
        return await create(self.store.of("acme"), number, sent=True, terms=terms)

    async def invoice(self, number: str = "7") -> Invoice:
        found = await self.store.of("acme").invoice(number)
        assert found is not None
        return found

    async def pay(self, number: str, amount: str, key: str, handed_over: str = "ok") -> AttemptState:
        wish = PaymentWish(
            number=number,
            amount=Decimal(amount),
            payer_key=key,
            page_origin="https://pay.example",
            return_url="https://pay.example/",
            cancel_url="https://pay.example/",
        )
        begun = await begin_payment(
            self.books, self.processor, wish, clock=self.clock, ids=self.clock, actor=PAYER, limits=None
        )
        attempt = await charge_payment(
            self.books, self.processor, number, begun.attempt.attempt_id, handed_over,
            clock=self.clock, actor=PAYER, limits=None,
        )  # fmt: skip
        return attempt.state

    async def reconcile(self, *, everything: bool = False) -> None:
        await reconcile_payments(
            self.store.attempts_to_look_at,
            lambda _: self.books,
            lambda _merchant, _name: self.processor,
            clock=self.clock,
            correlation_id="r",
            everything=everything,
        )

    async def wait_for_the_end(self) -> None:
        """Let time pass, from look to look, until nothing is open."""
        for _ in range(60):
            look_at = await self.store.attempts_to_look_at.next_look()
            if look_at is None:
                return
            self.clock.at = max(self.clock.at, look_at)
            await self.reconcile()
        raise AssertionError("something is open for ever")


async def opened(folder: Path) -> SqliteStore:
    path, key = folder / "paydue.db", folder / "paydue.key"
    is_new = not path.exists()
    if is_new:
        create_key_file(key)
        await migrate_file(path)
    store = await SqliteStore.open(path, KeyFile.read(key), MovedClock(), serves=True)
    if is_new:
        await store.add_merchant(Merchant(merchant_id="acme", name="Acme", email="owner@acme.example"))
    return store


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    shop = Shop(await opened(tmp_path))
    yield shop
    await shop.store.close()


@pytest.mark.parametrize("races", [RACES // 2, pytest.param(10 * RACES, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("amount", ["100", "30"])
async def test_in_two_hundred_races_of_sixteen_payers_exactly_the_payable_amount_is_taken(
    shop: Shop, amount: str, races: int
) -> None:
    share = 100 // int(amount) * Decimal(amount)
    for race in range(races):
        await shop.bill("100", f"race-{race}")
        outcomes = await asyncio.gather(
            *(shop.pay(f"race-{race}", amount, f"k{payer}") for payer in range(PAYERS)), return_exceptions=True
        )
        paid = sum(each is AttemptState.SETTLED for each in outcomes)
        assert paid * Decimal(amount) == share == (await shop.invoice(f"race-{race}")).paid
        assert not any(isinstance(each, BaseException) and not isinstance(each, Exception) for each in outcomes)

    assert shop.processor.net == share * races
    assert all(count == 1 for count in shop.processor.asked.values())
    await assert_all_holds(shop.store)


async def test_the_same_form_sent_sixteen_times_charges_once(shop: Shop) -> None:
    await shop.bill("100")
    await asyncio.gather(*(shop.pay("7", "100", "same") for _ in range(PAYERS)))

    assert list(shop.processor.asked.values()) == [1]
    assert (await shop.invoice()).paid == shop.processor.net == 100
    await assert_all_holds(shop.store)


@pytest.mark.parametrize("handed_over", ["ok", "lost before", "lost after", "decline", "held"])
async def test_killed_at_each_step_the_ledger_comes_to_say_what_the_processors_says(
    tmp_path: Path, handed_over: str
) -> None:
    shop = Shop(await opened(tmp_path))
    await shop.bill("100", "whole")
    await shop.pay("whole", "100", "k", handed_over)
    steps = shop.steps.taken
    assert steps > 10
    for die_at in range(1, steps + 1):
        number = f"killed-{die_at}"
        await shop.bill("100", number)
        shop.steps.taken, shop.steps.die_at = 0, die_at
        with pytest.raises(Killed):
            await shop.pay(number, "100", "k", handed_over)
        # The file is all that is left of it.
        await shop.store.close()
        shop.steps.die_at = None
        shop.store = await opened(tmp_path)
        shop.books = shop._books(shop.store)
        await shop.reconcile(everything=True)
        invoice = await shop.invoice(number)
        assert invoice.paid + invoice.reserved <= Decimal(100)
    for attempt_reference, outcome in list(shop.processor.charges.items()):
        if outcome.kind == "held":
            found = await shop.store.attempts_of("acme").attempt_by_reference("ledger", attempt_reference)
            assert found is not None
            await shop.processor.review(found, accepts=True)
    await shop.wait_for_the_end()

    kept = sum([(await shop.invoice(f"killed-{each}")).paid for each in range(1, steps + 1)], Decimal(0))
    assert kept + (await shop.invoice("whole")).paid == shop.processor.net
    assert await shop.store.attempts_of("acme").unapplied_money(resolved=False) == []
    assert all(count == 1 for count in shop.processor.asked.values())
    await assert_all_holds(shop.store)
    await shop.store.close()
