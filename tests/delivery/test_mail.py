"""Mails: whole and well-formed, the same in text and HTML, and deaf to whatever is put into their fields."""

import re
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import quote

import pytest
from msgspec.structs import replace

from builders import a_line_item
from delivery.letters import BILLING, ENVELOPE, Reader, composed, html_of, parsed, some_facts, text_of
from paydue.delivery.letter import letter_of
from paydue.delivery.mail import TEMPLATES, Document
from paydue.delivery.mail_facts import REMINDERS, TO_THE_MERCHANT, WITH_CUSTOM_MESSAGE, MailKind, Trouble
from paydue.delivery.mail_headers import UnmailableAddress, mailable, named_address
from paydue.delivery.mail_logo import LARGEST_LOGO_BYTES, mail_logo
from paydue.delivery.preview import preview_letter, preview_logo, write_previews
from paydue.domain.merchant import Address
from paydue.domain.settings import LANGUAGES, Label
from paydue.domain.terms import Customer, Freight, Tax

HEADERS = [
    "From", "Reply-To", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Entity-Ref-ID", "Content-Language",
    "List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version", "Content-Type",
]  # fmt: skip

# Each ends a line, or begins a header, somewhere: in a mail server, in Python's parser, in an editor.
INJECTIONS = [
    "a\r\nBcc: evil@x.example\r\n\r\nhello",
    "a\nBcc: evil@x.example",
    "a\rBcc: evil@x.example",
    "a\x0bBcc: evil@x.example",
    "a\x0cBcc: evil@x.example",
    "a\x1c\x1d\x1eBcc: evil@x.example",
    "a\x85Bcc: evil@x.example",
    "a\u2028Bcc: evil\u2029",
    "=?utf-8?q?a=0D=0ABcc:_evil@x.example?=",
    "=?utf-8?b?YQ0KQmNjOiBldmlsQHguZXhhbXBsZQ==?=",
    '"=?utf-8?q?a=0D=0ABcc:evil?="',
    '" <evil@x.example>, "',
    'a\\" <evil@x.example>',
    "Müller, evil@x.example; <b@x.example>",
    "=?utf-8?q?=22=3Cevil=40x.example=3E?= Müller",
    "\ud800\x00\x1b[31m\u202egnp.exe",
]
EVERYWHERE = [MailKind.INVOICE, MailKind.REMINDER, MailKind.PAID, MailKind.PAYMENT_RECEIVED, MailKind.NEEDS_ATTENTION]

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">\'"&{{ 7 * 7 }}{% raw %}{merchant}%s</td></table>'


def headers_of(kind: MailKind) -> list[str]:
    """Return the headers that a mail of that kind has."""
    without = {"Reply-To"} if kind in TO_THE_MERCHANT else set()
    if kind not in REMINDERS:
        without |= {"List-Unsubscribe", "List-Unsubscribe-Post"}
    return [name for name in HEADERS if name not in without]


def filled_with(nasty: str, kind: MailKind = MailKind.INVOICE):
    """Return facts with `nasty` in everything that somebody else may write."""
    return some_facts(
        kind,
        number=nasty,
        merchant={
            "name": nasty,
            "phone": nasty,
            "address": Address(address1=nasty, address2=nasty, city=nasty, state=nasty, postal_code=nasty),
        },
        settings={
            "merchant_display_name": nasty,
            "custom_email_message": nasty,
            "shows_vat_number": True,
            "vat_registration_number": nasty,
            "labels": tuple(Label(key=key, value=nasty) for key in ("billTo", "invoiceNumber", "tax", "description")),
        },
        terms={
            "customer": Customer(name=nasty, company_name=nasty, merchant_customer_id=nasty),
            "description": nasty,
            "line_items": (a_line_item(product_name=nasty, product_sku=nasty),),
            "tax": Tax(type=nasty, amount=Decimal(1), rate=Decimal(5)),
        },
        transaction_id=nasty,
        method=nasty,
        card_ending=nasty,
    )


@pytest.mark.parametrize("kind", EVERYWHERE)
@pytest.mark.parametrize("nasty", INJECTIONS)
def test_nothing_that_is_put_into_a_field_becomes_a_header_or_a_recipient(nasty, kind):
    mail = composed(filled_with(nasty, kind))

    head = mail.partition(b"\r\n\r\n")[0].decode("ascii")
    names = [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith(" ")]
    assert names == headers_of(kind)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", mail)
    for rules in (policy.default, policy.compat32):
        message = message_from_bytes(mail, policy=rules)
        assert message["Bcc"] is None
        assert str(message["To"]) == "payer@customer.example"
    (sender,) = parsed(mail)["From"].addresses
    assert sender.addr_spec == "invoices@pay.example"
    assert not parsed(mail).defects


