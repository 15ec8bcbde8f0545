"""How every change of an attempt goes: read it and its invoice, decide, keep both; again when either was overtaken."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from paydue.domain.attempts import PaymentAttempt
from paydue.domain.errors import BrokenFact, NoSuchAttempt, StoreBusy
from paydue.domain.invoice import Invoice
from paydue.domain.payments import Payment
from paydue.domain.unapplied import UnappliedMoney
from paydue.usecases.attempt_ports import AttemptChange, Attempts
from paydue.usecases.payment_announcements import Trouble, owed_for_attempt
from paydue.usecases.ports import Actor, Change, MerchantStore, StaleVersion

_TRIES = 16


class Books(msgspec.Struct, frozen=True):
    """One merchant's invoices and attempts, which are kept together."""

    store: MerchantStore
    attempts: Attempts


class AttemptDecision(NamedTuple):
    """What an attempt and its invoice shall become, the money that made it so, and what the merchant has to know."""

    attempt: PaymentAttempt
    invoice: Invoice
    payment: Payment | None = None
    unapplied: UnappliedMoney | None = None
    trouble: Trouble | None = None


async def change_attempt(
    books: Books,
    attempt_id: str,
    decide: Callable[[PaymentAttempt, Invoice], AttemptDecision],
    *,
    actor: Actor,
    event_id: str | None = None,
) -> PaymentAttempt:
    """
    Keep what `decide` makes of an attempt and its invoice, in one transaction, and return the attempt as stored.

    A decision that returns both themselves changes nothing. Raises NoSuchAttempt, NotificationSeen, TransactionTaken,
    and whatever `decide` refuses.
    """
    found = await books.attempts.attempt(attempt_id)
    if found is None:
        raise NoSuchAttempt(attempt_id)
    async with books.store.turn(found.number):
        for _ in range(_TRIES):
            before, invoice = await _read(books, attempt_id)
            decision = decide(before, invoice)
            if decision.attempt is before and decision.invoice is invoice and decision.unapplied is None:
                return before
            try:
                return await _keep(books, before, invoice, decision, actor, event_id)
            except StaleVersion:
                continue
    raise StoreBusy(f"attempt {attempt_id} changed {_TRIES} times while one change was decided")


async def _read(books: Books, attempt_id: str) -> tuple[PaymentAttempt, Invoice]:
    attempt = await books.attempts.attempt(attempt_id)
    if attempt is None:
        raise NoSuchAttempt(attempt_id)
    invoice = await books.store.invoice(attempt.number)
    if invoice is None:
        raise BrokenFact(f"attempt {attempt_id} pays invoice {attempt.number!r}, which is not there")
    return attempt, invoice


async def _keep(
    books: Books,
    before: PaymentAttempt,
    invoice: Invoice,
    decision: AttemptDecision,
    actor: Actor,
    event_id: str | None,
) -> PaymentAttempt:
    after = decision.invoice
    # With the account that the gateway has just told, and in the state that it was in: that tells a review's end.
    told = msgspec.structs.replace(before, account=decision.attempt.account)
    messages = await owed_for_attempt(
        books.store, told, invoice, after, payment=decision.payment, trouble=decision.trouble
    )
    is_changed = after is not invoice
    change = AttemptChange(
        before=before,
        after=decision.attempt,
        invoice=Change(before=invoice, after=after, messages=messages, payment=decision.payment, actor=actor)
        if is_changed
        else None,
        unapplied=decision.unapplied,
        messages=() if is_changed else messages,
        event_id=event_id,
    )
    return (await books.attempts.keep(change)).attempt
