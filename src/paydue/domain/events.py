"""What can happen to an invoice. The same records are its history, the audit trail, and the cause of every message."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class What(StrEnum):
    """The kinds of events; the values are the words of the API's invoice history."""

    INVOICE_DRAFTED = "DRAFT"
    INVOICE_CREATED = "CREATE"
    INVOICE_UPDATED = "UPDATE"
    INVOICE_SENT = "SEND"
    INVOICE_RESENT = "RESEND"
    PAYER_REMINDED = "REMINDER"
    PAYMENT_RECEIVED = "PAYMENT"
    INVOICE_CANCELED = "CANCEL"
    PAYMENT_HELD = "PENDING"
    PAYMENT_REJECTED = "REJECTED"
    # The API has no words for these; `wire/` writes the one it keeps for what it does not name.
    LINK_RENEWED = "LINK"
    PAYMENT_REFUNDED = "REFUND"
    PAYMENT_REVERSED = "REVERSAL"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that happened to an invoice. Payments carry their transaction and amount."""

    what: What
    at: datetime
    transaction_id: str | None = None
    amount: Decimal | None = None
