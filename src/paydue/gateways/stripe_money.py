"""
Amounts as Stripe writes them: whole numbers of a unit that is not always the currency's own smallest one.

Apart from `domain/money.py`, which knows ISO 4217: Stripe kept the decimals that two currencies have given up, dropped
those of another, and takes a third decimal only when it is a nought.
"""

from decimal import Decimal
from typing import Final

from paydue.domain.money import CURRENCIES, exponent, shortest

_NO_DECIMALS: Final = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
_THREE_DECIMALS: Final = frozenset("BHD JOD KWD OMR TND".split())
# Written with two decimals because they once had them; both have to be noughts.
_TWO_NOUGHTS: Final = frozenset(("ISK", "UGX"))
_LARGEST: Final = 999_999_999_999

# Of every other currency Stripe says that it has two decimals. Where that is not so, we would not mean the same amount.
TAKEN: Final = frozenset(
    code
    for code in CURRENCIES
    if exponent(code) == 2 or code in _NO_DECIMALS or code in _THREE_DECIMALS or code in _TWO_NOUGHTS
)


class NotPayable(ValueError):
    """An amount that Stripe cannot take in that currency. The text says why, for logs and the merchant."""


def to_units(amount: Decimal, currency: str) -> int:
    """Return a positive amount as Stripe wants it. Raises NotPayable: nothing is ever rounded."""
    units = amount.scaleb(_decimals(currency))
    step = _step(currency)
    if units != units.to_integral_value() or units % step:
        raise NotPayable(f"Stripe takes {currency} in steps of {from_units(step, currency)}")
    if not 0 < units <= _LARGEST:
        raise NotPayable(f"Stripe takes at most {from_units(_LARGEST, currency)} {currency} at once")
    return int(units)


def from_units(units: int, currency: str) -> Decimal:
    """Return what Stripe's number of units is worth, exactly."""
    return shortest(Decimal(units).scaleb(-_decimals(currency)))


def _decimals(currency: str) -> int:
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def _step(currency: str) -> int:
    if currency in _TWO_NOUGHTS:
        return 100
    return 10 if currency in _THREE_DECIMALS else 1
