"""One billed line, its discount and tax; and what it comes to when the caller does not say."""

from decimal import Decimal

import msgspec

from paydue.domain.money import ZERO, truncated

MAXIMUM_LINE_ITEMS = 30
MAXIMUM_QUANTITY = 999_999_999


class LineItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    One billed line. Amounts are in the invoice's currency, percent and rate are plain numbers (8.25 is 8.25 %).

    What is None was not given; `total` always stands, given or computed, and is never checked against the rest.
    """

    product_sku: str
    product_name: str
    unit_price: Decimal
    quantity: int = 1
    discount_amount: Decimal | None = None
    discount_percent: Decimal | None = None
    tax_amount: Decimal | None = None
    tax_rate: Decimal | None = None
    total: Decimal


def line_total(
    unit_price: Decimal, quantity: int, discount_amount: Decimal | None, tax_amount: Decimal | None, currency: str
) -> Decimal:
    """Return quantity x unit price - discount + tax, cut to the currency's decimals and not below zero."""
    total = unit_price * quantity - (discount_amount or ZERO) + (tax_amount or ZERO)
    return truncated(max(total, ZERO), currency)
