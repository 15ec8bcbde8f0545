"""PDFs that go with mails: which, what they say, and that none of them keeps a mail from being sent."""

from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import Message
from io import BytesIO

import pytest
from pypdf import PdfReader

from paydue.delivery.mail_documents import MailDocuments
from paydue.documents.document import Document
from paydue.documents.press import DocumentNotDrawn, Press, PressBusy
from posting import Installation


@pytest.fixture
async def press() -> AsyncIterator[Press]:
    press = Press(warms_up=False)
    yield press
    await press.aclose()


def attachments(mail: bytes) -> list[Message]:
    return [part for part in message_from_bytes(mail).walk() if part.get_content_disposition() == "attachment"]


def text_of(pdf: Message) -> str:
    content = pdf.get_payload(decode=True)
    assert isinstance(content, bytes)
    return " ".join("".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages).split())


class FailingPress:
    """A press that draws nothing."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def pdf(self, _document: Document) -> bytes:
        raise self._failure


async def with_documents(acme: Installation, press: object, **options: object) -> None:
    acme.documents = lambda store: MailDocuments(store, press, **options)  # type: ignore[arg-type]
    await acme.reopen()


async def test_an_invoice_goes_out_with_its_pdf(acme, recorder, press):
    await with_documents(acme, press)
    await acme.send("98769")
    await acme.work()

    (pdf,) = attachments(recorder.posted[0].content)
    assert pdf.get_filename() == "invoice-98769.pdf"
    assert pdf.get_content_type() == "application/pdf"
    assert "Invoice 98769" in text_of(pdf)
    assert "USD 293.50" in text_of(pdf)
    assert "TEST" not in text_of(pdf)


async def test_a_payment_is_thanked_for_with_its_receipt_and_the_receipts_address(acme, recorder, press):
    def receipt_of(_merchant_id, invoice, transaction_id):
        return f"https://pay.example/receipt/{invoice.number}/{transaction_id}"

    await with_documents(acme, press)
    await acme.reopen(receipt_of=receipt_of)
    await acme.send("7")
    await acme.pay("7", "100")
    await acme.work()

    mail = recorder.posted[1].content
    (pdf,) = attachments(mail)
    assert pdf.get_filename() == "receipt-7.pdf"
    assert "received USD 100.00 for invoice 7" in text_of(pdf)
    text = next(part for part in message_from_bytes(mail).walk() if part.get_content_type() == "text/plain")
    assert b"https://pay.example/receipt/7/TR-1" in text.get_payload(decode=True)  # type: ignore[operator]


async def test_the_pdf_speaks_the_merchants_language_and_says_where_no_money_moves(acme, recorder, press):
    await with_documents(acme, press, is_test_of=lambda _: True)
    await acme.set(delivery_language="de-DE")
    await acme.send("7")
    await acme.work()

    shown = text_of(attachments(recorder.posted[0].content)[0])
    assert "Rechnung 7" in shown
    assert "TEST" in shown


async def test_mails_that_ask_and_thank_for_nothing_have_no_pdf(acme, recorder, press):
    await with_documents(acme, press)
    await acme.send("7")
    await acme.cancel("7")
    await acme.work()

    assert [len(attachments(each.content)) for each in recorder.posted] == [1, 0]


async def test_without_the_setting_nothing_is_attached(acme, recorder):
    await acme.send("7")
    await acme.work()

    assert attachments(recorder.posted[0].content) == []


@pytest.mark.parametrize("failure", [PressBusy(), DocumentNotDrawn("no fonts")])
async def test_a_pdf_that_cannot_be_drawn_keeps_no_mail_back(acme, recorder, failure):
    await with_documents(acme, FailingPress(failure))
    await acme.send("7")
    await acme.work()

    assert len(recorder.posted) == 1
    assert attachments(recorder.posted[0].content) == []
