"""
What the processor's answers mean: two tables, one of statuses and one of reasons, and the care for lost answers.

A 5xx, a broken connection or an answer that cannot be read is never taken for a refusal: the money may have moved.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from paydue.domain.attempts import MaskedAccount
from paydue.domain.money import ZERO
from paydue.gateways.sending import Reply
from paydue.usecases.gateway_ports import Kind, Outcome, Reason

_AMOUNT: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,4})?")
_STATUSES: Final = {
    "AUTHORIZED": Kind.CHARGED,
    "PARTIAL_AUTHORIZED": Kind.CHARGED,
    "PENDING": Kind.CHARGED,
    "TRANSMITTED": Kind.CHARGED,
    "AUTHORIZED_PENDING_REVIEW": Kind.HELD,
    "PENDING_REVIEW": Kind.HELD,
    "PENDING_AUTHENTICATION": Kind.WAITING_FOR_PAYER,
    "DECLINED": Kind.DECLINED,
    "AUTHORIZED_RISK_DECLINED": Kind.DECLINED,
    "AUTHENTICATION_FAILED": Kind.DECLINED,
    "REJECTED": Kind.DECLINED,
    "INVALID_REQUEST": Kind.INVALID,
    "VOIDED": Kind.VOIDED,
    "REVERSED": Kind.VOIDED,
    "CANCELLED": Kind.VOIDED,
}

_REASONS: Final = {
    Reason.CHECK_DETAILS: (
        "INVALID_CARD INVALID_CVN CVN_NOT_MATCH CV_FAILED AVS_FAILED INVALID_ACCOUNT INVALID_CARD_TYPE"
    ),
    Reason.EXPIRED: "EXPIRED_CARD",
    Reason.FUNDS: "INSUFFICIENT_FUND EXCEEDS_CREDIT_LIMIT",
    Reason.AUTHENTICATION: "CONSUMER_AUTHENTICATION_FAILED CONSUMER_AUTHENTICATION_REQUIRED",
    Reason.NOT_ACCEPTED: "CARD_TYPE_NOT_ACCEPTED",
    Reason.TRY_LATER: "ISSUER_UNAVAILABLE PROCESSOR_ERROR PROCESSOR_UNAVAILABLE",
}
_REASON_OF: Final = {raw: reason for reason, names in _REASONS.items() for raw in names.split()}
# What a payer can mend by another card or a corrected one; every other invalid request is ours to mend.
_PAYER_MENDS: Final = frozenset(("INVALID_CARD", "CARD_TYPE_NOT_ACCEPTED", "INVALID_CARD_TYPE", "INVALID_ACCOUNT"))
_BRANDS: Final = {
    "001": "Visa", "002": "Mastercard", "003": "American Express", "004": "Discover", "005": "Diners Club",
    "007": "JCB", "036": "Cartes Bancaires", "054": "Elo", "062": "UnionPay",
}  # fmt: skip


def document_of(reply: Reply) -> dict[str, Any] | None:
    """Return the JSON object of an answer, None when there is none."""
    try:
        found = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def failure_of(reply: Reply) -> Outcome | None:
    """Return what an answer without a result means, None when there is a result to read."""
    match reply.status:
        case None:
            kind = Kind.UNKNOWN if reply.was_sent else Kind.UNAVAILABLE
            return Outcome(kind=kind, raw="no whole answer" if reply.was_sent else "not reached", reason=_waits(kind))
        case 401 | 403 | 404:
            return Outcome(kind=Kind.MISCONFIGURED, raw=f"HTTP {reply.status}", reason=Reason.TRY_LATER)
        case 429:
            return Outcome(kind=Kind.UNAVAILABLE, raw="HTTP 429", reason=Reason.TRY_LATER)
        case status if not 200 <= status < 300 and status != 400:
            return Outcome(kind=Kind.UNKNOWN, raw=f"HTTP {status}", reason=Reason.CONFIRMING)
    if document_of(reply) is None:
        return Outcome(kind=Kind.UNKNOWN, raw=f"HTTP {reply.status}, unreadable", reason=Reason.CONFIRMING)
    return None


def payment_of(reply: Reply, currency: str) -> Outcome:
    """Return what a charge, or a transaction that was read, came to."""
    failure = failure_of(reply)
    if failure is not None:
        return failure
    document = document_of(reply) or {}
    status = text(document, "status") or text(document, "applicationInformation", "status")
    raw_reason = text(document, "errorInformation", "reason") or text(document, "reason")
    kind = _STATUSES.get(status, Kind.UNKNOWN)
    if kind is Kind.INVALID:
        kind = _invalid(raw_reason)
    amounts = part(document, "orderInformation", "amountDetails")
    moved = _amount(amounts.get("authorizedAmount") or amounts.get("totalAmount"))
    return Outcome(
        kind=kind,
        amount=moved if kind in (Kind.CHARGED, Kind.HELD) else ZERO,
        currency=str(amounts.get("currency") or currency),
        reference=text(document, "clientReferenceInformation", "code"),
        transaction_id=text(document, "id") or None,
        reason=_reason(kind, raw_reason),
        raw=" ".join(each for each in (status, raw_reason) if each)[:200],
        account=_account(document),
        next_url=text(document, "consumerAuthenticationInformation", "stepUpUrl") or None,
    )


def reversal_of(reply: Reply) -> Outcome:
    """Return what an attempt to void came to: VOIDED, NOT_VOIDABLE, NOT_FOUND or not told."""
    failure = failure_of(reply)
    if failure is not None:
        return failure
    document = document_of(reply) or {}
    status, reason = text(document, "status"), text(document, "reason")
    if _STATUSES.get(status) is Kind.VOIDED:
        return Outcome(kind=Kind.VOIDED, raw=status, transaction_id=text(document, "id") or None)
    kind = Kind.NOT_FOUND if (status, reason) == ("INVALID_REQUEST", "INVALID_DATA") else Kind.NOT_VOIDABLE
    return Outcome(kind=kind, raw=f"{status} {reason}"[:200])


def refund_of(reply: Reply) -> Outcome:
    """Return what a refund came to. PENDING means queued, and is as good as done."""
    failure = failure_of(reply)
    if failure is not None:
        return failure
    document = document_of(reply) or {}
    status = text(document, "status") or text(document, "applicationInformation", "status")
    reason = text(document, "reason") or text(document, "errorInformation", "reason")
    if status in ("PENDING", "TRANSMITTED"):
        kind = Kind.REFUNDED
    elif status == "PENDING_SETTLEMENT":
        kind = Kind.REFUND_PENDING
    else:
        kind = Kind.REFUND_FAILED if status else Kind.UNKNOWN
    return Outcome(kind=kind, transaction_id=text(document, "id") or None, raw=f"{status} {reason}".strip()[:200])


def part(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the object at that path, an empty one when there is none: a stranger's JSON is not taken for granted."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def text(document: Mapping[str, Any], *path: str) -> str:
    """Return the text at that path, an empty one when there is none."""
    found = part(document, *path[:-1]).get(path[-1])
    return found[:2000] if isinstance(found, str) else ""


def _waits(kind: Kind) -> Reason:
    return Reason.CONFIRMING if kind is Kind.UNKNOWN else Reason.TRY_LATER


def _invalid(reason: str) -> Kind:
    if reason == "DUPLICATE_REQUEST":
        # The first of the two may have been charged.
        return Kind.UNKNOWN
    return Kind.INVALID if reason in _PAYER_MENDS else Kind.MISCONFIGURED


def _reason(kind: Kind, raw: str) -> Reason | None:
    if kind in (Kind.DECLINED, Kind.INVALID):
        return _REASON_OF.get(raw, Reason.BANK_SAYS_NO)
    if kind is Kind.UNKNOWN:
        return Reason.CONFIRMING
    return Reason.TRY_LATER if kind is Kind.MISCONFIGURED else None


def _account(document: Mapping[str, Any]) -> MaskedAccount | None:
    card = part(document, "paymentAccountInformation", "card") or part(document, "paymentInformation", "card")
    last4 = str(card.get("suffix") or "")[-4:]
    if not last4.isdigit():
        return None
    month, year = card.get("expirationMonth"), card.get("expirationYear")
    expires = f"{month}/{year}" if isinstance(month, str) and isinstance(year, str) else None
    return MaskedAccount(brand=_BRANDS.get(str(card.get("type")), "Card"), last4=last4, expires=expires)


def _amount(value: object) -> Decimal:
    # Plain digits only: "NaN" and "1e400000" are Decimals too.
    return Decimal(value) if isinstance(value, str) and _AMOUNT.fullmatch(value) else ZERO
