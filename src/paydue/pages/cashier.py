"""
What a payer may ask of us at a payment link, checked and limited the same whoever asks: a script, a form, a return.

Apart from `paying.py`, which writes the answers: here are the amounts, the checks and the use cases.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import GatewayRefusal, NoSuchAttempt, Refusal, TooManyTries
from paydue.domain.payable import TRIES_LOOKED_AT, check_tries, payable_now
from paydue.domain.payer_details import NOBODY, Payer
from paydue.pages.attempt_answers import link_of
from paydue.pages.desk import Payments
from paydue.pages.pay_form import Typed, check_amount, check_key, check_payer
from paydue.pages.payment_page import Found
from paydue.pages.slip import Fault, Slip
from paydue.usecases.change_attempt import Books
from paydue.usecases.gateway_ports import Gateway
from paydue.usecases.pay_invoice import Begun, PaymentWish, abandon_payment, begin_payment, charge_payment
from paydue.usecases.ports import Actor, Clock
from paydue.usecases.reconcile_payments import look_at_attempt
from paydue.usecases.renew_link import renew_link

_LONGEST_HANDED_OVER: Final = 8 * 1024


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """
    One request at a payment link that opens: what it opens, who asks, and in which language.

    `named_language` is the one that the address names. `origin` is where the page stands, `fresh` its slip as nobody
    has touched it.
    """

    found: Found
    language: str
    named_language: str | None
    address: str
    origin: str
    books: Books
    gateway: Gateway | None
    fresh: Slip
    actor: Actor

    @property
    def number(self) -> str:
        return self.found.invoice.number

    def link(self, **query: str) -> str:
        """Return the path of the payment page, in the same language."""
        return link_of(self.found.token, self.named_language, **query)

    def page_of(self, attempt: PaymentAttempt) -> str:
        """Return where an attempt can be looked at, again and again."""
        return self.link(attempt=attempt.attempt_id)


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a form asks for, after every check."""

    amount: Decimal
    payer: Payer


class WrongForm(Exception):
    """The form cannot be taken as it is. Nothing was charged, and nothing has changed."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(", ".join(f"{fault.field}: {fault.wrong}" for fault in faults))
        self.faults = faults


class AnotherAmount(Exception):
    """The form asks for another amount than the one that the gateway's form was opened for."""


class NoCard(Exception):
    """The gateway's form has handed nothing over."""


