"""The table of an attempt's moves, walked cell by cell, and its deadlines."""

from decimal import Decimal

import pytest

from builders import NOON, an_attempt
from paydue.domain.attempts import FINAL_STATES, IN_FLIGHT, MOVES, AttemptState
from paydue.domain.errors import BrokenFact
from paydue.domain.refunds import REFUND_MOVES, Refund, RefundState


@pytest.mark.parametrize("after", list(AttemptState))
@pytest.mark.parametrize("before", list(AttemptState))
def test_an_attempt_moves_as_the_table_says_or_not_at_all(before: AttemptState, after: AttemptState) -> None:
    attempt = an_attempt(before)
    if after in MOVES[before]:
        moved = attempt.moved(after, NOON, "why")
        assert (moved.state, moved.log[-1].note) == (after, "why")
    else:
        with pytest.raises(BrokenFact):
            attempt.moved(after, NOON)


def test_every_state_has_its_row_and_every_state_but_the_first_is_reached() -> None:
    assert set(MOVES) == set(AttemptState)
    assert frozenset().union(*MOVES.values()) == set(AttemptState) - {AttemptState.BEGUN}


def test_what_is_in_flight_can_still_be_settled_and_money_is_never_left_behind() -> None:
    for state in IN_FLIGHT:
        assert MOVES[state] >= {AttemptState.SETTLED, AttemptState.FAILED}
        assert an_attempt(state).first_look(NOON) is not None
    assert not MOVES[AttemptState.SETTLED]
    assert not MOVES[AttemptState.FAILED]


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_an_end_is_not_looked_at(state: AttemptState) -> None:
    assert an_attempt(state).first_look(NOON) is None


def test_a_lost_answer_is_asked_for_seldom_and_seldomer() -> None:
    attempt = an_attempt(AttemptState.SUBMITTED, submitted_at=NOON).moved(AttemptState.UNKNOWN, NOON)
    seconds = []
    for _ in range(9):
        assert attempt.next_look_at is not None
        seconds.append((attempt.next_look_at - NOON).total_seconds())
        attempt = attempt.looked(attempt.next_look_at)
    assert seconds == [5, 30, 120, 600, 900, 3600, 21600, 86400, 172800]


def test_what_is_refunded_or_on_its_way_back_is_not_refundable() -> None:
    attempt = an_attempt(AttemptState.SETTLED, transaction_id="T", charged=Decimal(100))
    refund = Refund(refund_id="r", amount=Decimal(30), is_due_again=False, state=RefundState.SUBMITTED, asked_at=NOON)
    attempt = attempt.with_refund(refund)
    assert attempt.refundable == Decimal(70)
    attempt = attempt.with_refund(refund.moved(RefundState.FAILED))
    assert (attempt.refundable, len(attempt.refunds)) == (Decimal(100), 1)
    with pytest.raises(BrokenFact):
        attempt.refunds[0].moved(RefundState.DONE)


def test_a_refund_ends_done_or_failed() -> None:
    assert {state for state, after in REFUND_MOVES.items() if not after} == {RefundState.DONE, RefundState.FAILED}


@pytest.mark.parametrize(
    "changed",
    [
        {"state": AttemptState.SETTLED},
        {"state": AttemptState.SETTLED, "charged": Decimal(10)},
        {"state": AttemptState.FAILED, "charged": Decimal(10)},
        {"state": AttemptState.SETTLED, "transaction_id": "T", "charged": Decimal(101)},
        {"least": Decimal(0)},
        {"least": Decimal(101)},
    ],
)
def test_a_state_that_contradicts_the_money_is_a_broken_fact(changed: dict[str, object]) -> None:
    with pytest.raises(BrokenFact):
        an_attempt(**changed).assert_facts()
