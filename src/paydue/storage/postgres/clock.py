"""
The database's time, which all nodes have in common, told without asking for it each time.

Leases run out, messages fall due and one-time values are forgotten by it, so that a node whose own clock is wrong takes
nothing too early from another.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from paydue.domain.errors import StoreUnavailable
from paydue.storage.postgres import statements as sql
from paydue.storage.postgres.replica import Reads
from paydue.usecases.ports import Clock

_EVERY_SECONDS: Final = 10.0
_MICROSECOND: Final = 1000
# Below that, what is measured is the way there and back.
_SMALLEST_NANOSECONDS: Final = 20_000_000
_WORTH_A_WARNING_NANOSECONDS: Final = 2_000_000_000
_LONGEST_WAY_NANOSECONDS: Final = 500_000_000

_log = logging.getLogger("paydue.storage")


class DatabaseClock:
    """The machine's clock, put right by what it was last found to differ from the database's."""

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._ahead_nanoseconds = 0
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self._own.now() + self._ahead

    def nanoseconds(self) -> int:
        return self._own.nanoseconds() + self._ahead_nanoseconds

    async def agree(self, readers: Reads) -> None:
        """
        Ask for the database's time once. An answer that was long on its way changes nothing.

        Raises StoreUnavailable.
        """
        before = self._own.nanoseconds()
        ((microseconds,),) = await readers.read(sql.PRESENT)
        way = (self._own.nanoseconds() - before) // 2
        if not 0 <= way <= _LONGEST_WAY_NANOSECONDS:
            return
        ahead = microseconds * _MICROSECOND - (before + way)
        if abs(ahead - self._ahead_nanoseconds) <= max(way, _SMALLEST_NANOSECONDS):
            return
        if abs(ahead - self._ahead_nanoseconds) >= _WORTH_A_WARNING_NANOSECONDS:
            _log.warning("clock_differs", extra={"seconds": round(-ahead / 1e9, 1), "effect": "the database's is used"})
        self._ahead_nanoseconds = ahead
        self._ahead = timedelta(microseconds=ahead // _MICROSECOND)

    async def keep_agreeing(self, readers: Reads) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.agree(readers)
            except StoreUnavailable:
                # What was found before is the best there is.
                continue
