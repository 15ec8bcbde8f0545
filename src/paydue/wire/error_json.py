"""The one table from a refusal to its answer: status, reason, message and details, as the API's documents show them."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from paydue.domain.errors import (
    ActionNotAllowed,
    AmountAboveBalance,
    AmountAbovePayment,
    AmountNotPayable,
    AttemptNotOpen,
    DuplicateInvoiceNumber,
    Fault,
    GatewayRefusal,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidFields,
    InvalidImage,
    LinkExpired,
    NoSuchAttempt,
    NoSuchInvoice,
    NoSuchPayment,
    PaymentInFlight,
    PaymentNotCharged,
    Refusal,
    StoreBusy,
    StoreUnavailable,
    TooManyResends,
    TooManyTries,
    UnreachableAddress,
)
from paydue.domain.lifecycle import Action
from paydue.wire.strict_json import MalformedJson


class ErrorBody(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """The API's error object; `details` only for faults of fields."""

    submit_time_utc: str
    status: str
    reason: str
    message: str
    details: tuple[Fault, ...] | None = None


_encode = msgspec.json.Encoder().encode

_DONE: Final = {
    Action.UPDATE: "updated",
    Action.SEND_BY_MAIL: "sent",
    Action.SEND_WITHOUT_MAIL: "sent",
    Action.PUBLISH: "published",
    Action.REMIND: "reminded of",
    Action.RENEW_LINK: "given a new link",
    Action.CANCEL: "canceled",
    Action.PAY_IN_FULL: "paid",
    Action.PAY_IN_PART: "paid",
    Action.REFUND: "refunded",
    Action.TAKE_BACK_PART: "reversed",
    Action.TAKE_BACK_ALL_MAILED: "reversed",
    Action.TAKE_BACK_ALL_NOT_MAILED: "reversed",
}

# status code, `status`, `reason`, message, details
_Row = tuple[int, str, str, str, tuple[Fault, ...] | None]


def _bad_request(reason: str, message: str, details: tuple[Fault, ...] | None = None) -> _Row:
    return 400, "BADREQUEST", reason, message, details


def _fields(refusal: InvalidFields) -> _Row:
    return _bad_request("VALIDATION_ERROR", "Field validation errors.", refusal.faults)


def _above_balance(refusal: AmountAboveBalance) -> _Row:
    limit = f"Invalid: above the balance of {refusal.balance} {refusal.currency}"
    return _bad_request("VALIDATION_ERROR", "Field validation errors.", (Fault("amount", limit),))


def _not_payable(refusal: AmountNotPayable) -> _Row:
    limits = f"Invalid: from {refusal.least} to {refusal.most} {refusal.currency} can be paid now"
    return _bad_request("VALIDATION_ERROR", "Field validation errors.", (Fault("amount", limits),))


def _above_payment(refusal: AmountAbovePayment) -> _Row:
    limit = f"Invalid: {refusal.left} {refusal.currency} of this payment are left"
    return _bad_request("VALIDATION_ERROR", "Field validation errors.", (Fault("amount", limit),))


def _in_flight(refusal: PaymentInFlight) -> _Row:
    done = _DONE.get(refusal.action, "changed")
    return _bad_request("ACTION_NOT_ALLOWED", f"While a payment is under way the invoice cannot be {done}.")


def _not_allowed(refusal: ActionNotAllowed) -> _Row:
    done = _DONE[refusal.action]
    return _bad_request("ACTION_NOT_ALLOWED", f"An invoice in status {refusal.status.value} cannot be {done}.")


def _unreachable(refusal: UnreachableAddress) -> _Row:
    fault = Fault("customerInformation.email", "Invalid: no mail can be delivered to this address")
    return _bad_request("VALIDATION_ERROR", "Field validation errors.", (fault,))


