"""What is told to whom when something happens: one table from events to mails and webhook notifications."""

from typing import Final

from paydue.domain.events import Event, What
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.usecases.ports import Channel, Message

# (event, status afterwards) -> (mail to the payer, webhook event type). None: nothing of that kind is sent.
ANNOUNCEMENTS: Final[dict[tuple[What, Status], tuple[str | None, str]]] = {
    (What.INVOICE_SENT, Status.SENT): ("invoice", "invoicing.customer.invoice.send"),
    (What.INVOICE_RESENT, Status.SENT): ("resend", "invoicing.customer.invoice.send"),
    (What.INVOICE_RESENT, Status.PARTIAL): ("partial-resend", "invoicing.customer.invoice.partial-resend"),
    (What.PAYMENT_RECEIVED, Status.PARTIAL): ("partial-payment", "invoicing.customer.invoice.partial-payment"),
    (What.PAYMENT_RECEIVED, Status.PAID): ("paid", "invoicing.customer.invoice.paid"),
    (What.INVOICE_CANCELED, Status.CANCELED): ("cancel", "invoicing.customer.invoice.cancel"),
}


def announcements(before: Invoice | None, after: Invoice) -> tuple[Message, ...]:
    """
    Return the messages owed for what turned `before` into `after`.

    A cancelation is mailed only to a payer who has been written to about this invoice before.
    """
    known = len(before.history) if before is not None else 0
    messages: list[Message] = []
    for event in after.history[known:]:
        owed = ANNOUNCEMENTS.get((event.what, after.status))
        if owed is None:
            continue
        mail, webhook = owed
        facts = _facts(after, event)
        recipient = after.terms.email
        wanted = event.what is not What.INVOICE_CANCELED or after.was_mailed
        if mail is not None and recipient is not None and wanted:
            messages.append(Message(channel=Channel.MAIL, topic=mail, recipient=recipient, facts=facts))
        messages.append(Message(channel=Channel.WEBHOOK, topic=webhook, facts=facts))
    return tuple(messages)


def _facts(invoice: Invoice, event: Event) -> dict[str, str]:
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
    return facts
