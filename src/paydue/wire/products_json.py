"""The list of products and their events that can be subscribed to, each event with a link to its JSON Schema."""

from collections.abc import Iterable
from typing import Final

import msgspec

from paydue.domain.notifications import EventKind, Product

SCHEMAS: Final = "/paydue/v1/webhook-schemas"


def write_products(products: Iterable[Product]) -> bytes:
    """Return the array of products with the events that are sent."""
    return _encode(
        [
            _ProductBody(
                product_id=product.product_id,
                product_name=product.name,
                event_types=[_event_body(event) for event in product.events if event.is_sent],
            )
            for product in products
        ]
    )


class _Link(msgspec.Struct):
    href: str


class _Links(msgspec.Struct):
    describedby: _Link


class _EventBody(msgspec.Struct, kw_only=True, rename="camel"):
    event_name: str
    display_name: str
    frequency: int = -1
    time_sensitivity: bool = False
    payload_encryption: bool = False
    links: _Links = msgspec.field(name="_links")


class _ProductBody(msgspec.Struct, kw_only=True, rename="camel"):
    product_id: str
    product_name: str
    event_types: list[_EventBody]


_encode = msgspec.json.Encoder().encode


def _event_body(event: EventKind) -> _EventBody:
    link = _Link(f"{SCHEMAS}/{event.name}")
    return _EventBody(event_name=event.name, display_name=event.title, links=_Links(link))
