"""The outbox as a queue on PostgreSQL: who gets which job, and how it is let go. Any number of workers may ask."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from paydue.storage import rows
from paydue.storage.deliveries import rendering
from paydue.storage.outbox import Outbox, settled
from paydue.storage.outbox_rows import PLACE_COLUMNS, TRY_COLUMNS, message_key, position, read_job, write_try
from paydue.storage.postgres import delivery_statements as sql
from paydue.storage.postgres.access import PostgresAccess
from paydue.storage.postgres.changes import arrays
from paydue.storage.postgres.lanes import Lanes, take
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.works import Hand
from paydue.storage.postgres.writer import Writer
from paydue.storage.rows import Row
from paydue.usecases.delivery_ports import Job, JobState, Try

_DUE_AT: Final = position("due_at")
_PLACE: Final = len(PLACE_COLUMNS)
_LEASE_BYTES: Final = 8


class PostgresOutbox(Outbox):
    """`usecases.delivery_ports.Outbox` on PostgreSQL."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        super().__init__(PostgresAccess(readers, writer))
        self._writer = writer
        self._lanes = Lanes(readers)

    async def lease(self, worker: str, at: datetime, until: datetime, limit: int) -> Sequence[Job]:
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
        return [read_job(row, lease=lease, rendered=await rendering(self._access, row)) for row in taken]

    async def settle(self, job: Job, state: JobState, due_at: datetime, tried: Try | None) -> None:
        # A go that was none has no time.
        logged = write_try(tried) if tried is not None else (None,) * len(TRY_COLUMNS)
        row = (*settled(job, state, due_at, tried), message_key(job.message_id), *logged)
        await self._writer.one_of_many(job.merchant_id, sql.SETTLE, row)

    async def next_due(self) -> datetime | None:
        due_at = await self._lanes.next_due()
        return rows.read_time(due_at) if due_at is not None else None


def _age(row: Row) -> Row:
    return row[_DUE_AT], *row[:_PLACE]
