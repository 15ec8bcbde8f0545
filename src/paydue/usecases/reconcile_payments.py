"""
Ask the gateways about every attempt whose outcome is open, until it is known: after a crash, a lost answer, a hint.

Nothing is believed but what a gateway says when asked, and each answer is settled like any other. A look is put off in
the store before it is done, so that of several nodes one asks.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from paydue.domain.attempts import (
    CHALLENGE_LASTS,
    CHARGE_DEADLINE,
    GIVE_UP_AFTER,
    VOID_AFTER,
    AttemptState,
    PaymentAttempt,
)
from paydue.domain.errors import StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.usecases.attempt_ports import AttemptChange, AttemptsToLookAt, NotificationSeen
from paydue.usecases.change_attempt import AttemptDecision, Books, change_attempt
from paydue.usecases.gateway_ports import Gateway, Kind, Notification, Outcome
from paydue.usecases.payment_announcements import Trouble
from paydue.usecases.ports import Actor, Clock, StaleVersion
from paydue.usecases.refund_payment import look_at_refunds
from paydue.usecases.settle_payment import settle_payment

ACTOR: Final = "reconciler"

_PAGE: Final = 100
_TRIES: Final = 16
# A gateway that answers slowly must not keep the others waiting.
_AT_ONCE: Final = 8
# Asked, but not told: the payment may still be there.
_NOT_TOLD: Final = frozenset((Kind.UNAVAILABLE, Kind.MISCONFIGURED, Kind.INVALID, Kind.UNKNOWN))
# No money there now; a challenge may still bring it, but not after a day.
_NO_MONEY: Final = frozenset((Kind.NOT_FOUND, Kind.WAITING_FOR_PAYER))
_MERCHANT_TOLD: Final = "merchant told"


async def reconcile_payments(
    looking: AttemptsToLookAt,
    books_of: Callable[[str], Books],
    gateway_of: Callable[[str, str], Gateway | None],
    *,
    clock: Clock,
    correlation_id: str,
    everything: bool = False,
) -> int:
    """
    Look at each attempt that is due (at start-up: at every one that is not done), and return how many.

    `gateway_of` takes merchant id and gateway name. An attempt of a gateway that is not configured any more waits.
    One that cannot be looked at keeps no other from its turn: what failed is raised at the end, as a group.
    """
    actor = Actor(ACTOR, correlation_id)
    places = asyncio.Semaphore(_AT_ONCE)
    failures: list[Exception] = []

    async def look(merchant_id: str, attempt_id: str) -> None:
        async with places:
            try:
                await look_at_attempt(books_of(merchant_id), gateway_of, attempt_id, clock=clock, actor=actor)
            except StoreUnavailable:
                raise
            except Exception as failure:  # noqa: BLE001 - raised below
                failure.add_note(f"attempt {attempt_id} of {merchant_id}")
                failures.append(failure)

    seen: set[tuple[str, str]] = set()
    last: tuple[str, str] | None = None
    at = clock.now()
    while page := (await looking.unfinished(last, _PAGE) if everything else await looking.due(at, _PAGE)):
        fresh = [each for each in page if each not in seen]
        if not fresh:
            break
        seen.update(fresh)
        await _all_of([look(*each) for each in fresh])
        last = page[-1]
    if failures:
        raise ExceptionGroup("attempts could not be looked at", failures)
    return len(seen)


async def _all_of(looks: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; the first failure ends the others, and is raised."""
    running = [asyncio.ensure_future(each) for each in looks]
    try:
        await asyncio.gather(*running)
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def take_hint(books: Books, gateway: str, hint: Notification, *, at: datetime, actor: Actor) -> bool:
    """
    Note that an attempt is to be looked at now, because its processor hinted at it; say whether that was new.

    Nothing of the hint is believed. A hint about nothing of ours changes nothing.
    """
    for _ in range(_TRIES):
        found = None
        if hint.reference is not None:
            found = await books.attempts.attempt_by_reference(gateway, hint.reference)
        if found is None and hint.session is not None:
            found = await books.attempts.attempt_by_session(gateway, hint.session)
        if found is None:
            return False
        try:
            await books.attempts.keep(
                AttemptChange(before=found, after=replace(found, next_look_at=at), event_id=hint.event_id)
            )
        except NotificationSeen:
            return False
        except StaleVersion:
            continue
        return True
    return False


async def look_at_attempt(
    books: Books,
    gateway_of: Callable[[str, str], Gateway | None],
    attempt_id: str,
    *,
    clock: Clock,
    actor: Actor,
) -> PaymentAttempt | None:
    """
    Ask the gateway what became of an attempt and of its refunds, keep it, and return the attempt.

    None: somebody else is looking, or the gateway is not there any more.
    """
    attempt = await books.attempts.attempt(attempt_id)
    if attempt is None:
        return None
    try:
        claimed = attempt.looked(clock.now())
        attempt = (await books.attempts.keep(AttemptChange(before=attempt, after=claimed))).attempt
    except StaleVersion:
        return None
    gateway = gateway_of(books.store.merchant_id, attempt.gateway)
    if gateway is None:
        return None
    attempt = await _Look(books, gateway, clock, actor).run(attempt)
    attempt = await look_at_refunds(books, gateway, attempt, clock=clock, actor=actor)
    return await _rested(books, attempt, actor)


