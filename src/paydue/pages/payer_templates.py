"""
Templates of what payers see, compiled once per language: sentences and icons are in place before a page is asked for.

Apart from `rendering.py` because these pages are opened by many at once. Besides Jinja's own, a template may say

    {% part "name.html" %}   on a line of its own: that file's text
    {% say "Sentence with {name}" %}   the sentence in the reader's language, the value of `name` in its place
    {% text "Sentence with {name}" %}   the same with its placeholders left as they are, for the script
    {% icon "name" %}   a picture of `icons.svg`, which adds nothing for those who are read to
"""

import html
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from jinja2.ext import Extension

from paydue.language.words import Words, words_of

_TEMPLATES: Final = Path(__file__).parent / "templates"


class Rendered(str):
    """Markup that was rendered here from a template, and may stand in another one as it is."""

    __slots__ = ()


class PayerTemplates:
    """
    Renders the pages of payers. Every value comes out as text, never as markup, unless it is `Rendered`.

    `shared` is markup that all templates of an installation may use by its name.
    """

    def __init__(self, shared: Mapping[str, str]) -> None:
        self._shared = shared
        self._environments: dict[str, Environment] = {}
        self._templates: dict[tuple[str, str], Template] = {}

    def page(self, name: str, language: str, values: Mapping[str, object]) -> bytes:
        """Return the page as UTF-8. Raises UnknownLanguage."""
        template = self._templates.get((name, language)) or self._compile(name, language)
        # A lone surrogate, which only a bug lets in, is shown as a question mark.
        return template.render(values).encode("utf-8", "replace")

    def part(self, name: str, language: str, values: Mapping[str, object]) -> Rendered:
        """Return a part of a page, to be a value of the whole page. Raises UnknownLanguage."""
        template = self._templates.get((name, language)) or self._compile(name, language)
        return Rendered(template.render(values))

    def _compile(self, name: str, language: str) -> Template:
        environment = self._environments.get(language)
        if environment is None:
            constants = {**self._shared, "language": language}
            environment = self._environments[language] = _environment(words_of(language), constants)
        template = environment.get_template(name)
        # A chain of mappings otherwise, which is walked and copied for each page: a fifth of its time.
        template.globals = dict(template.globals)
        self._templates[name, language] = template
        return template


def as_text(value: object) -> str:
    """Return a value as HTML text or as what stands between the quotes of an attribute; what is rendered, as it is."""
    if type(value) is Rendered:
        return value
    text = value if type(value) is str else str(value)
    # Most values have nothing to escape, and looking costs less than escaping.
    return html.escape(text) if _SPECIAL(text) else text


_SPECIAL: Final = re.compile(r"[&<>\"']").search


class _InPlace(Extension):
    """Puts parts, sentences and icons in their place before a template is compiled."""

    words: Words
    constants: Mapping[str, str]

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        whole = _PART.sub(lambda part: self.preprocess(_source(part[1]), part[1]), source)
        said = _SAY.sub(lambda said: self._said(said[2], fills=said[1] == "say"), whole)
        drawn = _ICON.sub(lambda icon: _icons()[icon[1]], said)
        return _VALUE.sub(lambda value: self.constants.get(value[1], value[0]), drawn)

    def _said(self, text: str, *, fills: bool) -> str:
        translated = html.escape(self.words.translation(text))
        if fills:
            return _PLACEHOLDER.sub(r"{{ \1 }}", translated)
        return translated.replace("{", "{{ '{' }}") if "{{" in translated else translated


_PART: Final = re.compile(r'^{% part "([a-z_]+\.html)" %}\n', re.MULTILINE)
_SAY: Final = re.compile(r'{% (say|text) "([^"]+)" %}')
_ICON: Final = re.compile(r'{% icon "([a-z-]+)" %}')
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_VALUE: Final = re.compile(r"\{\{ ([a-z]+) \}\}")
_SYMBOL: Final = re.compile(r'<symbol id="([a-z-]+)" viewBox="0 0 20 20">(.*)</symbol>')


def icon(name: str) -> Rendered:
    """Return an icon by its name in `icons.svg`."""
    return Rendered(_icons()[name])


@cache
def _icons() -> Mapping[str, str]:
    return {
        name: f'<svg viewBox="0 0 20 20" aria-hidden="true">{drawing}</svg>'
        for name, drawing in _SYMBOL.findall(_source("icons.svg"))
    }


def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _environment(words: Words, constants: Mapping[str, str]) -> Environment:
    class InPlace(_InPlace):
        # Jinja makes extensions itself, and hands nothing on to them.
        pass

    InPlace.words = words
    InPlace.constants = constants
    options: dict[str, Any] = {"auto_reload": False, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        extensions=[InPlace],
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - every value passes as_text
        finalize=as_text,
        **options,
    )
    environment.globals |= constants
    return environment
