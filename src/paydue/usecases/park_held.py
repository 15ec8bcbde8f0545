"""Park what is held for a receiver too long, or behind too much: what nobody fetches must not grow for ever."""

from datetime import datetime, timedelta

import msgspec

from paydue.usecases.delivery_ports import Outbox


class HoldLimits(msgspec.Struct, frozen=True, kw_only=True):
    """For how long notifications are held for one subscription, and how many of them."""

    longest: timedelta = timedelta(days=30)
    most: int = 10_000


async def park_held(outbox: Outbox, limits: HoldLimits, *, at: datetime) -> int:
    """
    Park what is held beyond the limits, the oldest first, and return how many.

    It is on record as expired, and can be sent again like anything that is parked.
    """
    days = limits.longest.days
    outcome = f"expired: held for more than {days} days, or behind {limits.most} others"
    parked = 0
    for merchant_id, recipient in await outbox.held():
        parked += await outbox.expire_held(merchant_id, recipient, at - limits.longest, limits.most, outcome)
    return parked
