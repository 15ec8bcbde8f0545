"""The queue in front of the writer: gathering, limits, and what one caller's fate does to the others."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from paydue.domain.errors import Refusal, StoreBusy, StoreUnavailable
from paydue.storage.group_commit import GroupCommit


class Writer:
    """Writes by doubling. A batch takes until the test lets it go."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.gate = asyncio.Event()
        self.failures: list[Exception] = []

    async def write(self, works: Sequence[Any]) -> list[Any]:
        self.batches.append(list(works))
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop()
        return [work if isinstance(work, Exception) else work * 2 for work in works]


@pytest.fixture
async def writer() -> Writer:
    return Writer()


@pytest.fixture
async def queue(writer: Writer) -> GroupCommit[Any, Any]:
    return GroupCommit(writer.write, batch_limit=4, queue_limit=10)


async def test_a_lonely_work_is_written_at_once(queue: GroupCommit[Any, Any], writer: Writer) -> None:
    outcome = queue.submit(21)
    await asyncio.sleep(0)

    assert writer.batches == [[21]]
    assert not outcome.done(), "answered before the commit"
    writer.gate.set()
    assert await outcome == 42


async def test_while_one_batch_is_written_the_next_gathers(queue: GroupCommit[Any, Any], writer: Writer) -> None:
    outcomes = [queue.submit(1)]
    await asyncio.sleep(0)
    outcomes += [queue.submit(work) for work in range(2, 9)]
    writer.gate.set()

    assert await asyncio.gather(*outcomes) == [2, 4, 6, 8, 10, 12, 14, 16]
    assert writer.batches == [[1], [2, 3, 4, 5], [6, 7, 8]], "at most four in a batch, in order"


async def test_one_refusal_is_told_to_its_caller_alone(queue: GroupCommit[Any, Any], writer: Writer) -> None:
    writer.gate.set()
    refusal = Refusal("no")

    outcomes = await asyncio.gather(*(queue.submit(work) for work in (1, refusal, 3)), return_exceptions=True)

    assert outcomes == [2, refusal, 6]


async def test_a_full_queue_refuses_and_takes_again_later(queue: GroupCommit[Any, Any], writer: Writer) -> None:
    accepted = [queue.submit(work) for work in range(10)]
    with pytest.raises(StoreBusy):
        queue.submit(10)
    writer.gate.set()

    assert await asyncio.gather(*accepted) == [work * 2 for work in range(10)]
    assert await queue.submit(10) == 20


async def test_a_database_failure_reaches_every_caller_of_the_batch_and_no_other(
    queue: GroupCommit[Any, Any], writer: Writer
) -> None:
    writer.failures.append(StoreUnavailable("disk full"))
    failed = [queue.submit(work) for work in range(4)]
    await asyncio.sleep(0)
    waiting = queue.submit(5)
    writer.gate.set()

    outcomes = await asyncio.gather(*failed, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 4
    assert len({id(outcome) for outcome in outcomes}) == 4
    assert await waiting == 10


async def test_an_unforeseen_failure_leaves_nobody_waiting(queue: GroupCommit[Any, Any], writer: Writer) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    bug = RuntimeError("a bug")
    writer.failures.append(bug)
    writer.gate.set()

    outcomes = await asyncio.gather(*(queue.submit(work) for work in range(2)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
    assert told[0]["exception"] is bug
    assert await queue.submit(1) == 2


async def test_a_caller_who_goes_away_does_not_stop_the_others(queue: GroupCommit[Any, Any], writer: Writer) -> None:
    async def call(work: Any) -> Any:
        return await queue.submit(work)

    callers = [asyncio.ensure_future(call(work)) for work in (1, Refusal("no"), 3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for leaving in callers[:2]:
        leaving.cancel()
    writer.gate.set()

    assert await callers[2] == 6
    assert writer.batches[0][0] == 1, "accepted work is done, whoever waits for it"
    assert callers[0].cancelled()
    assert callers[1].cancelled()


async def test_closing_finishes_what_was_accepted(queue: GroupCommit[Any, Any], writer: Writer) -> None:
    accepted = [queue.submit(work) for work in range(6)]
    closing = asyncio.ensure_future(queue.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        queue.submit(7)
    assert not closing.done()
    writer.gate.set()

    await closing

    assert all(outcome.done() for outcome in accepted)
    await queue.close()


async def test_a_torn_down_loop_leaves_nobody_waiting(queue: GroupCommit[Any, Any], writer: Writer) -> None:
    outcomes = [queue.submit(work) for work in range(6)]
    await asyncio.sleep(0)
    writing = queue._writing
    assert writing is not None
    writing.cancel()

    told = await asyncio.gather(*outcomes, return_exceptions=True)

    assert [type(outcome) for outcome in told] == [StoreUnavailable] * 6
    assert writing.cancelled()
