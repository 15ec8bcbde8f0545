"""
How refusals about webhooks, keys and deliveries are answered: the API's error object, whose rows for these stand here.

Apart from the invoices' table because these calls are documented apart, and only one of their errors has a body there.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from paydue.domain.errors import Refusal
from paydue.domain.webhooks import (
    EventNotSubscribed,
    NoSuchSubscription,
    NotificationNotTaken,
    ReplayRunning,
    SubscriptionAction,
    SubscriptionActionNotAllowed,
    TooManySubscriptions,
    TooManyWebhookKeys,
    WebhookRefusal,
)
from paydue.usecases.ports import Answer
from paydue.wire.error_json import ErrorBody
from paydue.wire.request import Request

_Handler = Callable[[Request], Awaitable[Answer]]

_encode = msgspec.json.Encoder().encode

_DONE: Final = {
    SubscriptionAction.ACTIVATE: "activated",
    SubscriptionAction.DEACTIVATE: "deactivated",
    SubscriptionAction.TRY: "tested",
    SubscriptionAction.REPLAY: "replayed to",
}

# status code, `status`, `reason`, message
_Row = tuple[int, str, str, str]


class NoSuchOrganization(Refusal):
    """Another organization than the caller's was asked about."""


class NoSuchEvent(Refusal):
    """A schema was asked for of an event that is not sent."""


class NoSuchClientCertificate(Refusal):
    """The subscription has no client certificate."""


class NoSuchDelivery(Refusal):
    """The merchant has no message of that id."""


def _not_allowed(refusal: SubscriptionActionNotAllowed) -> _Row:
    message = f"A subscription in status {refusal.status.value} cannot be {_DONE[refusal.action]}."
    return 400, "BADREQUEST", "ACTION_NOT_ALLOWED", message


TABLE: Final[dict[type[Refusal], Callable[[Any], _Row]]] = {
    NoSuchOrganization: lambda _: (404, "NOTFOUND", "NOT_FOUND", "Organization does not exist."),
    NoSuchEvent: lambda _: (404, "NOTFOUND", "NOT_FOUND", "Event type does not exist."),
    NoSuchClientCertificate: lambda _: (404, "NOTFOUND", "NOT_FOUND", "Client certificate does not exist."),
    NoSuchDelivery: lambda _: (404, "NOTFOUND", "NOT_FOUND", "Delivery does not exist."),
    NoSuchSubscription: lambda _: (404, "NOTFOUND", "NOT_FOUND", "Webhook subscription does not exist."),
    SubscriptionActionNotAllowed: _not_allowed,
    TooManySubscriptions: lambda refusal: (
        400, "BADREQUEST", "LIMIT_EXCEEDED", f"A merchant may have {refusal.limit} webhook subscriptions."
    ),
    TooManyWebhookKeys: lambda refusal: (
        400, "BADREQUEST", "LIMIT_EXCEEDED", f"A merchant may have {refusal.limit} webhook keys in use."
    ),
    EventNotSubscribed: lambda _: (
        400, "BADREQUEST", "ACTION_NOT_ALLOWED", "eventType: the subscription has no such event."
    ),
    NotificationNotTaken: lambda refusal: (
        400, "BADREQUEST", "NOTIFICATION_NOT_DELIVERED", f"The receiver did not take it: {refusal.outcome}."
    ),
    ReplayRunning: lambda _: (409, "CONFLICT", "REPLAY_RUNNING", "An earlier replay is not through yet."),
}  # fmt: skip


def with_webhook_errors(handler: _Handler) -> _Handler:
    """Return the handler with its own refusals answered; those of every call are left to the API."""

    async def answer(request: Request) -> Answer:
        try:
            return await handler(request)
        except (WebhookRefusal, NoSuchOrganization, NoSuchEvent, NoSuchClientCertificate, NoSuchDelivery) as refusal:
            code, status, reason, message = TABLE[type(refusal)](refusal)
            error = ErrorBody(submit_time_utc=request.submit_time, status=status, reason=reason, message=message)
            return Answer(code, _encode(error))

    return answer
