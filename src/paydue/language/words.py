"""
Sentences in the reader's language.

The English text in the source is the key; a catalogue per language (gettext's `messages.po`) holds what is said
instead. English needs none. Catalogues are read when their language is first spoken, and kept.
"""

from collections.abc import Callable
from functools import lru_cache
from gettext import c2py
from pathlib import Path
from typing import Final

from paydue.language.amounts import format_number
from paydue.language.locales import SOURCE_LANGUAGE, check_language

CATALOGUES: Final = Path(__file__).parent / "catalogues"


class Words:
    """
    Speaks one language.

    Texts have named placeholders, `{number}`, which take the values in one pass: what stands in a value is never
    looked at again. A text without a translation is said in English, which a test keeps from happening.
    """

    def __init__(self, language: str) -> None:
        """Read the catalogue. Raises UnknownLanguage."""
        check_language(language)
        self.language: Final = language
        self._texts: dict[str, str] = {}
        self._plurals: dict[str, tuple[str, ...]] = {}
        self._form_for: Callable[[int], int] = lambda count: int(count != 1)
        if language != SOURCE_LANGUAGE:
            self._read(CATALOGUES / language / "messages.po")

    def say(self, text: str, /, **values: str) -> str:
        """Return `text` in this language, with `values` in their places. Write `text` out where you call this."""
        translated = self._texts.get(text, text)
        return translated.format_map(values) if values else translated

    def translation(self, text: str) -> str:
        """Return `text` in this language with its placeholders as they are: for templates, which name their texts."""
        return self._texts.get(text, text)

    def say_count(self, one: str, many: str, count: int, /, **values: str) -> str:
        """
        Return the sentence that goes with `count` things, which takes the place of `{count}`.

        `one` and `many` are the English forms; other languages have one to three forms of their own.
        """
        forms = self._plurals.get(one, (one, many))
        return forms[self._form_for(count)].format_map(values | {"count": format_number(count, self.language)})

    def _read(self, catalogue: Path) -> None:
        # Imported here because it takes longer than a start may take.
        from babel.messages.pofile import read_po  # noqa: PLC0415

        with catalogue.open("rb") as file:
            messages = read_po(file, abort_invalid=True)
        self._form_for = c2py(messages.plural_expr)
        for message in messages:
            if not message.id or not message.string:
                continue
            if isinstance(message.id, str):
                self._texts[message.id] = str(message.string)
            else:
                self._plurals[message.id[0]] = tuple(message.string)


def to_say(text: str) -> str:
    """Return `text` as it is: in a table, it marks what will be said, for whoever gathers texts to translate."""
    return text


@lru_cache
def words_of(language: str) -> Words:
    """Return who speaks `language`, the same each time. Raises UnknownLanguage."""
    return Words(language)
