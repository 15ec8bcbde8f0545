"""A PDF that a screen reader can read and an archive can keep: tags in reading order, language, title, standards."""

import re

import pytest

from documents.papers import LATER, PAYMENT_URL, a_receipt, a_subject
from documents.reading_pdf import reader, tags_of
from paydue.documents.invoice_pdf import invoice_document
from paydue.domain.settings import LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_and_title_are_said(drawn, language):
    document = reader(drawn(invoice_document(a_subject(language), LATER, PAYMENT_URL)))
    root = document.trailer["/Root"]
    # "es-419" is Spanish of a region that is no country, which typst cannot name.
    assert root["/Lang"] == language.removesuffix("-419")
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    subject = a_subject(language)
    assert subject.invoice.number in document.metadata.title
    assert subject.merchant.name in document.metadata.title


def test_the_file_says_which_standards_it_keeps(drawn):
    for pdf in (drawn(invoice_document(a_subject(), LATER, PAYMENT_URL)), drawn(a_receipt(a_subject(status="PAID")))):
        metadata = reader(pdf).trailer["/Root"]["/Metadata"].get_data().decode()
        assert re.findall(r"<(pdfaid:part|pdfaid:conformance|pdfuaid:part)>(\w+)<", metadata) == [
            ("pdfaid:part", "3"), ("pdfaid:conformance", "A"), ("pdfuaid:part", "1"),
        ]  # fmt: skip


def test_heading_table_and_pictures_are_tagged_in_reading_order(drawn):
    pdf = drawn(invoice_document(a_subject(logo=a_logo()), LATER, PAYMENT_URL))
    tags = tags_of(pdf)
    names = [str(tag["/S"]) for tag in tags]
    assert names.count("/H1") == 1
    assert names.count("/TH") == 4
    assert names.count("/Table") == 1
    assert names.index("/H1") < names.index("/Table") < names.index("/Link")
    described = [tag["/Alt"] for tag in tags if tag["/S"] == "/Figure"]
    assert described == ["Logo of Harbour Lane Provisions", "QR code of the payment link"]


def test_nothing_runs_and_nothing_is_fetched_when_it_is_opened(drawn):
    pdf = drawn(invoice_document(a_subject(logo=a_logo()), LATER, PAYMENT_URL))
    root = reader(pdf).trailer["/Root"]
    assert not {"/OpenAction", "/AA", "/AcroForm"} & set(root)
    assert not {"/JavaScript", "/EmbeddedFiles"} & set(root.get("/Names", {}))


def test_the_file_bears_the_date_of_the_last_change_and_so_is_the_same_each_time(drawn):
    document = invoice_document(a_subject(), LATER, PAYMENT_URL)
    assert reader(drawn(document)).metadata.creation_date == document.made_at


def a_logo() -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (40, 40), "#17352b").save(file, "PNG")
    return file.getvalue()
