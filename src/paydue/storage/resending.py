"""Making messages due again that were held, given up, or done with: a page at a time, each under the id it had."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final

from paydue.storage import rows
from paydue.storage.access import Access, Hand
from paydue.storage.outbox_rows import HIGHEST_ID, LOWEST_ID, PLACE_COLUMNS, made_at, position
from paydue.storage.rows import Row
from paydue.usecases.delivery_ports import JobState

# So many are read and written in one go, so that nobody else waits for long.
_AT_ONCE: Final = 200

_PLACE: Final = len(PLACE_COLUMNS)
_MESSAGE_ID: Final = position("message_id")
_CHANNEL: Final = position("channel")
_RECIPIENT: Final = position("recipient")
_STATE: Final = position("state")


async def make_all_due(
    access: Access,
    merchant_id: str,
    pages: AsyncIterable[Sequence[Row]],
    at: datetime,
    wanted: Callable[[Row], bool] = lambda _: True,
    *,
    is_replay: bool = False,
) -> int:
    """
    Make what is wanted of these messages due, as `make_due` does, oldest first, and return how many.

    Each page is kept by itself.
    """
    made = 0
    async for page in pages:
        found = [row for row in page if wanted(row)]
        if found:

            async def make(hand: Hand, found: Sequence[Row] = found) -> int:
                return await make_due(hand, found, at, by_age=True, is_replay=is_replay)

            made += await access.write((merchant_id,), make, locks=False)
        else:
            # Reading through many that nobody wants must not keep the loop.
            await asyncio.sleep(0)
    return made


async def make_due(
    hand: Hand, found: Sequence[Row], at: datetime, *, by_age: bool = False, is_replay: bool = False
) -> int:
    """
    Make messages due, each to start anew, and return how many; those that are in another state by now stay as they are.

    What a worker has just now is left to it. `by_age` makes each due from its making on, so that the oldest goes first.
    """
    now = rows.time_text(at)
    made = 0
    for row in found:
        place = row[:_PLACE]
        due_at = min(rows.time_text(made_at(row[_MESSAGE_ID])), now) if by_age else now
        if await hand.write(hand.sql.MAKE_DUE, *place, due_at, is_replay, row[_STATE], now):
            made += 1
            # What was put off behind it would otherwise wait for the time at which this one was due before.
            await hand.write(hand.sql.BRING_FORWARD, *place, row[_CHANNEL], row[_RECIPIENT], now)
    return made


async def in_state(
    access: Access, merchant_id: str, state: JobState, after: bytes = LOWEST_ID, until: bytes = HIGHEST_ID
) -> AsyncIterator[Sequence[Row]]:
    """Yield a merchant's messages in that state, with ids above `after` up to `until`, oldest first, in pages."""
    while found := await access.read(access.sql.IN_STATE, merchant_id, state.value, after, until, _AT_ONCE):
        yield found
        after = found[-1][_MESSAGE_ID]


async def held_for(access: Access, merchant_id: str, recipient: str) -> AsyncIterator[Sequence[Row]]:
    """Yield a merchant's messages that are held for a recipient, oldest first, in pages."""
    after = LOWEST_ID
    while found := await access.read(access.sql.HELD, merchant_id, recipient, after, _AT_ONCE):
        yield found
        after = found[-1][_MESSAGE_ID]
