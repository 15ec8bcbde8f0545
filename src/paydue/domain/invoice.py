"""
The invoice: draft, amend, publish, send, cancel, receive a payment, give it back.

An invoice is never changed; each method returns the invoice as it stands afterwards, with what happened appended to
its history. The present, and a fresh payment token, are arguments.
"""

from datetime import datetime
from decimal import Decimal
from typing import Self

import msgspec
from msgspec.structs import replace

from paydue.domain.errors import (
    ActionNotAllowed,
    AmountAboveBalance,
    AmountAbovePayment,
    BrokenFact,
    NoSuchPayment,
    PaymentInFlight,
)
from paydue.domain.events import Event, What
from paydue.domain.lifecycle import TABLE, WITH_PAYMENT_LINK, Action, Status
from paydue.domain.money import ZERO, shortest
from paydue.domain.payments import Payment
from paydue.domain.reservations import Hold, Reservation, any_held, reserved_by
from paydue.domain.terms import DeliveryMode, Terms

_MAILINGS = (What.INVOICE_SENT, What.INVOICE_RESENT)
_GIVEN_BACK = (What.PAYMENT_REFUNDED, What.PAYMENT_REVERSED)


class Invoice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One invoice of one merchant.

    `number` is empty, `serial` and `version` are 0, until the store has given them. `payment_token` is the secret
    part of the payment link and stays with the invoice from its first publication on; whether the link is shown is
    `has_payment_link`. `history` is oldest first. `paid` is what settles the debt; `refunded` is the part of it that
    was given back without being due again. `reservations` are the attempts whose outcome is open.
    """

    number: str = ""
    serial: int = 0
    version: int = 0
    status: Status
    created_at: datetime
    terms: Terms
    paid: Decimal = ZERO
    refunded: Decimal = ZERO
    reservations: tuple[Reservation, ...] = ()
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
    def reserved(self) -> Decimal:
        """How much of the balance may be on its way."""
        return reserved_by(self.reservations)

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

        Raises ActionNotAllowed once money has come in or the invoice is closed, PaymentInFlight while it may be
        coming.
        """
        status = self._after(Action.UPDATE)
        self._check_nothing_in_flight(Action.UPDATE)
        moved = terms.email != self.terms.email and self.payment_token is not None
        return replace(
            self,
            status=status,
            terms=terms,
            reservations=(),
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

    def remind(self, at: datetime) -> Self:
        """Write down that the payer was reminded; nothing else changes. Raises ActionNotAllowed unless it is owed."""
        return replace(
            self,
            status=self._after(Action.REMIND),
            history=(*self.history, Event(what=What.PAYER_REMINDED, at=at)),
        )

    def renew_link(self, at: datetime, new_token: str) -> Self:
        """
        Put a fresh link in the place of one that has expired: the old one opens nothing any more.

        Raises ActionNotAllowed when nothing is to be paid, PaymentInFlight while somebody pays through the old one.
        """
        status = self._after(Action.RENEW_LINK)
        if self.reservations:
            raise PaymentInFlight(Action.RENEW_LINK)
        renewed = self._now(status, Event(what=What.LINK_RENEWED, at=at))
        return replace(renewed, payment_token=new_token)

    def cancel(self, at: datetime) -> Self:
        """
        Close the invoice: nothing is due any more.

        Raises ActionNotAllowed once money has come in, PaymentInFlight while it may be coming.
        """
        status = self._after(Action.CANCEL)
        self._check_nothing_in_flight(Action.CANCEL)
        return replace(self._now(status, Event(what=What.INVOICE_CANCELED, at=at)), reservations=())

    def receive(self, payment: Payment, at: datetime, attempt_id: str | None = None) -> Self:
        """
        Take a payment: PAID when nothing is left, PARTIAL before, PENDING while another one is under review.

        The payment of an attempt uses up its reservation. Raises ActionNotAllowed when the invoice is not payable,
        AmountAboveBalance when it is more than is due, PaymentInFlight when somebody may be paying that part.
        """
        others, own = self._reservations_beside(attempt_id)
        in_full = payment.amount >= self.balance
        if own is not None and self.status is Status.PENDING:
            accepted = Action.ACCEPT_IN_FULL if in_full else Action.ACCEPT_IN_PART
            status = self._after(Action.DECIDE_ONE_OF_SEVERAL if any_held(others) else accepted)
        else:
            status = self._after(Action.PAY_IN_FULL if in_full else Action.PAY_IN_PART)
        left = self.balance - payment.amount
        if left < ZERO:
            raise AmountAboveBalance(payment.amount, self.balance, self.terms.currency)
        if reserved_by(others) > left:
            others = tuple(each for each in others if each.hold is not Hold.OFFERED)
        if reserved_by(others) > left:
            raise PaymentInFlight(Action.PAY_IN_PART)
        received = Event(what=What.PAYMENT_RECEIVED, at=at, transaction_id=payment.reference, amount=payment.amount)
        return replace(self._now(status, received), paid=shortest(self.paid + payment.amount), reservations=others)

    def reserve(self, attempt_id: str, amount: Decimal, hold: Hold) -> Self:
        """
        Keep a part of the balance for an attempt, in place of what it had reserved before.

        Raises ActionNotAllowed when the invoice is not payable, PaymentInFlight when others are paying that part.
        """
        others, own = self._reservations_beside(attempt_id)
        if own is None or own.hold is Hold.OFFERED:
            self._after(Action.PAY_IN_PART)
        if reserved_by(others) + amount > self.balance:
            raise PaymentInFlight(Action.PAY_IN_PART)
        return replace(self, reservations=(*others, Reservation(attempt_id=attempt_id, amount=amount, hold=hold)))

    def release(self, attempt_id: str) -> Self:
        """Give up what an attempt had reserved; without a reservation the invoice is returned as it is."""
        others, own = self._reservations_beside(attempt_id)
        return self if own is None else replace(self, reservations=others)

    def hold(self, attempt_id: str, transaction_id: str, at: datetime) -> Self:
        """Put the invoice under review for an attempt's payment. Raises BrokenFact when it has reserved nothing."""
        others, own = self._reservations_beside(attempt_id)
        if own is None:
            raise BrokenFact(f"invoice {self.number!r}: attempt {attempt_id} is held and has reserved nothing")
        status = self._after(Action.DECIDE_ONE_OF_SEVERAL if self.status is Status.PENDING else Action.HOLD)
        event = Event(what=What.PAYMENT_HELD, at=at, transaction_id=transaction_id, amount=own.amount)
        return replace(self._now(status, event), reservations=(*others, replace(own, hold=Hold.HELD)))

    def reject(self, attempt_id: str, transaction_id: str | None, at: datetime) -> Self:
        """
        Write down that an attempt's payment was refused; held for review, it leaves the status that was before.

        Raises BrokenFact when the attempt has reserved nothing.
        """
        others, own = self._reservations_beside(attempt_id)
        if own is None:
            raise BrokenFact(f"invoice {self.number!r}: attempt {attempt_id} is rejected and has reserved nothing")
        status = self.status
        if own.hold is Hold.HELD:
            status = self._after(Action.DECIDE_ONE_OF_SEVERAL if any_held(others) else self._rejecting())
        event = Event(what=What.PAYMENT_REJECTED, at=at, transaction_id=transaction_id, amount=own.amount)
        return replace(self._now(status, event), reservations=others)

    def left_of(self, transaction_id: str) -> Decimal:
        """Return what of a payment was neither given back nor taken back. Raises NoSuchPayment."""
        mine = [event for event in self.history if event.transaction_id == transaction_id and event.amount]
        received = [event.amount or ZERO for event in mine if event.what is What.PAYMENT_RECEIVED]
        if not received:
            raise NoSuchPayment(transaction_id)
        back = [event.amount or ZERO for event in mine if event.what in _GIVEN_BACK]
        return sum(received, ZERO) - sum(back, ZERO)

    def refund(self, transaction_id: str, amount: Decimal, at: datetime) -> Self:
        """
        Write down that money was given back for a debt that stays settled: status and balance stay.

        Raises NoSuchPayment, AmountAbovePayment, ActionNotAllowed.
        """
        status = self._after(Action.REFUND)
        self._check_left_of(transaction_id, amount)
        event = Event(what=What.PAYMENT_REFUNDED, at=at, transaction_id=transaction_id, amount=amount)
        return replace(self._now(status, event), refunded=shortest(self.refunded + amount))

    def take_back(self, transaction_id: str, amount: Decimal, at: datetime) -> Self:
        """
        Write down that money is not there after all, or was given back and is due again: the balance rises by it.

        PARTIAL while some is paid, then what the invoice was before anything was. Raises NoSuchPayment,
        AmountAbovePayment, ActionNotAllowed.
        """
        if amount < self.paid:
            action = Action.TAKE_BACK_PART
        else:
            action = Action.TAKE_BACK_ALL_MAILED if self.was_mailed else Action.TAKE_BACK_ALL_NOT_MAILED
        status = self._after(action)
        self._check_left_of(transaction_id, amount)
        event = Event(what=What.PAYMENT_REVERSED, at=at, transaction_id=transaction_id, amount=amount)
        return replace(self._now(status, event), paid=shortest(self.paid - amount))

    def assert_facts(self) -> None:
        """Raise BrokenFact unless status, balance and link agree: a broken one is our bug and must not be kept."""
        paid, total, status = self.paid, self.terms.total, self.status
        if status is Status.PARTIAL:
            holds = ZERO < paid < total
        elif status is Status.PAID:
            holds = paid == total
        elif status is Status.PENDING:
            holds = ZERO <= paid < total
        else:
            holds = paid == ZERO
        if not holds or (status in WITH_PAYMENT_LINK and self.payment_token is None):
            raise BrokenFact(f"invoice {self.number!r}: {status} with {paid} of {total} paid")
        if not ZERO <= self.refunded <= paid:
            raise BrokenFact(f"invoice {self.number!r}: {self.refunded} of {paid} refunded")
        if self.reservations and (self.reserved > self.balance or status is Status.CANCELED):
            raise BrokenFact(f"invoice {self.number!r}: {status} with {self.reserved} of {self.balance} reserved")
        if any_held(self.reservations) and status is not Status.PENDING:
            raise BrokenFact(f"invoice {self.number!r}: {status} with a payment under review")

    def _after(self, action: Action) -> Status:
        try:
            return TABLE[action][self.status]
        except KeyError:
            raise ActionNotAllowed(action, self.status) from None

    def _rejecting(self) -> Action:
        if self.paid:
            return Action.REJECT_PARTLY_PAID
        return Action.REJECT_MAILED if self.was_mailed else Action.REJECT_NOT_MAILED

    def _check_nothing_in_flight(self, action: Action) -> None:
        if any(each.hold is not Hold.OFFERED for each in self.reservations):
            raise PaymentInFlight(action)

    def _check_left_of(self, transaction_id: str, amount: Decimal) -> None:
        left = self.left_of(transaction_id)
        if not ZERO < amount <= left:
            raise AmountAbovePayment(amount, left, self.terms.currency)

    def _reservations_beside(self, attempt_id: str | None) -> tuple[tuple[Reservation, ...], Reservation | None]:
        """Return the reservations of all other attempts, and that one's."""
        own = next((each for each in self.reservations if each.attempt_id == attempt_id), None)
        return tuple(each for each in self.reservations if each is not own), own

    def _now(self, status: Status, event: Event, new_token: str | None = None) -> Self:
        return replace(
            self, status=status, payment_token=self.payment_token or new_token, history=(*self.history, event)
        )
