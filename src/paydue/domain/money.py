"""
Amounts and currencies: how many decimals a currency has, and how an amount is cut to them.

An amount is a finite, non-negative `Decimal` in its *shortest plain form* (293.5, 208, 0; never 2E+2), so that it
can be written anywhere without another look. Every amount that enters the domain goes through `truncated`.
"""

from decimal import ROUND_DOWN, Decimal
from typing import Final

ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)

# ISO 4217 currencies in force. Funds that have a minor unit are in; metals, test codes and units of account are not.
CURRENCIES: Final = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
    CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD
    HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD
    MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN
    PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD
    TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()
)

_EXPONENTS: Final = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_QUANTA: Final = {code: Decimal(1).scaleb(-_EXPONENTS.get(code, 2)) for code in CURRENCIES}


def exponent(currency: str) -> int:
    """Return how many decimals an amount in `currency` has: 0, 2, 3 or 4 (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def smallest_unit(currency: str) -> Decimal:
    """Return the least amount there is in `currency`: 0.01, 1 or 0.001."""
    return _QUANTA[currency]


def read_digits(digits: str, currency: str) -> Decimal:
    """
    Return the amount that plain `digits` (at most one point, nothing else) say, cut to the currency's decimals.

    The same as `truncated(Decimal(digits), currency)` at a third of the cost: amounts are read a dozen to a request.
    """
    whole, point, fraction = digits.partition(".")
    if not point:
        return Decimal(whole)
    fraction = fraction[: _EXPONENTS.get(currency, 2)].rstrip("0")
    return Decimal(f"{whole}.{fraction}" if fraction else whole or "0")


def truncated(value: Decimal, currency: str) -> Decimal:
    """
    Return `value` cut (never rounded) to the decimals of `currency`, in shortest plain form.

    The API's documents ask for truncation. `value` has to be finite and below 10**24.
    """
    return shortest(value.quantize(_QUANTA[currency], ROUND_DOWN))


def shortest(value: Decimal) -> Decimal:
    """Return the same number without trailing zeros and without an exponent: 208.00 becomes 208, 2E+2 becomes 200."""
    value = value.normalize()
    # Only whole numbers get a positive exponent from `normalize`.
    return value.quantize(_ONE) if value.as_tuple().exponent > 0 else value  # type: ignore[operator]
