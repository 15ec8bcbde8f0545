"""
What paying needs of the store, beside the invoices: attempts, unapplied money, and which attempts to look at.

One change of an attempt may carry the change of its invoice: both are kept in one transaction or neither is.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from paydue.domain.attempts import PaymentAttempt
from paydue.domain.invoice import Invoice
from paydue.domain.payments import Payment
from paydue.domain.unapplied import UnappliedMoney
from paydue.usecases.ports import Change, Message


class AttemptChange(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything one decision about an attempt changes: kept whole or refused whole.

    `before` is the attempt that was decided on (None: a new one); its version has to be the stored one. So has the
    version of `invoice.before`. `messages` belong to the invoice's last event and are given only where `invoice` is
    None, which brings its own. `event_id` is the processor's notification that caused it.
    """

    before: PaymentAttempt | None
    after: PaymentAttempt
    invoice: Change | None = None
    unapplied: UnappliedMoney | None = None
    messages: tuple[Message, ...] = ()
    event_id: str | None = None


class Kept(msgspec.Struct, frozen=True):
    """An attempt as stored, and its invoice where that was changed with it."""

    attempt: PaymentAttempt
    invoice: Invoice | None


class AttemptExists(Exception):
    """The invoice has an attempt with that payer key already: the same form was sent twice."""


class TransactionTaken(Exception):
    """That transaction of that gateway is kept already, with another attempt."""


class NotificationSeen(Exception):
    """That notification was taken in before."""


class Attempts(Protocol):
    """One merchant's attempts: nothing of another merchant can be reached through it."""

    @property
    def merchant_id(self) -> str: ...

    async def attempt(self, attempt_id: str) -> PaymentAttempt | None: ...

    async def attempt_by_payer_key(self, number: str, payer_key: str) -> PaymentAttempt | None: ...

    async def attempt_by_reference(self, gateway: str, reference: str) -> PaymentAttempt | None: ...

    async def attempt_by_session(self, gateway: str, session: str) -> PaymentAttempt | None: ...

    async def attempt_by_transaction(self, number: str, transaction_id: str) -> PaymentAttempt | None:
        """Return the attempt at that invoice whose own transaction it is; that of unapplied money is not."""
        ...

    async def attempts_of(self, number: str, limit: int = 100) -> Sequence[PaymentAttempt]:
        """Return an invoice's attempts, newest first."""
        ...

    async def attempts_with_money(self, number: str) -> Sequence[PaymentAttempt]:
        """Return an invoice's attempts that are settled or held, newest first: no more than it has payments."""
        ...

    async def payments_of(self, number: str) -> Sequence[Payment]:
        """Return the money received for an invoice, recorded or charged, oldest first, as in its history."""
        ...

    async def keep(self, change: AttemptChange) -> Kept:
        """
        Keep a change durably, whole, and return what was stored, with raised versions.

        `attempt.assert_facts` and `invoice.assert_facts` are asserted first. Unique are, per merchant: attempt id;
        number and payer key; gateway and reference; gateway and event id. A transaction of a gateway belongs to one
        attempt, be it as what that was charged with or as unapplied money. Unapplied money takes the place of what
        was known of the same transaction, so that it can be resolved.

        Raises AttemptExists, TransactionTaken, NotificationSeen, StaleVersion (of either), BrokenFact, StoreBusy,
        StoreUnavailable (the outcome is then unknown).
        """
        ...

    async def unapplied(self, transaction_id: str, gateway: str) -> UnappliedMoney | None: ...

    async def unapplied_money(self, *, resolved: bool, limit: int = 100) -> Sequence[UnappliedMoney]:
        """Return money that no invoice holds, newest first."""
        ...


class AttemptsToLookAt(Protocol):
    """Attempts of all merchants by their `next_look_at`; needs an index on it."""

    async def due(self, at: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return merchant id and attempt id of attempts whose `next_look_at` is not after `at`, oldest first."""
        ...

    async def unfinished(self, after: tuple[str, str] | None, limit: int) -> Sequence[tuple[str, str]]:
        """Return, in the order of merchant id and attempt id, all that have a `next_look_at`: for the start-up."""
        ...

    async def next_look(self) -> datetime | None: ...

    async def forget_notifications(self, before: datetime, limit: int) -> int:
        """Drop up to `limit` ids of notifications taken in before that time, and return how many."""
        ...
