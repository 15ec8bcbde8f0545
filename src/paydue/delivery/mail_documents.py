"""
The PDF that goes with a mail: the invoice with those that ask for money, the receipt with those that thank for it.

It is drawn when the mail is first written, and kept in it: a mail that is sent again is the same mail.
"""

import logging
import re
from collections.abc import Callable
from typing import Final

from paydue.delivery.mail import Document
from paydue.delivery.mail_facts import MailFacts, MailKind
from paydue.documents.invoice_pdf import invoice_document
from paydue.documents.paper import Subject
from paydue.documents.press import DocumentNotDrawn, Press, PressBusy
from paydue.documents.receipt_pdf import PaymentReceived, receipt_document
from paydue.domain.invoice import Invoice
from paydue.domain.settings import ProductType
from paydue.usecases.delivery_ports import Job
from paydue.usecases.ports import Store
from paydue.usecases.receipt_links import receipts_of

WITH_INVOICE: Final = frozenset((MailKind.INVOICE, MailKind.RESEND, MailKind.PARTIAL_RESEND))
WITH_RECEIPT: Final = frozenset((MailKind.PAID, MailKind.PARTIAL_PAYMENT, MailKind.ACCEPTED))

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9-]+")
_LONGEST_NAME: Final = 40

_log = logging.getLogger("paydue.delivery")


class MailDocuments:
    """Draws what is attached to mails. `is_test_of` tells of a merchant whether no money moves, which PDFs say."""

    def __init__(self, store: Store, press: Press, is_test_of: Callable[[str], bool] = lambda _: False) -> None:
        self._store = store
        self._press = press
        self._is_test_of = is_test_of

    async def of(self, job: Job, facts: MailFacts, invoice: Invoice) -> Document | None:
        """
        Return what goes with that mail, None for most kinds.

        A PDF that cannot be drawn keeps no mail from being sent: everything it says is behind the mail's link.
        """
        if facts.kind not in WITH_INVOICE | WITH_RECEIPT:
            return None
        settings = facts.settings
        store = self._store.of(job.merchant_id)
        subject = Subject(
            invoice=invoice,
            merchant=facts.merchant,
            settings=settings,
            language=facts.language,
            logo=await store.logo(ProductType.INVOICING) if settings.logo_format is not None else None,
            is_test=self._is_test_of(job.merchant_id),
        )
        number = _UNSAFE.sub("-", invoice.number)[:_LONGEST_NAME]
        try:
            if facts.kind in WITH_INVOICE:
                drawn = await self._press.pdf(invoice_document(subject, job.created_at, facts.payment_url))
                return Document(file_name=f"invoice-{number}.pdf", content=drawn)
            received = _received(facts, invoice)
            if received is None:
                return None
            drawn = await self._press.pdf(receipt_document(subject, received))
        except (PressBusy, DocumentNotDrawn) as failure:
            _log.error("document_not_attached", exc_info=failure, extra={"message_id": job.message_id})
            return None
        return Document(file_name=f"receipt-{number}.pdf", content=drawn)


def _received(facts: MailFacts, invoice: Invoice) -> PaymentReceived | None:
    """Return the payment that the mail is about."""
    for receipt in receipts_of(invoice):
        if receipt.transaction_id == facts.transaction_id:
            return PaymentReceived(
                amount=receipt.amount,
                paid_at=receipt.received_at,
                balance_left=receipt.balance_left,
                method=facts.method,
                card_ending=facts.card_ending,
                transaction_id=receipt.transaction_id,
            )
    return None
