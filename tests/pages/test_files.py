"""What stands below a payment link beside its page: PDFs, QR code, receipts, previews; and logos."""

import asyncio
import re
from datetime import timedelta
from io import BytesIO
from typing import Any

import httpx
import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader

from builders import NOON, TOKEN, a_payment, an_invoice
from paydue.documents.press import DocumentNotDrawn, PressBusy
from paydue.domain.lifecycle import Status
from paydue.domain.settings import LogoFormat, ProductType, Settings
from paydue.usecases.previews import PREVIEW, PREVIEW_LASTS, Previews
from paydue.usecases.receipt_links import RECEIPT_LASTS, ReceiptLinks
from reading import Page

LINK = f"/ebc2/invoicing/payInvoice/{TOKEN}"
SECRET = b"a secret of the tests"


def text_of(answer: httpx.Response) -> str:
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(answer.content)).pages)
    return " ".join(text.replace("\u200b", "").split())


def code_of(number: str, transaction_id: str = "TR-1") -> str:
    return ReceiptLinks(SECRET).code("acme", number, transaction_id)


# --- PDFs ---


async def test_the_invoice_is_had_as_pdf_from_the_address_on_its_page(books):
    await books.keep(an_invoice(Status.SENT))
    (address,) = [each for each in Page((await books.open()).text).attributes("a", "href") if each and ".pdf" in each]
    answer = await books.open(address)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'attachment; filename="invoice-1.pdf"'
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cache-control"] == "no-store"
    assert "Invoice 1" in text_of(answer)
    assert "USD 293.50" in text_of(answer)
    assert f"pay.example.com/ebc2/invoicing/payInvoice/{TOKEN}" in text_of(answer).replace(" ", "")


async def test_a_pdf_is_in_the_language_of_the_page_that_leads_to_it(books):
    await books.keep(an_invoice(Status.SENT))

    assert "Rechnung 1" in text_of(await books.open(f"{LINK}/invoice.pdf?lang=de-DE"))


async def test_the_same_invoice_is_drawn_once_and_a_changed_one_anew(books):
    kept = await books.keep(an_invoice(Status.SENT))
    first, second = [await books.open(f"{LINK}/invoice.pdf") for _ in range(2)]
    await books.change(kept, kept.receive(a_payment("100"), NOON))
    third = await books.open(f"{LINK}/invoice.pdf")

    assert first.content == second.content
    assert "Balance due USD 193.50" in text_of(third)


@pytest.mark.parametrize("failure", [PressBusy(), DocumentNotDrawn("out of memory")])
async def test_a_pdf_that_cannot_be_had_now_can_be_asked_for_in_a_moment(books, monkeypatch, failure):
    async def refuse(_document: Any) -> bytes:
        raise failure

    await books.keep(an_invoice(Status.SENT))
    monkeypatch.setattr(books.press, "pdf", refuse)
    answer = await books.open(f"{LINK}/invoice.pdf")

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "The PDF cannot be made right now. Try again in a minute." in Page(answer.text).words
    assert "memory" not in answer.text


async def test_pages_are_answered_while_a_pdf_is_drawn(books, monkeypatch):
    drawn = asyncio.Event()

    async def wait(_document: Any) -> bytes:
        await drawn.wait()
        return b"%PDF"

    await books.keep(an_invoice(Status.SENT))
    monkeypatch.setattr(books.press, "pdf", wait)
    drawing = asyncio.ensure_future(books.open(f"{LINK}/invoice.pdf"))
    assert (await books.open()).status_code == 200
    assert not drawing.done()
    drawn.set()
    assert (await drawing).content == b"%PDF"


# --- receipts ---


async def test_a_receipt_has_an_address_of_its_own_that_nobody_can_guess(books):
    paid = an_invoice(Status.SENT).receive(a_payment("100"), NOON)
    kept = await books.keep(paid)
    page = Page((await books.open(f"{LINK}/receipt/{code_of(kept.number)}")).text)

    assert "Thank you. Harbour Lane Provisions received USD 100.00 for invoice 1." in page.words
    assert "Balance due: USD 193.50" in page.words
    for wrong in ("0" * 32, code_of("2"), code_of(kept.number, "TR-2"), code_of(kept.number)[:-1], "", "../x"):
        assert (await books.open(f"{LINK}/receipt/{wrong}")).status_code == 404


