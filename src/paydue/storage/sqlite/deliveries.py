"""One merchant's messages on SQLite, for people: what was sent to whom, what was answered, and once more."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import Final

from paydue.storage.outbox_rows import (
    HIGHEST_ID,
    LOWEST_ID,
    highest_id,
    lowest_id,
    message_key,
    position,
    read_job,
    read_try,
)
from paydue.storage.rows import Row
from paydue.storage.sqlite import delivery_statements as sql
from paydue.storage.sqlite.actions import record
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.resending import in_state, make_all_due, make_due
from paydue.storage.sqlite.writer import Writer
from paydue.usecases.delivery_ports import DeliveryFilter, Job, JobState, Try
from paydue.usecases.ports import Actor

_STOPPED: Final = (JobState.PARKED, JobState.HELD)
_IS_RENDERED: Final = position("is_rendered")


class SqliteDeliveries:
    """`usecases.delivery_ports.Deliveries` on SQLite: every statement run here carries the merchant's id."""

    def __init__(self, merchant_id: str, engine: Engine, writer: Writer) -> None:
        self._merchant_id = merchant_id
        self._engine = engine
        self._writer = writer

    async def deliveries(self, wanted: DeliveryFilter, after: str | None, limit: int) -> Sequence[Job]:
        """Return the newest first, without what was rendered; those made before message `after` when it is given."""
        behind = message_key(after) if after is not None else HIGHEST_ID
        if behind is None:
            return []
        bindings = (
            self._merchant_id,
            behind,
            lowest_id(wanted.since) if wanted.since is not None else LOWEST_ID,
            highest_id(wanted.until) if wanted.until is not None else HIGHEST_ID,
            wanted.channel,
            wanted.recipient,
            limit,
        )
        states = (wanted.state,) if wanted.state is not None else tuple(JobState)
        if wanted.number is not None:
            found = self._engine.read(sql.OF_INVOICE, (*bindings, wanted.number, wanted.state))
        elif wanted.channel is None and wanted.recipient is None:
            found = self._engine.read(sql.newest(states), bindings)
        else:
            # Those wanted may be few among very many.
            found = await asyncio.to_thread(self._search, sql.newest(states), bindings)
        return [read_job(row) for row in found]

    async def delivery(self, message_id: str) -> tuple[Job, Sequence[Try]] | None:
        """Return the message and all that was tried, oldest first; None when the merchant has no such message."""
        key = message_key(message_id)
        found = self._engine.read(sql.BY_MESSAGE, (self._merchant_id, key))
        if not found:
            return None
        tries = self._engine.read(sql.TRIES, (self._merchant_id, key))
        return read_job(found[0], rendered=rendering(self._engine, found[0])), [read_try(row) for row in tries]

    async def resend(self, message_id: str, at: datetime, actor: Actor) -> Job | None:
        """
        Make it due now, whatever its state, to start anew under the same id, and return it; None when there is none.

        What a worker has just now is left to it.
        """
        bindings = (self._merchant_id, message_key(message_id))

        def write(batch: Batch) -> list[Row]:
            found = batch.read(sql.BY_MESSAGE, bindings)
            if found:
                make_due(batch, found, at)
                record(batch, self._merchant_id, at, actor, "resend", message_id)
            return batch.read(sql.BY_MESSAGE, bindings)

        found: list[Row] = await self._writer.submit(write)
        return read_job(found[0], rendered=rendering(self._engine, found[0])) if found else None

    async def recover(self, since: datetime, until: datetime, at: datetime, actor: Actor) -> int:
        """Make everything PARKED or HELD that was made in the window due now, to start anew, and return how many."""
        subject = f"{since.isoformat()} to {until.isoformat()}"
        await self._writer.submit(lambda batch: record(batch, self._merchant_id, at, actor, "recover", subject))
        window = (lowest_id(since), highest_id(until))
        stopped = chain.from_iterable(in_state(self._engine, self._merchant_id, state, *window) for state in _STOPPED)
        return await make_all_due(self._writer, stopped, at)

    def _search(self, statement: str, bindings: Row) -> list[Row]:
        with self._engine.snapshot() as snapshot:
            try:
                return snapshot.read(statement, bindings)
            except UnicodeEncodeError:
                # Half a surrogate pair, from a caller: nobody of that name can have been written to.
                return []


def rendering(engine: Engine, row: Row) -> bytes | None:
    """Return what was rendered for the message of a row of `JOB_COLUMNS`."""
    if not row[_IS_RENDERED]:
        return None
    found = engine.read(sql.RENDERING, (row[0], row[position("message_id")]))
    return found[0][0] if found else None
