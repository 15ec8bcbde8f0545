"""
What a payment link opens: the invoice as its payer sees it, in every state and in nine languages.

Opening it changes nothing, however often mail scanners do it. Unknown, malformed, replaced and draft links get one
answer, so that nobody learns from it whether there is an invoice. Answered without a framework because it is the page
that many open at once.
"""

import logging
import os
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import msgspec

from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.merchant import Merchant
from paydue.domain.merchant_fields import FieldDefinition, ReferenceType
from paydue.domain.payer_details import asked_of_payer
from paydue.domain.settings import ProductType, Settings
from paydue.domain.standing import Standing, standing_of
from paydue.language.words import words_of
from paydue.pages.answers import Answer, Header, Scope
from paydue.pages.drawn_pages import KEY_HOLE, NONCE_HOLE, DrawnPages
from paydue.pages.invoice_view import InvoiceWriter, Methods
from paydue.pages.look import Look, Looks
from paydue.pages.page_headers import STILL
from paydue.pages.page_options import PageOptions, PaidBy
from paydue.pages.payer_templates import PayerTemplates
from paydue.pages.reader_language import reader_language
from paydue.pages.receipt_view import ReceiptWriter
from paydue.pages.single_message import message_of
from paydue.pages.slip import Headline, Slip
from paydue.pages.slip_view import SlipWriter
from paydue.pages.standing_words import busy_strip, lead_of, strip_of
from paydue.usecases.ports import Clock, Store
from paydue.usecases.previews import PREVIEW, Previews
from paydue.usecases.receipt_links import Receipt, ReceiptLinks, receipts_of

LINK_PATH: Final = "/ebc2/invoicing/payInvoice/"

_FIELDS_LAST: Final = timedelta(seconds=5)
_MOST_MERCHANTS: Final = 10_000
_TOKEN: Final = re.compile(r"[A-Za-z0-9]{64}")

_log = logging.getLogger("paydue.pages")


def token_of(scope: Scope) -> str:
    """Return what stands in a payment link's place for the token, up to the next slash; it may be anything."""
    path: str = scope["path"]
    rest = path.removeprefix(LINK_PATH)
    if rest.startswith(PREVIEW):
        return PREVIEW + rest.removeprefix(PREVIEW).partition("/")[0]
    return rest.partition("/")[0]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a payment link opens. `fields` are those that the payer is asked to fill in, `paid_by` how payments were made,
    by transaction. The token of a preview is its ticket behind `preview/`.
    """

    token: str
    merchant: Merchant
    settings: Settings
    invoice: Invoice
    fields: tuple[FieldDefinition, ...] = ()
    paid_by: Mapping[str, PaidBy] = {}

    @property
    def address(self) -> str:
        """The page's path, without a query."""
        return LINK_PATH + self.token

    @property
    def is_preview(self) -> bool:
        return self.token.startswith(PREVIEW)


