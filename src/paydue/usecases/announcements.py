"""
What is told to whom when something happens: one table from events to mails and webhook notifications.

Who listens is asked before the decision is kept, so that a message has its recipient from the beginning: one row in
the outbox for each. The store answers from memory where nobody listens, and creating an invoice stays as cheap.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from paydue.domain.events import Event, What
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.payments import Payment
from paydue.domain.settings import ProductType
from paydue.usecases.ports import Channel, MerchantStore, Message, Reminded

# (event, status afterwards) -> (mail to the payer, webhook event type). None: nothing of that kind is sent.
ANNOUNCEMENTS: Final[dict[tuple[What, Status], tuple[str | None, str | None]]] = {
    (What.INVOICE_SENT, Status.SENT): ("invoice", "invoicing.customer.invoice.send"),
    (What.INVOICE_RESENT, Status.SENT): ("resend", "invoicing.customer.invoice.send"),
    (What.INVOICE_RESENT, Status.PARTIAL): ("partial-resend", "invoicing.customer.invoice.partial-resend"),
    (What.PAYMENT_RECEIVED, Status.PARTIAL): ("partial-payment", "invoicing.customer.invoice.partial-payment"),
    # Another payment is under review meanwhile.
    (What.PAYMENT_RECEIVED, Status.PENDING): ("partial-payment", "invoicing.customer.invoice.partial-payment"),
    (What.PAYMENT_RECEIVED, Status.PAID): ("paid", "invoicing.customer.invoice.paid"),
    (What.INVOICE_CANCELED, Status.CANCELED): ("cancel", "invoicing.customer.invoice.cancel"),
    # Asked for by the payer: nothing that a subscriber has a word for.
    (What.LINK_RENEWED, Status.CREATED): ("fresh-link", None),
    (What.LINK_RENEWED, Status.SENT): ("fresh-link", None),
    (What.LINK_RENEWED, Status.PARTIAL): ("fresh-link", None),
}

# What a reminder's mail and event are called, by its kind; the status says nothing about it.
REMINDERS: Final[dict[str, tuple[str, str]]] = {
    "reminder": ("reminder", "invoicing.customer.invoice.reminder"),
    "overdue-reminder": ("overdue-reminder", "invoicing.customer.invoice.overdue-reminder"),
}

# The merchant's copy of an event, for subscriptions that ask for it.
MERCHANT_EVENTS: Final[dict[str, str]] = {
    "invoicing.customer.invoice.send": "invoicing.merchant.invoice.send",
    "invoicing.customer.invoice.paid": "invoicing.merchant.invoice.paid",
    "invoicing.customer.invoice.partial-payment": "invoicing.merchant.invoice.partial-paid",
    "invoicing.customer.invoice.cancel": "invoicing.merchant.invoice.cancel",
}

TO_THE_MERCHANT: Final = "payment-received"


class Audience(msgspec.Struct, frozen=True):
    """
    Who hears of an event besides the payer: subscriptions by the event types they want, and the merchant's address.

    `merchant_email` is there when the merchant wants to be written to about payments.
    """

    subscriptions: Mapping[str, Sequence[str]] = {}
    merchant_email: str | None = None


_NOBODY: Final = Audience()


async def owed(
    store: MerchantStore,
    before: Invoice | None,
    after: Invoice,
    *,
    payment: Payment | None = None,
    reminded: Reminded | None = None,
) -> tuple[Message, ...]:
    """Return the messages owed for what turned `before` into `after`, to those who listen now."""
    event, topics = _announced(before, after, reminded)
    if event is None or topics is None:
        return ()
    subscriptions = {}
    for event_type in _event_types(topics[1]):
        if listening := await store.webhooks_for(event_type):
            subscriptions[event_type] = listening
    email = await _merchant_email(store) if event.what is What.PAYMENT_RECEIVED else None
    return announcements(before, after, Audience(subscriptions, email), payment=payment, reminded=reminded)


def announcements(
    before: Invoice | None,
    after: Invoice,
    audience: Audience = _NOBODY,
    *,
    payment: Payment | None = None,
    reminded: Reminded | None = None,
) -> tuple[Message, ...]:
    """
    Return the messages owed for what turned `before` into `after`.

    A cancelation is mailed only to a payer who has been written to about this invoice before.
    """
    event, topics = _announced(before, after, reminded)
    if event is None or topics is None:
        return ()
    mail, webhook = topics
    facts = facts_of(after, event, payment)
    messages: list[Message] = []
    recipient = after.terms.email
    wanted = event.what is not What.INVOICE_CANCELED or after.was_mailed
    if mail is not None and recipient is not None and wanted:
        messages.append(Message(channel=Channel.MAIL, topic=mail, recipient=recipient, facts=facts))
    if event.what is What.PAYMENT_RECEIVED and audience.merchant_email is not None:
        messages.append(
            Message(channel=Channel.MAIL, topic=TO_THE_MERCHANT, recipient=audience.merchant_email, facts=facts)
        )
    messages += [
        Message(channel=Channel.WEBHOOK, topic=event_type, recipient=webhook_id, facts=facts)
        for event_type in _event_types(webhook)
        for webhook_id in audience.subscriptions.get(event_type, ())
    ]
    return tuple(messages)


def _event_types(customer_event: str | None) -> list[str]:
    """Return the event types that tell of it: the customer's, and the merchant's copy where there is one."""
    if customer_event is None:
        return []
    copy = MERCHANT_EVENTS.get(customer_event)
    return [customer_event] if copy is None else [customer_event, copy]


def _announced(
    before: Invoice | None, after: Invoice, reminded: Reminded | None
) -> tuple[Event | None, tuple[str | None, str | None] | None]:
    """Return what happened last, if anything did, and what is told about it. One change is one announcement."""
    if before is not None and len(after.history) == len(before.history):
        return None, None
    event = after.history[-1]
    if event.what is What.PAYER_REMINDED and reminded is not None:
        return event, REMINDERS[reminded.kind]
    return event, ANNOUNCEMENTS.get((event.what, after.status))


async def _merchant_email(store: MerchantStore) -> str | None:
    settings = await store.settings(ProductType.INVOICING)
    if not settings.notifies_merchant:
        return None
    return settings.merchant_email or (await store.merchant()).email


def facts_of(invoice: Invoice, event: Event, payment: Payment | None) -> dict[str, str]:
    terms = invoice.terms
    facts = {
        "status": invoice.status.value,
        "currency": terms.currency,
        "total": str(terms.total),
        "balance": str(invoice.balance),
        "due_date": terms.due_date.isoformat(),
    }
    if event.amount is not None:
        facts["amount"] = str(event.amount)
    if event.transaction_id is not None:
        facts["transaction_id"] = event.transaction_id
    if payment is not None:
        facts["method"] = payment.method
    return facts
