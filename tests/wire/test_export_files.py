"""Exported books as files: exact, UTF-8, and harmless to a spreadsheet."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from paydue.domain.lifecycle import Status
from paydue.usecases.export_books import ExportedInvoice, ExportedLine, ExportedPayment, Movement
from paydue.wire.export_files import FileFormat, harmless, invoice_writer, payment_writer

INVOICE = ExportedInvoice(
    invoice_id="1",
    status=Status.SENT,
    created_at="2026-05-05T12:00:00.123456Z",
    due_date="2026-06-30",
    currency="EUR",
    total_amount=Decimal("1234567890.10"),
    paid_amount=Decimal("0.00"),
    refunded_amount=Decimal("0.00"),
    balance_amount=Decimal("1234567890.10"),
    customer_name='Jörg "Ö" 東京, GmbH',
    description="two\r\nlines",
)
PAYMENT = ExportedPayment(
    invoice_id="1",
    kind=Movement.REFUND,
    recorded_at="2026-05-05T12:00:00.123456Z",
    currency="EUR",
    amount=Decimal("-5.00"),
    transaction_id="TR-1",
)


def rows(written: bytes) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(written.decode(), newline="")))


def test_a_csv_file_reads_back_as_what_was_written() -> None:
    writer = invoice_writer(FileFormat.CSV)

    (row,) = rows(writer.start + writer.write([INVOICE]))

    assert (row["invoiceId"], row["status"], row["totalAmount"]) == ("1", "SENT", "1234567890.10")
    assert (row["customerName"], row["description"]) == ('Jörg "Ö" 東京, GmbH', "two\r\nlines")
    assert row["expirationDate"] == row["customerEmail"] == ""


def test_every_cell_is_quoted_and_every_line_ends_as_rfc_4180_has_it() -> None:
    writer = payment_writer(FileFormat.CSV)

    assert writer.start + writer.write([PAYMENT]) == (
        b'"invoiceId","kind","recordedAt","paidAt","currency","amount","method","transactionId"\r\n'
        b'"1","REFUND","2026-05-05T12:00:00.123456Z","","EUR","-5.00","","TR-1"\r\n'
    )


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "  =1+1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x",
     "\u00a0=1", '=HYPERLINK("https://evil.example","open")', "-"],
)  # fmt: skip
def test_what_looks_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"
    writer = invoice_writer(FileFormat.CSV)
    named = replace(INVOICE, customer_name=text, description=text, merchant_customer_id=text, company_name=text)
    (row,) = rows(writer.start + writer.write([named]))
    for column in ("customerName", "description", "merchantCustomerId", "companyName"):
        assert row[column] == f"'{text}"


@pytest.mark.parametrize("text", ["Acme", "1-2", "a=b", "", "'=1", "Tanya @ Acme", "東京"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


def test_the_minus_of_a_number_is_no_formula() -> None:
    writer = payment_writer(FileFormat.CSV)

    (row,) = rows(writer.start + writer.write([PAYMENT]))

    assert row["amount"] == "-5.00"


def test_a_line_of_json_has_exact_amounts_as_text_and_no_key_for_what_is_not_there() -> None:
    line = ExportedLine("SKU", "Name", 3, Decimal("0.10"), Decimal("0.3"))
    writer = invoice_writer(FileFormat.JSON_LINES)

    written = writer.start + writer.write([replace(INVOICE, line_items=(line,), description="=1+1\n"), INVOICE])

    first, second = written.decode().splitlines()
    told = json.loads(first)
    assert told["totalAmount"] == "1234567890.10"
    assert told["description"] == "=1+1\n"
    assert told["lineItems"] == [
        {"productSku": "SKU", "productName": "Name", "quantity": 3, "unitPrice": "0.10", "totalAmount": "0.3"}
    ]
    assert "expirationDate" not in told
    assert "lineItems" not in json.loads(second)
    assert "東京" in second


def test_no_records_make_a_file_with_nothing_but_its_head() -> None:
    assert invoice_writer(FileFormat.JSON_LINES).start + invoice_writer(FileFormat.JSON_LINES).write([]) == b""
    assert invoice_writer(FileFormat.CSV).write([]) == b""
