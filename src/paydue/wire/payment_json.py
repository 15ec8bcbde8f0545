"""The JSON of payments: what came in and went back, the tries of payers, money that no invoice holds."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from paydue.domain.attempts import MaskedAccount, PaymentAttempt
from paydue.domain.errors import Fault, InvalidFields
from paydue.domain.payer_details import PayerDetails, ShippingAddress
from paydue.domain.refunds import Refund
from paydue.domain.unapplied import UnappliedMoney, WhyUnapplied
from paydue.usecases.find_payments import KnownPayment
from paydue.wire.fields import Faults, Reader
from paydue.wire.query import parse_query

_FLAGS: Final = {"true": True, "false": False}
_WHY: Final = {
    WhyUnapplied.TOO_LATE: "TOO_LATE",
    WhyUnapplied.TOO_MUCH: "TOO_MUCH",
    WhyUnapplied.TWICE: "CHARGED_TWICE",
    WhyUnapplied.DIFFERENT: "DIFFERENT_AMOUNT_OR_CURRENCY",
}


class RefundBody(msgspec.Struct, frozen=True):
    """What a refund was asked for; without an amount all that is left."""

    amount: Decimal | None
    is_due_again: bool


class _Card(msgspec.Struct, rename="camel", omit_defaults=True):
    brand: str
    last4: str
    expires: str | None = None


class _Refund(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    id: str
    status: str
    amount: Decimal
    due_again: bool = msgspec.field(name="dueAgain")
    asked_at: str
    transaction_id: str | None = None
    reason: str | None = None


class _Payment(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    transaction_id: str
    status: str
    amount: Decimal
    currency: str
    method: str
    recorded_at: str
    paid_at: str | None = None
    refunded_amount: Decimal | None = None
    reversed_amount: Decimal | None = None
    left_amount: Decimal | None = None
    gateway: str | None = None
    attempt_id: str | None = None
    card: _Card | None = None
    refunds: list[_Refund] | None = None


class _ShipTo(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    country: str
    street: str
    name: str | None = None
    more: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None


class _Answered(msgspec.Struct, rename="camel"):
    definition_id: int
    label: str
    value: str


class _Payer(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    email: str | None = None
    phone: str | None = None
    ship_to: _ShipTo | None = None
    fields: list[_Answered] | None = None


class _Logged(msgspec.Struct, rename="camel", omit_defaults=True):
    status: str
    at: str
    note: str = ""


class _Attempt(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    id: str
    status: str
    amount: Decimal
    currency: str
    gateway: str
    reference: str
    begun_at: str
    charged_amount: Decimal | None = None
    transaction_id: str | None = None
    method: str | None = None
    card: _Card | None = None
    reason: str | None = None
    payer: _Payer | None = None
    refunds: list[_Refund] | None = None
    log: list[_Logged]


class _Unapplied(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    gateway: str
    transaction_id: str
    invoice_id: str
    attempt_id: str
    amount: Decimal
    currency: str
    reason: str
    found_at: str
    resolved_at: str | None = None
    refund_id: str | None = None


_encode = msgspec.json.Encoder(decimal_format="number").encode


def read_refund(document: dict[str, Any], currency: str) -> RefundBody:
    """Read the body of a refund. Raises InvalidFields."""
    faults = Faults()
    body = Reader(document, "", faults)
    amount = _amount(body, currency)
    is_due_again = body.flag("dueAgain", default=False)
    faults.raise_if_any()
    return RefundBody(amount, bool(is_due_again))


def read_reversal(document: dict[str, Any], currency: str) -> Decimal | None:
    """Read how much of a payment is taken back; None: all that is left. Raises InvalidFields."""
    faults = Faults()
    amount = _amount(Reader(document, "", faults), currency)
    faults.raise_if_any()
    return amount


def read_resolved(query: bytes) -> bool:
    """Read whether a list is to show money that was given back, in place of what is open. Raises InvalidFields."""
    found = _FLAGS.get(parse_query(query).get("resolved", "false").lower())
    if found is None:
        raise InvalidFields((Fault("resolved", "Invalid: has to be true or false"),))
    return found


def write_payments(payments: Sequence[KnownPayment]) -> bytes:
    """Return an invoice's payments as JSON."""
    return _encode({"payments": [_payment(each) for each in payments]})


