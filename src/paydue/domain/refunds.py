"""Money given back through a gateway: what one refund is, and how it may go on."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self

import msgspec
from msgspec.structs import replace

from paydue.domain.errors import BrokenFact


class RefundState(StrEnum):
    """SUBMITTED before the gateway is asked; UNKNOWN when its answer was lost; PENDING while a bank takes its time."""

    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


REFUND_MOVES: Final[Mapping[RefundState, frozenset[RefundState]]] = {
    RefundState.SUBMITTED: frozenset(
        (RefundState.UNKNOWN, RefundState.PENDING, RefundState.DONE, RefundState.FAILED),
    ),
    RefundState.UNKNOWN: frozenset((RefundState.PENDING, RefundState.DONE, RefundState.FAILED)),
    RefundState.PENDING: frozenset((RefundState.DONE, RefundState.FAILED)),
    RefundState.DONE: frozenset(),
    RefundState.FAILED: frozenset(),
}


class Refund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One refund of a settled attempt. `refund_id` (a UUID) is also what the gateway knows it by.

    `is_due_again` says what it means: the payer owes the money once more (True), or the debt stays settled (False).
    `unapplied` is the transaction of money that no invoice holds, when that is what is given back.
    """

    refund_id: str
    amount: Decimal
    is_due_again: bool
    state: RefundState
    asked_at: datetime
    transaction_id: str | None = None
    reason: str | None = None
    unapplied: str | None = None

    @property
    def is_final(self) -> bool:
        return not REFUND_MOVES[self.state]

    def moved(self, state: RefundState, *, transaction_id: str | None = None, reason: str | None = None) -> Self:
        """Return the refund in its next state. Raises BrokenFact for a move that the table does not have."""
        if state not in REFUND_MOVES[self.state]:
            raise BrokenFact(f"refund {self.refund_id}: {self.state} does not become {state}")
        return replace(
            self, state=state, transaction_id=transaction_id or self.transaction_id, reason=reason or self.reason
        )
