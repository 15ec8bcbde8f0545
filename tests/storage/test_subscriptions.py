"""The store's promise about webhook subscriptions and keys, kept by every engine; and who hears of what."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from delivering import FAILED, TAKEN, a_mail, a_webhook, fail, happens, lease, settle, the_job
from paydue.domain.errors import BrokenFact
from paydue.domain.notifications import DeliveryStatus, ReplaySelection
from paydue.domain.retry_policy import Algorithm, RetryPolicy
from paydue.domain.webhooks import (
    NoSuchSubscription,
    OAuthConfig,
    ProductEvents,
    ReplayRunning,
    SecurityPolicy,
    SecurityType,
    Subscription,
    SubscriptionStatus,
    TooManySubscriptions,
)
from paydue.usecases.access_keys import Secret
from paydue.usecases.delivery_ports import JobState
from paydue.usecases.ports import (
    Answer,
    MerchantStore,
    NoSuchMerchant,
    Receipt,
    ReceiptExists,
    StaleVersion,
    Store,
)
from paydue.usecases.webhook_ports import WebhookKey, WebhookKeyKind
from storing import ACTOR, assert_all_holds, create
from webhook_builders import NOON, a_signing_key, a_subscription

PAID = "invoicing.customer.invoice.paid"
SEND = "invoicing.customer.invoice.send"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def subscriptions(installation: Any) -> Any:
    return installation.store.subscriptions_of("acme")


@pytest.fixture
def outbox(installation: Any) -> Any:
    return installation.store.outbox


@pytest.fixture
def deliveries(installation: Any) -> Any:
    return installation.store.deliveries_of("acme")


def a_new_one(*event_types: str, **changed: Any) -> Subscription:
    products = (ProductEvents(product_id="customerInvoicing", event_types=event_types or (PAID,)),)
    return a_subscription(**{"webhook_id": str(uuid.uuid4()), "products": products} | changed)


async def add(subscriptions: Any, subscription: Subscription, receipt: Receipt | None = None) -> Subscription:
    stored: Subscription = await subscriptions.add_subscription(subscription, 20, ACTOR, receipt)
    return stored


# Keeping


async def test_a_subscription_is_read_back_as_it_was_kept(installation: Any, subscriptions: Any) -> None:
    wanted = a_new_one(
        PAID,
        SEND,
        health_check_url="https://receiver.example/health",
        name="Zürich ✓",
        retry_policy=RetryPolicy(
            algorithm=Algorithm.GEOMETRIC, suspends=True, additional_attributes=({"region": "eu"},)
        ),
        security=SecurityPolicy(
            security_type=SecurityType.OAUTH, oauth=OAuthConfig(token_url="https://tokens.example", scope="hooks")
        ),
        scope_organizations=("acme", "zeta"),
        is_switched_off=True,
        created_at=NOON.replace(microsecond=7),
    )

    stored = await add(subscriptions, wanted)

    assert stored == replace(wanted, version=1)
    assert await subscriptions.subscription(wanted.webhook_id) == stored
    assert list(await subscriptions.subscriptions()) == [stored]
    await installation.reopen()
    assert await installation.store.subscriptions_of("acme").subscription(wanted.webhook_id) == stored
    await assert_all_holds(installation.store)


async def test_subscriptions_stand_in_the_order_of_their_making(subscriptions: Any) -> None:
    for minute in (2, 0, 1):
        await add(subscriptions, a_new_one(name=str(minute), created_at=NOON + minute * MINUTE))

    assert [each.name for each in await subscriptions.subscriptions()] == ["0", "1", "2"]


async def test_a_change_raises_the_version_and_one_decided_on_an_old_version_is_refused(subscriptions: Any) -> None:
    first = await add(subscriptions, a_new_one())

    second = await subscriptions.save_subscription(first, replace(first, name="second"), ACTOR)
    with pytest.raises(StaleVersion):
        await subscriptions.save_subscription(first, replace(first, name="too late"), ACTOR)

    assert (second.name, second.version) == ("second", 2)
    assert await subscriptions.subscription(first.webhook_id) == second


async def test_of_many_changes_at_once_one_is_kept(subscriptions: Any) -> None:
    first = await add(subscriptions, a_new_one())

    outcomes = await asyncio.gather(
        *(subscriptions.save_subscription(first, replace(first, name=str(own)), ACTOR) for own in range(8)),
        return_exceptions=True,
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == [*["StaleVersion"] * 7, "Subscription"]


async def test_a_deleted_subscription_is_gone_for_everybody(
    installation: Any, subscriptions: Any, acme: MerchantStore
) -> None:
    stored = await add(subscriptions, a_new_one())

    await subscriptions.delete_subscription(stored.webhook_id, ACTOR)

    assert await subscriptions.subscription(stored.webhook_id) is None
    assert list(await subscriptions.subscriptions()) == []
    assert list(await acme.webhooks_for(PAID)) == []
    with pytest.raises(StaleVersion):
        await subscriptions.save_subscription(stored, stored, ACTOR)
    for odd in (stored.webhook_id, "", "\ud800"):
        with pytest.raises(NoSuchSubscription):
            await subscriptions.delete_subscription(odd, ACTOR)


async def test_a_limit_counts_those_that_are_not_deleted(subscriptions: Any) -> None:
    first = await subscriptions.add_subscription(a_new_one(), 2, ACTOR, None)
    outcomes = await asyncio.gather(
        *(subscriptions.add_subscription(a_new_one(), 2, ACTOR, None) for _ in range(3)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Subscription", *["TooManySubscriptions"] * 2]
    await subscriptions.delete_subscription(first.webhook_id, ACTOR)
    await subscriptions.add_subscription(a_new_one(), 2, ACTOR, None)
    with pytest.raises(TooManySubscriptions):
        await subscriptions.add_subscription(a_new_one(), 2, ACTOR, None)


async def test_a_repeated_key_makes_no_second_subscription(subscriptions: Any, acme: MerchantStore) -> None:
    receipt = Receipt("key-1", b"f" * 32, lambda stored: Answer(201, f"{stored.webhook_id} v{stored.version}".encode()))
    stored = await add(subscriptions, a_new_one(), receipt)

    with pytest.raises(ReceiptExists):
        await add(subscriptions, a_new_one(), receipt)

    recorded = await acme.recorded_answer("key-1")
    assert recorded is not None
    assert recorded.answer == Answer(201, f"{stored.webhook_id} v1".encode())
    assert len(await subscriptions.subscriptions()) == 1


async def test_merchants_share_no_subscription_and_no_key(installation: Any, subscriptions: Any) -> None:
    theirs = installation.store.subscriptions_of("zeta")
    stored = await add(subscriptions, a_new_one())
    await subscriptions.add_key(a_signing_key(), (), ACTOR)

    assert theirs.merchant_id == "zeta"
    assert await theirs.subscription(stored.webhook_id) is None
    assert list(await theirs.subscriptions()) == list(await theirs.keys()) == []
    assert list(await installation.store.of("zeta").webhooks_for(PAID)) == []
    with pytest.raises(NoSuchSubscription):
        await theirs.delete_subscription(stored.webhook_id, ACTOR)
    with pytest.raises(StaleVersion):
        await theirs.save_subscription(stored, replace(stored, url="https://thief.example"), ACTOR)
    await theirs.add_key(a_signing_key("other"), [a_signing_key().key_id], ACTOR)
    assert [key.secret for key in await subscriptions.keys()] == [a_signing_key().secret]
    assert await subscriptions.subscription(stored.webhook_id) == stored


async def test_a_merchant_who_is_not_known_can_have_none(installation: Any) -> None:
    nobody = installation.store.subscriptions_of("nobody")

    assert list(await nobody.subscriptions()) == list(await nobody.keys()) == []
    with pytest.raises(NoSuchMerchant):
        await add(nobody, a_new_one())
    with pytest.raises(NoSuchMerchant):
        await nobody.add_key(a_signing_key(), (), ACTOR)


# Who hears of what


@pytest.mark.parametrize("status", SubscriptionStatus)
async def test_those_who_are_active_or_suspended_hear_of_what_they_want(
    subscriptions: Any, acme: MerchantStore, status: SubscriptionStatus
) -> None:
    stored = await add(subscriptions, a_new_one(PAID, status=status))
    listens = status in (SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED)

    assert list(await acme.webhooks_for(PAID)) == ([stored.webhook_id] if listens else [])
    assert list(await acme.webhooks_for(SEND)) == []


async def test_an_event_of_another_product_is_not_wanted_by_its_name_alone(
    subscriptions: Any, acme: MerchantStore
) -> None:
    await add(subscriptions, a_new_one(products=(ProductEvents(product_id="payByLink", event_types=(PAID,)),)))

    assert list(await acme.webhooks_for(PAID)) == []


async def test_a_change_of_a_subscription_is_heeded_at_once(subscriptions: Any, acme: MerchantStore) -> None:
    assert list(await acme.webhooks_for(PAID)) == []
    first = await add(subscriptions, a_new_one(PAID))
    second = await add(subscriptions, a_new_one(PAID, SEND, created_at=NOON + MINUTE))
    assert list(await acme.webhooks_for(PAID)) == [first.webhook_id, second.webhook_id]

    stopped = replace(first, status=SubscriptionStatus.INACTIVE)
    await subscriptions.save_subscription(first, stopped, ACTOR)

    assert list(await acme.webhooks_for(PAID)) == [second.webhook_id]


async def test_messages_to_subscriptions_there_are_or_were_leave_good_books(
    store: Store, subscriptions: Any, acme: MerchantStore
) -> None:
    stored = await add(subscriptions, a_new_one())
    await happens(acme, a_webhook(stored.webhook_id), a_mail())
    await subscriptions.delete_subscription(stored.webhook_id, ACTOR)
    await create(acme, sent=True)

    await assert_all_holds(store)


# Replays


async def a_history(subscriptions: Any, outbox: Any, acme: MerchantStore) -> tuple[str, dict[str, str]]:
    """
    Keep notifications of one subscription, and return its id and theirs by what became of them.

    At NOON one was done, one given up and one is retried; an hour later another was given up.
    """
    webhook_id = (await add(subscriptions, a_new_one(SEND, PAID))).webhook_id
    other_id = (await add(subscriptions, a_new_one(SEND, PAID))).webhook_id
    ids = {}
    for name, state, topic, at in (
        ("done", JobState.DONE, SEND, NOON),
        ("failed", JobState.PARKED, SEND, NOON),
        ("retried", JobState.PENDING, PAID, NOON),
        ("failed later", JobState.PARKED, PAID, NOON + HOUR),
    ):
        await happens(acme, a_webhook(webhook_id, topic), a_webhook(other_id, topic), at=at)
        for job in await lease(outbox, at):
            if job.recipient == webhook_id:
                ids[name] = job.message_id
            tried = replace(TAKEN if state is JobState.DONE else FAILED, trace_id=f"trace {name} {job.recipient}")
            await outbox.settle(job, state, NOON + 24 * HOUR, tried)
    return webhook_id, ids


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (ReplaySelection(status=DeliveryStatus.FAILED), {"failed", "failed later"}),
        (ReplaySelection(status=DeliveryStatus.RETRY), {"retried"}),
        (ReplaySelection(status=DeliveryStatus.FAILED, until_at=NOON + MINUTE), {"failed"}),
        (ReplaySelection(status=DeliveryStatus.FAILED, from_at=NOON + MINUTE), {"failed later"}),
        (ReplaySelection(status=DeliveryStatus.FAILED, event_type=PAID), {"failed later"}),
        (
            ReplaySelection(status=DeliveryStatus.FAILED, product_id="customerInvoicing"),
            {"failed", "failed later"},
        ),
        (ReplaySelection(status=DeliveryStatus.FAILED, product_id="payByLink"), set()),
        (ReplaySelection(trace_ids=("trace done {}", "trace failed {}", "trace failed {}", "x")), {"done", "failed"}),
        (ReplaySelection(trace_ids=("trace done other",)), set()),
    ],
)
async def test_a_replay_makes_the_selected_due_under_their_ids(
    subscriptions: Any,
    outbox: Any,
    deliveries: Any,
    acme: MerchantStore,
    selection: ReplaySelection,
    expected: set[str],
) -> None:
    webhook_id, ids = await a_history(subscriptions, outbox, acme)
    traces = tuple(trace.format(webhook_id) for trace in selection.trace_ids)

    count = await subscriptions.replay(webhook_id, replace(selection, trace_ids=traces), NOON + 2 * HOUR, ACTOR)

    jobs = await lease(outbox, NOON + 2 * HOUR)
    assert {job.message_id for job in jobs} == {ids[name] for name in expected}
    assert count == len(expected)
    assert {(job.recipient, job.tries) for job in jobs} <= {(webhook_id, 0)}


async def test_a_replay_is_refused_until_the_last_one_is_through(
    subscriptions: Any, outbox: Any, acme: MerchantStore
) -> None:
    webhook_id, _ = await a_history(subscriptions, outbox, acme)
    selection = ReplaySelection(status=DeliveryStatus.FAILED)
    at = NOON + 2 * HOUR
    assert await subscriptions.replay(webhook_id, selection, at, ACTOR) == 2

    first, second = await lease(outbox, at)
    await settle(outbox, first)
    await fail(outbox, second, at + MINUTE)
    with pytest.raises(ReplayRunning):
        await subscriptions.replay(webhook_id, selection, at, ACTOR)
    (second,) = await lease(outbox, at + MINUTE)
    await settle(outbox, second, JobState.PARKED)

    assert await subscriptions.replay(webhook_id, selection, at + MINUTE, ACTOR) == 1


async def test_a_replay_of_nothing_keeps_no_other_from_running(subscriptions: Any) -> None:
    webhook_id = (await add(subscriptions, a_new_one())).webhook_id
    for _ in range(2):
        assert await subscriptions.replay(webhook_id, ReplaySelection(trace_ids=("x",)), NOON, ACTOR) == 0


async def test_a_message_sent_again_by_itself_is_no_replay(
    subscriptions: Any, outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    webhook_id, ids = await a_history(subscriptions, outbox, acme)

    await deliveries.resend(ids["done"], NOON + HOUR, ACTOR)

    assert (await the_job(deliveries, ids["done"])).state is JobState.PENDING
    assert await subscriptions.replay(webhook_id, ReplaySelection(trace_ids=("x",)), NOON + HOUR, ACTOR) == 0


# Keys


def some_keys() -> list[WebhookKey]:
    later = NOON + HOUR
    return [
        a_signing_key(),
        WebhookKey(
            key_id="credentials-1",
            organization_id="acme",
            kind=WebhookKeyKind.OAUTH_CREDENTIALS,
            secret=Secret("pass wörd"),
            client_id="client-1",
            created_at=later,
            expires_at=later + HOUR,
        ),
        WebhookKey(
            key_id="certificate-1",
            organization_id="acme",
            kind=WebhookKeyKind.CERTIFICATE,
            certificate_der=b"\x30\x82\0",
            created_at=later + MINUTE,
            expires_at=later + HOUR,
        ),
        WebhookKey(
            key_id="client-certificate-1",
            organization_id="acme",
            kind=WebhookKeyKind.CLIENT_CERTIFICATE,
            certificate_der=b"\x30\x82\0",
            secret=Secret("a key and its chain"),
            created_at=later + 2 * MINUTE,
            expires_at=later + HOUR,
            webhook_id=a_subscription().webhook_id,
        ),
    ]


async def test_keys_are_read_back_as_they_were_kept(installation: Any, subscriptions: Any) -> None:
    kept = [replace(key, organization_id="acme") for key in some_keys()]
    for key in kept:
        await subscriptions.add_key(key, (), ACTOR)

    assert list(await subscriptions.keys()) == kept
    await installation.reopen()
    assert list(await installation.store.subscriptions_of("acme").keys()) == kept
    await assert_all_holds(installation.store)


async def test_a_new_key_and_the_forgetting_of_others_are_kept_together(subscriptions: Any) -> None:
    for key in some_keys():
        await subscriptions.add_key(key, (), ACTOR)

    newer = a_signing_key(key_id="newer")
    await subscriptions.forget_keys(["client-certificate-1", "not there"], ACTOR)
    await subscriptions.add_key(newer, [a_signing_key().key_id, "certificate-1", "not there"], ACTOR)

    assert {key.key_id for key in await subscriptions.keys()} == {"newer", "credentials-1"}
    with pytest.raises(BrokenFact):
        await subscriptions.add_key(newer, ["credentials-1"], ACTOR)
    assert {key.key_id for key in await subscriptions.keys()} == {"newer", "credentials-1"}
