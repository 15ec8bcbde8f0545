"""
Who goes first on an event loop that others need too: deliveries take what requests leave, and a little in any case.

Payers and integrators wait for their answers; a mail may come a moment later. Apart from the worker, which knows
nothing of processors and shares.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar
from functools import partial
from math import ceil
from typing import Any, Final, Generic, Protocol, TypeVar

Result = TypeVar("Result")

# What deliveries get of the loop's time however busy it is: without it they might never move.
LEAST_SHARE: Final = 0.05
# Others who could use all of it get half when nobody gives way, so that half has to count as all.
_PRESSURE: Final = 2.0
_WINDOW_SECONDS: Final = 0.01
# What may be saved up, and what is still owed after a job that took long: a second of rest at the most.
_MOST_SAVED_SECONDS: Final = 0.02
_MOST_OWED_SECONDS: Final = LEAST_SHARE
_USUAL_SECONDS: Final = 0.002
_WEIGHT_OF_THE_LAST: Final = 0.1
# What a job costs where nobody looks: its rows in the database, its bytes in the sockets.
_UNSEEN_SECONDS: Final = 0.0003


def queued_seconds() -> float:
    """Return for how long the calling thread was ready to run and had no processor; 0 where no one tells."""
    try:
        descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        _, queued, *_ = os.read(descriptor, 128).split()
    finally:
        os.close(descriptor)
    return int(queued) / 1e9


class Pace(Protocol):
    """How much may be begun now, and what it costs."""

    def room(self) -> int:
        """Return how many jobs may be begun now."""
        ...

    def rest(self) -> float:
        """Return after how many seconds there may be room, when there is none."""
        ...

    def counted(self, job: Coroutine[Any, Any, Result]) -> Coroutine[Any, Any, Result]:
        """Return the job, to be run as a task of its own; what it costs is known afterwards."""
        ...


class FlatOut:
    """The pace of whoever has a loop to himself."""

    def room(self) -> int:
        """Return more than anybody wants."""
        return 1 << 30

    def rest(self) -> float:
        """Return no time at all."""
        return 0.0

    def counted(self, job: Coroutine[Any, Any, Result]) -> Coroutine[Any, Any, Result]:
        """Return the job as it is."""
        return job


class GivingWay:
    """
    The pace of whoever shares a loop with others: `1 - 2 * (the share of its time that they take)`, at least 5 %.

    `cpu` is the processor time of the loop's thread so far, `queued` the time for which other programs kept it from a
    processor, `now` the time that passes, all in seconds.
    """

    def __init__(
        self,
        *,
        cpu: Callable[[], float] = time.thread_time,
        queued: Callable[[], float] = queued_seconds,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._cpu = cpu
        self._queued = queued
        self._now = now
        self._queued_then = queued()
        self._looked_at = now()
        self._cpu_then = cpu()
        self._own = 0.0
        self._share = 1.0
        self._saved = _MOST_SAVED_SECONDS
        self._usual = _USUAL_SECONDS

    @property
    def share(self) -> float:
        """The share of the time that may be used now."""
        return self._share

    def room(self) -> int:
        """Return how many jobs may be begun now, if they cost what jobs usually do."""
        self._look()
        return ceil(self._saved / self._usual) if self._saved > 0 else 0

    def rest(self) -> float:
        """Return after how many seconds there may be room, when there is none."""
        return max(-self._saved / self._share, _WINDOW_SECONDS)

    def counted(self, job: Coroutine[Any, Any, Result]) -> Coroutine[Any, Any, Result]:
        """Return the job, charged with what is usual from now on, and with the truth when it ends."""
        self._saved -= self._usual
        return self._charged(job, self._usual)

    async def _charged(self, job: Coroutine[Any, Any, Result], reserved: float) -> Result:
        cost = _Cost(_UNSEEN_SECONDS)
        _cost.set(cost)
        try:
            return await _Steps(job, self._cpu, partial(self._spent, cost))
        finally:
            self._usual += (cost.seconds - self._usual) * _WEIGHT_OF_THE_LAST
            self._saved = max(self._saved + reserved - cost.seconds, -_MOST_OWED_SECONDS)

    def _spent(self, cost: "_Cost", seconds: float) -> None:
        cost.seconds += seconds
        self._own += seconds

    def _look(self) -> None:
        """See what others took since the last look, and save what that leaves."""
        now = self._now()
        passed = now - self._looked_at
        if passed < _WINDOW_SECONDS:
            return
        cpu, queued = self._cpu(), self._queued()
        # Of the time that the loop could have: on a machine that is busy otherwise, that may be little.
        could_run = max(passed - (queued - self._queued_then), _WINDOW_SECONDS / 10)
        others = (cpu - self._cpu_then - self._own) / could_run
        self._share = min(max(1.0 - _PRESSURE * others, LEAST_SHARE), 1.0)
        self._saved = min(self._saved + self._share * passed, _MOST_SAVED_SECONDS)
        self._looked_at, self._cpu_then, self._queued_then, self._own = now, cpu, queued, 0.0


async def aside(work: Callable[[], Result]) -> Result:
    """Run work that takes long in a thread, and count its processor time to the job that wants it."""
    return await asyncio.to_thread(_timed, work)


def _timed(work: Callable[[], Result]) -> Result:
    began = time.thread_time()
    try:
        return work()
    finally:
        cost = _cost.get()
        if cost is not None:
            cost.seconds += time.thread_time() - began


class _Cost:
    """What a job has cost so far."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


_cost: ContextVar[_Cost | None] = ContextVar("cost", default=None)


class _Steps(Awaitable[Result], Generic[Result]):
    """Awaits `work`, and tells `spent` of the processor time of each step from one wait to the next."""

    def __init__(
        self, work: Coroutine[Any, Any, Result], cpu: Callable[[], float], spent: Callable[[float], None]
    ) -> None:
        self._work = work
        self._cpu = cpu
        self._spent = spent

    def __await__(self) -> Generator[Any, None, Result]:
        step: Callable[[], Any] = partial(self._work.send, None)
        while True:
            began = self._cpu()
            try:
                waits_for = step()
            except StopIteration as end:
                result: Result = end.value
                return result
            finally:
                self._spent(self._cpu() - began)
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - whatever comes in goes on to the work
                step = partial(self._work.throw, thrown)
            else:
                step = partial(self._work.send, None)
