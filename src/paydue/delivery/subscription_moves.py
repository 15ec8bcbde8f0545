"""
How delivering moves a subscription: by its table, and with a word to the merchant when it stops being delivered to.

Apart from the two who do it, the delivery of notifications and the health checks, so that both do the same.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from paydue.delivery.mail_facts import MailKind
from paydue.delivery.notices import Notices
from paydue.domain.webhooks import (
    NoSuchSubscription,
    Subscription,
    SubscriptionAction,
    SubscriptionActionNotAllowed,
    SubscriptionStatus,
)
from paydue.usecases.change_subscription import move_subscription
from paydue.usecases.ports import Actor
from paydue.usecases.webhook_ports import Subscriptions

_TOLD: Final = {
    SubscriptionStatus.SUSPENDED: MailKind.RECEIVER_SUSPENDED,
    SubscriptionStatus.INACTIVE: MailKind.RECEIVER_INACTIVE,
}


class SubscriptionMoves:
    """`give_up_after` is for how long nothing may have been taken until a subscription is switched off; None: ever."""

    def __init__(
        self,
        subscriptions_of: Callable[[str], Subscriptions],
        notices: Notices,
        *,
        give_up_after: timedelta | None = None,
    ) -> None:
        self._subscriptions_of = subscriptions_of
        self._notices = notices
        self._give_up_after = give_up_after

    def is_hopeless(self, subscription: Subscription, at: datetime) -> bool:
        """Tell whether the receiver has taken nothing for so long that it is not to be tried any more."""
        since, limit = subscription.failing_since, self._give_up_after
        return limit is not None and since is not None and at - since >= limit

    async def move(
        self,
        merchant_id: str,
        subscription: Subscription,
        action: SubscriptionAction,
        at: datetime,
        actor: Actor,
        *,
        is_gone: bool = False,
    ) -> Subscription:
        """
        Return the subscription where `action` leads; as it is when the merchant has changed it first, for that counts.

        The merchant is told before it is moved, once: a crash in between tells nobody twice. `is_gone` says that the
        receiver wants nothing any more.
        """
        with suppress(NoSuchSubscription, SubscriptionActionNotAllowed):
            after = subscription.after(action, at)
            if after.status is not subscription.status and after.status in _TOLD:
                await self._tell(merchant_id, after, at, is_gone=is_gone)
            return await move_subscription(
                self._subscriptions_of(merchant_id), subscription.webhook_id, action, at=at, actor=actor
            )
        return subscription

    async def _tell(self, merchant_id: str, after: Subscription, at: datetime, *, is_gone: bool) -> None:
        parts = urlsplit(after.url)
        # Without path and query: some hold a secret.
        facts = {
            "webhook_id": after.webhook_id,
            "receiver": f"{parts.scheme}://{parts.netloc}",
            "since": (after.failing_since or at).date().isoformat(),
        }
        if is_gone:
            facts["gone"] = f"{at.date()}"
        await self._notices.tell(merchant_id, _TOLD[after.status], facts, at)
