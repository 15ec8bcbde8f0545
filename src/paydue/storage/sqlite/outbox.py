"""The outbox as a queue on SQLite: who gets which job, and how it is let go."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from paydue.storage import rows
from paydue.storage.deliveries import rendering
from paydue.storage.outbox import Outbox, settled
from paydue.storage.outbox_rows import PLACE_COLUMNS, message_key, read_job, write_try
from paydue.storage.rows import Row
from paydue.storage.sqlite import delivery_statements as sql
from paydue.storage.sqlite.access import SqliteAccess
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.lanes import Lanes, take
from paydue.storage.sqlite.writer import Writer
from paydue.usecases.delivery_ports import Job, JobState, Try

_PLACE: Final = len(PLACE_COLUMNS)
_LEASE_BYTES: Final = 8


class SqliteOutbox(Outbox):
    """`usecases.delivery_ports.Outbox` on one SQLite file."""

    def __init__(self, engine: Engine, writer: Writer) -> None:
        super().__init__(SqliteAccess(engine, writer))
        self._writer = writer
        self._lanes = Lanes(engine)

    async def lease(self, worker: str, at: datetime, until: datetime, limit: int) -> Sequence[Job]:
        at_text, until_text = rows.time_text(at), rows.time_text(until)
        lanes = self._lanes.due(at_text)
        if not lanes or limit < 1:
            # Whoever has nothing to do must not take the lock from those who have.
            return []
        lease = f"{worker} {secrets.token_hex(_LEASE_BYTES)}"

        def take_and_mark(batch: Batch) -> list[Row]:
            taken = take(batch, lanes, at_text, limit)
            batch.write_each(sql.LEASE, [(*row[:_PLACE], lease, until_text) for row in taken])
            return taken

        taken: list[Row] = await self._writer.submit(take_and_mark)
        return [read_job(row, lease=lease, rendered=await rendering(self._access, row)) for row in taken]

    async def settle(self, job: Job, state: JobState, due_at: datetime, tried: Try | None) -> None:
        row = settled(job, state, due_at, tried)
        logged = (job.merchant_id, message_key(job.message_id), *write_try(tried)) if tried is not None else None

        def write(batch: Batch) -> None:
            if batch.write(sql.SETTLE, row) and logged is not None:
                batch.write(sql.ADD_TRY, logged)

        await self._writer.submit(write)

    async def next_due(self) -> datetime | None:
        due_at = self._lanes.next_due()
        return rows.read_time(due_at) if due_at is not None else None
