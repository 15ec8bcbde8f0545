"""
The one-time values of tokens that any node has seen: a token used at one node is refused by all others.

Apart from the writer because every call with a token asks, also those that change nothing; and because what is
remembered for minutes need not wait for the disk.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from paydue.domain.errors import StoreUnavailable
from paydue.storage import rows
from paydue.storage.group_commit import GroupCommit
from paydue.storage.postgres import writes as sql
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.works import Hand
from paydue.storage.postgres.writer import Writer
from paydue.usecases.access_keys import AccessKey, one_time_mark
from paydue.usecases.ports import Clock

_USE_BYTES: Final = 8
_FORGET_AFTER: Final = 1000


class _Use(NamedTuple):
    merchant_id: str
    mark: bytes
    until: str
    # Tells this use from another one, so that asking again after a lost answer finds that it was the first.
    use: bytes


class UsedValues:
    """`usecases.access_keys.ReplayGuard` for all nodes of one database."""

    def __init__(self, readers: Readers, writer: Writer, clock: Clock) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._queue: GroupCommit[_Use, bool] = GroupCommit(self._note)
        self._noted = 0
        self._forgetting: asyncio.Task[None] | None = None

    async def first_use(self, key: AccessKey, jti: str, until: datetime) -> bool:
        """Remember the value until then and say whether no node has seen it before. Raises StoreUnavailable."""
        use = _Use(key.merchant_id, one_time_mark(key, jti), rows.time_text(until), os.urandom(_USE_BYTES))
        return await self._queue.submit(use)

    async def close(self) -> None:
        """Finish what was asked."""
        await self._queue.close()
        if self._forgetting is not None:
            await self._forgetting

    async def _note(self, uses: Sequence[_Use]) -> list[bool]:
        firsts: dict[tuple[str, bytes], _Use] = {}
        for each in uses:
            firsts.setdefault((each.merchant_id, each.mark), each)
        columns = [list(column) for column in zip(*firsts.values(), strict=True)]
        merchants = "\n".join(dict.fromkeys(columns[0]))
        new = {use for (use,) in await self._readers.read(sql.USE_ONCE, merchants, *columns)}
        self._noted += len(new)
        if self._noted >= _FORGET_AFTER and (self._forgetting is None or self._forgetting.done()):
            self._forgetting = asyncio.get_running_loop().create_task(self._forget(2 * self._noted))
            self._noted = 0
        return [each.use in new for each in uses]

    async def _forget(self, at_most: int) -> None:
        """Drop values that matter no more, faster than new ones come."""
        before = rows.time_text(self._clock.now())

        async def forget(hand: Hand) -> None:
            await hand.write(sql.FORGET_USED, before, at_most)

        try:
            await self._writer.small((), forget)
        except StoreUnavailable:
            # Later ones go with those of another time.
            self._noted += at_most // 2
