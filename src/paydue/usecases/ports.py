"""
What the use cases need from outside, as Protocols owned by those who need it: the store, the clock, fresh secrets.

The store is one promise kept by every engine; `tests/storage/` holds the suite that proves it.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from paydue.domain.events import Event
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.mail_address import Suppression
from paydue.domain.merchant import Merchant
from paydue.domain.merchant_fields import FieldDefinition, ReferenceType
from paydue.domain.payments import Payment
from paydue.domain.settings import ProductType, Settings
from paydue.usecases.access_keys import AccessKey


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the present as an aware UTC datetime, to the microsecond."""
        ...

    def nanoseconds(self) -> int:
        """Return the same present as nanoseconds since 1970."""
        ...


class Secrets(Protocol):
    def payment_token(self) -> str:
        """
        Return 64 characters of `[A-Za-z0-9]`, the secret part of a payment link.

        The first eight may tell when it was made and should rise with time: links made together then lie together
        in the store, which halves the cost of keeping one. The other 56 cannot be guessed.
        """
        ...


class Channel(StrEnum):
    MAIL = "mail"
    WEBHOOK = "webhook"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing to deliver because of an event: a mail, or a notification to the merchant's subscribers.

    `topic` names the mail or the webhook event type, `recipient` the address (mails only). `facts` are the
    event's figures as they stood, so that a late delivery tells what was true then.
    """

    channel: Channel
    topic: str
    recipient: str | None = None
    facts: dict[str, str]


class Reminded(msgspec.Struct, frozen=True):
    """That a payer was reminded of a due date: kept once, so that no second run can do it again."""

    kind: str
    due: date


class Actor(msgspec.Struct, frozen=True):
    """Who asked for a change: the key (or command) and the request's correlation id, for the audit trail."""

    name: str
    correlation_id: str


class Answer(msgspec.Struct, frozen=True):
    """An answer as it was given: HTTP status and body."""

    status: int
    body: bytes


class Receipt(msgspec.Struct, frozen=True):
    """
    A caller's `Idempotency-Key`: kept with the first answer, in the transaction of the change it answered.

    `fingerprint` is the SHA-256 of method, target and body; `answer` writes the answer from what was stored.
    """

    key: str
    fingerprint: bytes
    answer: Callable[[Any], Answer]


class RecordedAnswer(msgspec.Struct, frozen=True):
    fingerprint: bytes
    answer: Answer


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything one decision changes: kept whole or refused whole.

    `before` is the invoice that was decided on (None: a new one); its version has to be the stored one. What
    `after.history` holds beyond it are the events.
    """

    before: Invoice | None
    after: Invoice
    messages: tuple[Message, ...] = ()
    payment: Payment | None = None
    reminded: Reminded | None = None
    actor: Actor
    receipt: Receipt | None = None

    @property
    def events(self) -> tuple[Event, ...]:
        known = len(self.before.history) if self.before is not None else 0
        return self.after.history[known:]


class StaleVersion(Exception):
    """The invoice was changed since it was read: read again and decide again."""


class ReceiptExists(Exception):
    """Another request with the same `Idempotency-Key` was kept first: answer what it answered."""


class AlreadyReminded(Exception):
    """The payer was reminded of that due date before."""


class InvoiceSummary(msgspec.Struct):
    """
    What a list shows of an invoice: a small read value straight from storage, which may give the same one again.

    `created_at` is ISO text in UTC. `payment_token` is there only where the link is shown. `written` belongs to whoever
    writes lists, to keep there what this one is written as; all else stays as it is.
    """

    number: str
    status: Status
    created_at: str
    due_date: str
    expiration_date: str | None
    total: str
    currency: str
    customer_name: str | None
    merchant_customer_id: str | None
    payment_token: str | None
    written: bytes = b""


class ShownInvoice(msgspec.Struct, frozen=True, gc=False):
    """
    An invoice as whoever shows it had it written down when it was kept, which spares reading and writing it anew.

    `text` is empty when nothing was, or in another shape, or for another version. `payment_token` is there where the
    link is shown.
    """

    text: str
    payment_token: str | None


class Showing(msgspec.Struct, frozen=True):
    """How an invoice is written down to be shown; `shape` changes with every change of what `write` returns."""

    shape: str
    write: Callable[[Invoice], str]


NOT_SHOWN: Final = Showing("", lambda _: "")


class Page(msgspec.Struct, frozen=True):
    """A slice of a merchant's invoices, newest first, and how many match in all."""

    total: int
    invoices: Sequence[InvoiceSummary]


