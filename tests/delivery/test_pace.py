"""The pace of deliveries beside requests: what others take is left to them, and a little is done in any case."""

import asyncio
import time

import pytest

from paydue.delivery.pace import LEAST_SHARE, GivingWay, aside, queued_seconds

JOB_SECONDS = 0.002


class Loop:
    """An event loop in thought: time passes when somebody says so, and somebody has the processor meanwhile."""

    def __init__(self) -> None:
        self.now = self.cpu = self.queued = 0.0
        self.pace = GivingWay(cpu=lambda: self.cpu, queued=lambda: self.queued, now=lambda: self.now)

    def others(self, seconds: float, *, share: float = 1.0, queued: float = 0.0) -> None:
        self.now += seconds
        self.cpu += seconds * share
        self.queued += seconds * queued

    async def job(self, seconds: float = JOB_SECONDS) -> None:
        self.now += seconds
        self.cpu += seconds


async def deliver(loop: Loop, seconds: float, *, share: float, queued: float = 0.0, at_once: int = 64) -> float:
    """Do jobs as the pace allows beside others who take `share` of what is left; return the share that the jobs got."""
    began, jobs = loop.now, 0
    while loop.now < began + seconds:
        room = min(loop.pace.room(), at_once)
        for _ in range(room):
            await loop.pace.counted(loop.job())
        jobs += room
        # Others come to their turn after each few jobs; with nothing to begin the worker waits as it is told.
        loop.others(0.001 if room else loop.pace.rest(), share=share, queued=queued)
    return jobs * JOB_SECONDS / (loop.now - began)


async def test_an_idle_loop_is_used_almost_wholly() -> None:
    assert await deliver(Loop(), 5, share=0.0) > 0.6


async def test_a_busy_loop_is_left_to_others_but_for_the_least_share() -> None:
    loop = Loop()
    await deliver(loop, 1, share=1.0)
    got = await deliver(loop, 60, share=1.0)
    assert LEAST_SHARE * 0.6 < got < LEAST_SHARE * 1.2
    assert loop.pace.share == LEAST_SHARE


async def test_jobs_are_begun_one_by_one_while_the_loop_is_busy() -> None:
    loop = Loop()
    await deliver(loop, 1, share=1.0)
    most = 0
    for _ in range(1000):
        room = loop.pace.room()
        most = max(most, room)
        for _ in range(room):
            await loop.pace.counted(loop.job())
        loop.others(loop.pace.rest())
    assert most == 1


async def test_what_was_begun_counts_before_it_has_run() -> None:
    loop = Loop()
    begun = []
    while loop.pace.room() > 0:
        begun.append(loop.pace.counted(loop.job()))
    assert 1 < len(begun) <= 20
    for each in begun:
        await each


async def test_work_is_taken_up_again_as_soon_as_others_are_through() -> None:
    loop = Loop()
    await deliver(loop, 5, share=1.0)
    assert await deliver(loop, 0.5, share=0.0) > 0.5


async def test_others_with_little_to_do_keep_nobody_waiting() -> None:
    assert await deliver(Loop(), 5, share=0.1) > 0.5


async def test_own_work_is_not_taken_for_that_of_others() -> None:
    loop = Loop()
    for _ in range(200):
        loop.pace.room()
        await loop.pace.counted(loop.job())
    assert loop.pace.share > 0.9


async def test_a_loop_that_other_programs_keep_from_the_processor_is_not_taken_for_an_idle_one() -> None:
    loop = Loop()
    # It has half of a core, and needs all of that.
    await deliver(loop, 1, share=0.45, queued=0.5)
    assert loop.pace.share == LEAST_SHARE


async def test_one_job_that_takes_very_long_is_paid_for_within_about_a_second() -> None:
    loop = Loop()
    await deliver(loop, 1, share=1.0)
    await loop.pace.counted(loop.job(30.0))
    rested = 0.0
    while not loop.pace.room():
        rested += loop.pace.rest()
        loop.others(loop.pace.rest())
    assert rested < 1.5


async def test_a_counted_job_is_what_it_was_to_whoever_waits_for_it() -> None:
    pace = GivingWay()
    cleaned = []

    async def answers() -> str:
        await asyncio.sleep(0)
        return "answer"

    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("fault")

    async def lasts() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(1)

    assert await pace.counted(answers()) == "answer"
    with pytest.raises(KeyError, match="fault"):
        await pace.counted(fails())
    lasting = asyncio.create_task(pace.counted(lasts()))
    await asyncio.sleep(0)
    lasting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lasting
    assert cleaned == [1]


async def test_work_in_a_thread_is_charged_to_its_job_and_not_to_the_loop() -> None:
    now = 0.0
    pace = GivingWay(cpu=lambda: 0.0, queued=lambda: 0.0, now=lambda: now)

    def spin() -> int:
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass
        return 7

    async def job() -> int:
        return await aside(spin)

    assert await pace.counted(job()) == 7
    assert pace.room() == 0
    now = 10.0
    assert pace.room() > 0
    assert pace.share == 1.0


async def test_work_in_a_thread_wants_no_pace() -> None:
    assert await aside(lambda: 7) == 7


def test_the_time_without_a_processor_only_grows() -> None:
    assert 0 <= queued_seconds() <= queued_seconds()
