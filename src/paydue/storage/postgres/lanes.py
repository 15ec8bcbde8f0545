"""
Whose turn it is in the outbox: rows wait in lanes, and a few of each lane are taken at a time.

Webhooks wait in the lane of their subscription, mails in that of their merchant. So a receiver who is slow, or has much
to catch up with, keeps nobody else waiting; and what a lane holds behind its first rows costs nothing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

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
# So many more than are wanted are looked at first, of each lane: all lanes travel together.
_ROWS_AHEAD: Final = 8
_ROWS_ASKED_WHEN: Final = 2 * max(SHARES.values())

_HELD: Final = f"{JobState.HELD.value} "
_PENDING: Final = f"{JobState.PENDING.value} "


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
            waiting = await self._readers.read(sql.WAITING_NOW, EVERYBODY, lane.name, _ROWS_ASKED_WHEN)
            moment = _first_moment([Waiting(*row) for row in waiting])
            if moment is not None and (earliest is None or moment < earliest):
                earliest = moment
        return earliest

    async def _from(self, behind: str) -> list[Lane]:
        return [Lane(*row) for row in await self._readers.read(sql.LANES, EVERYBODY, behind, _LANES_AT_ONCE)]


class Waiting(NamedTuple):
    """A row that waits in a lane: until when it is taken, and what it waits for, if anything."""

    lane: str
    taken_until: str | None
    ahead: str | None
    merchant_id: str
    serial: int
    position: int
    part: int
    due_at: str
    channel: str

    @property
    def place(self) -> Row:
        return self.merchant_id, self.serial, self.position, self.part


async def take(hand: Hand, lanes: Sequence[Lane], at: str, limit: int) -> list[Row]:
    """
    Return the places of the rows that may be taken now, at most `limit`, the oldest of each lane.

    Each lane gives the same number while it can, within its share. What waits for another row is put off until then.
    """
    each = max(1, limit // len(lanes))
    taken = await _first_rows(hand, [lane.name for lane in lanes[:limit]], at, each)
    room = limit - sum(map(len, taken.values()))
    have_more = [name for name, found in taken.items() if len(found) == each]
    if room > 0 and have_more:
        for name, found in (await _first_rows(hand, have_more, at, each + room)).items():
            room += len(taken[name])
            taken[name] = found[: max(room, 0)]
            room -= len(taken[name])
    return [row.place for found in taken.values() for row in found]


async def _first_rows(hand: Hand, lanes: list[str], at: str, wanted: int) -> dict[str, list[Waiting]]:
    """Return the first rows of each lane that wait for nothing; no more than what is left of its share."""
    found: dict[str, list[Waiting]] = {}
    # Mostly the very first will do; many are looked at only where those wait for others.
    for window in (min(wanted + _ROWS_AHEAD, _ROWS_AT_ONCE), _ROWS_AT_ONCE):
        waiting: dict[str, list[Waiting]] = {lane: [] for lane in lanes}
        for row in await hand.read(sql.WAITING, lanes, at, window):
            waiting[row[0]].append(Waiting(*row))
        lanes = []
        for lane, rows in waiting.items():
            found[lane], put_off, is_enough = _sort_out(rows, at, wanted)
            for row in put_off:
                await hand.write(sql.PUT_OFF, *row)
            if not is_enough and len(rows) == window:
                lanes.append(lane)
        if not lanes:
            break
    return found


def _sort_out(waiting: Sequence[Waiting], at: str, wanted: int) -> tuple[list[Waiting], list[Row], bool]:
    """Return what may be taken, what has to be put off, and whether no more of the lane may be taken now."""
    found: list[Waiting] = []
    put_off: list[Row] = []
    under_way = 0
    for row in waiting:
        if row.taken_until is not None and row.taken_until > at:
            under_way += 1
        elif row.ahead is None:
            found.append(row)
        elif row.ahead.startswith(_HELD):
            put_off.append((*row.place, JobState.HELD.value, row.due_at))
        elif (later := row.ahead.removeprefix(_PENDING)) > at:
            put_off.append((*row.place, JobState.PENDING.value, later))
        if len(found) == wanted or len(found) + under_way >= SHARES[row.channel]:
            return found, put_off, True
    return found, put_off, False


def _first_moment(waiting: Sequence[Waiting]) -> str | None:
    """Return when the first of a lane's first rows can be taken; None when they wait for what is under way or held."""
    moments: list[str] = []
    for row in waiting:
        if row.taken_until is not None:
            moments.append(row.taken_until)
            if len(moments) == SHARES[row.channel]:
                break
        elif row.ahead is None:
            moments.append(row.due_at)
            break
    return min(moments, default=None)


def _first_due_at(lane: Lane) -> str:
    return lane.first_due_at
