"""
From a message in the outbox to the finished mail: looks up what it needs, once, and lets a thread draw it.

Mails and webhooks about an event say the same; what both begin with, the facts, is looked up here for either.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from msgspec.structs import replace

from paydue.delivery.letter import letter_of
from paydue.delivery.mail import Envelope, compose
from paydue.delivery.mail_documents import WITH_RECEIPT, MailDocuments
from paydue.delivery.mail_facts import NOTICES, REMINDERS, TO_THE_MERCHANT, MailFacts, MailKind, Trouble, facts_of
from paydue.delivery.mail_logo import MailLogo, mail_logo
from paydue.delivery.notices import NoticeFacts, notice_letter
from paydue.delivery.pace import aside
from paydue.domain.events import What
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Action, allows
from paydue.domain.settings import ProductType
from paydue.usecases.delivery_ports import Deliveries, DeliveryFilter, Job, Reminders
from paydue.usecases.ports import Channel, Store
from paydue.usecases.remind_payers import zone_named
from paydue.usecases.reminder_links import RemindedInvoice

# What a notification says is what the mail about the same event says.
KIND_OF_EVENT: Final = {
    "invoicing.customer.invoice.send": MailKind.INVOICE,
    "invoicing.customer.invoice.partial-resend": MailKind.PARTIAL_RESEND,
    "invoicing.customer.invoice.partial-payment": MailKind.PARTIAL_PAYMENT,
    "invoicing.customer.invoice.paid": MailKind.PAID,
    "invoicing.customer.invoice.cancel": MailKind.CANCEL,
    "invoicing.customer.invoice.reminder": MailKind.REMINDER,
    "invoicing.customer.invoice.overdue-reminder": MailKind.OVERDUE_REMINDER,
    "invoicing.merchant.invoice.send": MailKind.INVOICE,
    "invoicing.merchant.invoice.partial-paid": MailKind.PARTIAL_PAYMENT,
    "invoicing.merchant.invoice.paid": MailKind.PAID,
    "invoicing.merchant.invoice.cancel": MailKind.CANCEL,
}

_WITHOUT_A_LINK: Final = frozenset((MailKind.CANCEL,))
# That the address was typed on the payment page: see `payment_announcements.py`.
_IS_TYPED: Final = "is_typed"
_TEST_GATEWAY: Final = "sandbox"
_NEW_LINKS: Final = frozenset((What.INVOICE_UPDATED, What.LINK_RENEWED))
_LOGOS_KEPT: Final = 64
_MAILS_OF_AN_INVOICE: Final = 200


class NothingToSay(Exception):
    """The message has nothing true to say any more; the text says why. `is_well` tells that nobody need look at it."""

    def __init__(self, why: str, *, is_well: bool = False) -> None:
        super().__init__(why)
        self.is_well = is_well


class MailWriter:
    """
    `link_of` makes a payment link of its token, `stop_link_of` the link that ends reminders; `console_url` is what
    links for the merchant begin with.

    `receipt_of` makes the address of a receipt of merchant id, invoice and transaction id. With `documents`, mails
    have PDFs attached.
    """

    def __init__(
        self,
        *,
        store: Store,
        deliveries_of: Callable[[str], Deliveries],
        reminders: Reminders,
        stop_link_of: Callable[[RemindedInvoice], str],
        link_of: Callable[[str], str],
        console_url: str,
        domain: str,
        receipt_of: Callable[[str, Invoice, str], str] | None = None,
        documents: MailDocuments | None = None,
    ) -> None:
        self._receipt_of = receipt_of
        self._documents = documents
        self._store = store
        self._deliveries_of = deliveries_of
        self._reminders = reminders
        self._stop_link_of = stop_link_of
        self._link_of = link_of
        self._console_url = console_url
        self._domain = domain
        self._logos: OrderedDict[bytes, MailLogo] = OrderedDict()

    async def write(self, job: Job, at: datetime) -> bytes:
        """Return the whole mail of that job. Raises NothingToSay, UnmailableAddress."""
        kind = MailKind(job.topic)
        if kind in NOTICES:
            return await self._write_notice(job, kind, at)
        facts, invoice = await self.facts(job, kind)
        if kind in REMINDERS:
            facts = await self._still_reminding(facts, invoice)
        to_payer = kind not in TO_THE_MERCHANT
        if to_payer and facts.payment_url and not _may_have_link(job, invoice):
            # The link opens for whoever has it, and the address was changed so that this one should not.
            raise NothingToSay("the invoice's address was changed before this was sent")
        first = await self._first_message_id(job) if to_payer else None
        envelope = Envelope(message_id=job.message_id, domain=self._domain, sent_at=at, first_message_id=first)
        logo = await self._logo(job.merchant_id, facts) if to_payer else None
        document = await self._documents.of(job, facts, invoice) if self._documents is not None else None
        # A mail takes some milliseconds to draw.
        return await aside(lambda: compose(letter_of(facts), envelope, logo=logo, document=document))

    async def _still_reminding(self, facts: MailFacts, invoice: Invoice) -> MailFacts:
        """Return a reminder's facts with the link that ends them. Raises NothingToSay when nobody wants it any more."""
        if not allows(invoice.status, Action.REMIND):
            raise NothingToSay("not sent: nothing is due any more", is_well=True)
        merchant_id = facts.merchant.merchant_id
        if await self._reminders.stopped_at(merchant_id, invoice.serial) is not None:
            raise NothingToSay("not sent: the reminders of this invoice are stopped", is_well=True)
        stop_link = self._stop_link_of(RemindedInvoice(merchant_id, invoice.serial, invoice.number))
        return replace(facts, stop_reminders_url=stop_link)

    async def _write_notice(self, job: Job, kind: MailKind, at: datetime) -> bytes:
        store = self._store.of(job.merchant_id)
        notice = NoticeFacts(
            kind=kind,
            merchant=await store.merchant(),
            settings=await store.settings(ProductType.INVOICING),
            recipient=job.recipient or "",
            console_url=self._console_url,
            facts=job.facts,
        )
        envelope = Envelope(message_id=job.message_id, domain=self._domain, sent_at=at)
        return await aside(lambda: compose(notice_letter(notice), envelope))

    async def facts(self, job: Job, kind: MailKind) -> tuple[MailFacts, Invoice]:
        """Return what there is to say about the event, and the invoice as it is now. Raises NothingToSay."""
        store = self._store.of(job.merchant_id)
        invoice = await store.invoice(job.number)
        if invoice is None:
            raise NothingToSay("the invoice is not there any more")
        merchant = await store.merchant()
        settings = await store.settings(ProductType.INVOICING)
        has_link = invoice.has_payment_link and kind not in _WITHOUT_A_LINK
        facts = facts_of(
            kind,
            invoice,
            job.facts,
            merchant,
            settings,
            today=job.created_at.astimezone(zone_named(merchant.time_zone)).date(),
            recipient=(job.recipient if job.channel is Channel.MAIL else invoice.terms.email) or "",
            event_type=job.topic if job.channel is Channel.WEBHOOK else "",
            payment_url=self._link_of(invoice.payment_token) if has_link and invoice.payment_token else "",
        )
        if _IS_TYPED in job.facts and job.recipient != invoice.terms.email:
            # Somebody else may have paid than was billed.
            facts = replace(facts, terms=replace(facts.terms, customer=None))
        trouble = job.facts.get("trouble")
        return replace(
            facts,
            method=job.facts.get("method", ""),
            card_ending=job.facts.get("card_ending", ""),
            is_test=job.facts.get("gateway") == _TEST_GATEWAY,
            receipt_url=self._receipt_url(job, kind, invoice),
            console_url=f"{self._console_url}/invoices/{quote(invoice.number, safe='')}",
            trouble=Trouble(trouble) if trouble is not None else None,
        ), invoice

    def _receipt_url(self, job: Job, kind: MailKind, invoice: Invoice) -> str:
        transaction_id = job.facts.get("transaction_id")
        if self._receipt_of is None or kind not in WITH_RECEIPT or not transaction_id or not invoice.has_payment_link:
            return ""
        return self._receipt_of(job.merchant_id, invoice, transaction_id)

    async def _first_message_id(self, job: Job) -> str | None:
        """Return the id of the invoice's first mail to this recipient, for mail programs to show them together."""
        if job.topic == MailKind.INVOICE:
            return None
        wanted = DeliveryFilter(channel=Channel.MAIL, number=job.number, recipient=job.recipient)
        mails = await self._deliveries_of(job.merchant_id).deliveries(wanted, None, _MAILS_OF_AN_INVOICE)
        # Not simply the last of the list: two that were made in one millisecond stand in any order.
        first = min(mails, key=lambda each: (each.position, each.part), default=job)
        return first.message_id if first.message_id != job.message_id else None

    async def _logo(self, merchant_id: str, facts: MailFacts) -> MailLogo | None:
        if facts.settings.logo_format is None:
            return None
        image = await self._store.of(merchant_id).logo(ProductType.INVOICING)
        if image is None:
            return None
        digest = sha256(image).digest()
        known = self._logos.get(digest)
        if known is None:
            known = self._logos[digest] = await aside(lambda: mail_logo(image))
            if len(self._logos) > _LOGOS_KEPT:
                self._logos.popitem(last=False)
        return known


def _may_have_link(job: Job, invoice: Invoice) -> bool:
    """Tell whether the payment link as it is now may go to the mail's recipient."""
    if job.recipient == invoice.terms.email:
        return True
    # Whoever paid had the link then; it may be another one since.
    later = invoice.history[job.position + 1 :]
    return _IS_TYPED in job.facts and all(event.what not in _NEW_LINKS for event in later)
