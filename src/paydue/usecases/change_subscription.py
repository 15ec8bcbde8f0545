"""Change, move and delete a subscription: read, decide, keep; and again from the reading when it was overtaken."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from paydue.domain.errors import StoreBusy
from paydue.domain.retry_policy import RetryPolicy
from paydue.domain.webhooks import NoSuchSubscription, Subscription, SubscriptionAction, SubscriptionStatus
from paydue.usecases.ports import Actor, StaleVersion
from paydue.usecases.subscribe_webhook import review_urls
from paydue.usecases.webhook_ports import Subscriptions, UrlRules

_TRIES: Final = 16
_NOT_ADMITTED: Final = (SubscriptionStatus.PENDING_REVIEW, SubscriptionStatus.BLOCKED)


class SubscriptionChange(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a merchant asks to change; everything else stays as it is.

    `values` are named like the fields of `Subscription`, `retry` like those of `RetryPolicy`. `action` switches the
    subscription on or off afterwards.
    """

    values: Mapping[str, Any] = {}
    retry: Mapping[str, Any] | None = None
    action: SubscriptionAction | None = None


async def change_subscription(
    subscriptions: Subscriptions,
    webhook_id: str,
    change: SubscriptionChange,
    *,
    rules: UrlRules,
    reviewed_by_person: bool = False,
    at: datetime,
    actor: Actor,
) -> Subscription:
    """
    Keep the subscription as `change` wants it and return it. An address that it did not have is reviewed first.

    Raises NoSuchSubscription; SubscriptionActionNotAllowed when it is to be switched on before it may be.
    """

    async def decide(before: Subscription) -> Subscription:
        after = replace(before, **change.values, updated_at=at)
        if change.retry is not None:
            after = replace(after, retry_policy=replace(before.retry_policy or RetryPolicy(), **change.retry))
        if _needs_review(before, after):
            after = await review_urls(after, rules, reviewed_by_person=reviewed_by_person, at=at)
        if change.action is None:
            return after
        if change.action is SubscriptionAction.DEACTIVATE and after.status in _NOT_ADMITTED:
            # The old API's samples send "INACTIVE" along with new addresses: nothing is delivered there anyway.
            return after
        return after.after(change.action, at)

    return await _keep(subscriptions, webhook_id, decide, actor)


async def move_subscription(
    subscriptions: Subscriptions, webhook_id: str, action: SubscriptionAction, *, at: datetime, actor: Actor
) -> Subscription:
    """
    Keep the subscription where `action` leads and return it; merchant, reviewer and worker all come this way.

    Raises NoSuchSubscription, SubscriptionActionNotAllowed.
    """

    async def decide(before: Subscription) -> Subscription:
        return before.after(action, at)

    return await _keep(subscriptions, webhook_id, decide, actor)


async def find_subscription(subscriptions: Subscriptions, webhook_id: str) -> Subscription:
    """Return the subscription. Raises NoSuchSubscription."""
    found = await subscriptions.subscription(webhook_id)
    if found is None:
        raise NoSuchSubscription(webhook_id)
    return found


async def delete_subscription(subscriptions: Subscriptions, webhook_id: str, *, actor: Actor) -> None:
    """Forget the subscription and its own keys; what was sent to it stays on record. Raises NoSuchSubscription."""
    await subscriptions.delete_subscription(webhook_id, actor)
    own = [key.key_id for key in await subscriptions.keys() if key.webhook_id == webhook_id]
    if own:
        await subscriptions.forget_keys(own, actor)


def _needs_review(before: Subscription, after: Subscription) -> bool:
    """Tell whether an address is new, or one is gone that may have been what was wrong."""
    return bool(after.urls - before.urls) or (before.status in _NOT_ADMITTED and after.urls != before.urls)


async def _keep(
    subscriptions: Subscriptions,
    webhook_id: str,
    decide: Callable[[Subscription], Awaitable[Subscription]],
    actor: Actor,
) -> Subscription:
    for _ in range(_TRIES):
        before = await find_subscription(subscriptions, webhook_id)
        after = await decide(before)
        if after is before:
            return before
        try:
            return await subscriptions.save_subscription(before, after, actor)
        except StaleVersion:
            continue
    raise StoreBusy(f"subscription {webhook_id} changed {_TRIES} times while one change was decided")
