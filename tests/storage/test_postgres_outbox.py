"""What the outbox on PostgreSQL does with what is written together, beside changes, and with much that waits."""

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from builders import NOON
from delivering import TAKEN, a_mail, happens, lease, the_job
from paydue.domain.errors import BrokenFact
from paydue.storage.postgres import delivery_statements, sessions
from paydue.storage.postgres.batch import Batch
from paydue.storage.postgres.statements import EVERYBODY
from paydue.storage.postgres.works import Keep
from paydue.usecases.delivery_ports import JobState
from storing import create


async def test_a_go_that_no_row_can_hold_spoils_no_other_that_is_written_with_it(postgres: Any) -> None:
    acme, outbox = postgres.store.of("acme"), postgres.store.outbox
    for _ in range(3):
        await happens(acme, a_mail())
    jobs = await lease(outbox)
    goes = [TAKEN, replace(TAKEN, answer="a\0"), TAKEN]
    outcomes = await asyncio.gather(
        *(outbox.settle(job, JobState.DONE, NOON, go) for job, go in zip(jobs, goes, strict=True)),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [type(None), BrokenFact, type(None)]
    deliveries = postgres.store.deliveries_of("acme")
    states = [(await the_job(deliveries, job.message_id)).state for job in jobs]
    assert states == [JobState.DONE, JobState.PENDING, JobState.DONE]


async def test_whose_turn_it_is_costs_the_same_however_much_waits(postgres: Any) -> None:
    for who in ("acme", "zeta"):
        await asyncio.gather(*(happens(postgres.store.of(who), a_mail()) for _ in range(1000)))
    read = []
    # As a worker leaves it that has been busy for a while, on tables whose statistics are not made yet.
    for through in (
        "UPDATE outbox SET state = 'done' WHERE serial <= 700",
        "UPDATE outbox SET state = 'done' WHERE serial <= 950",
    ):
        postgres.psql(through)
        session = await sessions.connect(postgres.url)
        found = await session.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {delivery_statements.LANES}", EVERYBODY, "", 1000)
        await session.close()
        read.append(rows_read(json.loads(found[0][0])[0]["Plan"]))

    assert read[0] == read[1] < 10


def rows_read(plan: dict[str, Any]) -> int:
    """Return how many rows of the outbox a plan has read, those that it did not want included."""
    below = sum(rows_read(each) for each in plan.get("Plans", ()))
    if plan.get("Relation Name") != "outbox":
        return below
    return below + plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))


async def test_deliveries_stand_in_no_changes_way(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    acme, outbox = postgres.store.of("acme"), postgres.store.outbox
    await happens(acme, a_mail())
    locked: list[Any] = []
    prepare = Batch.prepare

    async def watched(self: Batch, works: Any) -> None:
        locked.extend(works)
        await prepare(self, works)

    monkeypatch.setattr(Batch, "prepare", watched)
    # What is known of the merchant's counters makes a change possible in a single round trip.
    await asyncio.gather(*(create(acme) for _ in range(5)), lease(outbox), *(create(acme) for _ in range(5)))

    assert locked != []
    assert [work for work in locked if isinstance(work, Keep)] == []
