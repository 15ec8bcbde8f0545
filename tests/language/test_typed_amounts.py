"""What payers type is read as they mean it, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.domain.money import exponent
from paydue.domain.settings import LANGUAGES
from paydue.language.amounts import format_amount, format_figures
from paydue.language.typed_amounts import LONGEST, Misread, read_typed_amount
from typed_amounts import TYPED


@pytest.mark.parametrize(("language", "currency", "text", "meant"), TYPED)
def test_what_is_typed_is_read_as_it_is_meant(language: str, currency: str, text: str, meant: str) -> None:
    found = read_typed_amount(text, currency, language)
    assert found == (Misread(meant) if meant in list(Misread) else Decimal(meant))


@pytest.mark.parametrize("language", LANGUAGES)
@given(minor=st.integers(0, 10**12), currency=st.sampled_from(["USD", "EUR", "JPY", "KWD", "CLF", "BRL"]))
def test_what_the_page_shows_can_be_typed(language: str, minor: int, currency: str) -> None:
    value = Decimal(minor).scaleb(-exponent(currency))
    for shown in (format_amount(value, currency, language), format_figures(value, currency, language)):
        assert read_typed_amount(shown, currency, language) == value


@given(st.text(max_size=LONGEST + 5), st.sampled_from(LANGUAGES))
def test_whatever_is_typed_is_an_exact_amount_or_a_reason(text: str, language: str) -> None:
    found = read_typed_amount(text, "USD", language)
    assert isinstance(found, Misread) or (found.is_finite() and found >= 0 and found == round(found, 2))
