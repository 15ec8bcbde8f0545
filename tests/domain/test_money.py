"""Amounts: cut, never rounded, to the currency's decimals, and always in shortest plain form."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.domain.line_items import line_total
from paydue.domain.money import CURRENCIES, exponent, read_digits, shortest, truncated


@pytest.mark.parametrize(
    ("value", "currency", "written"),
    [
        ("208.00", "USD", "208"),
        ("293.50", "USD", "293.5"),
        ("0.0", "USD", "0"),
        ("10.999", "USD", "10.99"),
        ("0.009", "USD", "0"),
        ("1000000", "USD", "1000000"),
        ("100.9", "JPY", "100"),
        ("1.2345", "KWD", "1.234"),
        ("1.23456", "CLF", "1.2345"),
        ("9999999999999999999", "USD", "9999999999999999999"),
        ("999999999.99", "EUR", "999999999.99"),
    ],
)
def test_an_amount_is_cut_to_the_currency_and_written_short(value: str, currency: str, written: str) -> None:
    assert str(truncated(Decimal(value), currency)) == written
    assert str(read_digits(value, currency)) == written


@given(st.from_regex(r"([0-9]{1,19}(\.[0-9]{0,5})?|\.[0-9]{1,5})", fullmatch=True), st.sampled_from(sorted(CURRENCIES)))
def test_reading_digits_is_the_same_as_cutting_their_number(digits: str, currency: str) -> None:
    if digits.isascii():
        assert str(read_digits(digits, currency)) == str(truncated(Decimal(digits), currency))


@given(
    value=st.decimals(min_value=0, max_value=10**19, places=6, allow_nan=False, allow_infinity=False),
    currency=st.sampled_from(sorted(CURRENCIES)),
)
def test_cutting_never_adds_and_takes_less_than_one_unit(value: Decimal, currency: str) -> None:
    cut = truncated(value, currency)
    assert 0 <= value - cut < Decimal(1).scaleb(-exponent(currency))
    assert "E" not in str(cut)
    assert truncated(cut, currency) == cut


@given(st.decimals(min_value=0, max_value=10**15, places=7, allow_nan=False, allow_infinity=False))
def test_the_shortest_form_is_the_same_number(value: Decimal) -> None:
    text = str(shortest(value)) if value > Decimal("0.00001") or not value else "0"
    assert shortest(value) == value
    assert not ("." in text and text.endswith("0"))


def test_currencies_have_their_iso_exponents() -> None:
    assert [exponent(code) for code in ("JPY", "USD", "KWD", "CLF")] == [0, 2, 3, 4]
    assert {"USD", "EUR", "GBP", "JPY", "KWD", "XOF"} <= CURRENCIES
    assert not {"XXX", "XTS", "XAU", "XDR", "usd"} & CURRENCIES


@pytest.mark.parametrize(
    ("price", "quantity", "discount", "tax", "currency", "total"),
    [
        ("12.05", 20, None, None, "USD", "241"),
        ("12.05", 20, "13.04", "6.9", "USD", "234.86"),
        ("0.333", 3, None, None, "USD", "0.99"),
        ("5", 1, "9", None, "USD", "0"),
        ("99.5", 3, None, None, "JPY", "298"),
        ("999999999999.99", 999999999, None, None, "USD", "999999998999990000000.01"),
    ],
)
def test_a_line_total_that_was_not_given_is_computed(
    price: str, quantity: int, discount: str | None, tax: str | None, currency: str, total: str
) -> None:
    given_discount, given_tax = (Decimal(text) if text else None for text in (discount, tax))
    assert str(line_total(Decimal(price), quantity, given_discount, given_tax, currency)) == total
