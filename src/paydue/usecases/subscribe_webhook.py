"""Subscribe a merchant's receiver to events."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from paydue.domain.retry_policy import RetryPolicy
from paydue.domain.webhooks import (
    MAXIMUM_SUBSCRIPTIONS,
    BodyVersion,
    NotificationScope,
    ProductEvents,
    SecurityPolicy,
    Shape,
    SignedContent,
    Subscription,
    SubscriptionAction,
    SubscriptionStatus,
)
from paydue.usecases.ports import Actor, Receipt
from paydue.usecases.webhook_ports import Subscriptions, UrlRules


class NewSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant asks for. `retry` names fields of `RetryPolicy`; None leaves the policy to the operator."""

    products: tuple[ProductEvents, ...]
    shape: Shape
    url: str
    health_check_url: str | None = None
    name: str | None = None
    description: str | None = None
    retry: Mapping[str, Any] | None = None
    security: SecurityPolicy = SecurityPolicy()
    scope: NotificationScope
    scope_organizations: tuple[str, ...] = ()
    signed_content: SignedContent = SignedContent.BODY
    body_version: BodyVersion = BodyVersion.CURRENT
    includes_invoice: bool = False


async def subscribe_webhook(
    subscriptions: Subscriptions,
    wanted: NewSubscription,
    *,
    rules: UrlRules,
    reviewed_by_person: bool = False,
    at: datetime,
    actor: Actor,
    receipt: Receipt | None = None,
) -> Subscription:
    """
    Keep a new subscription and return it: INACTIVE, or BLOCKED when it leads where we do not call.

    Raises TooManySubscriptions.
    """
    subscription = Subscription(
        webhook_id=str(uuid.uuid4()),
        organization_id=subscriptions.merchant_id,
        products=wanted.products,
        shape=wanted.shape,
        url=wanted.url,
        health_check_url=wanted.health_check_url,
        status=SubscriptionStatus.PENDING_REVIEW,
        name=wanted.name,
        description=wanted.description,
        retry_policy=replace(RetryPolicy(), **wanted.retry) if wanted.retry is not None else None,
        security=wanted.security,
        scope=wanted.scope,
        scope_organizations=wanted.scope_organizations,
        signed_content=wanted.signed_content,
        body_version=wanted.body_version,
        includes_invoice=wanted.includes_invoice,
        created_at=at,
        updated_at=at,
    )
    reviewed = await review_urls(subscription, rules, reviewed_by_person=reviewed_by_person, at=at)
    return await subscriptions.add_subscription(reviewed, MAXIMUM_SUBSCRIPTIONS, actor, receipt)


async def review_urls(
    subscription: Subscription, rules: UrlRules, *, reviewed_by_person: bool, at: datetime
) -> Subscription:
    """
    Return the subscription after the review of all its addresses.

    What the rules refuse is BLOCKED; the rest is INACTIVE, or PENDING_REVIEW where a person has the last word.
    """
    submitted = subscription.after(SubscriptionAction.SUBMIT_URLS, at)
    admitted = await asyncio.gather(*(rules.admits(url) for url in submitted.urls))
    if not all(admitted):
        return submitted.after(SubscriptionAction.REJECT, at)
    return submitted if reviewed_by_person else submitted.after(SubscriptionAction.APPROVE, at)
