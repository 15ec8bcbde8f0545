"""Whatever is lost on the way, an answer or the process itself, our books come to say what the processor's say."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from builders import NOON, an_invoice, some_terms
from paydue.domain.attempts import AttemptState
from paydue.domain.lifecycle import Status
from paydue.usecases.gateway_ports import Kind, Notification, Outcome
from paydue.usecases.pay_invoice import abandon_payment
from paydue.usecases.reconcile_payments import take_hint
from paydue.usecases.refund_payment import RefundWish, refund_payment
from paydue.usecases.review_payment import review_payment
from paydue.usecases.settle_payment import settle_payment
from paying import PAYER, Killed, Shop

TERMS = some_terms("100", allows_partial_payments=True)


def a_shop(*, redirects: bool = False) -> Shop:
    shop = Shop(redirects=redirects)
    shop.memory.put(an_invoice(Status.SENT, TERMS))
    return shop


async def paying(shop: Shop) -> None:
    await shop.pay("100")


async def paying_a_part_that_is_declined(shop: Shop) -> None:
    await shop.pay("40", "decline")


async def being_challenged(shop: Shop) -> None:
    attempt = await shop.pay("40", "challenge")
    shop.processor.pay(attempt, "ok")
    await shop.reconcile(everything=True)


async def losing_the_answer(shop: Shop) -> None:
    await shop.pay("40", "lost after")
    await shop.wait()


async def losing_the_request(shop: Shop) -> None:
    await shop.pay("40", "lost before")
    await shop.wait()


async def being_held_and_accepted(shop: Shop) -> None:
    attempt = await shop.pay("40", "held")
    await review_payment(shop.books, shop.processor, attempt.attempt_id, accepts=True, clock=shop.clock, actor=PAYER)


async def being_held_and_rejected(shop: Shop) -> None:
    attempt = await shop.pay("40", "held")
    await review_payment(shop.books, shop.processor, attempt.attempt_id, accepts=False, clock=shop.clock, actor=PAYER)


async def paying_and_getting_it_back(shop: Shop) -> None:
    attempt = await shop.pay("100")
    wish = RefundWish(attempt_id=attempt.attempt_id, refund_id="r1", amount=Decimal(30), is_due_again=True)
    await refund_payment(shop.books, shop.processor, wish, clock=shop.clock, actor=PAYER)


async def paying_on_another_page(shop: Shop) -> None:
    attempt = (await shop.begin("100")).attempt
    shop.processor.pay(attempt, "ok")
    await settle_payment(
        shop.books, attempt.attempt_id, await shop.processor.look_up(attempt), at=shop.clock.now(), actor=PAYER
    )


async def going_back_from_another_page(shop: Shop) -> None:
    attempt = (await shop.begin("100")).attempt
    await abandon_payment(shop.books, shop.processor, attempt.attempt_id, clock=shop.clock, actor=PAYER)


WALKS = [
    paying, paying_a_part_that_is_declined, being_challenged, losing_the_answer, losing_the_request,
    being_held_and_accepted, being_held_and_rejected, paying_and_getting_it_back,
]  # fmt: skip


async def steps_of(walk: Callable[[Shop], Awaitable[None]], *, redirects: bool) -> int:
    shop = a_shop(redirects=redirects)
    await walk(shop)
    return shop.steps.taken


@pytest.mark.parametrize(
    ("walk", "redirects"),
    [*((walk, False) for walk in WALKS), (paying_on_another_page, True), (going_back_from_another_page, True)],
)
async def test_killed_at_any_step_the_books_agree_after_reconciliation(
    walk: Callable[[Shop], Awaitable[None]], redirects: bool
) -> None:
    steps = await steps_of(walk, redirects=redirects)
    assert steps > 10
    for die_at in range(1, steps + 1):
        shop = a_shop(redirects=redirects)
        shop.steps.die_at = die_at
        with pytest.raises(Killed):
            await walk(shop)
        shop.memory.restarted()
        await shop.reconcile(everything=True)
        # Until it is known, nobody else can pay the part that may have been paid.
        assert shop.invoice.paid + shop.invoice.reserved <= Decimal(100)
        for attempt in list(shop.memory.attempts.values()):
            if shop.processor.charges.get(attempt.reference, Outcome(kind=Kind.UNKNOWN)).kind is Kind.HELD:
                await shop.processor.review(attempt, accepts=True)
        await shop.wait()
        shop.assert_books_agree()


@pytest.mark.parametrize("die_at", range(1, 40))
async def test_killed_while_reconciling_it_goes_on_where_it_was(die_at: int) -> None:
    shop = a_shop()
    await shop.pay("40", "lost after", "k1")
    await shop.pay("30", "lost before", "k2")
    shop.steps.die_at = shop.steps.taken + die_at
    try:
        await shop.wait()
    except Killed:
        shop.memory.restarted()
    await shop.reconcile(everything=True)
    await shop.wait()
    shop.assert_books_agree()
    assert shop.invoice.paid == Decimal(40)


async def test_a_lost_answer_is_looked_up_after_five_seconds() -> None:
    shop = a_shop()
    attempt = await shop.pay("40", "lost after")
    assert (attempt.state, attempt.next_look_at) == (AttemptState.UNKNOWN, NOON + timedelta(seconds=5))
    shop.clock.at += timedelta(seconds=5)
    assert await shop.reconcile() == 1
    assert (shop.invoice.status, str(shop.invoice.paid)) == (Status.PARTIAL, "40")


async def test_a_lost_request_is_voided_after_fifteen_minutes_and_not_before() -> None:
    shop = a_shop()
    attempt = await shop.pay("40", "lost before")
    await shop.wait(timedelta(minutes=14))
    assert shop.memory.attempts[attempt.attempt_id].state is AttemptState.UNKNOWN
    assert shop.invoice.reserved == Decimal(40)
    # The processor's index lags: now it shows.
    shop.processor.pay(attempt, "ok")
    await shop.wait(timedelta(minutes=2))
    assert shop.invoice.paid == Decimal(40)


async def test_without_a_trace_the_merchant_is_told_once_and_the_balance_is_free_after_a_day() -> None:
    shop = a_shop()
    attempt = await shop.pay("40", "lost before")
    await shop.wait(timedelta(hours=23))
    assert shop.memory.topics() == {"needs-attention": 1}
    assert shop.invoice.reserved == Decimal(40)
    await shop.wait(timedelta(hours=2))
    failed = shop.memory.attempts[attempt.attempt_id]
    assert (failed.state, failed.next_look_at) == (AttemptState.FAILED, None)
    assert shop.invoice.reserved == Decimal(0)
    assert shop.memory.topics() == {"needs-attention": 2}


@pytest.mark.parametrize("handed_over", ["lost before", "challenge"])
async def test_where_nothing_can_be_voided_a_day_without_a_trace_ends_it_too(handed_over: str) -> None:
    shop = a_shop()
    shop.processor.capabilities = replace(shop.processor.capabilities, can_void=False)
    await shop.pay("40", handed_over)
    await shop.wait()
    shop.assert_books_agree()
    assert shop.invoice.reserved == Decimal(0)


async def test_a_gateway_that_does_not_answer_frees_nothing() -> None:
    shop = a_shop()
    await shop.pay("40", "lost after")
    shop.processor.is_deaf = True
    await shop.wait(timedelta(days=3))
    assert shop.invoice.reserved == Decimal(40)
    shop.processor.is_deaf = False
    await shop.wait(timedelta(days=2))
    shop.assert_books_agree()
    assert shop.invoice.paid == Decimal(40)


async def test_money_that_shows_after_we_gave_up_is_kept_apart_and_can_be_given_back() -> None:
    shop = a_shop()
    attempt = await shop.pay("40", "lost before")
    await shop.wait()
    shop.processor.pay(attempt, "ok")
    assert await take_hint(shop.books, "ledger", _hint(attempt.reference), at=shop.clock.now(), actor=PAYER)
    await shop.wait()
    (money,) = await shop.memory.unapplied_money(resolved=False)
    assert (shop.invoice.paid, money.amount, money.why) == (Decimal(0), Decimal(40), "too late")
    shop.assert_books_agree()

    wish = RefundWish(attempt_id=attempt.attempt_id, refund_id="r1", unapplied=money.transaction_id)
    for _ in range(2):
        await refund_payment(shop.books, shop.processor, wish, clock=shop.clock, actor=PAYER)
    assert (shop.unapplied, shop.processor.net) == (Decimal(0), Decimal(0))
    shop.assert_books_agree()


async def test_money_for_an_invoice_that_was_canceled_meanwhile_is_kept_apart() -> None:
    shop = a_shop(redirects=True)
    attempt = (await shop.begin("100")).attempt
    shop.memory.put(shop.invoice.cancel(shop.clock.now()))
    shop.processor.pay(attempt, "ok")
    await shop.wait()
    assert (shop.invoice.status, shop.unapplied) == (Status.CANCELED, Decimal(100))
    shop.assert_books_agree()


async def test_a_payment_on_another_page_that_was_faster_than_its_end_counts() -> None:
    shop = a_shop(redirects=True)
    attempt = (await shop.begin("100")).attempt
    assert shop.invoice.reserved == Decimal(100)
    shop.processor.pay(attempt, "ok")
    await shop.wait()
    assert shop.invoice.status is Status.PAID


async def test_a_page_that_nobody_paid_on_gives_the_balance_free_after_half_an_hour() -> None:
    shop = a_shop(redirects=True)
    attempt = (await shop.begin("100")).attempt
    await shop.wait(timedelta(minutes=31))
    assert attempt.reference in shop.processor.closed
    assert (shop.invoice.reserved, shop.memory.attempts[attempt.attempt_id].state) == (
        Decimal(0), AttemptState.EXPIRED,
    )  # fmt: skip


def _hint(reference: str, event_id: str = "e1") -> Notification:
    return Notification(event_id=event_id, reference=reference)


async def test_a_forged_notification_changes_nothing() -> None:
    shop = a_shop()
    attempt = (await shop.begin("100")).attempt
    # Whoever sends it: the hint leads to a question, and the processor knows of no payment.
    assert await take_hint(shop.books, "ledger", _hint(attempt.reference), at=shop.clock.now(), actor=PAYER)
    await shop.wait(timedelta(minutes=1))
    assert (shop.invoice.status, shop.invoice.paid) == (Status.SENT, Decimal(0))
    assert not await take_hint(shop.books, "ledger", _hint("nobody's"), at=shop.clock.now(), actor=PAYER)
    assert not await take_hint(shop.books, "other", _hint(attempt.reference, "e2"), at=shop.clock.now(), actor=PAYER)


async def test_a_notification_that_comes_three_times_counts_once() -> None:
    shop = a_shop()
    attempt = await shop.pay("40", "lost after")
    taken = [
        await take_hint(shop.books, "ledger", _hint(attempt.reference), at=shop.clock.now(), actor=PAYER)
        for _ in range(3)
    ]
    assert taken == [True, False, False]
    await shop.wait()
    again = await take_hint(shop.books, "ledger", _hint(attempt.reference, "late"), at=shop.clock.now(), actor=PAYER)
    assert again
    await shop.wait()
    assert shop.invoice.paid == Decimal(40)
    shop.assert_books_agree()


async def test_outcomes_in_any_order_and_number_settle_once() -> None:
    shop = a_shop()
    attempt = await shop.pay("40", "held")
    held = shop.processor.charges[attempt.reference]
    charged = await shop.processor.review(attempt, accepts=True)
    for outcome in (charged, held, charged, Outcome(kind=Kind.DECLINED), Outcome(kind=Kind.UNKNOWN), held, charged):
        await settle_payment(shop.books, attempt.attempt_id, outcome, at=shop.clock.now(), actor=PAYER)
    assert (shop.invoice.status, shop.invoice.paid) == (Status.PARTIAL, Decimal(40))
    shop.assert_books_agree()


@pytest.mark.parametrize(
    ("changed", "paid", "unapplied"),
    [
        ({"amount": Decimal("0.01")}, "0.01", "0"),
        ({"amount": Decimal(41)}, "0", "41"),
        ({"currency": "EUR"}, "0", "40"),
        ({"reference": "somebody else's"}, "0", "0"),
        ({"transaction_id": None}, "0", "0"),
    ],
)
async def test_an_answer_about_other_money_never_settles_the_whole(
    changed: dict[str, object], paid: str, unapplied: str
) -> None:
    shop = a_shop()
    attempt = await shop.pay("40", "lost after")
    outcome = replace(shop.processor.charges[attempt.reference], **changed)
    await settle_payment(shop.books, attempt.attempt_id, outcome, at=shop.clock.now(), actor=PAYER)
    assert (shop.invoice.paid, shop.unapplied) == (Decimal(paid), Decimal(unapplied))


async def test_a_second_charge_for_one_attempt_is_kept_apart() -> None:
    shop = a_shop()
    attempt = await shop.pay("40")
    twice = replace(shop.processor.charges[attempt.reference], transaction_id="T-second")
    for _ in range(2):
        await settle_payment(shop.books, attempt.attempt_id, twice, at=shop.clock.now(), actor=PAYER)
    assert (shop.invoice.paid, shop.unapplied) == (Decimal(40), Decimal(40))
    assert shop.memory.topics()["needs-attention"] == 1


async def test_one_transaction_never_pays_two_attempts() -> None:
    shop = a_shop()
    first = await shop.pay("40", payer_key="k1")
    second = await shop.pay("40", "lost before", "k2")
    borrowed = replace(shop.processor.charges[first.reference], reference=second.reference)
    await settle_payment(shop.books, second.attempt_id, borrowed, at=shop.clock.now(), actor=PAYER)
    assert shop.invoice.paid == Decimal(40)
    assert shop.memory.attempts[second.attempt_id].state is AttemptState.UNKNOWN
