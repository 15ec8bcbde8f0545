"""
Domain value <-> table row: the one place where the shape of an invoice meets the shape of a table.

Serves every engine. Money is exact text, times are ISO text in UTC to the microsecond (so that they sort), documents
are JSON. Facts are asserted before writing and after reading.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from paydue.domain.errors import BrokenFact
from paydue.domain.events import Event, What
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import WITH_PAYMENT_LINK, Status
from paydue.domain.merchant import Merchant
from paydue.domain.merchant_fields import FieldDefinition
from paydue.domain.money import ZERO
from paydue.domain.payments import Payment
from paydue.domain.reservations import Reservation
from paydue.domain.settings import Settings
from paydue.domain.terms import Terms
from paydue.storage.message_ids import MessageIds
from paydue.storage.vault import Place, Vault
from paydue.usecases.access_keys import AccessKey, KeyKind, Secret
from paydue.usecases.ports import Actor, InvoiceSummary, Message, Showing, ShownInvoice

# A row as a database driver takes and gives it. Members of a StrEnum are text; asking for their value costs more.
Row = tuple[Any, ...]

_encode: Final = msgspec.json.Encoder().encode
_read_terms: Final = msgspec.json.Decoder(Terms).decode
_read_history: Final = msgspec.json.Decoder(tuple[Event, ...]).decode
_read_reservations: Final = msgspec.json.Decoder(tuple[Reservation, ...]).decode
_read_event_data: Final = msgspec.json.Decoder(dict[str, str]).decode
_read_merchant: Final = msgspec.json.Decoder(Merchant).decode
_read_settings: Final = msgspec.json.Decoder(Settings).decode
_read_definition: Final = msgspec.json.Decoder(FieldDefinition).decode
_read_merchant_ids: Final = msgspec.json.Decoder(tuple[str, ...]).decode

_STATUSES: Final = {status.value: status for status in Status}
_STATUSES_WITH_LINK: Final = frozenset(status.value for status in WITH_PAYMENT_LINK)

# How much of a payment token is kept readable in front of its digest: room for the time it was made.
TOKEN_START: Final = 8


def time_text(at: datetime) -> str:
    """Return the time as text that sorts: 2026-11-21T21:46:15.123456Z. Raises BrokenFact unless it is aware."""
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise BrokenFact(f"{at} has no time zone")
        at = at.astimezone(UTC)
    # msgspec writes it at a fifth of the cost of isoformat, but leaves out a fraction of zero.
    text = _encode(at)[1:-1].decode()
    return text if at.microsecond else f"{text[:-1]}.000000Z"


read_time: Final[Callable[[str], datetime]] = datetime.fromisoformat


# Invoices


def write_invoice(merchant_id: str, invoice: Invoice, vault: Vault, showing: Showing) -> Row:
    """Return the values of `INVOICE_COLUMNS` of a numbered invoice. Raises BrokenFact when its facts do not hold."""
    invoice.assert_facts()
    token = invoice.payment_token
    return (
        *_repeated(merchant_id, invoice),
        vault.encrypt(token, _token_place(merchant_id, invoice.serial)) if token is not None else None,
        _encode(invoice.terms).decode(),
        _encode(invoice.history).decode(),
        _shown_for(invoice.version, showing) + showing.write(invoice),
    )


def repeated_columns(merchant_id: str, invoice: Invoice) -> dict[str, Any]:
    """Return by name what the columns of a row repeat of the invoice's documents, or hold instead of them."""
    return dict(zip(INVOICE_COLUMNS, _repeated(merchant_id, invoice), strict=False))


def _repeated(merchant_id: str, invoice: Invoice) -> Row:
    terms = invoice.terms
    customer = terms.customer
    expires = terms.expiration_date
    return (
        merchant_id,
        invoice.serial,
        invoice.number,
        invoice.version,
        invoice.status,
        time_text(invoice.created_at),
        terms.due_date.isoformat(),
        expires.isoformat() if expires is not None else None,
        terms.currency,
        str(terms.total),
        str(invoice.paid),
        customer.name if customer is not None else None,
        customer.merchant_customer_id if customer is not None else None,
        # Hardly any invoice has these; NULL costs nothing.
        str(invoice.refunded) if invoice.refunded else None,
        _encode(invoice.reservations).decode() if invoice.reservations else None,
    )


