"""
When a notification that was not taken is tried again: the subscriber's own policy, within the operator's limits.

Apart from subscriptions because it is plain arithmetic over minutes, and because the operator's default is one too.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec


class Algorithm(StrEnum):
    """How the minutes of the n-th retry come about: a + r(n-1), or a * r^(n-1)."""

    ARITHMETIC = "ARITHMETIC"
    GEOMETRIC = "GEOMETRIC"


class RetryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator allows at most, whatever a policy asks for. What lies beyond is not tried."""

    most_attempts: int = 100
    longest_minutes: int = 30 * 24 * 60


OPEN_LIMITS: Final = RetryLimits()


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    `first_retry` and `interval` are the formula's a and r. The whole sequence runs `repeat_sequence_count` times more.

    `suspends` holds notifications back when every try has failed, instead of giving them up. `jitter_percent` is how
    much later a retry may be, so that many receivers coming back are not all met at once. `additional_attributes`
    are the subscriber's own, kept and shown.
    """

    algorithm: Algorithm = Algorithm.ARITHMETIC
    first_retry: int = 1
    interval: int = 1
    number_of_retries: int = 3
    suspends: bool = False
    repeat_sequence_count: int = 0
    repeat_sequence_wait_minutes: int = 0
    jitter_percent: int = 0
    additional_attributes: tuple[dict[str, str], ...] = ()

    def attempt_times(
        self, first_failure_at: datetime, *, limits: RetryLimits = OPEN_LIMITS, jitter: float = 0.0
    ) -> tuple[datetime, ...]:
        """
        Return when to try again, counted from the first failure, earliest first.

        `jitter` from 0 to 1 is the message's share of the policy's jitter; the same share gives the same times.
        """
        stretch = 1 + self.jitter_percent / 100 * min(max(jitter, 0.0), 1.0)
        return tuple(
            first_failure_at + timedelta(seconds=round(minutes * 60 * stretch)) for minutes in self.offsets(limits)
        )

    def offsets(self, limits: RetryLimits) -> Iterator[int]:
        """Yield the whole minutes from the first failure to each retry, each at least one above the one before."""
        attempts = last = 0
        for sequence in range(self.repeat_sequence_count + 1):
            start = last + (self.repeat_sequence_wait_minutes if sequence else 0)
            term = self.first_retry
            for _ in range(self.number_of_retries):
                # A policy may name a minute twice (an interval of 0, a ratio of 1): two tries at once help nobody.
                last = max(start + term, last + 1)
                if attempts == limits.most_attempts or last > limits.longest_minutes:
                    return
                yield last
                attempts += 1
                term = term + self.interval if self.algorithm is Algorithm.ARITHMETIC else term * self.interval
            if not self.number_of_retries:
                return


class DefaultPolicy(StrEnum):
    """The operator's choice for subscriptions that bring no policy of their own."""

    COMPATIBLE = "compat"
    RESILIENT = "resilient"


# The first is the original's. The second doubles from one minute to 34 hours, so that a receiver that is down over
# night loses nothing.
DEFAULTS: Final = {
    DefaultPolicy.COMPATIBLE: RetryPolicy(),
    DefaultPolicy.RESILIENT: RetryPolicy(
        algorithm=Algorithm.GEOMETRIC, first_retry=1, interval=2, number_of_retries=12, jitter_percent=10
    ),
}
