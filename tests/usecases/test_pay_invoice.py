"""Paying through a gateway: what is taken, what is refused, and that no way of clicking takes it twice."""

import asyncio
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from builders import NOON, a_payment, an_invoice, some_terms
from paydue.domain.attempts import AttemptState
from paydue.domain.errors import (
    ActionNotAllowed,
    AmountNotPayable,
    AttemptNotOpen,
    LinkExpired,
    NoSuchAttempt,
    NoSuchInvoice,
    PaymentInFlight,
    Refusal,
    TooManyTries,
)
from paydue.domain.events import What
from paydue.domain.lifecycle import Status
from paydue.domain.payer_details import Payer, PayerDetails
from paydue.usecases.cancel_invoice import cancel_invoice
from paydue.usecases.gateway_ports import Kind, Outcome
from paydue.usecases.pay_invoice import abandon_payment, charge_payment
from paydue.usecases.record_payment import record_payment
from paydue.usecases.settle_payment import settle_payment
from paying import PAYER, Shop

IN_PARTS = some_terms("100", allows_partial_payments=True, minimum_partial_amount=Decimal(10))


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.memory.put(an_invoice(Status.SENT, IN_PARTS))
    return shop


@pytest.fixture
def whole_shop() -> Shop:
    shop = Shop()
    shop.memory.put(an_invoice(Status.SENT))
    return shop


async def test_paying_all_makes_the_invoice_paid(whole_shop: Shop) -> None:
    attempt = await whole_shop.pay("293.5", payer_email="payer@example.com")

    assert (attempt.state, str(attempt.charged)) == (AttemptState.SETTLED, "293.5")
    assert whole_shop.invoice.status is Status.PAID
    assert whole_shop.invoice.history[-1].transaction_id == attempt.transaction_id
    assert attempt.next_look_at is None
    mails = [message.recipient for message in whole_shop.memory.messages if message.topic == "paid"]
    assert sorted(mails) == ["payer@example.com", "tanya.lee@my-email.world"]
    whole_shop.assert_books_agree()


async def test_an_amount_is_kept_in_its_shortest_form_however_the_processor_writes_it(whole_shop: Shop) -> None:
    attempt = (await whole_shop.begin("293.5")).attempt
    answered = replace(whole_shop.processor.pay(attempt, "ok"), amount=Decimal("293.50"))
    settled = await settle_payment(
        whole_shop.books, attempt.attempt_id, answered, at=whole_shop.clock.now(), actor=PAYER
    )
    assert (str(settled.charged), str(whole_shop.invoice.history[-1].amount)) == ("293.5", "293.5")


async def test_two_payers_pay_a_part_each(shop: Shop) -> None:
    await shop.pay("40", payer_key="first")
    assert shop.invoice.status is Status.PARTIAL
    await shop.pay("60", payer_key="second")
    assert shop.invoice.status is Status.PAID
    shop.assert_books_agree()


async def test_a_declined_card_leaves_the_invoice_as_it_was_and_may_be_tried_again(whole_shop: Shop) -> None:
    attempt = await whole_shop.pay("293.5", "decline")

    assert (attempt.state, attempt.reason, attempt.is_declined) == (AttemptState.FAILED, "funds", True)
    assert (whole_shop.invoice.status, whole_shop.invoice.history[-1].what) == (Status.SENT, What.PAYMENT_REJECTED)
    assert whole_shop.memory.messages == []
    await whole_shop.pay("293.5", payer_key="k2")
    assert whole_shop.invoice.status is Status.PAID


async def test_a_gateway_that_cannot_be_reached_charges_nothing(whole_shop: Shop) -> None:
    attempt = await whole_shop.pay("293.5", "unavailable")
    assert (attempt.state, attempt.is_declined, attempt.reason) == (AttemptState.FAILED, False, "try_later")
    assert whole_shop.invoice.history[-1].what is What.INVOICE_SENT
    whole_shop.assert_books_agree()


