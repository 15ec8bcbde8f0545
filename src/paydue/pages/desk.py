"""
What paying through the page needs from whoever composes the service, as plain values and one Protocol.

Apart from `cashier.py`, which uses it, so that a server can be put together without importing any page.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from paydue.domain.payable import TRY_LIMITS, TryLimits
from paydue.usecases.change_attempt import Books
from paydue.usecases.gateway_ports import Gateway
from paydue.usecases.pay_invoice import Ids
from paydue.usecases.ports import Secrets


class Desk(Protocol):
    """Where merchants take money: `usecases/payment_desk.py` is one."""

    def books_of(self, merchant_id: str, /) -> Books: ...

    def gateway_of(self, merchant_id: str, name: str, /) -> Gateway | None:
        """Return the gateway that a stored attempt was made with; None when it is not there any more."""
        ...

    def current_gateway(self, merchant_id: str, /) -> Gateway | None:
        """Return the gateway that new attempts are made with; None when nobody can pay here."""
        ...


def unlimited(_: str) -> float:
    return 0.0


class PayLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    How often. Each counts one more for an invoice, or for the address that it comes from, and returns 0 or the seconds
    to wait. `tries` is counted from what is kept of an invoice; None is no limit.
    """

    begins: Callable[[str], float] = unlimited
    begins_from_one: Callable[[str], float] = unlimited
    charges: Callable[[str], float] = unlimited
    charges_from_one: Callable[[str], float] = unlimited
    new_links: Callable[[str], float] = unlimited
    tries: TryLimits | None = TRY_LIMITS


class Payments(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the page needs to take money. `portal_url` is where pages stand unless a browser says it."""

    desk: Desk
    ids: Ids
    secrets: Secrets
    portal_url: str
    limits: PayLimits = PayLimits()
