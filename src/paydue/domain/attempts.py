"""
A try to pay: its states, the table of its moves, and its deadlines.

Apart from the invoice because most tries change no invoice: they are abandoned or declined. What an attempt holds of
the balance while its outcome is open stands in the invoice itself, as a reservation, so that one version guards both.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

import msgspec
from msgspec.structs import replace

from paydue.domain.errors import BrokenFact
from paydue.domain.money import ZERO
from paydue.domain.payer_details import PayerDetails
from paydue.domain.refunds import Refund, RefundState


class AttemptState(StrEnum):
    """
    How far a try has come.

    BEGUN: stored, the gateway was not asked yet. OPEN: the payer has a form or a page to go to. SUBMITTED: kept before
    the gateway is told to charge, and until its answer is kept. UNKNOWN: whether money moved is not known. HELD: a
    review or a slow method decides later.
    """

    BEGUN = "begun"
    OPEN = "open"
    SUBMITTED = "submitted"
    WAITING_FOR_PAYER = "waiting for payer"
    HELD = "held"
    UNKNOWN = "unknown"
    SETTLED = "settled"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


_S: Final = AttemptState
_ENDS: Final = frozenset((_S.SETTLED, _S.FAILED, _S.CANCELED, _S.EXPIRED))
_MIDDLE: Final = frozenset((_S.WAITING_FOR_PAYER, _S.HELD, _S.UNKNOWN))

# What is not in the table does not happen. SUBMITTED again: the charge after a challenge. An attempt that was given up
# or ran out can still turn out to be paid, for a redirect and its end race each other.
MOVES: Final[Mapping[AttemptState, frozenset[AttemptState]]] = {
    _S.BEGUN: frozenset((_S.OPEN, _S.FAILED, _S.CANCELED, _S.EXPIRED)),
    _S.OPEN: _ENDS | _MIDDLE | {_S.SUBMITTED},
    _S.SUBMITTED: _ENDS | _MIDDLE,
    _S.WAITING_FOR_PAYER: _ENDS | _MIDDLE - {_S.WAITING_FOR_PAYER} | {_S.SUBMITTED},
    _S.HELD: frozenset((_S.SETTLED, _S.FAILED)),
    _S.UNKNOWN: _ENDS | _MIDDLE - {_S.UNKNOWN},
    _S.SETTLED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELED: frozenset((_S.SETTLED,)),
    _S.EXPIRED: frozenset((_S.SETTLED,)),
}

FINAL_STATES: Final = _ENDS
# Money may be on its way: nobody else may pay this part, and the invoice is neither updated nor canceled.
IN_FLIGHT: Final = frozenset((_S.SUBMITTED, _S.WAITING_FOR_PAYER, _S.HELD, _S.UNKNOWN))

# A charge has 5 s to connect and 30 s to answer; after that, nobody waits for the answer any more.
CHARGE_DEADLINE: Final = timedelta(seconds=60)
LOOK_AFTER: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 900, 3_600, 6 * 3_600, 24 * 3_600)
)
VOID_AFTER: Final = timedelta(minutes=15)
GIVE_UP_AFTER: Final = timedelta(hours=24)
REVIEW_LOOK: Final = timedelta(hours=1)
CHALLENGE_LASTS: Final = timedelta(minutes=15)
CHECKOUT_LASTS: Final = {False: timedelta(minutes=15), True: timedelta(minutes=30)}


class MaskedAccount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be known of a card: never its number."""

    brand: str
    last4: str
    expires: str | None = None


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of an attempt's log: which state it came to, when, and why. Lines are only ever added."""

    state: AttemptState
    at: datetime
    note: str = ""


class PaymentAttempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One payer's try to pay `amount` of an invoice through one gateway.

    `attempt_id` (a UUID) is also the idempotency key at the gateway and `reference` what people find the payment by
    there. `payer_key` comes with the payer's form: the same key for the same invoice is the same attempt. `least` is
    what the gateway may take instead of `amount`, where a bank approves less. `reserves_from_begin` is for gateways
    that charge on a page of their own, where nothing of ours stands between the payer and the money.

    `payer_email` and `details` are what the payer wrote on the page before paying. `next_url` is where the payer has to
    prove something, while that is waited for. `next_look_at` is when the reconciler looks at it next, None when there
    is nothing to look for.
    """

    attempt_id: str
    number: str
    payer_key: str
    gateway: str
    reference: str
    amount: Decimal
    least: Decimal
    currency: str
    begun_at: datetime
    expires_at: datetime
    reserves_from_begin: bool = False
    state: AttemptState = AttemptState.BEGUN
    version: int = 0
    session: str | None = None
    submitted_at: datetime | None = None
    transaction_id: str | None = None
    charged: Decimal = ZERO
    method: str = "card"
    account: MaskedAccount | None = None
    reason: str | None = None
    is_declined: bool = False
    next_url: str | None = None
    payer_email: str | None = None
    details: PayerDetails | None = None
    next_look_at: datetime | None = None
    looks: int = 0
    refunds: tuple[Refund, ...] = ()
    log: tuple[Entry, ...] = ()

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def is_in_flight(self) -> bool:
        return self.state in IN_FLIGHT

    @property
    def holds_money(self) -> bool:
        """Whether the invoice reserves this attempt's amount."""
        return self.is_in_flight or (self.reserves_from_begin and not self.is_final)

    @property
    def ended_at(self) -> datetime:
        return self.log[-1].at if self.log else self.begun_at

    @property
    def refundable(self) -> Decimal:
        """What was charged and is neither given back nor on its way back."""
        return self.charged - sum(
            (each.amount for each in self.refunds if each.state is not RefundState.FAILED and each.unapplied is None),
            ZERO,
        )

    def moved(self, state: AttemptState, at: datetime, note: str = "", **changed: Any) -> Self:
        """
        Return the attempt in its next state, with a line in its log; `changed` are other fields that are new with it.

        Raises BrokenFact for a move that the table does not have: callers ask the table first where a payer, a
        merchant or a gateway could have been late.
        """
        if state not in MOVES[self.state]:
            raise BrokenFact(f"attempt {self.attempt_id}: {self.state} does not become {state}")
        changed = {"looks": 0, "next_url": None, **changed}
        moved = replace(self, state=state, log=(*self.log, Entry(state, at, note)), **changed)
        return replace(moved, next_look_at=moved.first_look(at))

    def can_become(self, state: AttemptState) -> bool:
        return state in MOVES[self.state]

    def noted(self, at: datetime, note: str) -> Self:
        """Return the attempt with a line in its log and nothing else changed."""
        return replace(self, log=(*self.log, Entry(self.state, at, note)))

    def first_look(self, at: datetime) -> datetime | None:
        """Return when to look at an attempt that came to its state at that time."""
        match self.state:
            case AttemptState.BEGUN | AttemptState.OPEN:
                return self.expires_at
            case AttemptState.SUBMITTED:
                return at + CHARGE_DEADLINE
            case AttemptState.WAITING_FOR_PAYER:
                return at + CHALLENGE_LASTS
            case AttemptState.HELD:
                return at + REVIEW_LOOK
            case AttemptState.UNKNOWN:
                return at + LOOK_AFTER[0]
        return None

    def looked(self, at: datetime, look_at: datetime | None = None) -> Self:
        """
        Return the attempt with the next look put off, be it by the plan or until `look_at`.

        Kept before the gateway is asked, it keeps a second reconciler from asking the same at the same time.
        """
        looks = self.looks + 1
        if look_at is None:
            match self.state:
                case AttemptState.UNKNOWN:
                    since = self.submitted_at or self.begun_at
                    later = (since + after for after in LOOK_AFTER if since + after > at)
                    look_at = next(later, at + GIVE_UP_AFTER)
                case AttemptState.HELD:
                    look_at = at + REVIEW_LOOK
                case AttemptState.BEGUN | AttemptState.OPEN:
                    look_at = max(self.expires_at, at + CHARGE_DEADLINE)
                case _:
                    look_at = at + CHARGE_DEADLINE
        return replace(self, looks=looks, next_look_at=look_at)

    def with_refund(self, refund: Refund) -> Self:
        """Return the attempt with that refund added, or put in the place of the one with its id."""
        others = tuple(each for each in self.refunds if each.refund_id != refund.refund_id)
        return replace(self, refunds=(*others, refund))

    def refund(self, refund_id: str) -> Refund | None:
        return next((each for each in self.refunds if each.refund_id == refund_id), None)

    def assert_facts(self) -> None:
        """Raise BrokenFact unless state and money agree: a broken one is our bug and must not be kept."""
        settled = self.state is AttemptState.SETTLED
        holds = (
            ZERO < self.least <= self.amount
            and settled == (self.charged > ZERO)
            and settled <= (self.transaction_id is not None)
            and self.charged <= self.amount
            and self.refundable >= ZERO
        )
        if not holds:
            raise BrokenFact(f"attempt {self.attempt_id}: {self.state} with {self.charged} of {self.amount} charged")
