"""
What a merchant's books look like when they are taken out as a whole: the records, the filter, and who gives them.

Small read values straight from storage, as for lists: no rule of the domain stands between a book and its copy.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import msgspec

from paydue.domain.lifecycle import Status

Record = TypeVar("Record")


class ExportFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are wanted: those made at `since` or later and before `until`, and invoices of that status."""

    status: Status | None = None
    since: datetime | None = None
    until: datetime | None = None


class ExportedLine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """One billed line, as the merchant gave it."""

    product_sku: str
    product_name: str
    quantity: int
    unit_price: Decimal
    total_amount: Decimal
    discount_amount: Decimal | None = None
    discount_percent: Decimal | None = None
    tax_amount: Decimal | None = None
    tax_rate: Decimal | None = None


class ExportedInvoice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """
    One invoice as it stands. Its own amounts have all decimals of their currency.

    `created_at` is ISO text in UTC. The payment link is not there: whoever holds it can open the invoice.
    """

    invoice_id: str
    status: Status
    created_at: str
    due_date: str
    expiration_date: str | None = None
    currency: str
    total_amount: Decimal
    paid_amount: Decimal
    refunded_amount: Decimal
    balance_amount: Decimal
    customer_name: str | None = None
    customer_email: str | None = None
    company_name: str | None = None
    merchant_customer_id: str | None = None
    description: str | None = None
    reference_number: str | None = None
    line_items: tuple[ExportedLine, ...] = ()


class Movement(StrEnum):
    """Which way money went."""

    PAYMENT = "PAYMENT"
    REFUND = "REFUND"
    REVERSAL = "REVERSAL"


class ExportedPayment(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """
    Money that moved: a payment, or what of one went back, which is below zero.

    `method` and `paid_at` are those of payments. Times are ISO text in UTC.
    """

    invoice_id: str
    kind: Movement
    recorded_at: str
    paid_at: str | None = None
    currency: str
    amount: Decimal
    method: str | None = None
    transaction_id: str | None = None


class Portion(msgspec.Struct, Generic[Record], frozen=True):
    """Some records, and how many of the merchant's invoices have been gone through by now, of how many in all."""

    records: Sequence[Record]
    done: int
    total: int


class Exports(Protocol):
    """
    One merchant's books, as of the moment when the first portion is asked for, in the order of the invoices' making.

    From a standby where there is one that is recent enough. What is asked for is closed by whoever stops early. Raises
    StoreUnavailable, at any portion.
    """

    def invoices(self, wanted: ExportFilter) -> AsyncGenerator[Portion[ExportedInvoice], None]: ...

    def payments(self, wanted: ExportFilter) -> AsyncGenerator[Portion[ExportedPayment], None]: ...
