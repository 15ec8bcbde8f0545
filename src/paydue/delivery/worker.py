"""
Empties the outbox: leases what is due, has it delivered, and settles each job before it is forgotten.

A job is never thrown away here. Whatever happens between its lease and its settling, the lease runs out and some worker
takes it again, under the same id.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from paydue.delivery.pace import FlatOut, Pace
from paydue.delivery.tries import MAIL_RETRIES
from paydue.domain.errors import StoreUnavailable
from paydue.usecases.delivery_ports import Job, JobState, Outbox, Try
from paydue.usecases.ports import Channel, Clock

LEASE: Final = timedelta(minutes=5)
# Whoever begins a job must be through before another worker may take it.
_LEFT_TO_BEGIN: Final = timedelta(minutes=3)
_MOST_WAITING: Final = 256
_FINISH_SECONDS: Final = 12.0
_SETTLE_TRIES: Final = 5
_SHORTEST_REST: Final = 0.05
# A job may be due and not to be had: one before it, of the same invoice, is on its way.
_REST_BESIDE_OTHERS: Final = 4 * _SHORTEST_REST
_AFTER_A_FAILURE: Final = 1.0
_MOST_ACCIDENTS: Final = 20

_log = logging.getLogger("paydue.worker")


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job goes after a go at it: `tried` is None when nothing was asked of anybody."""

    state: JobState
    due_at: datetime
    tried: Try | None = None


class Deliverer(Protocol):
    async def deliver(self, job: Job) -> Settlement:
        """Have a go at the job and say where it goes. What it changes elsewhere may happen twice."""
        ...


