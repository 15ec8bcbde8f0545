"""
The invoice: draft, amend, publish, send, cancel, receive a payment.

An invoice is never changed; each method returns the invoice as it stands afterwards, with what happened appended to
its history. The present, and a fresh payment token, are arguments.
"""

from datetime import datetime
from decimal import Decimal
from typing import Self

import msgspec
from msgspec.structs import replace

from paydue.domain.errors import ActionNotAllowed, AmountAboveBalance, BrokenFact
from paydue.domain.events import Event, What
from paydue.domain.lifecycle import TABLE, WITH_PAYMENT_LINK, Action, Status
from paydue.domain.money import ZERO, shortest
from paydue.domain.payments import Payment
from paydue.domain.terms import DeliveryMode, Terms

_MAILINGS = (What.INVOICE_SENT, What.INVOICE_RESENT)


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """
    One invoice of one merchant.

    `number` is empty, `serial` and `version` are 0, until the store has given them. `payment_token` is the secret
    part of the payment link and stays with the invoice from its first publication on; whether the link is shown is
    `has_payment_link`. `history` is oldest first.
    """

    number: str = ""
    serial: int = 0
    version: int = 0
    status: Status
    created_at: datetime
    terms: Terms
    paid: Decimal = ZERO
    payment_token: str | None = None
    history: tuple[Event, ...] = ()

    @classmethod
    def draft(cls, terms: Terms, at: datetime, number: str = "") -> Self:
        """Return a new draft, to be numbered by the store unless `number` is given."""
        drafted = Event(what=What.INVOICE_DRAFTED, at=at)
        return cls(number=number, status=Status.DRAFT, created_at=at, terms=terms, history=(drafted,))

    @property
    def balance(self) -> Decimal:
        """What is still due."""
        return shortest(self.terms.total - self.paid) if self.paid else self.terms.total

    @property
    def has_payment_link(self) -> bool:
        return self.status in WITH_PAYMENT_LINK and self.payment_token is not None

    @property
    def was_mailed(self) -> bool:
        """Whether the payer has been written to about this invoice."""
        return any(event.what in _MAILINGS for event in self.history)

    def amend(self, terms: Terms, at: datetime, new_token: str) -> Self:
        """
        Replace the terms; the status stays. A changed address gets a new payment link and kills the old one.

        Raises ActionNotAllowed once money has come in or the invoice is closed.
        """
        status = self._after(Action.UPDATE)
        moved = terms.email != self.terms.email and self.payment_token is not None
        return replace(
            self,
            status=status,
            terms=terms,
            payment_token=new_token if moved else self.payment_token,
            history=(*self.history, Event(what=What.INVOICE_UPDATED, at=at)),
        )

    def publish(self, at: datetime, new_token: str) -> Self:
        """Make a draft payable without writing to anybody. Raises ActionNotAllowed in any other status."""
        return self._now(self._after(Action.PUBLISH), Event(what=What.INVOICE_CREATED, at=at), new_token)

    def send(self, at: datetime, new_token: str) -> Self:
        """
        Make the invoice payable if it is not, and mail it if its delivery mode says so.

        Without mail, an invoice that is payable already is returned as it is. Raises ActionNotAllowed when it is
        paid, canceled or under review.
        """
        if self.terms.delivery_mode is DeliveryMode.EMAIL:
            status = self._after(Action.SEND_BY_MAIL)
            first = self.status in (Status.DRAFT, Status.CREATED)
            return self._now(status, Event(what=What.INVOICE_SENT if first else What.INVOICE_RESENT, at=at), new_token)
        status = self._after(Action.SEND_WITHOUT_MAIL)
        if status is self.status:
            return self
        return self._now(status, Event(what=What.INVOICE_CREATED, at=at), new_token)

    def cancel(self, at: datetime) -> Self:
        """Close the invoice: nothing is due any more. Raises ActionNotAllowed once money has come in."""
        return self._now(self._after(Action.CANCEL), Event(what=What.INVOICE_CANCELED, at=at))

    def receive(self, payment: Payment, at: datetime) -> Self:
        """
        Take a payment: PAID when nothing is left, PARTIAL before.

        Raises ActionNotAllowed when the invoice is not payable, AmountAboveBalance when it is more than is due.
        """
        in_full = payment.amount >= self.balance
        status = self._after(Action.PAY_IN_FULL if in_full else Action.PAY_IN_PART)
        if payment.amount > self.balance:
            raise AmountAboveBalance(payment.amount, self.balance, self.terms.currency)
        received = Event(what=What.PAYMENT_RECEIVED, at=at, transaction_id=payment.reference, amount=payment.amount)
        return replace(self._now(status, received), paid=shortest(self.paid + payment.amount))

    def assert_facts(self) -> None:
        """Raise BrokenFact unless status, balance and link agree: a broken one is our bug and must not be kept."""
        paid, total, status = self.paid, self.terms.total, self.status
        holds = {
            Status.PAID: paid == total,
            Status.PARTIAL: ZERO < paid < total,
            Status.PENDING: ZERO <= paid < total,
        }.get(status, paid == ZERO)
        if not holds or (status in WITH_PAYMENT_LINK and self.payment_token is None):
            raise BrokenFact(f"invoice {self.number!r}: {status} with {paid} of {total} paid")

    def _after(self, action: Action) -> Status:
        try:
            return TABLE[action][self.status]
        except KeyError:
            raise ActionNotAllowed(action, self.status) from None

    def _now(self, status: Status, event: Event, new_token: str | None = None) -> Self:
        return replace(
            self, status=status, payment_token=self.payment_token or new_token, history=(*self.history, event)
        )
