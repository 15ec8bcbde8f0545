"""
Amounts, numbers and percentages as a reader of each language writes them, and never a sign that two currencies share.

Babel knows the marks and where they stand; it is asked once per language, because figures are written by the dozen.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from paydue.domain.money import exponent
from paydue.language.locales import locale_of

# One sign, one currency, wherever it is read. Dollars, pounds, pesos and crowns are shared: they keep their code.
_SIGNS: Final = {"EUR": "€", "BRL": "R$", "RUB": "₽", "INR": "₹"}
# Japanese writes the yuan 元, so that among its readers this wide sign is the yen.
_SIGNS_AT_HOME: Final = {("JPY", "ja-JP"): "￥"}

_MINUS: Final = "\u2212"
_NO_BREAK: Final = "\u00a0"


class AmountParts(NamedTuple):
    """An amount in four pieces, to be set in different sizes. Joined they are what `format_amount` returns."""

    before: str
    whole: str
    decimals: str
    after: str


class AmountWriter:
    """Writes amounts of one currency in one language, each with as many decimals as the currency has."""

    def __init__(self, currency: str, language: str) -> None:
        """Ask once for what every amount needs. Raises UnknownLanguage."""
        form = _form_of(language)
        sign = _SIGNS.get(currency) or _SIGNS_AT_HOME.get((currency, language))
        gap = form.gap_to_sign if sign is not None else _NO_BREAK
        name = sign or currency
        self.before: Final = f"{name}{gap}" if form.is_currency_first else ""
        self.after: Final = "" if form.is_currency_first else f"{gap}{name}"
        self._places: Final = f",.{exponent(currency)}f"
        self._marks: Final = form.marks
        self._point: Final = form.point

    def figures(self, value: Decimal) -> str:
        """Return an amount without its currency."""
        return format(value, self._places).translate(self._marks)

    def amount(self, value: Decimal) -> str:
        """Return an amount with its currency, kept on one line."""
        minus = _MINUS if value < 0 else ""
        return f"{minus}{self.before}{self.figures(abs(value))}{self.after}"

    def parts(self, value: Decimal) -> AmountParts:
        """Return an amount with its currency in pieces."""
        minus = _MINUS if value < 0 else ""
        whole, point, decimals = self.figures(abs(value)).partition(self._point)
        return AmountParts(minus + self.before, whole, point + decimals, self.after)


@lru_cache(maxsize=512)
def amount_writer(currency: str, language: str) -> AmountWriter:
    """Return who writes amounts of that currency in that language, the same each time. Raises UnknownLanguage."""
    return AmountWriter(currency, language)


def format_amount(value: Decimal, currency: str, language: str) -> str:
    """
    Return an amount with its currency, kept on one line: `USD 1,234.50`, `1.234,50 €`.

    It has as many decimals as the currency. Raises UnknownLanguage.
    """
    return amount_writer(currency, language).amount(value)


def amount_parts(value: Decimal, currency: str, language: str) -> AmountParts:
    """Return an amount with its currency in pieces. Raises UnknownLanguage."""
    return amount_writer(currency, language).parts(value)


def format_figures(value: Decimal, currency: str, language: str) -> str:
    """Return an amount without its currency, with all the decimals that the currency has. Raises UnknownLanguage."""
    return amount_writer(currency, language).figures(value)


def format_number(number: Decimal | int, language: str) -> str:
    """Return a count or a quantity, with thousands set apart and nothing padded. Raises UnknownLanguage."""
    return format(number, "," if isinstance(number, int) else ",f").translate(_form_of(language).marks)


def format_percent(rate: Decimal, language: str) -> str:
    """Return a rate with its sign: 8.25 is `8.25%`, or `8,25 %`. Raises UnknownLanguage."""
    return format_number(rate, language) + _form_of(language).percent_sign


class _Form(NamedTuple):
    marks: dict[int, str]
    point: str
    is_currency_first: bool
    gap_to_sign: str
    percent_sign: str


@lru_cache
def _form_of(language: str) -> _Form:
    locale = locale_of(language)
    symbols = locale.number_symbols["latn"]
    pattern = locale.currency_formats["standard"].pattern
    is_first = pattern.startswith("¤")
    gap = pattern.removeprefix("¤").partition("#")[0] if is_first else pattern.removesuffix("¤").rpartition("0")[2]
    percent_sign = locale.percent_formats[None].pattern.rpartition("0")[2]
    # Python writes 1,234.5 and -1: one pass turns its marks into the language's.
    marks = str.maketrans({",": symbols["group"], ".": symbols["decimal"], "-": _MINUS})
    return _Form(marks, symbols["decimal"], is_first, gap, percent_sign)
