"""Calendar dates as a reader of each language writes them."""

from datetime import date
from functools import lru_cache
from typing import Literal

from paydue.language.locales import locale_of


@lru_cache(maxsize=4096)
def format_long_date(day: date, language: str) -> str:
    """
    Return the date for a sentence, month in words: `December 5, 2026`. Raises UnknownLanguage.

    Day and month stay on one line.
    """
    return _format(day, "long", language).replace(" ", "\u00a0", 1)


@lru_cache(maxsize=4096)
def format_date(day: date, language: str) -> str:
    """Return the date for a table, shorter: `Dec 5, 2026`. Raises UnknownLanguage."""
    return _format(day, "medium", language)


def _format(day: date, length: Literal["medium", "long"], language: str) -> str:
    locale = locale_of(language)
    from babel import dates  # noqa: PLC0415 - see locale_of

    return dates.format_date(day, length, locale)
