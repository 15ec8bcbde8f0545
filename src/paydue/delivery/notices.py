"""
Mails to a merchant that are about no invoice: a receiver that does not answer, a limit that is reached.

Apart from other mails because there is nothing to bill in them: their letters are made here and drawn like any other.
"""

from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from paydue.delivery.letter import PRODUCT, Letter, merchant_footer
from paydue.delivery.mail_facts import MailKind
from paydue.delivery.plain_text import one_line
from paydue.delivery.slots import Slots
from paydue.delivery.telling import LONGEST_SUBJECT
from paydue.domain.colours import palette
from paydue.domain.merchant import Merchant
from paydue.domain.settings import ProductType, Settings
from paydue.language.amounts import format_number
from paydue.language.dates import format_long_date
from paydue.language.words import Words, words_of
from paydue.usecases.delivery_ports import Outbox
from paydue.usecases.ports import Channel, Message, Store


class NoticeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a notice is about. `facts` are those of its message: `receiver` and `since`, `gone` if it said so; or `limit`.
    """

    kind: MailKind
    merchant: Merchant
    settings: Settings
    recipient: str
    console_url: str
    facts: Mapping[str, str]


class Notices:
    """Puts notices into the outbox."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox

    async def tell(self, merchant_id: str, kind: MailKind, facts: Mapping[str, str], at: datetime) -> None:
        """Owe the merchant a mail that is about no invoice; the same facts are told once."""
        address = await self.address(merchant_id)
        if address is not None:
            message = Message(channel=Channel.MAIL, topic=kind.value, recipient=address, facts=dict(facts))
            await self._outbox.tell(merchant_id, message, at)

    async def address(self, merchant_id: str) -> str | None:
        """Return where a merchant is told what has to be looked after; None when there is no such address."""
        store = self._store.of(merchant_id)
        settings = await store.settings(ProductType.INVOICING)
        return settings.merchant_email or (await store.merchant()).email


def notice_letter(notice: NoticeFacts) -> Letter:
    """Return the letter of a notice. Raises UnknownLanguage."""
    settings, language = notice.settings, notice.settings.delivery_language
    words = words_of(language)
    subject, heading, body = _wording(notice, words)
    blank = dict.fromkeys((field.name for field in msgspec.structs.fields(Slots)), "")
    slots = Slots(
        **blank
        | {
            "subject": subject if len(subject) <= LONGEST_SUBJECT else heading,
            "body": body,
            "link": words.say("The console shows everything that is known about it."),
            "button": words.say("Open the console"),
            "merchant_name": one_line(settings.display_name(notice.merchant.name)),
            "email_to": one_line(notice.recipient),
            "email_language": language.lower(),
            "invoice_url": notice.console_url,
            "organization_id": notice.merchant.merchant_id,
        }
    )
    return Letter(
        kind=notice.kind,
        language=language,
        slots=slots,
        palette=palette(settings.background_color, settings.font_color),
        sender=PRODUCT,
        reply_to="",
        greeting="",
        heading=heading,
        amount_label="",
        amount=None,
        share=None,
        share_text="",
        message=(),
        details=(),
        items=(),
        totals=(),
        receipt=None,
        stop_reminders=None,
        question="",
        footer=merchant_footer(words),
    )


def _wording(notice: NoticeFacts, words: Words) -> tuple[str, str, str]:
    """Return subject, heading and body."""
    say, facts = words.say, notice.facts
    if notice.kind is MailKind.MAIL_LIMIT:
        return (
            say("Attention needed: the limit of mails a day is reached"),
            say("The limit of mails a day is reached"),
            say(
                "Paydue sends at most {limit} mails a day for you. The others wait and are sent tomorrow. Whoever runs "
                "this installation can raise the limit.",
                limit=format_number(int(facts["limit"]), words.language),
            ),
        )
    receiver = one_line(facts["receiver"])
    since = format_long_date(date.fromisoformat(facts["since"]), words.language)
    if notice.kind is MailKind.RECEIVER_SUSPENDED:
        return (
            say("Attention needed: webhooks to {receiver} are held", receiver=receiver),
            say("Your webhook receiver does not answer"),
            say(
                "Webhooks to {receiver} are held since {date}. They are sent when its health check answers again, or "
                "when you switch the subscription on.",
                receiver=receiver, date=since,
            ),
        )  # fmt: skip
    subject = say("Attention needed: webhooks to {receiver} are switched off", receiver=receiver)
    heading = say("Your webhooks are switched off")
    if facts.get("gone"):
        return subject, heading, say(
            "{receiver} answered that it takes no webhooks any more, so they are switched off. Change the address of "
            "the subscription, then switch it on again.",
            receiver=receiver,
        )  # fmt: skip
    return subject, heading, say(
        "{receiver} has taken no webhook since {date}, so they are switched off. Mend the receiver, then switch the "
        "subscription on again: what is held is sent then.",
        receiver=receiver, date=since,
    )  # fmt: skip
