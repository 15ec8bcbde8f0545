"""What other people type is text and nothing else, whatever it looks like to typst, to a PDF or to a reader's eye."""

import pytest
from msgspec.structs import replace

from builders import a_line_item
from documents.papers import LATER, PAYMENT_URL, a_receipt, a_subject
from documents.reading_pdf import joined, reader, text_of, words_of
from paydue.documents.drawable_text import STAND_IN, drawable_line, drawable_lines
from paydue.documents.invoice_pdf import invoice_document
from paydue.domain.settings import Label
from paydue.domain.terms import Customer

MARKUP = [
    '#panic("no")',
    '#read("/etc/passwd")',
    '#import "sheet.typ": *',
    "$x^2 + y_1$ *bold* _slanted_ `raw` ```typ #x```",
    "@reference <label> \\ ~ -- --- ... 'q' \"q\"",
    "= Heading - item + item / term: x",
    "// comment /* comment */ #[ ] { } ( )",
    "{number} {0.__class__} %s ${HOME} {{ 7 * 7 }} <b>b</b> &amp;",
    '\\u{1F600} \\n #set page(width: 1pt) #eval("1")',
]


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_printed_as_it_was_typed(drawn, text):
    pdf = drawn(invoice_document(a_hostile_subject(text), LATER, PAYMENT_URL))
    said = joined(text_of(pdf))
    # Name, company, customer id, description, item, SKU, label, merchant; the title has it too, unseen.
    assert said.count(joined(text)) == 8


def test_every_place_takes_any_text_also_on_a_receipt(drawn):
    text = "".join(map(chr, [*range(32), *range(127, 160), 0x202E, 0x2066, 0xFEFF, 0xD800, 0xE000, 0x10FFFF, 0x41]))
    subject = a_hostile_subject(text)
    assert "A" in text_of(drawn(invoice_document(subject, LATER)))
    paid = replace(subject, invoice=replace(a_subject(status="PAID").invoice, terms=subject.invoice.terms))
    assert "Receipt" in text_of(drawn(a_receipt(paid)))


@pytest.mark.parametrize(
    "text",
    [
        "W" * 255, "9z" * 127, "_" * 255, "https://shop.example/" + "a" * 200, "漢" * 255, "اللغة" * 40,
        "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 50, "e\u0301\u0323" * 100,
    ],
    ids=["wide letters", "mixed", "signs", "address", "east asian", "arabic", "emoji", "marks"],
)  # fmt: skip
def test_a_word_without_an_end_stays_in_its_column(drawn, text):
    pdf = drawn(invoice_document(a_hostile_subject(text), LATER, PAYMENT_URL))
    for page in range(1, len(reader(pdf).pages) + 1):
        words = words_of(pdf, page)
        assert min(word.left for word in words) >= 60
        assert max(word.right for word in words) <= 612 - 55


def test_letters_and_marks_that_no_font_draws_together_are_drawn_all_the_same(drawn):
    subject = a_hostile_subject("x\u0302\u0323\u0489 ไ\u0302 字\u0301 אׁ\u0301")
    assert "Invoice 98769" in text_of(drawn(invoice_document(subject, LATER, PAYMENT_URL)))


def test_scripts_of_the_world_are_drawn_and_not_boxes(drawn):
    text = "Ελληνικά Ωὲ Tiếng Việt Українська Ґ 髙島屋 𠮷野家 镕喆 한국어 שלום محمد ไทย हिन्दी ✓ 🎉"
    assert STAND_IN not in drawable_line(text)
    said = joined(text_of(drawn(invoice_document(a_hostile_subject(text), LATER))))
    assert [part for part in ("Ελληνικά", "Việt", "髙島屋", "镕喆", "한국어") if part not in said] == []


@pytest.mark.parametrize(
    "typed, shown",
    [
        (None, ""),
        ("  a \t b  ", "a b"),
        ("a\r\nb\x0bc\u2028d", "a b c d"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("nul\x00l\x1b[31m", "null[31m"),
        ("half \ud800", "half"),
        ("private \ue000", f"private {STAND_IN}"),
        ("e\u0301", "é"),
        ("Möbelwerkstättenverzeichnis", "Möbelwerkstättenverzeichnis"),
    ],
)
def test_text_is_made_fit_for_paper(typed, shown):
    assert drawable_line(typed) == shown


def test_lines_stay_lines_and_three_empty_ones_become_one():
    assert drawable_lines("a\r\n\r\n\r\n\r\nb\n c") == "a\n\nb\n c"


def test_long_words_may_be_parted_without_a_hyphen_where_they_are_no_words():
    assert drawable_line("ABCDEF123456GHIJKL").split("\u200b") == ["ABCDEF", "123456", "GHIJKL"]


def a_hostile_subject(text: str):
    subject = a_subject(
        customer=Customer(name=text, company_name=text, merchant_customer_id=text),
        description=text,
        line_items=(a_line_item(product_name=text, product_sku=text),),
    )
    labels = (Label(key="billTo", value=text),)
    settings = replace(subject.settings, merchant_display_name=text, labels=labels)
    return replace(subject, settings=settings)
