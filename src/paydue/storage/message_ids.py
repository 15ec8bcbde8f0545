"""The ids of outbox messages: made by us, so that any number of writers can give them out without asking each other."""

import os
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_CHANCE: Final = (1 << 74) - 1
_LOW_CHANCE: Final = (1 << 62) - 1


class MessageIds:
    """
    Fresh UUIDs (version 7): the time comes first, so that rows of one moment lie together.

    The 74 bits of chance are drawn once and counted up, which the standard allows and which is much cheaper.
    """

    def __init__(self) -> None:
        self._chance = int.from_bytes(os.urandom(10), "big") & _CHANCE

    def fresh(self, at: datetime, count: int) -> list[bytes]:
        """Return that many ids for messages of that moment."""
        head = ((at - _EPOCH) // _MILLISECOND << 80) | 7 << 76 | 2 << 62
        ids = []
        for _ in range(count):
            self._chance = chance = self._chance + 1 & _CHANCE
            ids.append((head | chance >> 62 << 64 | chance & _LOW_CHANCE).to_bytes(16, "big"))
        return ids