@pytest.mark.parametrize("nasty", [*INJECTIONS, HOSTILE])
def test_what_others_wrote_is_never_markup(nasty):
    plain, hostile = Reader(html_of(composed(some_facts()))), Reader(html_of(composed(filled_with(nasty))))
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in plain.elements} | {"br"}
    assert {name for _, given in hostile.elements for name in given} <= {
        name for _, given in plain.elements for name in given
    }
    assert all(link.startswith("https://pay.example/") for link in hostile.links)


def test_what_others_wrote_is_shown_as_it_was_written():
    facts = some_facts(terms={"line_items": (a_line_item(product_name=HOSTILE),)})
    mail = composed(facts)
    assert HOSTILE in text_of(mail)
    assert HOSTILE in "".join(Reader(html_of(mail)).seen)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", MailKind)
def test_text_and_html_say_the_same(kind, language):
    mail = composed(preview_letter(kind, language))
    seen = Reader(html_of(mail))
    # A link whose address is its own text is written once in plain text.
    links = [link for link in seen.links if link not in "".join(seen.seen)]
    assert words(text_of(mail)) == words(" ".join(seen.seen + links))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", MailKind)
def test_no_sentence_is_left_unfinished(kind, language):
    text = text_of(composed(preview_letter(kind, language)))
    assert not re.search(r"[{}]|\.\.|。。|None|  |\n\n\n", text), text
    assert "\u2028" not in text


@pytest.mark.parametrize("kind", MailKind)
def test_every_mail_has_its_headers_and_two_equal_parts(kind):
    letter = preview_letter(kind, "en-US")
    mail = composed(letter)
    message = parsed(mail)
    is_to_merchant = kind in TO_THE_MERCHANT
    assert list(message.keys()) == headers_of(kind)
    assert str(message["From"]) == (
        "Paydue <invoices@pay.example>" if is_to_merchant else "Harbour Lane Provisions <invoices@pay.example>"
    )
    assert b'From: "' in mail
    assert message["Reply-To"] == (None if is_to_merchant else "accounts@harbour.example")
    assert message["Date"].datetime == ENVELOPE.sent_at
    assert message["Message-ID"] == "<01KAB-2@pay.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Entity-Ref-ID"] == "01KAB-2"
    assert message["Content-Language"] == "en-US"
    assert message["Subject"] == letter.slots.subject
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert [part["Content-Transfer-Encoding"] for part in message.iter_parts()] == ["quoted-printable"] * 2
    assert '<html lang="en-US">' in html_of(mail)


def test_a_later_mail_refers_to_the_first():
    first, later = parsed(composed(some_facts())), parsed(composed(some_facts(), first_message_id="01KAB-1"))
    assert (first["In-Reply-To"], first["References"]) == (None, None)
    assert later["In-Reply-To"] == later["References"] == "<01KAB-1@pay.example>"
    assert parsed(composed(some_facts(), first_message_id="01KAB-2"))["References"] is None


def test_a_repeated_mail_is_the_same_to_the_byte():
    facts, logo = some_facts(MailKind.REMINDER), preview_logo("en-US")
    assert composed(facts, logo=logo) == composed(facts, logo=logo)


def test_a_logo_and_a_document_travel_with_the_mail():
    document = Document(file_name="invoice-98769.pdf", content=b"%PDF-1.7 " + bytes(range(256)))
    logo = preview_logo("en-US")
    assert logo is not None
    mail = composed(some_facts(), logo=logo, document=document)
    mixed = parsed(mail)
    alternative, attached = mixed.iter_parts()
    text, related = alternative.iter_parts()
    html, picture = related.iter_parts()
    assert [each.get_content_type() for each in (mixed, alternative, text, related, html, picture, attached)] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
        "application/pdf",
    ]  # fmt: skip
    assert picture.get_content() == logo.image
    assert picture["Content-ID"] == f"<{logo.content_id}>"
    assert picture.get_content_disposition() == "inline"
    assert f'src="cid:{logo.content_id}"' in html.get_content()
    assert (attached.get_content(), attached.get_filename()) == (document.content, "invoice-98769.pdf")


