"""The outbox's promise as a queue, kept by every engine: each job to one worker at a time, in order, and fairly."""

import asyncio
import uuid
from collections import Counter
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
    SEND,
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
from storing import ACTOR, assert_all_holds, create

HOUR = timedelta(hours=1)


@pytest.fixture
def outbox(installation: Any) -> Any:
    return installation.store.outbox


@pytest.fixture
def deliveries(installation: Any) -> Any:
    return installation.store.deliveries_of("acme")


# Taking and settling


async def test_what_a_change_announces_is_due_at_once_with_all_that_is_known_of_it(
    outbox: Any, acme: MerchantStore
) -> None:
    assert await lease(outbox) == []
    await happens(acme, a_mail(), number="INV-1")

    (job,) = await lease(outbox)

    assert uuid.UUID(job.message_id).version == 7
    assert (job.merchant_id, job.serial, job.position, job.part, job.number) == ("acme", 1, 0, 0, "INV-1")
    assert (job.channel, job.topic, job.recipient, job.facts) == (Channel.MAIL, "invoice", PAYER, {"total": "293.5"})
    assert (job.state, job.tries, job.first_failed_at, job.last_outcome) == (JobState.PENDING, 0, None, None)
    assert job.due_at == NOON
    assert job.created_at == NOON.replace(microsecond=123_000), "to the millisecond"
    assert job.lease is not None
    assert job.rendered is None


