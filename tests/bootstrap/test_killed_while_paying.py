"""Killed at each step of a payment, over a real file and the test processor over real HTTP: both agree afterwards."""

from decimal import Decimal
from pathlib import Path

import pytest

from paydue.domain.attempts import AttemptState
from paydue.domain.invoice import Invoice
from paydue.usecases.change_attempt import Books
from paydue.usecases.reconcile_payments import reconcile_payments
from paying import Killed, Mortal, MovedClock, Steps
from storing import assert_all_holds
from taking_payments import Shop, a_shop


async def pay(shop: Shop, invoice: Invoice) -> None:
    begun = await shop.begin(invoice)
    await shop.charge(begun, await shop.typed(begun))


async def reconcile_to_the_end(shop: Shop, books: Books) -> None:
    """Start again, and let a day and more pass."""
    clock = MovedClock()
    clock.at = shop.desk.clock.now()
    for is_start in (True, *[False] * 600):
        await reconcile_payments(
            shop.desk.looking,
            lambda _: books,
            shop.desk.gateway_of,
            clock=clock,
            correlation_id="r",
            everything=is_start,
        )
        look_at = await shop.desk.looking.next_look()
        if look_at is None:
            return
        clock.at = max(clock.at, look_at)
    raise AssertionError("something is open for ever")


@pytest.mark.parametrize(
    ("total", "first"),
    [("100", AttemptState.SETTLED), ("9997", AttemptState.UNKNOWN), ("9998", AttemptState.UNKNOWN)],
    ids=["answered", "lost before the charge", "lost after the charge"],
)
async def test_killed_at_each_step_our_ledger_says_what_the_processors_says(
    tmp_path: Path, total: str, first: AttemptState
) -> None:
    async with a_shop(tmp_path) as shop:
        books, steps = shop.books, Steps()
        shop.books = Books(Mortal(books.store, steps), Mortal(books.attempts, steps))
        invoice = await shop.bill(total)
        steps.taken = 0
        await pay(shop, invoice)
        count = steps.taken
        (attempt,) = await books.attempts.attempts_of(invoice.number)
        assert (attempt.state, count > 10) == (first, True)
        numbers = [invoice.number]
        for die_at in range(1, count + 1):
            invoice = await shop.bill(total)
            numbers.append(invoice.number)
            steps.taken, steps.die_at = 0, die_at
            with pytest.raises(Killed):
                await pay(shop, invoice)
            steps.die_at = None
        await reconcile_to_the_end(shop, books)

        for number in numbers:
            kept, taken = await shop.invoice(number), Decimal(0)
            for each in await books.attempts.attempts_of(number):
                assert each.is_final
                outcome = await shop.gateway.look_up(each)
                taken += outcome.amount if outcome.kind == "charged" else 0
            assert (kept.paid, kept.reservations) == (taken, ())
            assert taken in (Decimal(0), Decimal(total))
        assert await books.attempts.unapplied_money(resolved=False) == []
        await assert_all_holds(shop.service.store)
