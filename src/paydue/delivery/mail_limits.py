"""
How many mails go out on a day: a brake to protect strangers' inboxes and our good name.

Merchants start low: who has come to write to strangers is found out before there are many.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import msgspec

from paydue.domain.merchant import Merchant
from paydue.usecases.delivery_ports import MailCounts, Room

AT_FIRST: Final = timedelta(days=30)
"""How long a merchant is new."""


class MailsADay(msgspec.Struct, frozen=True, kw_only=True):
    """
    From midnight to midnight UTC, for each merchant: in all, in all at first, and to one address. 0 allows any number.
    """

    in_all: int = 0
    in_all_at_first: int = 0
    to_one: int = 0

    def in_all_of(self, merchant: Merchant, at: datetime) -> int:
        """Return how many mails that merchant may send at that time."""
        is_new = merchant.created_at is not None and at < merchant.created_at + AT_FIRST
        limits = (self.in_all, self.in_all_at_first if is_new else 0)
        return min((limit for limit in limits if limit), default=0)


class DailyLimit:
    """Counts mails where all processes see it, so that neither a restart nor a second worker begins anew."""

    def __init__(self, counts: MailCounts, limits: MailsADay) -> None:
        self._counts = counts
        self.limits = limits
        # Those of merchants who are not limited too: one may be limited by another worker.
        self._counts_any = any((limits.in_all, limits.in_all_at_first, limits.to_one))

    async def take(self, merchant: Merchant, recipient: str, at: datetime) -> Room:
        """Count a mail that is about to be handed over, if there is room for it today."""
        in_all, to_one = self.limits.in_all_of(merchant, at), self.limits.to_one
        if not self._counts_any:
            return Room.FREE
        return await self._counts.take(merchant.merchant_id, recipient, _day(at), in_all, to_one)

    async def give_back(self, merchant_id: str, recipient: str, at: datetime) -> None:
        """Make room again: the mail was not taken. `at` is what it was counted with."""
        if self._counts_any:
            await self._counts.give_back(merchant_id, recipient, _day(at))


def next_day(at: datetime) -> datetime:
    """Return when there is room again."""
    return datetime.combine(_day(at) + timedelta(days=1), time(), UTC)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()