TABLE: Final[dict[type[Exception], Callable[[Any], _Row]]] = {
    InvalidFields: _fields,
    MalformedJson: lambda fault: _bad_request("VALIDATION_ERROR", str(fault)),
    NoSuchInvoice: lambda _: (404, "NOTFOUND", "NOT_FOUND", "Invoice does not exist.", None),
    ActionNotAllowed: _not_allowed,
    UnreachableAddress: _unreachable,
    TooManyResends: lambda refusal: _bad_request(
        "ACTION_NOT_ALLOWED", f"An invoice can be resent {refusal.limit} times a day."
    ),
    AmountAboveBalance: _above_balance,
    PaymentInFlight: _in_flight,
    AmountNotPayable: _not_payable,
    LinkExpired: lambda _: _bad_request("ACTION_NOT_ALLOWED", "The payment link of this invoice has expired."),
    TooManyTries: lambda refusal: (
        429, "TOO_MANY_REQUESTS", "TOO_MANY_TRIES", f"Too many declined tries: paused until {refusal.until:%H:%M} UTC.",
        None,
    ),
    NoSuchAttempt: lambda _: (404, "NOTFOUND", "NOT_FOUND", "Payment attempt does not exist.", None),
    AttemptNotOpen: lambda refusal: _bad_request("ACTION_NOT_ALLOWED", f"The payment attempt is {refusal.state}."),
    NoSuchPayment: lambda _: (404, "NOTFOUND", "NOT_FOUND", "Payment does not exist.", None),
    PaymentNotCharged: lambda _: _bad_request(
        "ACTION_NOT_ALLOWED", "This payment was recorded and not charged by a gateway: it can be reversed."
    ),
    AmountAbovePayment: _above_payment,
    GatewayRefusal: lambda refusal: (
        502, "SERVER_ERROR", "GATEWAY_REFUSED", f"The payment gateway did not do it: {refusal.reason}.", None
    ),
    DuplicateInvoiceNumber: lambda refusal: _bad_request(
        "DUPLICATE_RECORD", f"An invoice with the number {refusal.number} exists already."
    ),
    InvalidImage: lambda refusal: _bad_request("INVALID_IMAGE", refusal.reason),
    IdempotencyKeyInUse: lambda _: (
        409, "CONFLICT", "IDEMPOTENCY_KEY_IN_USE", "The first request with this Idempotency-Key is still running.", None
    ),
    IdempotencyKeyReused: lambda _: (
        422, "UNPROCESSABLE", "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used with another request.", None
    ),
    StoreBusy: lambda _: (503, "SERVER_ERROR", "SYSTEM_ERROR", "Too much is going on. Try again shortly.", None),
    StoreUnavailable: lambda _: (502, "SERVER_ERROR", "SYSTEM_ERROR", "Error - General system failure.", None),
}  # fmt: skip


def write_error(refusal: Refusal | MalformedJson | StoreUnavailable, submit_time: str) -> tuple[int, bytes]:
    """Return the status code and the body that tell of `refusal`."""
    code, status, reason, message, details = TABLE[type(refusal)](refusal)
    body = ErrorBody(submit_time_utc=submit_time, status=status, reason=reason, message=message, details=details)
    return code, _encode(body)


def write_failure(submit_time: str) -> tuple[int, bytes]:
    """Return the answer to a request that met a bug of ours: no detail, for the log has it."""
    return write_error(StoreUnavailable(), submit_time)


def gateway_body(message: str) -> bytes:
    """Return the body of what is answered before the API itself is reached: 401, 404 of a route, 405, 413 and so on."""
    return b'{"response":{"rmsg":' + _encode(message) + b"}}"


def write_not_mailed(number: str, email: str | None, submit_time: str) -> bytes:
    """Return what is answered instead of an invoice that was created, and could not be mailed as it was to be."""
    message = f"Invoice {number} was created, but no mail can be delivered to {email}. Send it separately."
    return _encode(ErrorBody(submit_time_utc=submit_time, status="ACCEPTED", reason="ACCEPTED", message=message))
