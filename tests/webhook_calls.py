"""Calls to the webhook operations as the API makes them, with a merchant's subscriptions kept in memory."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from paydue.delivery.examples import invoice_example
from paydue.domain.errors import Refusal
from paydue.domain.invoice import Invoice
from paydue.domain.notifications import Notification
from paydue.domain.webhooks import Subscription
from paydue.usecases.ports import Answer
from paydue.usecases.webhook_ports import InvoiceExample, Outcome
from paydue.wire.error_json import write_error
from paydue.wire.kms_routes import KmsRoutes
from paydue.wire.notification_json import write_snapshot
from paydue.wire.request import Request
from paydue.wire.router import Router
from paydue.wire.strict_json import MalformedJson
from paydue.wire.webhook_routes import WebhookRoutes
from paydue.wire.webhook_secrets_routes import WebhookSecretsRoutes
from webhook_builders import ACTOR, MERCHANT, NOON, MemorySubscriptions, SomeUrlRules

SUBMIT_TIME = "2026-11-21T12:00:00.000000000Z"
WEBHOOKS = "/notification-subscriptions/v2/webhooks"
OLD_WEBHOOKS = "/notification-subscriptions/v1/webhooks"
EXAMPLES = Path(__file__).parent / "wire" / "examples" / "webhooks"


def example(name: str) -> Any:
    """Return a published example with the organization it was made for replaced by ours."""
    text = (EXAMPLES / f"{name}.json").read_text(encoding="utf-8")
    for placeholder in ("<INSERT ORGANIZATION ID HERE>", "<organization id>", "merchantName", '"organizationId"'):
        ours = '"organizationId"' if placeholder.startswith('"') else MERCHANT
        text = text.replace(placeholder, ours)
    return json.loads(text.replace('"organizationId": "organizationId"', f'"organizationId": "{MERCHANT}"'))


class Called(NamedTuple):
    status: int
    body: Any


class SomeMessenger:
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.delivered: list[Notification] = []

    def example(self, event_type: str, at: datetime) -> InvoiceExample:
        return invoice_example(event_type, at)

    def snapshot(self, invoice: Invoice, at: datetime, link: str | None) -> bytes:
        return write_snapshot(invoice, at, link)

    async def deliver(self, subscription: Subscription, notification: Notification) -> Outcome:
        self.delivered.append(notification)
        return self.outcome


class _Store:
    def __init__(self, merchant_id: str) -> None:
        self.merchant_id = merchant_id


class Installation:
    """The webhook operations over subscriptions in memory, one place for each merchant."""

    def __init__(self, **options: Any) -> None:
        self.messenger = SomeMessenger(Outcome(True, "answered 200"))
        self.of: dict[str, MemorySubscriptions] = {}
        webhooks = WebhookRoutes(
            subscriptions_of=self.subscriptions_of, rules=SomeUrlRules(), messenger=self.messenger, **options
        )
        self.routes = (
            *webhooks.routes(),
            *KmsRoutes(subscriptions_of=self.subscriptions_of).routes(),
            *WebhookSecretsRoutes(subscriptions_of=self.subscriptions_of).routes(),
        )
        self._router = Router(self.routes)

    def subscriptions_of(self, merchant_id: str) -> MemorySubscriptions:
        return self.of.setdefault(merchant_id, MemorySubscriptions(merchant_id=merchant_id))

    @property
    def kept(self) -> MemorySubscriptions:
        return self.subscriptions_of(MERCHANT)

    def call(self, method: str, target: str, body: Any = None, *, merchant_id: str = MERCHANT) -> Called:
        """Make one call; `body` is bytes as they are, or what to write as JSON."""
        path, _, query = target.partition("?")
        match = self._router.match(path.encode())
        assert match is not None, path
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = Request(
            values=match.values,
            query=query.encode(),
            body=raw,
            store=_Store(merchant_id),  # type: ignore[arg-type]
            actor=ACTOR,
            nanoseconds=int(NOON.timestamp()) * 1_000_000_000,
            submit_time=SUBMIT_TIME,
        )
        try:
            answer = asyncio.run(match.routes[method].handler(request))
        except (Refusal, MalformedJson) as refusal:
            answer = Answer(*write_error(refusal, SUBMIT_TIME))
        return Called(answer.status, json.loads(answer.body) if answer.body else None)