def write_attempts(attempts: Sequence[PaymentAttempt]) -> bytes:
    """Return an invoice's attempts as JSON."""
    return _encode({"attempts": [_attempt(each) for each in attempts]})


def write_refund(refund: Refund) -> bytes:
    """Return one refund as JSON."""
    return _encode(_refund(refund))


def write_unapplied(money: Sequence[UnappliedMoney]) -> bytes:
    """Return money that no invoice holds as JSON."""
    return _encode({"unappliedMoney": [_unapplied(each) for each in money]})


def _amount(body: Reader, currency: str) -> Decimal | None:
    amount = body.amount("amount", currency, 19)
    if amount is not None and amount <= 0:
        body.fault("amount", "Invalid: has to be above zero")
    return amount


def _payment(known: KnownPayment) -> _Payment:
    attempt = known.attempt
    has_come = known.paid_at is not None
    return _Payment(
        transaction_id=known.transaction_id,
        status="RECEIVED" if has_come else "PENDING",
        amount=known.amount,
        currency=known.currency,
        method=known.method,
        recorded_at=_time(known.recorded_at),
        paid_at=_time(known.paid_at) if known.paid_at is not None else None,
        refunded_amount=known.refunded if has_come else None,
        reversed_amount=known.reversed if has_come else None,
        left_amount=known.left if has_come else None,
        gateway=attempt.gateway if attempt is not None else None,
        attempt_id=attempt.attempt_id if attempt is not None else None,
        card=_card(attempt.account) if attempt is not None else None,
        refunds=_refunds(attempt) if attempt is not None else None,
    )


def _attempt(attempt: PaymentAttempt) -> _Attempt:
    has_charged = bool(attempt.charged)
    return _Attempt(
        id=attempt.attempt_id,
        status=attempt.state.name,
        amount=attempt.amount,
        currency=attempt.currency,
        gateway=attempt.gateway,
        reference=attempt.reference,
        begun_at=_time(attempt.begun_at),
        charged_amount=attempt.charged if has_charged else None,
        transaction_id=attempt.transaction_id,
        method=attempt.method if has_charged else None,
        card=_card(attempt.account),
        reason=attempt.reason,
        payer=_payer(attempt),
        refunds=_refunds(attempt),
        log=[_Logged(each.state.name, _time(each.at), each.note) for each in attempt.log],
    )


def _payer(attempt: PaymentAttempt) -> _Payer | None:
    details = attempt.details or PayerDetails()
    if attempt.payer_email is None and attempt.details is None:
        return None
    return _Payer(
        email=attempt.payer_email,
        phone=details.phone,
        ship_to=_ship_to(details.shipping) if details.shipping is not None else None,
        fields=[_Answered(each.definition.definition_id, each.definition.label, each.value) for each in details.fields]
        or None,
    )


def _ship_to(address: ShippingAddress) -> _ShipTo:
    return _ShipTo(**msgspec.structs.asdict(address))


def _card(account: MaskedAccount | None) -> _Card | None:
    return _Card(account.brand, account.last4, account.expires) if account is not None else None


def _refunds(attempt: PaymentAttempt) -> list[_Refund] | None:
    # Money that no invoice holds is given back for the attempt, and not for its payment.
    return [_refund(each) for each in attempt.refunds if each.unapplied is None] or None


def _refund(refund: Refund) -> _Refund:
    return _Refund(
        id=refund.refund_id,
        status=refund.state.name,
        amount=refund.amount,
        due_again=refund.is_due_again,
        asked_at=_time(refund.asked_at),
        transaction_id=refund.transaction_id,
        reason=refund.reason,
    )


def _unapplied(money: UnappliedMoney) -> _Unapplied:
    return _Unapplied(
        gateway=money.gateway,
        transaction_id=money.transaction_id,
        invoice_id=money.number,
        attempt_id=money.attempt_id,
        amount=money.amount,
        currency=money.currency,
        reason=_WHY[money.why],
        found_at=_time(money.found_at),
        resolved_at=_time(money.resolved_at) if money.resolved_at is not None else None,
        refund_id=money.refund_id,
    )


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
