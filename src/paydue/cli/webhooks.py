"""`paydue webhook`: subscriptions whose addresses wait for a person's word, under `webhook_review = "person"`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from paydue.cli.options import fail, print_json, read_config, run
from paydue.domain.webhooks import (
    NoSuchSubscription,
    Subscription,
    SubscriptionAction,
    SubscriptionActionNotAllowed,
)
from paydue.usecases.change_subscription import move_subscription
from paydue.usecases.ports import Actor

_ACTOR = Actor("paydue webhook", "command line")


def list_webhooks(*, config_file: Path | None, as_json: bool, **options: Any) -> None:
    """Print every merchant's subscriptions with their addresses and statuses."""
    config = read_config(config_file, **options)

    async def found() -> list[dict[str, Any]]:
        from paydue.bootstrap import open_store  # noqa: PLC0415

        store = await open_store(config, serves=False)
        try:
            return [
                _shown(merchant.merchant_id, each)
                for merchant in await store.merchants()
                for each in await store.subscriptions_of(merchant.merchant_id).subscriptions()
            ]
        finally:
            await store.close()

    subscriptions = run(found())
    if as_json:
        print_json({"subscriptions": subscriptions})
        return
    for each in subscriptions:
        click.echo(f"{each['webhook_id']}  {each['status']:14}  {each['merchant_id']}  {' '.join(each['urls'])}")


def review_webhook(
    *, merchant_id: str, webhook_id: str, approves: bool, config_file: Path | None, as_json: bool, **options: Any
) -> None:
    """Say yes or no to a subscription's addresses."""
    config = read_config(config_file, **options)
    action = SubscriptionAction.APPROVE if approves else SubscriptionAction.REJECT

    async def reviewed() -> Subscription:
        from paydue.bootstrap import open_store  # noqa: PLC0415

        store = await open_store(config, serves=False)
        try:
            return await move_subscription(
                store.subscriptions_of(merchant_id), webhook_id, action, at=datetime.now(UTC), actor=_ACTOR
            )
        finally:
            await store.close()

    try:
        subscription = run(reviewed())
    except NoSuchSubscription:
        fail(f"{merchant_id} has no subscription {webhook_id}")
    except SubscriptionActionNotAllowed as refusal:
        fail(f"{webhook_id} is {refusal.status.value}: only PENDING_REVIEW waits for a review")
    if as_json:
        print_json(_shown(merchant_id, subscription))
    else:
        click.echo(f"{webhook_id} is {subscription.status.value} now.")


def _shown(merchant_id: str, subscription: Subscription) -> dict[str, Any]:
    return {
        "merchant_id": merchant_id,
        "webhook_id": subscription.webhook_id,
        "status": subscription.status.value,
        "urls": sorted(subscription.urls),
    }
