"""Amounts in nine languages: the right marks, the right decimals, and no sign that means two currencies."""

from decimal import Decimal

import pytest
from babel import Locale
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from paydue.domain.money import CURRENCIES, exponent
from paydue.domain.settings import LANGUAGES
from paydue.language.amounts import amount_parts, format_amount, format_figures, format_number, format_percent
from paydue.language.locales import UnknownLanguage

NB, NNB = "\u00a0", "\u202f"


@pytest.mark.parametrize(
    "language, dollars, euros, yen",
    [
        ("en-US", f"USD{NB}1,234.50", "€1,234.50", f"JPY{NB}1,234"),
        ("de-DE", f"1.234,50{NB}USD", f"1.234,50{NB}€", f"1.234{NB}JPY"),
        ("fr-FR", f"1{NNB}234,50{NB}USD", f"1{NNB}234,50{NB}€", f"1{NNB}234{NB}JPY"),
        ("pt-BR", f"USD{NB}1.234,50", f"€{NB}1.234,50", f"JPY{NB}1.234"),
        ("es-419", f"USD{NB}1,234.50", "€1,234.50", f"JPY{NB}1,234"),
        ("ru-RU", f"1{NB}234,50{NB}USD", f"1{NB}234,50{NB}€", f"1{NB}234{NB}JPY"),
        ("ja-JP", f"USD{NB}1,234.50", "€1,234.50", "￥1,234"),
        ("zh-CN", f"USD{NB}1,234.50", "€1,234.50", f"JPY{NB}1,234"),
        ("zh-TW", f"USD{NB}1,234.50", "€1,234.50", f"JPY{NB}1,234"),
    ],
)
def test_an_amount_looks_as_its_readers_write_it(language, dollars, euros, yen):
    assert format_amount(Decimal("1234.5"), "USD", language) == dollars
    assert format_amount(Decimal("1234.5"), "EUR", language) == euros
    assert format_amount(Decimal(1234), "JPY", language) == yen


def test_signs_of_one_currency_are_used():
    assert format_amount(Decimal("1234.5"), "BRL", "pt-BR") == f"R${NB}1.234,50"
    assert format_amount(Decimal("1234.5"), "RUB", "ru-RU") == f"1{NB}234,50{NB}₽"


@pytest.mark.parametrize(
    "currency, written", [("JPY", "7"), ("CLP", "7"), ("KWD", "7.000"), ("CLF", "7.0000"), ("USD", "7.00")]
)
def test_a_currency_has_its_decimals(currency, written):
    assert format_figures(Decimal(7), currency, "en-US") == written


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_currencies_look_alike(language):
    marks = {}
    for currency in CURRENCIES:
        parts = amount_parts(Decimal(0), currency, language)
        marks[currency] = (parts.before + parts.after).strip()
    assert len(set(marks.values())) == len(CURRENCIES)
    assert not {"$", "¥", "£", "kr"} & set(marks.values())


@pytest.mark.parametrize("language", LANGUAGES)
@given(minor=st.integers(-(10**15), 10**15), currency=st.sampled_from(["USD", "JPY", "KWD"]))
def test_figures_are_those_of_the_language(language, minor, currency):
    value = Decimal(minor).scaleb(-exponent(currency))
    locale = Locale.parse(language, sep="-")
    pattern = "#,##0" + ("." + "0" * exponent(currency) if exponent(currency) else "")
    expected = format_decimal(value, pattern, locale).replace("-", "\u2212")
    assert format_figures(value, currency, language) == expected
    assert "".join(amount_parts(value, currency, language)) == format_amount(value, currency, language)


def test_numbers_and_rates_keep_the_decimals_they_have():
    assert format_number(12345, "de-DE") == "12.345"
    assert format_percent(Decimal("8.25"), "en-US") == "8.25%"
    assert format_percent(Decimal("8.25"), "de-DE") == f"8,25{NB}%"
    assert format_percent(Decimal(19), "fr-FR") == f"19{NB}%"


@pytest.mark.parametrize("language", ["", "en", "en_US", "de-AT", "../de-DE", "EN-us"])
def test_a_language_that_is_none_of_ours_is_named(language):
    with pytest.raises(UnknownLanguage, match="is none of zh-CN"):
        format_amount(Decimal(1), "USD", language)
