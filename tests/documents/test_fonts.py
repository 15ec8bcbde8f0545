"""The fonts: small enough for the repository, with their licences, and enough for nine languages and more."""

import unicodedata

import pytest
from babel.messages.pofile import read_po
from fontTools.ttLib import TTFont
from msgspec.structs import replace

from documents.make_fonts import COVERAGE, FONTS, coverage_lines
from documents.papers import LATER, a_subject
from documents.reading_pdf import reader
from paydue.documents.drawable_text import STAND_IN, drawable_lines
from paydue.documents.invoice_pdf import invoice_document
from paydue.domain.settings import LANGUAGES
from paydue.language.words import CATALOGUES

FILES = sorted(FONTS.glob("*.[ot]tf"))


def test_all_fonts_together_are_a_repositorys_size():
    assert sum(path.stat().st_size for path in FILES) < 15_000_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_font_may_be_passed_on_and_embedded(path):
    with TTFont(path) as font:
        assert "SIL Open Font License" in font["name"].getDebugName(13)
        assert font["OS/2"].fsType == 0


@pytest.mark.parametrize("licence", ["OFL-Geist.txt", "OFL-Noto.txt"])
def test_the_licences_are_shipped(licence):
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FONTS / licence).read_text(encoding="utf-8")


def test_the_table_of_what_can_be_drawn_is_what_the_fonts_have():
    assert COVERAGE.read_text(encoding="ascii").split() == list(coverage_lines())


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en-US"])
def test_every_sentence_of_ours_can_be_drawn(language):
    with (CATALOGUES / language / "messages.po").open("rb") as file:
        texts = [text for message in read_po(file) for text in ([message.string] if message.id else [])]
    assert [text for text in map(str, texts) if STAND_IN in drawable_lines(text)] == []


@pytest.mark.parametrize("codec", ["gb2312", "gbk", "big5", "cp932", "cp1252", "koi8_r", "iso8859_7"])
def test_the_character_sets_of_the_nine_languages_are_drawn(codec):
    characters = [chr(code) for code in range(0xA1, 0x30000) if can_encode(chr(code), codec)]
    missing = [each for each in characters if STAND_IN in drawable_lines(each) and each != STAND_IN]
    signs = [each for each in missing if unicodedata.category(each) != "Co"]
    assert [each for each in signs if unicodedata.category(each).startswith("L")] == []
    # A few signs for mathematics and for drawing lines.
    assert len(signs) < len(characters) / 20


def test_what_the_table_promises_is_drawn_as_an_archive_wants_it(drawn):
    """Whole planes in a document: a character without a picture would cost the file its standard."""
    codes = [
        code
        for line in COVERAGE.read_text(encoding="ascii").split()
        for code in range(int(line.split("-")[0], 16), int(line.split("-")[1], 16) + 1)
        if not unicodedata.combining(chr(code))
    ]
    for first in range(0, len(codes), 6000):
        text = " ".join(map(chr, codes[first : first + 6000]))
        pdf = drawn(invoice_document(replace(a_subject(description=text)), LATER))
        metadata = reader(pdf).trailer["/Root"]["/Metadata"].get_data()
        assert b"pdfaid:part" in metadata, f"from U+{codes[first]:04X}"


def can_encode(character: str, codec: str) -> bool:
    try:
        return len(character.encode(codec)) <= 2
    except UnicodeEncodeError:
        return False
