"""Subscribing, changing, moving: reviews of new addresses, overtaken decisions, test calls and replays."""

from datetime import timedelta

import pytest

from paydue.domain.errors import StoreBusy
from paydue.domain.notifications import DeliveryStatus, ReplaySelection
from paydue.domain.retry_policy import RetryPolicy
from paydue.domain.webhooks import (
    MAXIMUM_SUBSCRIPTIONS,
    NoSuchSubscription,
    NotificationNotTaken,
    OAuthConfig,
    ReplayRunning,
    SecurityPolicy,
    SecurityType,
    Subscription,
    SubscriptionAction,
    SubscriptionActionNotAllowed,
    SubscriptionStatus,
    TooManySubscriptions,
)
from paydue.usecases.change_subscription import (
    SubscriptionChange,
    change_subscription,
    delete_subscription,
    move_subscription,
)
from paydue.usecases.replay_webhook import replay_webhook
from paydue.usecases.subscribe_webhook import NewSubscription, subscribe_webhook
from paydue.usecases.try_webhook import try_webhook
from paydue.usecases.webhook_ports import Outcome
from webhook_builders import ACTOR, MERCHANT, NOON, URL, MemorySubscriptions, SomeUrlRules, a_subscription
from webhook_calls import SomeMessenger

S = SubscriptionStatus
A = SubscriptionAction
RULES = SomeUrlRules()
LATER = NOON + timedelta(hours=1)
ID = a_subscription().webhook_id
INSIDE = "https://inside.example/hooks"
ELSEWHERE = "https://elsewhere.example/hooks"


def wanted(url: str = URL, **more) -> NewSubscription:
    ours = a_subscription()
    return NewSubscription(products=ours.products, shape=ours.shape, url=url, scope=ours.scope, **more)


async def subscribed(
    asked: NewSubscription, *, reviewed_by_person: bool = False, kept: MemorySubscriptions | None = None
):
    return await subscribe_webhook(
        kept or MemorySubscriptions(), asked, rules=RULES, reviewed_by_person=reviewed_by_person, at=NOON, actor=ACTOR
    )


async def changed(kept: MemorySubscriptions, *, reviewed_by_person: bool = False, **change) -> Subscription:
    return await change_subscription(
        kept,
        ID,
        SubscriptionChange(**change),
        rules=RULES,
        reviewed_by_person=reviewed_by_person,
        at=LATER,
        actor=ACTOR,
    )


OAUTH_INSIDE = SecurityPolicy(security_type=SecurityType.OAUTH, oauth=OAuthConfig(token_url=INSIDE))


@pytest.mark.parametrize(
    "asked, by_person, status",
    [
        (wanted(), False, S.INACTIVE),
        (wanted(), True, S.PENDING_REVIEW),
        (wanted(INSIDE), False, S.BLOCKED),
        (wanted(INSIDE), True, S.BLOCKED),
        (wanted(health_check_url=INSIDE), False, S.BLOCKED),
        (wanted(security=OAUTH_INSIDE), False, S.BLOCKED),
    ],
)
async def test_a_new_subscription_is_inactive_unless_an_address_leads_inside(asked, by_person, status):
    subscription = await subscribed(asked, reviewed_by_person=by_person)

    assert subscription.status is status
    assert subscription.organization_id == MERCHANT
    assert (subscription.version, subscription.created_at) == (1, NOON)
    assert len(subscription.webhook_id) == 36


async def test_a_merchant_has_twenty_subscriptions_at_most():
    kept = MemorySubscriptions()
    for _ in range(MAXIMUM_SUBSCRIPTIONS):
        await subscribed(wanted(), kept=kept)

    with pytest.raises(TooManySubscriptions):
        await subscribed(wanted(), kept=kept)
    assert len(kept.kept) == MAXIMUM_SUBSCRIPTIONS == 20


async def test_a_retry_policy_is_laid_over_the_defaults():
    assert (await subscribed(wanted(retry={"first_retry": 7}))).retry_policy == RetryPolicy(first_retry=7)
    assert (await subscribed(wanted())).retry_policy is None


@pytest.mark.parametrize("status", S)
async def test_a_change_of_words_needs_no_review_and_moves_nothing(status):
    kept = MemorySubscriptions(a_subscription(status))
    after = await changed(kept, values={"name": "New name", "url": URL})

    assert (after.status, after.name, after.updated_at) == (status, "New name", LATER)
    assert kept.kept[ID] == after


@pytest.mark.parametrize("status", S)
async def test_a_new_address_is_reviewed_whatever_the_status(status):
    assert (await changed(MemorySubscriptions(a_subscription(status)), values={"url": ELSEWHERE})).status is S.INACTIVE
    assert (await changed(MemorySubscriptions(a_subscription(status)), values={"url": INSIDE})).status is S.BLOCKED
    waiting = await changed(
        MemorySubscriptions(a_subscription(status)), values={"url": ELSEWHERE}, reviewed_by_person=True
    )
    assert waiting.status is S.PENDING_REVIEW


async def test_a_blocked_subscription_is_let_go_when_the_address_inside_is_taken_away():
    blocked = a_subscription(S.BLOCKED, health_check_url=INSIDE)

    assert (await changed(MemorySubscriptions(blocked), values={"health_check_url": None})).status is S.INACTIVE