async def test_the_same_form_sent_twice_at_once_charges_once(whole_shop: Shop) -> None:
    attempt = (await whole_shop.begin("293.5")).attempt
    results = await asyncio.gather(*(whole_shop.charge(attempt) for _ in range(8)))

    assert whole_shop.processor.asked[attempt.reference] == 1
    assert {each.state for each in results} <= {AttemptState.SETTLED, AttemptState.SUBMITTED}
    whole_shop.assert_books_agree()


async def test_the_same_wish_again_is_the_same_attempt(whole_shop: Shop) -> None:
    begun = await asyncio.gather(*(whole_shop.begin("293.5", "same") for _ in range(8)))
    assert len({each.attempt.attempt_id for each in begun}) == 1
    await whole_shop.charge(begun[0].attempt)
    again = await whole_shop.begin("293.5", "same")
    assert (again.attempt.state, again.checkout) == (AttemptState.SETTLED, None)
    assert len(whole_shop.memory.attempts) == 1


@pytest.mark.parametrize("amount", ["9.99", "100.01", "0", "-5"])
async def test_an_amount_outside_the_limits_is_refused_with_the_limits(shop: Shop, amount: str) -> None:
    with pytest.raises(AmountNotPayable) as refusal:
        await shop.begin(amount)
    assert (refusal.value.least, refusal.value.most) == (Decimal(10), Decimal(100))
    assert shop.memory.attempts == {}


async def test_the_last_part_may_be_below_the_minimum_and_only_that(shop: Shop) -> None:
    await shop.pay("95", payer_key="first")
    with pytest.raises(AmountNotPayable):
        await shop.begin("4", "second")
    await shop.pay("5", payer_key="third")
    assert shop.invoice.status is Status.PAID


async def test_without_partial_payments_a_part_is_refused(whole_shop: Shop) -> None:
    with pytest.raises(AmountNotPayable):
        await whole_shop.begin("100")


@pytest.mark.parametrize("status", [Status.DRAFT, Status.PAID, Status.CANCELED, Status.PENDING])
async def test_nobody_pays_what_is_not_payable(status: Status) -> None:
    shop = Shop()
    shop.memory.put(an_invoice(status))
    with pytest.raises(ActionNotAllowed):
        await shop.begin("293.5")


async def test_an_ended_link_an_unknown_invoice_and_an_unknown_attempt_are_refused(shop: Shop) -> None:
    with pytest.raises(NoSuchInvoice):
        await shop.begin("10", number="8")
    with pytest.raises(NoSuchAttempt):
        await charge_payment(shop.books, shop.processor, "7", "nope", "ok", clock=shop.clock, actor=PAYER)
    shop.memory.put(an_invoice(Status.SENT, some_terms("100", expiration_date=date(2026, 5, 5))))
    with pytest.raises(LinkExpired):
        await shop.begin("100")


async def test_an_attempt_cannot_be_charged_through_another_invoice(shop: Shop) -> None:
    attempt = (await shop.begin("40")).attempt
    with pytest.raises(AttemptNotOpen):
        await charge_payment(shop.books, shop.processor, "8", attempt.attempt_id, "ok", clock=shop.clock, actor=PAYER)
    assert shop.processor.charges == {}


async def test_what_was_open_too_long_is_not_charged(shop: Shop) -> None:
    attempt = (await shop.begin("40")).attempt
    shop.clock.at += timedelta(minutes=15)
    assert (await shop.charge(attempt)).state is AttemptState.EXPIRED
    assert shop.processor.charges == {}


async def test_a_form_that_was_open_when_the_balance_fell_is_refused_before_charging(shop: Shop) -> None:
    late = (await shop.begin("100", "late")).attempt
    await shop.pay("40", payer_key="fast")
    with pytest.raises(AmountNotPayable) as refusal:
        await shop.charge(late)
    assert refusal.value.most == Decimal(60)
    assert shop.processor.asked[late.reference] == 0


