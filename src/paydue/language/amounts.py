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


def format_amount(value: Decimal, currency: str, language: str) -> str:
    """
    Return an amount with its currency, kept on one line: `USD 1,234.50`, `1.234,50 €`.

    It has as many decimals as the currency. Raises UnknownLanguage.
    """
    return "".join(amount_parts(value, currency, language))


def amount_parts(value: Decimal, currency: str, language: str) -> AmountParts:
    """Return an amount with its currency in pieces. Raises UnknownLanguage."""
    form = _form_of(language)
    sign = _SIGNS.get(currency) or _SIGNS_AT_HOME.get((currency, language))
    gap = form.gap_to_sign if sign is not None else _NO_BREAK
    name = sign or currency
    minus, whole, decimals = _figures(value, exponent(currency), form)
    if form.is_currency_first:
        return AmountParts(f"{minus}{name}{gap}", whole, decimals, "")
    return AmountParts(minus, whole, decimals, f"{gap}{name}")


def format_figures(value: Decimal, currency: str, language: str) -> str:
    """Return an amount without its currency, with all the decimals that the currency has. Raises UnknownLanguage."""
    return "".join(_figures(value, exponent(currency), _form_of(language)))


def format_number(number: Decimal | int, language: str) -> str:
    """Return a count or a quantity, with thousands set apart and nothing padded. Raises UnknownLanguage."""
    return "".join(_figures(Decimal(number), None, _form_of(language)))


def format_percent(rate: Decimal, language: str) -> str:
    """Return a rate with its sign: 8.25 is `8.25%`, or `8,25 %`. Raises UnknownLanguage."""
    return format_number(rate, language) + _form_of(language).percent_sign


class _Form(NamedTuple):
    point: str
    group: str
    is_currency_first: bool
    gap_to_sign: str
    percent_sign: str


@lru_cache
def _form_of(language: str) -> _Form:
    locale = locale_of(language)
    marks = locale.number_symbols["latn"]
    pattern = locale.currency_formats["standard"].pattern
    is_first = pattern.startswith("¤")
    gap = pattern.removeprefix("¤").partition("#")[0] if is_first else pattern.removesuffix("¤").rpartition("0")[2]
    percent_sign = locale.percent_formats[None].pattern.rpartition("0")[2]
    return _Form(marks["decimal"], marks["group"], is_first, gap, percent_sign)


def _figures(value: Decimal, places: int | None, form: _Form) -> tuple[str, str, str]:
    """Return minus sign, whole part and decimals with their point; `places` of None keeps what there is."""
    plain = f"{abs(value):,f}" if places is None else f"{abs(value):,.{places}f}"
    whole, point, decimals = plain.partition(".")
    minus = _MINUS if value < 0 else ""
    return minus, whole.replace(",", form.group), form.point + decimals if point else ""
