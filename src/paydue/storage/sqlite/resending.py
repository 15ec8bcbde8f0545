"""Making messages due again that were held, given up, or done with: a page at a time, each under the id it had."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from paydue.storage import rows
from paydue.storage.outbox_rows import HIGHEST_ID, LOWEST_ID, PLACE_COLUMNS, made_at, position
from paydue.storage.rows import Row
from paydue.storage.sqlite import delivery_statements as sql
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.writer import Writer
from paydue.usecases.delivery_ports import JobState

# So many are read and written in one go, so that nobody else waits for long.
_AT_ONCE: Final = 500

_PLACE: Final = len(PLACE_COLUMNS)
_MESSAGE_ID: Final = position("message_id")
_CHANNEL: Final = position("channel")
_RECIPIENT: Final = position("recipient")
_STATE: Final = position("state")


async def make_all_due(
    writer: Writer,
    pages: Iterable[Sequence[Row]],
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
    for page in pages:
        found = [row for row in page if wanted(row)]
        if found:
            made += await writer.submit(partial(make_due, found=found, at=at, by_age=True, is_replay=is_replay))
        else:
            # Reading through many that nobody wants must not keep the loop.
            await asyncio.sleep(0)
    return made


def make_due(batch: Batch, found: Sequence[Row], at: datetime, *, by_age: bool = False, is_replay: bool = False) -> int:
    """
    Make messages due, each to start anew, and return how many; those that are in another state by now stay as they are.

    What a worker has just now is left to it. `by_age` makes each due from its making on, so that the oldest goes first.
    """
    now = rows.time_text(at)
    made = 0
    for row in found:
        place = row[:_PLACE]
        due_at = min(rows.time_text(made_at(row[_MESSAGE_ID])), now) if by_age else now
        if batch.write(sql.MAKE_DUE, (due_at, is_replay, *place, row[_STATE], now)):
            made += 1
            # What was put off behind it would otherwise wait for the time at which this one was due before.
            batch.write(sql.BRING_FORWARD, (now, *place, row[_CHANNEL], row[_RECIPIENT], now))
    return made


def in_state(
    engine: Engine, merchant_id: str, state: JobState, after: bytes = LOWEST_ID, until: bytes = HIGHEST_ID
) -> Iterator[Sequence[Row]]:
    """Yield a merchant's messages in that state, with ids above `after` up to `until`, oldest first, in pages."""
    while found := engine.read(sql.IN_STATE, (merchant_id, state.value, after, until, _AT_ONCE)):
        yield found
        after = found[-1][_MESSAGE_ID]


def held_for(engine: Engine, merchant_id: str, recipient: str) -> Iterator[Sequence[Row]]:
    """Yield a merchant's messages that are held for a recipient, oldest first, in pages."""
    after = LOWEST_ID
    while found := engine.read(sql.HELD, (merchant_id, recipient, after, _AT_ONCE)):
        yield found
        after = found[-1][_MESSAGE_ID]
