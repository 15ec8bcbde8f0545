"""Builders of domain values: say only what the test is about."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.line_items import LineItem
from paydue.domain.payments import Payment
from paydue.domain.reservations import Hold
from paydue.domain.terms import Customer, DeliveryMode, Terms

NOON = datetime(2026, 5, 5, 12, 0, 0, 123456, tzinfo=UTC)
TOKEN = "a" * 64


def some_terms(total: str = "293.5", *, email: str | None = "tanya.lee@my-email.world", **changed: Any) -> Terms:
    """Return terms that bill `total` US dollars, by e-mail where there is an address."""
    terms = Terms(
        due_date=date(2026, 6, 30),
        currency="USD",
        total=Decimal(total),
        description="Consulting",
        delivery_mode=DeliveryMode.EMAIL if email else DeliveryMode.NONE,
        customer=Customer(name="Tanya Lee", email=email),
    )
    return replace(terms, **changed)


def a_line_item(total: str = "241", **changed: Any) -> LineItem:
    item = LineItem(
        product_sku="P653727383",
        product_name="First line item's name",
        unit_price=Decimal("12.05"),
        quantity=20,
        total=Decimal(total),
    )
    return replace(item, **changed)


def a_payment(amount: str, reference: str = "TR-1") -> Payment:
    return Payment(amount=Decimal(amount), method="bank transfer", reference=reference, paid_at=NOON)


def an_invoice(status: Status = Status.DRAFT, terms: Terms | None = None) -> Invoice:
    """Return an invoice that came to `status` the ordinary way; PARTIAL has 100 paid, PENDING is held whole."""
    draft = Invoice.draft(terms or some_terms(), NOON, "7")
    if status is Status.DRAFT:
        return draft
    if status is Status.CREATED:
        return draft.publish(NOON, TOKEN)
    if status is Status.CANCELED:
        return draft.cancel(NOON)
    sent = draft.send(NOON, TOKEN)
    if status is Status.SENT:
        return sent
    if status is Status.PARTIAL:
        return sent.receive(a_payment("100"), NOON)
    if status is Status.PAID:
        return sent.receive(a_payment(str(sent.balance)), NOON)
    return sent.reserve("held", sent.balance, Hold.IN_FLIGHT).hold("held", "TR-HELD", NOON)


def an_attempt(state: AttemptState = AttemptState.BEGUN, **changed: Any) -> PaymentAttempt:
    """Return an attempt at 100 USD of invoice 7, put into `state` by hand."""
    attempt = PaymentAttempt(
        attempt_id="a",
        number="7",
        payer_key="k",
        gateway="sandbox",
        reference="7-a",
        amount=Decimal(100),
        least=Decimal(10),
        currency="USD",
        begun_at=NOON,
        expires_at=NOON + timedelta(minutes=15),
        state=state,
    )
    return replace(attempt, **changed)