INVOICE_COLUMNS: Final = (
    "merchant_id",
    "serial",
    "number",
    "version",
    "status",
    "created_at",
    "due_date",
    "expiration_date",
    "currency",
    "total",
    "paid",
    "customer_name",
    "merchant_customer_id",
    "refunded",
    "reservations",
    "payment_token",
    "document",
    "history",
    "shown",
)

# What `read_invoice` and `read_summaries` take, in their order.
READ_COLUMNS: Final = (
    "number", "serial", "version", "status", "created_at", "paid", "refunded", "reservations", "payment_token",
    "document", "history"
)  # fmt: skip
SHOWN_COLUMNS: Final = ("serial", "version", "status", "payment_token", "shown")
SUMMARY_COLUMNS: Final = (
    "serial", "number", "status", "created_at", "due_date", "expiration_date", "total", "currency", "customer_name",
    "merchant_customer_id", "payment_token"
)  # fmt: skip


def read_invoice(merchant_id: str, row: Row, vault: Vault) -> Invoice:
    """Return the invoice of a row of `READ_COLUMNS`. Raises BrokenFact when its facts do not hold."""
    number, serial, version, status, created_at, paid, refunded, reservations, token, document, history = row
    invoice = Invoice(
        number=number,
        serial=serial,
        version=version,
        status=_STATUSES[status],
        created_at=read_time(created_at),
        terms=_read_terms(document),
        paid=Decimal(paid),
        refunded=Decimal(refunded) if refunded is not None else ZERO,
        reservations=_read_reservations(reservations) if reservations is not None else (),
        payment_token=vault.decrypt(token, _token_place(merchant_id, serial)) if token is not None else None,
        history=_read_history(history),
    )
    invoice.assert_facts()
    return invoice


def read_shown(merchant_id: str, row: Row, vault: Vault, showing: Showing) -> ShownInvoice:
    """Return what was written to show the invoice of a row of `SHOWN_COLUMNS`; nothing of its document is opened."""
    serial, version, status, token, shown = row
    start = _shown_for(version, showing)
    return ShownInvoice(
        shown[len(start) :] if shown is not None and shown.startswith(start) else "",
        vault.decrypt(token, _token_place(merchant_id, serial))
        if status in _STATUSES_WITH_LINK and token is not None
        else None,
    )


def _shown_for(version: int, showing: Showing) -> str:
    """Return what such a text begins with: a release that knows nothing of it may have changed the invoice since."""
    return f"{showing.shape}.{version} "


def read_summaries(merchant_id: str, found: Iterable[Row], vault: Vault) -> list[InvoiceSummary]:
    """Return what a list shows, from rows of `SUMMARY_COLUMNS`; no document is opened."""
    # A list of a thousand is read on the event loop, so what can be said once is said once.
    decrypt, statuses, with_link = vault.decrypt, _STATUSES, _STATUSES_WITH_LINK
    return [
        InvoiceSummary(
            number,
            statuses[status],
            created_at,
            due_date,
            expires,
            total,
            currency,
            name,
            customer_id,
            decrypt(token, _token_place(merchant_id, serial)) if status in with_link and token is not None else None,
        )
        for serial, number, status, created_at, due_date, expires, total, currency, name, customer_id, token in found
    ]


def _token_place(merchant_id: str, serial: int) -> Place:
    return "invoices", "payment_token", serial, merchant_id


# What belongs to an invoice


def write_event(merchant_id: str, serial: int, position: int, event: Event, actor: Actor) -> Row:
    """Return the row of an invoice's event: the audit trail's copy of what the history says."""
    return (
        merchant_id,
        serial,
        position,
        event.what,
        time_text(event.at),
        actor.name,
        actor.correlation_id,
        event_data(event),
    )


def event_data(event: Event) -> str | None:
    """Return what an event says beyond its kind and time, as JSON, or None."""
    if event.transaction_id is None and event.amount is None:
        return None
    return _encode({"transaction_id": event.transaction_id, "amount": event.amount}).decode()


def amounts_of(events: Iterable[Row], what: What) -> Decimal:
    """Return the sum over events of that kind, from rows of position, what, at, data. Raises ValueError."""
    found = (_read_event_data(data or "{}").get("amount", "0") for _, kind, _, data in events if kind == what.value)
    return sum((Decimal(amount) for amount in found), ZERO)


