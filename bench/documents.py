"""How long a PDF of two pages takes, from its values to its last byte, in a process that has drawn one before."""

import asyncio
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from statistics import median

import msgspec

from paydue.documents.document import Document
from paydue.documents.invoice_pdf import invoice_document
from paydue.documents.paper import Subject
from paydue.documents.press import Press
from paydue.domain.invoice import Invoice
from paydue.domain.line_items import LineItem
from paydue.domain.merchant import Merchant
from paydue.domain.settings import Settings
from paydue.domain.terms import Customer, DeliveryMode, Terms

TARGET_MS = 30.0
_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class PdfTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds: of the first PDF, which starts the process, and of the others."""

    first: float
    median: float
    slowest: float
    bytes_each: int


def measure_pdfs(count: int) -> PdfTimes:
    """Draw `count` different invoices of 30 items one after the other, after one that nobody waits for."""
    return asyncio.run(_measure(count))


async def _measure(count: int) -> PdfTimes:
    press = Press()
    try:
        first, _ = await _timed(press, _document(0))
        times, size = [], 0
        for number in range(1, count + 1):
            milliseconds, size = await _timed(press, _document(number))
            times.append(milliseconds)
    finally:
        await press.aclose()
    return PdfTimes(first=first, median=median(times), slowest=max(times), bytes_each=size)


async def _timed(press: Press, document: Document) -> tuple[float, int]:
    began = time.perf_counter()
    pdf = await press.pdf(document)
    return (time.perf_counter() - began) * 1000, len(pdf)


def _document(number: int) -> Document:
    items = tuple(
        LineItem(
            product_sku=f"P{653727383 + index}",
            product_name=f"Country sourdough, {900 + index} g",
            unit_price=Decimal("12.05"),
            quantity=20,
            total=Decimal(241),
        )
        for index in range(30)
    )
    terms = Terms(
        due_date=date(2026, 12, 11),
        currency="USD",
        total=Decimal(7230),
        delivery_mode=DeliveryMode.EMAIL,
        customer=Customer(name="Tanya Lee"),
        line_items=items,
    )
    invoice = Invoice.draft(terms, _NOW, f"{98000 + number}").publish(_NOW, "a" * 64)
    subject = Subject(
        invoice=invoice,
        merchant=Merchant(merchant_id="bench", name="Harbour Lane Provisions"),
        settings=Settings(),
        language="en-US",
    )
    link = f"https://pay.example.com/ebc2/invoicing/payInvoice/{number:064d}?version=v2.1"
    return invoice_document(subject, _NOW, link)
