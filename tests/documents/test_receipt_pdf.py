"""The receipt on paper: what arrived, when, how, and what is left."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from documents.papers import PAID, a_receipt, a_subject
from documents.reading_pdf import joined, text_of
from paydue.documents.receipt_pdf import PaymentReceived, receipt_document
from paydue.domain.settings import LANGUAGES
from paydue.language.amounts import format_amount
from paydue.language.dates import format_long_date


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_facts_are_those_of_the_payment_in_every_language(drawn, language):
    subject = a_subject(language, "PARTIAL")
    invoice, currency = subject.invoice, subject.invoice.terms.currency
    said = joined(text_of(drawn(a_receipt(subject))))
    wanted = [
        invoice.number,
        format_amount(invoice.paid, currency, language),
        format_amount(invoice.balance, currency, language),
        format_amount(invoice.terms.total, currency, language),
        format_long_date(PAID.date(), language),
        "Visa",
        "1111",
        "7958342107456174603058",
    ]
    assert [fact for fact in wanted if joined(fact) not in said] == []


def test_a_receipt_says_the_time_with_its_zone(drawn):
    subject = a_subject(status="PAID")
    at_home = replace(subject, merchant=replace(subject.merchant, time_zone="America/New_York"))
    assert "November 14, 2026, 2:32 PM EST" in text_of(drawn(a_receipt(at_home)))


def test_a_payment_in_full_leaves_nothing_due(drawn):
    said = text_of(drawn(a_receipt(a_subject(status="PAID"))))
    assert "Paid in full" in said
    assert "Harbour Lane Provisions received USD 309.64 for invoice 98769." in said


def test_what_was_paid_before_is_told_apart(drawn):
    subject = a_subject(status="PAID")
    payment = PaymentReceived(amount=Decimal(100), paid_at=PAID, balance_left=Decimal("9.64"))
    said = text_of(drawn(receipt_document(subject, payment)))
    assert "Paid before −200.00" in said
    assert "Balance due USD 9.64" in said
    assert "Payment method" not in said
