"""
Exported books as files: CSV for people and their spreadsheets, JSON Lines for programs.

Both have the same fields under the same names; only JSON Lines has line items. Amounts are exact: in CSV numbers with
all decimals of their currency, in JSON text, because most programs would make a binary fraction of a JSON number.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from paydue.usecases.export_books import ExportedInvoice, ExportedPayment


class FileFormat(StrEnum):
    CSV = "csv"
    JSON_LINES = "jsonl"


MEDIA_TYPES: Final = {
    FileFormat.CSV: b"text/csv; charset=utf-8; header=present",
    FileFormat.JSON_LINES: b"application/x-ndjson; charset=utf-8",
}

# What a spreadsheet takes for a formula, also behind spaces, and what some drop from the front of a cell.
_FORMULA: Final = re.compile("[\\t\\r]|\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]")

_encode: Final = msgspec.json.Encoder(decimal_format="string").encode_lines


class BookWriter:
    """Writes records of one kind as one file: the `start`, then any number of `write`."""

    def __init__(self, file_format: FileFormat, names: Sequence[str], cells: Callable[[Any], tuple[Any, ...]]) -> None:
        self._names = names
        self._cells = cells
        self._format = file_format

    @property
    def start(self) -> bytes:
        """What stands before the first record."""
        return self._rows([tuple(self._names)]) if self._format is FileFormat.CSV else b""

    def write(self, records: Sequence[Any]) -> bytes:
        """Return these records as a piece of the file."""
        if self._format is FileFormat.CSV:
            return self._rows([self._cells(record) for record in records])
        return _encode(records)

    @staticmethod
    def _rows(rows: Sequence[tuple[Any, ...]]) -> bytes:
        written = io.StringIO()
        # As RFC 4180 has it. Everything in quotes, so that nothing in a cell can end it.
        csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
        return written.getvalue().encode()


def invoice_writer(file_format: FileFormat) -> BookWriter:
    """Return what writes `ExportedInvoice` records."""
    return BookWriter(file_format, _INVOICE_NAMES, _invoice_cells)


def payment_writer(file_format: FileFormat) -> BookWriter:
    """Return what writes `ExportedPayment` records."""
    return BookWriter(file_format, _PAYMENT_NAMES, _payment_cells)


def harmless(text: str | None) -> str:
    """Return a text that no spreadsheet takes for a formula: what looks like one gets an apostrophe in front."""
    if text is None:
        return ""
    return f"'{text}" if _FORMULA.match(text) else text


# Files of invoices

_INVOICE_NAMES: Final = (
    "invoiceId", "status", "createdAt", "dueDate", "expirationDate", "currency", "totalAmount", "paidAmount",
    "refundedAmount", "balanceAmount", "customerName", "customerEmail", "companyName", "merchantCustomerId",
    "description", "referenceNumber"
)  # fmt: skip
_PAYMENT_NAMES: Final = (
    "invoiceId", "kind", "recordedAt", "paidAt", "currency", "amount", "method", "transactionId"
)  # fmt: skip


def _invoice_cells(invoice: ExportedInvoice) -> tuple[Any, ...]:
    return (
        harmless(invoice.invoice_id),
        invoice.status.value,
        invoice.created_at,
        invoice.due_date,
        invoice.expiration_date or "",
        invoice.currency,
        invoice.total_amount,
        invoice.paid_amount,
        invoice.refunded_amount,
        invoice.balance_amount,
        harmless(invoice.customer_name),
        harmless(invoice.customer_email),
        harmless(invoice.company_name),
        harmless(invoice.merchant_customer_id),
        harmless(invoice.description),
        harmless(invoice.reference_number),
    )


def _payment_cells(payment: ExportedPayment) -> tuple[Any, ...]:
    return (
        harmless(payment.invoice_id),
        payment.kind.value,
        payment.recorded_at,
        payment.paid_at or "",
        payment.currency,
        payment.amount,
        harmless(payment.method),
        harmless(payment.transaction_id),
    )