class MerchantStore(Protocol):
    """The store, opened for one merchant: nothing of another merchant can be reached through it."""

    @property
    def merchant_id(self) -> str: ...

    async def merchant(self) -> Merchant:
        """Return the merchant, as it was five seconds ago at most. Raises NoSuchMerchant."""
        ...

    async def invoice(self, number: str) -> Invoice | None: ...

    async def shown(self, number: str) -> ShownInvoice | None: ...

    def turn(self, number: str) -> AbstractAsyncContextManager[Any]:
        """
        Return what lets one change of that invoice after the other be decided in this process.

        A courtesy and no guard: the version is what refuses a change that was overtaken. Without it, of many who
        change one invoice at once all but one would read and decide again, and again.
        """
        ...

    async def webhooks_for(self, event_type: str) -> Sequence[str]:
        """
        Return the ids of the subscriptions that want that event, now or when they are resumed.

        Asked for on the way to many a change: answered from memory, as it was five seconds ago at most.
        """
        ...

    async def suppression(self, address: str) -> Suppression | None:
        """
        Return whether and why no mail goes to that address.

        Asked for on the way to many a change: where the merchant has none, answered from memory, as it was five
        seconds ago at most.
        """
        ...

    async def page(self, offset: int, limit: int, status: Status | None) -> Page: ...

    async def commit(self, change: Change) -> Invoice:
        """
        Keep a change durably, whole, and return the invoice as stored: numbered, with serial and version.

        A new invoice without a number gets the merchant's next free decimal number. Raises DuplicateInvoiceNumber,
        StaleVersion, ReceiptExists, NoSuchMerchant or BrokenFact for this change alone; StoreBusy when too many wait;
        StoreUnavailable when the database failed (the outcome is then unknown).
        """
        ...

    async def recorded_answer(self, key: str) -> RecordedAnswer | None: ...

    async def settings(self, product: ProductType) -> Settings: ...

    async def logo(self, product: ProductType) -> bytes | None:
        """Return the logo's re-encoded bytes; their format is `Settings.logo_format`."""
        ...

    async def save_settings(self, product: ProductType, before: Settings, after: Settings, logo: bytes | None) -> None:
        """Keep settings decided on `before`. `logo` replaces the stored one unless both formats say there is none or
        it is None and the format is unchanged. Raises StaleVersion."""
        ...

    async def field_definitions(self, reference_type: ReferenceType) -> Sequence[FieldDefinition]: ...

    async def add_field_definition(
        self, reference_type: ReferenceType, definition: FieldDefinition, limit: int, receipt: Receipt | None
    ) -> FieldDefinition:
        """Keep a new definition and return it with its id. Raises MerchantFieldIndexTaken, TooManyMerchantFields."""
        ...

    async def replace_field_definition(self, reference_type: ReferenceType, definition: FieldDefinition) -> None:
        """Raises MerchantFieldChanged when it is not there, MerchantFieldIndexTaken."""
        ...

    async def delete_field_definition(self, reference_type: ReferenceType, definition_id: int) -> None:
        """Raises NoSuchMerchantField."""
        ...


class Finding(msgspec.Struct, frozen=True):
    """One thing that does not agree: which rule, where, and what was found."""

    rule: str
    place: str
    found: str


class Store(Protocol):
    """One installation's data."""

    def of(self, merchant_id: str) -> MerchantStore: ...

    async def find_by_payment_token(self, token: str) -> tuple[str, Invoice] | None:
        """Return the merchant id and the invoice that a payment link opens."""
        ...

    async def add_merchant(self, merchant: Merchant) -> None:
        """Raises MerchantExists."""
        ...

    async def merchants(self) -> Sequence[Merchant]: ...

    async def add_key(self, key: AccessKey, at: datetime) -> None:
        """Raises NoSuchMerchant when a covered merchant is unknown, KeyExists."""
        ...

    async def keys(self, merchant_id: str) -> Sequence[AccessKey]: ...

    async def find(self, key_id: str) -> AccessKey | None: ...

    async def find_certificate(self, sha256_of_der: bytes) -> AccessKey | None: ...

    async def revoke_key(self, key_id: str, at: datetime) -> bool: ...

    async def forget_answers(self, before: datetime) -> int:
        """Drop recorded answers older than that; return how many."""
        ...

    def verify(self) -> AsyncIterator[Finding]:
        """Go through everything kept and yield what does not agree: balances, statuses, counters, blocks, numbers,
        history, payments, links, outbox."""
        ...

    async def is_ready(self) -> bool: ...

    async def close(self) -> None:
        """Finish what was accepted, then let go of the database."""
        ...


class MerchantExists(Exception):
    """A merchant of that id is there already."""


class NoSuchMerchant(Exception):
    """No merchant of that id is known."""


class KeyExists(Exception):
    """A key of that id, or that certificate, is registered already."""