async def test_a_receipt_is_had_as_pdf(books):
    kept = await books.keep(an_invoice(Status.SENT).receive(a_payment("100"), NOON))
    page = Page((await books.open(f"{LINK}/receipt/{code_of(kept.number)}")).text)
    (address,) = [each for each in page.attributes("a", "href") if each and "receipt" in each and ".pdf" in each]
    answer = await books.open(address)

    assert answer.headers["content-disposition"] == 'attachment; filename="receipt-1.pdf"'
    assert "received USD 100.00 for invoice 1" in text_of(answer)


async def test_a_receipt_says_what_was_paid_before_and_left_then_whatever_came_later(books):
    twice = an_invoice(Status.SENT).receive(a_payment("100", "A"), NOON).receive(a_payment("50", "B"), NOON)
    kept = await books.keep(twice.receive(a_payment("143.5", "C"), NOON))
    words = Page((await books.open(f"{LINK}/receipt/{code_of(kept.number, 'B')}")).text).words

    assert "Paid before −100.00 Paid on May 5, 2026 −50.00 Balance due USD 143.50" in words


async def test_a_receipt_lasts_a_year(books):
    kept = await books.keep(an_invoice(Status.PAID))
    address = f"{LINK}/receipt/{code_of(kept.number)}"
    books.clock.at = NOON + RECEIPT_LASTS - timedelta(seconds=1)
    assert (await books.open(address)).status_code == 200
    books.clock.at = NOON + RECEIPT_LASTS
    assert (await books.open(address)).status_code == 404


# --- QR codes ---


async def test_the_qr_code_on_paper_leads_to_the_payment_page(books):
    await books.keep(an_invoice(Status.SENT))
    (address,) = [each for each in Page((await books.open()).text).attributes("img", "src") if each]
    answer = await books.open(address)

    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-store"
    (found,) = zxingcpp.read_barcodes(drawn(answer.text))
    assert found.text == f"https://pay.example.com{LINK}?version=v2.1"


def drawn(svg: str) -> Image.Image:
    """Return the picture of a QR code: one path of lines a module thick."""
    scale, side = 4, int(re.search(r'viewBox="0 0 ([0-9]+)', svg)[1])  # type: ignore[index]
    picture = Image.new("L", (side * scale, side * scale), 255)
    path = re.search(r'class="qrline"[^>]* d="([^"]+)"', svg)
    assert path is not None
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([^Mmhz]+)", path[1]):
        values = [float(each) for each in re.findall(r"-?[0-9.]+", numbers)]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            for column in range(int(x), int(x + values[0])):
                picture.paste(0, (column * scale, int(y) * scale, (column + 1) * scale, (int(y) + 1) * scale))
            x += values[0]
    return picture


# --- previews ---


async def test_a_preview_shows_a_draft_to_whoever_has_a_fresh_ticket(books):
    kept = await books.keep(an_invoice(Status.DRAFT))
    ticket = Previews(SECRET).ticket("acme", kept.number, books.clock.at)
    address = f"/ebc2/invoicing/payInvoice/{PREVIEW}{ticket}"
    page = Page((await books.open(address)).text)

    assert "Preview. This invoice cannot be paid yet." in page.words
    assert "Draft. Only you can see this page" in page.words
    assert page.attributes("input", "name").count("payer_key") == 1
    assert "DRAFT" in text_of(await books.open(f"{address}/invoice.pdf"))

    books.clock.at += PREVIEW_LASTS
    assert (await books.open(address)).status_code == 404


async def test_a_ticket_that_was_not_made_here_opens_nothing(books):
    kept = await books.keep(an_invoice(Status.DRAFT))
    ticket = Previews(SECRET).ticket("acme", kept.number, books.clock.at)
    shown, _, signature = ticket.partition(".")
    strange = Previews(b"another secret").ticket("acme", kept.number, books.clock.at)

    for wrong in (
        "",
        ".",
        shown,
        f"{shown}.",
        f"{shown}x.{signature}",
        f"{shown}.{signature}0",
        strange,
        "é." + signature,
    ):
        answer = await books.open(f"/ebc2/invoicing/payInvoice/{PREVIEW}{wrong}")
        assert answer.status_code == 404, wrong


# --- logos ---

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc000000301010018dd8d"
    "b00000000049454e44ae426082"
)


