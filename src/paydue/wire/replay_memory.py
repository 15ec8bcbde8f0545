"""The one-time values that one process has seen, in memory; processes that share a database remember them there."""

from datetime import datetime
from typing import Final

from paydue.usecases.access_keys import AccessKey, ReplayMemoryFull, one_time_mark
from paydue.usecases.ports import Clock

_SLOT_SECONDS: Final = 5


class ReplayMemory:
    """
    A bounded `ReplayGuard`.

    Entries are kept in slots of five seconds by the time until which they matter, so that the outdated go slot by
    slot, without a search. When it is full it refuses new values: forgetting one early would let it be used twice.
    """

    def __init__(self, clock: Clock, capacity: int = 1_000_000) -> None:
        self._clock = clock
        self._capacity = capacity
        self._seen: set[bytes] = set()
        self._slots: dict[int, list[bytes]] = {}
        self._current_slot = 0

    async def first_use(self, key: AccessKey, jti: str, until: datetime) -> bool:
        """Remember the value until then and say whether it was new. Raises ReplayMemoryFull."""
        self._forget_outdated()
        mark = one_time_mark(key, jti)
        if mark in self._seen:
            return False
        if len(self._seen) >= self._capacity:
            raise ReplayMemoryFull(f"{self._capacity} one-time values are remembered already")
        self._seen.add(mark)
        self._slots.setdefault(int(until.timestamp()) // _SLOT_SECONDS, []).append(mark)
        return True

    def _forget_outdated(self) -> None:
        current = self._clock.nanoseconds() // (_SLOT_SECONDS * 1_000_000_000)
        if current == self._current_slot:
            return
        self._current_slot = current
        for slot in [each for each in self._slots if each < current]:
            self._seen.difference_update(self._slots.pop(slot))
