"""Notifications from the outbox to a receiver over TLS: signed, retried as agreed, held, released, never doubled."""

import json
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from standardwebhooks.webhooks import Webhook

from openapi_check import check_json
from paydue.delivery import subscription_moves
from paydue.delivery.egress import Egress
from paydue.domain.retry_policy import Algorithm, DefaultPolicy, RetryPolicy
from paydue.domain.webhooks import (
    OAuthConfig,
    SecurityPolicy,
    SecurityType,
    Subscription,
    SubscriptionAction,
    SubscriptionStatus,
)
from paydue.usecases.access_keys import Secret
from paydue.usecases.change_subscription import delete_subscription, move_subscription
from paydue.usecases.delivery_ports import Job, JobState
from paydue.usecases.park_held import HoldLimits, park_held
from paydue.usecases.ports import Channel
from paydue.usecases.webhook_keys import create_signing_key, store_client_certificate, store_oauth_credentials
from paydue.wire.notification_json import event_schema
from paydue.wire.webhook_secrets_json import read_client_certificate
from posting import ACME, PORTAL, Installation, Recorder
from receiver import ANSWERS, BRIEF, PATIENT, Received, Receiver, a_client, an_authority, answering, receiving
from storing import ACTOR, assert_all_holds

SUSPENDS = RetryPolicy(suspends=True)
AT_ONCE = RetryPolicy(suspends=True, number_of_retries=0)
# What the receiver does that is no taking, by its path, and what is said of it.
FAILURES = {
    "/refuse": "connection refused",
    "/missing": "answered 404",
    "/busy": "answered 503",
    "/redirect": "answered 302",
    "/drop-midway": "dropped",
    "/drop": "dropped",
    "/drop-in-head": "dropped",
    "/hang": "timed out",
    "/drip": "timed out",
    "/endless-hints": "timed out",
    "/no-http": "malformed answer",
    "/switch": "malformed answer",
}
# Whoever answers these has not got the whole request.
NOT_RECEIVED = ("/refuse", "/drop-midway")


async def webhooks(acme: Installation) -> list[Job]:
    return list(await acme.jobs(channel=Channel.WEBHOOK))


async def the_subscription(acme: Installation, like: Subscription) -> Subscription:
    found = await acme.store.subscriptions_of(ACME).subscription(like.webhook_id)
    assert found is not None
    return found


def body_of(received: Received) -> dict:
    return json.loads(received.body)


async def test_whoever_asks_for_it_gets_the_invoice_as_it_was_at_the_first_attempt(
    acme: Installation, receiver: Receiver
) -> None:
    receiver.answers["/first-busy"] = ANSWERS["/busy"]
    await acme.subscribe(receiver.url("/first-busy"), includes_invoice=True)
    await acme.subscribe(receiver.url("/ok"))
    await acme.send("7")
    await acme.work()
    await acme.pay("7", "100")
    for _ in range(2):
        await acme.until_next()
        await acme.work()

    bodies = [body_of(received) for received in receiver.received]
    sent = [body["payload"] for body in bodies if body["eventType"] == "invoicing.customer.invoice.send"]
    with_invoice = [payload["invoice"] for payload in sent if "invoice" in payload]
    assert len(sent) - len(with_invoice) == 1
    # A retry says what the first attempt said, whatever was paid since.
    assert len(with_invoice) >= 2
    assert with_invoice[0] == with_invoice[1]
    assert (with_invoice[0]["id"], with_invoice[0]["status"]) == ("7", "SENT")
    check_json("/components/schemas/Invoice", json.dumps(with_invoice[0]).encode())
    (job, *_) = await acme.jobs(channel=Channel.WEBHOOK, number="7")
    assert with_invoice[0]["invoiceInformation"]["paymentLink"] == sent[0]["data"]["invoiceUrl"]
    assert all(sent[0]["data"]["invoiceUrl"] not in f"{tried.request}" for tried in await acme.tries(job))
    schema = json.loads(event_schema("invoicing.customer.invoice.send") or b"false")
    jsonschema.validate(bodies[0], schema)