class Cashier:
    """Begins, charges, looks at and ends attempts for whoever holds a payment link."""

    def __init__(self, payments: Payments, clock: Clock) -> None:
        self._desk = payments.desk
        self._ids = payments.ids
        self._secrets = payments.secrets
        self._limits = payments.limits
        self._clock = clock
        self._under_way: set[asyncio.Task[PaymentAttempt]] = set()

    def check(self, visit: Visit, typed: Typed, *, knows_payer: bool = True) -> Checked:
        """
        Return what the form asks for. Raises WrongForm with everything that is wrong.

        Unless `knows_payer`, only the amount is looked at: nobody has to say who they are before the card form opens.
        """
        faults = check_key(typed.payer_key)
        amount = self._amount(visit, typed)
        payer = check_payer(typed, visit.found) if knows_payer else NOBODY
        if isinstance(amount, Fault):
            faults += (amount,)
        if isinstance(payer, tuple):
            faults += payer
        if faults or isinstance(amount, Fault) or isinstance(payer, tuple):
            raise WrongForm(faults)
        return Checked(amount=amount, payer=payer)

    async def begin(self, visit: Visit, gateway: Gateway, typed: Typed, checked: Checked) -> Begun:
        """Begin an attempt, or return the one of the same form. Raises what `begin_payment` refuses, TooManyTries."""
        self._count(visit, self._limits.begins_from_one, self._limits.begins)
        settings = visit.found.settings
        wish = PaymentWish(
            number=visit.number,
            amount=checked.amount,
            payer_key=typed.payer_key,
            page_origin=visit.origin,
            return_url=visit.origin + visit.link(key=typed.payer_key, back="done"),
            cancel_url=visit.origin + visit.link(key=typed.payer_key, back="canceled"),
            payer_email=checked.payer.email,
            details=checked.payer.details,
            locale=visit.language,
            merchant_name=settings.display_name(visit.found.merchant.name),
            wants_authentication=settings.authenticates_payers,
        )
        return await begin_payment(
            visit.books,
            gateway,
            wish,
            clock=self._clock,
            ids=self._ids,
            actor=visit.actor,
            limits=self._limits.tries,
        )

    async def charge(self, visit: Visit, attempt: PaymentAttempt, typed: Typed, handed_over: str) -> PaymentAttempt:
        """
        Charge an open attempt for exactly what the form asks for; one that went further is returned as it is.

        Once it is under way it is finished and kept, whoever is there to hear of it. Raises WrongForm, AnotherAmount,
        NoCard, TooManyTries and what `charge_payment` refuses.
        """
        if attempt.state is not AttemptState.OPEN:
            return attempt
        checked = self.check(visit, typed)
        if checked.amount != attempt.amount:
            raise AnotherAmount
        if not 0 < len(handed_over) <= _LONGEST_HANDED_OVER:
            raise NoCard
        # Kept attempts are counted too; that says nothing of many that come at the same moment.
        self._count(visit, self._limits.charges_from_one, self._limits.charges)
        return await self._to_its_end(
            charge_payment(
                visit.books,
                self._gateway(visit, attempt),
                visit.number,
                attempt.attempt_id,
                handed_over,
                clock=self._clock,
                actor=visit.actor,
                payer=checked.payer,
                limits=self._limits.tries,
            )
        )

    async def look_at(self, visit: Visit, attempt: PaymentAttempt) -> PaymentAttempt:
        """Ask the gateway what became of an attempt, because a browser hints that something did."""
        if attempt.is_final:
            return attempt
        return await self._to_its_end(self._looked_at(visit, attempt))

    async def leave(self, visit: Visit, attempt: PaymentAttempt) -> PaymentAttempt:
        """End an attempt whose payer went back, unless the payment was faster."""
        gateway = self._gateway(visit, attempt)
        return await self._to_its_end(
            abandon_payment(visit.books, gateway, attempt.attempt_id, clock=self._clock, actor=visit.actor)
        )

    async def attempt(self, visit: Visit, attempt_id: str) -> PaymentAttempt:
        """Return an attempt at this invoice. Raises NoSuchAttempt: of another's attempts nothing is told."""
        found = await visit.books.attempts.attempt(attempt_id)
        if found is None or found.number != visit.number:
            raise NoSuchAttempt(attempt_id)
        return found

    async def renew_link(self, visit: Visit) -> None:
        """Have a fresh link sent where that can be; nobody learns from it whether it could. Raises StoreUnavailable."""
        if self._limits.new_links(visit.address) > 0:
            return
        try:
            await renew_link(
                visit.books.store, visit.number, at=self._clock.now(), secrets=self._secrets, actor=visit.actor
            )
        except Refusal:
            # Paid, canceled or being paid meanwhile: the page that is opened next says so.
            return

    async def check_tries(self, visit: Visit) -> None:
        """Raises TooManyTries while this link pauses."""
        if self._limits.tries is not None:
            earlier = await visit.books.attempts.attempts_of(visit.number, TRIES_LOOKED_AT)
            check_tries(earlier, self._clock.now(), self._limits.tries)

    def seconds_left(self, begun: Begun) -> int:
        """Return how long the form that was opened lasts."""
        ends_at = begun.checkout.expires_at if begun.checkout is not None else begun.attempt.expires_at
        return max(0, int((min(ends_at, begun.attempt.expires_at) - self._clock.now()).total_seconds()))

    def _amount(self, visit: Visit, typed: Typed) -> Decimal | Fault:
        invoice = visit.found.invoice
        limits = payable_now(invoice)
        if not limits.most:
            # Refused for its own reason when it is begun: paid, or just being paid.
            return invoice.balance
        return check_amount(typed, limits, invoice.terms.currency, visit.language)

    def _count(self, visit: Visit, from_one: Callable[[str], float], of_invoice: Callable[[str], float]) -> None:
        invoice = f"{visit.found.merchant.merchant_id}/{visit.number}"
        # Whoever is refused takes nothing of what others may still do.
        wait = from_one(visit.address) or of_invoice(invoice)
        if wait > 0:
            raise TooManyTries(self._clock.now() + timedelta(seconds=wait))

    def _gateway(self, visit: Visit, attempt: PaymentAttempt) -> Gateway:
        gateway = self._desk.gateway_of(visit.found.merchant.merchant_id, attempt.gateway)
        if gateway is None:
            raise GatewayRefusal("not configured any more")
        return gateway

    async def _looked_at(self, visit: Visit, attempt: PaymentAttempt) -> PaymentAttempt:
        looked = await look_at_attempt(
            visit.books, self._desk.gateway_of, attempt.attempt_id, clock=self._clock, actor=visit.actor
        )
        # None: the reconciler is just looking. What it finds is told when the page asks again.
        return looked or await visit.books.attempts.attempt(attempt.attempt_id) or attempt

    async def _to_its_end(self, work: Coroutine[Any, Any, PaymentAttempt]) -> PaymentAttempt:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)
