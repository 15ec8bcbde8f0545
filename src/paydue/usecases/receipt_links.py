"""
The secret part of a receipt's address: derived from the payment, so that nothing has to be kept for it.

Whoever has a payment link can open the invoice; only who paid, and reads the mail about it, is told of the receipt.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from paydue.domain.events import Event, What
from paydue.domain.invoice import Invoice
from paydue.domain.money import ZERO

RECEIPT_LASTS: Final = timedelta(days=365)
_LENGTH: Final = 32


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A payment when it arrived: `paid_before` is what had come in, `balance_left` what was still due."""

    received_at: datetime
    amount: Decimal
    transaction_id: str
    paid_before: Decimal
    balance_left: Decimal


class ReceiptLinks:
    """Makes the codes of receipts, and finds what they stand for. `secret` lies outside of the database."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"paydue receipts", "sha256")

    def code(self, merchant_id: str, number: str, transaction_id: str) -> str:
        """Return 32 characters that nobody can guess, always the same for the same payment."""
        named = "\0".join((merchant_id, number, transaction_id)).encode()
        return hmac.new(self._secret, named, hashlib.sha256).hexdigest()[:_LENGTH]

    def find(self, merchant_id: str, invoice: Invoice, code: str, at: datetime) -> Receipt | None:
        """Return the receipt of that code; None when there is none, or when it is older than a year."""
        found = None
        for receipt in receipts_of(invoice):
            # Each is looked at, so that nothing is told by the time it takes.
            if hmac.compare_digest(self.code(merchant_id, invoice.number, receipt.transaction_id), code):
                found = receipt
        return found if found is not None and at < found.received_at + RECEIPT_LASTS else None


def receipts_of(invoice: Invoice) -> list[Receipt]:
    """Return the receipts of all payments, oldest first."""
    paid, receipts = ZERO, []
    for event in invoice.history:
        amount = event.amount or ZERO
        if event.what is What.PAYMENT_RECEIVED:
            receipts.append(_receipt(invoice, event, amount, paid))
            paid += amount
        elif event.what is What.PAYMENT_REVERSED:
            paid -= amount
    return receipts


def _receipt(invoice: Invoice, event: Event, amount: Decimal, paid_before: Decimal) -> Receipt:
    return Receipt(
        received_at=event.at,
        amount=amount,
        transaction_id=event.transaction_id or "",
        paid_before=paid_before,
        balance_left=invoice.terms.total - paid_before - amount,
    )
