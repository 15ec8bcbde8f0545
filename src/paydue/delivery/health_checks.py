"""
Asks receivers whether they are there: starts subscriptions that never ran, suspends and resumes those that may be.

And lets go what was held: a subscription that was switched on by hand, or has its key at last, gets what it missed.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from paydue.delivery.egress import Egress
from paydue.delivery.egress_answers import Answered
from paydue.delivery.subscription_moves import SubscriptionMoves
from paydue.domain.webhooks import Subscription, SubscriptionAction, SubscriptionStatus
from paydue.usecases.delivery_ports import Deliveries, DeliveryFilter, JobState, Outbox
from paydue.usecases.ports import Actor, Channel, Store
from paydue.usecases.webhook_keys import client_certificate, signing_keys
from paydue.usecases.webhook_ports import Subscriptions

_WHILE_HEALTHY: Final = timedelta(minutes=5)
_WHILE_NOT: Final = timedelta(seconds=30)
_HEALTHY: Final = 200
_AT_ONCE: Final = 32
_HEADERS: Final = (("User-Agent", "Paydue health check"),)


class HealthChecks:
    """Goes through all subscriptions, again and again; what is due when is remembered by this process alone."""

    def __init__(
        self,
        *,
        store: Store,
        outbox: Outbox,
        subscriptions_of: Callable[[str], Subscriptions],
        deliveries_of: Callable[[str], Deliveries],
        egress: Egress,
        moves: SubscriptionMoves,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._subscriptions_of = subscriptions_of
        self._deliveries_of = deliveries_of
        self._egress = egress
        self._moves = moves
        self._due: dict[str, datetime] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(self, at: datetime) -> None:
        """Probe what is due, and release what was held and may go."""
        found: list[tuple[Subscriptions, Subscription]] = []
        for merchant in await self._store.merchants():
            subscriptions = self._subscriptions_of(merchant.merchant_id)
            found += [(subscriptions, each) for each in await subscriptions.subscriptions()]
            # Reading does not wait for anything: let others have their turn.
            await asyncio.sleep(0)
        seen = {subscription.webhook_id for _, subscription in found}
        self._due = {webhook_id: due for webhook_id, due in self._due.items() if webhook_id in seen}
        # Beside each other: one that does not answer takes half a minute.
        await asyncio.gather(*(self._look_at_in_turn(*each, at) for each in found))

    async def _look_at_in_turn(self, subscriptions: Subscriptions, subscription: Subscription, at: datetime) -> None:
        async with self._turns:
            await self._look_at(subscriptions, subscription, at)

    async def _look_at(self, subscriptions: Subscriptions, subscription: Subscription, at: datetime) -> None:
        if _is_probed(subscription) and self._due.get(subscription.webhook_id, at) <= at:
            is_healthy = await self._is_healthy(subscriptions, subscription)
            self._due[subscription.webhook_id] = at + (_WHILE_HEALTHY if is_healthy else _WHILE_NOT)
            subscription = await self._moved(subscriptions, subscription, at, is_healthy=is_healthy)
        if subscription.status is SubscriptionStatus.SUSPENDED and self._moves.is_hopeless(subscription, at):
            subscription = await self._move(subscriptions, subscription, SubscriptionAction.GIVE_UP, at)
        if subscription.status is SubscriptionStatus.ACTIVE:
            await self._release(subscriptions, subscription, at)

    async def _is_healthy(self, subscriptions: Subscriptions, subscription: Subscription) -> bool:
        url = subscription.health_check_url
        assert url is not None
        certificate = client_certificate(await subscriptions.keys(), subscription.webhook_id)
        identity = certificate.secret if certificate is not None else None
        for method in ("POST", "GET"):
            answer = await self._egress.send(method, url, _HEADERS, identity=identity)
            if isinstance(answer, Answered) and answer.status == _HEALTHY:
                return True
        return False

    async def _moved(
        self, subscriptions: Subscriptions, subscription: Subscription, at: datetime, *, is_healthy: bool
    ) -> Subscription:
        """Return the subscription as a probe leaves it."""
        policy = subscription.retry_policy
        if is_healthy:
            action = SubscriptionAction.RESUME
        elif subscription.status is SubscriptionStatus.ACTIVE and policy is not None and policy.suspends:
            action = SubscriptionAction.SUSPEND
        else:
            return subscription
        return await self._move(subscriptions, subscription, action, at)

    async def _move(
        self, subscriptions: Subscriptions, subscription: Subscription, action: SubscriptionAction, at: datetime
    ) -> Subscription:
        actor = Actor("health check", subscription.webhook_id)
        return await self._moves.move(subscriptions.merchant_id, subscription, action, at, actor)

    async def _release(self, subscriptions: Subscriptions, subscription: Subscription, at: datetime) -> None:
        merchant_id, webhook_id = subscriptions.merchant_id, subscription.webhook_id
        held = DeliveryFilter(state=JobState.HELD, channel=Channel.WEBHOOK, recipient=webhook_id)
        # Looked for before anything is written: nearly always there is nothing.
        if not await self._deliveries_of(merchant_id).deliveries(held, None, 1):
            return
        if signing_keys(await subscriptions.keys(), at, webhook_id):
            await self._outbox.release_held(merchant_id, webhook_id, at)


def _is_probed(subscription: Subscription) -> bool:
    if subscription.health_check_url is None:
        return False
    if subscription.status is SubscriptionStatus.INACTIVE:
        return not subscription.is_switched_off
    return subscription.status in (SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED)
