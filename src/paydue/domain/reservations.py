"""The part of an invoice's balance that somebody may be paying just now, so that nobody else can pay it."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

import msgspec

from paydue.domain.money import ZERO


class Hold(StrEnum):
    """How firmly a reservation holds: OFFERED yields to money that has arrived, HELD waits for a review."""

    OFFERED = "offered"
    IN_FLIGHT = "in flight"
    HELD = "held"


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt, whose outcome is open, holds of the balance."""

    attempt_id: str
    amount: Decimal
    hold: Hold


def reserved_by(reservations: Iterable[Reservation]) -> Decimal:
    """Return the sum of those reservations."""
    return sum((each.amount for each in reservations), ZERO)


def any_held(reservations: Iterable[Reservation]) -> bool:
    """Tell whether a payment among them is under review."""
    return any(each.hold is Hold.HELD for each in reservations)
