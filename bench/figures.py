"""The arithmetic of the benchmarks: percentiles, medians and ratios, apart so that tests can check it."""

from collections.abc import Sequence
from statistics import median

import msgspec


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers took, in milliseconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The middle of several measurements of one thing, and how far they lie apart."""

    median: float
    low: float
    high: float


def latency_of(nanoseconds: Sequence[int]) -> Latency:
    """Answer the summary of these durations; refuses none at all with ValueError."""
    ordered = sorted(nanoseconds)
    return Latency(
        p50_ms=percentile(ordered, 50) / 1e6,
        p99_ms=percentile(ordered, 99) / 1e6,
        max_ms=percentile(ordered, 100) / 1e6,
    )


def percentile(ordered: Sequence[int], percent: int) -> int:
    """
    Answer the smallest of the `ordered` values that is not exceeded by at least `percent` per cent of them.

    This is the nearest-rank method: the answer is always a value that was measured. Refuses an empty sequence and a
    percentage outside 1 to 100 with ValueError.
    """
    if not ordered:
        raise ValueError("a percentile of no values was asked for")
    if not 1 <= percent <= 100:
        raise ValueError(f"a percentile lies between 1 and 100, not at {percent}")
    # Whole numbers all the way: ceil(0.99 * 100) is 100 in floats on some days.
    rank = -(-percent * len(ordered) // 100)
    return ordered[rank - 1]


def ratio(product_per_second: float, floor_per_second: float) -> float:
    """Answer the product's speed as a share of the floor's; refuses a floor that did not move with ValueError."""
    if floor_per_second <= 0:
        raise ValueError("the floor answered nothing, so nothing can be compared with it")
    return product_per_second / floor_per_second


def spread_of(values: Sequence[float]) -> Spread:
    """Answer the median of the values and their extremes; refuses none at all with ValueError."""
    if not values:
        raise ValueError("the spread of no values was asked for")
    return Spread(median=median(values), low=min(values), high=max(values))
