"""
Counting invoices by status in blocks of serials, so that any page of a filtered list is found in a few small steps.

Shared by the engines. A block of size n holds the serials of which serial // n is its number. The table keeps, for
each merchant, status and size, how many invoices of a block have that status; the sums are kept right in the
transaction of every change. The largest block holds everything: it is the counter of the status.
"""

from collections.abc import Iterator
from typing import Final

SMALL: Final = 128
LARGE: Final = 16_384
WHOLE: Final = 1 << 62
SIZES: Final = (SMALL, LARGE, WHOLE)


class Moves:
    """What a batch of changes does to the counts: invoices that enter and leave a status."""

    def __init__(self) -> None:
        self._by_small_block: dict[tuple[str, str, int], int] = {}

    def enter(self, merchant_id: str, status: str, serial: int) -> None:
        key = (merchant_id, status, serial // SMALL)
        self._by_small_block[key] = self._by_small_block.get(key, 0) + 1

    def leave(self, merchant_id: str, status: str, serial: int) -> None:
        key = (merchant_id, status, serial // SMALL)
        self._by_small_block[key] = self._by_small_block.get(key, 0) - 1

    def differences(self) -> Iterator[tuple[str, str, int, int, int]]:
        """Yield merchant id, status, size, block and how its count changes, for each count that does."""
        totals: dict[tuple[str, str, int, int], int] = {}
        for (merchant_id, status, small), count in self._by_small_block.items():
            for size in SIZES:
                key = (merchant_id, status, size, small * SMALL // size)
                totals[key] = totals.get(key, 0) + count
        for key, count in totals.items():
            if count:
                yield (*key, count)
