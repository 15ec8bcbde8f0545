"""
Everything below a payment link: the page, its PDF and QR code, the receipts of its payments.

Apart from the page itself because here requests are told apart, and what is slow is kept off the event loop.
"""

import asyncio
import io
import logging
import re
from functools import lru_cache
from typing import Final

import segno

from paydue.documents.document import Document
from paydue.documents.invoice_pdf import invoice_document
from paydue.documents.paper import Subject
from paydue.documents.press import DocumentNotDrawn, Press, PressBusy
from paydue.documents.receipt_pdf import PaymentReceived, receipt_document
from paydue.domain.errors import StoreUnavailable
from paydue.domain.settings import ProductType
from paydue.pages.answers import Answer, Header, Scope
from paydue.pages.page_headers import INERT, PRIVATE
from paydue.pages.payment_page import Found, PaymentPage, token_of
from paydue.pages.slip import Slip
from paydue.usecases.ports import Clock, Store
from paydue.usecases.receipt_links import Receipt

LOGO_PATH: Final = "/logos/"

_RECEIPT: Final = re.compile(r"receipt/([0-9a-f]{32})(\.pdf)?")
_LOGO: Final = re.compile(r"/logos/([^/]{1,100})/([0-9]{1,10})")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9-]+")
_PLAIN: Final[Header] = (b"content-type", b"text/plain; charset=utf-8")
_NO_LOGO: Final = Answer(404, b"Not Found", (_PLAIN, *INERT, (b"cache-control", b"no-store")))

_log = logging.getLogger("paydue.pages")


class Links:
    """Answers GET and HEAD below payment links, and the logos that stand on their pages."""

    def __init__(self, page: PaymentPage, store: Store, clock: Clock, press: Press) -> None:
        self.page: Final = page
        self._store = store
        self._clock = clock
        self._press = press

    async def answer(self, scope: Scope) -> Answer:
        """Return what stands at that address; nobody learns from a wrong one whether the link works."""
        if scope["method"] not in ("GET", "HEAD"):
            return Answer(405, b"Method Not Allowed", (*PRIVATE, _PLAIN, (b"allow", b"GET, HEAD")))
        token = token_of(scope)
        try:
            found = await self.page.find(token)
            if found is None:
                return self.page.miss(scope)
            path: str = scope["path"]
            rest = path.removeprefix(found.address)
            if not rest:
                # Whoever looks at an invoice may want it on paper next.
                self._press.warm_up()
                slip = await self.page.fresh_slip(found)
                return self.page.page(found, self.page.language_of(scope, found.settings), slip)
            return await self._below(scope, found, rest.removeprefix("/"))
        except StoreUnavailable as failure:
            _log.error("store_unavailable", exc_info=failure)
            return self.page.unavailable(scope)

    async def logo(self, scope: Scope) -> Answer:
        """Return a merchant's logo: of the version that is asked for, or of a later one."""
        path: str = scope["path"]
        named = _LOGO.fullmatch(path)
        if named is None or scope["method"] not in ("GET", "HEAD"):
            return _NO_LOGO
        store = self._store.of(named[1])
        try:
            settings = await store.settings(ProductType.INVOICING)
            image = await store.logo(ProductType.INVOICING) if settings.logo_format is not None else None
        except StoreUnavailable as failure:
            _log.error("store_unavailable", exc_info=failure)
            return Answer(503, b"Service Unavailable", (_PLAIN, *INERT, (b"retry-after", b"5")))
        if image is None or settings.logo_format is None:
            return _NO_LOGO
        is_current = int(named[2]) == settings.version
        kept = b"public, max-age=31536000, immutable" if is_current else b"no-cache"
        media_type = f"image/{settings.logo_format.lower()}".encode()
        return Answer(200, image, ((b"content-type", media_type), *INERT, (b"cache-control", kept)))

    async def _below(self, scope: Scope, found: Found, rest: str) -> Answer:
        language = self.page.language_of(scope, found.settings)
        if rest == "invoice.pdf":
            slip = await self.page.fresh_slip(found)
            subject = await self._subject(found, language, slip)
            document = invoice_document(subject, self._clock.now(), self.page.link_of(found))
            return await self._pdf(scope, document, "invoice", found)
        if rest == "qr.svg" and not found.is_preview:
            drawing = await asyncio.to_thread(_qr_code, self.page.link_of(found))
            return Answer(200, drawing, ((b"content-type", b"image/svg+xml"), *PRIVATE, *INERT[:1]))
        if (named := _RECEIPT.fullmatch(rest)) is not None:
            now = self._clock.now()
            receipt = self.page.receipts.find(found.merchant.merchant_id, found.invoice, named[1], now)
            if receipt is not None:
                slip = await self.page.fresh_slip(found)
                if named[2] is None:
                    return self.page.receipt(found, language, slip, receipt)
                subject = await self._subject(found, language, slip)
                return await self._pdf(scope, _receipt_document(subject, found, receipt), "receipt", found)
        return self.page.miss(scope)

    async def _subject(self, found: Found, language: str, slip: Slip) -> Subject:
        store, settings = self._store.of(found.merchant.merchant_id), found.settings
        return Subject(
            invoice=found.invoice,
            merchant=found.merchant,
            settings=settings,
            language=language,
            logo=await store.logo(ProductType.INVOICING) if settings.logo_format is not None else None,
            is_test=slip.gateway.is_test,
        )

    async def _pdf(self, scope: Scope, document: Document, kind: str, found: Found) -> Answer:
        try:
            pdf = await self._press.pdf(document)
        except PressBusy:
            return self.page.no_pdf(scope)
        except DocumentNotDrawn as failure:
            _log.error("document_not_drawn", exc_info=failure)
            return self.page.no_pdf(scope)
        name = f"{kind}-{_UNSAFE.sub('-', found.invoice.number)[:40]}.pdf"
        headers: tuple[Header, ...] = (
            (b"content-type", b"application/pdf"),
            (b"content-disposition", f'attachment; filename="{name}"'.encode()),
            (b"cache-control", b"no-store"),
        )
        return Answer(200, pdf, (*headers, *INERT))


def _receipt_document(subject: Subject, found: Found, receipt: Receipt) -> Document:
    by = found.paid_by.get(receipt.transaction_id)
    payment = PaymentReceived(
        amount=receipt.amount,
        paid_at=receipt.received_at,
        balance_left=receipt.balance_left,
        method=(by.brand or by.method) if by is not None else "",
        card_ending=by.last4 if by is not None else "",
        transaction_id=receipt.transaction_id if by is not None else "",
    )
    return receipt_document(subject, payment)


@lru_cache(maxsize=256)
def _qr_code(link: str) -> bytes:
    """Return the QR code of an address as SVG: some milliseconds of work, asked for by printers only."""

    file = io.BytesIO()
    segno.make(link, error="m", micro=False, boost_error=False).save(
        file, kind="svg", border=2, xmldecl=False, omitsize=True, light="#ffffff"
    )
    return file.getvalue()