class Worker:
    """
    Works for one process; any number of them may share an outbox.

    At most `concurrency` jobs are under way, `per_recipient` of them for one recipient. `idle_seconds` is how long it
    may not look at the outbox when nobody wakes it. `pace` says when there is room beside others.
    """

    def __init__(
        self,
        outbox: Outbox,
        deliverers: Mapping[Channel, Deliverer],
        clock: Clock,
        *,
        name: str,
        concurrency: int = 64,
        per_recipient: int = 4,
        idle_seconds: float = 1.0,
        finish_seconds: float = _FINISH_SECONDS,
        pace: Pace | None = None,
    ) -> None:
        self._outbox = outbox
        self.deliverers = deliverers
        self._clock = clock
        self._name = name
        self._concurrency = concurrency
        self._per_recipient = per_recipient
        self._idle_seconds = idle_seconds
        self._finish_seconds = finish_seconds
        self._pace = pace or FlatOut()
        self._waiting: deque[tuple[Job, datetime]] = deque()
        self._under_way: dict[asyncio.Task[None], Job] = {}
        self._recipients: Counter[str | None] = Counter()
        self._changed = asyncio.Event()
        self._leased_at = 0.0
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """Have the outbox looked at now: something was put into it."""
        self._changed.set()

    def stop(self) -> None:
        """End `run` as soon as what was begun is through."""
        self._stopping.set()
        self._changed.set()

    async def run(self) -> None:
        """Deliver until stopped; then give back what was not begun, and finish the rest within its time."""
        _log.info("worker_started", extra={"worker": self._name})
        while not self._stopping.is_set():
            if self._pace.room() <= 0:
                # Not even what wakes it is looked at: others have the loop.
                await _is_set_within(self._stopping, self._pace.rest())
                continue
            self._changed.clear()
            try:
                await self._take()
                # While jobs come and go, nobody has to ask when the next is due.
                if await _is_set_within(self._changed, _SHORTEST_REST):
                    continue
                rest = await self._rest()
            except Exception:  # noqa: BLE001 - the worker's loop: the database may be back in a moment
                _log.exception("outbox_failed", extra={"worker": self._name})
                rest = _AFTER_A_FAILURE
            await _is_set_within(self._changed, rest)
        await self._finish()
        _log.info("worker_stopped", extra={"worker": self._name})

    async def _take(self) -> None:
        """Lease as much as there is room for, and begin it."""
        self._begin()
        now = asyncio.get_running_loop().time()
        if self._free() < self._concurrency // 4 and now < self._leased_at + _SHORTEST_REST:
            # Leasing one by one, as each job ends, would cost as much as the jobs.
            return
        self._leased_at = now
        while (room := self._room()) > 0:
            at = self._clock.now()
            until = at + LEASE
            jobs = await self._outbox.lease(self._name, at, until, room)
            self._waiting.extend((job, until - _LEFT_TO_BEGIN) for job in jobs)
            self._begin()
            if len(jobs) < room:
                break
        await self._give_back_what_waits_too_long()

    def _room(self) -> int:
        """Return how many more to lease: what waits for its recipient takes no other's place, until it is much."""
        return min(self._free(), self._pace.room())

    def _free(self) -> int:
        return min(self._concurrency - len(self._under_way), _MOST_WAITING - len(self._waiting))

    def _begin(self) -> None:
        """Begin what waits and whose recipient has room."""
        for _ in range(len(self._waiting)):
            if self._pace.room() <= 0:
                return
            job, begin_before = self._waiting.popleft()
            if self._recipients[job.recipient] >= self._per_recipient or self._clock.now() > begin_before:
                self._waiting.append((job, begin_before))
                continue
            self._recipients[job.recipient] += 1
            task = asyncio.create_task(self._pace.counted(self._deliver(job)))
            self._under_way[task] = job
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        job = self._under_way.pop(task)
        self._recipients[job.recipient] -= 1
        if not self._recipients[job.recipient]:
            del self._recipients[job.recipient]
        self._changed.set()

    async def _give_back_what_waits_too_long(self) -> None:
        at = self._clock.now()
        late = [job for job, begin_before in self._waiting if at > begin_before]
        if late:
            self._waiting = deque(each for each in self._waiting if at <= each[1])
            await self._outbox.give_back(late)

    async def _rest(self) -> float:
        """Return for how many seconds there is nothing to lease, unless something happens."""
        if self._room() <= 0:
            return self._idle_seconds
        due = await self._outbox.next_due()
        if due is None:
            return self._idle_seconds
        seconds = (due - self._clock.now()).total_seconds()
        return min(max(seconds, _REST_BESIDE_OTHERS), self._idle_seconds)

    async def _deliver(self, job: Job) -> None:
        began = time.perf_counter()
        try:
            settlement = await self.deliverers[job.channel].deliver(job)
        except asyncio.CancelledError:
            # Perhaps it has arrived: it comes again under the same id.
            await self._settle(job, Settlement(state=JobState.PENDING, due_at=self._clock.now()))
            raise
        except StoreUnavailable as failure:
            _log.warning("delivery_put_off", extra=_facts(job) | {"reason": str(failure)})
            return
        except Exception:  # noqa: BLE001 - one job's accident is nobody else's
            _log.exception("delivery_broke", extra=_facts(job))
            settlement = _accident(job, self._clock.now(), began)
        await self._settle(job, settlement)

    async def _settle(self, job: Job, settlement: Settlement) -> None:
        for go in range(_SETTLE_TRIES):
            try:
                await self._outbox.settle(job, settlement.state, settlement.due_at, settlement.tried)
                break
            except StoreUnavailable as failure:
                _log.warning("settling_put_off", extra=_facts(job) | {"reason": str(failure)})
                await asyncio.sleep(0.1 * 2**go)
        tried = settlement.tried
        if tried is None:
            return
        level = logging.INFO if tried.is_taken else logging.WARNING
        if _log.isEnabledFor(level):
            facts = {"outcome": tried.outcome, "milliseconds": tried.milliseconds, "state": settlement.state.value}
            _log.log(level, "delivered" if tried.is_taken else "not_delivered", extra=_facts(job) | facts)

    async def _finish(self) -> None:
        waiting, self._waiting = [job for job, _ in self._waiting], deque()
        try:
            if waiting:
                await self._outbox.give_back(waiting)
        except StoreUnavailable as failure:
            # Their leases run out.
            _log.warning("giving_back_failed", extra={"worker": self._name, "reason": str(failure)})
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=self._finish_seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=self._finish_seconds / 4)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until it is set, but no longer than so many seconds, and tell whether it is."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _accident(job: Job, at: datetime, began: float) -> Settlement:
    """Return what becomes of a job that we failed to deliver by a mistake of our own: later, until it is hopeless."""
    tried = Try(
        at=at,
        milliseconds=int((time.perf_counter() - began) * 1000),
        is_taken=False,
        outcome="a fault of this installation, see its log",
    )
    state = JobState.PARKED if job.tries >= _MOST_ACCIDENTS else JobState.PENDING
    return Settlement(state=state, due_at=at + MAIL_RETRIES[min(job.tries, len(MAIL_RETRIES) - 1)], tried=tried)


def _facts(job: Job) -> dict[str, object]:
    return {
        "merchant": job.merchant_id,
        "invoice": job.number,
        "message_id": job.message_id,
        "channel": job.channel.value,
        "topic": job.topic,
        "tries": job.tries,
    }
