"""
Lists read from a standby, and never older than is allowed; from the primary whenever the standby cannot promise that.

Apart from the pool because "how old" has to be asked: of the primary, how far it had written; of the standby, whether
it is as far. By default the first is asked anew, so that whoever has made an invoice, at any node, finds it in lists.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final, Protocol

from paydue.domain.errors import StoreUnavailable
from paydue.storage.group_commit import GroupCommit
from paydue.storage.postgres import statements as sql
from paydue.storage.postgres.sessions import Readers
from paydue.storage.rows import Row

_STANDBY_READERS: Final = 8
# What a standby that is well needs at most to follow; then the primary is quicker.
_PAUSES_SECONDS: Final = (0.001, 0.002, 0.004, 0.008, 0.016)
_LEFT_ALONE_WHEN_BEHIND_SECONDS: Final = 1.0
_LEFT_ALONE_WHEN_AWAY_SECONDS: Final = 5.0

_log = logging.getLogger("paydue.storage")


class Reads(Protocol):
    async def read(self, statement: str, *values: Any) -> list[Row]:
        """Return the rows of one statement. Raises StoreUnavailable, StoreBusy."""
        ...


class Replica:
    """`Reads` from the standby at `url`, at most `lag_seconds` behind the primary, or else from the primary."""

    def __init__(self, url: str, primary: Readers, lag_seconds: float = 0) -> None:
        self._url = url
        self._standby = Readers(url, _STANDBY_READERS)
        self._primary = primary
        self._lag_seconds = lag_seconds
        self._asking: GroupCommit[None, int] = GroupCommit(self._ask_primary)
        self._position = 0
        self._position_at = float("-inf")
        self._reached = 0
        self._is_same: bool | None = None
        self._left_alone_until = float("-inf")
        self._is_well = True

    async def read(self, statement: str, *values: Any) -> list[Row]:
        """Return the rows of one statement that only reads. Raises StoreUnavailable, StoreBusy."""
        if await self._will_do():
            try:
                rows = await self._standby.read(statement, *values)
            except StoreUnavailable as failure:
                self._lose(failure)
            else:
                self._note(is_well=True)
                return rows
        return await self._primary.read(statement, *values)

    async def place(self, primary_url: str) -> str:
        """Return where to read what takes long: the standby's address while it may serve, or else the primary's."""
        if await self._will_do():
            try:
                # How far it is may have been asked a while ago.
                await self._standby.read(sql.FOLLOWED_UP_TO)
            except StoreUnavailable as failure:
                self._lose(failure)
            else:
                return self._url
        return primary_url

    async def close(self) -> None:
        """Let go of the standby."""
        await self._asking.close()
        await self._standby.close()

    async def _will_do(self) -> bool:
        """Tell whether the standby answers and is as far as it has to be."""
        if asyncio.get_running_loop().time() < self._left_alone_until:
            return False
        wanted = await self._wanted()
        try:
            if await self._has_reached(wanted):
                return True
            self._leave_alone(_LEFT_ALONE_WHEN_BEHIND_SECONDS, "it is behind, or no standby")
        except StoreUnavailable as failure:
            self._lose(failure)
        return False

    def _lose(self, failure: StoreUnavailable) -> None:
        """Take it for away: it may also be busy, or have broken off what was in the way of its following."""
        self._reached, self._is_same = 0, None
        self._leave_alone(_LEFT_ALONE_WHEN_AWAY_SECONDS, str(failure))

    async def _wanted(self) -> int:
        """Return how far the standby has to be."""
        if asyncio.get_running_loop().time() < self._position_at + self._lag_seconds:
            return self._position
        return await self._asking.submit(None)

    async def _ask_primary(self, callers: Sequence[None]) -> list[int]:
        asked_at = asyncio.get_running_loop().time()
        ((position,),) = await self._primary.read(sql.WRITTEN_UP_TO)
        self._position, self._position_at = position, asked_at
        return [position] * len(callers)

    async def _has_reached(self, wanted: int) -> bool:
        if self._is_same is None:
            self._is_same = await self._standby.read(sql.SYSTEM) == await self._primary.read(sql.SYSTEM)
        if not self._is_same:
            return False
        for pause in (*_PAUSES_SECONDS, None):
            if self._reached >= wanted:
                return True
            ((reached,),) = await self._standby.read(sql.FOLLOWED_UP_TO)
            if reached is None:
                # It follows nobody any more: it was made a primary.
                return False
            self._reached = max(self._reached, reached)
            if self._reached < wanted and pause is not None:
                await asyncio.sleep(pause)
        return self._reached >= wanted

    def _leave_alone(self, seconds: float, reason: str) -> None:
        self._left_alone_until = asyncio.get_running_loop().time() + seconds
        self._note(is_well=False, reason=reason)

    def _note(self, *, is_well: bool, reason: str = "") -> None:
        """Say once when the standby cannot be used any more, and once when it can again."""
        if is_well is not self._is_well:
            self._is_well = is_well
            if is_well:
                _log.info("replica_is_back")
            else:
                _log.warning("replica_not_used", extra={"reason": reason, "effect": "the primary serves lists"})
