"""When a notification is tried again: the published tables, and limits that no policy can pass."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from paydue.domain.retry_policy import DEFAULTS, Algorithm, DefaultPolicy, RetryLimits, RetryPolicy
from webhook_builders import NOON


def minutes_of(policy: RetryPolicy, **limits: int) -> list[float]:
    times = policy.attempt_times(NOON, limits=RetryLimits(**limits))
    return [(time - NOON).total_seconds() / 60 for time in times]


@pytest.mark.parametrize(
    "algorithm, first, interval, retries, minutes",
    [
        ("ARITHMETIC", 1, 1, 3, [1, 2, 3]),
        ("ARITHMETIC", 10, 30, 3, [10, 40, 70]),
        ("GEOMETRIC", 10, 30, 3, [10, 300, 9000]),
        ("GEOMETRIC", 3, 5, 4, [3, 15, 75, 375]),
    ],
)
def test_retries_come_at_the_published_minutes_after_the_first_failure(algorithm, first, interval, retries, minutes):
    policy = RetryPolicy(
        algorithm=Algorithm(algorithm), first_retry=first, interval=interval, number_of_retries=retries
    )
    assert minutes_of(policy) == minutes


def test_a_subscription_without_a_policy_is_retried_like_the_original_does():
    assert minutes_of(DEFAULTS[DefaultPolicy.COMPATIBLE]) == [1, 2, 3]


def test_sequences_are_repeated_after_the_wait_between_them():
    assert minutes_of(RetryPolicy(repeat_sequence_count=2, repeat_sequence_wait_minutes=60)) == [
        1, 2, 3, 64, 65, 66, 127, 128, 129,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "policy",
    [
        RetryPolicy(interval=0),
        RetryPolicy(first_retry=0, interval=0),
        RetryPolicy(algorithm=Algorithm.GEOMETRIC, interval=1),
        RetryPolicy(algorithm=Algorithm.GEOMETRIC, interval=0),
    ],
)
def test_a_policy_that_names_a_minute_twice_is_tried_a_minute_later(policy):
    assert minutes_of(policy) == [1, 2, 3]


def test_a_policy_without_retries_has_none_however_often_they_are_repeated():
    assert minutes_of(RetryPolicy(number_of_retries=0, repeat_sequence_count=1000)) == []


def test_what_lies_beyond_the_operators_limits_is_not_tried():
    endless = RetryPolicy(number_of_retries=1000, repeat_sequence_count=1000)

    assert minutes_of(endless, most_attempts=5) == [1, 2, 3, 4, 5]
    assert minutes_of(endless, longest_minutes=4) == [1, 2, 3, 4]
    assert minutes_of(RetryPolicy(algorithm=Algorithm.GEOMETRIC, first_retry=10, interval=30), longest_minutes=299) == [
        10
    ]


def test_the_resilient_policy_doubles_over_a_day_and_more():
    minutes = minutes_of(DEFAULTS[DefaultPolicy.RESILIENT])

    assert all(later == 2 * earlier for earlier, later in pairwise(minutes))
    assert minutes[0] == 1
    assert 24 * 60 <= minutes[-1] <= 48 * 60


def test_jitter_makes_a_resilient_retry_up_to_a_tenth_later_and_never_earlier():
    policy = DEFAULTS[DefaultPolicy.RESILIENT]
    plain, half, most = (policy.attempt_times(NOON, jitter=share) for share in (0.0, 0.5, 1.0))

    assert half[-1] - NOON == (plain[-1] - NOON) * 1.05
    assert most[-1] - NOON == (plain[-1] - NOON) * 1.1
    assert policy.attempt_times(NOON, jitter=7.0) == most
    assert policy.attempt_times(NOON, jitter=-1.0) == plain


def test_a_policy_of_the_subscribers_own_has_no_jitter():
    assert RetryPolicy().attempt_times(NOON, jitter=1.0) == RetryPolicy().attempt_times(NOON)


policies = st.builds(
    RetryPolicy,
    algorithm=st.sampled_from(Algorithm),
    first_retry=st.integers(0, 1_000_000),
    interval=st.integers(0, 1_000_000),
    number_of_retries=st.integers(0, 1000),
    repeat_sequence_count=st.integers(0, 1000),
    repeat_sequence_wait_minutes=st.integers(0, 1_000_000),
    jitter_percent=st.integers(0, 10),
)


@given(policies, st.floats(0, 1))
def test_every_policy_rises_strictly_and_ends_within_the_limits(policy, jitter):
    limits = RetryLimits()
    times = policy.attempt_times(NOON, jitter=jitter, limits=limits)
    offsets = list(policy.offsets(limits))

    assert len(times) <= limits.most_attempts
    assert all(earlier < later for earlier, later in pairwise((NOON, *times)))
    assert all(offset <= limits.longest_minutes for offset in offsets)
    assert policy.attempt_times(NOON, jitter=jitter, limits=limits) == times
    assert replace(policy, jitter_percent=0).attempt_times(NOON) == tuple(
        NOON + timedelta(minutes=offset) for offset in offsets
    )
