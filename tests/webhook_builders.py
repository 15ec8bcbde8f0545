"""Subscriptions, notifications and keys for tests, and a place to keep them that obeys the port's promises."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from paydue.domain.notifications import Notification, ReplaySelection
from paydue.domain.webhooks import (
    NoSuchSubscription,
    ProductEvents,
    ReplayRunning,
    Subscription,
    SubscriptionStatus,
    TooManySubscriptions,
)
from paydue.usecases.access_keys import Secret
from paydue.usecases.ports import Actor, Receipt, StaleVersion
from paydue.usecases.webhook_ports import WebhookKey, WebhookKeyKind

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MERCHANT = "testrest"
ACTOR = Actor("key-1", "correlation-1")
URL = "https://receiver.example:8443/hooks"
SECRET = "u3qgvoaJ73rLJdPLTU3moxrXyNZA4eo5dklKtIXhsAE="


def a_subscription(status: SubscriptionStatus = SubscriptionStatus.ACTIVE, **changed: Any) -> Subscription:
    subscription = Subscription(
        webhook_id="0fa698ae-7419-78c4-e063-9c588e0a497e",
        organization_id=MERCHANT,
        products=(ProductEvents(product_id="customerInvoicing", event_types=("invoicing.customer.invoice.paid",)),),
        url=URL,
        status=status,
        created_at=NOON,
        updated_at=NOON,
    )
    return replace(subscription, **changed)


def a_notification(**changed: Any) -> Notification:
    notification = Notification(
        notification_id="5b1c4b1e-6a89-43e9-a053-34b8d30aaf99",
        sequence=3,
        webhook_id="0fa698ae-7419-78c4-e063-9c588e0a497e",
        organization_id=MERCHANT,
        origin_organization_id=MERCHANT,
        product_id="customerInvoicing",
        event_type="invoicing.customer.invoice.paid",
        occurred_at=NOON,
        slots={"invoiceNumber": "98769", "payerName": "Zoë Müller – 東京"},
        trace_id="7ac2ad9f-6a89-43e9-a053-34b8d30aaf00",
    )
    return replace(notification, **changed)


def a_signing_key(
    secret: str = SECRET, key_id: str = "bdc0fe52-091e-b0d6-e053-34b8d30a0504", **changed: Any
) -> WebhookKey:
    key = WebhookKey(
        key_id=key_id,
        organization_id=MERCHANT,
        kind=WebhookKeyKind.SIGNING,
        secret=Secret(secret),
        created_at=NOON,
        expires_at=NOON + timedelta(days=365),
    )
    return replace(key, **changed)


class MemorySubscriptions:
    """One merchant's subscriptions, as the port promises to keep them. `overtakes` saves are overtaken."""

    def __init__(self, *kept: Subscription, merchant_id: str = MERCHANT) -> None:
        self.merchant_id = merchant_id
        self.kept = {each.webhook_id: each for each in kept}
        self.kept_keys: dict[str, WebhookKey] = {}
        self.replays: list[tuple[str, ReplaySelection]] = []
        self.actors: list[Actor] = []
        self.replay_runs = False
        self.overtakes = 0

    async def subscriptions(self) -> Sequence[Subscription]:
        return list(self.kept.values())

    async def subscription(self, webhook_id: str) -> Subscription | None:
        return self.kept.get(webhook_id)

    async def add_subscription(
        self, subscription: Subscription, limit: int, actor: Actor, receipt: Receipt | None
    ) -> Subscription:
        if len(self.kept) >= limit:
            raise TooManySubscriptions(limit)
        self.actors.append(actor)
        self.kept[subscription.webhook_id] = stored = replace(subscription, version=1)
        return stored

    async def save_subscription(self, before: Subscription, after: Subscription, actor: Actor) -> Subscription:
        stored = self.kept.get(before.webhook_id)
        if stored is not None and self.overtakes:
            self.overtakes -= 1
            self.kept[stored.webhook_id] = stored = replace(stored, name="overtaken", version=stored.version + 1)
        if stored is None or stored.version != before.version:
            raise StaleVersion
        self.actors.append(actor)
        self.kept[before.webhook_id] = stored = replace(after, version=before.version + 1)
        return stored

    async def delete_subscription(self, webhook_id: str, actor: Actor) -> None:
        if self.kept.pop(webhook_id, None) is None:
            raise NoSuchSubscription(webhook_id)

    async def replay(self, webhook_id: str, selection: ReplaySelection, at: datetime, actor: Actor) -> int:
        if self.replay_runs:
            raise ReplayRunning
        self.replays.append((webhook_id, selection))
        return 1

    async def keys(self) -> Sequence[WebhookKey]:
        return list(self.kept_keys.values())

    async def add_key(self, key: WebhookKey, forget: Sequence[str], actor: Actor) -> None:
        for each in forget:
            del self.kept_keys[each]
        self.kept_keys[key.key_id] = key

    async def forget_keys(self, key_ids: Sequence[str], actor: Actor) -> None:
        for each in key_ids:
            del self.kept_keys[each]


class SomeUrlRules:
    """Admits everything but hosts named `inside`; refuses the form of what is not https."""

    def fault_in(self, url: str) -> str | None:
        return None if url.startswith("https://") else "an absolute https address is needed"

    async def admits(self, url: str) -> bool:
        return "inside" not in url
