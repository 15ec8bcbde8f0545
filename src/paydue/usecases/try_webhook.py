"""Send one test notification to a subscription's receiver, now, and start what passes."""

import uuid
from datetime import datetime

from paydue.domain.notifications import Notification
from paydue.domain.webhooks import NotificationNotTaken, SubscriptionAction
from paydue.usecases.change_subscription import find_subscription, move_subscription
from paydue.usecases.ports import Actor
from paydue.usecases.webhook_ports import Messenger, Subscriptions


async def try_webhook(
    subscriptions: Subscriptions, webhook_id: str, *, messenger: Messenger, at: datetime, actor: Actor
) -> Notification:
    """
    Send a test for the subscription's first event and return it. Once it is taken, the subscription is ACTIVE.

    Raises NoSuchSubscription, SubscriptionActionNotAllowed while an address is not admitted (nothing is sent then),
    NotificationNotTaken.
    """
    subscription = await find_subscription(subscriptions, webhook_id)
    subscription.check_allows(SubscriptionAction.TRY)
    product = subscription.products[0]
    notification = Notification(
        notification_id=str(uuid.uuid4()),
        sequence=0,
        webhook_id=webhook_id,
        organization_id=subscription.organization_id,
        origin_organization_id=subscription.organization_id,
        product_id=product.product_id,
        event_type=product.event_types[0],
        occurred_at=at,
        is_test=True,
        trace_id=str(uuid.uuid4()),
    )
    outcome = await messenger.deliver(subscription, notification)
    if not outcome.is_taken:
        raise NotificationNotTaken(outcome.words)
    await move_subscription(subscriptions, webhook_id, SubscriptionAction.TRY, at=at, actor=actor)
    return notification