@pytest.mark.parametrize(
    "size, shown", [((1000, 50), (200, 10)), ((300, 300), (40, 40)), ((20, 20), (20, 20)), ((4000, 1), (200, 1))]
)
def test_a_logo_is_shown_within_its_place_and_small_enough_to_travel(size, shown):
    import io
    import os

    from PIL import Image

    for mode in ("RGB", "RGBA"):
        noise = Image.frombytes(mode, size, os.urandom(size[0] * size[1] * len(mode)))
        file = io.BytesIO()
        noise.save(file, "PNG")
        logo = mail_logo(file.getvalue())
        assert (logo.width, logo.height) == shown
        assert len(logo.image) <= LARGEST_LOGO_BYTES


@pytest.mark.parametrize(
    "name",
    [
        "Müller & Söhne, Inc.",
        "海辺の茶舗" * 24,
        "Ünïcødé " * 15,
        'Joe "the boss" O\'Neill \\ Co.',
        "🧁" * 60,
        "A" * 120,
        "Company, Inc. (Portland); the [best]",
    ],
)
def test_a_long_or_foreign_name_arrives_whole(name):
    name = name.strip()
    mail = composed(some_facts(settings={"merchant_display_name": name}))
    # Decoded word by word: Python 3.11's parser of addresses puts spaces between encoded-words that belong together.
    folded = str(message_from_bytes(mail, policy=policy.compat32)["From"])
    sender = str(make_header(decode_header(folded.replace("\r\n", ""))))
    expected = name if not name.isascii() else f'"{quote(name)}"'
    assert sender == f"{expected} <invoices@pay.example>"
    assert [address.addr_spec for address in parsed(mail)["From"].addresses] == ["invoices@pay.example"]
    subject = parsed(mail)["Subject"]
    assert subject == letter_of(some_facts(settings={"merchant_display_name": name})).slots.subject
    assert subject.startswith("Invoice 98769 from ")


