"""
What Stripe's answers mean: of payment pages, of refunds, and of faults, with a table of reasons for payers.

A payment page alone never says that money came: the payment behind it does. A fault whose request may have been
carried out is never taken for a refusal.
"""

from typing import Final

from paydue.domain.attempts import MaskedAccount
from paydue.gateways.stripe_client import Fault
from paydue.gateways.stripe_money import from_units
from paydue.gateways.stripe_objects import Charge, Intent, Session, StripeRefund
from paydue.usecases.gateway_ports import Kind, Outcome, Reason

_REASONS: Final = {
    Reason.CHECK_DETAILS: (
        "incorrect_address incorrect_cvc incorrect_number incorrect_zip invalid_account invalid_cvc "
        "invalid_expiry_month invalid_expiry_year invalid_number invalid_pin incorrect_pin"
    ),
    Reason.EXPIRED: "expired_card",
    Reason.FUNDS: "insufficient_funds card_velocity_exceeded withdrawal_count_limit_exceeded",
    Reason.AUTHENTICATION: (
        "authentication_required authentication_not_handled payment_intent_authentication_failure "
        "offline_pin_required online_or_offline_pin_required"
    ),
    Reason.NOT_ACCEPTED: "card_not_supported currency_not_supported not_permitted transaction_not_allowed",
    Reason.TRY_LATER: "approve_with_id issuer_not_available processing_error reenter_transaction try_again_later",
}
_REASON_OF: Final = {raw: reason for reason, codes in _REASONS.items() for raw in codes.split()}
# What a payer can mend, by the field or the code that Stripe names; every other invalid request is ours to mend.
_PAYER_MENDS: Final = frozenset(("customer_email", "email_invalid", "amount_too_large", "amount_too_small"))
_REFUNDS: Final = {
    "succeeded": Kind.REFUNDED,
    "pending": Kind.REFUND_PENDING,
    "requires_action": Kind.REFUND_PENDING,
    "failed": Kind.REFUND_FAILED,
    "canceled": Kind.REFUND_FAILED,
}
_BRANDS: Final = {
    "amex": "American Express", "cartes_bancaires": "Cartes Bancaires", "diners": "Diners Club",
    "discover": "Discover", "jcb": "JCB", "mastercard": "Mastercard", "unionpay": "UnionPay", "visa": "Visa",
}  # fmt: skip


def payment_of(session: Session) -> Outcome:
    """
    Return how the payment on a page stands. EXPIRED: nobody can pay on it any more, and nobody did.

    WAITING_FOR_PAYER as long as the page is open, whatever was declined on it: there the payer may try again.
    """
    intent = session.payment_intent if isinstance(session.payment_intent, Intent) else None
    # A page without our reference is not ours, and an empty one would be compared with nothing.
    reference = session.client_reference_id or "none"
    raw = f"page {session.status}" + (f", payment {intent.status}" if intent is not None else "")
    if intent is not None and intent.status == "succeeded":
        return _charged(intent, reference, raw)
    match session.status:
        case "open":
            return Outcome(kind=Kind.WAITING_FOR_PAYER, reference=reference, raw=raw, next_url=session.url)
        case "expired":
            return Outcome(kind=Kind.EXPIRED, reference=reference, raw=raw)
        case "complete" if intent is not None:
            return _not_paid_yet(intent, reference, raw)
    return Outcome(kind=Kind.UNKNOWN, reference=reference, raw=raw, reason=Reason.CONFIRMING)


def refund_of(refund: StripeRefund) -> Outcome:
    """Return how a refund stands."""
    kind = _REFUNDS.get(refund.status or "", Kind.UNKNOWN)
    raw = " ".join(each for each in (refund.status, refund.failure_reason) if each)
    return Outcome(kind=kind, transaction_id=refund.id, raw=raw[:200])


def failure_of(fault: Fault) -> Outcome:
    """Return what a fault means where money may have moved: UNKNOWN whenever it cannot be told."""
    match fault.status:
        case None:
            kind = Kind.UNKNOWN if fault.was_sent else Kind.UNAVAILABLE
        case 429:
            kind = Kind.UNAVAILABLE
        case 401 | 403 | 404:
            kind = Kind.MISCONFIGURED
        case 402:
            kind = Kind.DECLINED
        case 400 if not fault.is_other_request:
            is_payers = not _PAYER_MENDS.isdisjoint((fault.param, fault.code))
            kind = Kind.INVALID if is_payers else Kind.MISCONFIGURED
        case _:
            # Among them 409, and a key that was used for something else: the other request may have been carried out.
            kind = Kind.UNKNOWN
    return Outcome(kind=kind, raw=fault.raw, reason=_reason(kind, fault.decline_code, fault.code))


def not_opened(fault: Fault) -> Outcome:
    """Return why there is no payment page. On one whose address nobody was told, nothing can have been charged."""
    failure = failure_of(fault)
    if failure.kind is Kind.UNKNOWN:
        return Outcome(kind=Kind.UNAVAILABLE, raw=failure.raw, reason=Reason.TRY_LATER)
    return failure


def not_refunded(fault: Fault) -> Outcome:
    """Return what a fault means for a refund. What Stripe refused was not done, whoever can mend it."""
    failure = failure_of(fault)
    if fault.status in (400, 402, 404) and failure.kind is not Kind.UNKNOWN:
        return Outcome(kind=Kind.REFUND_FAILED, raw=failure.raw)
    return failure


def _charged(intent: Intent, reference: str, raw: str) -> Outcome:
    currency = intent.currency.upper()
    details = intent.latest_charge.payment_method_details if isinstance(intent.latest_charge, Charge) else None
    return Outcome(
        kind=Kind.CHARGED,
        amount=from_units(intent.amount_received, currency),
        currency=currency,
        reference=reference,
        transaction_id=intent.id,
        raw=raw,
        method=details.type[:40] if details is not None else "card",
        account=_account(intent),
    )


def _not_paid_yet(intent: Intent, reference: str, raw: str) -> Outcome:
    """The payer is done, and the money is not there: a slow method is on its way, or has failed."""
    error = intent.last_payment_error
    codes = (error.decline_code or "", error.code or "") if error is not None else ()
    kind = {"requires_payment_method": Kind.DECLINED, "canceled": Kind.VOIDED}.get(intent.status, Kind.HELD)
    return Outcome(
        kind=kind,
        reference=reference,
        transaction_id=intent.id,
        raw=" ".join((raw, *filter(None, codes)))[:200],
        reason=_reason(kind, *codes),
        account=_account(intent),
    )


def _reason(kind: Kind, *codes: str) -> Reason | None:
    match kind:
        case Kind.DECLINED:
            return next((_REASON_OF[code] for code in codes if code in _REASON_OF), Reason.BANK_SAYS_NO)
        case Kind.INVALID:
            return Reason.CHECK_DETAILS
        case Kind.UNKNOWN:
            return Reason.CONFIRMING
        case Kind.UNAVAILABLE | Kind.MISCONFIGURED:
            return Reason.TRY_LATER
    return None


def _account(intent: Intent) -> MaskedAccount | None:
    details = intent.latest_charge.payment_method_details if isinstance(intent.latest_charge, Charge) else None
    card = details.card if details is not None else None
    if card is None or card.last4 is None or not (card.last4.isascii() and card.last4.isdigit()):
        return None
    expires = f"{card.exp_month:02}/{card.exp_year}" if card.exp_month and card.exp_year else None
    brand = card.brand or ""
    return MaskedAccount(brand=_BRANDS.get(brand, "Card"), last4=card.last4[-4:], expires=expires)
