"""
What subscribers are told: the catalogue of products and events, and one notification on its way to one subscription.

The names are other people's, and their documents spell some of them in two ways: what is accepted from a subscriber
and what is sent are told apart here and nowhere else.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

import msgspec
from msgspec.structs import replace


class EventKind(msgspec.Struct, frozen=True):
    """An event by the name under which it is sent. `is_sent` is False for names that are accepted and never occur."""

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    is_sent: bool = True


class Product(msgspec.Struct, frozen=True):
    product_id: str
    name: str
    events: tuple[EventKind, ...]
    aliases: tuple[str, ...] = ()


_CUSTOMER: Final = "invoicing.customer.invoice."
_MERCHANT: Final = "invoicing.merchant.invoice."

INVOICING: Final = Product(
    "customerInvoicing",
    "Customer Invoicing",
    (
        EventKind(_CUSTOMER + "send", "Invoice sent"),
        EventKind(_CUSTOMER + "cancel", "Invoice canceled"),
        EventKind(_CUSTOMER + "paid", "Invoice paid"),
        EventKind(
            _CUSTOMER + "partial-payment",
            "Invoice partially paid",
            (_CUSTOMER + "partialpayment", _CUSTOMER + "partial-paid"),
        ),
        EventKind(_CUSTOMER + "partial-resend", "Partially paid invoice resent"),
        EventKind(_CUSTOMER + "reminder", "Invoice due in five days"),
        EventKind(_CUSTOMER + "overdue-reminder", "Invoice one day overdue"),
        EventKind(_MERCHANT + "send", "Invoice sent (merchant copy)"),
        EventKind(_MERCHANT + "paid", "Invoice paid (merchant copy)"),
        EventKind(
            _MERCHANT + "partial-paid",
            "Invoice partially paid (merchant copy)",
            (_MERCHANT + "partial-payment", _MERCHANT + "partialpayment"),
        ),
        EventKind(_MERCHANT + "cancel", "Invoice canceled (merchant copy)"),
        # One integration was seen to name these; nobody documents when they would occur.
        EventKind(_CUSTOMER + "created", "Invoice created", is_sent=False),
        EventKind(_CUSTOMER + "updated", "Invoice updated", is_sent=False),
    ),
    ("invoicing",),
)
PAY_BY_LINK: Final = Product(
    "payByLink",
    "Pay by Link",
    (
        EventKind("payByLink.merchant.payment", "Payment link paid (merchant)"),
        EventKind("payByLink.customer.payment", "Payment link paid (customer)"),
    ),
)
CATALOGUE: Final = (INVOICING, PAY_BY_LINK)

_PRODUCTS: Final[Mapping[str, Product]] = {
    name: product for product in CATALOGUE for name in (product.product_id, *product.aliases)
}
_EVENTS: Final[Mapping[tuple[str, str], str]] = {
    (product.product_id, name): event.name
    for product in CATALOGUE
    for event in product.events
    for name in (event.name, *event.aliases)
}
EVENT_KINDS: Final[Mapping[str, tuple[Product, EventKind]]] = {
    event.name: (product, event) for product in CATALOGUE for event in product.events
}


def known_product_id(product_id: str) -> str:
    """Return the name that is sent for the product; one that is not in the catalogue stays as it is."""
    product = _PRODUCTS.get(product_id)
    return product.product_id if product is not None else product_id


def known_event_type(product_id: str, event_type: str) -> str | None:
    """
    Return the name that is sent for the event, or None when the product is known and has no such event.

    An event of a product that is not in the catalogue stays as it is: one may subscribe before there is anything.
    """
    if product_id not in _PRODUCTS:
        return event_type
    return _EVENTS.get((known_product_id(product_id), event_type))


# The payload of an invoicing event, in the order of the published example.
SLOTS: Final = (
    "merchantZip", "thankYou", "subject", "dueDate", "link", "body", "merchantState", "merchantName", "button",
    "invoiceBalance", "merchantAddress2", "invoiceNumber", "payerName", "customMessage", "currency", "merchantCity",
    "emailTo", "eventType", "balanceAmount", "organizationID", "merchantPhone", "emailLanguage", "invoiceUrl",
    "merchantAddress",
)  # fmt: skip


class RequestType(StrEnum):
    NEW = "NEW"
    RETRY = "RETRY"


class Notification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One event on its way to one subscription, as one attempt sends it.

    `notification_id` is the same in every retry and replay, `trace_id` another in each. `sequence` counts the events
    of one invoice. `origin_organization_id` is where it happened, `organization_id` who subscribed. `slots` are the
    payload's texts by their names in `SLOTS`; what is left out is empty. A test of no event in particular (`is_test`)
    carries none. `invoice` is the JSON of the invoice as it was when this was said first, where it is wanted.
    """

    notification_id: str
    sequence: int
    webhook_id: str
    organization_id: str
    origin_organization_id: str
    product_id: str
    event_type: str
    occurred_at: datetime
    slots: dict[str, str] = {}
    invoice: bytes | None = None
    is_test: bool = False
    retry_number: int = 0
    trace_id: str

    @property
    def request_type(self) -> RequestType:
        return RequestType.RETRY if self.retry_number else RequestType.NEW

    def retried(self, trace_id: str) -> Self:
        """Return the next attempt: the same message under a trace id of its own."""
        return replace(self, retry_number=self.retry_number + 1, trace_id=trace_id)


class NotificationBody(msgspec.Struct, frozen=True):
    """The bytes to send, and those of their payload element alone, which some receivers verify instead."""

    body: bytes
    payload: bytes


class DeliveryStatus(StrEnum):
    """The fates by which notifications can be replayed."""

    FAILED = "FAILED"
    RETRY = "RETRY"


class ReplaySelection(msgspec.Struct, frozen=True, kw_only=True):
    """Which notifications to send again: those of some attempts, or all of one fate in a window of time."""

    trace_ids: tuple[str, ...] = ()
    status: DeliveryStatus | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    product_id: str | None = None
    event_type: str | None = None
