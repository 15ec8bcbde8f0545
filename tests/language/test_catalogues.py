"""The catalogues against the sources: nothing missing, nothing left over, every placeholder and plural form there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from gettext import c2py
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

import paydue
from paydue.domain.settings import LANGUAGES
from paydue.language.words import CATALOGUES

PACKAGE = Path(paydue.__file__).parent
TRANSLATED = [language for language in LANGUAGES if language != "en-US"]
PLACEHOLDER = re.compile(r"\{[^}]*\}?|\}")
NAMED = re.compile(r"\{[a-z_]+\}")

IN_TEMPLATE = re.compile(r'{% (?:say|text) "([^"]+)" %}')

# Whose first arguments are texts: methods of Words and of those who speak for a mail, and what marks texts in tables.
SAYING = ("say", "subject", "say_count", "to_say")

# One count of each kind that a language tells apart, and more besides.
COUNTS = [0, 1, 2, 3, 4, 5, 11, 12, 21, 22, 25, 100, 101, 111, 1_000_000]

Text = str | tuple[str, str]


def texts_in_the_sources() -> set[Text]:
    return {text for _, text in calls() if text is not None} | set(texts_in_templates())


def texts_in_templates() -> Iterator[str]:
    """Yield what the templates of payers' pages say."""
    for template in sorted((PACKAGE / "pages" / "templates").glob("*.html")):
        yield from IN_TEMPLATE.findall(template.read_text(encoding="utf-8"))


@cache
def calls() -> list[tuple[str, Text | None]]:
    """Return each place that says something and its text; None when the text is not written out there."""
    return [call for module in sorted(PACKAGE.rglob("*.py")) for call in calls_in(module)]


def calls_in(module: Path) -> Iterator[tuple[str, Text | None]]:
    nodes = list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))
    if not any(isinstance(node, ast.Attribute) and node.attr in SAYING for node in nodes):
        # What is called "say" there is a function of its own.
        return
    for node in nodes:
        if isinstance(node, ast.Call) and (name := last_name(node.func)) in SAYING:
            place = f"{module.relative_to(PACKAGE)}:{node.lineno}"
            texts = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args[:2]]
            if name != "say_count":
                yield place, texts[0]
            else:
                yield place, None if None in texts else (texts[0], texts[1])


def last_name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def catalogue(language: str) -> Catalog:
    with (CATALOGUES / language / "messages.po").open("rb") as file:
        return read_po(file, abort_invalid=True)


def forms(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def test_every_text_is_written_out_where_it_is_said():
    assert [place for place, text in calls() if text is None] == []
    assert len(texts_in_the_sources()) > 200
    assert len(set(texts_in_templates())) > 30


def test_there_is_a_catalogue_for_each_language_but_english():
    assert sorted(path.name for path in CATALOGUES.iterdir() if path.is_dir()) == sorted(TRANSLATED)


def test_placeholders_of_the_sources_have_plain_names():
    assert [
        text
        for texts in texts_in_the_sources()
        for text in forms(texts)
        for placeholder in PLACEHOLDER.findall(text)
        if not NAMED.fullmatch(placeholder)
    ] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_exactly_the_texts_of_the_sources(language):
    known = {message.id for message in catalogue(language) if message.id}
    assert known - texts_in_the_sources() == set(), "left over"
    assert texts_in_the_sources() - known == set(), "missing"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_none_is_in_doubt(language):
    messages = [message for message in catalogue(language) if message.id]
    assert [message.id for message in messages if message.fuzzy] == []
    assert [message.id for message in messages if not all(forms(message.string))] == []
    assert [text for message in messages for text in forms(message.string) if text != text.strip()] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_placeholders_of_its_text(language):
    for message in catalogue(language):
        wanted = sorted(set(PLACEHOLDER.findall(forms(message.id)[-1])))
        for text in forms(message.string) if message.id else []:
            assert sorted(PLACEHOLDER.findall(text)) == wanted, text


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_plural_has_all_forms_and_each_is_used(language):
    messages = catalogue(language)
    form_for = c2py(messages.plural_expr)
    assert {form_for(count) for count in COUNTS} == set(range(messages.num_plurals))
    plurals = [message for message in messages if message.id and not isinstance(message.id, str)]
    assert len(plurals) >= 2
    for message in plurals:
        assert len(message.string) == messages.num_plurals


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_ends_sentences_as_it_does(language):
    """A text that is a sentence stays one, and a label stays a label, whatever mark the language ends it with."""
    ends = (".", "!", "。", "！", ":", "：", ",")
    dates_with_a_point = ("{date}",) if language == "ru-RU" else ()
    contact = ("{contact}",) if language == "ru-RU" else ()
    for message in catalogue(language):
        english = forms(message.id)[0] if message.id else ""
        if english.endswith("."):
            assert all(text.endswith((*ends, *dates_with_a_point, *contact)) for text in forms(message.string))
        elif not english.endswith((",", ":")):
            assert not any(text.endswith((".", "。")) for text in forms(message.string)), english
