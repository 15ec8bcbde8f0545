"""
Whose turn it is in the outbox: rows wait in lanes, and a few of each lane are taken at a time.

Webhooks wait in the lane of their subscription, mails in that of their merchant. So a receiver who is slow, or has much
to catch up with, keeps nobody else waiting; and what a lane holds behind its first rows costs nothing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from paydue.storage.outbox_rows import PLACE_COLUMNS, position
from paydue.storage.postgres import delivery_statements as sql
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.statements import EVERYBODY
from paydue.storage.postgres.works import Hand
from paydue.storage.rows import Row
from paydue.usecases.delivery_ports import JobState
from paydue.usecases.ports import Channel

# How many of one lane may be under way at once. A merchant's mails go to many. Workers who look at the same moment do
# not see each other's, so together they may take a few more; no row is ever taken twice.
SHARES: Final = {Channel.MAIL.value: 16, Channel.WEBHOOK.value: 8}

# So many lanes are looked at in one go; the next go continues behind them.
_LANES_AT_ONCE: Final = 1000
# So many rows of a lane are looked at in one go. What has to wait is put off, so that the next go gets further.
_ROWS_AT_ONCE: Final = 200
_ROWS_AHEAD: Final = 2 * max(SHARES.values())

_FOR_EVER: Final = "9999"
_HELD: Final = f"{JobState.HELD.value} "
_PENDING: Final = f"{JobState.PENDING.value} "
_CHANNEL: Final = position("channel")
_DUE_AT: Final = position("due_at")
_PLACE: Final = len(PLACE_COLUMNS)


class Lane(NamedTuple):
    """A lane that something waits in, and when its first row is due."""

    name: str
    first_due_at: str


class Lanes:
    """The lanes of one database, gone through in turn."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._continue_behind = ""

    async def due(self, at: str) -> list[Lane]:
        """Return lanes whose first row is due, the one that waits longest first."""
        lanes = await self._from(self._continue_behind)
        # Beyond the last lane it begins anew.
        self._continue_behind = lanes[-1].name if len(lanes) == _LANES_AT_ONCE else ""
        return sorted((lane for lane in lanes if lane.first_due_at <= at), key=_first_due_at)

    async def next_due(self) -> str | None:
        """Return when the first row, of all lanes, can be taken, as far as that is known now."""
        lanes, behind = [], ""
        while True:
            more = await self._from(behind)
            lanes += more
            if len(more) < _LANES_AT_ONCE:
                break
            behind = more[-1].name
        earliest: str | None = None
        for lane in sorted(lanes, key=_first_due_at):
            if earliest is not None and lane.first_due_at >= earliest:
                break
            moment = _first_moment(
                await self._readers.read(sql.WAITING_NOW, EVERYBODY, lane.name, _FOR_EVER, _ROWS_AHEAD)
            )
            if moment is not None and (earliest is None or moment < earliest):
                earliest = moment
        return earliest

    async def _from(self, behind: str) -> list[Lane]:
        return [Lane(*row) for row in await self._readers.read(sql.LANES, EVERYBODY, behind, _LANES_AT_ONCE)]


async def take(hand: Hand, lanes: Sequence[Lane], at: str, limit: int) -> list[Row]:
    """
    Return the rows of `JOB_COLUMNS` that may be taken now, at most `limit`, the oldest of each lane, oldest first.

    Each lane gives the same number while it can, within its share. What waits for another row is put off until then.
    """
    each = max(1, limit // len(lanes))
    room = limit
    taken: dict[str, list[Row]] = {}
    for lane in lanes:
        if not room:
            break
        taken[lane.name] = await _first_rows(hand, lane.name, at, min(each, room))
        room -= len(taken[lane.name])
    for name, found in taken.items():
        if room and len(found) == each:
            taken[name] = await _first_rows(hand, name, at, each + room)
            room -= len(taken[name]) - each
    return sorted((row for found in taken.values() for row in found), key=_age)


async def _first_rows(hand: Hand, lane: str, at: str, wanted: int) -> list[Row]:
    """Return the first rows of a lane that wait for nothing; no more than what is left of its share."""
    found: list[Row] = []
    # Mostly the very first will do; many are looked at only when those wait for others.
    for window in (min(wanted + _ROWS_AHEAD, _ROWS_AT_ONCE), _ROWS_AT_ONCE):
        waiting = await hand.read(sql.WAITING, lane, at, window)
        found, put_off, is_enough = _sort_out(waiting, at, wanted)
        for row in put_off:
            await hand.write(sql.PUT_OFF, *row)
        if is_enough or len(waiting) < window:
            break
    return found


def _sort_out(waiting: Sequence[Row], at: str, wanted: int) -> tuple[list[Row], list[Row], bool]:
    """Return what may be taken, what has to be put off, and whether no more of the lane may be taken now."""
    found: list[Row] = []
    put_off: list[Row] = []
    under_way = 0
    for taken_until, ahead, *row in waiting:
        if taken_until is not None and taken_until > at:
            under_way += 1
        elif ahead is None:
            found.append(tuple(row))
        elif ahead.startswith(_HELD):
            put_off.append((*row[:_PLACE], JobState.HELD.value, row[_DUE_AT]))
        elif (later := ahead.removeprefix(_PENDING)) > at:
            put_off.append((*row[:_PLACE], JobState.PENDING.value, later))
        if len(found) == wanted or len(found) + under_way >= SHARES[row[_CHANNEL]]:
            return found, put_off, True
    return found, put_off, False


def _first_moment(waiting: Sequence[Row]) -> str | None:
    """Return when the first of a lane's first rows can be taken; None when they wait for what is under way or held."""
    moments: list[str] = []
    for taken_until, ahead, *row in waiting:
        if taken_until is not None:
            moments.append(taken_until)
            if len(moments) == SHARES[row[_CHANNEL]]:
                break
        elif ahead is None:
            moments.append(row[_DUE_AT])
            break
    return min(moments, default=None)


def _first_due_at(lane: Lane) -> str:
    return lane.first_due_at


def _age(row: Row) -> Row:
    return row[_DUE_AT], *row[:_PLACE]
