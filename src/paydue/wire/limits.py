"""
Counting limits: how often a key may call, and how often anybody may be wrong.

Apart from authentication because they are plain arithmetic over a monotonic clock. Every map is bounded: when one is
full, the entry that was touched longest ago makes room.
"""

from collections.abc import Callable
from typing import Final

_ENTRIES: Final = 10_000


class RequestLimit:
    """
    A token bucket for each caller: `per_second` on average, `burst` at once; 0 a second is no limit.

    For each caller one number is kept: the time at which its bucket will be full again.
    """

    def __init__(
        self, per_second: float, burst: float, monotonic: Callable[[], float], entries: int = _ENTRIES
    ) -> None:
        self._seconds_each = 1 / per_second if per_second > 0 else 0.0
        self._slack = max(burst, 1) * self._seconds_each
        self._monotonic = monotonic
        self._entries = entries
        self._full_at: dict[str, float] = {}

    def take(self, who: str) -> float:
        """Take one token and return 0; or, when there is none, take nothing and return the seconds until there is."""
        if not self._seconds_each:
            return 0.0
        now = self._monotonic()
        # Taken out and put back: a dict keeps the order of insertion, so its first entry is the least recently used.
        full_at = max(self._full_at.pop(who, now), now)
        wait = full_at + self._seconds_each - self._slack - now
        if wait <= _ROUNDING:
            full_at += self._seconds_each
            wait = 0.0
        _make_room(self._full_at, self._entries)
        self._full_at[who] = full_at
        return wait


# Sums of many small floats: a token must not come a whole retry later because of the last binary digit.
_ROUNDING: Final = 1e-6


class FailureLimit:
    """Failures of each caller in a window of fixed length that begins with the first one; 0 allowed is no limit."""

    def __init__(
        self, allowed: int, window_seconds: float, monotonic: Callable[[], float], entries: int = _ENTRIES
    ) -> None:
        self._allowed = allowed
        self._window_seconds = window_seconds
        self._monotonic = monotonic
        self._entries = entries
        self._windows: dict[str, tuple[float, int]] = {}

    def count(self, who: str) -> float:
        """Count one failure and return 0; or, above the limit, the seconds until the window is over."""
        if not self._allowed:
            return 0.0
        now = self._monotonic()
        began, failures = self._windows.pop(who, (now, 0))
        if now - began >= self._window_seconds:
            began, failures = now, 0
        failures += 1
        _make_room(self._windows, self._entries)
        self._windows[who] = (began, failures)
        return began + self._window_seconds - now if failures > self._allowed else 0.0


def _make_room(entries: dict[str, float] | dict[str, tuple[float, int]], at_most: int) -> None:
    if len(entries) >= at_most:
        del entries[next(iter(entries))]
