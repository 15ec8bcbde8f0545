"""
Give money back through the gateway that took it: asked for, kept, then done, like a charge the other way round.

A refund of a payment either leaves the debt settled or makes it due again, as whoever refunds it says. Money that no
invoice holds can be given back too, whole.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from paydue.domain.attempts import CHARGE_DEADLINE, GIVE_UP_AFTER, AttemptState, PaymentAttempt
from paydue.domain.errors import (
    AmountAbovePayment,
    AttemptNotOpen,
    GatewayRefusal,
    NoSuchPayment,
)
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Action, allows
from paydue.domain.money import ZERO
from paydue.domain.refunds import REFUND_MOVES, Refund, RefundState
from paydue.domain.unapplied import UnappliedMoney
from paydue.usecases.change_attempt import AttemptDecision, Books, change_attempt
from paydue.usecases.gateway_ports import Gateway, Kind, Outcome
from paydue.usecases.payment_announcements import Trouble
from paydue.usecases.ports import Actor, Clock

_LOOK_AGAIN: Final = timedelta(hours=1)
_BECOMES: Final = {
    Kind.REFUNDED: RefundState.DONE,
    Kind.REFUND_PENDING: RefundState.PENDING,
    Kind.REFUND_FAILED: RefundState.FAILED,
    Kind.DECLINED: RefundState.FAILED,
    Kind.INVALID: RefundState.FAILED,
    Kind.MISCONFIGURED: RefundState.FAILED,
    Kind.UNAVAILABLE: RefundState.FAILED,
}
_TOLD_BY_LOOKING: Final = frozenset((Kind.REFUNDED, Kind.REFUND_PENDING, Kind.REFUND_FAILED))


class RefundWish(msgspec.Struct, frozen=True, kw_only=True):
    """
    What shall be given back. `refund_id` (a UUID) makes it once only. Without an amount: all that is left.

    `is_due_again` says whether the payer owes it once more. `unapplied` names money that no invoice holds, by its
    transaction; then amount and meaning do not count.
    """

    attempt_id: str
    refund_id: str
    amount: Decimal | None = None
    is_due_again: bool = False
    unapplied: str | None = None


async def refund_payment(
    books: Books, gateway: Gateway, wish: RefundWish, *, clock: Clock, actor: Actor
) -> PaymentAttempt:
    """
    Give money back and return the attempt with its refunds; the same wish again asks for nothing twice.

    Raises NoSuchAttempt, AttemptNotOpen (nothing was charged), NoSuchPayment, AmountAbovePayment, GatewayRefusal.
    """
    money = await _unapplied(books, gateway, wish)
    is_mine = False

    def ask(attempt: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
        nonlocal is_mine
        is_mine = False
        if attempt.refund(wish.refund_id) is not None:
            return AttemptDecision(attempt, invoice)
        at = clock.now()
        amount = money.amount if money is not None else _refundable(attempt, invoice, wish)
        if amount != attempt.charged and money is None and not gateway.capabilities.can_refund_in_part:
            raise GatewayRefusal("refunds in part")
        refund = Refund(
            refund_id=wish.refund_id,
            amount=amount,
            is_due_again=wish.is_due_again and money is None,
            state=RefundState.SUBMITTED,
            asked_at=at,
            unapplied=wish.unapplied,
        )
        if money is not None and _is_being_given_back(attempt, money):
            raise AmountAbovePayment(amount, ZERO, money.currency)
        is_mine = True
        return AttemptDecision(replace(attempt.with_refund(refund), next_look_at=at + CHARGE_DEADLINE), invoice)

    attempt = await change_attempt(books, wish.attempt_id, ask, actor=actor)
    if not is_mine:
        return attempt
    refund = attempt.refund(wish.refund_id)
    assert refund is not None
    outcome = await gateway.refund(_as_charged(attempt, money), refund)
    return await settle_refund(books, attempt.attempt_id, refund.refund_id, outcome, at=clock.now(), actor=actor)


async def settle_refund(
    books: Books, attempt_id: str, refund_id: str, outcome: Outcome, *, at: datetime, actor: Actor
) -> PaymentAttempt:
    """Keep what the outcome means for a refund and its invoice. The same outcome again changes nothing."""
    found = await books.attempts.attempt(attempt_id)
    known = found.refund(refund_id) if found is not None else None
    money = None
    if found is not None and known is not None and known.unapplied is not None:
        money = await books.attempts.unapplied(known.unapplied, found.gateway)

    def decide(attempt: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
        refund = attempt.refund(refund_id)
        state = _BECOMES.get(outcome.kind, RefundState.UNKNOWN)
        if refund is None or state not in REFUND_MOVES[refund.state]:
            return AttemptDecision(attempt, invoice)
        moved = refund.moved(state, transaction_id=outcome.transaction_id, reason=outcome.raw or outcome.kind.value)
        look_at = None if moved.is_final and attempt.is_final else at + _LOOK_AGAIN
        if state is RefundState.UNKNOWN:
            look_at = at + CHARGE_DEADLINE
        after = replace(attempt.with_refund(moved), next_look_at=look_at)
        if state is RefundState.FAILED:
            return AttemptDecision(after, invoice, trouble=Trouble.REFUND_FAILED)
        if state is not RefundState.DONE:
            return AttemptDecision(after, invoice)
        if money is not None:
            return AttemptDecision(after, invoice, unapplied=replace(money, resolved_at=at, refund_id=refund_id))
        return _given_back(after, invoice, moved, at)

    return await change_attempt(books, attempt_id, decide, actor=actor)


async def look_at_refunds(
    books: Books, gateway: Gateway, attempt: PaymentAttempt, *, clock: Clock, actor: Actor
) -> PaymentAttempt:
    """Ask the gateway about every refund whose outcome is open, and return the attempt as it stands then."""
    for refund in attempt.refunds:
        if refund.is_final:
            continue
        at = clock.now()
        if refund.state is RefundState.SUBMITTED and at < refund.asked_at + CHARGE_DEADLINE:
            continue
        money = None
        if refund.unapplied is not None:
            money = await books.attempts.unapplied(refund.unapplied, attempt.gateway)
        outcome = await gateway.look_up_refund(_as_charged(attempt, money), refund)
        if outcome.kind is Kind.NOT_FOUND and at >= refund.asked_at + GIVE_UP_AFTER:
            outcome = Outcome(kind=Kind.REFUND_FAILED, raw=Trouble.NOT_FOUND_AT_GATEWAY.value)
        if outcome.kind not in _TOLD_BY_LOOKING:
            outcome = Outcome(kind=Kind.UNKNOWN, raw=outcome.raw)
        attempt = await settle_refund(books, attempt.attempt_id, refund.refund_id, outcome, at=at, actor=actor)
    return attempt


def _refundable(attempt: PaymentAttempt, invoice: Invoice, wish: RefundWish) -> Decimal:
    """Return how much to give back. Raises AttemptNotOpen, NoSuchPayment, AmountAbovePayment, GatewayRefusal."""
    if attempt.state is not AttemptState.SETTLED or attempt.transaction_id is None:
        raise AttemptNotOpen(attempt.attempt_id, attempt.state.value)
    if not allows(invoice.status, Action.REFUND):
        raise NoSuchPayment(attempt.transaction_id)
    left = min(attempt.refundable, invoice.left_of(attempt.transaction_id))
    amount = left if wish.amount is None else wish.amount
    if not ZERO < amount <= left:
        raise AmountAbovePayment(amount, left, attempt.currency)
    return amount


def _is_being_given_back(attempt: PaymentAttempt, money: UnappliedMoney) -> bool:
    return any(
        each.unapplied == money.transaction_id and each.state is not RefundState.FAILED for each in attempt.refunds
    )


def _given_back(attempt: PaymentAttempt, invoice: Invoice, refund: Refund, at: datetime) -> AttemptDecision:
    assert attempt.transaction_id is not None
    try:
        give_back = invoice.take_back if refund.is_due_again else invoice.refund
        return AttemptDecision(attempt, give_back(attempt.transaction_id, refund.amount, at))
    except AmountAbovePayment:
        # Reversed by hand while the refund was on its way: the money is gone once, and people have to look.
        note = f"refund {refund.refund_id} was done for a payment that had been reversed"
        return AttemptDecision(attempt.noted(at, note), invoice, trouble=Trouble.REFUND_FAILED)


async def _unapplied(books: Books, gateway: Gateway, wish: RefundWish) -> UnappliedMoney | None:
    if wish.unapplied is None:
        return None
    money = await books.attempts.unapplied(wish.unapplied, gateway.capabilities.name)
    if money is None or money.attempt_id != wish.attempt_id:
        raise NoSuchPayment(wish.unapplied)
    return money


def _as_charged(attempt: PaymentAttempt, money: UnappliedMoney | None) -> PaymentAttempt:
    """Return the attempt as the gateway has to see it: unapplied money is another transaction than the attempt's."""
    if money is None:
        return attempt
    return replace(attempt, transaction_id=money.transaction_id, charged=money.amount, currency=money.currency)