async def test_a_job_that_is_settled_as_done_never_comes_again(
    outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    await happens(acme, a_mail())
    (job,) = await lease(outbox)

    await settle(outbox, job)

    assert await lease(outbox, NOON + 24 * HOUR) == []
    kept, tries = await deliveries.delivery(job.message_id)
    assert (kept.state, kept.tries, kept.last_outcome, kept.lease) == (JobState.DONE, 1, "taken", None)
    assert tries == [TAKEN]


async def test_jobs_that_are_settled_together_have_each_its_own_fate(
    installation: Any, outbox: Any, acme: MerchantStore, zeta: MerchantStore
) -> None:
    for store in (acme, zeta):
        for _ in range(3):
            await happens(store, a_mail())
    jobs = await lease(outbox)
    (lost,) = [job for job in jobs if (job.merchant_id, job.serial) == ("zeta", 3)]
    await lease(outbox, NOON + LEASE, worker="w2")
    again = {(job.merchant_id, job.serial): job for job in await lease(outbox, NOON + 2 * LEASE, worker="w3")}
    fates = {
        ("acme", 1): (JobState.DONE, TAKEN),
        ("acme", 2): (JobState.PARKED, FAILED),
        ("acme", 3): (JobState.HELD, None),
        ("zeta", 1): (JobState.DONE, replace(TAKEN, status=None, trace_id=None)),
        ("zeta", 2): (JobState.PENDING, FAILED),
    }

    await asyncio.gather(
        outbox.settle(lost, JobState.PARKED, NOON, FAILED),
        *(outbox.settle(again[place], state, NOON + HOUR, tried) for place, (state, tried) in fates.items()),
    )

    for (merchant_id, serial), (state, tried) in fates.items():
        kept, tries = await installation.store.deliveries_of(merchant_id).delivery(
            again[merchant_id, serial].message_id
        )
        assert (kept.state, kept.lease, tries) == (state, None, [tried] if tried is not None else [])
        assert kept.due_at == (NOON + HOUR if state is JobState.PENDING else NOON)
    kept, tries = await installation.store.deliveries_of("zeta").delivery(lost.message_id)
    assert (kept.state, tries) == (JobState.PENDING, []), "whoever lost his lease has no say"


async def test_a_job_that_failed_comes_back_at_its_time_and_remembers(outbox: Any, acme: MerchantStore) -> None:
    await happens(acme, a_mail())
    (job,) = await lease(outbox)
    await fail(outbox, job, NOON + MINUTE)

    assert await lease(outbox, NOON + MINUTE - timedelta(microseconds=1)) == []
    (again,) = await lease(outbox, NOON + MINUTE)
    assert (again.message_id, again.tries, again.last_outcome) == (job.message_id, 1, "answered 503")
    assert again.first_failed_at == NOON
    later = replace(FAILED, at=NOON + MINUTE, outcome="timed out")
    await outbox.settle(again, JobState.PENDING, NOON + 2 * MINUTE, later)

    (third,) = await lease(outbox, NOON + 2 * MINUTE)
    assert (third.tries, third.first_failed_at, third.last_outcome) == (2, NOON, "timed out")


async def test_a_worker_that_dies_leaves_its_jobs_to_the_next_under_the_same_id(
    outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    await happens(acme, a_mail())
    (lost,) = await lease(outbox, worker="dead")

    assert await lease(outbox, NOON + LEASE - timedelta(microseconds=1), worker="w2") == []
    (taken,) = await lease(outbox, NOON + LEASE, worker="w2")

    assert taken.message_id == lost.message_id
    assert (await the_job(deliveries, lost.message_id)).lease == taken.lease != lost.lease


@pytest.mark.parametrize("state", JobState)
async def test_settling_changes_nothing_when_another_has_taken_the_job(
    outbox: Any, deliveries: Any, acme: MerchantStore, state: JobState
) -> None:
    await happens(acme, a_mail())
    (lost,) = await lease(outbox, worker="slow")
    (taken,) = await lease(outbox, NOON + LEASE, worker="w2")

    await outbox.settle(lost, state, NOON, FAILED)
    await outbox.keep_rendered(lost, b"stale")
    await outbox.give_back([lost])

    kept, tries = await deliveries.delivery(lost.message_id)
    assert (kept.state, kept.tries, kept.lease, kept.rendered) == (JobState.PENDING, 0, taken.lease, None)
    assert tries == []
    await settle(outbox, taken)
    assert (await the_job(deliveries, taken.message_id)).state is JobState.DONE


async def test_settling_after_the_lease_ran_out_counts_while_nobody_else_took_the_job(
    outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    await happens(acme, a_mail())
    (job,) = await lease(outbox)

    await settle(outbox, job, at=NOON + 2 * LEASE)

    assert (await the_job(deliveries, job.message_id)).state is JobState.DONE


async def test_the_same_worker_taking_a_job_twice_has_two_leases(
    outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    await happens(acme, a_mail())
    (first,) = await outbox.lease("w1", NOON, NOON, 9)
    (second,) = await outbox.lease("w1", NOON, NOON, 9)

    await settle(outbox, first)

    assert first.lease != second.lease
    assert (await the_job(deliveries, first.message_id)).state is JobState.PENDING


async def test_jobs_that_were_not_begun_are_given_back_as_if_never_taken(outbox: Any, acme: MerchantStore) -> None:
    await happens(acme, a_mail())
    await happens(acme, a_webhook())
    taken = await lease(outbox)

    await outbox.give_back(taken)
    await outbox.give_back([])

    again = await lease(outbox, worker="w2")
    assert [replace(job, lease=None) for job in again] == [replace(job, lease=None) for job in taken]


async def test_a_settlement_without_a_try_counts_none(outbox: Any, deliveries: Any, acme: MerchantStore) -> None:
    await happens(acme, a_webhook())
    (job,) = await lease(outbox)

    await settle(outbox, job, JobState.HELD, tried=None)

    kept, tries = await deliveries.delivery(job.message_id)
    assert (kept.state, kept.tries, kept.last_outcome, tries) == (JobState.HELD, 0, None, [])


async def test_what_was_rendered_first_comes_with_every_later_lease(
    outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    await happens(acme, a_mail())
    (job,) = await lease(outbox)
    await outbox.keep_rendered(job, b"as it was\0\xff")
    await outbox.keep_rendered(job, b"otherwise")
    await fail(outbox, job, NOON + MINUTE)

    (again,) = await lease(outbox, NOON + MINUTE)

    assert again.rendered == b"as it was\0\xff"
    assert (await the_job(deliveries, job.message_id)).rendered == b"as it was\0\xff"


async def test_no_more_is_taken_than_is_asked_for_and_the_oldest_first(outbox: Any, acme: MerchantStore) -> None:
    for minute in (3, 1, 2, 0, 4):
        await happens(acme, a_mail(), number=f"due-{minute}", at=NOON + minute * MINUTE)

    assert await lease(outbox, NOON + HOUR, limit=0) == []
    taken = [await lease(outbox, NOON + HOUR, limit=2) for _ in range(3)]
    assert [[job.number for job in jobs] for jobs in taken] == [["due-0", "due-1"], ["due-2", "due-3"], ["due-4"]]


async def test_what_is_not_yet_due_is_not_taken(outbox: Any, acme: MerchantStore) -> None:
    await happens(acme, a_mail(), at=NOON + MINUTE)

    assert await lease(outbox, NOON) == []
    assert len(await lease(outbox, NOON + MINUTE)) == 1


async def test_whoever_waits_for_messages_is_told_once_they_are_durable(
    installation: Any, outbox: Any, acme: MerchantStore
) -> None:
    seen: list[int] = []
    installation.store.on_messages(lambda: seen.append(1))

    await happens(acme)
    assert seen == []
    await happens(acme, a_mail())

    assert seen == [1]
    assert len(await lease(outbox)) == 1


# Order


async def test_messages_of_one_invoice_to_one_recipient_go_one_after_the_other(
    outbox: Any, acme: MerchantStore
) -> None:
    invoice = await happens(acme, a_webhook(), number="A")
    await happens_next(acme, invoice, a_webhook(), at=NOON + MINUTE)
    await happens(acme, a_webhook(), number="B", at=NOON + 2 * MINUTE)
    at = NOON + HOUR

    jobs = await lease(outbox, at)
    assert events_of(jobs) == [("A", 0), ("B", 0)]
    assert await lease(outbox, at) == []
    await settle(outbox, jobs[0])

    (second,) = await lease(outbox, at)
    assert events_of([second]) == [("A", 1)]


async def test_messages_of_one_event_to_one_recipient_go_one_after_the_other(outbox: Any, acme: MerchantStore) -> None:
    await happens(acme, a_webhook(topic=SEND), a_webhook(topic="invoicing.merchant.invoice.send"))

    (first,) = await lease(outbox)
    assert first.topic == SEND
    await settle(outbox, first)
    (second,) = await lease(outbox)
    assert second.topic == "invoicing.merchant.invoice.send"


@pytest.mark.parametrize("end", [JobState.DONE, JobState.PARKED])
async def test_what_is_done_or_given_up_lets_the_next_go(outbox: Any, acme: MerchantStore, end: JobState) -> None:
    invoice = await happens(acme, a_mail())
    await happens_next(acme, invoice, a_mail())
    (first,) = await lease(outbox)

    await settle(outbox, first, end)

    assert events_of(await lease(outbox)) == [("1", 1)]


async def test_a_retry_keeps_the_next_waiting_even_when_that_was_made_later(outbox: Any, acme: MerchantStore) -> None:
    invoice = await happens(acme, a_webhook())
    (first,) = await lease(outbox)
    await fail(outbox, first, NOON + HOUR)
    await happens_next(acme, invoice, a_webhook(), at=NOON + MINUTE)

    assert await lease(outbox, NOON + 2 * MINUTE) == []
    (retried,) = await lease(outbox, NOON + HOUR)
    assert retried.message_id == first.message_id
    await settle(outbox, retried)
    assert events_of(await lease(outbox, NOON + HOUR)) == [("1", 1)]


async def test_what_comes_after_a_held_one_is_held_with_it_and_released_in_order(
    outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    invoice = await happens(acme, a_webhook())
    (first,) = await lease(outbox)
    await settle(outbox, first, JobState.HELD, tried=FAILED)
    await happens_next(acme, invoice, a_webhook(), at=NOON + MINUTE)

    assert await lease(outbox, NOON + HOUR) == []
    assert len(await deliveries.deliveries(DeliveryFilter(state=JobState.HELD), None, 9)) == 2
    assert await outbox.release_held("acme", HOOK, NOON + HOUR) == 2

    (again,) = await lease(outbox, NOON + HOUR)
    assert events_of([again]) == [("1", 0)]
    await settle(outbox, again)
    assert events_of(await lease(outbox, NOON + HOUR)) == [("1", 1)]


async def test_what_a_dead_worker_had_is_held_back_too_and_its_lease_is_forgotten(
    installation: Any, outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    invoice = await happens(acme, a_mail())
    await happens_next(acme, invoice, a_mail())
    (first,) = await lease(outbox)
    await settle(outbox, first)
    (second,) = await lease(outbox, worker="dead")
    await deliveries.resend(first.message_id, NOON, ACTOR)
    (again,) = await lease(outbox)
    await settle(outbox, again, JobState.HELD)

    assert await lease(outbox, NOON + LEASE) == []

    kept = await the_job(deliveries, second.message_id)
    assert (kept.state, kept.lease) == (JobState.HELD, None)
    await assert_all_holds(installation.store)


async def test_other_recipients_channels_invoices_and_merchants_wait_for_nobody(
    outbox: Any, acme: MerchantStore, zeta: MerchantStore
) -> None:
    invoice = await happens(acme, a_webhook(HOOK), number="A")
    (stuck,) = await lease(outbox)
    await fail(outbox, stuck, NOON + HOUR)
    # An address may look like a subscription's id.
    await happens_next(acme, invoice, a_webhook(HOOK), a_webhook(OTHER_HOOK), a_mail(HOOK))
    await happens(acme, a_webhook(HOOK), number="B")
    await happens(zeta, a_webhook(HOOK), number="A")

    jobs = await lease(outbox)

    assert {(job.merchant_id, job.number, job.channel.value, job.recipient) for job in jobs} == {
        ("acme", "A", "webhook", OTHER_HOOK),
        ("acme", "A", "mail", HOOK),
        ("acme", "B", "webhook", HOOK),
        ("zeta", "A", "webhook", HOOK),
    }


# Fairness


async def test_a_long_backlog_starves_nobody(outbox: Any, acme: MerchantStore, zeta: MerchantStore) -> None:
    await asyncio.gather(*(happens(acme, a_webhook(HOOK)) for _ in range(300)))
    await happens(acme, a_webhook(OTHER_HOOK), at=NOON + MINUTE)
    await happens(acme, a_mail(), at=NOON + MINUTE)
    await happens(zeta, a_mail(), at=NOON + MINUTE)

    taken = Counter((job.merchant_id, job.recipient) for job in await lease(outbox, NOON + HOUR, limit=4))

    assert taken == {("acme", HOOK): 1, ("acme", OTHER_HOOK): 1, ("acme", PAYER): 1, ("zeta", PAYER): 1}


async def test_room_that_others_leave_is_given_to_whoever_has_more(outbox: Any, acme: MerchantStore) -> None:
    await asyncio.gather(*(happens(acme, a_mail()) for _ in range(30)))
    await happens(acme, a_webhook())

    taken = Counter(job.channel for job in await lease(outbox, limit=12))

    assert taken == {Channel.MAIL: 11, Channel.WEBHOOK: 1}


async def test_whoever_waits_longest_is_served_first(outbox: Any, acme: MerchantStore, zeta: MerchantStore) -> None:
    for minute, store in enumerate((zeta, acme, zeta, acme)):
        await happens(store, a_mail(), number=str(minute), at=NOON + minute * MINUTE)

    (first,) = jobs = await lease(outbox, NOON + HOUR, limit=1)
    assert first.number == "0"
    await outbox.give_back(jobs)
    assert [job.number for job in await lease(outbox, NOON + HOUR)] == ["0", "1", "2", "3"]


async def test_a_receiver_who_is_slow_holds_no_more_than_its_share_however_often_is_asked(
    outbox: Any, acme: MerchantStore
) -> None:
    await asyncio.gather(*(happens(acme, a_webhook(HOOK)) for _ in range(100)))

    taken = [job for _ in range(10) for job in await lease(outbox, limit=64)]

    assert 1 <= len(taken) <= 16
    await asyncio.gather(*(settle(outbox, job) for job in taken[:3]))
    assert len(await lease(outbox, limit=64)) == 3


async def test_many_messages_that_wait_for_a_retry_do_not_block_the_others_of_their_receiver(
    outbox: Any, acme: MerchantStore
) -> None:
    """Each of many invoices has a notification to be tried again in an hour, and another behind it."""
    invoices = await asyncio.gather(*(happens(acme, a_webhook()) for _ in range(210)))
    while jobs := await lease(outbox):
        await asyncio.gather(*(fail(outbox, job, NOON + HOUR) for job in jobs))
    await asyncio.gather(*(happens_next(acme, invoice, a_webhook()) for invoice in invoices))
    await happens(acme, a_webhook(), number="fresh", at=NOON + MINUTE)

    found = [job for _ in range(3) for job in await lease(outbox, NOON + 2 * MINUTE)]

    assert events_of(found) == [("fresh", 0)]
    assert len(await lease(outbox, NOON + HOUR)) > 1, "the others come when their time has come"


async def test_work_for_one_alone_is_all_taken_in_the_end(outbox: Any, acme: MerchantStore) -> None:
    await asyncio.gather(*(happens(acme, a_mail()) for _ in range(70)))

    done = 0
    while jobs := await lease(outbox):
        await asyncio.gather(*(settle(outbox, job) for job in jobs))
        done += len(jobs)

    assert done == 70


async def test_two_workers_get_each_job_exactly_once(
    installation: Any, acme: MerchantStore, zeta: MerchantStore
) -> None:
    await asyncio.gather(
        *(happens(acme, a_mail(), a_webhook(HOOK), a_webhook(OTHER_HOOK)) for _ in range(60)),
        *(happens(zeta, a_mail()) for _ in range(60)),
    )
    beside = await installation.beside()
    sent: Counter[str] = Counter()

    async def work(outbox: Any, name: str) -> None:
        idle = 0
        while idle < 5:
            jobs = await lease(outbox, limit=10, worker=name)
            sent.update(job.message_id for job in jobs)
            await asyncio.gather(*(settle(outbox, job) for job in jobs))
            idle = 0 if jobs else idle + 1
            await asyncio.sleep(0)

    stores = (installation.store, beside)
    await asyncio.gather(*(work(store.outbox, f"w{own}") for own, store in enumerate(stores * 2)))
    await beside.close()

    assert len(sent) == 240
    assert set(sent.values()) == {1}


# Held, and due again


async def test_releasing_is_for_one_recipient_or_for_all_webhooks_of_a_merchant(
    outbox: Any, acme: MerchantStore, zeta: MerchantStore
) -> None:
    await happens(acme, a_webhook(HOOK), a_webhook(OTHER_HOOK), a_mail())
    await happens(zeta, a_webhook(HOOK))
    for job in await lease(outbox):
        await settle(outbox, job, JobState.HELD)

    assert await outbox.release_held("acme", HOOK, NOON) == 1
    assert [(job.merchant_id, job.recipient) for job in await lease(outbox)] == [("acme", HOOK)]
    assert await outbox.release_held("acme", None, NOON) == 1
    assert [(job.merchant_id, job.recipient) for job in await lease(outbox)] == [("acme", OTHER_HOOK)]
    assert await outbox.release_held("acme", PAYER, NOON) == 1
    assert await outbox.release_held("acme", HOOK, NOON) == 0
    assert await outbox.release_held("nobody", None, NOON) == 0


async def test_many_that_were_held_go_out_oldest_first_and_start_anew(outbox: Any, acme: MerchantStore) -> None:
    for minute in reversed(range(8)):
        await happens(acme, a_webhook(), number=str(minute), at=NOON + minute * MINUTE)
    for job in await lease(outbox, NOON + HOUR):
        await settle(outbox, job, JobState.HELD, tried=FAILED)

    assert await outbox.release_held("acme", HOOK, NOON + 2 * HOUR) == 8

    jobs = await lease(outbox, NOON + 2 * HOUR)
    assert [job.number for job in jobs] == [str(minute) for minute in range(8)]
    assert {(job.tries, job.first_failed_at) for job in jobs} == {(0, None)}


async def test_thousands_that_were_held_are_released(installation: Any, outbox: Any, acme: MerchantStore) -> None:
    await asyncio.gather(*(happens(acme, a_webhook()) for _ in range(1100)))
    while jobs := await lease(outbox):
        await asyncio.gather(*(settle(outbox, job, JobState.HELD, tried=None) for job in jobs))

    assert await outbox.release_held("acme", None, NOON) == 1100


# When to look again


async def test_the_next_job_is_due_when_one_can_be_taken(outbox: Any, acme: MerchantStore, zeta: MerchantStore) -> None:
    assert await outbox.next_due() is None
    await happens(acme, a_webhook(), at=NOON + MINUTE)
    await happens(zeta, a_mail(), at=NOON)
    assert await outbox.next_due() == NOON

    mail, hook = await lease(outbox, NOON + MINUTE)
    assert await outbox.next_due() == NOON + MINUTE + LEASE, "when their leases run out"
    await settle(outbox, mail)
    await fail(outbox, hook, NOON + HOUR)
    assert await outbox.next_due() == NOON + HOUR

    (hook,) = await lease(outbox, NOON + HOUR)
    await settle(outbox, hook, JobState.HELD)
    assert await outbox.next_due() is None


async def test_what_waits_for_another_is_not_counted_as_due(outbox: Any, acme: MerchantStore) -> None:
    invoice = await happens(acme, a_webhook())
    await happens_next(acme, invoice, a_webhook())
    (first,) = await lease(outbox)

    assert await outbox.next_due() == NOON + LEASE
    await fail(outbox, first, NOON + HOUR)

    assert await outbox.next_due() == NOON + HOUR


async def test_a_receiver_who_has_its_share_is_due_when_the_first_lease_runs_out(
    outbox: Any, acme: MerchantStore
) -> None:
    await asyncio.gather(*(happens(acme, a_webhook()) for _ in range(40)))
    while await lease(outbox):
        pass

    assert await outbox.next_due() == NOON + LEASE


# Consequences, and forgetting


async def test_a_consequence_is_put_in_once_for_each_cause_and_topic(
    installation: Any, outbox: Any, acme: MerchantStore
) -> None:
    await create(acme, sent=True)
    (mail,) = await lease(outbox)
    await settle(outbox, mail, JobState.PARKED, tried=FAILED)
    trouble = a_mail("owner@acme.example", "needs-attention")

    for _ in range(3):
        await outbox.add(mail, trouble, NOON + MINUTE)
    await outbox.add(mail, a_mail("owner@acme.example", "other"), NOON + MINUTE)

    jobs = await lease(outbox, NOON + HOUR)
    assert [(job.part, job.topic, job.recipient) for job in jobs][:1] == [(1, "needs-attention", "owner@acme.example")]
    await settle(outbox, jobs[0])
    await outbox.add(mail, trouble, NOON + HOUR)
    (other,) = await lease(outbox, NOON + HOUR)
    assert (other.part, other.topic, other.position) == (2, "other", mail.position)
    assert other.message_id not in (mail.message_id, jobs[0].message_id)
    await outbox.add(other, trouble, NOON + HOUR)
    await settle(outbox, other)
    assert [job.topic for job in await lease(outbox, NOON + HOUR)] == ["needs-attention"], "of another cause"
    await assert_all_holds(installation.store)


async def test_requests_and_answers_are_forgotten_after_their_time_and_the_rest_stays(
    installation: Any, outbox: Any, deliveries: Any, acme: MerchantStore
) -> None:
    for _ in range(5):
        await happens(acme, a_mail())
    await happens(acme, a_mail(), at=NOON + HOUR)
    for job in await lease(outbox, NOON + HOUR):
        await outbox.keep_rendered(job, b"as it was")
        await outbox.settle(job, JobState.DONE, NOON, replace(FAILED, at=job.created_at))

    assert await outbox.forget_done(NOON, 500) == 5, "said in the millisecond of NOON, a moment before it"
    assert await outbox.forget_done(NOON + MINUTE, 3) > 0
    while await outbox.forget_done(NOON + MINUTE, 3):
        pass

    for job in await deliveries.deliveries(DeliveryFilter(), None, 9):
        kept, (tried,) = await deliveries.delivery(job.message_id)
        is_old = job.created_at < NOON + MINUTE
        assert (tried.request, tried.answer) == (("", "") if is_old else ("POST /hooks", "busy"))
        assert (tried.outcome, tried.status, tried.at) == ("answered 503", 503, job.created_at)
        assert kept.rendered == (None if is_old else b"as it was")
        assert kept.state is JobState.DONE
