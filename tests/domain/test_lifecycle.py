"""The life of an invoice, walked cell by cell: every status with every action, allowed and refused."""

from collections.abc import Callable
from decimal import Decimal
from typing import NoReturn

import pytest
from msgspec.structs import replace

from builders import NOON, TOKEN, a_payment, an_invoice, some_terms
from paydue.domain.errors import ActionNotAllowed, AmountAboveBalance, BrokenFact
from paydue.domain.events import Event, What
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import TABLE, Action, Status
from paydue.domain.reservations import Hold, Reservation

D, C, S, PT, PD, X, PE = (
    Status.DRAFT, Status.CREATED, Status.SENT, Status.PARTIAL, Status.PAID, Status.CANCELED, Status.PENDING,
)  # fmt: skip
NO = None

# The rows as the API's documents have them, written out a second time so that a slip in the table is found.
EXPECTED: dict[Action, dict[Status, Status | None]] = {
    Action.UPDATE:            {D: D,  C: C,  S: S,  PT: NO, PD: NO, X: NO, PE: NO},
    Action.SEND_BY_MAIL:      {D: S,  C: S,  S: S,  PT: PT, PD: NO, X: NO, PE: NO},
    Action.SEND_WITHOUT_MAIL: {D: C,  C: C,  S: S,  PT: PT, PD: NO, X: NO, PE: NO},
    Action.PUBLISH:           {D: C,  C: NO, S: NO, PT: NO, PD: NO, X: NO, PE: NO},
    Action.REMIND:            {D: NO, C: NO, S: S,  PT: PT, PD: NO, X: NO, PE: NO},
    Action.RENEW_LINK:        {D: NO, C: C,  S: S,  PT: PT, PD: NO, X: NO, PE: NO},
    Action.CANCEL:            {D: X,  C: X,  S: X,  PT: NO, PD: NO, X: NO, PE: NO},
    Action.PAY_IN_FULL:       {D: NO, C: PD, S: PD, PT: PD, PD: NO, X: NO, PE: NO},
    Action.PAY_IN_PART:       {D: NO, C: PT, S: PT, PT: PT, PD: NO, X: NO, PE: NO},
    Action.HOLD:              {D: NO, C: PE, S: PE, PT: PE, PD: NO, X: NO, PE: NO},
    Action.ACCEPT_IN_FULL:    {D: NO, C: NO, S: NO, PT: NO, PD: NO, X: NO, PE: PD},
    Action.ACCEPT_IN_PART:    {D: NO, C: NO, S: NO, PT: NO, PD: NO, X: NO, PE: PT},
    Action.DECIDE_ONE_OF_SEVERAL: {D: NO, C: NO, S: NO, PT: NO, PD: NO, X: NO, PE: PE},
    Action.REJECT_PARTLY_PAID: {D: NO, C: NO, S: NO, PT: NO, PD: NO, X: NO, PE: PT},
    Action.REJECT_MAILED:     {D: NO, C: NO, S: NO, PT: NO, PD: NO, X: NO, PE: S},
    Action.REJECT_NOT_MAILED: {D: NO, C: NO, S: NO, PT: NO, PD: NO, X: NO, PE: C},
    # Ours: the API's documents know neither refunds nor reversals.
    Action.REFUND:            {D: NO, C: NO, S: NO, PT: PT, PD: PD, X: NO, PE: PE},
    Action.TAKE_BACK_PART:    {D: NO, C: NO, S: NO, PT: PT, PD: PT, X: NO, PE: PE},
    Action.TAKE_BACK_ALL_MAILED: {D: NO, C: NO, S: NO, PT: S, PD: S, X: NO, PE: PE},
    Action.TAKE_BACK_ALL_NOT_MAILED: {D: NO, C: NO, S: NO, PT: C, PD: C, X: NO, PE: PE},
}  # fmt: skip

