"""
Settle an attempt by what its gateway says: the one way by which a payer's money reaches an invoice.

The answer to a charge, a look-up, a review and a notification all come here, so that none of them can do it twice, or
do it differently.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import ActionNotAllowed, AmountAboveBalance, PaymentInFlight
from paydue.domain.invoice import Invoice
from paydue.domain.money import shortest
from paydue.domain.payments import Payment
from paydue.domain.reservations import Hold
from paydue.domain.unapplied import UnappliedMoney, WhyUnapplied
from paydue.usecases.attempt_ports import TransactionTaken
from paydue.usecases.change_attempt import AttemptDecision, Books, change_attempt
from paydue.usecases.gateway_ports import Kind, Outcome, Reason
from paydue.usecases.payment_announcements import Trouble
from paydue.usecases.ports import Actor

_S: Final = AttemptState


async def settle_payment(
    books: Books, attempt_id: str, outcome: Outcome, *, at: datetime, actor: Actor, event_id: str | None = None
) -> PaymentAttempt:
    """
    Keep what the outcome means for the attempt, its invoice, its mails and notifications; return the attempt.

    The same outcome again changes nothing. Money that the invoice cannot hold is kept as unapplied, and the merchant
    is told. Raises NoSuchAttempt, NotificationSeen.
    """

    def decide(attempt: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
        return decided(attempt, invoice, outcome, at)

    if outcome.kind is Kind.CHARGED and outcome.transaction_id is not None:
        attempt = await books.attempts.attempt(attempt_id)
        if attempt is not None and await books.attempts.unapplied(outcome.transaction_id, attempt.gateway) is not None:
            return attempt
    try:
        return await change_attempt(books, attempt_id, decide, actor=actor, event_id=event_id)
    except TransactionTaken:
        # The processor told of money that is counted elsewhere. Nothing is counted twice; people have to look.
        doubtful = Outcome(kind=Kind.UNKNOWN, raw=f"transaction {outcome.transaction_id} belongs to another attempt")
        return await change_attempt(
            books, attempt_id, lambda attempt, invoice: decided(attempt, invoice, doubtful, at), actor=actor
        )


def decided(attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome, at: datetime) -> AttemptDecision:
    """Return what the outcome makes of an attempt and its invoice: both themselves when it is nothing new."""
    # Processors write all decimals of a currency; amounts here have one form.
    outcome = replace(outcome, amount=shortest(outcome.amount))
    if outcome.reference and outcome.reference != attempt.reference:
        # An answer about somebody else's payment proves nothing about this one.
        outcome = Outcome(kind=Kind.UNKNOWN, raw=f"the answer is about {outcome.reference[:64]!r}")
    # Processors write 100.00 where we write 100.
    outcome = replace(outcome, amount=shortest(outcome.amount))
    return _DECISIONS[outcome.kind](attempt, invoice, outcome, at)


def _unchanged(attempt: PaymentAttempt, invoice: Invoice, _outcome: Outcome, _at: datetime) -> AttemptDecision:
    return AttemptDecision(attempt, invoice)


def _charged(attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome, at: datetime) -> AttemptDecision:
    transaction_id = outcome.transaction_id
    if transaction_id is None or outcome.amount <= 0:
        return _doubtful(attempt, invoice, outcome, at)
    if attempt.state is _S.SETTLED and attempt.transaction_id == transaction_id:
        return AttemptDecision(attempt, invoice)
    if not attempt.can_become(_S.SETTLED):
        why = WhyUnapplied.TWICE if attempt.state is _S.SETTLED else WhyUnapplied.TOO_LATE
        return _kept_apart(attempt, invoice, outcome, why, at)
    if outcome.currency != attempt.currency or not attempt.least <= outcome.amount <= attempt.amount:
        return _kept_apart(attempt, invoice, outcome, WhyUnapplied.DIFFERENT, at)
    payment = Payment(amount=outcome.amount, method=outcome.method, reference=transaction_id, paid_at=at)
    try:
        paid = invoice.receive(payment, at, attempt.attempt_id)
    except ActionNotAllowed:
        return _kept_apart(attempt, invoice, outcome, WhyUnapplied.TOO_LATE, at)
    except (AmountAboveBalance, PaymentInFlight):
        return _kept_apart(attempt, invoice, outcome, WhyUnapplied.TOO_MUCH, at)
    settled = attempt.moved(
        _S.SETTLED,
        at,
        outcome.raw,
        transaction_id=transaction_id,
        charged=outcome.amount,
        method=outcome.method,
        account=outcome.account or attempt.account,
        reason=None,
    )
    return AttemptDecision(settled, paid, payment)


def _kept_apart(
    attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome, why: WhyUnapplied, at: datetime
) -> AttemptDecision:
    assert outcome.transaction_id is not None
    money = UnappliedMoney(
        gateway=attempt.gateway,
        transaction_id=outcome.transaction_id,
        attempt_id=attempt.attempt_id,
        number=attempt.number,
        amount=outcome.amount,
        currency=outcome.currency,
        why=why,
        found_at=at,
    )
    note = f"{outcome.amount} {outcome.currency} unapplied: {why}"
    if attempt.is_final:
        return AttemptDecision(attempt.noted(at, note), invoice, unapplied=money, trouble=Trouble.MONEY_UNAPPLIED)
    failed = attempt.moved(_S.FAILED, at, note, reason=Reason.CONFIRMING.value)
    return AttemptDecision(failed, _let_go(attempt, invoice, at), unapplied=money, trouble=Trouble.MONEY_UNAPPLIED)


def _held(attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome, at: datetime) -> AttemptDecision:
    if not attempt.can_become(_S.HELD) or outcome.transaction_id is None:
        return _unchanged(attempt, invoice, outcome, at)
    try:
        reserved = invoice.reserve(attempt.attempt_id, attempt.amount, Hold.IN_FLIGHT)
    except (ActionNotAllowed, PaymentInFlight):
        # A redirect whose reservation had to yield: the money has to show first.
        return _doubtful(attempt, invoice, outcome, at)
    held = attempt.moved(
        _S.HELD, at, outcome.raw, transaction_id=outcome.transaction_id, account=outcome.account or attempt.account
    )
    review = reserved.hold(attempt.attempt_id, outcome.transaction_id, at)
    return AttemptDecision(held, review, trouble=Trouble.PAYMENT_HELD)


def _waiting(attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome, at: datetime) -> AttemptDecision:
    # On a page of the gateway's, an open form and a challenge look the same to us.
    if attempt.state is _S.OPEN or not attempt.can_become(_S.WAITING_FOR_PAYER):
        return _unchanged(attempt, invoice, outcome, at)
    waiting = attempt.moved(
        _S.WAITING_FOR_PAYER,
        at,
        outcome.raw,
        transaction_id=outcome.transaction_id or attempt.transaction_id,
        next_url=outcome.next_url,
    )
    return AttemptDecision(waiting, invoice)


def _doubtful(attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome, at: datetime) -> AttemptDecision:
    if not attempt.can_become(_S.UNKNOWN):
        return _unchanged(attempt, invoice, outcome, at)
    unknown = attempt.moved(_S.UNKNOWN, at, outcome.raw, reason=Reason.CONFIRMING.value)
    return AttemptDecision(replace(unknown, next_look_at=outcome.retry_at or unknown.next_look_at), invoice)


def _declined(attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome, at: datetime) -> AttemptDecision:
    return _ended(attempt, invoice, outcome, at, is_declined=True)


def _ended(
    attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome, at: datetime, *, is_declined: bool = False
) -> AttemptDecision:
    """Nothing was charged, or it was undone: the reservation ends, and with it a review."""
    if not attempt.can_become(_S.FAILED):
        return _unchanged(attempt, invoice, outcome, at)
    reason = outcome.reason or (Reason.BANK_SAYS_NO if is_declined else Reason.TRY_LATER)
    failed = attempt.moved(
        _S.FAILED,
        at,
        outcome.raw or outcome.kind.value,
        reason=reason.value,
        is_declined=is_declined,
        transaction_id=outcome.transaction_id or attempt.transaction_id,
        account=outcome.account or attempt.account,
    )
    return AttemptDecision(failed, _let_go(attempt, invoice, at, is_declined=is_declined))


def _given_up(attempt: PaymentAttempt, invoice: Invoice, outcome: Outcome, at: datetime) -> AttemptDecision:
    state = _S.CANCELED if outcome.kind is Kind.CANCELED else _S.EXPIRED
    if attempt.state is _S.HELD:
        return _ended(attempt, invoice, outcome, at)
    if not attempt.can_become(state):
        return _unchanged(attempt, invoice, outcome, at)
    return AttemptDecision(attempt.moved(state, at, outcome.raw), invoice.release(attempt.attempt_id))


def _let_go(attempt: PaymentAttempt, invoice: Invoice, at: datetime, *, is_declined: bool = False) -> Invoice:
    """Return the invoice without the attempt's reservation; what was under review, or declined, leaves an event."""
    has_reserved = any(each.attempt_id == attempt.attempt_id for each in invoice.reservations)
    if has_reserved and (is_declined or attempt.state is _S.HELD):
        return invoice.reject(attempt.attempt_id, attempt.transaction_id, at)
    return invoice.release(attempt.attempt_id)


_DECISIONS: Final[Mapping[Kind, Callable[[PaymentAttempt, Invoice, Outcome, datetime], AttemptDecision]]] = {
    Kind.CHARGED: _charged,
    Kind.HELD: _held,
    Kind.WAITING_FOR_PAYER: _waiting,
    Kind.UNKNOWN: _doubtful,
    Kind.DECLINED: _declined,
    Kind.INVALID: _ended,
    Kind.MISCONFIGURED: _ended,
    Kind.UNAVAILABLE: _ended,
    Kind.VOIDED: _ended,
    Kind.CANCELED: _given_up,
    Kind.EXPIRED: _given_up,
    # These say nothing about whether money moved: whoever asked has to ask on.
    Kind.NOT_FOUND: _unchanged,
    Kind.NOT_VOIDABLE: _unchanged,
    Kind.REFUNDED: _unchanged,
    Kind.REFUND_PENDING: _unchanged,
    Kind.REFUND_FAILED: _unchanged,
}
