"""What every engine promises about payment attempts: kept with their invoice or not at all, nothing counted twice."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from builders import NOON, a_payment, an_attempt, some_terms
from paydue.domain.attempts import AttemptState, Entry, MaskedAccount, PaymentAttempt
from paydue.domain.errors import BrokenFact
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.refunds import Refund, RefundState
from paydue.domain.reservations import Hold
from paydue.domain.unapplied import UnappliedMoney, WhyUnapplied
from paydue.usecases.attempt_ports import AttemptChange, AttemptExists, Attempts, NotificationSeen, TransactionTaken
from paydue.usecases.change_attempt import Books
from paydue.usecases.delivery_ports import DeliveryFilter
from paydue.usecases.pay_invoice import PaymentWish, begin_payment, charge_payment
from paydue.usecases.ports import Change, Channel, Message, StaleVersion
from paying import PAYER, MovedClock, Processor, Steps
from storing import ACTOR, assert_all_holds, create, pay

PARTS = some_terms("100", allows_partial_payments=True)


def a_message(topic: str = "needs-attention") -> Message:
    return Message(channel=Channel.MAIL, topic=topic, recipient="owner@acme.example", facts={"status": "SENT"})


def unapplied(transaction_id: str, attempt_id: str = "a", **changed: Any) -> UnappliedMoney:
    money = UnappliedMoney(
        gateway="sandbox",
        transaction_id=transaction_id,
        attempt_id=attempt_id,
        number="7",
        amount=Decimal("0.10"),
        currency="EUR",
        why=WhyUnapplied.TWICE,
        found_at=NOON,
    )
    return replace(money, **changed)


def begun(attempt_id: str = "a", **changed: Any) -> PaymentAttempt:
    look_at = changed.pop("next_look_at", NOON + timedelta(minutes=15))
    named = {"payer_key": f"k {attempt_id}", "reference": f"7-{attempt_id}", "next_look_at": look_at}
    return an_attempt(attempt_id=attempt_id, **named | changed)


async def keep(attempts: Attempts, after: PaymentAttempt, before: PaymentAttempt | None = None, **more: Any) -> Any:
    return await attempts.keep(AttemptChange(before=before, after=after, **more))


@pytest.fixture
async def invoice(store: Any) -> Invoice:
    return await create(store.of("acme"), "7", sent=True, terms=PARTS)


@pytest.fixture
def attempts(store: Any, invoice: Invoice) -> Attempts:
    return store.attempts_of("acme")


# Keeping and reading


async def test_an_attempt_is_read_back_the_same_by_each_of_its_names(store: Any, attempts: Attempts) -> None:
    wish = begun(
        state=AttemptState.SETTLED,
        session="s" * 200,
        transaction_id="T-1",
        charged=Decimal("99.90"),
        amount=Decimal("99.90"),
        account=MaskedAccount(brand="Visa", last4="1111"),
        payer_email="payer@example.com",
        log=(Entry(AttemptState.BEGUN, NOON, "zürich \u2028"),),
        refunds=(
            Refund(refund_id="r", amount=Decimal("0.10"), is_due_again=True, state=RefundState.UNKNOWN, asked_at=NOON),
        ),
    )
    kept = (await keep(attempts, wish)).attempt

    assert kept == replace(wish, version=1)
    assert await attempts.attempt("a") == kept
    assert await attempts.attempt_by_payer_key("7", "k a") == kept
    assert await attempts.attempt_by_reference("sandbox", "7-a") == kept
    assert await attempts.attempt_by_session("sandbox", "s" * 200) == kept
    assert await attempts.attempts_of("7") == [kept]


async def test_what_is_not_there_is_not_found(store: Any, attempts: Attempts) -> None:
    await keep(attempts, begun())
    for odd in ("", "b", "ü" * 64, "\ud800", "a\0b", "x" * 10_000):
        assert await attempts.attempt(odd) is None
        assert await attempts.attempt_by_payer_key("7", odd) is None
        assert await attempts.attempt_by_payer_key(odd, "k a") is None
        assert await attempts.attempt_by_reference("sandbox", odd) is None
        assert await attempts.attempt_by_reference(odd, "7-a") is None
        assert await attempts.attempt_by_session("sandbox", odd) is None
        assert await attempts.attempts_of(odd) == []
        assert await attempts.unapplied(odd, "sandbox") is None


async def test_attempts_of_an_invoice_come_newest_first(attempts: Attempts) -> None:
    for minute in (2, 0, 1):
        await keep(attempts, begun(f"a{minute}", begun_at=NOON + timedelta(minutes=minute)))

    assert [each.attempt_id for each in await attempts.attempts_of("7")] == ["a2", "a1", "a0"]
    assert [each.attempt_id for each in await attempts.attempts_of("7", 1)] == ["a2"]


async def test_merchants_share_no_attempts(store: Any, attempts: Attempts) -> None:
    await create(store.of("zeta"), "7", sent=True, terms=PARTS)
    theirs = store.attempts_of("zeta")
    ours = (await keep(attempts, begun(), unapplied=unapplied("T-9"), event_id="e")).attempt

    assert await theirs.attempt("a") is None
    assert await theirs.attempt_by_reference("sandbox", "7-a") is None
    assert await theirs.attempts_of("7") == []
    assert await theirs.unapplied("T-9", "sandbox") is None
    assert await theirs.unapplied_money(resolved=False) == []
    # Their own may be called the same.
    await keep(theirs, begun(), unapplied=unapplied("T-9"), event_id="e")
    assert await attempts.attempt("a") == ours
    await assert_all_holds(store)


# Whole or not at all


async def test_an_attempt_and_its_invoice_are_kept_together(store: Any, attempts: Attempts, invoice: Invoice) -> None:
    reserved = invoice.reserve("a", Decimal(100), Hold.IN_FLIGHT)
    submitted = begun(state=AttemptState.SUBMITTED)
    first = await keep(attempts, submitted, invoice=Change(before=invoice, after=reserved, actor=ACTOR))

    assert first.invoice == replace(reserved, version=2) == await store.of("acme").invoice("7")
    payment = a_payment("100", "T-1")
    settled = replace(
        submitted, state=AttemptState.SETTLED, charged=Decimal(100), transaction_id="T-1", next_look_at=None
    )
    change = Change(
        before=first.invoice,
        after=first.invoice.receive(payment, NOON, "a"),
        payment=payment,
        messages=(a_message("paid"),),
        actor=ACTOR,
    )
    done = await keep(attempts, settled, first.attempt, invoice=change)

    assert (done.invoice.status, done.invoice.reservations) == (Status.PAID, ())
    assert await store.of("acme").invoice("7") == done.invoice
    assert (await attempts.attempt("a")).version == 2
    await assert_all_holds(store)


async def test_a_stale_invoice_keeps_its_attempt_from_being_kept(
    store: Any, attempts: Attempts, invoice: Invoice
) -> None:
    paid = await pay(store.of("acme"), invoice, "40")
    change = Change(before=invoice, after=invoice.reserve("a", Decimal(100), Hold.IN_FLIGHT), actor=ACTOR)

    with pytest.raises(StaleVersion):
        await keep(attempts, begun(state=AttemptState.SUBMITTED), invoice=change, unapplied=unapplied("T"))

    assert await attempts.attempt("a") is None
    assert await attempts.unapplied("T", "sandbox") is None
    assert await store.of("acme").invoice("7") == paid
    await assert_all_holds(store)


async def test_a_stale_attempt_keeps_its_invoice_from_being_changed(
    store: Any, attempts: Attempts, invoice: Invoice
) -> None:
    first = (await keep(attempts, begun())).attempt
    await keep(attempts, replace(first, session="s"), first)
    change = Change(before=invoice, after=invoice.reserve("a", Decimal(100), Hold.IN_FLIGHT), actor=ACTOR)

    with pytest.raises(StaleVersion):
        await keep(attempts, replace(first, state=AttemptState.SUBMITTED), first, invoice=change)
    with pytest.raises(StaleVersion):
        await keep(attempts, begun(), invoice=change)

    assert await store.of("acme").invoice("7") == invoice
    assert (await attempts.attempt("a")).session == "s"


async def test_facts_that_do_not_hold_are_not_kept(store: Any, attempts: Attempts, invoice: Invoice) -> None:
    with pytest.raises(BrokenFact):
        await keep(attempts, begun(state=AttemptState.SETTLED))
    too_much = replace(invoice, paid=Decimal(101), status=Status.PARTIAL)
    with pytest.raises(BrokenFact):
        await keep(attempts, begun(), invoice=Change(before=invoice, after=too_much, actor=ACTOR))
    with pytest.raises(BrokenFact):
        await keep(attempts, begun(number="8"))
    with pytest.raises(BrokenFact):
        await keep(store.attempts_of("nobody"), begun())

    assert await attempts.attempt("a") is None
    await assert_all_holds(store)


async def test_one_refusal_among_many_concerns_its_caller_alone(store: Any, attempts: Attempts) -> None:
    outcomes = await asyncio.gather(
        *(keep(attempts, begun(f"a{number}", payer_key=f"k{number // 2}")) for number in range(16)),
        *(create(store.of("acme")) for _ in range(8)),
        return_exceptions=True,
    )

    assert sum(isinstance(each, AttemptExists) for each in outcomes) == 8
    assert sum(isinstance(each, Exception) for each in outcomes) == 8
    assert len(await attempts.attempts_of("7")) == 8
    await assert_all_holds(store)


# What is unique


async def test_a_form_that_is_sent_twice_is_one_attempt(store: Any, attempts: Attempts) -> None:
    await create(store.of("acme"), "8", sent=True)
    await keep(attempts, begun())

    with pytest.raises(AttemptExists):
        await keep(attempts, begun("b", payer_key="k a"))
    await keep(attempts, begun("c", payer_key="k a", number="8"))


async def test_a_reference_is_one_attempts(attempts: Attempts) -> None:
    await keep(attempts, begun())

    with pytest.raises(BrokenFact):
        await keep(attempts, begun("b", reference="7-a"))
    await keep(attempts, begun("c", reference="7-a", gateway="stripe"))


@pytest.mark.parametrize("first", ["attempt", "money"])
@pytest.mark.parametrize("second", ["attempt", "money"])
async def test_a_transaction_belongs_to_one_attempt(store: Any, attempts: Attempts, first: str, second: str) -> None:
    def naming(attempt_id: str, how: str, **changed: Any) -> AttemptChange:
        if how == "money":
            return AttemptChange(before=None, after=begun(attempt_id, **changed), unapplied=unapplied("T", attempt_id))
        return AttemptChange(before=None, after=begun(attempt_id, transaction_id="T", **changed))

    kept = (await attempts.keep(naming("a", first))).attempt
    with pytest.raises(TransactionTaken):
        await attempts.keep(naming("b", second))
    assert await attempts.attempt("b") is None

    # To the same attempt it may come back, and the transaction of another gateway is another one.
    await keep(attempts, replace(kept, transaction_id="T"), kept, unapplied=unapplied("T"))
    await keep(attempts, begun("c", transaction_id="T", gateway="stripe"))
    await assert_all_holds(store)


async def test_unapplied_money_can_be_resolved(store: Any, attempts: Attempts) -> None:
    kept = (await keep(attempts, begun(), unapplied=unapplied("T-1"))).attempt
    later = unapplied("T-2", found_at=NOON + timedelta(hours=1))
    kept = (await keep(attempts, kept, kept, unapplied=later)).attempt
    assert await attempts.unapplied_money(resolved=False) == [later, unapplied("T-1")]
    assert await attempts.unapplied_money(resolved=False, limit=1) == [later]

    given_back = unapplied("T-1", resolved_at=NOON + timedelta(days=1), refund_id="r")
    await keep(attempts, kept, kept, unapplied=given_back)

    assert await attempts.unapplied("T-1", "sandbox") == given_back
    assert await attempts.unapplied_money(resolved=False) == [later]
    assert await attempts.unapplied_money(resolved=True) == [given_back]
    await assert_all_holds(store)


async def test_a_notification_is_taken_in_once_until_it_is_forgotten(
    installation: Any, store: Any, attempts: Attempts
) -> None:
    kept = (await keep(attempts, begun())).attempt
    hinted = (await keep(attempts, replace(kept, next_look_at=NOON), kept, event_id="e-1")).attempt

    with pytest.raises(NotificationSeen):
        await keep(attempts, replace(hinted, next_look_at=None), hinted, event_id="e-1")
    assert await attempts.attempt("a") == hinted

    other = (await keep(attempts, hinted, hinted, event_id="e-2")).attempt
    looking = store.attempts_to_look_at
    assert await looking.forget_notifications(installation.clock.at, 10) == 0
    installation.clock.advance(days=1)
    assert await looking.forget_notifications(installation.clock.at, 1) == 1
    assert await looking.forget_notifications(installation.clock.at, 10) == 1
    await keep(attempts, other, other, event_id="e-1")
    await assert_all_holds(store)


# Messages


async def test_trouble_is_told_beside_what_the_last_event_told(
    store: Any, attempts: Attempts, invoice: Invoice
) -> None:
    woken: list[None] = []
    store.on_messages(lambda: woken.append(None))
    kept = (await keep(attempts, begun())).attempt
    assert woken == []

    kept = (await keep(attempts, kept, kept, messages=(a_message("first"), a_message("second")))).attempt
    # A reservation that ends is a change of the invoice without an event of its own.
    reserved = await keep(
        attempts,
        replace(kept, state=AttemptState.UNKNOWN),
        kept,
        invoice=Change(before=invoice, after=invoice.reserve("a", Decimal(100), Hold.IN_FLIGHT), actor=ACTOR),
    )
    released = Change(
        before=reserved.invoice, after=reserved.invoice.release("a"), messages=(a_message("third"),), actor=ACTOR
    )
    failed = replace(reserved.attempt, state=AttemptState.FAILED, next_look_at=None)
    await keep(attempts, failed, reserved.attempt, invoice=released)

    told = await store.deliveries_of("acme").deliveries(DeliveryFilter(number="7"), None, 10)
    assert sorted((each.position, each.part, each.topic) for each in told) == [
        (1, 0, "invoice"),
        (1, 1, "first"),
        (1, 2, "second"),
        (1, 3, "third"),
    ]
    assert len(woken) == 2
    await assert_all_holds(store)


# What is to be looked at


async def test_attempts_are_due_in_the_order_of_their_times(store: Any, attempts: Attempts) -> None:
    await create(store.of("zeta"), "7", sent=True, terms=PARTS)
    looking = store.attempts_to_look_at
    assert await looking.next_look() is None
    assert await looking.due(NOON, 10) == []
    for merchant_id, name, minute in (("acme", "a", 3), ("zeta", "b", 1), ("acme", "c", 2), ("acme", "d", 9)):
        at = NOON + timedelta(minutes=minute)
        await keep(store.attempts_of(merchant_id), begun(name, next_look_at=at))
    await keep(attempts, begun("e", next_look_at=None, state=AttemptState.FAILED))

    assert await looking.next_look() == NOON + timedelta(minutes=1)
    assert await looking.due(NOON, 10) == []
    assert await looking.due(NOON + timedelta(minutes=3), 10) == [("zeta", "b"), ("acme", "c"), ("acme", "a")]
    assert await looking.due(NOON + timedelta(minutes=3), 2) == [("zeta", "b"), ("acme", "c")]
    everything = [("acme", "a"), ("acme", "c"), ("acme", "d"), ("zeta", "b")]
    assert await looking.unfinished(None, 10) == everything
    assert await looking.unfinished(None, 2) == everything[:2]
    assert await looking.unfinished(("acme", "c"), 10) == everything[2:]
    assert await looking.unfinished(("zeta", "b"), 10) == []


# Many at once, and the end of the process


async def test_of_sixteen_who_keep_one_attempt_one_wins(attempts: Attempts) -> None:
    first = (await keep(attempts, begun())).attempt

    async def change(number: int) -> bool:
        try:
            await keep(attempts, replace(first, session=f"s{number}"), first)
        except StaleVersion:
            return False
        return True

    assert sum(await asyncio.gather(*(change(number) for number in range(16)))) == 1
    assert (await attempts.attempt("a")).version == 2


@pytest.mark.parametrize("amount", ["100", "30"])
async def test_sixteen_payers_take_exactly_what_may_be_paid(
    store: Any, attempts: Attempts, invoice: Invoice, amount: str
) -> None:
    clock, processor = MovedClock(), Processor(Steps())
    books = Books(store.of("acme"), attempts)

    async def a_payer(number: int) -> None:
        wish = PaymentWish(
            number="7",
            amount=Decimal(amount),
            payer_key=f"k{number}",
            page_origin="https://pay.example",
            return_url="https://pay.example/",
            cancel_url="https://pay.example/",
        )
        attempt = (await begin_payment(books, processor, wish, clock=clock, ids=clock, actor=PAYER)).attempt
        await charge_payment(books, processor, "7", attempt.attempt_id, "ok", clock=clock, actor=PAYER)

    outcomes = await asyncio.gather(*(a_payer(number) for number in range(16)), return_exceptions=True)

    taken = 100 // int(amount)
    assert sum(each is None for each in outcomes) == taken
    assert processor.net == taken * Decimal(amount) == (await store.of("acme").invoice("7")).paid
    await assert_all_holds(store)


async def test_everything_is_there_after_the_store_was_opened_again(
    installation: Any, attempts: Attempts, invoice: Invoice
) -> None:
    change = Change(before=invoice, after=invoice.reserve("a", Decimal(60), Hold.IN_FLIGHT), actor=ACTOR)
    submitted = begun(state=AttemptState.SUBMITTED, amount=Decimal(60))
    kept = await keep(attempts, submitted, invoice=change, unapplied=unapplied("T"))

    store: Any = await installation.reopen()

    assert await store.attempts_of("acme").attempt("a") == kept.attempt
    assert await store.attempts_of("acme").unapplied("T", "sandbox") == unapplied("T")
    assert (await store.of("acme").invoice("7")).reservations == kept.invoice.reservations
    await assert_all_holds(store)


async def test_what_was_given_back_is_read_back(store: Any, invoice: Invoice) -> None:
    acme = store.of("acme")
    paid = await pay(acme, invoice, "60")

    async def changed(before: Invoice, change: Callable[[Invoice], Invoice]) -> Invoice:
        return await acme.commit(Change(before=before, after=change(before), actor=ACTOR))

    refunded = await changed(paid, lambda each: each.refund("TR-1", Decimal(20), NOON))
    taken_back = await changed(refunded, lambda each: each.take_back("TR-1", Decimal(10), NOON))

    assert (str(refunded.refunded), str(refunded.paid)) == ("20", "60")
    assert (str(taken_back.refunded), str(taken_back.paid)) == ("20", "50")
    assert await acme.invoice("7") == taken_back
    await assert_all_holds(store)