DOINGS: dict[Action, Callable[[Invoice], Invoice]] = {
    Action.UPDATE: lambda invoice: invoice.amend(some_terms("50"), NOON, TOKEN),
    Action.SEND_BY_MAIL: lambda invoice: invoice.send(NOON, TOKEN),
    Action.SEND_WITHOUT_MAIL: lambda invoice: _without_mail(invoice).send(NOON, TOKEN),
    Action.PUBLISH: lambda invoice: invoice.publish(NOON, TOKEN),
    Action.REMIND: lambda invoice: invoice.remind(NOON),
    Action.RENEW_LINK: lambda invoice: invoice.renew_link(NOON, TOKEN),
    Action.CANCEL: lambda invoice: invoice.cancel(NOON),
    Action.PAY_IN_FULL: lambda invoice: invoice.receive(a_payment(str(invoice.balance or 1)), NOON),
    Action.PAY_IN_PART: lambda invoice: invoice.receive(a_payment("0.01"), NOON),
    Action.HOLD: lambda invoice: _reserved(invoice).hold("held", "TR-2", NOON),
    Action.ACCEPT_IN_FULL: lambda invoice: invoice.receive(a_payment(str(invoice.balance or 1)), NOON, _held(invoice)),
    Action.ACCEPT_IN_PART: lambda invoice: invoice.receive(a_payment("0.01"), NOON, _held(invoice)),
    Action.DECIDE_ONE_OF_SEVERAL: lambda invoice: _held_twice(invoice).reject("held", "TR-HELD", NOON),
    Action.REJECT_PARTLY_PAID: lambda invoice: _paid_in_part(_reviewed(invoice)).reject("held", "TR-HELD", NOON),
    Action.REJECT_MAILED: lambda invoice: _reviewed(invoice).reject("held", "TR-HELD", NOON),
    Action.REJECT_NOT_MAILED: lambda invoice: _never_mailed(_reviewed(invoice)).reject("held", "TR-HELD", NOON),
    Action.REFUND: lambda invoice: _paid_in_part(invoice).refund("TR-1", Decimal("0.01"), NOON),
    Action.TAKE_BACK_PART: lambda invoice: _paid_in_part(invoice).take_back("TR-1", Decimal("0.01"), NOON),
    Action.TAKE_BACK_ALL_MAILED: lambda invoice: _all_taken_back(invoice),  # noqa: PLW0108 - it stands below
    Action.TAKE_BACK_ALL_NOT_MAILED: lambda invoice: _all_taken_back(_never_mailed(invoice)),
}


def _reserved(invoice: Invoice) -> Invoice:
    if invoice.status in (D, PD, X):
        return invoice.reserve("held", Decimal(1), Hold.IN_FLIGHT)
    if invoice.status is PE:
        _refuse(Action.HOLD, PE)
    return invoice.reserve("held", invoice.balance, Hold.IN_FLIGHT)


def _held(invoice: Invoice) -> str:
    """Name the attempt under review; without one there is nothing to accept."""
    return _reviewed(invoice).reservations[0].attempt_id


def _reviewed(invoice: Invoice) -> Invoice:
    if invoice.status is not PE:
        _refuse(Action.ACCEPT_IN_FULL, invoice.status)
    return invoice


def _held_twice(invoice: Invoice) -> Invoice:
    _reviewed(invoice)
    other = Reservation(attempt_id="other", amount=Decimal(1), hold=Hold.HELD)
    (own,) = invoice.reservations
    return replace(invoice, reservations=(replace(own, amount=own.amount - 1), other))


def _paid_in_part(invoice: Invoice) -> Invoice:
    """The same invoice with 10 paid, as money that came before a review would have left it."""
    if invoice.status is not PE:
        return invoice
    (own,) = invoice.reservations
    received = Event(what=What.PAYMENT_RECEIVED, at=NOON, transaction_id="TR-1", amount=Decimal(10))
    return replace(
        invoice,
        paid=Decimal(10),
        reservations=(replace(own, amount=own.amount - 10),),
        history=(*invoice.history, received),
    )


def _never_mailed(invoice: Invoice) -> Invoice:
    return replace(invoice, history=tuple(event for event in invoice.history if event.what is not What.INVOICE_SENT))


