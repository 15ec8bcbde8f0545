"""What a review, a refund and a reversal mean for the invoice: status, balance, history and who is told."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from builders import NOON, a_payment, an_invoice, some_terms
from paydue.domain.attempts import AttemptState
from paydue.domain.errors import (
    ActionNotAllowed,
    AmountAbovePayment,
    AttemptNotOpen,
    NoSuchPayment,
    PaymentInFlight,
)
from paydue.domain.events import What
from paydue.domain.lifecycle import Status
from paydue.domain.refunds import RefundState
from paydue.usecases.gateway_ports import Kind
from paydue.usecases.refund_payment import RefundWish, refund_payment
from paydue.usecases.reverse_payment import reverse_payment
from paydue.usecases.review_payment import review_payment
from paying import PAYER, Shop

TERMS = some_terms("100", allows_partial_payments=True)


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.memory.put(an_invoice(Status.SENT, TERMS))
    return shop


async def review(shop: Shop, attempt_id: str, *, accepts: bool):
    return await review_payment(shop.books, shop.processor, attempt_id, accepts=accepts, clock=shop.clock, actor=PAYER)


async def refund(shop: Shop, attempt_id: str, amount: str | None = None, *, name: str = "r1", again: bool = False):
    wish = RefundWish(
        attempt_id=attempt_id,
        refund_id=name,
        amount=Decimal(amount) if amount is not None else None,
        is_due_again=again,
    )
    return await refund_payment(shop.books, shop.processor, wish, clock=shop.clock, actor=PAYER)


@pytest.mark.parametrize(("amount", "accepted"), [("100", Status.PAID), ("40", Status.PARTIAL)])
async def test_a_held_payment_that_is_accepted_pays(shop: Shop, amount: str, accepted: Status) -> None:
    attempt = await shop.pay(amount, "held")
    assert (attempt.state, shop.invoice.status, shop.invoice.paid) == (AttemptState.HELD, Status.PENDING, Decimal(0))
    assert shop.memory.topics() == {"in-review": 1, "needs-attention": 1}
    with pytest.raises(ActionNotAllowed):
        await shop.begin("10", "other")
    await review(shop, attempt.attempt_id, accepts=True)
    assert (shop.invoice.status, shop.invoice.paid) == (accepted, Decimal(amount))
    assert shop.memory.topics()["accepted"] == 1
    assert shop.memory.topics()["paid"] == 0
    shop.assert_books_agree()


@pytest.mark.parametrize("before", [Status.CREATED, Status.SENT, Status.PARTIAL])
async def test_a_held_payment_that_is_rejected_leaves_the_status_before(before: Status) -> None:
    shop = Shop()
    shop.memory.put(an_invoice(before, some_terms("293.5", allows_partial_payments=True)))
    attempt = await shop.pay("40", "held")
    await review(shop, attempt.attempt_id, accepts=False)
    assert (shop.invoice.status, shop.invoice.reservations) == (before, ())
    assert [event.what for event in shop.invoice.history[-2:]] == [What.PAYMENT_HELD, What.PAYMENT_REJECTED]
    assert shop.memory.topics()["rejected"] == 1


async def test_of_two_held_payments_one_is_decided_and_the_other_stays_under_review(shop: Shop) -> None:
    first, second = (await shop.begin("40", "k1")).attempt, (await shop.begin("30", "k2")).attempt
    third = (await shop.begin("30", "k3")).attempt
    await asyncio.gather(shop.charge(first, "held"), shop.charge(second, "held"), shop.charge(third))
    assert (shop.invoice.status, shop.invoice.paid) == (Status.PENDING, Decimal(30))
    await review(shop, first.attempt_id, accepts=True)
    assert (shop.invoice.status, shop.invoice.paid) == (Status.PENDING, Decimal(70))
    await review(shop, second.attempt_id, accepts=False)
    assert (shop.invoice.status, shop.invoice.balance) == (Status.PARTIAL, Decimal(30))
    shop.assert_books_agree()


async def test_a_decision_made_at_the_processor_is_the_one_that_counts(shop: Shop) -> None:
    attempt = await shop.pay("40", "held")
    await shop.processor.review(attempt, accepts=False)
    assert (await review(shop, attempt.attempt_id, accepts=True)).state is AttemptState.FAILED
    with pytest.raises(AttemptNotOpen):
        await review(shop, attempt.attempt_id, accepts=True)


async def test_a_review_is_asked_after_every_hour(shop: Shop) -> None:
    attempt = await shop.pay("40", "held")
    await shop.wait(timedelta(hours=3))
    assert shop.invoice.status is Status.PENDING
    await shop.processor.review(attempt, accepts=True)
    await shop.wait(timedelta(hours=2))
    assert shop.invoice.status is Status.PARTIAL


async def test_a_refund_leaves_the_debt_settled(shop: Shop) -> None:
    attempt = await shop.pay("100")
    await refund(shop, attempt.attempt_id, "30")
    invoice = shop.invoice
    assert (invoice.status, invoice.balance, invoice.refunded) == (Status.PAID, Decimal(0), Decimal(30))
    assert (invoice.history[-1].what, invoice.history[-1].amount) == (What.PAYMENT_REFUNDED, Decimal(30))
    assert shop.memory.topics()["refund"] == 1
    shop.assert_books_agree()


@pytest.mark.parametrize(
    ("before", "amount", "after"),
    [
        (Status.SENT, "30", Status.PARTIAL),
        (Status.SENT, "100", Status.SENT),
        (Status.CREATED, "100", Status.CREATED),
    ],
)
async def test_a_refund_that_is_due_again_raises_the_balance(before: Status, amount: str, after: Status) -> None:
    shop = Shop()
    shop.memory.put(an_invoice(before, TERMS))
    attempt = await shop.pay("100")
    await refund(shop, attempt.attempt_id, amount, again=True)
    assert (shop.invoice.status, shop.invoice.balance) == (after, Decimal(amount))
    shop.memory.invoices["7"].assert_facts()
    await shop.pay(amount, payer_key="again")
    assert shop.invoice.status is Status.PAID


async def test_the_same_refund_twice_gives_back_once_and_never_more_than_was_paid(shop: Shop) -> None:
    attempt = await shop.pay("100")
    await asyncio.gather(*(refund(shop, attempt.attempt_id, "60") for _ in range(4)))
    assert shop.processor.asked["r1"] == 1
    with pytest.raises(AmountAbovePayment) as refusal:
        await refund(shop, attempt.attempt_id, "40.01", name="r2")
    assert refusal.value.left == Decimal(40)
    await asyncio.gather(
        refund(shop, attempt.attempt_id, "40", name="r3"),
        refund(shop, attempt.attempt_id, "40", name="r4"),
        return_exceptions=True,
    )
    assert shop.processor.net == Decimal(0)
    shop.assert_books_agree()


@pytest.mark.parametrize(("handed", "after"), [("lost after", RefundState.DONE), ("lost before", RefundState.FAILED)])
async def test_a_refund_whose_answer_is_lost_is_looked_up(shop: Shop, handed: str, after: RefundState) -> None:
    attempt = await shop.pay("100")
    shop.processor.refund_with = handed
    unknown = await refund(shop, attempt.attempt_id)
    assert unknown.refunds[0].state is RefundState.UNKNOWN
    # What may be on its way back can neither be refunded nor reversed a second time.
    with pytest.raises(AmountAbovePayment):
        await refund(shop, attempt.attempt_id, "1", name="r2")
    with pytest.raises(PaymentInFlight):
        await reverse_payment(shop.books, "7", attempt.transaction_id, None, at=NOON, actor=PAYER)
    await shop.wait(timedelta(hours=30))
    assert shop.memory.attempts[attempt.attempt_id].refunds[0].state is after
    shop.assert_books_agree()


async def test_a_refund_that_the_bank_decides_later_counts_then(shop: Shop) -> None:
    attempt = await shop.pay("100")
    shop.processor.refund_with = "pending"
    await refund(shop, attempt.attempt_id)
    assert shop.invoice.refunded == Decimal(0)
    shop.processor.refunds["r1"] = replace(shop.processor.refunds["r1"], kind=Kind.REFUNDED)
    await shop.wait(timedelta(hours=2))
    assert shop.invoice.refunded == Decimal(100)


async def test_a_refund_that_fails_changes_nothing_and_is_told(shop: Shop) -> None:
    attempt = await shop.pay("100")
    shop.processor.refund_with = "fails"
    failed = await refund(shop, attempt.attempt_id)
    assert failed.refunds[0].state is RefundState.FAILED
    assert (shop.invoice.refunded, failed.refundable) == (Decimal(0), Decimal(100))
    assert shop.memory.topics()["needs-attention"] == 1


async def test_a_reversal_makes_a_recorded_payment_due_again(shop: Shop) -> None:
    shop.memory.put(shop.invoice.receive(a_payment("40", "TR-9"), NOON))
    partly = await reverse_payment(shop.books, "7", "TR-9", Decimal(15), at=NOON, actor=PAYER)
    assert (partly.status, partly.balance) == (Status.PARTIAL, Decimal(75))
    whole = await reverse_payment(shop.books, "7", "TR-9", None, at=NOON, actor=PAYER)
    assert (whole.status, whole.balance, whole.history[-1].what) == (
        Status.SENT, Decimal(100), What.PAYMENT_REVERSED,
    )  # fmt: skip
    # And it can be canceled again, which it could not while there was money.
    assert whole.cancel(NOON).status is Status.CANCELED


async def test_what_was_never_paid_or_was_given_back_cannot_be_reversed(shop: Shop) -> None:
    with pytest.raises(NoSuchPayment):
        await reverse_payment(shop.books, "7", "TR-9", None, at=NOON, actor=PAYER)
    attempt = await shop.pay("100")
    await refund(shop, attempt.attempt_id, "60")
    with pytest.raises(AmountAbovePayment):
        await reverse_payment(shop.books, "7", attempt.transaction_id, Decimal(41), at=NOON, actor=PAYER)
    await reverse_payment(shop.books, "7", attempt.transaction_id, Decimal(40), at=NOON, actor=PAYER)
    assert (shop.invoice.status, shop.invoice.balance, shop.invoice.refunded) == (
        Status.PARTIAL, Decimal(40), Decimal(60),
    )  # fmt: skip


async def test_only_a_settled_attempt_is_refunded(shop: Shop) -> None:
    attempt = await shop.pay("100", "decline")
    with pytest.raises(AttemptNotOpen):
        await refund(shop, attempt.attempt_id)
