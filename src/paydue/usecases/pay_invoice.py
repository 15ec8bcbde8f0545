"""
Pay an invoice through a gateway: begin, charge, settle.

Two rules carry it. An attempt is stored before the gateway is asked for anything, and as SUBMITTED, with its part of
the balance reserved, before the gateway is told to charge; so a crash at any step leaves something to ask about. And
only the caller who made it SUBMITTED charges; so a form that is sent twice pays once.
"""

from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec
from msgspec.structs import replace

from paydue.domain.attempts import CHECKOUT_LASTS, AttemptState, Entry, PaymentAttempt
from paydue.domain.errors import AttemptNotOpen, GatewayRefusal, NoSuchInvoice, StoreBusy
from paydue.domain.invoice import Invoice
from paydue.domain.money import truncated
from paydue.domain.payable import TRIES_LOOKED_AT, TRY_LIMITS, TryLimits, check_payable, check_tries
from paydue.domain.payer_details import NOBODY, Payer, PayerDetails
from paydue.domain.reservations import Hold
from paydue.usecases.attempt_ports import AttemptChange, AttemptExists
from paydue.usecases.change_attempt import AttemptDecision, Books, change_attempt
from paydue.usecases.gateway_ports import Checkout, CheckoutRequest, Gateway, Kind, Outcome
from paydue.usecases.ports import Actor, Change, Clock, StaleVersion
from paydue.usecases.settle_payment import decided, settle_payment

_TRIES = 16
_NO_FORM = frozenset((Kind.UNAVAILABLE, Kind.MISCONFIGURED, Kind.INVALID, Kind.UNKNOWN))


class Ids(Protocol):
    def attempt_id(self) -> str:
        """Return a fresh UUID: it is an attempt's or a refund's name here and at the gateway."""
        ...


