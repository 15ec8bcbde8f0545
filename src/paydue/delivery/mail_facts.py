"""What a mail is about: everything that is known when an event happened, and nothing that is asked later."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.domain.money import ZERO
from paydue.domain.settings import Settings
from paydue.domain.terms import Terms


class MailKind(StrEnum):
    """The mails there are; the values are the topics of messages and the folders of templates."""

    INVOICE = "invoice"
    RESEND = "resend"
    PARTIAL_RESEND = "partial-resend"
    REMINDER = "reminder"
    OVERDUE_REMINDER = "overdue-reminder"
    PARTIAL_PAYMENT = "partial-payment"
    PAID = "paid"
    CANCEL = "cancel"
    IN_REVIEW = "in-review"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REFUND = "refund"
    FRESH_LINK = "fresh-link"
    PAYMENT_RECEIVED = "payment-received"
    NEEDS_ATTENTION = "needs-attention"
    RECEIVER_SUSPENDED = "receiver-suspended"
    RECEIVER_INACTIVE = "receiver-inactive"
    MAIL_LIMIT = "mail-limit"


# About no invoice: see `notices.py`.
NOTICES: Final = frozenset({MailKind.RECEIVER_SUSPENDED, MailKind.RECEIVER_INACTIVE, MailKind.MAIL_LIMIT})
TO_THE_MERCHANT: Final = NOTICES | {MailKind.PAYMENT_RECEIVED, MailKind.NEEDS_ATTENTION}
REMINDERS: Final = frozenset({MailKind.REMINDER, MailKind.OVERDUE_REMINDER})

WITH_CUSTOM_MESSAGE: Final = frozenset(
    {
        MailKind.INVOICE,
        MailKind.RESEND,
        MailKind.PARTIAL_RESEND,
        MailKind.REMINDER,
        MailKind.OVERDUE_REMINDER,
    }
)


class Trouble(StrEnum):
    """What a merchant has to look after; where paying brings it about, in the words of `payment_announcements.py`."""

    PAYMENT_HELD = "payment held"
    OUTCOME_UNKNOWN = "outcome unknown"
    MONEY_UNAPPLIED = "money unapplied"
    NOT_FOUND_AT_GATEWAY = "not found at the gateway"
    REFUND_FAILED = "refund failed"
    MAIL_BOUNCED = "mail bounced"
    PAYMENT_DISPUTED = "payment disputed"
    GATEWAY_DOWN = "gateway down"


class MailFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    One mail's facts. Amounts are as they stood at the event, in `currency`; `terms` may be newer.

    `today` is the merchant's day of writing: it rules whether something is due or was due. `amount` is the money
    that the event moved, `method` how ("bank transfer", "Visa"), `card_ending` the last digits of a card; nothing
    moved when it `is_test`. A mail to the payer leads to `payment_url`, one to the merchant to `console_url`; empty:
    there is no link.
    """

    kind: MailKind
    language: str
    merchant: Merchant
    settings: Settings
    number: str
    terms: Terms
    currency: str
    total: Decimal
    balance: Decimal
    due_date: date
    today: date
    recipient: str = ""
    event_type: str = ""
    payment_url: str = ""
    receipt_url: str = ""
    console_url: str = ""
    stop_reminders_url: str = ""
    amount: Decimal = ZERO
    transaction_id: str = ""
    method: str = ""
    card_ending: str = ""
    is_test: bool = False
    trouble: Trouble | None = None

    @property
    def paid(self) -> Decimal:
        return self.total - self.balance

    @property
    def days_until_due(self) -> int:
        """Days from today to the due date; negative when it is past."""
        return (self.due_date - self.today).days

    @property
    def is_overdue(self) -> bool:
        return self.due_date < self.today

    @property
    def url(self) -> str:
        """Where the button leads."""
        return self.console_url if self.kind in TO_THE_MERCHANT else self.payment_url


def facts_of(
    kind: MailKind,
    invoice: Invoice,
    as_announced: Mapping[str, str],
    merchant: Merchant,
    settings: Settings,
    *,
    today: date,
    recipient: str = "",
    event_type: str = "",
    payment_url: str = "",
) -> MailFacts:
    """
    Return the facts of a mail about `invoice`, its amounts and due date as they were announced.

    `as_announced` are the facts of the message in the outbox. What else is known of an event (how it was paid, where
    the receipt is) is laid over with `msgspec.structs.replace`.
    """
    return MailFacts(
        kind=kind,
        language=settings.delivery_language,
        merchant=merchant,
        settings=settings,
        number=invoice.number,
        terms=invoice.terms,
        currency=as_announced["currency"],
        total=Decimal(as_announced["total"]),
        balance=Decimal(as_announced["balance"]),
        due_date=date.fromisoformat(as_announced["due_date"]),
        today=today,
        recipient=recipient,
        event_type=event_type,
        payment_url=payment_url,
        amount=Decimal(as_announced.get("amount", "0")),
        transaction_id=as_announced.get("transaction_id", ""),
    )
