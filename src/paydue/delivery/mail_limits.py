"""How many mails go out on a day: a brake to protect strangers' inboxes and our good name."""

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from paydue.usecases.delivery_ports import MailCounts, Room


class MailsADay(msgspec.Struct, frozen=True, kw_only=True):
    """From midnight to midnight UTC, for each merchant: in all, and to one address. 0 allows any number."""

    in_all: int = 0
    to_one: int = 0


class DailyLimit:
    """Counts mails where all processes see it, so that neither a restart nor a second worker begins anew."""

    def __init__(self, counts: MailCounts, limits: MailsADay) -> None:
        self._counts = counts
        self.limits = limits

    async def take(self, merchant_id: str, recipient: str, at: datetime) -> Room:
        """Count a mail that is about to be handed over, if there is room for it today."""
        limits = self.limits
        if not (limits.in_all or limits.to_one):
            return Room.FREE
        return await self._counts.take(merchant_id, recipient, _day(at), limits.in_all, limits.to_one)

    async def give_back(self, merchant_id: str, recipient: str, at: datetime) -> None:
        """Make room again: the mail was not taken. `at` is what it was counted with."""
        if self.limits.in_all or self.limits.to_one:
            await self._counts.give_back(merchant_id, recipient, _day(at))


def next_day(at: datetime) -> datetime:
    """Return when there is room again."""
    return datetime.combine(_day(at) + timedelta(days=1), time(), UTC)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()