async def test_a_notification_is_signed_and_says_what_the_mail_says(
    acme: Installation, receiver: Receiver, recorder: Recorder
) -> None:
    subscription = await acme.subscribe(receiver.url("/ok"))
    invoice = await acme.send("7")
    await acme.work()

    (received,) = receiver.received
    body = body_of(received)
    data = body["payload"]["data"]
    assert (body["eventType"], body["webhookId"]) == ("invoicing.customer.invoice.send", subscription.webhook_id)
    assert (data["invoiceNumber"], data["invoiceBalance"]) == ("7", "293.50")
    assert data["invoiceUrl"] == f"{PORTAL}/ebc2/invoicing/payInvoice/{invoice.payment_token}?version=v2.1"
    assert data["emailTo"] == recorder.posted[0].recipient
    (key,) = await acme.store.subscriptions_of(ACME).keys()
    assert key.secret is not None
    headers = {name: received.headers(name)[0] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    # The library compares with the machine's clock; the tests' stands still.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Webhook, "_Webhook__verify_timestamp", lambda self, header: acme.clock.at)
        assert Webhook(key.secret.reveal()).verify(received.body, headers) == body
    assert headers["webhook-id"] == body["notificationId"] == (await webhooks(acme))[0].message_id


async def test_nobody_who_does_not_listen_is_written_to(acme: Installation, receiver: Receiver) -> None:
    await acme.send("7")
    assert await webhooks(acme) == []
    await acme.subscribe(receiver.url("/ok"))
    # A subscription hears of what happens after it.
    await acme.work()
    assert receiver.received == []


async def test_each_subscription_has_a_row_of_its_own(acme: Installation, receiver: Receiver) -> None:
    receiver.answers["/down"] = ANSWERS["/busy"]
    await acme.subscribe(receiver.url("/ok"))
    await acme.subscribe(receiver.url("/down"))
    await acme.send("7")
    await acme.work()
    assert sorted(job.state for job in await webhooks(acme)) == [JobState.DONE, JobState.PENDING]


async def test_retries_come_when_the_policy_says_each_signed_anew_under_the_same_id(
    acme: Installation, receiver: Receiver
) -> None:
    receiver.answers["/down"] = ANSWERS["/busy"].replace(b"Retry-After: 120\r\n", b"")
    policy = RetryPolicy(algorithm=Algorithm.GEOMETRIC, first_retry=3, interval=5, number_of_retries=4)
    await acme.subscribe(receiver.url("/down"), retry_policy=policy)
    began = acme.clock.at
    await acme.send("7")
    offsets = []
    while await acme.work():
        offsets.append((acme.clock.at - began) // timedelta(minutes=1))
        if await acme.store.outbox.next_due() is None:
            break
        await acme.until_next()

    assert offsets == [0, 3, 15, 75, 375]
    bodies = [body_of(each) for each in receiver.received]
    assert [body["retryNumber"] for body in bodies] == [0, 1, 2, 3, 4]
    assert [body["requestType"] for body in bodies] == ["NEW"] + ["RETRY"] * 4
    assert [each.headers("V-C-Retry-Count") for each in receiver.received] == [[str(n)] for n in range(5)]
    assert len({body["notificationId"] for body in bodies}) == 1
    assert len({body["transactionTraceId"] for body in bodies}) == 5
    assert len({tuple(each.headers("V-C-Signature")) for each in receiver.received}) == 5
    (job,) = await webhooks(acme)
    assert (job.state, job.tries) == (JobState.PARKED, 5)


async def test_the_operators_policy_is_for_those_who_bring_none(acme: Installation, receiver: Receiver) -> None:
    receiver.answers["/down"] = ANSWERS["/drop"]
    await acme.subscribe(receiver.url("/down"))
    for default, count, least in ((DefaultPolicy.COMPATIBLE, 4, 3), (DefaultPolicy.RESILIENT, 13, 2048)):
        await acme.reopen(default_policy=default)
        receiver.received.clear()
        await acme.cancel((await acme.send()).number)
        began = acme.clock.at
        while await acme.work():
            if await acme.store.outbox.next_due() is None:
                break
            await acme.until_next()
        assert len(receiver.received) == 2 * count
        assert acme.clock.at - began >= timedelta(minutes=least)


async def test_a_receiver_that_names_a_time_is_left_alone_until_then(acme: Installation, receiver: Receiver) -> None:
    await acme.subscribe(receiver.url("/busy"))
    await acme.send("7")
    await acme.work()
    (job,) = await webhooks(acme)
    assert job.due_at == acme.clock.at + timedelta(seconds=120)


@pytest.mark.parametrize("path, outcome", FAILURES.items())
async def test_what_is_no_taking_is_tried_again_and_on_record(
    tmp_path: Path,
    acme: Installation,
    receiver: Receiver,
    an_egress: Callable[..., Egress],
    path: str,
    outcome: str,
) -> None:
    receiver.answers["/missing"] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    # Nobody listens at the first of these addresses.
    resolver = answering(["127.0.0.9"], ["127.0.0.1"]) if path == "/refuse" else answering(["127.0.0.1"])
    acme.egress = an_egress(limits=BRIEF if outcome == "timed out" else PATIENT, resolver=resolver)
    await acme.reopen()
    await acme.subscribe(receiver.url(path))
    await acme.send("7")
    await acme.work()
    (job,) = await webhooks(acme)
    assert (job.state, job.last_outcome) == (JobState.PENDING, outcome)
    (tried,) = await acme.tries(job)
    assert tried.request.startswith(f"POST {receiver.url(path)}")
    assert "payInvoice/***" in tried.request
    assert len(receiver.received) == (path not in NOT_RECEIVED)
    for received in receiver.received:
        assert tried.trace_id == body_of(received)["transactionTraceId"]

    # Once it is well again, it gets the one notification under the one id.
    receiver.answers[path] = ANSWERS["/ok"]
    if outcome == "timed out":
        acme.egress = an_egress()
        await acme.reopen()
    await acme.until_next()
    await acme.work()
    assert [job.state for job in await webhooks(acme)] == [JobState.DONE]
    assert len(receiver.received) == (1 if path in NOT_RECEIVED else 2)
    assert {body_of(each)["notificationId"] for each in receiver.received} == {job.message_id}
    assert {each.headers("webhook-id")[0] for each in receiver.received} == {job.message_id}


async def test_a_receiver_that_takes_its_time_takes_it_once(acme: Installation, receiver: Receiver) -> None:
    await acme.subscribe(receiver.url("/ok"))
    await acme.send("7")
    receiver.thinks_seconds = 0.5
    await acme.work()
    assert [job.state for job in await webhooks(acme)] == [JobState.DONE]
    assert len(receiver.received) == 1


async def test_an_endless_answer_that_began_with_yes_has_taken_it(acme: Installation, receiver: Receiver) -> None:
    await acme.subscribe(receiver.url("/endless"))
    await acme.send("7")
    await acme.work()
    (job,) = await webhooks(acme)
    assert (job.state, job.last_outcome) == (JobState.DONE, "answered 200, then too large")


async def test_a_redirect_is_never_followed(acme: Installation, receiver: Receiver) -> None:
    await acme.subscribe(receiver.url("/redirect"))
    await acme.send("7")
    await acme.work()
    assert [each.head[0].split()[1] for each in receiver.received] == ["/redirect"]


async def test_an_address_that_became_forbidden_is_not_called(
    acme: Installation, receiver: Receiver, an_egress: Callable[..., Egress]
) -> None:
    acme.egress = an_egress("169.254.169.254")
    await acme.reopen()
    await acme.subscribe(receiver.url("/ok"))
    await acme.send("7")
    await acme.work()
    (job,) = await webhooks(acme)
    assert (job.state, job.last_outcome) == (JobState.PENDING, "refused by rules")
    assert receiver.connections == 0
    # The subscriber learns nothing about addresses inside.
    (tried,) = await acme.tries(job)
    assert "169.254" not in tried.answer + tried.outcome


async def test_a_receiver_that_is_gone_is_switched_off(acme: Installation, receiver: Receiver) -> None:
    receiver.answers["/gone"] = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
    subscription = await acme.subscribe(receiver.url("/gone"))
    await acme.send("7")
    await acme.work()
    now = await the_subscription(acme, subscription)
    assert (now.status, now.is_switched_off) == (SubscriptionStatus.INACTIVE, True)
    assert [job.state for job in await webhooks(acme)] == [JobState.PARKED]
    await acme.send("8")
    await acme.work()
    assert len(receiver.received) == 1


async def test_suspended_held_and_resumed_nothing_is_lost_and_the_oldest_goes_first(
    acme: Installation, receiver: Receiver
) -> None:
    receiver.answers |= {"/hook": ANSWERS["/drop"], "/health": ANSWERS["/busy"]}
    subscription = await acme.subscribe(
        receiver.url("/hook"), retry_policy=SUSPENDS, health_check_url=receiver.url("/health")
    )
    await acme.send("7")
    for _ in range(4):
        await acme.work()
        acme.clock.advance(minutes=1)
    assert (await the_subscription(acme, subscription)).status is SubscriptionStatus.SUSPENDED
    # What happens meanwhile is kept too, and no more is sent.
    acme.clock.advance(minutes=1)
    await acme.send("8")
    acme.clock.advance(minutes=1)
    await acme.send("9")
    await acme.work()
    assert {job.state for job in await webhooks(acme)} == {JobState.HELD}
    tried = len([each for each in receiver.received if "/hook" in each.head[0]])
    assert tried == 4

    checks = acme.office.health_checks
    await checks.run(acme.clock.now())
    assert (await the_subscription(acme, subscription)).status is SubscriptionStatus.SUSPENDED
    receiver.answers |= {"/hook": ANSWERS["/ok"], "/health": ANSWERS["/ok"]}
    acme.clock.advance(seconds=30)
    await checks.run(acme.clock.now())
    assert (await the_subscription(acme, subscription)).status is SubscriptionStatus.ACTIVE
    receiver.received.clear()
    await acme.work()
    assert [body_of(each)["payload"]["data"]["invoiceNumber"] for each in receiver.received] == ["7", "8", "9"]
    assert {job.state for job in await webhooks(acme)} == {JobState.DONE}
    await assert_all_holds(acme.store)


def told(recorder: Recorder) -> list[str]:
    """Return the subjects of the mails that the merchant got."""
    mails = [message_from_bytes(each.content, policy=policy.default) for each in recorder.posted]
    return [str(mail["Subject"]) for mail in mails if str(mail["To"]) == "owner@acme.example"]


async def test_the_merchant_is_told_once_that_a_receiver_does_not_answer(
    acme: Installation, receiver: Receiver, recorder: Recorder
) -> None:
    receiver.answers |= {"/hook": ANSWERS["/drop"], "/health": ANSWERS["/ok"]}
    subscription = await acme.subscribe(
        receiver.url("/hook?secret=1"), retry_policy=AT_ONCE, health_check_url=receiver.url("/health")
    )
    await acme.send("7")
    # Its health check answers and nothing else: it is resumed and suspended, again and again.
    for _ in range(3):
        await acme.work()
        assert (await the_subscription(acme, subscription)).status is SubscriptionStatus.SUSPENDED
        acme.clock.advance(minutes=6)
        await acme.office.health_checks.run(acme.clock.now())
    await acme.work()
    place = receiver.url("").rstrip("/")
    assert told(recorder) == [f"Attention needed: webhooks to {place} are held"]
    assert not any(b"secret" in each.content for each in recorder.posted)


async def test_a_receiver_that_takes_nothing_for_days_is_switched_off_and_gets_it_all_when_it_is_back(
    acme: Installation, receiver: Receiver, recorder: Recorder
) -> None:
    await acme.reopen(give_up_after=timedelta(days=7))
    receiver.answers["/hook"] = ANSWERS["/drop"]
    subscription = await acme.subscribe(receiver.url("/hook"), retry_policy=AT_ONCE)
    await acme.send("7")
    await acme.work()
    for day, status in ((6, SubscriptionStatus.SUSPENDED), (1, SubscriptionStatus.INACTIVE)):
        acme.clock.advance(days=day)
        await acme.office.health_checks.run(acme.clock.now())
        assert (await the_subscription(acme, subscription)).status is status
    await acme.work()
    place = receiver.url("").rstrip("/")
    assert told(recorder) == [
        f"Attention needed: webhooks to {place} are held",
        f"Attention needed: webhooks to {place} are switched off",
    ]

    receiver.answers["/hook"] = ANSWERS["/ok"]
    await move_subscription(
        acme.store.subscriptions_of(ACME),
        subscription.webhook_id,
        SubscriptionAction.ACTIVATE,
        at=acme.clock.now(),
        actor=ACTOR,
    )
    await acme.office.health_checks.run(acme.clock.now())
    await acme.work()
    assert [job.state for job in await webhooks(acme)] == [JobState.DONE]
    assert (await the_subscription(acme, subscription)).failing_since is None


async def test_a_receiver_that_fails_for_days_is_switched_off_though_nothing_is_held_for_it(
    acme: Installation, receiver: Receiver, recorder: Recorder
) -> None:
    await acme.reopen(give_up_after=timedelta(days=7))
    receiver.answers["/hook"] = ANSWERS["/drop"]
    subscription = await acme.subscribe(receiver.url("/hook"), retry_policy=RetryPolicy(number_of_retries=0))
    await acme.send("7")
    await acme.work()
    began = (await the_subscription(acme, subscription)).failing_since
    assert began == acme.clock.now()

    # One that is taken in between begins the days anew.
    acme.clock.advance(days=6)
    receiver.answers["/hook"] = ANSWERS["/ok"]
    await acme.send("8")
    await acme.work()
    assert (await the_subscription(acme, subscription)).failing_since is None
    receiver.answers["/hook"] = ANSWERS["/drop"]
    for days, status in ((1, SubscriptionStatus.ACTIVE), (7, SubscriptionStatus.INACTIVE)):
        acme.clock.advance(days=days)
        await acme.send()
        await acme.work()
        assert (await the_subscription(acme, subscription)).status is status
    await acme.work()
    assert len(told(recorder)) == 1
    await assert_all_holds(acme.store)


async def test_a_receiver_that_is_gone_is_told_of_as_such(
    acme: Installation, receiver: Receiver, recorder: Recorder
) -> None:
    receiver.answers["/hook"] = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
    await acme.subscribe(receiver.url("/hook"))
    await acme.send("7")
    await acme.work()
    await acme.work()
    (notice,) = [each for each in recorder.posted if each.recipient == "owner@acme.example"]
    assert b"takes no webhooks any more" in notice.content.replace(b"=\r\n", b"")


async def test_what_is_held_for_too_long_expires_and_can_be_recovered(acme: Installation, receiver: Receiver) -> None:
    receiver.answers["/hook"] = ANSWERS["/drop"]
    await acme.subscribe(receiver.url("/hook"), retry_policy=AT_ONCE)
    await acme.send("7")
    await acme.work()
    limits = HoldLimits(longest=timedelta(days=30), most=100)
    assert await park_held(acme.store.outbox, limits, at=acme.clock.now() + timedelta(days=29)) == 0
    assert await park_held(acme.store.outbox, limits, at=acme.clock.now() + timedelta(days=31)) == 1
    (job,) = await webhooks(acme)
    assert (job.state, job.last_outcome) == (
        JobState.PARKED,
        "expired: held for more than 30 days, or behind 100 others",
    )
    at = acme.clock.now()
    assert await acme.store.deliveries_of(ACME).recover(at - timedelta(days=1), at, at, ACTOR) == 1


async def test_switching_on_by_hand_releases_what_was_held(acme: Installation, receiver: Receiver) -> None:
    receiver.answers["/hook"] = ANSWERS["/drop"]
    subscription = await acme.subscribe(
        receiver.url("/hook"), retry_policy=RetryPolicy(suspends=True, number_of_retries=0)
    )
    await acme.send("7")
    await acme.work()
    assert [job.state for job in await webhooks(acme)] == [JobState.HELD]
    receiver.answers["/hook"] = ANSWERS["/ok"]
    subscriptions = acme.store.subscriptions_of(ACME)
    await move_subscription(
        subscriptions, subscription.webhook_id, SubscriptionAction.ACTIVATE, at=acme.clock.now(), actor=ACTOR
    )
    await acme.office.health_checks.run(acme.clock.now())
    await acme.work()
    assert [job.state for job in await webhooks(acme)] == [JobState.DONE]


async def test_without_a_key_nothing_is_sent_and_all_of_it_once_there_is_one(
    acme: Installation, receiver: Receiver
) -> None:
    await acme.subscribe(receiver.url("/ok"), with_key=False)
    await acme.send("7")
    await acme.work()
    (job,) = await webhooks(acme)
    assert (job.state, job.last_outcome) == (JobState.HELD, "held: no signing key")
    await acme.office.health_checks.run(acme.clock.now())
    await acme.work()
    assert receiver.connections == 0

    await acme.add_key()
    await acme.office.health_checks.run(acme.clock.now())
    await acme.work()
    assert [job.state for job in await webhooks(acme)] == [JobState.DONE]


async def test_a_healthy_probe_starts_a_subscription_that_never_ran(acme: Installation, receiver: Receiver) -> None:
    inactive = SubscriptionStatus.INACTIVE
    started = await acme.subscribe(receiver.url("/ok"), health_check_url=receiver.url("/ok"), status=inactive)
    by_hand = await acme.subscribe(
        receiver.url("/ok"), health_check_url=receiver.url("/ok"), status=inactive, is_switched_off=True
    )
    await acme.office.health_checks.run(acme.clock.now())
    assert (await the_subscription(acme, started)).status is SubscriptionStatus.ACTIVE
    assert (await the_subscription(acme, by_hand)).status is inactive


async def test_a_receiver_that_takes_only_get_is_healthy_too(acme: Installation, receiver: Receiver) -> None:
    subscription = await acme.subscribe(
        receiver.url("/ok"), health_check_url=receiver.url("/health"), status=SubscriptionStatus.INACTIVE
    )
    answers = iter((b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n", ANSWERS["/ok"]))

    class OneAfterTheOther(dict):
        def __getitem__(self, path: str) -> bytes:
            return next(answers)

    receiver.answers = OneAfterTheOther()
    await acme.office.health_checks.run(acme.clock.now())
    assert [each.head[0].split()[0] for each in receiver.received] == ["POST", "GET"]
    assert (await the_subscription(acme, subscription)).status is SubscriptionStatus.ACTIVE


async def test_a_deleted_subscription_gets_nothing_more(acme: Installation, receiver: Receiver) -> None:
    subscription = await acme.subscribe(receiver.url("/ok"))
    await acme.send("7")
    await delete_subscription(acme.store.subscriptions_of(ACME), subscription.webhook_id, actor=ACTOR)
    await acme.work()
    # Not at once: of a subscription made by another process this one may not have heard yet.
    assert [job.state for job in await webhooks(acme)] == [JobState.PENDING]
    await acme.until_next()
    await acme.work()
    assert receiver.connections == 0
    assert [job.last_outcome for job in await webhooks(acme)] == ["the subscription is deleted"]


async def test_a_token_is_fetched_for_those_who_want_one_and_anew_after_a_401(
    acme: Installation, receiver: Receiver
) -> None:
    token = b'{"access_token": "fine", "expires_in": 3600}'
    receiver.answers |= {
        "/token": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(token), token),
        "/hook": b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
    }
    oauth = OAuthConfig(token_url=receiver.url("/token"))
    security = SecurityPolicy(security_type=SecurityType.OAUTH, oauth=oauth)
    await acme.subscribe(receiver.url("/hook"), security=security)
    await acme.send("7")
    await acme.work()
    (job,) = await webhooks(acme)
    assert job.last_outcome == "held: no credentials for the token server"
    await store_oauth_credentials(
        acme.store.subscriptions_of(ACME), "client", Secret("password"), at=acme.clock.now(), actor=ACTOR
    )
    await acme.office.health_checks.run(acme.clock.now())
    await acme.work()
    receiver.answers["/hook"] = ANSWERS["/ok"]
    await acme.until_next()
    await acme.work()

    paths = [each.head[0].split()[1] for each in receiver.received]
    assert paths == ["/token", "/hook", "/token", "/hook"]
    assert receiver.received[-1].headers("Authorization") == ["Bearer fine"]
    (job,) = await webhooks(acme)
    assert job.state is JobState.DONE
    told = "".join(each.request + each.answer for each in await acme.tries(job))
    assert "fine" not in told
    assert "password" not in told


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["keep_rendered", "send", "move_subscription", "settle"])
async def test_a_death_between_any_two_steps_sends_the_same_notification_again(
    acme: Installation, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    subscription = await acme.subscribe(receiver.url("/drop"), retry_policy=AT_ONCE)
    await acme.send("7")
    place = {"send": acme.egress, "move_subscription": subscription_moves}.get(step, acme.store.outbox)
    call = getattr(place, step)

    async def die(*values: Any, **more: Any) -> None:
        is_mail = step in ("keep_rendered", "settle") and values[0].channel is Channel.MAIL
        if after or is_mail:
            await call(*values, **more)
        if not is_mail:
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(place, step, die)
        with pytest.raises(Died):
            await acme.work()
    # Another process opens the same database; what the dead one held comes free in time.
    await acme.reopen()
    await acme.work()
    acme.clock.advance(minutes=5)
    await acme.work()

    (job,) = await webhooks(acme)
    assert job.state is JobState.HELD
    assert (await the_subscription(acme, subscription)).status is SubscriptionStatus.SUSPENDED
    receiver.answers["/drop"] = ANSWERS["/ok"]
    await move_subscription(
        acme.store.subscriptions_of(ACME),
        subscription.webhook_id,
        SubscriptionAction.RESUME,
        at=acme.clock.now(),
        actor=ACTOR,
    )
    await acme.office.health_checks.run(acme.clock.now())
    await acme.work()
    assert [each.state for each in await webhooks(acme)] == [JobState.DONE]
    assert {body_of(each)["notificationId"] for each in receiver.received} == {job.message_id}
    assert len({each.body.partition(b'"payload"')[2].partition(b'"requestType"')[0] for each in receiver.received}) == 1
    await assert_all_holds(acme.store)


# What a subscription has for itself


async def test_a_subscription_with_keys_of_its_own_is_signed_for_with_these_alone(
    acme: Installation, receiver: Receiver
) -> None:
    own, other = await acme.subscribe(receiver.url("/ok")), await acme.subscribe(receiver.url("/ok"))
    subscriptions = acme.store.subscriptions_of(ACME)
    (shared,) = await subscriptions.keys()
    key = await create_signing_key(subscriptions, own.webhook_id, at=acme.clock.now(), actor=ACTOR)
    await acme.send("7")
    await acme.work()

    by = {received.headers("v-c-webhook-id")[0]: received for received in receiver.received}
    assert f"keyId={key.key_id};" in by[own.webhook_id].headers("v-c-signature")[0]
    assert len(by[own.webhook_id].headers("webhook-signature")[0].split()) == 1
    assert f"keyId={shared.key_id};" in by[other.webhook_id].headers("v-c-signature")[0]

    # A newer one takes over; the one before goes on in the header that has room for it.
    acme.clock.at += timedelta(hours=1)
    newer = await create_signing_key(subscriptions, own.webhook_id, at=acme.clock.now(), actor=ACTOR)
    receiver.received.clear()
    await acme.send("8")
    await acme.work()
    (received,) = (each for each in receiver.received if each.headers("v-c-webhook-id") == [own.webhook_id])
    assert f"keyId={newer.key_id};" in received.headers("v-c-signature")[0]
    assert len(received.headers("webhook-signature")[0].split()) == 2
    await assert_all_holds(acme.store)


async def test_with_the_last_of_its_own_keys_expired_notifications_wait_for_a_new_one(
    acme: Installation, receiver: Receiver
) -> None:
    own = await acme.subscribe(receiver.url("/ok"))
    subscriptions = acme.store.subscriptions_of(ACME)
    await create_signing_key(subscriptions, own.webhook_id, days=1, at=acme.clock.now(), actor=ACTOR)
    acme.clock.at += timedelta(days=2)
    await acme.send("7")
    await acme.work()
    # The receiver knows no other key, so that the organization's would prove nothing to it.
    assert receiver.received == []
    assert [job.state for job in await webhooks(acme)] == [JobState.HELD]

    await create_signing_key(subscriptions, own.webhook_id, at=acme.clock.now(), actor=ACTOR)
    await acme.office.health_checks.run(acme.clock.now())
    await acme.work()
    assert len(receiver.received) == 1


async def test_a_deleted_subscription_takes_its_own_keys_along(acme: Installation, receiver: Receiver) -> None:
    own = await acme.subscribe(receiver.url("/ok"))
    subscriptions = acme.store.subscriptions_of(ACME)
    (shared,) = await subscriptions.keys()
    await create_signing_key(subscriptions, own.webhook_id, at=acme.clock.now(), actor=ACTOR)
    await delete_subscription(subscriptions, own.webhook_id, actor=ACTOR)

    assert list(await subscriptions.keys()) == [shared]


async def test_a_receiver_who_wants_to_know_who_calls_is_shown_the_certificate(
    acme: Installation, tmp_path: Path
) -> None:
    subscriptions = acme.store.subscriptions_of(ACME)
    async with receiving(tmp_path, partners=an_authority().certificate) as strict:
        own = await acme.subscribe(strict.url("/ok"), health_check_url=strict.url("/ok"))
        await acme.send("7")
        await acme.work()
        # Without one it lets nobody in.
        assert strict.received == []
        (job,) = await webhooks(acme)
        assert job.last_outcome in ("TLS failed", "dropped")

        client = a_client()
        document = {"certificate": client.certificate.decode(), "privateKey": client.private_key.decode()}
        found = read_client_certificate(document, acme.clock.now())
        await store_client_certificate(
            subscriptions,
            own.webhook_id,
            found.der,
            found.identity,
            expires_at=found.expires_at,
            at=acme.clock.now(),
            actor=ACTOR,
        )
        await acme.until_next()
        await acme.work()
        assert len(strict.received) == 1
        assert {job.state for job in await webhooks(acme)} == {JobState.DONE}
        await acme.office.health_checks.run(acme.clock.now())
        assert len(strict.received) == 2
        assert set(strict.clients) == {"paydue.merchant.example"}
    assert client.private_key not in (acme.folder / "paydue.db").read_bytes()
    await assert_all_holds(acme.store)
