"""The invoice on paper: all that is billed, in every language and state, on pages that hold it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from builders import a_line_item, a_payment
from documents.papers import (
    AFTER_THE_DUE_DATE,
    ISSUED,
    LATER,
    PAYMENT_URL,
    TOKEN,
    a_subject,
)
from documents.reading_pdf import joined, plain, reader, text_of, words_of
from paydue.documents.invoice_pdf import invoice_document
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.merchant import Address
from paydue.domain.merchant_fields import FieldDefinition, FieldType, FieldValue
from paydue.domain.settings import LANGUAGES, Label
from paydue.domain.terms import Customer, Freight
from paydue.language.amounts import format_amount, format_figures, format_number
from paydue.language.dates import format_long_date
from paydue.language.locales import UnknownLanguage

A4, US_LETTER = (595, 842), (612, 792)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_facts_are_those_of_the_invoice_in_every_language(drawn, language):
    subject = a_subject(language, "PARTIAL", freight=Freight(amount=Decimal("45.5")))
    invoice, terms = subject.invoice, subject.invoice.terms
    said = joined(text_of(drawn(invoice_document(subject, LATER, PAYMENT_URL))))
    wanted = [
        invoice.number,
        terms.customer.name,
        terms.description,
        subject.settings.merchant_display_name,
        format_long_date(terms.due_date, language),
        format_long_date(ISSUED.date(), language),
        format_amount(terms.total, terms.currency, language),
        format_amount(invoice.balance, terms.currency, language),
        format_figures(-invoice.paid, terms.currency, language),
        format_figures(terms.sub_amount, terms.currency, language),
        format_figures(terms.freight.amount, terms.currency, language),
        format_figures(terms.tax.amount, terms.currency, language),
        PAYMENT_URL.removeprefix("https://"),
    ]
    for item in terms.line_items:
        wanted += [item.product_name, item.product_sku, format_number(item.quantity, language)]
        wanted += [format_figures(item.unit_price, terms.currency, language)]
        wanted += [format_figures(item.total, terms.currency, language)]
    assert [fact for fact in wanted if joined(fact) not in said] == []


@pytest.mark.parametrize(
    "status, at, words",
    [
        ("DRAFT", LATER, ["Draft", "This is a draft. It cannot be paid yet."]),
        ("SENT", LATER, ["Due on December 11, 2026", "Partial payment: Any amount from USD 50.00", "Pay online"]),
        ("SENT", AFTER_THE_DUE_DATE, ["Overdue", "Was due on December 11, 2026", "Scan to pay"]),
        ("PARTIAL", LATER, ["Paid on November 14, 2026", "−103.00", "USD 103.00 of USD 309.64 paid", "Balance due on"]),
        ("PAID", LATER, ["Paid on November 14, 2026", "Paid in full", "USD 0.00"]),
        ("CANCELED", LATER, ["Canceled on November 14, 2026", "You do not need to pay this invoice."]),
    ],
)
def test_a_state_is_said_in_words(drawn, status, at, words):
    said = text_of(drawn(invoice_document(a_subject(status=status), at, PAYMENT_URL)))
    assert [each for each in words if each not in said] == []


def test_an_invoice_under_review_asks_not_to_pay_again(drawn):
    subject = a_subject()
    held = replace(subject, invoice=replace(subject.invoice, status=Status.PENDING))
    said = text_of(drawn(invoice_document(held, LATER, PAYMENT_URL)))
    assert "Your payment is being checked. Do not pay again." in said
    assert "Pay online" not in said


def test_an_expired_link_is_not_printed(drawn):
    subject = a_subject(expiration_date=date(2026, 11, 20))
    pdf = drawn(invoice_document(subject, LATER, PAYMENT_URL))
    assert "The payment link has expired." in text_of(pdf)
    assert links_of(pdf) == []


@pytest.mark.parametrize("status", ["DRAFT", "PAID", "CANCELED"])
def test_what_cannot_be_paid_has_no_link(drawn, status):
    pdf = drawn(invoice_document(a_subject(status=status), LATER, PAYMENT_URL))
    assert links_of(pdf) == []
    assert TOKEN not in joined(text_of(pdf))


def test_the_link_and_the_picture_of_it_lead_to_the_payment_page(drawn):
    pdf = drawn(invoice_document(a_subject(), LATER, PAYMENT_URL))
    assert set(links_of(pdf)) == {PAYMENT_URL}


def test_nothing_is_shown_that_a_holder_of_the_link_may_not_know(drawn):
    subject = a_subject(
        transaction_reference_number="SECRET-REFERENCE",
        customer=Customer(name="Tanya Lee", email="tanya@hidden.example", merchant_customer_id="LK-0417"),
        field_values=(a_field("Internal", "internal note", is_visible=False),),
    )
    pdf = drawn(invoice_document(subject, LATER, PAYMENT_URL))
    said = joined(text_of(pdf))
    assert "LK-0417" in said
    assert [hidden for hidden in ("SECRET", "hidden.example", "internalnote") if hidden in said] == []


def test_custom_fields_that_customers_may_see_are_shown(drawn):
    subject = a_subject(field_values=(a_field("Purchase order", "PO 4711", is_visible=True),))
    assert "PO 4711" in text_of(drawn(invoice_document(subject, LATER)))


def test_labels_are_renamed_and_hidden_and_no_figure_changes(drawn):
    renamed = (
        Label(key="billTo", value="Patron"),
        Label(key="customerId", hidden=True),
        Label(key="description", hidden=True),
        Label(key="tax", value="Sales tax", hidden_for_item=True),
        Label(key="discount", hidden_for_invoice=True),
        Label(key="partialPayment", hidden=True),
    )
    subject = a_subject(
        customer=Customer(name="Tanya Lee", merchant_customer_id="LK-0417"),
        discount_amount=Decimal("12.34"),
        line_items=(a_line_item(tax_rate=Decimal("8.25"), discount_amount=Decimal("5.55")),),
    )
    subject = replace(subject, settings=replace(subject.settings, labels=renamed))
    said = text_of(drawn(invoice_document(subject, LATER, PAYMENT_URL)))
    assert "Patron" in said
    assert "Sales tax (5.5%)" in said
    assert "Discount: −5.55" in said
    gone = ["Bill to", "LK-0417", "Customer ID", "Weekly bakery order", "8.25%", "12.34", "Partial payment"]
    assert [each for each in gone if each in said] == []
    assert "USD 309.64" in said


def test_a_hidden_invoice_number_stands_nowhere_on_the_sheet(drawn):
    subject = a_subject()
    hidden = replace(subject.settings, labels=(Label(key="invoiceNumber", hidden=True),))
    assert "98769" not in text_of(drawn(invoice_document(replace(subject, settings=hidden), LATER, PAYMENT_URL)))


@pytest.mark.parametrize("country, size", [("US", US_LETTER), ("CA", US_LETTER), ("DE", A4), ("JP", A4), (None, A4)])
def test_the_paper_is_that_of_the_merchants_country(drawn, country, size):
    subject = a_subject()
    merchant = replace(subject.merchant, address=Address(city="Somewhere", country=country))
    box = reader(drawn(invoice_document(replace(subject, merchant=merchant), LATER))).pages[0].mediabox
    assert (round(box.width), round(box.height)) == size


def test_thirty_items_and_a_long_description_break_over_pages_with_the_header_on_each(drawn):
    items = tuple(
        a_line_item(product_name=f"Item number {at} of the order", product_sku=f"SKU-{at:03}") for at in range(30)
    )
    subject = a_subject(line_items=items, description="All of it was agreed on. " * 80)
    pdf = drawn(invoice_document(subject, LATER, PAYMENT_URL))
    pages = [plain(page.extract_text()) for page in reader(pdf).pages]
    with_items = [page for page in pages if "SKU-" in page]
    assert len(with_items) >= 2
    assert all("Unit price" in page for page in with_items)
    assert [at for at in range(30) if sum(f"SKU-{at:03}" in page for page in pages) != 1] == []
    assert [f"{at} / {len(pages)}" in page for at, page in enumerate(pages, 1)] == [True] * len(pages)
    assert ["Pay online" in page for page in pages] == [False] * (len(pages) - 1) + [True]
    assert text_of(pdf).count("All of it was agreed on.") == 80


@pytest.mark.parametrize("items, pages", [(1, 1), (6, 1), (14, 2), (30, 3)])
def test_an_invoice_takes_no_more_pages_than_it_needs(drawn, items, pages):
    subject = a_subject("de-DE", line_items=tuple(a_line_item() for _ in range(items)))
    assert len(reader(drawn(invoice_document(subject, LATER, PAYMENT_URL))).pages) <= pages


@pytest.mark.parametrize(
    "currency, unit, total", [("JPY", "1205", "241000"), ("USD", "12.05", "241"), ("KWD", "12.055", "9.1")]
)
def test_figures_end_at_one_line_whatever_decimals_the_currency_has(drawn, currency, unit, total):
    items = (a_line_item(total, unit_price=Decimal(unit)), a_line_item("7", unit_price=Decimal(3)))
    subject = a_subject(currency=currency, total=Decimal(total) + 7, line_items=items, sub_amount=None, tax=None)
    pdf = drawn(invoice_document(subject, LATER))
    shown = [format_figures(item.total, currency, "en-US") for item in items]
    shown.append(format_figures(subject.invoice.terms.total, currency, "en-US"))
    ends = [max(word.right for word in words_of(pdf) if word.text == figure) for figure in shown]
    assert max(ends) - min(ends) < 0.5


def test_the_largest_amounts_stay_inside_the_page(drawn):
    most = Decimal("999999999999.99")
    item = a_line_item(str(most), unit_price=most, quantity=999_999_999, product_name="Wintergartenbeschattung" * 5)
    subject = a_subject("de-DE", currency="USD", total=most, sub_amount=most, line_items=(item, item))
    pdf = drawn(invoice_document(subject, LATER, PAYMENT_URL))
    words = words_of(pdf)
    assert min(word.left for word in words) >= 22 / 25.4 * 72 - 1
    assert max(word.right for word in words) <= A4[0] - 20 / 25.4 * 72 + 1
    assert overlapping(words) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_lies_on_another(drawn, language):
    subject = a_subject(language, "PARTIAL", freight=Freight(amount=Decimal(45)))
    assert overlapping(words_of(drawn(invoice_document(subject, LATER, PAYMENT_URL)))) == []


def test_more_payments_than_lines_are_added_up(drawn):
    subject = a_subject("en-US")
    invoice = subject.invoice
    for _ in range(12):
        invoice = invoice.receive(a_payment("2"), LATER)
    said = text_of(drawn(invoice_document(replace(subject, invoice=invoice), LATER)))
    assert "Paid so far" in said
    assert "−24.00" in said


def test_a_day_is_the_merchants_day(drawn):
    subject = a_subject()
    at = datetime(2026, 11, 4, 2, tzinfo=UTC)
    invoice = Invoice.draft(subject.invoice.terms, at, "7")
    tokyo, honolulu = (
        text_of(drawn(invoice_document(
            replace(subject, invoice=invoice, merchant=replace(subject.merchant, time_zone=zone)), at)))
        for zone in ("Asia/Tokyo", "Pacific/Honolulu")
    )  # fmt: skip
    assert "November 4, 2026" in tokyo
    assert "November 3, 2026" in honolulu


def test_an_invoice_is_overdue_from_the_day_after_the_due_date():
    subject = a_subject()
    due = datetime.combine(subject.invoice.terms.due_date, datetime.min.time(), UTC)
    assert b'"overdue"' not in invoice_document(subject, due + timedelta(hours=23)).values
    assert b'"overdue"' in invoice_document(subject, due + timedelta(hours=25)).values


def test_a_test_invoice_says_so(drawn):
    said = text_of(drawn(invoice_document(replace(a_subject(), is_test=True), LATER)))
    assert "TEST" in said


def test_a_language_that_is_none_of_ours_is_refused():
    with pytest.raises(UnknownLanguage):
        invoice_document(replace(a_subject(), language="tlh"), LATER)


def a_field(label: str, value: str, *, is_visible: bool) -> FieldValue:
    definition = FieldDefinition(field_type=FieldType.TEXT, label=label, is_customer_visible=is_visible, data_index=1)
    return FieldValue(definition=definition, value=value)


def links_of(pdf: bytes) -> list[str]:
    return [
        annotation["/A"]["/URI"]
        for page in reader(pdf).pages
        for annotation in page.get("/Annots", ())
        if annotation["/Subtype"] == "/Link"
    ]


def overlapping(words) -> list[tuple[str, str]]:
    """Return words that lie on another by more than a point in both directions."""
    return [
        (one.text, other.text)
        for at, one in enumerate(words)
        for other in words[at + 1 :]
        if min(one.right, other.right) - max(one.left, other.left) > 1
        and min(one.bottom, other.bottom) - max(one.top, other.top) > 3
    ]
