"""The log of what was sent, as every engine keeps it for people: found by what one knows of it, and sent once more."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from builders import NOON
from delivering import (
    FAILED,
    HOOK,
    LEASE,
    MINUTE,
    OTHER_HOOK,
    PAYER,
    TAKEN,
    a_mail,
    a_webhook,
    events_of,
    fail,
    happens,
    happens_next,
    lease,
    settle,
    the_job,
)
from paydue.usecases.delivery_ports import DeliveryFilter, JobState
from paydue.usecases.ports import Channel, MerchantStore
from storing import ACTOR

HOUR = timedelta(hours=1)
EVERYTHING = DeliveryFilter()


@pytest.fixture
def outbox(installation: Any) -> Any:
    return installation.store.outbox


@pytest.fixture
def deliveries(installation: Any) -> Any:
    return installation.store.deliveries_of("acme")


@pytest.fixture
async def log(outbox: Any, acme: MerchantStore) -> None:
    """Six messages: of A done, parked and held; of B retried; of C, an hour later, waiting and taken just now."""
    await happens(acme, a_mail("done@example.com"), a_webhook(HOOK), a_webhook(OTHER_HOOK), number="A")
    await happens(acme, a_webhook(HOOK), number="B", at=NOON + MINUTE)
    states = {"done@example.com": JobState.DONE, OTHER_HOOK: JobState.HELD}
    for job in await lease(outbox, NOON + MINUTE):
        if job.number == "B":
            await fail(outbox, job, NOON + 2 * HOUR)
        else:
            await settle(outbox, job, states.get(job.recipient or "", JobState.PARKED))
    await happens(acme, a_mail(), number="C", at=NOON + HOUR)
    assert len(await lease(outbox, NOON + HOUR)) == 1
    await happens(acme, a_mail(), number="D", at=NOON + HOUR + MINUTE)


async def found(deliveries: Any, **wanted: Any) -> list[tuple[str, int]]:
    jobs = await deliveries.deliveries(DeliveryFilter(**wanted), None, 50)
    return [(job.number, job.part) for job in jobs]


# Finding


async def test_the_newest_stand_first_whatever_became_of_them(deliveries: Any, log: None) -> None:
    assert await found(deliveries) == [("D", 0), ("C", 0), ("B", 0), ("A", 2), ("A", 1), ("A", 0)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"state": JobState.DONE}, [("A", 0)]),
        ({"state": JobState.PARKED}, [("A", 1)]),
        ({"state": JobState.HELD}, [("A", 2)]),
        ({"state": JobState.PENDING}, [("D", 0), ("C", 0), ("B", 0)]),
        ({"channel": Channel.WEBHOOK}, [("B", 0), ("A", 2), ("A", 1)]),
        ({"channel": Channel.MAIL, "state": JobState.PENDING}, [("D", 0), ("C", 0)]),
        ({"recipient": HOOK}, [("B", 0), ("A", 1)]),
        ({"recipient": "nobody@example.com"}, []),
        ({"number": "A"}, [("A", 2), ("A", 1), ("A", 0)]),
        ({"number": "A", "channel": Channel.WEBHOOK, "recipient": HOOK}, [("A", 1)]),
        ({"number": "A", "state": JobState.HELD}, [("A", 2)]),
        ({"number": "Z"}, []),
        ({"since": NOON + MINUTE}, [("D", 0), ("C", 0), ("B", 0)]),
        ({"until": NOON + MINUTE}, [("B", 0), ("A", 2), ("A", 1), ("A", 0)]),
        ({"since": NOON + MINUTE, "until": NOON + MINUTE, "recipient": HOOK}, [("B", 0)]),
        ({"number": "A", "since": NOON + MINUTE}, []),
        ({"recipient": "\ud800"}, []),
        ({"number": "\ud800"}, []),
    ],
)
async def test_messages_are_found_by_what_one_knows_of_them(
    deliveries: Any, log: None, wanted: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    assert await found(deliveries, **wanted) == expected


@pytest.mark.parametrize("wanted", [EVERYTHING, DeliveryFilter(channel=Channel.MAIL), DeliveryFilter(number="A")])
async def test_pages_follow_each_other_without_gap_or_repeat(
    outbox: Any, deliveries: Any, acme: MerchantStore, wanted: DeliveryFilter
) -> None:
    for number in ("A", "B"):
        await happens(acme, *(a_mail(f"{own}@example.com") for own in range(10)), number=number)
    for job in (await lease(outbox))[::3]:
        await settle(outbox, job)
    whole = await deliveries.deliveries(wanted, None, 50)
    assert len(whole) == (10 if wanted.number else 20)

    pages, after = [], None
    while page := await deliveries.deliveries(wanted, after, 3):
        pages += page
        after = page[-1].message_id

    assert pages == whole
    assert await deliveries.deliveries(wanted, "no id", 3) == []


async def test_a_message_is_shown_with_all_that_was_tried(outbox: Any, deliveries: Any, acme: MerchantStore) -> None:
    await happens(acme, a_webhook())
    (job,) = await lease(outbox)
    await outbox.keep_rendered(job, b"as it was")
    await fail(outbox, job, NOON + MINUTE)
    (job,) = await lease(outbox, NOON + MINUTE)
    taken = replace(TAKEN, at=NOON + MINUTE)
    await settle(outbox, job, tried=taken)

    shown, tries = await deliveries.delivery(job.message_id)

    assert (shown.state, shown.tries, shown.rendered) == (JobState.DONE, 2, b"as it was")
    assert tries == [FAILED, taken]
    assert await deliveries.delivery(job.message_id.upper()) == (shown, tries)


async def test_what_is_not_there_is_not_found_and_nothing_of_another_merchant(
    installation: Any, outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    await happens(acme, a_mail(), number="A")
    (job,) = await lease(outbox)
    await settle(outbox, job, JobState.PARKED)
    theirs = installation.store.deliveries_of("zeta")

    for odd in ("", "x", "\ud800", "00", job.message_id[:-1] + "g", "7" * 32):
        assert await deliveries.delivery(odd) is None
        assert await deliveries.resend(odd, NOON, ACTOR) is None
    assert await theirs.delivery(job.message_id) is None
    assert await theirs.resend(job.message_id, NOON, ACTOR) is None
    assert await theirs.recover(NOON - HOUR, NOON + HOUR, NOON, ACTOR) == 0
    for wanted in (EVERYTHING, DeliveryFilter(number="A"), DeliveryFilter(recipient=PAYER)):
        assert await theirs.deliveries(wanted, None, 9) == []
    assert (await the_job(deliveries, job.message_id)).state is JobState.PARKED


# Once more


@pytest.mark.parametrize("state", [JobState.DONE, JobState.PARKED, JobState.HELD, JobState.PENDING])
async def test_a_message_is_sent_again_whatever_became_of_it_under_the_same_id(
    outbox: Any, deliveries: Any, acme: MerchantStore, state: JobState
) -> None:
    await happens(acme, a_mail())
    (job,) = await lease(outbox)
    await outbox.keep_rendered(job, b"as it was")
    await outbox.settle(job, state, NOON + HOUR, FAILED)

    again = await deliveries.resend(job.message_id, NOON + MINUTE, ACTOR)

    assert (again.state, again.due_at, again.tries) == (JobState.PENDING, NOON + MINUTE, 0)
    (taken,) = await lease(outbox, NOON + MINUTE)
    assert (taken.message_id, taken.rendered, taken.first_failed_at) == (job.message_id, b"as it was", None)
    await settle(outbox, taken)
    _, tries = await deliveries.delivery(job.message_id)
    assert tries == [FAILED, TAKEN], "the log goes on"


async def test_what_a_worker_has_just_now_is_left_to_it(outbox: Any, deliveries: Any, acme: MerchantStore) -> None:
    await happens(acme, a_mail())
    (job,) = await lease(outbox)

    again = await deliveries.resend(job.message_id, NOON + MINUTE, ACTOR)

    assert again == job
    assert await lease(outbox, NOON + MINUTE) == []
    await settle(outbox, job)
    assert (await the_job(deliveries, job.message_id)).state is JobState.DONE


async def test_what_a_dead_worker_had_is_sent_again_and_its_late_word_counts_no_more(
    outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    await happens(acme, a_mail())
    (job,) = await lease(outbox)

    assert (await deliveries.resend(job.message_id, NOON + LEASE, ACTOR)).lease is None
    await settle(outbox, job)

    assert len(await lease(outbox, NOON + LEASE)) == 1


async def test_sending_again_brings_forward_what_waits_behind(
    outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    invoice = await happens(acme, a_webhook())
    (first,) = await lease(outbox)
    await fail(outbox, first, NOON + HOUR)
    await happens_next(acme, invoice, a_webhook())
    assert await lease(outbox) == []

    await deliveries.resend(first.message_id, NOON + MINUTE, ACTOR)

    (again,) = await lease(outbox, NOON + MINUTE)
    await settle(outbox, again)
    assert events_of(await lease(outbox, NOON + MINUTE)) == [("1", 1)]


async def test_everything_that_stopped_in_a_window_is_recovered(outbox: Any, deliveries: Any, log: None) -> None:
    assert await deliveries.recover(NOON + MINUTE, NOON + HOUR, NOON + 3 * HOUR, ACTOR) == 0
    assert await deliveries.recover(NOON, NOON, NOON + 3 * HOUR, ACTOR) == 2

    assert await found(deliveries, state=JobState.PARKED) == await found(deliveries, state=JobState.HELD) == []
    assert await found(deliveries, state=JobState.DONE) == [("A", 0)]
    jobs = await lease(outbox, NOON + 3 * HOUR)
    assert {("A", 1), ("A", 2)} <= {(job.number, job.part) for job in jobs}


async def test_thousands_are_recovered(outbox: Any, deliveries: Any, acme: MerchantStore) -> None:
    await asyncio.gather(*(happens(acme, a_mail()) for _ in range(1100)))
    while jobs := await lease(outbox):
        await asyncio.gather(*(settle(outbox, job, JobState.PARKED, tried=None) for job in jobs))

    assert await deliveries.recover(NOON, NOON, NOON, ACTOR) == 1100
    assert await deliveries.recover(NOON, NOON, NOON, ACTOR) == 0