class PaymentPage:
    """Finds what payment links open, and draws their pages."""

    def __init__(self, store: Store, clock: Clock, templates: PayerTemplates, options: PageOptions) -> None:
        self._store = store
        self._clock = clock
        self._templates = templates
        self._options = options
        self._looks = Looks(templates)
        self._drawn = DrawnPages()
        self._fields: dict[str, tuple[datetime, tuple[FieldDefinition, ...]]] = {}
        self._previews = Previews(options.secret)
        self.receipts: Final = ReceiptLinks(options.secret)

    async def find(self, token: str) -> Found | None:
        """Return what a link opens; None when it opens nothing, whatever the reason. Raises StoreUnavailable."""
        if token.startswith(PREVIEW):
            opened = await self._preview(token)
        else:
            opened = await self._store.find_by_payment_token(token) if _TOKEN.fullmatch(token) else None
            if opened is not None and opened[1].status is Status.DRAFT:
                opened = None
        if opened is None:
            return None
        merchant_id, invoice = opened
        store = self._store.of(merchant_id)
        merchant, settings = await store.merchant(), await store.settings(ProductType.INVOICING)
        return Found(
            token=token,
            merchant=merchant,
            settings=settings,
            invoice=invoice,
            fields=await self._fields_of(merchant_id),
            paid_by=await self._options.payments_of(merchant_id, invoice.number) if invoice.paid else {},
        )

    async def fresh_slip(self, found: Found) -> Slip:
        """Return the slip of a payer who has not typed anything yet. Raises StoreUnavailable."""
        return Slip(gateway=await self._options.face_of(found.merchant.merchant_id))

    def language_of(self, scope: Scope, settings: Settings) -> str:
        """Return the language to write to this reader in, one of the nine: asked for, the merchant's, the browser's."""
        return reader_language(scope, settings.delivery_language)

    def page(self, found: Found, language: str, slip: Slip) -> Answer:
        """Return the page with that slip, in whatever state the invoice is."""
        at = self._clock.now()
        look = self._looks.of(found.merchant, found.settings, slip.gateway, language)
        today = at.astimezone(look.zone).date()
        nonce, payer_key = os.urandom(16).hex(), slip.payer_key or os.urandom(16).hex()
        if slip == Slip(gateway=slip.gateway):
            # All that the page is drawn from: the same link in the same look, invoice and day is the same page.
            grounds = (look, found.invoice.version, at.date(), today, found.fields, found.paid_by)
            kept = self._drawn.get(
                found.token, grounds, lambda: self._draw(found, look, slip, at, today, NONCE_HOLE, KEY_HOLE)
            )
            return Answer(200, kept.filled(nonce, payer_key), look.headers(nonce))
        body = self._draw(found, look, slip, at, today, nonce, payer_key)
        if slip.headline is Headline.TOO_MANY_TRIES:
            return Answer(429, body, (*look.headers(nonce), _retry_after(slip.again_at, at)))
        return Answer(200, body, look.headers(nonce))

    def _draw(
        self, found: Found, look: Look, slip: Slip, at: datetime, today: date, nonce: str, payer_key: str
    ) -> bytes:
        standing = standing_of(found.invoice, at, today)
        writer = InvoiceWriter(look, found.invoice, _methods(found, look))
        values = self._frame(found, look, nonce, slip)
        message = message_of(writer, standing, slip, today)
        if message is not None:
            values |= {**message, "title": f"{message['heading']} \u2013 {look.name}"}
            return self._templates.page("message.html", look.language, values)
        values |= self._sheet(found, writer, standing, today, slip) | {"payer_key": payer_key}
        return self._templates.page("invoice.html", look.language, values)

    def receipt(self, found: Found, language: str, slip: Slip, receipt: Receipt) -> Answer:
        """Return the page of one payment, at its own address."""
        look = self._looks.of(found.merchant, found.settings, slip.gateway, language)
        nonce = os.urandom(16).hex()
        writer = ReceiptWriter(look, found.invoice, receipt, found.paid_by.get(receipt.transaction_id))
        values = self._frame(found, look, nonce, slip) | writer.values()
        code = self.receipts.code(found.merchant.merchant_id, found.invoice.number, receipt.transaction_id)
        values |= {
            "title": f"{values['slip_label']} \u2013 {writer.invoice_heading} \u2013 {look.name}",
            "receipt_pdf": f"{found.address}/receipt/{code}.pdf?lang={language}",
            "pay_rest": f"{found.address}?lang={language}" if found.invoice.balance else "",
        }
        return Answer(200, self._templates.page("receipt.html", language, values), look.headers(nonce))

    def link_of(self, found: Found) -> str:
        """Return the link as it is printed and scanned; empty for a preview, which ends."""
        return "" if found.is_preview else self._options.link_of(found.token)

    def receipt_path(self, found: Found, transaction_id: str, language: str | None = None) -> str:
        """Return the address of a payment's receipt, in a language if one was asked for."""
        code = self.receipts.code(found.merchant.merchant_id, found.invoice.number, transaction_id)
        return f"{found.address}/receipt/{code}" + (f"?lang={language}" if language is not None else "")

    def miss(self, scope: Scope) -> Answer:
        """Return what a link that opens nothing gets, and count it."""
        token = token_of(scope)
        digest = sha256(token.encode(errors="replace")).hexdigest()[:6] if _TOKEN.fullmatch(token) else "malformed"
        client = scope.get("client")
        address = client[0] if client else ""
        _log.info("payment_link_missed", extra={"token_digest": digest, "client": address})
        say = words_of(language := reader_language(scope)).say
        if (wait := self._options.count_miss(address)) > 0:
            return self._nobody(
                429, language, say("Too many tries."),
                say("Wait a minute, then open the link from your invoice again."), say("Paused"),
                (b"retry-after", str(max(1, round(wait))).encode()),
            )  # fmt: skip
        return self._nobody(404, language, say("This link does not work."), say("Ask the sender for a new one."))

    def unavailable(self, scope: Scope) -> Answer:
        """Return what everybody gets while the database does not answer."""
        say = words_of(language := reader_language(scope)).say
        return self._nobody(
            503, language, say("This page cannot be shown right now."),
            say("Nothing was charged. Try again in a few minutes."), say("Out of order"), (b"retry-after", b"5"),
        )  # fmt: skip

    def no_pdf(self, scope: Scope) -> Answer:
        """Return what somebody gets whose PDF cannot be drawn just now."""
        say = words_of(language := reader_language(scope)).say
        return self._nobody(
            503, language, say("The PDF cannot be made right now."), say("Try again in a minute."),
            say("Out of order"), (b"retry-after", b"10"),
        )  # fmt: skip

    async def _fields_of(self, merchant_id: str) -> tuple[FieldDefinition, ...]:
        """Return the fields that payers fill in, as they were five seconds ago at most: as settings are."""
        now = self._clock.now()
        known = self._fields.get(merchant_id)
        if known is not None and known[0] <= now < known[0] + _FIELDS_LAST:
            return known[1]
        definitions = await self._store.of(merchant_id).field_definitions(ReferenceType.INVOICE)
        asked = tuple(each for each in definitions if each.is_customer_visible and not each.is_read_only)
        if len(self._fields) >= _MOST_MERCHANTS:
            self._fields.clear()
        self._fields[merchant_id] = (now, asked)
        return asked

    async def _preview(self, token: str) -> tuple[str, Invoice] | None:
        previewed = self._previews.read(token.removeprefix(PREVIEW), self._clock.now())
        if previewed is None:
            return None
        invoice = await self._store.of(previewed.merchant_id).invoice(previewed.number)
        return (previewed.merchant_id, invoice) if invoice is not None else None

    def _frame(self, found: Found, look: Look, nonce: str, slip: Slip) -> dict[str, Any]:
        """Return what all pages of a merchant show."""
        address = found.address
        return {
            "nonce": nonce,
            "style": look.style,
            "band": self._looks.band(look, query=slip.check_query, is_preview=found.is_preview)
            if found.is_preview or slip.check_query
            else look.band,
            "contact": look.contact,
            "foot_links": look.foot_links,
            "merchant": look.name,
            "address": address,
            "pdf": f"{address}/invoice.pdf?lang={look.language}",
            "check_url": f"{address}?lang={look.language}{_joined(slip.check_query)}",
            "is_preview": found.is_preview,
        }

    def _sheet(
        self, found: Found, writer: InvoiceWriter, standing: Standing, today: date, slip: Slip
    ) -> dict[str, Any]:
        """Return the invoice and its slip."""
        asked = asked_of_payer(found.invoice.terms, found.settings, found.fields)
        shown = SlipWriter(writer, standing, slip, asked, is_preview=found.is_preview).view()
        values: dict[str, Any] = msgspec.structs.asdict(shown)
        values |= writer.document()
        tone, glyph, strip = busy_strip(writer) if shown.is_waiting else strip_of(writer, standing, today)
        before, amount, after = lead_of(writer, standing, today)
        notice = shown.notice
        is_wrong = notice is not None and notice.tone == "bad"
        subject = f"{writer.heading} \u2013 {writer.look.name}"
        values |= {
            "tone": tone,
            "glyph": glyph,
            "strip": strip,
            "heading": writer.heading,
            "lead_before": before,
            "lead_amount": amount,
            "lead_after": after,
            "title": f"{notice.heading} \u2013 {subject}" if notice is not None and is_wrong else subject,
            "receipt_facts": (),
            "receipt_pdf": "",
            "pay_rest": "",
            "printed": self.link_of(found) if shown.shows != "paid" else "",
            "other_ways": writer.look.other_ways if shown.shows != "paid" else "",
        }
        if standing is Standing.PAID and (receipts := receipts_of(found.invoice)):
            last = receipts[-1]
            values |= {
                "receipt_facts": ReceiptWriter(
                    writer.look, found.invoice, last, found.paid_by.get(last.transaction_id)
                ).facts(),
                "receipt_pdf": f"{self.receipt_path(found, last.transaction_id)}.pdf?lang={writer.look.language}",
            }
        return values

    def _nobody(self, status: int, language: str, heading: str, text: str, strip: str = "", *headers: Header) -> Answer:
        return Answer(status, nobody_page(self._templates, language, heading, text, strip), (*STILL, *headers))


def nobody_page(templates: PayerTemplates, language: str, heading: str, text: str, strip: str = "") -> bytes:
    """Return a page that belongs to no merchant: one heading, one sentence."""
    return templates.page("nobody.html", language, {"heading": heading, "text": text, "strip": strip})


def _methods(found: Found, look: Look) -> Methods:
    return {transaction: by.words(look.words) for transaction, by in found.paid_by.items()} if found.paid_by else {}


def _joined(query: str) -> str:
    return f"&{query}" if query else ""


def _retry_after(until: datetime | None, at: datetime) -> Header:
    seconds = max(1, round((until - at).total_seconds())) if until is not None else 60
    return (b"retry-after", str(seconds).encode())