def test_no_line_is_too_long():
    items = tuple(a_line_item(product_name="x" * 255) for _ in range(30))
    mail = composed(
        some_facts(
            terms={"line_items": items, "description": "語" * 2000},
            settings={"custom_email_message": "y" * 2000},
        )
    )
    assert max(map(len, mail.split(b"\r\n"))) <= 78
    mail = composed(some_facts(settings={"merchant_display_name": "N" * 120}), document=Document(
        file_name="i" * 100, content=b""
    ))  # fmt: skip
    assert max(map(len, mail.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    "address, written",
    [
        ("a@b.example", "a@b.example"),
        ("a.b+c'd@x-y.example", "a.b+c'd@x-y.example"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("a@例え.jp", "a@xn--r8jz45g.jp"),
    ],
)
def test_a_host_outside_ascii_is_written_in_ascii(address, written):
    assert mailable(address) == written
    assert parsed(composed(some_facts(recipient=address)))["To"] == written


@pytest.mark.parametrize(
    "address",
    [
        "", "a", "@", "a@", "@b.example", "ä@b.example", "用户@例え.jp", "a b@c.example", "a@b.example, c@d.example",
        "a@b@c.example", "<a@b.example>", '"a"@b.example', "a@b.example\r\nBcc: c@d.example", "a@b.example\n",
        "a@[127.0.0.1]", "a@-b.example", "a@b-.example", "a@b..example", "a..b@c.example", ".a@b.example",
        "a@b.example ", "a(c)@b.example", "a@xn--\u00fc.example", "a@\u2028.example", f"{'a' * 65}@b.example",
        f"a@{'b.' * 130}example", "a@b_c.example", "=?utf-8?q?a?=@b.example\u2060",
    ],
)  # fmt: skip
def test_what_is_not_one_plain_address_is_refused(address):
    with pytest.raises(UnmailableAddress):
        mailable(address)


@pytest.mark.parametrize("address", ["", "ä@b.example", "a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example"])
def test_no_mail_is_composed_for_somebody_who_cannot_be_mailed(address):
    with pytest.raises(UnmailableAddress):
        composed(some_facts(recipient=address))


def test_a_merchants_useless_address_is_left_out_and_nobody_is_asked_to_answer():
    mail = composed(some_facts(merchant={"email": "a b@c\r\nBcc: d"}))
    assert parsed(mail)["Reply-To"] is None
    assert "Answer this mail" not in text_of(mail)


def test_an_address_without_a_name_stands_alone():
    assert named_address("", "a@b.example") == "a@b.example"


@pytest.mark.parametrize(
    "wrong",
    [
        {"message_id": "a b"}, {"message_id": "a\r\nBcc: b"}, {"message_id": ""}, {"message_id": "a@b"},
        {"domain": "pay.example>\r\nBcc: b"}, {"domain": ""}, {"first_message_id": "<a@b>"},
        {"sent_at": datetime(2026, 11, 21)},  # noqa: DTZ001 - that is what is wrong with it
    ],
)  # fmt: skip
def test_a_wrong_envelope_is_refused(wrong):
    with pytest.raises(ValueError, match=r"message id|domain|time zone"):
        composed(some_facts(), **wrong)


def test_a_logo_too_heavy_and_a_file_name_that_is_none_are_refused():
    logo = preview_logo("en-US")
    assert logo is not None
    with pytest.raises(ValueError, match="the logo has 100001 bytes"):
        composed(some_facts(), logo=replace(logo, image=bytes(LARGEST_LOGO_BYTES + 1)))
    with pytest.raises(ValueError, match="no file name"):
        composed(some_facts(), document=Document(file_name='a".pdf\r\nX: y', content=b""))


def test_addresses_in_the_custom_message_are_clickable_only_when_they_show_where_they_lead():
    message = (
        "Terms: https://shop.example/terms?a=1&b=2. Also (https://shop.example/wiki_(x)).\r\n"
        "http://plain.example javascript:alert(1) https://good.example@evil.example/ https://exämple.com\n"
        "https://good.example\u202e/x xhttps://a.example 请见https://b.example。"
    )
    facts = some_facts(settings={"custom_email_message": message}, payment_url="")
    seen = Reader(html_of(composed(facts)))
    assert seen.links == [
        "https://shop.example/terms?a=1&b=2",
        "https://shop.example/wiki_(x)",
        "https://good.example/x",
    ]
    assert all(link in "".join(seen.seen) for link in seen.links)
    assert "http://plain.example javascript:alert(1) https://good.example@evil.example/" in text_of(composed(facts))


def test_the_custom_message_is_its_own_paragraph_with_its_lines():
    mail = composed(some_facts(settings={"custom_email_message": "One\r\ntwo\n\nthree"}))
    assert "\n\nOne\ntwo\n\nthree\n\n" in text_of(mail)
    assert "One<br>\ntwo<br>\n<br>\nthree" in html_of(mail)


@pytest.mark.parametrize("kind", BILLING)
def test_reminders_and_invoices_alone_carry_the_custom_message(kind):
    mail = composed(some_facts(kind, settings={"custom_email_message": "Mind the gap"}))
    assert ("Mind the gap" in text_of(mail)) is (kind in WITH_CUSTOM_MESSAGE)


def test_labels_are_renamed():
    names = {"billTo": "Client", "tax": "GST", "partialPayment": "Instalments", "invoiceNumber": "Reference"}
    text = text_of(composed(some_facts(settings={"labels": tuple(Label(key=k, value=v) for k, v in names.items())})))
    for line in (
        "Client: Tanya Lee",
        "GST (5.5%): 16.14",
        "Instalments: Any amount from USD\u00a050.00",
        "Reference: 98769",
    ):
        assert line in text


def test_hidden_labels_hide_their_lines_and_change_no_figure():
    terms = {
        "customer": Customer(name="Tanya Lee", company_name="Bakery Ltd", merchant_customer_id="C-77"),
        "discount_amount": Decimal(5),
        "freight": Freight(amount=Decimal(9)),
    }
    everything = text_of(composed(some_facts(terms=terms)))
    hidden = ["customerId", "companyName", "description", "shipping", "partialPayment", "invoiceNumber"]
    labels = (
        *(Label(key=key, hidden=True) for key in hidden),
        *(Label(key=key, hidden_for_invoice=True) for key in ("discount", "tax")),
    )
    less = text_of(composed(some_facts(terms=terms, settings={"labels": labels})))
    gone = [
        "Customer ID: C-77", "Company: Bakery Ltd", "Description: Weekly bakery order", "Shipping: 9.00",
        "Partial payment: Any amount from USD\u00a050.00", "Invoice number: 98769", "Discount: −5.00",
        "Tax (5.5%): 16.14",
    ]  # fmt: skip
    assert [line for line in everything.splitlines() if line not in less.splitlines()] == [
        line for line in everything.splitlines() if line in gone
    ]
    assert all(line in everything for line in gone)
    assert "Total: USD\u00a0309.64" in less


def test_an_amount_without_items_needs_no_table():
    facts = some_facts(terms={"line_items": (), "sub_amount": None, "tax": None})
    assert "Total" not in text_of(composed(facts))


@pytest.mark.parametrize(
    "today, sentence",
    [
        (date(2026, 12, 10), "Invoice 98769 is due in 1 day"),
        (date(2026, 12, 11), "Invoice 98769 is due today"),
    ],
)
def test_a_reminder_counts_the_days(today, sentence):
    assert text_of(composed(some_facts(MailKind.REMINDER, today=today))).startswith(sentence)


@pytest.mark.parametrize(
    "kind", [MailKind.INVOICE, MailKind.RESEND, MailKind.PARTIAL_RESEND, MailKind.REJECTED, MailKind.FRESH_LINK]
)
def test_what_is_past_its_date_was_due(kind):
    text = text_of(composed(some_facts(kind, today=date(2026, 12, 12))))
    assert "was due on December\u00a011, 2026" in text
    assert "is due" not in text


def test_the_due_line_shows_that_something_is_paid_and_something_is_not():
    def share(balance: str) -> int | None:
        return letter_of(some_facts(MailKind.REMINDER, total=Decimal(1000), balance=Decimal(balance))).share

    assert [share(balance) for balance in ("1000", "999.99", "500", "0.01", "0")] == [None, 1, 50, 99, 100]


def test_a_canceled_invoice_has_no_link_and_no_amount_to_pay():
    mail = composed(some_facts(MailKind.CANCEL))
    assert Reader(html_of(mail)).links == []
    assert "https://" not in text_of(mail)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("trouble", Trouble)
def test_each_trouble_has_its_words(trouble, language):
    letters = {letter_of(some_facts(MailKind.NEEDS_ATTENTION, language, trouble=each)).heading for each in Trouble}
    assert len(letters) == len(Trouble)
    mail = composed(some_facts(MailKind.NEEDS_ATTENTION, language, trouble=trouble))
    assert "https://pay.example/console/" in text_of(mail)


def test_the_footer_says_whom_to_ask():
    def last_lines(**merchant):
        return text_of(composed(some_facts(merchant=merchant))).partition("-- \n")[2].splitlines()

    shop = "Harbour Lane Provisions"
    assert last_lines()[1] == f"Contact {shop} at +1\u00a0207\u00a0555\u00a00142 if you did not expect this mail."
    assert last_lines(phone=None)[1] == f"Contact {shop} at accounts@harbour.example if you did not expect this mail."
    assert last_lines(phone=None, email=None, address=None) == [
        shop,
        f"Contact {shop} if you did not expect this mail.",
        "The link in this mail is a key: forward it only to people who may see this invoice.",
    ]


def test_every_mail_has_its_templates_and_every_template_its_mail():
    folders = {path.name for path in TEMPLATES.iterdir() if path.is_dir()}
    assert folders == set(MailKind)
    assert all((TEMPLATES / name / f"body.{form}").is_file() for name in folders for form in ("txt", "html"))


def test_templates_mark_nothing_as_safe_and_fetch_nothing():
    for path in TEMPLATES.rglob("*.html"):
        template = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|https?://|url\(|@import|<script|\bon[a-z]+=", template), path


def test_previews_are_written_for_every_mail_and_language(tmp_path):
    written = write_previews(tmp_path, [MailKind.INVOICE, MailKind.PAID], ["de-DE", "zh-TW"])
    assert sorted(path.relative_to(tmp_path).as_posix() for path in written) == [
        f"{language}/{kind}.{form}"
        for language in ("de-DE", "zh-TW")
        for kind in ("invoice", "paid")
        for form in ("eml", "html")
    ]
    assert parsed((tmp_path / "de-DE" / "paid.eml").read_bytes())["Content-Language"] == "de-DE"
    assert 'src="data:image/png;base64,' in (tmp_path / "de-DE" / "paid.html").read_text(encoding="utf-8")


def tags(html: Reader) -> set[str]:
    return {tag for tag, _ in html.elements}


def attributes(html: Reader) -> set[str]:
    return {name for _, given in html.elements for name in given}


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))
