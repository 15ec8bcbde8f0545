"""The outbox as a queue on PostgreSQL: who gets which job, and what becomes of it. Any number of workers may ask."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from paydue.storage import rows
from paydue.storage.message_ids import MessageIds
from paydue.storage.outbox_rows import (
    LOWEST_ID,
    PLACE_COLUMNS,
    TRY_COLUMNS,
    lowest_id,
    message_key,
    place_of,
    position,
    read_job,
    write_facts,
    write_try,
)
from paydue.storage.postgres import delivery_statements as sql
from paydue.storage.postgres.changes import arrays
from paydue.storage.postgres.deliveries import rendering
from paydue.storage.postgres.lanes import Lanes, take
from paydue.storage.postgres.resending import held_for, in_state, make_all_due
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.statements import EVERYBODY
from paydue.storage.postgres.works import Hand
from paydue.storage.postgres.writer import Writer
from paydue.storage.rows import Row
from paydue.usecases.delivery_ports import Job, JobState, Try
from paydue.usecases.ports import Channel, Message

_CHANNEL: Final = position("channel")
_WEBHOOK: Final = Channel.WEBHOOK.value
_DUE_AT: Final = position("due_at")
_PLACE: Final = len(PLACE_COLUMNS)
_LEASE_BYTES: Final = 8
# So many are written in one go, so that nobody else waits for long.
_EXPIRED_AT_ONCE: Final = 500


class PostgresOutbox:
    """`usecases.delivery_ports.Outbox` on PostgreSQL."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._readers = readers
        self._writer = writer
        self._lanes = Lanes(readers)
        self._ids = MessageIds()

    async def lease(self, worker: str, at: datetime, until: datetime, limit: int) -> Sequence[Job]:
        """Take up to `limit` jobs that are due, fairly among those who wait. Each bears a lease that no other has."""
        at_text, until_text = rows.time_text(at), rows.time_text(until)
        lanes = await self._lanes.due(at_text)
        if not lanes or limit < 1:
            return []
        lease = f"{worker} {secrets.token_hex(_LEASE_BYTES)}"

        async def take_and_mark(hand: Hand) -> list[Row]:
            places = await take(hand, lanes, at_text, limit)
            if not places:
                return []
            mine = await hand.read(sql.LEASE, lease, until_text, *arrays([places]), at_text)
            return sorted((tuple(row) for row in mine), key=_age)

        taken: list[Row] = await self._writer.small((), take_and_mark)
        return [read_job(row, lease=lease, rendered=await rendering(self._readers, row)) for row in taken]

    async def keep_rendered(self, job: Job, rendered: bytes) -> None:
        """Keep what was rendered, unless something is kept already or another has taken the job."""

        async def keep(hand: Hand) -> None:
            if await hand.write(sql.MARK_RENDERED, *place_of(job), job.lease):
                await hand.write(sql.ADD_RENDERING, job.merchant_id, message_key(job.message_id), rendered)

        await self._writer.small((job.merchant_id,), keep, locks=False)

    async def settle(self, job: Job, state: JobState, due_at: datetime, tried: Try | None) -> None:
        """Log the try and put the job into `state`; the lease ends. Nothing changes when another has taken the job."""
        tries, first_failed_at, last_outcome = job.tries, job.first_failed_at, job.last_outcome
        if tried is not None:
            tries, last_outcome = tries + 1, tried.outcome
            if not tried.is_taken and first_failed_at is None:
                first_failed_at = tried.at
        # A go that was none has no time.
        logged = write_try(tried) if tried is not None else (None,) * len(TRY_COLUMNS)
        settled = (
            *place_of(job),
            job.lease,
            state.value,
            rows.time_text(due_at if state is JobState.PENDING else job.due_at),
            tries,
            rows.time_text(first_failed_at) if first_failed_at is not None else None,
            last_outcome,
            message_key(job.message_id),
            *logged,
        )
        await self._writer.one_of_many(job.merchant_id, sql.SETTLE, settled)

    async def add(self, cause: Job, message: Message, at: datetime) -> None:
        """Put in one more message of the event that `cause` is about: once for each cause and topic."""
        (message_id,) = self._ids.fresh(at, 1)
        added = (
            cause.merchant_id,
            cause.serial,
            cause.position,
            cause.part,
            message_id,
            message.channel.value,
            message.topic,
            message.recipient,
            write_facts(message.facts),
            rows.time_text(at),
        )

        async def write(hand: Hand) -> None:
            await hand.write(sql.ADD_CONSEQUENCE, *added)

        # Two workers who have two messages of one event would otherwise both give the same part.
        await self._writer.small((cause.merchant_id,), write)

    async def tell(self, merchant_id: str, message: Message, at: datetime) -> None:
        """Put in a message that is about no invoice: once for each topic, recipient and facts."""
        (message_id,) = self._ids.fresh(at, 1)
        facts = write_facts(message.facts)
        told = (merchant_id, message_id, message.channel.value, message.topic, message.recipient, facts)

        async def write(hand: Hand) -> None:
            await hand.write(sql.TELL, *told, rows.time_text(at))

        # Two workers would otherwise both give the same position.
        await self._writer.small((merchant_id,), write)

    async def find(self, message_id: str) -> Job | None:
        """Return the message of that id, whosever it is."""
        found = await self._readers.read(sql.FIND, EVERYBODY, message_key(message_id))
        return read_job(found[0]) if found else None

    async def came_back(self, job: Job, tried: Try, *, for_good: bool) -> None:
        """Log what was heard of a mail after it was taken; one that came back `for_good` is PARKED if it was DONE."""

        async def log(hand: Hand) -> None:
            await hand.write(sql.ADD_TRY, job.merchant_id, message_key(job.message_id), *write_try(tried))
            if for_good:
                await hand.write(sql.CAME_BACK, *place_of(job), JobState.PARKED.value, tried.outcome)

        await self._writer.small((job.merchant_id,), log, locks=False)

    async def give_back(self, jobs: Sequence[Job]) -> None:
        """End leases whose jobs were not begun, as if they had never been taken."""

        async def end(hand: Hand) -> None:
            for job in jobs:
                await hand.write(sql.GIVE_BACK, *place_of(job), job.lease)

        await self._writer.small((), end)

    async def release_held(self, merchant_id: str, recipient: str | None, at: datetime) -> int:
        """
        Make held jobs due again, oldest first, and return how many; without a recipient all webhooks of the merchant.

        Each starts anew: tries that failed before count no more.
        """
        if recipient is not None:
            held = held_for(self._readers, merchant_id, recipient)
        else:
            held = in_state(self._readers, merchant_id, JobState.HELD)
        return await make_all_due(
            self._writer, merchant_id, held, at, lambda row: recipient is not None or row[_CHANNEL] == _WEBHOOK
        )

    async def held(self) -> Sequence[tuple[str, str]]:
        """Return the merchants and the recipients for whom anything is held."""
        found = await self._readers.read(sql.HELD_RECIPIENTS, EVERYBODY)
        return [(merchant_id, recipient) for merchant_id, recipient in found]

    async def expire_held(self, merchant_id: str, recipient: str, before: datetime, most: int, outcome: str) -> int:
        """Park what is held for the recipient since before that time, and the oldest beyond `most`; return how many."""
        beyond = await self._readers.read(sql.HELD_BEYOND, merchant_id, recipient, most)
        last = max(lowest_id(before), *(key for (key,) in beyond), LOWEST_ID)

        async def park(hand: Hand) -> int:
            return await hand.write(sql.EXPIRE_HELD, merchant_id, recipient, last, outcome, _EXPIRED_AT_ONCE)

        expired = 0
        while parked := await self._writer.small((merchant_id,), park, locks=False):
            expired += parked
        return expired

    async def next_due(self) -> datetime | None:
        """Return when the next job can be taken; what waits for one under way or held counts for nothing."""
        due_at = await self._lanes.next_due()
        return rows.read_time(due_at) if due_at is not None else None

    async def forget_done(self, before: datetime, limit: int) -> int:
        """Drop logged requests and answers, and what was rendered for messages, older than that; return how many."""

        async def forget(hand: Hand) -> int:
            said = await hand.write(sql.FORGET_SAID, rows.time_text(before), limit)
            return said + await hand.write(sql.FORGET_RENDERED, lowest_id(before), limit)

        forgotten: int = await self._writer.small((), forget)
        return forgotten


def _age(row: Row) -> Row:
    return row[_DUE_AT], *row[:_PLACE]