def write_payment(merchant_id: str, serial: int, position: int, payment: Payment, currency: str) -> Row:
    """Return the row of a payment; `position` is that of its event."""
    return (
        merchant_id,
        serial,
        position,
        str(payment.amount),
        currency,
        payment.method,
        payment.reference,
        time_text(payment.paid_at),
    )


class EventPlace(NamedTuple):
    """An invoice and one of its events, and the first part of the event's messages that is free."""

    merchant_id: str
    serial: int
    number: str
    position: int
    part: int = 0


# What `read_payment` takes, in order.
PAYMENT_COLUMNS: Final = ("amount", "method", "reference", "paid_at")


def read_payment(row: Row) -> Payment:
    """Return the payment of a row of `PAYMENT_COLUMNS`."""
    amount, method, reference, paid_at = row
    return Payment(amount=Decimal(amount), method=method, reference=reference, paid_at=read_time(paid_at))


def write_messages(event: EventPlace, messages: Sequence[Message], at: datetime, ids: MessageIds) -> list[Row]:
    """Return the outbox rows of an event's messages, due at once."""
    due_at = time_text(at)
    facts, facts_text = None, ""
    written: list[Row] = []
    for part, (message, message_id) in enumerate(zip(messages, ids.fresh(at, len(messages)), strict=True), event.part):
        if message.facts is not facts:
            facts, facts_text = message.facts, _encode(message.facts).decode()
        written.append(
            (
                event.merchant_id,
                event.serial,
                event.position,
                part,
                message_id,
                event.number,
                message.channel,
                message.topic,
                message.recipient,
                facts_text,
                due_at,
            )
        )
    return written


def link_key(payment_token: str) -> tuple[str, bytes]:
    """
    Return what a payment token is looked up by: its readable start, and the SHA-256 digest of all of it.

    The start keeps links that were made together on the same few pages of the index; digests alone are scattered,
    and each would cost a page of its own in every commit. The rest of the token is what cannot be guessed.
    """
    return payment_token[:TOKEN_START], hashlib.sha256(payment_token.encode(errors="surrogatepass")).digest()


# Merchants, settings, field definitions


def write_document(value: Merchant | Settings | FieldDefinition) -> str:
    """Return the value as JSON."""
    return _encode(value).decode()


def read_merchant(document: str) -> Merchant:
    return _read_merchant(document)


def read_settings(document: str, version: int) -> Settings:
    return msgspec.structs.replace(_read_settings(document), version=version)


def read_definition(document: str, definition_id: int) -> FieldDefinition:
    return msgspec.structs.replace(_read_definition(document), definition_id=definition_id)


# Keys

KEY_COLUMNS: Final = (
    "key_id", "merchant_id", "kind", "secret", "certificate", "portfolio_id", "merchants", "revoked_at"
)  # fmt: skip


def write_key(key: AccessKey, created_at: datetime, vault: Vault) -> Row:
    """Return a key's row; the secret is encrypted, the certificate is looked up by its digest."""
    secret, certificate = key.secret, key.certificate_der
    return (
        key.key_id,
        key.merchant_id,
        key.kind.value,
        vault.encrypt(secret.reveal(), _secret_place(key.key_id, key.merchant_id)) if secret is not None else None,
        certificate,
        hashlib.sha256(certificate).digest() if certificate is not None else None,
        key.portfolio_id,
        _encode(key.merchants).decode(),
        time_text(created_at),
        time_text(created_at) if key.is_revoked else None,
    )


def read_key(row: Row, vault: Vault) -> AccessKey:
    """Return the key of a row of `KEY_COLUMNS`."""
    key_id, merchant_id, kind, secret, certificate, portfolio_id, merchants, revoked_at = row
    return AccessKey(
        key_id=key_id,
        merchant_id=merchant_id,
        kind=KeyKind(kind),
        secret=Secret(vault.decrypt(secret, _secret_place(key_id, merchant_id))) if secret is not None else None,
        certificate_der=certificate,
        portfolio_id=portfolio_id,
        merchants=_read_merchant_ids(merchants),
        is_revoked=revoked_at is not None,
    )


def _secret_place(key_id: str, merchant_id: str) -> Place:
    return "access_keys", "secret", key_id, merchant_id
