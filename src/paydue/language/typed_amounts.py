"""
Amounts as people type them: `1,234.56`, `1.234,56`, `1 234,56 €`, `１２３４`.

Apart from writing amounts, because what is typed has to be understood in one way only or not at all: an amount that is
read wrong is money that is taken wrong. `pages/static/pay.js` reads by the same rules, from the same `Marks`.
"""

import re
import unicodedata
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from paydue.domain.money import exponent, read_digits
from paydue.language.locales import SOURCE_LANGUAGE, locale_of

LONGEST: Final = 40
# As long as amounts of the API may be.
_MOST_DIGITS: Final = 19

_SPACES: Final = re.compile(r"[\s'\u2019]+")
_SHAPE: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+", re.ASCII)
_GROUPS: Final = re.compile(r"[1-9][0-9]{0,2}(?:[.,][0-9]{3})+", re.ASCII)


class Misread(StrEnum):
    """Why something typed is no amount."""

    MISSING = "missing"
    NOT_AN_AMOUNT = "not an amount"
    TOO_MANY_DECIMALS = "too many decimals"


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What reading an amount depends on: the mark before decimals, how many there are, and names of the currency."""

    decimal: str
    decimals: int
    names: tuple[str, ...]


@lru_cache(maxsize=512)
def marks_of(currency: str, language: str) -> Marks:
    """Return by what amounts in that currency are read on a page in that language. Raises UnknownLanguage."""
    locale = locale_of(language)
    signs = (each.currency_symbols.get(currency) for each in (locale, locale_of(SOURCE_LANGUAGE)))
    names = dict.fromkeys((currency, *(unicodedata.normalize("NFKC", sign).upper() for sign in signs if sign)))
    # The longest first, so that of "US$" not only "$" is taken off.
    return Marks(
        decimal=locale.number_symbols["latn"]["decimal"],
        decimals=exponent(currency),
        names=tuple(sorted(names, key=len, reverse=True)),
    )


def read_typed_amount(text: str, currency: str, language: str) -> Decimal | Misread:
    """
    Return the amount that was typed on a page in that language, or why it is none.

    Points and commas count as what they can only be, whatever the language: the last of two kinds is the decimal
    mark, and so is one without three digits after it. Only where it could be both, as in `1.234`, the language
    decides. Spaces and apostrophes between digits are taken for grouping, full-width figures for figures; figures of
    other scripts are refused. Nothing is rounded. Raises UnknownLanguage.
    """
    marks = marks_of(currency, language)
    if len(text) > LONGEST:
        return Misread.NOT_AN_AMOUNT
    plain = _without_names(_SPACES.sub("", unicodedata.normalize("NFKC", text)), marks)
    if not plain:
        return Misread.MISSING
    if not _SHAPE.fullmatch(plain):
        return Misread.NOT_AN_AMOUNT
    whole, decimals = _parted(plain, marks)
    if "." in whole or "," in whole:
        if not _GROUPS.fullmatch(whole) or len(set(whole) & {".", ","}) == 2:
            return Misread.NOT_AN_AMOUNT
        whole = whole.replace(".", "").replace(",", "")
    if len(whole) > _MOST_DIGITS:
        return Misread.NOT_AN_AMOUNT
    if len(decimals) > marks.decimals:
        return Misread.TOO_MANY_DECIMALS
    return read_digits(f"{whole or '0'}.{decimals}" if decimals else whole, currency)


def _without_names(text: str, marks: Marks) -> str:
    """Take the currency off one end."""
    upper = text.upper()
    for name in marks.names:
        if upper.startswith(name):
            return text[len(name) :]
        if upper.endswith(name):
            return text[: -len(name)]
    return text


def _parted(plain: str, marks: Marks) -> tuple[str, str]:
    """Return what stands before and after the decimal mark; without one the second part is empty."""
    at = max(plain.rfind("."), plain.rfind(","))
    if at < 0:
        return plain, ""
    mark = plain[at]
    if plain.count(".") and plain.count(","):
        is_decimal = plain.count(mark) == 1
    elif plain.count(mark) > 1:
        is_decimal = False
    else:
        is_decimal = mark == marks.decimal or not _GROUPS.fullmatch(plain)
    return (plain[:at], plain[at + 1 :]) if is_decimal else (plain, "")
