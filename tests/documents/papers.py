"""Invoices and receipts to draw, for tests, and to look at: `python tests/documents/papers.py FOLDER`."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from paydue.delivery.mail_facts import MailKind
from paydue.delivery.preview import preview_facts
from paydue.documents.document import Document
from paydue.documents.invoice_pdf import invoice_document
from paydue.documents.paper import Subject
from paydue.documents.press import Press
from paydue.documents.receipt_pdf import PaymentReceived, receipt_document
from paydue.domain.invoice import Invoice
from paydue.domain.payments import Payment
from paydue.domain.settings import LANGUAGES
from paydue.domain.terms import Freight

ISSUED = datetime(2026, 11, 3, 15, tzinfo=UTC)
PAID = datetime(2026, 11, 14, 19, 32, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 9, tzinfo=UTC)
AFTER_THE_DUE_DATE = datetime(2027, 1, 7, tzinfo=UTC)
TOKEN = "kP7tQwZs4VbN2xLmR8cYd3HfGj5A9uEoWq1TiXnBzKp6Ds0MvCy7FgJhLr2Ut4Va"
PAYMENT_URL = f"https://pay.example/ebc2/invoicing/payInvoice/{TOKEN}?version=v2.1"


def a_subject(language: str = "en-US", status: str = "SENT", logo: bytes | None = None, **terms: Any) -> Subject:
    """Return the invoice of the preview's merchant of that language: DRAFT, SENT, PARTIAL, PAID or CANCELED."""
    facts = preview_facts(MailKind.INVOICE, language)
    invoice = Invoice.draft(replace(facts.terms, **terms), ISSUED, facts.number)
    if status != "DRAFT":
        invoice = invoice.send(ISSUED, TOKEN)
    if status == "PARTIAL":
        invoice = invoice.receive(_payment(Decimal(int(invoice.balance / 3))), PAID)
    elif status == "PAID":
        invoice = invoice.receive(_payment(invoice.balance), PAID)
    elif status == "CANCELED":
        invoice = invoice.cancel(PAID)
    return Subject(invoice=invoice, merchant=facts.merchant, settings=facts.settings, language=language, logo=logo)


def a_receipt(subject: Subject) -> Document:
    """Return the receipt of all that is paid of `subject`'s invoice."""
    invoice = subject.invoice
    payment = PaymentReceived(
        amount=invoice.paid, paid_at=PAID, balance_left=invoice.balance, method="Visa", card_ending="1111",
        transaction_id="7958342107456174603058",
    )  # fmt: skip
    return receipt_document(subject, payment)


def pictures(pdf: bytes, name: Path, dots_per_inch: int = 80) -> list[Path]:
    """Write a PNG of each page as `<name>-1.png` and so on, and return their paths."""
    name.parent.mkdir(parents=True, exist_ok=True)
    command = ["pdftoppm", "-png", "-r", str(dots_per_inch), "-", str(name)]
    subprocess.run(command, input=pdf, check=True, timeout=60)
    return sorted(name.parent.glob(f"{name.name}-*.png"))


def _payment(amount: Decimal) -> Payment:
    return Payment(amount=amount, method="card", reference="7958342107456174603058", paid_at=PAID)


async def _main(folder: Path) -> None:
    press = Press()
    for language in LANGUAGES:
        for status, at in (("SENT", LATER), ("PARTIAL", AFTER_THE_DUE_DATE), ("PAID", LATER), ("CANCELED", LATER)):
            subject = a_subject(language, status, freight=Freight(amount=Decimal(45)))
            pdf = await press.pdf(invoice_document(subject, at, PAYMENT_URL))
            (folder / f"{language}-{status}.pdf").write_bytes(pdf)
            pictures(pdf, folder / f"{language}-{status}")
            if subject.invoice.paid:
                pictures(await press.pdf(a_receipt(subject)), folder / f"{language}-{status}-receipt")
    await press.aclose()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
