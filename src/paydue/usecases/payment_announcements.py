"""
Who hears of what an attempt brought about: the payer at the address typed on the page, and the merchant in trouble.

Apart from `announcements.py`, which tells what every invoice's events mean, because here the attempt is known too.
"""

from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.events import Event, What
from paydue.domain.invoice import Invoice
from paydue.domain.payments import Payment
from paydue.domain.settings import ProductType
from paydue.usecases.announcements import facts_of, owed
from paydue.usecases.ports import Channel, MerchantStore, Message

_PAYER_MAILS: Final = frozenset({"paid", "partial-payment"})
# The address was typed on the payment page: it may be another than the invoice's.
_TYPED: Final = {"is_typed": "yes"}


class Trouble(StrEnum):
    """What a merchant has to look after; each is told once."""

    PAYMENT_HELD = "payment held"
    OUTCOME_UNKNOWN = "outcome unknown"
    MONEY_UNAPPLIED = "money unapplied"
    NOT_FOUND_AT_GATEWAY = "not found at the gateway"
    REFUND_FAILED = "refund failed"


async def owed_for_attempt(
    store: MerchantStore,
    attempt: PaymentAttempt,
    before: Invoice,
    after: Invoice,
    *,
    payment: Payment | None = None,
    trouble: Trouble | None = None,
) -> tuple[Message, ...]:
    """
    Return the messages owed for what an attempt, as it was before, made of its invoice.

    A payment that was under review is told as accepted or rejected. A declined try is told to nobody.
    """
    event = after.history[-1] if len(after.history) > len(before.history) else None
    messages: list[Message] = []
    if event is not None:
        known = await owed(store, before, after, payment=payment)
        topic = _payer_topic(event, attempt)
        if topic is not None:
            facts = _facts(after, event, payment, attempt)
            messages += [
                Message(channel=Channel.MAIL, topic=topic, recipient=recipient, facts=facts)
                for recipient, facts in {attempt.payer_email: facts | _TYPED, after.terms.email: facts}.items()
                if recipient is not None
            ]
        elif event.what is What.PAYMENT_RECEIVED:
            messages += _to_the_typed_address(known, attempt, after, event, payment)
        paid_by = _paid_by(attempt)
        messages += [
            replace(each, facts=each.facts | paid_by)
            for each in known
            if topic is None or each.topic not in _PAYER_MAILS
        ]
    if trouble is not None:
        messages += await told_of(store, after, attempt, trouble)
    return tuple(messages)


async def told_of(
    store: MerchantStore, invoice: Invoice, attempt: PaymentAttempt, trouble: Trouble
) -> tuple[Message, ...]:
    """Return the mail that tells the merchant of that trouble, where the merchant has an address."""
    settings = await store.settings(ProductType.INVOICING)
    email = settings.merchant_email or (await store.merchant()).email
    if email is None:
        return ()
    facts = _facts(invoice, invoice.history[-1], None, attempt) | {
        "trouble": trouble.value,
        "amount": str(attempt.amount),
    }
    return (Message(channel=Channel.MAIL, topic="needs-attention", recipient=email, facts=facts),)


def _payer_topic(event: Event, attempt: PaymentAttempt) -> str | None:
    """Return the mail of ours that tells the payer of the event, in place of the usual one."""
    was_held = attempt.state is AttemptState.HELD
    match event.what:
        case What.PAYMENT_HELD:
            return "in-review"
        case What.PAYMENT_RECEIVED if was_held:
            return "accepted"
        case What.PAYMENT_REJECTED if was_held:
            return "rejected"
        case What.PAYMENT_REFUNDED | What.PAYMENT_REVERSED:
            return "refund"
    return None


def _to_the_typed_address(
    known: tuple[Message, ...], attempt: PaymentAttempt, after: Invoice, event: Event, payment: Payment | None
) -> list[Message]:
    email = attempt.payer_email
    if email is None or email == after.terms.email:
        return []
    for each in known:
        if each.channel is Channel.MAIL and each.topic in _PAYER_MAILS:
            return [replace(each, recipient=email, facts=each.facts | _paid_by(attempt) | _TYPED)]
    topic = "paid" if not after.balance else "partial-payment"
    facts = _facts(after, event, payment, attempt) | _TYPED
    return [Message(channel=Channel.MAIL, topic=topic, recipient=email, facts=facts)]


def _facts(invoice: Invoice, event: Event, payment: Payment | None, attempt: PaymentAttempt) -> dict[str, str]:
    return facts_of(invoice, event, payment) | _paid_by(attempt)


def _paid_by(attempt: PaymentAttempt) -> dict[str, str]:
    """Return what is known of how an attempt was paid."""
    account = attempt.account
    known = {"gateway": attempt.gateway}
    return known if account is None else known | {"method": account.brand, "card_ending": account.last4}