async def test_a_logo_is_served_as_what_it_is_and_kept_by_browsers_until_it_changes(books):
    store = books.store.of("acme")
    before = await store.settings(ProductType.INVOICING)
    await store.save_settings(ProductType.INVOICING, before, Settings(logo_format=LogoFormat.PNG), PIXEL)
    await books.keep(an_invoice(Status.SENT))
    page = Page((await books.open()).text)
    (address,) = [each for each in page.attributes("img", "src") if each and each.startswith("/logos/")]
    answer = await books.open(address)

    assert page.attributes("img", "alt")[0] == "Harbour Lane Provisions"
    assert answer.content == PIXEL
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "immutable" in answer.headers["cache-control"]
    assert (await books.open("/logos/acme/999")).headers["cache-control"] == "no-cache"
    for wrong in ("/logos/nobody/1", "/logos/acme/x", "/logos/acme", "/logos/", "/logos/acme/1/2"):
        assert (await books.open(wrong)).status_code == 404, wrong


# --- languages and looks ---


@pytest.mark.parametrize(
    ("asked", "chosen", "browser", "language"),
    [
        ("", "en-US", "", "en-US"),
        ("", "en-US", "de-AT,de;q=0.9,en;q=0.8", "de-DE"),
        ("", "en-US", "en-GB,de;q=0.9", "en-US"),
        ("", "en-US", "xx,es-MX;q=0.5", "es-419"),
        ("", "en-US", "zh-Hant-HK", "zh-TW"),
        ("", "en-US", "zh", "zh-CN"),
        ("", "en-US", "pt-PT;q=0.2,ru;q=0.9", "ru-RU"),
        ("", "en-US", "de;q=0,fr;q=x,ja", "ja-JP"),
        ("", "fr-FR", "de", "fr-FR"),
        ("ja-JP", "fr-FR", "de", "ja-JP"),
        ("pt-br", "fr-FR", "de", "pt-BR"),
        ("xx", "fr-FR", "de", "fr-FR"),
        ("", "en-US", "," * 5000, "en-US"),
    ],
)
async def test_a_page_speaks_the_language_asked_for_or_the_merchants_or_the_browsers(
    books, asked, chosen, browser, language
):
    await books.set(delivery_language=chosen)
    await books.keep(an_invoice(Status.SENT))
    query = f"?version=v2.1&lang={asked}" if asked else "?version=v2.1"
    answer = await books.client.get(LINK + query, headers={"accept-language": browser})

    assert Page(answer.text).attributes("html", "lang") == [language]


async def test_a_link_that_opens_nothing_says_so_in_the_readers_language(books):
    answer = await books.client.get("/ebc2/invoicing/payInvoice/x", headers={"accept-language": "de"})

    assert "Dieser Link funktioniert nicht." in Page(answer.text).words


@pytest.mark.parametrize(
    ("background", "text", "colours"),
    [
        ("#17352b", "#f3ebd9", ("#17352b", "#f3ebd9", "#17352b", "#ffffff", "#17352b")),
        ("#f2c14e", "#ffffff", ("#f2c14e", "#10191b", "#10191b", "#ffffff", "#10191b")),
    ],
)
async def test_the_merchants_colours_are_used_where_one_can_read_them(books, background, text, colours):
    await books.set(background_color=background, font_color=text)
    await books.keep(an_invoice(Status.SENT))

    names = ("band", "band-ink", "action", "action-ink", "link")
    style = ";".join(f"--{name}:{colour}" for name, colour in zip(names, colours, strict=True))
    assert f":root{{{style}}}" in (await books.open()).text


async def test_a_page_that_is_sent_again_is_not_of_yesterday_nor_of_another_version(books):
    kept = await books.keep(an_invoice(Status.SENT))
    assert "in 55 days" in (await books.open()).text
    books.clock.at += timedelta(days=1)
    assert "in 54 days" in (await books.open()).text
    await books.change(kept, kept.receive(a_payment("100"), NOON))
    assert "USD 100.00 of USD 293.50 paid" in Page((await books.open()).text).words
    await books.set(merchant_display_name="The Lane")
    assert "The Lane" in (await books.open()).text
    assert 'lang="ja-JP"' in (await books.open(f"{LINK}?lang=ja-JP")).text
