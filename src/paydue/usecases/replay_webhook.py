"""Send notifications again that were sent, or should have been, before."""

from datetime import datetime

from paydue.domain.notifications import ReplaySelection
from paydue.domain.webhooks import SubscriptionAction
from paydue.usecases.change_subscription import find_subscription
from paydue.usecases.ports import Actor
from paydue.usecases.webhook_ports import Subscriptions


async def replay_webhook(
    subscriptions: Subscriptions, webhook_id: str, selection: ReplaySelection, *, at: datetime, actor: Actor
) -> int:
    """
    Make the notifications selected due again and return how many they are.

    Raises NoSuchSubscription, SubscriptionActionNotAllowed where nothing is delivered, ReplayRunning.
    """
    subscription = await find_subscription(subscriptions, webhook_id)
    subscription.check_allows(SubscriptionAction.REPLAY)
    return await subscriptions.replay(webhook_id, selection, at, actor)
