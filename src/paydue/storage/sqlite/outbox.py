"""The outbox as a queue on SQLite: who gets which job, and what becomes of it."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from paydue.storage import rows
from paydue.storage.message_ids import MessageIds
from paydue.storage.outbox_rows import (
    LOWEST_ID,
    PLACE_COLUMNS,
    lowest_id,
    message_key,
    place_of,
    position,
    read_job,
    write_facts,
    write_try,
)
from paydue.storage.rows import Row
from paydue.storage.sqlite import delivery_statements as sql
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.deliveries import rendering
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.lanes import Lanes, take
from paydue.storage.sqlite.resending import held_for, in_state, make_all_due
from paydue.storage.sqlite.writer import Writer
from paydue.usecases.delivery_ports import Job, JobState, Try
from paydue.usecases.ports import Channel, Message

_PLACE: Final = len(PLACE_COLUMNS)
_CHANNEL: Final = position("channel")
_WEBHOOK: Final = Channel.WEBHOOK.value
_LEASE_BYTES: Final = 8
# So many are written in one go, so that nobody else waits for long.
_EXPIRED_AT_ONCE: Final = 500


class SqliteOutbox:
    """`usecases.delivery_ports.Outbox` on one SQLite file."""

    def __init__(self, engine: Engine, writer: Writer) -> None:
        self._engine = engine
        self._writer = writer
        self._lanes = Lanes(engine)
        self._ids = MessageIds()

    async def lease(self, worker: str, at: datetime, until: datetime, limit: int) -> Sequence[Job]:
        """Take up to `limit` jobs that are due, fairly among those who wait. Each bears a lease that no other has."""
        at_text, until_text = rows.time_text(at), rows.time_text(until)
        lanes = self._lanes.due(at_text)
        if not lanes or limit < 1:
            # Whoever has nothing to do must not take the lock from those who have.
            return []
        lease = f"{worker} {secrets.token_hex(_LEASE_BYTES)}"

        def take_and_mark(batch: Batch) -> list[Row]:
            taken = take(batch, lanes, at_text, limit)
            batch.write_each(sql.LEASE, [(lease, until_text, *row[:_PLACE]) for row in taken])
            return taken

        taken: list[Row] = await self._writer.submit(take_and_mark)
        return [read_job(row, lease=lease, rendered=rendering(self._engine, row)) for row in taken]

    async def keep_rendered(self, job: Job, rendered: bytes) -> None:
        """Keep what was rendered, unless something is kept already or another has taken the job."""

        def keep(batch: Batch) -> None:
            if batch.write(sql.MARK_RENDERED, (*place_of(job), job.lease)):
                batch.write(sql.ADD_RENDERING, (job.merchant_id, message_key(job.message_id), rendered))

        await self._writer.submit(keep)

    async def settle(self, job: Job, state: JobState, due_at: datetime, tried: Try | None) -> None:
        """Log the try and put the job into `state`; the lease ends. Nothing changes when another has taken the job."""
        tries, first_failed_at, last_outcome = job.tries, job.first_failed_at, job.last_outcome
        logged: Row | None = None
        if tried is not None:
            tries, last_outcome = tries + 1, tried.outcome
            if not tried.is_taken and first_failed_at is None:
                first_failed_at = tried.at
            logged = (job.merchant_id, message_key(job.message_id), *write_try(tried))
        settled = (
            state.value,
            rows.time_text(due_at if state is JobState.PENDING else job.due_at),
            tries,
            rows.time_text(first_failed_at) if first_failed_at is not None else None,
            last_outcome,
            *place_of(job),
            job.lease,
        )

        def write(batch: Batch) -> None:
            if batch.write(sql.SETTLE, settled) and logged is not None:
                batch.write(sql.ADD_TRY, logged)

        await self._writer.submit(write)

    async def add(self, cause: Job, message: Message, at: datetime) -> None:
        """Put in one more message of the event that `cause` is about: once for each cause and topic."""
        (message_id,) = self._ids.fresh(at, 1)
        added = (
            cause.part,
            message_id,
            message.channel.value,
            message.topic,
            message.recipient,
            write_facts(message.facts),
            rows.time_text(at),
            cause.merchant_id,
            cause.serial,
            cause.position,
            cause.part,
            message.topic,
        )
        await self._writer.submit(lambda batch: batch.write(sql.ADD_CONSEQUENCE, added))

    async def tell(self, merchant_id: str, message: Message, at: datetime) -> None:
        """Put in a message that is about no invoice: once for each topic, recipient and facts."""
        (message_id,) = self._ids.fresh(at, 1)
        facts = write_facts(message.facts)
        told = (merchant_id, message_id, message.channel.value, message.topic, message.recipient, facts)
        await self._writer.submit(lambda batch: batch.write(sql.TELL, (*told, rows.time_text(at))))

    async def find(self, message_id: str) -> Job | None:
        """Return the message of that id, whosever it is."""
        found = self._engine.read(sql.FIND, (message_key(message_id),))
        return read_job(found[0]) if found else None

    async def came_back(self, job: Job, tried: Try, *, for_good: bool) -> None:
        """Log what was heard of a mail after it was taken; one that came back `for_good` is PARKED if it was DONE."""
        logged = (job.merchant_id, message_key(job.message_id), *write_try(tried))

        def log(batch: Batch) -> None:
            batch.write(sql.ADD_TRY, logged)
            if for_good:
                batch.write(sql.CAME_BACK, (JobState.PARKED.value, tried.outcome, *place_of(job)))

        await self._writer.submit(log)

    async def give_back(self, jobs: Sequence[Job]) -> None:
        """End leases whose jobs were not begun, as if they had never been taken."""
        ended = [(*place_of(job), job.lease) for job in jobs]
        await self._writer.submit(lambda batch: batch.write_each(sql.GIVE_BACK, ended))

    async def release_held(self, merchant_id: str, recipient: str | None, at: datetime) -> int:
        """
        Make held jobs due again, oldest first, and return how many; without a recipient all webhooks of the merchant.

        Each starts anew: tries that failed before count no more.
        """
        if recipient is not None:
            held = held_for(self._engine, merchant_id, recipient)
        else:
            held = in_state(self._engine, merchant_id, JobState.HELD)
        return await make_all_due(
            self._writer, held, at, lambda row: recipient is not None or row[_CHANNEL] == _WEBHOOK
        )

    async def held(self) -> Sequence[tuple[str, str]]:
        """Return the merchants and the recipients for whom anything is held."""
        return [(merchant_id, recipient) for merchant_id, recipient in self._engine.read(sql.HELD_RECIPIENTS)]

    async def expire_held(self, merchant_id: str, recipient: str, before: datetime, most: int, outcome: str) -> int:
        """Park what is held for the recipient since before that time, and the oldest beyond `most`; return how many."""
        beyond = self._engine.read(sql.HELD_BEYOND, (merchant_id, recipient, most))
        last = max(lowest_id(before), *(key for (key,) in beyond), LOWEST_ID)
        expired = 0
        while parked := await self._writer.submit(
            lambda batch: batch.write(sql.EXPIRE_HELD, (outcome, merchant_id, recipient, last, _EXPIRED_AT_ONCE))
        ):
            expired += parked
        return expired

    async def next_due(self) -> datetime | None:
        """Return when the next job can be taken; what waits for one under way or held counts for nothing."""
        due_at = self._lanes.next_due()
        return rows.read_time(due_at) if due_at is not None else None

    async def forget_done(self, before: datetime, limit: int) -> int:
        """Drop logged requests and answers, and what was rendered for messages, older than that; return how many."""
        said = (rows.time_text(before), limit)
        rendered = (lowest_id(before), limit)
        forgotten: int = await self._writer.submit(
            lambda batch: batch.write(sql.FORGET_SAID, said) + batch.write(sql.FORGET_RENDERED, rendered)
        )
        return forgotten
