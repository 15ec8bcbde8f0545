"""The headers of one attempt to deliver a notification: what it is, who sent it, and the proof of both."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from paydue.delivery.webhook_signature import compatible_signature, standard_headers
from paydue.domain.notifications import Notification, NotificationBody
from paydue.domain.webhooks import SignedContent
from paydue.usecases.webhook_ports import WebhookKey

USER_AGENT: Final = "Paydue"


def notification_headers(
    notification: Notification,
    written: NotificationBody,
    *,
    keys: Sequence[WebhookKey],
    signed_content: SignedContent,
    at: datetime,
    authorization: str | None = None,
) -> tuple[tuple[str, str], ...]:
    """
    Return all headers but those of the connection.

    `keys` are the signing keys of that moment, the newest first, at least one: without a key nothing is sent.
    `authorization` comes with the OAuth security types.
    """
    signed = written.payload if signed_content is SignedContent.PAYLOAD else written.body
    return (
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        ("V-C-Event-Type", notification.event_type),
        ("V-C-Organization-Id", notification.organization_id),
        ("V-C-Product-Name", notification.product_id),
        ("V-C-Request-Type", notification.request_type.value),
        ("V-C-Retry-Count", str(notification.retry_number)),
        ("V-C-Signature", compatible_signature(keys[0], signed, at)),
        ("V-C-Transaction-Trace-Id", notification.trace_id),
        ("V-C-Webhook-Id", notification.webhook_id),
        *standard_headers(keys, notification.notification_id, written.body, at),
        *((("Authorization", authorization),) if authorization is not None else ()),
    )