def _all_taken_back(invoice: Invoice) -> Invoice:
    invoice = _paid_in_part(invoice)
    return invoice.take_back("TR-1", invoice.paid or Decimal(1), NOON)


def _refuse(action: Action, status: Status) -> NoReturn:
    """What is only reached through a held payment cannot be asked of an invoice without one."""
    assert status not in TABLE[action]
    raise ActionNotAllowed(action, status)


def _without_mail(invoice: Invoice) -> Invoice:
    return replace(invoice, terms=some_terms(email=None))


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("action", list(Action))
def test_each_action_leads_where_the_table_says_or_is_refused(action: Action, status: Status) -> None:
    invoice = an_invoice(status)
    expected = EXPECTED[action][status]
    if expected is None:
        with pytest.raises(ActionNotAllowed) as refusal:
            DOINGS[action](invoice)
        assert refusal.value.status is status
    else:
        after = DOINGS[action](invoice)
        assert after.status is expected
        after.assert_facts()


def test_the_table_says_nothing_beyond_the_documents() -> None:
    written = {action: {s: to for s, to in row.items() if to is not None} for action, row in EXPECTED.items()}
    assert {action: dict(row) for action, row in TABLE.items()} == written


@pytest.mark.parametrize(
    ("status", "by_mail", "events"),
    [
        (D, True, [What.INVOICE_SENT]),
        (D, False, [What.INVOICE_CREATED]),
        (C, True, [What.INVOICE_SENT]),
        (C, False, []),
        (S, True, [What.INVOICE_RESENT]),
        (S, False, []),
        (PT, True, [What.INVOICE_RESENT]),
        (PT, False, []),
    ],
)
def test_sending_writes_the_right_event(status: Status, by_mail: bool, events: list[What]) -> None:
    invoice = an_invoice(status)
    if not by_mail:
        invoice = _without_mail(invoice)
    after = invoice.send(NOON, TOKEN)
    assert [event.what for event in after.history[len(invoice.history) :]] == events
    assert (after is invoice) is (not events)


def test_a_changed_address_gets_a_new_link_and_the_same_address_keeps_it() -> None:
    sent = an_invoice(S)
    assert sent.amend(some_terms("5"), NOON, "b" * 64).payment_token == TOKEN
    assert sent.amend(some_terms(email="other@example.com"), NOON, "b" * 64).payment_token == "b" * 64
    assert sent.amend(some_terms(email=None), NOON, "b" * 64).payment_token == "b" * 64


def test_a_draft_gets_no_link_by_an_update() -> None:
    assert an_invoice(D).amend(some_terms(email="other@example.com"), NOON, "b" * 64).payment_token is None


def test_parts_add_up_until_the_invoice_is_paid() -> None:
    invoice = an_invoice(S, some_terms("0.3"))
    for _ in range(2):
        invoice = invoice.receive(a_payment("0.1"), NOON)
        assert invoice.status is PT
    invoice = invoice.receive(a_payment("0.1"), NOON)
    assert (invoice.status, str(invoice.balance), str(invoice.paid)) == (PD, "0", "0.3")
    assert [str(event.amount) for event in invoice.history if event.what is What.PAYMENT_RECEIVED] == ["0.1"] * 3


@pytest.mark.parametrize("status", [C, S, PT])
def test_more_than_the_balance_is_refused(status: Status) -> None:
    invoice = an_invoice(status)
    with pytest.raises(AmountAboveBalance):
        invoice.receive(a_payment(str(invoice.balance + 1)), NOON)


@pytest.mark.parametrize(
    ("status", "paid"), [(D, "1"), (C, "1"), (S, "1"), (X, "1"), (PT, "0"), (PT, "293.5"), (PD, "293"), (PE, "293.5")]
)
def test_a_status_that_contradicts_the_money_is_a_broken_fact(status: Status, paid: str) -> None:
    broken = replace(an_invoice(S), status=status, paid=a_payment(paid).amount)
    with pytest.raises(BrokenFact):
        broken.assert_facts()
