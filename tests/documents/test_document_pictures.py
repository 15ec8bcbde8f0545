"""Documents as a person sees them: the merchant's colours, a QR code that a phone reads, and pictures to look at."""

import os
from pathlib import Path

import pytest
from PIL import Image

from documents.papers import AFTER_THE_DUE_DATE, LATER, PAYMENT_URL, a_receipt, a_subject, pictures
from paydue.documents.invoice_pdf import invoice_document
from paydue.domain.settings import LANGUAGES


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where pictures go: PAYDUE_ARTEFACTS, for somebody who wants to look at them, or a folder that goes."""
    folder = os.environ.get("PAYDUE_ARTEFACTS")
    return Path(folder) / "documents" if folder else tmp_path_factory.mktemp("documents")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_document_wears_the_merchants_colour_and_ink(drawn, artefacts, language):
    subject = a_subject(language, "PARTIAL")
    pdf = drawn(invoice_document(subject, AFTER_THE_DUE_DATE, PAYMENT_URL))
    (page,) = pictures(pdf, artefacts / f"{language}-overdue")
    edge = pixel(page, 0.005, 0.5)
    assert edge == rgb(subject.settings.background_color)
    assert rgb("#10191b") in colours_of(page)
    assert rgb("#c3cdce") in colours_of(page), "the open part of the due line"


@pytest.mark.parametrize("status", ["DRAFT", "SENT", "PAID", "CANCELED"])
def test_every_state_is_photographed(drawn, artefacts, status):
    subject = a_subject("en-US", status)
    (page,) = pictures(drawn(invoice_document(subject, LATER, PAYMENT_URL)), artefacts / f"en-US-{status}")
    assert (rgb("#12683a") in colours_of(page)) is (status == "PAID")
    if status == "PAID":
        (receipt,) = pictures(drawn(a_receipt(subject)), artefacts / "en-US-receipt")
        assert rgb("#12683a") in colours_of(receipt)


def test_a_phone_reads_the_payment_link_from_the_slip(drawn, tmp_path):
    import zxingcpp

    (page,) = pictures(drawn(invoice_document(a_subject(), LATER, PAYMENT_URL)), tmp_path / "qr", dots_per_inch=150)
    with Image.open(page) as picture:
        assert [code.text for code in zxingcpp.read_barcodes(picture)] == [PAYMENT_URL]


def pixel(picture: Path, across: float, down: float) -> tuple[int, ...]:
    with Image.open(picture) as image:
        colour = image.convert("RGB").getpixel((int(image.width * across), int(image.height * down)))
    assert isinstance(colour, tuple)
    return colour


def colours_of(picture: Path) -> set[object]:
    with Image.open(picture) as image:
        counted = image.convert("RGB").getcolors(1 << 24)
    assert counted is not None
    return {colour for count, colour in counted if count > 30}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