class _Look:
    """One look at one attempt: what is asked depends on how far it has come."""

    def __init__(self, books: Books, gateway: Gateway, clock: Clock, actor: Actor) -> None:
        self._books = books
        self._gateway = gateway
        self._clock = clock
        self._actor = actor

    async def run(self, attempt: PaymentAttempt) -> PaymentAttempt:
        match attempt.state:
            case AttemptState.BEGUN | AttemptState.OPEN:
                return await self._unsubmitted(attempt)
            case AttemptState.SUBMITTED | AttemptState.WAITING_FOR_PAYER:
                return await self._unanswered(attempt)
            case AttemptState.UNKNOWN:
                return await self._unknown(attempt)
        outcome = await self._gateway.look_up(attempt)
        return attempt if outcome.kind in _NOT_TOLD else await self._settle(attempt, outcome)

    async def _unsubmitted(self, attempt: PaymentAttempt) -> PaymentAttempt:
        """A form that nobody sent ends; a page of the gateway's is asked, for there the payer may have paid."""
        has_ended = self._clock.now() >= attempt.expires_at
        if not attempt.reserves_from_begin:
            outcome = Outcome(kind=Kind.EXPIRED) if has_ended else Outcome(kind=Kind.NOT_FOUND)
        elif has_ended:
            outcome = await self._gateway.close(attempt)
            if outcome.kind in (Kind.CANCELED, Kind.NOT_FOUND):
                outcome = Outcome(kind=Kind.EXPIRED)
        else:
            outcome = await self._gateway.look_up(attempt)
        return attempt if outcome.kind in _NOT_TOLD else await self._settle(attempt, outcome)

    async def _unanswered(self, attempt: PaymentAttempt) -> PaymentAttempt:
        outcome = await self._gateway.look_up(attempt)
        if outcome.kind not in _NOT_TOLD | _NO_MONEY:
            return await self._settle(attempt, outcome)
        waits = CHARGE_DEADLINE if attempt.state is AttemptState.SUBMITTED else CHALLENGE_LASTS
        if self._clock.now() < attempt.ended_at + waits:
            # Somebody may still be waiting for the answer, on this node or another.
            return attempt
        return await self._settle(attempt, Outcome(kind=Kind.UNKNOWN, raw="no answer was kept"))

    async def _unknown(self, attempt: PaymentAttempt) -> PaymentAttempt:
        outcome = await self._gateway.look_up(attempt)
        age = self._clock.now() - (attempt.submitted_at or attempt.begun_at)
        if outcome.kind in _NO_MONEY and age >= VOID_AFTER and self._gateway.capabilities.can_void:
            outcome = await self._gateway.void(attempt)
            if outcome.kind is not Kind.VOIDED:
                # Voiding what is there and cannot be voided shows that it is there.
                outcome = await self._gateway.look_up(attempt)
        if outcome.kind not in _NOT_TOLD | _NO_MONEY:
            return await self._settle(attempt, outcome)
        if age >= GIVE_UP_AFTER and outcome.kind in _NO_MONEY:
            return await self._give_up(attempt)
        if age >= VOID_AFTER and not any(each.note == _MERCHANT_TOLD for each in attempt.log):
            return await self._tell(attempt)
        return attempt

    async def _give_up(self, attempt: PaymentAttempt) -> PaymentAttempt:
        """After a day without a trace the part of the balance is free again, and the merchant knows why."""

        def decide(stored: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
            if stored.state is not AttemptState.UNKNOWN:
                return AttemptDecision(stored, invoice)
            failed = stored.moved(AttemptState.FAILED, self._clock.now(), Trouble.NOT_FOUND_AT_GATEWAY.value)
            return AttemptDecision(failed, invoice.release(stored.attempt_id), trouble=Trouble.NOT_FOUND_AT_GATEWAY)

        return await change_attempt(self._books, attempt.attempt_id, decide, actor=self._actor)

    async def _tell(self, attempt: PaymentAttempt) -> PaymentAttempt:
        def decide(stored: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
            if stored.state is not AttemptState.UNKNOWN:
                return AttemptDecision(stored, invoice)
            told = stored.noted(self._clock.now(), _MERCHANT_TOLD)
            return AttemptDecision(told, invoice, trouble=Trouble.OUTCOME_UNKNOWN)

        return await change_attempt(self._books, attempt.attempt_id, decide, actor=self._actor)

    async def _settle(self, attempt: PaymentAttempt, outcome: Outcome) -> PaymentAttempt:
        at = self._clock.now()
        return await settle_payment(self._books, attempt.attempt_id, outcome, at=at, actor=self._actor)


async def _rested(books: Books, attempt: PaymentAttempt, actor: Actor) -> PaymentAttempt:
    """Take an attempt that is done with out of the reconciler's sight."""

    def decide(stored: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
        is_done = stored.is_final and all(each.is_final for each in stored.refunds)
        if not is_done or stored.next_look_at is None or stored.version != attempt.version:
            return AttemptDecision(stored, invoice)
        return AttemptDecision(replace(stored, next_look_at=None), invoice)

    return await change_attempt(books, attempt.attempt_id, decide, actor=actor)
