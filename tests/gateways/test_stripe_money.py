"""Amounts on their way to Stripe and back: each currency's decimals as Stripe counts them, and nothing rounded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.domain.money import CURRENCIES, exponent, truncated
from paydue.gateways.stripe_money import TAKEN, NotPayable, from_units, to_units


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("10.99", "USD", 1099),
        ("0.01", "EUR", 1),
        ("500", "JPY", 500),
        ("500", "CLP", 500),
        ("500", "MGA", 500),
        ("5", "ISK", 500),
        ("5", "UGX", 500),
        ("10.45", "HUF", 1045),
        ("800.45", "TWD", 80045),
        ("5.12", "KWD", 5120),
        ("5", "BHD", 5000),
        ("9999999999.99", "USD", 999_999_999_999),
    ],
)
def test_an_amount_is_so_many_units_and_so_many_units_are_the_amount(amount: str, currency: str, units: int) -> None:
    assert to_units(Decimal(amount), currency) == units
    assert str(from_units(units, currency)) == amount


@pytest.mark.parametrize(
    ("amount", "currency", "step"),
    [("5.124", "KWD", "0.01"), ("0.5", "MGA", "1"), ("5.5", "ISK", "1"), ("0.001", "USD", "0.01")],
)
def test_what_stripe_cannot_take_exactly_is_refused_and_never_rounded(amount: str, currency: str, step: str) -> None:
    with pytest.raises(NotPayable, match=f"in steps of {step}$"):
        to_units(Decimal(amount), currency)


@pytest.mark.parametrize("amount", ["0", "-1", "10000000000"])
def test_nothing_less_than_nothing_and_too_much_are_refused(amount: str) -> None:
    with pytest.raises(NotPayable):
        to_units(Decimal(amount), "USD")


def test_a_currency_whose_decimals_we_would_count_otherwise_is_not_taken() -> None:
    assert {code for code in CURRENCIES if exponent(code) != 2} - TAKEN == {"CLF", "IQD", "LYD", "UYI", "UYW"}


@given(st.sampled_from(sorted(TAKEN)), st.decimals(min_value="0.001", max_value="9999999", places=3))
def test_what_is_taken_comes_back_as_the_same_amount(currency: str, value: Decimal) -> None:
    amount = truncated(value, currency)
    try:
        units = to_units(amount, currency)
    except NotPayable:
        return
    assert from_units(units, currency) == amount
