"""
Whose turn it is in the outbox: rows wait in lanes, and a few of each lane are taken at a time.

Webhooks wait in the lane of their subscription, mails in that of their merchant. So a receiver who is slow, or has much
to catch up with, keeps nobody else waiting; and what a lane holds behind its first rows costs nothing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from paydue.storage.outbox_rows import PLACE_COLUMNS, position
from paydue.storage.rows import Row
from paydue.storage.sqlite import delivery_statements as sql
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.engine import Engine
from paydue.usecases.delivery_ports import JobState
from paydue.usecases.ports import Channel

# How many of one lane may be under way at once, in all workers together. A merchant's mails go to many.
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
    """The lanes of one file, gone through in turn."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._continue_behind = ""

    def due(self, at: str) -> list[Lane]:
        """Return lanes whose first row is due, the one that waits longest first."""
        lanes = self._from(self._continue_behind)
        # Beyond the last lane it begins anew.
        self._continue_behind = lanes[-1].name if len(lanes) == _LANES_AT_ONCE else ""
        return sorted((lane for lane in lanes if lane.first_due_at <= at), key=_first_due_at)

    def next_due(self) -> str | None:
        """Return when the first row, of all lanes, can be taken, as far as that is known now."""
        lanes, behind = [], ""
        while True:
            more = self._from(behind)
            lanes += more
            if len(more) < _LANES_AT_ONCE:
                break
            behind = more[-1].name
        earliest: str | None = None
        for lane in sorted(lanes, key=_first_due_at):
            if earliest is not None and lane.first_due_at >= earliest:
                break
            moment = _first_moment(self._engine.read(sql.WAITING, (lane.name, _FOR_EVER, _ROWS_AHEAD)))
            if moment is not None and (earliest is None or moment < earliest):
                earliest = moment
        return earliest

    def _from(self, behind: str) -> list[Lane]:
        return [Lane(*row) for row in self._engine.read(sql.LANES, (behind, _LANES_AT_ONCE))]


def take(batch: Batch, lanes: Sequence[Lane], at: str, limit: int) -> list[Row]:
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
        taken[lane.name] = _first_rows(batch, lane.name, at, min(each, room))
        room -= len(taken[lane.name])
    for name, found in taken.items():
        if room and len(found) == each:
            taken[name] = _first_rows(batch, name, at, each + room)
            room -= len(taken[name]) - each
    return sorted((row for found in taken.values() for row in found), key=_age)


def _first_rows(batch: Batch, lane: str, at: str, wanted: int) -> list[Row]:
    """Return the first rows of a lane that wait for nothing; no more than what is left of its share."""
    found: list[Row] = []
    put_off: list[Row] = []
    under_way = 0
    for taken_until, ahead, *row in batch.each(sql.WAITING, (lane, at, _ROWS_AT_ONCE)):
        if taken_until is not None and taken_until > at:
            under_way += 1
        elif ahead is None:
            found.append(tuple(row))
        elif ahead.startswith(_HELD):
            put_off.append((*row[:_PLACE], JobState.HELD.value, row[_DUE_AT]))
        elif (later := ahead.removeprefix(_PENDING)) > at:
            put_off.append((*row[:_PLACE], JobState.PENDING.value, later))
        if len(found) == wanted or len(found) + under_way >= SHARES[row[_CHANNEL]]:
            break
    batch.write_each(sql.PUT_OFF, put_off)
    return found


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
