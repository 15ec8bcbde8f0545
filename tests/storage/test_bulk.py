"""Filling the books in bulk leaves behind what as many changes, one by one, would have left."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from paydue.bootstrap import SystemSecrets
from paydue.cli.sample_books import SampleBooks
from paydue.domain.lifecycle import Status
from paydue.storage.bulk import Life
from paydue.usecases.delivery_ports import DeliveryFilter, JobState
from paydue.usecases.ports import NoSuchMerchant
from storing import assert_all_holds, create


def lives(count: int) -> list[Life]:
    now = datetime(2026, 5, 5, 12, tzinfo=UTC)
    return list(SampleBooks(count, seed=1, now=now, secrets=SystemSecrets()).lives())


async def test_what_is_seeded_holds_beside_what_was_there_and_on_taken_numbers(installation: Any) -> None:
    acme = installation.store.of("acme")
    for number in ("", "3", "", "B-7"):
        await create(acme, number, sent=True)
    bulk = await installation.store.open_bulk()
    made = iter(lives(300))

    await bulk.keep("acme", list(islice(made, 200)))
    await bulk.keep("acme", list(made))
    await bulk.close()

    await assert_all_holds(installation.store)
    page = await acme.page(0, 1000, None)
    assert page.total == 304
    assert len({invoice.number for invoice in page.invoices}) == 304
    assert (await create(acme)).serial == 305
    assert sum([(await acme.page(0, 1, status)).total for status in Status]) == 305


async def test_nothing_that_is_seeded_is_ever_sent(installation: Any) -> None:
    bulk = await installation.store.open_bulk()
    await bulk.keep("zeta", lives(100))
    await bulk.close()

    assert await installation.store.outbox.next_due() is None
    sent = await installation.store.deliveries_of("zeta").deliveries(DeliveryFilter(), None, 1000)
    assert {job.state for job in sent} == {JobState.DONE}


async def test_nobody_elses_books_are_filled(installation: Any) -> None:
    bulk = await installation.store.open_bulk()

    with pytest.raises(NoSuchMerchant):
        await bulk.keep("nobody", lives(1))
    await bulk.keep("acme", lives(1))
    await bulk.close()
    await assert_all_holds(installation.store)
