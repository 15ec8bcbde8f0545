"""
A merchant's books read from end to end as of one moment, in stretches that fit in memory; the same on every engine.

A stretch is a range of serials, which are dense: none takes longer than another, however few of it are wanted.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

import msgspec

from paydue.domain.events import What
from paydue.domain.lifecycle import Status
from paydue.domain.line_items import LineItem
from paydue.domain.money import smallest_unit
from paydue.domain.terms import Customer
from paydue.storage.rows import Row, time_text
from paydue.usecases.export_books import ExportedInvoice, ExportedLine, ExportedPayment, ExportFilter, Movement, Portion

# As many rows as keep nobody else on the event loop waiting.
_STRETCH: Final = 250
_NOBODY: Final = Customer()
_NOTHING: Final = "0"
# Texts that all times lie between.
_EARLIEST, _LATEST = "", "~"

# What moves money, and which way.
_MOVEMENTS: Final = {
    What.PAYMENT_RECEIVED.value: (Movement.PAYMENT, 1),
    What.PAYMENT_REFUNDED.value: (Movement.REFUND, -1),
    What.PAYMENT_REVERSED.value: (Movement.REVERSAL, -1),
}
MOVEMENTS: Final = tuple(_MOVEMENTS)

EXPORTED_COLUMNS: Final = (
    "number", "status", "created_at", "due_date", "expiration_date", "currency", "total", "paid", "refunded", "document"
)  # fmt: skip

Stretch = tuple[int, int, str, str]


class Moment(Protocol):
    """
    One merchant's rows as of one moment. A stretch is the first and the last serial, both included, and the times from
    which and before which a row was made.
    """

    async def last_serial(self) -> int:
        """Return how many invoices there are, 0 for an unknown merchant."""
        ...

    async def invoices(self, stretch: Stretch, status: str | None) -> Sequence[Row]:
        """Return rows of `EXPORTED_COLUMNS`, in the order of their serials."""
        ...

    async def movements(self, stretch: Stretch) -> Sequence[Row]:
        """
        Return number, currency, kind, time, amount and transaction as JSON, method and time of payment of what moved
        money, in the order of serials and positions.
        """
        ...


class StoredExports:
    """`usecases.export_books.Exports` over whatever `moment` opens."""

    def __init__(self, moment: Callable[[], AbstractAsyncContextManager[Moment]]) -> None:
        self._moment = moment

    async def invoices(self, wanted: ExportFilter) -> AsyncGenerator[Portion[ExportedInvoice], None]:
        """Yield the wanted invoices, the oldest first. Raises StoreUnavailable."""
        status = wanted.status.value if wanted.status is not None else None
        async with self._moment() as moment:
            async for stretch, total in _stretches(moment, wanted):
                found = await moment.invoices(stretch, status)
                yield Portion([_read_exported(row) for row in found], stretch[1], total)

    async def payments(self, wanted: ExportFilter) -> AsyncGenerator[Portion[ExportedPayment], None]:
        """Yield the money that moved in the wanted time, invoice by invoice. Raises StoreUnavailable."""
        async with self._moment() as moment:
            async for stretch, total in _stretches(moment, wanted):
                found = await moment.movements(stretch)
                yield Portion([_read_movement(row) for row in found], stretch[1], total)


async def _stretches(moment: Moment, wanted: ExportFilter) -> AsyncGenerator[tuple[Stretch, int], None]:
    since, until = _text(wanted.since, _EARLIEST), _text(wanted.until, _LATEST)
    last = await moment.last_serial()
    for first in range(1, last + 1, _STRETCH):
        yield (first, min(first + _STRETCH - 1, last), since, until), last


def _text(at: datetime | None, otherwise: str) -> str:
    return time_text(at) if at is not None else otherwise


class _Terms(msgspec.Struct, frozen=True, gc=False):
    """What an export takes of an invoice's document, so that no more of it is read."""

    customer: Customer = _NOBODY
    description: str | None = None
    transaction_reference_number: str | None = None
    line_items: tuple[LineItem, ...] = ()


_read_terms: Final = msgspec.json.Decoder(_Terms).decode
_read_moved: Final = msgspec.json.Decoder(dict[str, str | None]).decode


def _read_exported(row: Row) -> ExportedInvoice:
    number, status, created_at, due_date, expiration_date, currency, total, paid, refunded, document = row
    terms = _read_terms(document)
    customer = terms.customer
    whole, received = _exact(total, currency), _exact(paid, currency)
    return ExportedInvoice(
        invoice_id=number,
        status=Status(status),
        created_at=created_at,
        due_date=due_date,
        expiration_date=expiration_date,
        currency=currency,
        total_amount=whole,
        paid_amount=received,
        refunded_amount=_exact(refunded or _NOTHING, currency),
        balance_amount=whole - received,
        customer_name=customer.name,
        customer_email=customer.email,
        company_name=customer.company_name,
        merchant_customer_id=customer.merchant_customer_id,
        description=terms.description,
        reference_number=terms.transaction_reference_number,
        line_items=tuple([_line(item) for item in terms.line_items]),
    )


def _line(item: LineItem) -> ExportedLine:
    return ExportedLine(
        item.product_sku,
        item.product_name,
        item.quantity,
        item.unit_price,
        item.total,
        item.discount_amount,
        item.discount_percent,
        item.tax_amount,
        item.tax_rate,
    )


def _read_movement(row: Row) -> ExportedPayment:
    number, currency, kind, at, data, method, paid_at = row
    (movement, sign), moved = _MOVEMENTS[kind], _read_moved(data)
    return ExportedPayment(
        invoice_id=number,
        kind=movement,
        recorded_at=at,
        paid_at=paid_at,
        currency=currency,
        amount=sign * _exact(moved.get("amount") or _NOTHING, currency),
        method=method,
        transaction_id=moved.get("transaction_id"),
    )


def _exact(amount: str, currency: str) -> Decimal:
    """Return the amount with all decimals of its currency. It never has more than those."""
    return Decimal(amount).quantize(smallest_unit(currency))
