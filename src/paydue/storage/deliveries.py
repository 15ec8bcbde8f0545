"""One merchant's messages, for people: what was sent to whom, what was answered, and once more."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from paydue.storage.access import Access, Hand, record
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
from paydue.storage.resending import in_state, make_all_due, make_due
from paydue.storage.rows import Row
from paydue.usecases.delivery_ports import DeliveryFilter, Job, JobState, Try
from paydue.usecases.ports import Actor

_STOPPED: Final = (JobState.PARKED, JobState.HELD)
_IS_RENDERED: Final = position("is_rendered")


class Deliveries:
    """`usecases.delivery_ports.Deliveries` on any engine: every statement run here carries the merchant's id."""

    def __init__(self, merchant_id: str, access: Access) -> None:
        self._merchant_id = merchant_id
        self._access = access

    async def deliveries(self, wanted: DeliveryFilter, after: str | None, limit: int) -> Sequence[Job]:
        """Return the newest first, without what was rendered; those made before message `after` when it is given."""
        behind = message_key(after) if after is not None else HIGHEST_ID
        if behind is None:
            return []
        values = (
            self._merchant_id,
            behind,
            lowest_id(wanted.since) if wanted.since is not None else LOWEST_ID,
            highest_id(wanted.until) if wanted.until is not None else HIGHEST_ID,
            wanted.channel,
            wanted.recipient,
            limit,
        )
        sql, states = self._access.sql, (wanted.state,) if wanted.state is not None else tuple(JobState)
        if wanted.number is not None:
            found = await self._access.read(sql.OF_INVOICE, *values, wanted.number, wanted.state)
        elif wanted.channel is None and wanted.recipient is None:
            found = await self._access.read(sql.newest(states), *values)
        else:
            found = await self._access.search(sql.newest(states), *values)
        return [read_job(row) for row in found]

    async def delivery(self, message_id: str) -> tuple[Job, Sequence[Try]] | None:
        """Return the message and all that was tried, oldest first; None when the merchant has no such message."""
        key = message_key(message_id)
        found = await self._access.read(self._access.sql.BY_MESSAGE, self._merchant_id, key)
        if not found:
            return None
        tries = await self._access.read(self._access.sql.TRIES, self._merchant_id, key)
        job = read_job(found[0], rendered=await rendering(self._access, found[0]))
        return job, [read_try(row) for row in tries]

    async def resend(self, message_id: str, at: datetime, actor: Actor) -> Job | None:
        """
        Make it due now, whatever its state, to start anew under the same id, and return it; None when there is none.

        What a worker has just now is left to it.
        """
        key = (self._merchant_id, message_key(message_id))

        async def write(hand: Hand) -> list[Row]:
            found = await hand.read(hand.sql.MESSAGE_TO_CHANGE, *key)
            if found:
                await make_due(hand, found, at)
                await record(hand, self._merchant_id, at, actor, "resend", message_id)
            return await hand.read(hand.sql.MESSAGE_TO_CHANGE, *key)

        found: list[Row] = await self._access.write((self._merchant_id,), write, locks=False)
        return read_job(found[0], rendered=await rendering(self._access, found[0])) if found else None

    async def recover(self, since: datetime, until: datetime, at: datetime, actor: Actor) -> int:
        """Make everything PARKED or HELD that was made in the window due now, to start anew, and return how many."""
        subject = f"{since.isoformat()} to {until.isoformat()}"
        await self._access.write(
            (self._merchant_id,), lambda hand: record(hand, self._merchant_id, at, actor, "recover", subject)
        )
        return await make_all_due(self._access, self._merchant_id, self._stopped(since, until), at)

    async def _stopped(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[Row]]:
        for state in _STOPPED:
            pages = in_state(self._access, self._merchant_id, state, lowest_id(since), highest_id(until))
            async for page in pages:
                yield page


async def rendering(access: Access, row: Row) -> bytes | None:
    """Return what was rendered for the message of a row of `JOB_COLUMNS`."""
    if not row[_IS_RENDERED]:
        return None
    found = await access.read(access.sql.RENDERING, row[0], row[position("message_id")])
    return found[0][0] if found else None
