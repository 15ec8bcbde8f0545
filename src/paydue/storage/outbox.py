"""The outbox as a queue, as far as it is the same on every engine; how jobs are taken and settled is its own."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from paydue.storage import rows
from paydue.storage.access import Access, Hand
from paydue.storage.message_ids import MessageIds
from paydue.storage.outbox_rows import (
    LOWEST_ID,
    lowest_id,
    message_key,
    place_of,
    position,
    read_job,
    write_facts,
    write_try,
)
from paydue.storage.resending import held_for, in_state, make_all_due
from paydue.storage.rows import Row
from paydue.usecases.delivery_ports import Job, JobState, Try
from paydue.usecases.ports import Channel, Message

_CHANNEL: Final = position("channel")
_WEBHOOK: Final = Channel.WEBHOOK.value
# So many are written in one go, so that nobody else waits for long.
_EXPIRED_AT_ONCE: Final = 500


class Outbox(ABC):
    """`usecases.delivery_ports.Outbox` less what stands at the bottom: that is each engine's own."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._sql = access.sql
        self._ids = MessageIds()

    async def keep_rendered(self, job: Job, rendered: bytes) -> None:
        """Keep what was rendered, unless something is kept already or another has taken the job."""

        async def keep(hand: Hand) -> None:
            if await hand.write(self._sql.MARK_RENDERED, *place_of(job), job.lease):
                await hand.write(self._sql.ADD_RENDERING, job.merchant_id, message_key(job.message_id), rendered)

        await self._access.write((job.merchant_id,), keep, locks=False)

    async def add(self, cause: Job, message: Message, at: datetime) -> None:
        """Put in one more message of the event that `cause` is about: once for each cause and topic."""
        (message_id,) = self._ids.fresh(at, 1)
        added = (*place_of(cause), message_id, *_said(message), rows.time_text(at))
        # Two workers who have two messages of one event would otherwise both give the same part.
        await self._write((cause.merchant_id,), self._sql.ADD_CONSEQUENCE, added, locks=True)

    async def tell(self, merchant_id: str, message: Message, at: datetime) -> None:
        """Put in a message that is about no invoice: once for each topic, recipient and facts."""
        (message_id,) = self._ids.fresh(at, 1)
        told = (merchant_id, message_id, *_said(message), rows.time_text(at))
        # Two workers would otherwise both give the same position.
        await self._write((merchant_id,), self._sql.TELL, told, locks=True)

    async def find(self, message_id: str) -> Job | None:
        """Return the message of that id, whosever it is."""
        found = await self._access.read_all(self._sql.FIND, message_key(message_id))
        return read_job(found[0]) if found else None

    async def came_back(self, job: Job, tried: Try, *, for_good: bool) -> None:
        """Log what was heard of a mail after it was taken; one that came back `for_good` is PARKED if it was DONE."""

        async def log(hand: Hand) -> None:
            await hand.write(self._sql.ADD_TRY, job.merchant_id, message_key(job.message_id), *write_try(tried))
            if for_good:
                await hand.write(self._sql.CAME_BACK, *place_of(job), JobState.PARKED.value, tried.outcome)

        await self._access.write((job.merchant_id,), log, locks=False)

    async def give_back(self, jobs: Sequence[Job]) -> None:
        """End leases whose jobs were not begun, as if they had never been taken."""

        async def end(hand: Hand) -> None:
            for job in jobs:
                await hand.write(self._sql.GIVE_BACK, *place_of(job), job.lease)

        await self._access.write((), end)

    async def release_held(self, merchant_id: str, recipient: str | None, at: datetime) -> int:
        """
        Make held jobs due again, oldest first, and return how many; without a recipient all webhooks of the merchant.

        Each starts anew: tries that failed before count no more.
        """
        if recipient is not None:
            held = held_for(self._access, merchant_id, recipient)
        else:
            held = in_state(self._access, merchant_id, JobState.HELD)
        return await make_all_due(
            self._access, merchant_id, held, at, lambda row: recipient is not None or row[_CHANNEL] == _WEBHOOK
        )

    async def held(self) -> Sequence[tuple[str, str]]:
        """Return the merchants and the recipients for whom anything is held."""
        found = await self._access.read_all(self._sql.HELD_RECIPIENTS)
        return [(merchant_id, recipient) for merchant_id, recipient in found]

    async def expire_held(self, merchant_id: str, recipient: str, before: datetime, most: int, outcome: str) -> int:
        """Park what is held for the recipient since before that time, and the oldest beyond `most`; return how many."""
        beyond = await self._access.read(self._sql.HELD_BEYOND, merchant_id, recipient, most)
        last = max(lowest_id(before), *(key for (key,) in beyond), LOWEST_ID)
        some = (merchant_id, recipient, last, outcome, _EXPIRED_AT_ONCE)
        expired = 0
        while parked := await self._write((merchant_id,), self._sql.EXPIRE_HELD, some):
            expired += parked
        return expired

    async def forget_done(self, before: datetime, limit: int) -> int:
        """Drop logged requests and answers, and what was rendered for messages, older than that; return how many."""

        async def forget(hand: Hand) -> int:
            said = await hand.write(self._sql.FORGET_SAID, rows.time_text(before), limit)
            return said + await hand.write(self._sql.FORGET_RENDERED, lowest_id(before), limit)

        forgotten: int = await self._access.write((), forget)
        return forgotten

    async def _write(self, merchants: tuple[str, ...], statement: str, row: Row, *, locks: bool = False) -> int:
        async def write(hand: Hand) -> int:
            return await hand.write(statement, *row)

        touched: int = await self._access.write(merchants, write, locks=locks)
        return touched

    @abstractmethod
    async def lease(self, worker: str, at: datetime, until: datetime, limit: int) -> Sequence[Job]:
        """Take up to `limit` jobs that are due, fairly among those who wait. Each bears a lease that no other has."""

    @abstractmethod
    async def settle(self, job: Job, state: JobState, due_at: datetime, tried: Try | None) -> None:
        """Log the try and put the job into `state`; the lease ends. Nothing changes when another has taken the job."""

    @abstractmethod
    async def next_due(self) -> datetime | None:
        """Return when the next job can be taken; what waits for one under way or held counts for nothing."""


def settled(job: Job, state: JobState, due_at: datetime, tried: Try | None) -> Row:
    """Return a job's place and lease, and what its row has once it is settled: the values that SETTLE takes first."""
    tries, first_failed_at, last_outcome = job.tries, job.first_failed_at, job.last_outcome
    if tried is not None:
        tries, last_outcome = tries + 1, tried.outcome
        if not tried.is_taken and first_failed_at is None:
            first_failed_at = tried.at
    return (
        *place_of(job),
        job.lease,
        state.value,
        rows.time_text(due_at if state is JobState.PENDING else job.due_at),
        tries,
        rows.time_text(first_failed_at) if first_failed_at is not None else None,
        last_outcome,
    )


def _said(message: Message) -> Row:
    return message.channel.value, message.topic, message.recipient, write_facts(message.facts)
