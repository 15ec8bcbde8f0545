"""
What an invoice bills: everything the merchant may set, and replaces as a whole when updating.

Kept apart from `invoice.py` because these values change only by the merchant's word, never by what happens later.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec

from paydue.domain.line_items import LineItem
from paydue.domain.merchant_fields import FieldValue


class DeliveryMode(StrEnum):
    EMAIL = "Email"
    NONE = "None"


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The billed party. At least one field is set; a customer without any is no customer (None)."""

    name: str | None = None
    email: str | None = None
    merchant_customer_id: str | None = None
    company_name: str | None = None


class Tax(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    type: str | None = None
    amount: Decimal | None = None
    rate: Decimal | None = None


class Freight(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    amount: Decimal | None = None
    is_taxable: bool | None = None
    tax_rate: Decimal | None = None


class Partner(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who built the integration. Kept for reports, never shown in an answer."""

    developer_id: str | None = None
    solution_id: str | None = None


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    The merchant's part of an invoice.

    `total` alone is owed, in `currency`; the other amounts are for display and bookkeeping, and sums are never
    checked, because published examples of this API do not add up. What an invoice requests of its payer is None where
    the merchant did not say: then the settings decide.
    """

    due_date: date
    currency: str
    total: Decimal
    delivery_mode: DeliveryMode
    customer: Customer | None = None
    description: str | None = None
    expiration_date: date | None = None
    transaction_reference_number: str | None = None
    allows_partial_payments: bool = False
    requests_phone: bool | None = None
    requests_shipping: bool | None = None
    discount_amount: Decimal | None = None
    discount_percent: Decimal | None = None
    sub_amount: Decimal | None = None
    minimum_partial_amount: Decimal | None = None
    tax: Tax | None = None
    freight: Freight | None = None
    line_items: tuple[LineItem, ...] = ()
    field_values: tuple[FieldValue, ...] = ()
    partner: Partner | None = None

    @property
    def email(self) -> str | None:
        """The address that mails about this invoice go to, if there is one."""
        return self.customer.email if self.customer is not None else None

    @property
    def discounts_twice(self) -> bool:
        """Whether both the total and a line item carry a discount. Zero is none."""
        return _any_above_zero((self.discount_amount, self.discount_percent)) and any(
            _any_above_zero((item.discount_amount, item.discount_percent)) for item in self.line_items
        )

    @property
    def taxes_twice(self) -> bool:
        """Whether both the total and a line item carry a tax. Zero is none."""
        return (
            self.tax is not None
            and _any_above_zero((self.tax.amount, self.tax.rate))
            and any(_any_above_zero((item.tax_amount, item.tax_rate)) for item in self.line_items)
        )


def _any_above_zero(values: Iterable[Decimal | None]) -> bool:
    return any(value is not None and value > 0 for value in values)