class PaymentWish(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a payer asked for. `payer_key` came with the form: a form that is sent again is the same wish.

    `page_origin` is where the form stands; the two addresses are where a gateway's own page sends the payer back to.
    """

    number: str
    amount: Decimal
    payer_key: str
    page_origin: str
    return_url: str
    cancel_url: str
    payer_email: str | None = None
    details: PayerDetails | None = None
    locale: str = "en-US"
    merchant_name: str = ""
    wants_authentication: bool = False


class Begun(msgspec.Struct, frozen=True):
    """An attempt, and the form to pay it by; without a form the attempt's state says how it stands."""

    attempt: PaymentAttempt
    checkout: Checkout | None = None


async def begin_payment(
    books: Books,
    gateway: Gateway,
    wish: PaymentWish,
    *,
    clock: Clock,
    ids: Ids,
    actor: Actor,
    limits: TryLimits | None = TRY_LIMITS,
) -> Begun:
    """
    Store an attempt and open a form for it. The same wish again gets the same attempt, while nothing was submitted
    with a fresh form.

    Refuses in this order: NoSuchInvoice, TooManyTries, ActionNotAllowed, LinkExpired, PaymentInFlight,
    AmountNotPayable, GatewayRefusal (a currency that the gateway cannot take).
    """
    attempt = await books.attempts.attempt_by_payer_key(wish.number, wish.payer_key)
    if attempt is None:
        attempt = await _store(books, gateway, wish, clock, ids, actor, limits)
    if attempt.state not in (AttemptState.BEGUN, AttemptState.OPEN) or clock.now() >= attempt.expires_at:
        return Begun(attempt)
    opened = await gateway.begin(
        CheckoutRequest(
            attempt=attempt,
            page_origin=wish.page_origin,
            return_url=wish.return_url,
            cancel_url=wish.cancel_url,
            locale=wish.locale,
            merchant_name=wish.merchant_name,
            wants_authentication=wish.wants_authentication,
        )
    )
    at = clock.now()
    if isinstance(opened, Outcome):
        return Begun(await _without_form(books, attempt, opened, at=at, actor=actor))

    def open_form(stored: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
        match stored.state:
            case AttemptState.BEGUN:
                return AttemptDecision(stored.moved(AttemptState.OPEN, at, session=opened.session), invoice)
            case AttemptState.OPEN:
                return AttemptDecision(replace(stored, session=opened.session), invoice)
        return AttemptDecision(stored, invoice)

    attempt = await change_attempt(books, attempt.attempt_id, open_form, actor=actor)
    return Begun(attempt, opened if attempt.state is AttemptState.OPEN else None)


async def charge_payment(
    books: Books,
    gateway: Gateway,
    number: str,
    attempt_id: str,
    handed_over: str,
    *,
    clock: Clock,
    actor: Actor,
    payer: Payer = NOBODY,
    limits: TryLimits | None = TRY_LIMITS,
) -> PaymentAttempt:
    """
    Charge an open attempt with what the gateway's form handed over, and return it as it stands then.

    `payer` is what was said after the form had been opened: it is kept with the attempt. An attempt that was submitted
    before is returned as it is, and nothing is charged again. Where what may be paid has become less meanwhile,
    nothing is charged either: PaymentInFlight, AmountNotPayable. Raises NoSuchAttempt, AttemptNotOpen (no form was
    opened), TooManyTries, ActionNotAllowed, LinkExpired.
    """
    is_mine = False
    # Asked here too: any number of forms can be opened before the first try is declined.
    earlier = await books.attempts.attempts_of(number, TRIES_LOOKED_AT) if limits is not None else ()

    def submit(attempt: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
        nonlocal is_mine
        is_mine = False
        at = clock.now()
        if attempt.number != number or attempt.state is AttemptState.BEGUN:
            raise AttemptNotOpen(attempt_id, attempt.state.value)
        if attempt.state is not AttemptState.OPEN:
            return AttemptDecision(attempt, invoice)
        if at >= attempt.expires_at:
            return AttemptDecision(attempt.moved(AttemptState.EXPIRED, at), invoice.release(attempt_id))
        if limits is not None:
            check_tries(earlier, at, limits)
        check_payable(invoice.release(attempt_id), attempt.amount, at)
        reserved = invoice.reserve(attempt_id, attempt.amount, Hold.IN_FLIGHT)
        is_mine = True
        submitted = attempt.moved(
            AttemptState.SUBMITTED,
            at,
            submitted_at=at,
            payer_email=payer.email or attempt.payer_email,
            details=payer.details or attempt.details,
        )
        return AttemptDecision(submitted, reserved)

    attempt = await change_attempt(books, attempt_id, submit, actor=actor)
    if not is_mine:
        return attempt
    outcome = await gateway.charge(attempt, handed_over)
    return await settle_payment(books, attempt_id, outcome, at=clock.now(), actor=actor)


async def abandon_payment(
    books: Books, gateway: Gateway, attempt_id: str, *, clock: Clock, actor: Actor
) -> PaymentAttempt:
    """
    End an attempt because its payer went back, from the form or from the bank's question.

    One whose payment was faster is settled instead. Anything else is returned as it is. Raises NoSuchAttempt.
    """
    attempt = await change_attempt(books, attempt_id, AttemptDecision, actor=actor)
    match attempt.state:
        case AttemptState.OPEN if attempt.reserves_from_begin:
            outcome = await gateway.close(attempt)
        case AttemptState.OPEN:
            outcome = Outcome(kind=Kind.CANCELED)
        case AttemptState.WAITING_FOR_PAYER:
            outcome = await _stop_waiting(gateway, attempt)
        case _:
            return attempt
    if outcome.kind in _NO_FORM:
        # Whether the form is closed is not known. The reconciler asks again when it would have ended by itself.
        return attempt

    def give_up(stored: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
        if stored.state is not attempt.state:
            return AttemptDecision(stored, invoice)
        return AttemptDecision(stored.moved(AttemptState.CANCELED, clock.now()), invoice.release(attempt_id))

    if outcome.kind in (Kind.CANCELED, Kind.NOT_FOUND):
        return await change_attempt(books, attempt_id, give_up, actor=actor)
    return await settle_payment(books, attempt_id, outcome, at=clock.now(), actor=actor)


async def _stop_waiting(gateway: Gateway, attempt: PaymentAttempt) -> Outcome:
    """Undo what waits for its payer's proof, unless the proof was faster; UNKNOWN where it cannot be undone."""
    outcome = await gateway.look_up(attempt)
    if outcome.kind not in (Kind.WAITING_FOR_PAYER, Kind.NOT_FOUND):
        return outcome
    if not gateway.capabilities.can_void:
        return Outcome(kind=Kind.UNKNOWN)
    undone = await gateway.void(attempt)
    return Outcome(kind=Kind.CANCELED) if undone.kind is Kind.VOIDED else Outcome(kind=Kind.UNKNOWN)


async def _without_form(
    books: Books, attempt: PaymentAttempt, outcome: Outcome, *, at: datetime, actor: Actor
) -> PaymentAttempt:
    """
    Settle an attempt for which there is no form, and return it.

    That no further page of the gateway's can be had now says nothing about one that the payer has already: it may just
    be paid on. A form of which nothing comes without our charge is no such thing.
    """
    if outcome.kind not in _NO_FORM or not attempt.reserves_from_begin:
        return await settle_payment(books, attempt.attempt_id, outcome, at=at, actor=actor)

    def fail(stored: PaymentAttempt, invoice: Invoice) -> AttemptDecision:
        if stored.state is not AttemptState.BEGUN:
            return AttemptDecision(stored, invoice)
        return decided(stored, invoice, outcome, at)

    return await change_attempt(books, attempt.attempt_id, fail, actor=actor)


async def _store(
    books: Books,
    gateway: Gateway,
    wish: PaymentWish,
    clock: Clock,
    ids: Ids,
    actor: Actor,
    limits: TryLimits | None,
) -> PaymentAttempt:
    """Return the attempt as stored; the stored one, when the same wish was faster on another way."""
    able = gateway.capabilities
    for _ in range(_TRIES):
        at = clock.now()
        invoice = await books.store.invoice(wish.number)
        if invoice is None:
            raise NoSuchInvoice(wish.number)
        if limits is not None:
            check_tries(await books.attempts.attempts_of(wish.number, TRIES_LOOKED_AT), at, limits)
        amount = truncated(wish.amount, invoice.terms.currency)
        payable = check_payable(invoice, amount, at)
        if able.currencies is not None and invoice.terms.currency not in able.currencies:
            raise GatewayRefusal("currency")
        attempt = _attempt(wish, invoice, able.name, ids.attempt_id(), amount, at, redirects=able.redirects)
        attempt = replace(attempt, least=payable.least if payable.is_choice else amount)
        change = None
        if able.redirects:
            reserved = invoice.reserve(attempt.attempt_id, amount, Hold.OFFERED)
            change = Change(before=invoice, after=reserved, actor=actor)
        try:
            return (await books.attempts.keep(AttemptChange(before=None, after=attempt, invoice=change))).attempt
        except StaleVersion:
            continue
        except AttemptExists:
            found = await books.attempts.attempt_by_payer_key(wish.number, wish.payer_key)
            if found is not None:
                return found
    raise StoreBusy(f"invoice {wish.number} changed {_TRIES} times while one attempt was begun")


def _attempt(
    wish: PaymentWish,
    invoice: Invoice,
    gateway: str,
    attempt_id: str,
    amount: Decimal,
    at: datetime,
    *,
    redirects: bool,
) -> PaymentAttempt:
    return PaymentAttempt(
        attempt_id=attempt_id,
        number=invoice.number,
        payer_key=wish.payer_key,
        gateway=gateway,
        # People find the invoice by it at the processor; the end keeps it unique. 50 characters at most.
        reference=f"{invoice.number[:20]}-{attempt_id.replace('-', '')[-24:]}",
        amount=amount,
        least=amount,
        currency=invoice.terms.currency,
        begun_at=at,
        expires_at=at + CHECKOUT_LASTS[redirects],
        reserves_from_begin=redirects,
        payer_email=wish.payer_email,
        details=wish.details,
        next_look_at=at + CHECKOUT_LASTS[redirects],
        log=(Entry(AttemptState.BEGUN, at),),
    )
