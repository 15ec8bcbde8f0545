"""A payer pays through the test processor, over real HTTP: whatever it does, our books say what its ledger says."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from builders import an_invoice, some_terms
from paydue.domain.attempts import AttemptState
from paydue.domain.events import What
from paydue.domain.lifecycle import Status
from paydue.usecases.gateway_ports import Notification
from paydue.usecases.reconcile_payments import take_hint
from paydue.usecases.refund_payment import RefundWish, refund_payment
from paydue.usecases.review_payment import review_payment
from paying import PAYER, Shop
from processing import Processing


@pytest.fixture
def shop(processor: Processing) -> Shop:
    shop = Shop()
    shop.processor = processor.sandbox
    shop.clock = processor.clock
    return shop


async def pay(shop: Shop, processor: Processing, amount: str, number: str = "4111111111111111", key: str = "k1"):
    """Begin, type the card into the processor's form, and hand over what it gives."""
    begun = await shop.begin(amount, key)
    status, found = await processor.typed(begun.checkout.session, number)
    assert status == 200
    return await shop.charge(begun.attempt, found["token"])


def assert_books_agree(shop: Shop, processor: Processing) -> None:
    taken = Decimal(0)
    for each in processor.ledger.transactions.values():
        if each.took_money:
            taken += each.authorized if each.authorized is not None else each.amount
        elif each.refunded_id is not None and each.status != "DECLINED":
            taken -= each.amount
    assert shop.invoice.paid - shop.invoice.refunded + shop.unapplied == taken
    assert shop.invoice.reservations == ()
    payments = [event for event in shop.invoice.history if event.what is What.PAYMENT_RECEIVED]
    assert len(payments) <= 1


@pytest.mark.parametrize(
    ("amount", "first", "status"),
    [
        ("293.5", AttemptState.SETTLED, Status.PAID),
        ("2501", AttemptState.FAILED, Status.SENT),
        ("9993", AttemptState.SETTLED, Status.PAID),
        ("9994", AttemptState.FAILED, Status.SENT),
        ("9996", AttemptState.UNKNOWN, Status.PAID),
        ("9997", AttemptState.UNKNOWN, Status.SENT),
        ("9998", AttemptState.UNKNOWN, Status.PAID),
        ("9999", AttemptState.UNKNOWN, Status.SENT),
    ],
)
async def test_whatever_the_processor_does_the_books_agree(
    shop: Shop, processor: Processing, amount: str, first: AttemptState, status: Status
) -> None:
    shop.memory.put(an_invoice(Status.SENT, some_terms(amount)))
    attempt = await pay(shop, processor, amount)
    assert attempt.state is first
    if first is AttemptState.UNKNOWN:
        assert shop.invoice.reserved == Decimal(amount)
    for hours in (0, 1, 24):
        shop.clock.at += timedelta(hours=hours, seconds=10)
        await shop.reconcile()
    assert shop.invoice.status is status
    assert len(processor.ledger.transactions) <= 1
    assert_books_agree(shop, processor)


async def test_a_challenge_is_passed_and_the_payment_counts(shop: Shop, processor: Processing) -> None:
    shop.memory.put(an_invoice(Status.SENT))
    attempt = await pay(shop, processor, "293.5", "4000000000002503")
    assert (attempt.state, attempt.next_url.startswith(processor.origin)) == (AttemptState.WAITING_FOR_PAYER, True)
    await processor.post(attempt.next_url.removeprefix(processor.origin), b"result=succeed")
    await shop.reconcile(everything=True)
    assert shop.invoice.status is Status.PAID
    assert shop.memory.attempts[attempt.attempt_id].next_url is None


async def test_a_challenge_that_nobody_answers_is_voided(shop: Shop, processor: Processing) -> None:
    shop.memory.put(an_invoice(Status.SENT))
    await pay(shop, processor, "293.5", "4000000000002503")
    for _ in range(4):
        shop.clock.at += timedelta(minutes=16)
        await shop.reconcile()
    assert (shop.invoice.status, shop.invoice.reservations) == (Status.SENT, ())
    assert [each.status for each in processor.ledger.transactions.values()] == ["VOIDED"]


async def test_a_held_payment_is_accepted_and_then_given_back(shop: Shop, processor: Processing) -> None:
    shop.memory.put(an_invoice(Status.SENT, some_terms("9995")))
    attempt = await pay(shop, processor, "9995")
    assert shop.invoice.status is Status.PENDING
    await review_payment(shop.books, shop.processor, attempt.attempt_id, accepts=True, clock=shop.clock, actor=PAYER)
    assert shop.invoice.status is Status.PAID
    wish = RefundWish(attempt_id=attempt.attempt_id, refund_id="11111111-1111-4111-8111-111111111111")
    await refund_payment(shop.books, shop.processor, wish, clock=shop.clock, actor=PAYER)
    assert (shop.invoice.status, shop.invoice.refunded) == (Status.PAID, Decimal(9995))
    assert_books_agree(shop, processor)


async def test_notified_thrice_and_out_of_order_it_counts_once(shop: Shop, processor: Processing) -> None:
    shop.memory.put(an_invoice(Status.SENT, some_terms("9993")))
    await pay(shop, processor, "9993")
    await asyncio.sleep(0.01)
    taken = [
        await take_hint(
            shop.books, "sandbox", Notification(event_id=event, reference=code), at=shop.clock.now(), actor=PAYER
        )
        for code, event in processor.notified
    ]
    assert taken == [True, True, False]
    await shop.reconcile()
    assert_books_agree(shop, processor)


async def test_sixteen_payers_over_http_pay_exactly_what_is_due(shop: Shop, processor: Processing) -> None:
    shop.memory.put(an_invoice(Status.SENT, some_terms("100", allows_partial_payments=True)))
    results = await asyncio.gather(
        *(pay(shop, processor, "25", key=f"k{number}") for number in range(16)), return_exceptions=True
    )
    assert sum(not isinstance(each, BaseException) for each in results) == 4
    taken = [each.amount for each in processor.ledger.transactions.values() if each.took_money]
    assert (sum(taken), shop.invoice.status) == (Decimal(100), Status.PAID)
