"""What a payer may pay now, and the reservations that it depends on."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOON, a_payment, an_attempt, an_invoice, some_terms
from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import AmountNotPayable, BrokenFact, PaymentInFlight, TooManyTries
from paydue.domain.lifecycle import Status
from paydue.domain.payable import Payable, TryLimits, check_payable, check_tries, payable_now
from paydue.domain.reservations import Hold

PARTS = {"allows_partial_payments": True}


@pytest.mark.parametrize(
    ("terms", "reserved", "expected"),
    [
        ({}, "0", ("100", "100")),
        ({}, "100", ("0", "0")),
        (PARTS, "0", ("0.01", "100")),
        (PARTS | {"minimum_partial_amount": Decimal(30)}, "0", ("30", "100")),
        (PARTS | {"minimum_partial_amount": Decimal(30)}, "60", ("30", "40")),
        (PARTS | {"minimum_partial_amount": Decimal(30)}, "80", ("20", "20")),
        (PARTS | {"minimum_partial_amount": Decimal(30)}, "100", ("0", "0")),
        # A minimum counts only where parts are allowed.
        ({"minimum_partial_amount": Decimal(30)}, "0", ("100", "100")),
        (PARTS | {"currency": "JPY"}, "0", ("1", "100")),
        (PARTS | {"currency": "KWD"}, "0", ("0.001", "100")),
    ],
)
def test_what_may_be_paid_now(terms: dict[str, object], reserved: str, expected: tuple[str, str]) -> None:
    invoice = an_invoice(Status.SENT, some_terms("100", **terms))
    if reserved != "0":
        invoice = invoice.reserve("other", Decimal(reserved), Hold.IN_FLIGHT)
    assert payable_now(invoice) == Payable(*map(Decimal, expected))


@pytest.mark.parametrize("status", [Status.DRAFT, Status.PAID, Status.CANCELED, Status.PENDING])
def test_where_nobody_pays_nothing_may_be_paid(status: Status) -> None:
    assert payable_now(an_invoice(status)) == Payable(Decimal(0), Decimal(0))


def test_somebody_else_paying_is_told_from_a_wrong_amount() -> None:
    invoice = an_invoice(Status.SENT, some_terms("100"))
    with pytest.raises(AmountNotPayable):
        check_payable(invoice, Decimal(99), NOON)
    with pytest.raises(PaymentInFlight):
        check_payable(invoice.reserve("other", Decimal(100), Hold.IN_FLIGHT), Decimal(100), NOON)


@given(
    total=st.integers(1, 10_000),
    minimum=st.integers(1, 10_000),
    parts=st.lists(st.integers(1, 10_000), max_size=20),
)
def test_parts_within_the_limits_always_lead_to_paid(total: int, minimum: int, parts: list[int]) -> None:
    invoice = an_invoice(
        Status.SENT,
        some_terms(str(total), allows_partial_payments=True, minimum_partial_amount=Decimal(min(minimum, total))),
    )
    for part in parts:
        limits = payable_now(invoice)
        if not limits.most:
            break
        amount = min(max(Decimal(part), limits.least), limits.most)
        check_payable(invoice, amount, NOON)
        invoice = invoice.receive(a_payment(str(amount)), NOON)
        invoice.assert_facts()
    if invoice.balance:
        invoice = invoice.receive(a_payment(str(payable_now(invoice).most)), NOON)
    assert (invoice.status, invoice.balance) == (Status.PAID, Decimal(0))


def test_reservations_never_exceed_the_balance_and_an_offer_yields_to_money() -> None:
    invoice = an_invoice(Status.SENT, some_terms("100")).reserve("a", Decimal(60), Hold.OFFERED)
    with pytest.raises(PaymentInFlight):
        invoice.reserve("b", Decimal(41), Hold.IN_FLIGHT)
    assert invoice.receive(a_payment("70"), NOON).reservations == ()
    assert invoice.receive(a_payment("30"), NOON).reserved == Decimal(60)
    with pytest.raises(PaymentInFlight):
        invoice.reserve("a", Decimal(60), Hold.IN_FLIGHT).receive(a_payment("70"), NOON)


def test_an_offer_hinders_neither_an_update_nor_a_cancelation() -> None:
    offered = an_invoice(Status.SENT).reserve("a", Decimal(60), Hold.OFFERED)
    assert offered.cancel(NOON).reservations == ()
    assert offered.amend(some_terms("50"), NOON, "b" * 64).reservations == ()


def test_to_hold_or_to_reject_what_reserved_nothing_is_a_bug() -> None:
    with pytest.raises(BrokenFact):
        an_invoice(Status.SENT).hold("a", "T", NOON)
    with pytest.raises(BrokenFact):
        an_invoice(Status.SENT).reject("a", "T", NOON)


def test_a_link_pauses_after_five_declined_tries_in_a_while_and_twenty_in_a_day() -> None:
    def declined(minutes: int):
        when = NOON - timedelta(minutes=minutes)
        return an_attempt(AttemptState.SUBMITTED, submitted_at=when).moved(AttemptState.FAILED, when, is_declined=True)

    check_tries([declined(minutes) for minutes in (1, 2, 3, 4, 15)], NOON)
    with pytest.raises(TooManyTries) as refusal:
        check_tries([declined(minutes) for minutes in (1, 2, 3, 4, 14)], NOON)
    assert refusal.value.until == NOON + timedelta(minutes=1)
    check_tries([declined(20 * number) for number in range(1, 20)], NOON)
    with pytest.raises(TooManyTries):
        check_tries([declined(20 * number) for number in range(1, 21)], NOON)


@pytest.mark.parametrize("state", [AttemptState.SUBMITTED, AttemptState.SETTLED, AttemptState.CANCELED])
def test_an_invoice_is_charged_so_often_in_an_hour_whatever_comes_of_it(state: AttemptState) -> None:
    def charged(minutes: int) -> PaymentAttempt:
        when = NOON - timedelta(minutes=minutes)
        return an_attempt(state, submitted_at=when)

    check_tries([charged(minutes) for minutes in (*range(1, 10), 60)], NOON)
    with pytest.raises(TooManyTries) as refusal:
        check_tries([charged(minutes) for minutes in (*range(1, 10), 59)], NOON)
    assert refusal.value.until == NOON + timedelta(minutes=1)
    many = [charged(minutes) for minutes in range(40)]
    check_tries(many, NOON, TryLimits(in_an_hour=0))
    check_tries([an_attempt(AttemptState.OPEN) for _ in range(40)], NOON)


def test_the_way_to_a_gateways_own_page_counts_as_a_charge() -> None:
    there = [an_attempt(AttemptState.OPEN, reserves_from_begin=True, begun_at=NOON) for _ in range(10)]
    check_tries(there[1:], NOON)
    with pytest.raises(TooManyTries):
        check_tries(there, NOON)
