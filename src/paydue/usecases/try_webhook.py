"""Send one test notification to a subscription's receiver, now, and start what passes."""

import uuid
from datetime import datetime

from msgspec.structs import replace

from paydue.domain.notifications import Notification, known_event_type
from paydue.domain.webhooks import (
    EventNotSubscribed,
    NotificationNotTaken,
    ProductEvents,
    Subscription,
    SubscriptionAction,
)
from paydue.usecases.change_subscription import find_subscription, move_subscription
from paydue.usecases.ports import Actor
from paydue.usecases.webhook_ports import Messenger, Subscriptions


async def try_webhook(
    subscriptions: Subscriptions,
    webhook_id: str,
    event_type: str | None = None,
    *,
    messenger: Messenger,
    at: datetime,
    actor: Actor,
) -> Notification:
    """
    Send a test and return it. Once it is taken, the subscription is ACTIVE.

    With `event_type`, in any accepted spelling, it is what such an event brings, about a made-up invoice; without, a
    word that the receiver was reached.

    Raises NoSuchSubscription, SubscriptionActionNotAllowed while an address is not admitted, EventNotSubscribed
    (nothing is sent then), NotificationNotTaken.
    """
    subscription = await find_subscription(subscriptions, webhook_id)
    subscription.check_allows(SubscriptionAction.TRY)
    product, event = _wanted(subscription, event_type)
    notification = Notification(
        notification_id=str(uuid.uuid4()),
        sequence=0,
        webhook_id=webhook_id,
        organization_id=subscription.organization_id,
        origin_organization_id=subscription.organization_id,
        product_id=product.product_id,
        event_type=event,
        occurred_at=at,
        is_test=event_type is None,
        trace_id=str(uuid.uuid4()),
    )
    if event_type is not None:
        example = messenger.example(event, at)
        link = example.slots.get("invoiceUrl") or None
        invoice = messenger.snapshot(example.invoice, at, link) if subscription.includes_invoice else None
        notification = replace(notification, slots=example.slots, invoice=invoice)
    outcome = await messenger.deliver(subscription, notification)
    if not outcome.is_taken:
        raise NotificationNotTaken(outcome.words)
    await move_subscription(subscriptions, webhook_id, SubscriptionAction.TRY, at=at, actor=actor)
    return notification


def _wanted(subscription: Subscription, event_type: str | None) -> tuple[ProductEvents, str]:
    """Return the event's product and its name as it is sent; the subscription's first for None."""
    if event_type is None:
        product = subscription.products[0]
        return product, product.event_types[0]
    for product in subscription.products:
        name = known_event_type(product.product_id, event_type)
        if name in product.event_types:
            return product, name
    raise EventNotSubscribed(event_type)