async def test_while_money_is_in_flight_nothing_that_matters_changes(shop: Shop) -> None:
    await shop.pay("100", "lost after")
    with pytest.raises(PaymentInFlight):
        await cancel_invoice(shop.memory, "7", at=NOON, actor=PAYER)
    with pytest.raises(PaymentInFlight):
        shop.invoice.amend(some_terms("50"), NOON, "b" * 64)
    with pytest.raises(PaymentInFlight):
        await record_payment(shop.memory, "7", lambda _: a_payment("1"), at=NOON, actor=PAYER)
    with pytest.raises(PaymentInFlight):
        await shop.begin("10", "other")


async def test_too_many_declined_tries_pause_the_link(shop: Shop) -> None:
    for number in range(5):
        await shop.pay("10", "decline", f"k{number}")
    with pytest.raises(TooManyTries) as refusal:
        await shop.begin("10", "k5")
    assert refusal.value.until == NOON + timedelta(minutes=15)
    shop.clock.at = refusal.value.until
    assert (await shop.pay("10", payer_key="k6")).state is AttemptState.SETTLED


async def test_forms_that_were_opened_before_the_pause_charge_nothing_either(shop: Shop) -> None:
    opened = [(await shop.begin("10", f"k{number}")).attempt for number in range(6)]
    for attempt in opened[:5]:
        await shop.charge(attempt, "decline")
    with pytest.raises(TooManyTries):
        await shop.charge(opened[5])
    assert sum(shop.processor.asked.values()) == 5


async def test_what_a_payer_says_while_paying_is_kept_with_the_attempt(shop: Shop) -> None:
    opened = (await shop.begin("10")).attempt
    payer = Payer(email="payer@example.com", details=PayerDetails(phone="+1 207 555 0198"))
    attempt = await charge_payment(
        shop.books, shop.processor, "7", opened.attempt_id, "ok", clock=shop.clock, actor=PAYER, payer=payer
    )
    assert (attempt.payer_email, attempt.details) == (payer.email, payer.details)
    assert "payer@example.com" in [message.recipient for message in shop.memory.messages]


async def test_a_payer_who_leaves_the_banks_question_is_not_charged_and_may_try_again(whole_shop: Shop) -> None:
    asked = await whole_shop.pay("293.5", "challenge")
    assert asked.state is AttemptState.WAITING_FOR_PAYER
    left = await abandon_payment(
        whole_shop.books, whole_shop.processor, asked.attempt_id, clock=whole_shop.clock, actor=PAYER
    )
    assert (left.state, whole_shop.invoice.reservations) == (AttemptState.CANCELED, ())
    assert (await whole_shop.pay("293.5", payer_key="k2")).state is AttemptState.SETTLED
    whole_shop.assert_books_agree()


async def test_a_proof_that_is_faster_than_the_payer_who_leaves_counts(whole_shop: Shop) -> None:
    asked = await whole_shop.pay("293.5", "challenge")
    whole_shop.processor.pay(asked, "ok")
    left = await abandon_payment(
        whole_shop.books, whole_shop.processor, asked.attempt_id, clock=whole_shop.clock, actor=PAYER
    )
    assert (left.state, whole_shop.invoice.status) == (AttemptState.SETTLED, Status.PAID)
    whole_shop.assert_books_agree()


async def test_less_than_asked_is_taken_where_parts_are_allowed_and_kept_apart_elsewhere(
    shop: Shop, whole_shop: Shop
) -> None:
    await shop.pay("100", "half")
    assert (shop.invoice.status, str(shop.invoice.paid)) == (Status.PARTIAL, "50")
    shop.assert_books_agree()

    attempt = await whole_shop.pay("293.5", "half")
    assert (attempt.state, whole_shop.invoice.status) == (AttemptState.FAILED, Status.SENT)
    assert whole_shop.unapplied == Decimal("146.75")
    assert whole_shop.memory.topics() == {"needs-attention": 1}
    whole_shop.assert_books_agree()


async def test_money_in_another_currency_pays_nothing_and_is_not_lost(whole_shop: Shop) -> None:
    await whole_shop.pay("293.5", "other currency")
    assert whole_shop.invoice.status is Status.SENT
    (money,) = whole_shop.memory.money.values()
    assert (money.currency, str(money.amount), money.why) == (
        "EUR", "293.5", "not the amount or currency that was asked for",
    )  # fmt: skip