async def test_a_new_address_beside_a_refused_one_does_not_let_it_go():
    blocked = a_subscription(S.BLOCKED, url=INSIDE)

    assert (await changed(MemorySubscriptions(blocked), values={"health_check_url": ELSEWHERE})).status is S.BLOCKED


async def test_a_change_of_retries_is_laid_over_what_there_is():
    kept = MemorySubscriptions(a_subscription(retry_policy=RetryPolicy(first_retry=7)))

    assert (await changed(kept, retry={"suspends": True})).retry_policy == RetryPolicy(first_retry=7, suspends=True)


async def test_an_update_may_switch_off_and_on_as_the_old_api_did():
    kept = MemorySubscriptions(a_subscription(S.ACTIVE))

    assert (await changed(kept, action=A.DEACTIVATE)).status is S.INACTIVE
    assert (await changed(kept, values={"url": ELSEWHERE}, action=A.ACTIVATE)).status is S.ACTIVE


async def test_switching_off_together_with_an_address_that_is_refused_is_no_error():
    kept = MemorySubscriptions(a_subscription(S.ACTIVE))

    assert (await changed(kept, values={"url": INSIDE}, action=A.DEACTIVATE)).status is S.BLOCKED


async def test_switching_on_together_with_an_address_that_is_refused_changes_nothing():
    kept = MemorySubscriptions(before := a_subscription(S.INACTIVE))

    with pytest.raises(SubscriptionActionNotAllowed):
        await changed(kept, values={"url": INSIDE}, action=A.ACTIVATE)
    assert kept.kept[ID] == before


async def test_a_change_that_was_overtaken_is_decided_anew():
    kept = MemorySubscriptions(a_subscription())
    kept.overtakes = 2
    after = await changed(kept, values={"description": "kept"})

    assert (after.name, after.description, after.version) == ("overtaken", "kept", 3)


async def test_a_change_that_is_always_overtaken_gives_up():
    kept = MemorySubscriptions(a_subscription())
    kept.overtakes = 1000

    with pytest.raises(StoreBusy):
        await changed(kept, values={"description": "kept"})


async def test_a_move_that_changes_nothing_is_not_kept():
    kept = MemorySubscriptions(a_subscription(S.ACTIVE))
    after = await move_subscription(kept, ID, A.ACTIVATE, at=LATER, actor=ACTOR)

    assert (after.version, kept.actors) == (0, [])


async def test_what_is_not_there_can_be_neither_changed_nor_moved_nor_deleted():
    kept = MemorySubscriptions()

    with pytest.raises(NoSuchSubscription):
        await changed(kept)
    with pytest.raises(NoSuchSubscription):
        await move_subscription(kept, ID, A.ACTIVATE, at=NOON, actor=ACTOR)
    with pytest.raises(NoSuchSubscription):
        await delete_subscription(kept, ID, actor=ACTOR)


@pytest.mark.parametrize("status", [S.INACTIVE, S.ACTIVE, S.SUSPENDED])
async def test_a_test_notification_that_is_taken_starts_the_subscription(status):
    kept = MemorySubscriptions(a_subscription(status))
    messenger = SomeMessenger(Outcome(True, "answered 200"))
    notification = await try_webhook(kept, ID, messenger=messenger, at=LATER, actor=ACTOR)

    assert messenger.delivered == [notification]
    assert notification.is_test
    assert (notification.event_type, notification.webhook_id) == ("invoicing.customer.invoice.paid", ID)
    assert kept.kept[ID].status is S.ACTIVE


async def test_a_test_notification_that_is_not_taken_starts_nothing():
    kept = MemorySubscriptions(a_subscription(S.INACTIVE))

    with pytest.raises(NotificationNotTaken, match="timed out"):
        await try_webhook(kept, ID, messenger=SomeMessenger(Outcome(False, "timed out")), at=LATER, actor=ACTOR)
    assert kept.kept[ID].status is S.INACTIVE


@pytest.mark.parametrize("status", [S.BLOCKED, S.PENDING_REVIEW])
async def test_nothing_is_sent_to_an_address_that_is_not_admitted(status):
    messenger = SomeMessenger(Outcome(True, "answered 200"))

    with pytest.raises(SubscriptionActionNotAllowed):
        await try_webhook(MemorySubscriptions(a_subscription(status)), ID, messenger=messenger, at=LATER, actor=ACTOR)
    assert messenger.delivered == []


@pytest.mark.parametrize("status", S)
async def test_replays_go_only_where_something_is_delivered_or_held(status):
    kept = MemorySubscriptions(a_subscription(status))
    selection = ReplaySelection(status=DeliveryStatus.FAILED)

    if status in (S.ACTIVE, S.SUSPENDED):
        assert await replay_webhook(kept, ID, selection, at=LATER, actor=ACTOR) == 1
        assert kept.replays == [(ID, selection)]
    else:
        with pytest.raises(SubscriptionActionNotAllowed):
            await replay_webhook(kept, ID, selection, at=LATER, actor=ACTOR)


async def test_there_is_one_replay_at_a_time():
    kept = MemorySubscriptions(a_subscription())
    kept.replay_runs = True

    with pytest.raises(ReplayRunning):
        await replay_webhook(kept, ID, ReplaySelection(trace_ids=("1",)), at=LATER, actor=ACTOR)
