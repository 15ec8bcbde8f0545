"""The store's promise about mails: whom they do not go to, how many go out, and what is about no invoice."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from builders import NOON
from delivering import (
    FAILED,
    HOOK,
    MINUTE,
    OTHER_HOOK,
    PAYER,
    TAKEN,
    a_mail,
    a_webhook,
    happens,
    lease,
    settle,
    the_job,
)
from paydue.domain.mail_address import Suppression, SuppressionReason
from paydue.usecases.delivery_ports import JobState, Outbox, Room
from paydue.usecases.ports import MerchantStore, Store
from storing import ACTOR, assert_all_holds, create

TODAY = NOON.date()
DAY = timedelta(days=1)


def a_suppression(address: str = PAYER, reason: SuppressionReason = SuppressionReason.BOUNCED) -> Suppression:
    return Suppression(address=address, reason=reason, said="550 5.1.1 no such user", message_id=None, at=NOON)


@pytest.fixture
def outbox(installation: Any) -> Outbox:
    outbox: Outbox = installation.store.outbox
    return outbox


# Whom mails do not go to


async def test_an_address_is_suppressed_in_any_letter_case_for_its_merchant_alone(
    installation: Any, acme: MerchantStore, zeta: MerchantStore
) -> None:
    suppressions = installation.store.suppressions_of("acme")
    assert await acme.suppression(PAYER) is None
    await suppressions.suppress(a_suppression(PAYER.title()), ACTOR)
    assert await acme.suppression(PAYER.upper()) == await suppressions.suppression(PAYER) == a_suppression()
    assert await acme.suppression("other@my-email.world") is None
    assert await zeta.suppression(PAYER) is None
    await assert_all_holds(installation.store)


async def test_a_complaint_gives_way_to_a_bounce_and_not_the_other_way_round(installation: Any) -> None:
    suppressions = installation.store.suppressions_of("acme")
    for reason in (SuppressionReason.COMPLAINED, SuppressionReason.BOUNCED, SuppressionReason.COMPLAINED):
        await suppressions.suppress(a_suppression(reason=reason), ACTOR)
    (kept,) = await suppressions.suppressions("", 10)
    assert kept.reason is SuppressionReason.BOUNCED


async def test_a_suppression_is_lifted_once(installation: Any, acme: MerchantStore) -> None:
    suppressions = installation.store.suppressions_of("acme")
    await suppressions.suppress(a_suppression(), ACTOR)
    assert not await installation.store.suppressions_of("zeta").lift(PAYER, NOON, ACTOR)
    assert await suppressions.lift(PAYER.upper(), NOON, ACTOR)
    assert not await suppressions.lift(PAYER, NOON, ACTOR)
    assert await acme.suppression(PAYER) is None


async def test_suppressions_are_listed_in_the_order_of_their_addresses(installation: Any) -> None:
    suppressions = installation.store.suppressions_of("acme")
    for name in ("c", "a", "b"):
        await suppressions.suppress(a_suppression(f"{name}@b.example"), ACTOR)
    first = await suppressions.suppressions("", 2)
    rest = await suppressions.suppressions(first[-1].address, 2)
    assert [each.address[0] for each in (*first, *rest)] == ["a", "b", "c"]


async def test_who_asked_for_a_suppression_outlives_a_restart(installation: Any) -> None:
    await installation.store.suppressions_of("acme").suppress(a_suppression(), ACTOR)
    store = await installation.reopen()
    assert await store.of("acme").suppression(PAYER) == a_suppression()


# How many go out


async def test_mails_are_counted_for_the_merchant_and_for_each_recipient(installation: Any) -> None:
    counts = installation.store.mail_counts
    assert [await counts.take("acme", PAYER, TODAY, 3, 2) for _ in range(3)] == [
        Room.FREE, Room.FREE, Room.RECIPIENT_FULL
    ]  # fmt: skip
    assert await counts.take("acme", "other@b.example", TODAY, 3, 2) is Room.FREE
    assert await counts.take("acme", "third@b.example", TODAY, 3, 2) is Room.MERCHANT_FULL
    # Another merchant, and another day, begin anew.
    assert await counts.take("zeta", PAYER, TODAY, 3, 2) is Room.FREE
    assert await counts.take("acme", PAYER, TODAY + DAY, 3, 2) is Room.FREE


async def test_what_is_given_back_makes_room(installation: Any) -> None:
    counts = installation.store.mail_counts
    assert await counts.take("acme", PAYER, TODAY, 1, 1) is Room.FREE
    await counts.give_back("acme", PAYER.upper(), TODAY)
    await counts.give_back("acme", PAYER, TODAY)
    assert await counts.take("acme", PAYER, TODAY, 1, 1) is Room.FREE
    assert await counts.take("acme", PAYER, TODAY, 1, 1) is Room.MERCHANT_FULL


async def test_counts_are_shared_by_processes_and_outlive_a_restart(installation: Any) -> None:
    beside = await installation.beside()
    try:
        taken = await asyncio.gather(
            *(
                counts.take("acme", f"{number}@b.example", TODAY, 10, 0)
                for number in range(10)
                for counts in (installation.store.mail_counts, beside.mail_counts)
            )
        )
    finally:
        await beside.close()
    assert taken.count(Room.FREE) == 10
    store = await installation.reopen()
    assert await store.mail_counts.take("acme", PAYER, TODAY, 10, 0) is Room.MERCHANT_FULL
    await store.mail_counts.forget(TODAY + DAY)
    assert await store.mail_counts.take("acme", PAYER, TODAY, 10, 0) is Room.FREE


# About no invoice


async def test_a_notice_is_put_in_once_and_delivered_like_any_message(
    store: Store, outbox: Outbox, installation: Any
) -> None:
    for merchant in ("acme", "zeta"):
        for _ in range(2):
            await outbox.tell(merchant, a_mail("owner@b.example", "mail-limit"), NOON)
    await outbox.tell("acme", a_mail("owner@b.example", "receiver-suspended"), NOON)
    jobs = await lease(outbox)
    assert sorted((job.merchant_id, job.topic, job.serial, job.number) for job in jobs) == [
        ("acme", "mail-limit", 0, ""),
        ("zeta", "mail-limit", 0, ""),
    ]
    for job in jobs:
        await settle(outbox, job)
    (second,) = await lease(outbox)
    assert (second.merchant_id, second.topic) == ("acme", "receiver-suspended")
    await assert_all_holds(store)


async def test_a_message_is_found_by_its_id_whosever_it_is(
    acme: MerchantStore, zeta: MerchantStore, outbox: Outbox
) -> None:
    await happens(acme, a_mail())
    await happens(zeta, a_mail("other@b.example"))
    for job in await lease(outbox):
        found = await outbox.find(job.message_id)
        assert found is not None
        assert (found.merchant_id, found.recipient) == (job.merchant_id, job.recipient)
    assert await outbox.find("00000000-0000-4000-8000-000000000000") is None
    assert await outbox.find("no id") is None


async def test_a_mail_that_came_back_is_parked_with_what_was_said(
    acme: MerchantStore, outbox: Outbox, installation: Any
) -> None:
    await happens(acme, a_mail())
    (job,) = await lease(outbox)
    await settle(outbox, job)
    deliveries = installation.store.deliveries_of("acme")
    await outbox.came_back(job, FAILED, for_good=False)
    assert (await the_job(deliveries, job.message_id)).state is JobState.DONE
    await outbox.came_back(job, FAILED, for_good=True)
    kept = await the_job(deliveries, job.message_id)
    assert (kept.state, kept.last_outcome) == (JobState.PARKED, FAILED.outcome)
    found = await deliveries.delivery(job.message_id)
    assert found is not None
    assert [tried.outcome for tried in found[1]] == [TAKEN.outcome, FAILED.outcome, FAILED.outcome]


# What is held too long


async def test_what_is_held_too_long_or_behind_too_much_is_parked_and_can_be_recovered(
    acme: MerchantStore, outbox: Outbox, installation: Any
) -> None:
    for number in range(6):
        installation.clock.at = NOON + number * MINUTE
        await happens(acme, a_webhook(), a_webhook(OTHER_HOOK), at=installation.clock.at)
    for job in await lease(outbox, NOON + 10 * MINUTE):
        await settle(outbox, job, JobState.HELD)
    for job in await lease(outbox, NOON + 10 * MINUTE):
        await settle(outbox, job, JobState.HELD)
    assert sorted(await outbox.held()) == [("acme", HOOK), ("acme", OTHER_HOOK)]

    # Two are too old; of the other four, one is too many.
    assert await outbox.expire_held("acme", HOOK, NOON + 2 * MINUTE, 3, "expired") == 3
    assert await outbox.expire_held("acme", HOOK, NOON + 2 * MINUTE, 3, "expired") == 0
    deliveries = installation.store.deliveries_of("acme")
    assert await deliveries.recover(NOON - DAY, NOON + 2 * MINUTE, NOON + 10 * MINUTE, ACTOR) == 6


# Reminders that are not wanted


async def test_reminders_of_an_invoice_stop_and_start(
    acme: MerchantStore, zeta: MerchantStore, installation: Any
) -> None:
    invoice = await create(acme)
    reminders = installation.store.reminders
    assert await reminders.stopped_at("acme", invoice.serial) is None
    await reminders.stop("acme", invoice.serial, NOON, ACTOR)
    await reminders.stop("acme", invoice.serial, NOON + MINUTE, ACTOR)
    assert await reminders.stopped_at("acme", invoice.serial) == NOON
    assert await reminders.stopped_at("zeta", invoice.serial) is None
    await assert_all_holds(installation.store)
    await reminders.start("acme", invoice.serial, NOON, ACTOR)
    assert await reminders.stopped_at("acme", invoice.serial) is None