async def test_going_back_ends_an_open_attempt_and_charging_it_then_does_nothing(shop: Shop) -> None:
    attempt = (await shop.begin("40")).attempt
    given_up = await abandon_payment(shop.books, shop.processor, attempt.attempt_id, clock=shop.clock, actor=PAYER)
    assert given_up.state is AttemptState.CANCELED
    assert (await shop.charge(attempt)).state is AttemptState.CANCELED
    assert shop.processor.charges == {}


@pytest.mark.parametrize("seed", range(200))
async def test_of_sixteen_payers_at_once_exactly_the_payable_amount_is_taken(seed: int) -> None:
    chance = random.Random(seed)
    shop = Shop(redirects=chance.random() < 0.3)
    shop.memory.put(an_invoice(chance.choice([Status.CREATED, Status.SENT]), IN_PARTS))
    refusals: list[Refusal] = []

    async def payer(number: int) -> None:
        handed_over = chance.choices(["ok", "decline", "lost after", "lost before", "held"], [8, 1, 1, 1, 1])[0]
        amount = chance.choice(["100", "60", "40", "10", "10", "33.33"])
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        try:
            attempt = (await shop.begin(amount, f"k{number}")).attempt
            await asyncio.gather(*(shop.charge(attempt, handed_over) for _ in range(chance.choice([1, 1, 2]))))
        except Refusal as refusal:
            refusals.append(refusal)

    await asyncio.gather(*(payer(number) for number in range(16)))
    assert shop.invoice.paid + shop.invoice.reserved <= Decimal(100)
    for attempt in list(shop.memory.attempts.values()):
        if attempt.state is AttemptState.HELD:
            shop.processor.charges[attempt.reference] = await shop.processor.review(attempt, accepts=seed % 2 == 0)
    await shop.wait()
    shop.assert_books_agree()
    # Whoever comes last finds exactly what is left, to the cent.
    if shop.invoice.balance:
        await shop.pay(str(shop.invoice.balance), payer_key="last")
    assert (shop.invoice.status, shop.processor.net, shop.unapplied) == (Status.PAID, Decimal(100), Decimal(0))


@pytest.mark.parametrize("kind", [Kind.UNAVAILABLE, Kind.MISCONFIGURED, Kind.INVALID, Kind.UNKNOWN])
async def test_a_second_page_that_cannot_be_had_leaves_alone_who_is_on_the_first(kind: Kind) -> None:
    shop = Shop(redirects=True)
    shop.memory.put(an_invoice(Status.SENT))
    begun = await shop.begin("293.5")
    shop.processor.begin = answering(Outcome(kind=kind))
    again = await shop.begin("293.5")
    assert (again.checkout, again.attempt.state, again.attempt.session) == (
        None, AttemptState.OPEN, begun.attempt.session,
    )  # fmt: skip
    assert shop.invoice.reserved == Decimal("293.5")


async def test_a_page_that_was_paid_on_is_settled_when_it_is_asked_for_again() -> None:
    shop = Shop(redirects=True)
    shop.memory.put(an_invoice(Status.SENT))
    attempt = (await shop.begin("293.5")).attempt
    shop.processor.begin = answering(shop.processor.pay(attempt, "ok"))
    again = await shop.begin("293.5")
    assert (again.checkout, again.attempt.state, shop.invoice.status) == (None, AttemptState.SETTLED, Status.PAID)
    shop.assert_books_agree()


@pytest.mark.parametrize("redirects", [True, False])
async def test_the_first_page_that_cannot_be_had_frees_the_balance(redirects: bool) -> None:
    shop = Shop(redirects=redirects)
    shop.memory.put(an_invoice(Status.SENT))
    shop.processor.begin = answering(Outcome(kind=Kind.UNAVAILABLE))
    assert (await shop.begin("293.5")).attempt.state is AttemptState.FAILED
    assert shop.invoice.reserved == 0


def answering(outcome: Outcome):
    async def begin(_request: object) -> Outcome:
        return outcome

    return begin
