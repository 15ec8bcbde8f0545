"""What was read a moment ago, kept for at most five seconds: keys and settings, which every request needs."""

import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

# Another process (a command, another node) may have changed a value: for so long it may go unnoticed here.
SECONDS: Final = 5.0
_ENTRIES: Final = 10_000


class ShortMemory(Generic[Key, Value]):
    """A bounded memory. What is changed through this process has to be forgotten at once by whoever changes it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._entries: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key) -> Value | None:
        """Return the value unless it is unknown or too old."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None and self._monotonic() < entry[0] else None

    def keep(self, key: Key, value: Value) -> None:
        if len(self._entries) >= _ENTRIES:
            self._entries.clear()
        self._entries[key] = (self._monotonic() + SECONDS, value)

    def forget(self, key: Key) -> None:
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()
