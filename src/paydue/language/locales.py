"""What is known about each language, read when it is first asked for: an API that writes nobody never pays for it."""

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from paydue.domain.settings import LANGUAGES

if TYPE_CHECKING:
    from babel import Locale

SOURCE_LANGUAGE: Final = "en-US"


class UnknownLanguage(ValueError):
    """No language of ours. The message names it."""


def check_language(language: str) -> None:
    """Raise UnknownLanguage unless `language` is one of the nine, spelled as in the settings (`pt-BR`)."""
    if language not in LANGUAGES:
        raise UnknownLanguage(f"{language!r} is none of {', '.join(LANGUAGES)}")


@lru_cache(maxsize=len(LANGUAGES))
def locale_of(language: str) -> "Locale":
    """Return Babel's data for a language. Raises UnknownLanguage."""
    check_language(language)
    # Imported here because it takes longer than a start may take.
    from babel import Locale  # noqa: PLC0415

    return Locale.parse(language, sep="-")
