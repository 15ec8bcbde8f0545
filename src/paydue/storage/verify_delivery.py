"""
Does what is to be delivered agree with what happened? The rules about messages, reminders and subscriptions.

Apart from `verify.py`, which walks the invoices and asks here about each.
"""

from collections import Counter
from collections.abc import AsyncIterator, Container, Iterator, Sequence
from typing import Final

import msgspec

from paydue.domain.errors import BrokenFact
from paydue.domain.events import What
from paydue.domain.invoice import Invoice
from paydue.storage.ledger import Ledger
from paydue.storage.rows import Row
from paydue.storage.vault import Vault
from paydue.storage.webhook_rows import read_subscription, read_webhook_key
from paydue.usecases.announcements import TO_THE_MERCHANT
from paydue.usecases.delivery_ports import JobState
from paydue.usecases.ports import Channel, Finding

_SENDING: Final = frozenset({What.INVOICE_SENT, What.INVOICE_RESENT})
_ALWAYS_MAILED: Final = _SENDING | {What.PAYER_REMINDED, What.LINK_RENEWED}
_STATES: Final = frozenset(state.value for state in JobState)


async def findings(ledger: Ledger, vault: Vault) -> AsyncIterator[Finding]:
    """Yield what does not agree in subscriptions and webhook keys, and message ids that are there twice."""
    for merchant_id, *columns, webhook_id, status in await ledger.subscriptions():
        place = f"{merchant_id}, {webhook_id}"
        try:
            subscription = read_subscription(tuple(columns))
        except (ValueError, msgspec.MsgspecError) as error:
            yield Finding("subscription", place, f"cannot be read: {error!r}")
            continue
        if (subscription.webhook_id, subscription.status.value) != (webhook_id, status):
            said = f"{subscription.status.value} {subscription.webhook_id}"
            yield Finding("subscription", place, f"kept as {status} {webhook_id}, the document says {said}")
    for row in await ledger.webhook_keys():
        try:
            read_webhook_key(row, vault)
        except (BrokenFact, ValueError) as error:
            yield Finding("key", f"{row[0]}, webhook key {row[1]}", str(error))
    for merchant_id, message_id, count in await ledger.repeated_messages():
        yield Finding("outbox", merchant_id, f"{count} messages have the id {message_id.hex()}")


def disagreements(
    invoice: Invoice, messages: Sequence[Row], reminders: int, webhook_ids: Container[str]
) -> Iterator[tuple[str, str]]:
    """
    Yield, as rule and finding, what does not agree between an invoice's history and what is to be delivered for it.

    `messages` are rows of position, part, channel, topic, recipient, state, lease, in order.
    """
    mailed = {
        position
        for position, _, channel, topic, *_ in messages
        if channel == Channel.MAIL.value and topic != TO_THE_MERCHANT
    }
    for position, event in enumerate(invoice.history):
        if position not in mailed and _owes_mail(invoice, position):
            yield "outbox", f"no mail tells the payer of event {position}, {event.what}"
    reminded = sum(event.what is What.PAYER_REMINDED for event in invoice.history)
    if reminded != reminders:
        yield "reminder", f"{reminded} in the history, {reminders} kept"
    parts: Counter[int] = Counter()
    for position, part, channel, _, recipient, state, lease in messages:
        place = f"part {part} of event {position}"
        if position >= len(invoice.history):
            yield "outbox", f"a {channel} message belongs to event {position}, which is not there"
        if part != parts[position]:
            yield "outbox", f"part {parts[position]} of event {position} is missing before {part}"
        parts[position] = part + 1
        # The release that knew no subscriptions told nobody.
        if channel == Channel.WEBHOOK.value and recipient is not None and recipient not in webhook_ids:
            yield "outbox", f"{place} goes to {recipient}, which never was a subscription"
        if state not in _STATES:
            yield "outbox", f"{place} is {state}, which is no state"
        if lease is not None and state != JobState.PENDING.value:
            yield "outbox", f"{place} is {state}, but {lease} has it"


def _owes_mail(invoice: Invoice, position: int) -> bool:
    """Tell whether the payer is owed a mail about that event. Who else hears of it depends on who listened then."""
    what = invoice.history[position].what
    if what in _ALWAYS_MAILED:
        return True
    # With other terms since, nobody can tell whether there was an address.
    earlier, later = invoice.history[:position], invoice.history[position:]
    if invoice.terms.email is None or any(event.what is What.INVOICE_UPDATED for event in later):
        return False
    return what is What.PAYMENT_RECEIVED or (
        what is What.INVOICE_CANCELED and any(event.what in _SENDING for event in earlier)
    )
