"""
The bodies of notifications, in the current form and that of 2023, and the schemas that describe them.

Bytes matter here: some receivers verify the signature over the payload that they parsed and wrote anew. Payloads are
texts only and compact, so that any JSON library writes the very same bytes; but for the invoice, which has numbers and
comes to those who ask for it.
"""

from datetime import datetime
from typing import Any, Final

import msgspec

from paydue.domain.errors import BrokenFact
from paydue.domain.invoice import Invoice
from paydue.domain.notifications import EVENT_KINDS, INVOICING, SLOTS, Notification, NotificationBody, RequestType
from paydue.domain.webhooks import BodyVersion
from paydue.wire.write_invoice import show_invoice, write_shown

TEST_MESSAGE: Final = "This is a test. Your receiver was reached, and here is what a notification looks like."

_SUBMIT_TIME: Final = "%Y-%m-%dT%H:%M:%S.%f000Z"
_INVOICE_SCHEMA: Final = {
    "type": "object",
    "description": "With includeInvoice: the invoice as it was then, in the form in which the API answers it.",
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string"},
        "submitTimeUtc": {"type": "string", "description": "When this was written."},
        "customerInformation": {"type": "object"},
        "processingInformation": {"type": "object"},
        "invoiceInformation": {"type": "object", "required": ["invoiceNumber", "dueDate"]},
        "orderInformation": {"type": "object", "required": ["amountDetails"]},
    },
    "required": ["id", "status", "submitTimeUtc", "invoiceInformation", "orderInformation"],
}

_encode = msgspec.json.Encoder().encode
_NAMES: Final = frozenset(SLOTS)
# The published example has a space where a second line of the address would be.
_WHEN_EMPTY: Final = {"merchantAddress2": " "}


def write_notification(notification: Notification, version: BodyVersion) -> NotificationBody:
    """
    Return the body of one attempt and its payload element.

    `notificationId` and `sequence`, which the original's current form lacks, stand last.
    """
    if notification.is_test:
        payload = _encode({"testPayload": {"message": TEST_MESSAGE}})
        return NotificationBody(_encode(_test_body(notification, msgspec.Raw(payload))), payload)
    data = _data(notification)
    if version is BodyVersion.OLDER:
        payload = _encode([{"data": data, **_invoice(notification)}])
        return NotificationBody(_encode(_older_body(notification, msgspec.Raw(payload))), payload)
    payload = _encode({"data": data, "organizationId": notification.origin_organization_id, **_invoice(notification)})
    return NotificationBody(_encode(_current_body(notification, msgspec.Raw(payload))), payload)


def event_schema(event_type: str) -> bytes | None:
    """Return the JSON Schema of that event's body in the current form; None for an event that is not sent."""
    found = EVENT_KINDS.get(event_type)
    if found is None or not found[1].is_sent:
        return None
    product, event = found
    text = {"type": "string"}
    data: dict[str, Any] = {"type": "object", "additionalProperties": text}
    if product is INVOICING:
        data |= {"properties": dict.fromkeys(SLOTS, text) | {"eventType": {"const": event.name}}}
        data |= {"required": list(SLOTS)}
    payload = {"data": data, "organizationId": text}
    members = {
        "eventType": {"const": event.name},
        "webhookId": text,
        "productId": {"const": product.product_id},
        "organizationId": text,
        "eventDate": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$", "description": "In UTC."},
        "transactionTraceId": text | {"description": "Names this attempt."},
        "retryNumber": {"type": "integer", "minimum": 0},
        "payload": {
            "type": "object",
            "properties": payload | ({"invoice": _INVOICE_SCHEMA} if product is INVOICING else {}),
            "required": list(payload),
        },
        "requestType": {"enum": [each.value for each in RequestType]},
        "notificationId": text | {"description": "The same in every retry and replay: what to recognise repeats by."},
        "sequence": {"type": "integer", "minimum": 0, "description": "Counts the events of one invoice."},
    }
    return _encode(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": event.title,
            "type": "object",
            "properties": members,
            "required": list(members),
        }
    )


def write_snapshot(invoice: Invoice, at: datetime, link: str | None) -> bytes:
    """Return the invoice as the API answers it, with its payment link, without labels and history."""
    return write_shown(show_invoice(invoice), at.strftime(_SUBMIT_TIME), link)


def _invoice(notification: Notification) -> dict[str, msgspec.Raw]:
    return {"invoice": msgspec.Raw(notification.invoice)} if notification.invoice is not None else {}


def _data(notification: Notification) -> dict[str, str]:
    if unknown := notification.slots.keys() - _NAMES:
        raise BrokenFact(f"a payload has no slot {', '.join(sorted(unknown))}")
    slots = notification.slots | {
        "eventType": notification.event_type,
        "organizationID": notification.origin_organization_id,
    }
    return {name: slots.get(name) or _WHEN_EMPTY.get(name, "") for name in SLOTS}


def _current_body(notification: Notification, payload: msgspec.Raw) -> dict[str, Any]:
    return {
        "eventType": notification.event_type,
        "webhookId": notification.webhook_id,
        "productId": notification.product_id,
        "organizationId": notification.organization_id,
        "eventDate": _without_zone(notification.occurred_at),
        "transactionTraceId": notification.trace_id,
        "retryNumber": notification.retry_number,
        "payload": payload,
        "requestType": notification.request_type,
        "notificationId": notification.notification_id,
        "sequence": notification.sequence,
    }


def _older_body(notification: Notification, payload: msgspec.Raw) -> dict[str, Any]:
    return {
        "notificationId": notification.notification_id,
        "retryNumber": notification.retry_number,
        "eventType": notification.event_type,
        "eventDate": notification.occurred_at.isoformat(timespec="milliseconds"),
        "webhookId": notification.webhook_id,
        "payloads": payload,
        "sequence": notification.sequence,
    }


def _test_body(notification: Notification, payload: msgspec.Raw) -> dict[str, Any]:
    return {
        "eventDate": _without_zone(notification.occurred_at),
        "eventType": notification.event_type,
        "organizationId": notification.organization_id,
        "payloads": payload,
        "productId": notification.product_id,
        "requestType": notification.request_type,
        "retryNumber": notification.retry_number,
        "transactionTraceId": notification.trace_id,
        "webhookId": notification.webhook_id,
    }


def _without_zone(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S")
