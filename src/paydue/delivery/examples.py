"""
Made-up notifications for trying a receiver: what it will get when the event really happens, about an invoice that is
none.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from paydue.delivery.mail_facts import MailFacts, MailKind
from paydue.delivery.mail_writer import KIND_OF_EVENT
from paydue.delivery.preview import preview_facts
from paydue.delivery.slots import slots_of
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.money import ZERO, shortest
from paydue.usecases.webhook_ports import InvoiceExample

_LANGUAGE: Final = "en-US"
# Numbers that are generated are digits alone: nothing that a receiver keeps is mistaken for this.
_NUMBER: Final = "TEST-98769"
_MADE_BEFORE: Final = timedelta(days=20)


def invoice_example(event_type: str, at: datetime) -> InvoiceExample:
    """Return what a notification of that event might say, and the invoice as it would be then."""
    facts = replace(
        preview_facts(KIND_OF_EVENT.get(event_type, MailKind.PAID), _LANGUAGE), number=_NUMBER, event_type=event_type
    )
    invoice = Invoice.draft(facts.terms, at - _MADE_BEFORE, _NUMBER)
    return InvoiceExample(
        slots=slots_of(facts).payload(),
        invoice=replace(invoice, status=_status(facts), paid=shortest(facts.total - facts.balance)),
    )


def _status(facts: MailFacts) -> Status:
    if facts.kind is MailKind.CANCEL:
        return Status.CANCELED
    if facts.balance <= ZERO:
        return Status.PAID
    return Status.PARTIAL if facts.balance < facts.total else Status.SENT
