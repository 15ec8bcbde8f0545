"""Counting limits: arithmetic over a clock that the tests move."""

import pytest

from paydue.wire.limits import FailureLimit, RequestLimit


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def taken(limit: RequestLimit, who: str, tries: int) -> int:
    return sum(limit.take(who) == 0 for _ in range(tries))


def test_a_burst_is_let_through_and_no_more() -> None:
    limit = RequestLimit(100, 500, Stopwatch())
    assert taken(limit, "a", 600) == 500


def test_after_a_burst_the_rate_holds() -> None:
    watch = Stopwatch()
    limit = RequestLimit(100, 500, watch)
    taken(limit, "a", 600)
    for _ in range(10):
        watch.seconds += 1
        assert taken(limit, "a", 200) == 100


def test_a_bucket_fills_up_to_the_burst_only() -> None:
    watch = Stopwatch()
    limit = RequestLimit(100, 500, watch)
    taken(limit, "a", 600)
    watch.seconds += 3600
    assert taken(limit, "a", 600) == 500


def test_a_refusal_says_when_the_next_request_will_pass() -> None:
    watch = Stopwatch()
    limit = RequestLimit(2, 1, watch)
    assert limit.take("a") == 0
    wait = limit.take("a")
    assert wait == pytest.approx(0.5)
    watch.seconds += wait / 2
    assert limit.take("a") == pytest.approx(0.25)
    watch.seconds += wait / 2
    assert limit.take("a") == 0


def test_callers_do_not_use_up_each_others_requests() -> None:
    limit = RequestLimit(1, 3, Stopwatch())
    assert taken(limit, "a", 10) == 3
    assert taken(limit, "b", 10) == 3


def test_a_rate_of_zero_is_no_limit() -> None:
    assert taken(RequestLimit(0, 1, Stopwatch()), "a", 5000) == 5000


def test_a_full_map_forgets_the_caller_that_was_silent_longest() -> None:
    limit = RequestLimit(1, 1, Stopwatch(), entries=3)
    for who in ("a", "b", "c", "a", "d"):
        limit.take(who)
    assert len(limit._full_at) == 3
    assert limit.take("a") > 0
    assert limit.take("b") == 0


def test_failures_are_counted_up_to_the_limit() -> None:
    limit = FailureLimit(20, 60, Stopwatch())
    assert [limit.count("a") for _ in range(20)] == [0] * 20
    assert limit.count("a") == 60


def test_a_window_ends_when_it_said_even_if_failures_go_on() -> None:
    watch = Stopwatch()
    limit = FailureLimit(1, 60, watch)
    limit.count("a")
    watch.seconds += 59
    assert limit.count("a") == pytest.approx(1)
    watch.seconds += 1
    assert limit.count("a") == 0
    assert limit.count("a") == 60


def test_failures_of_one_do_not_count_for_another() -> None:
    limit = FailureLimit(1, 60, Stopwatch())
    assert limit.count("a") == 0
    assert limit.count("b") == 0


def test_no_failures_allowed_means_no_limit() -> None:
    limit = FailureLimit(0, 60, Stopwatch())
    assert [limit.count("a") for _ in range(100)] == [0] * 100


def test_a_full_map_of_failures_forgets_the_one_that_was_silent_longest() -> None:
    limit = FailureLimit(1, 60, Stopwatch(), entries=3)
    for who in ("a", "b", "c", "c"):
        limit.count(who)
    assert limit.count("a") == 60
    limit.count("d")
    assert limit.count("a") == 60
    assert limit.count("b") == 0


def test_the_map_of_failures_is_bounded() -> None:
    limit = FailureLimit(1, 60, Stopwatch(), entries=100)
    for number in range(10_000):
        limit.count(str(number))
    assert len(limit._windows) == 100
    assert limit.count("9999") == 60
