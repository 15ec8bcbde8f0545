"""How many mails a merchant may send in a day: what a stolen key can do to strangers' inboxes, and to our good name."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta


class DailyLimit:
    """
    Counts a merchant's mails from midnight to midnight UTC; a limit of 0 allows any number.

    Counted in this process: several workers share nothing, and a restart begins anew. It is a brake and no accounting.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._day = date.min
        self._sent: Counter[str] = Counter()

    def has_room(self, merchant_id: str, at: datetime) -> bool:
        """Tell whether the merchant may send another mail today."""
        self._turn_to(at)
        return not self._limit or self._sent[merchant_id] < self._limit

    def count(self, merchant_id: str, at: datetime) -> None:
        """Count a mail that was sent."""
        self._turn_to(at)
        self._sent[merchant_id] += 1

    def next_day(self, at: datetime) -> datetime:
        """Return when there is room again."""
        return datetime.combine(at.astimezone(UTC).date() + timedelta(days=1), time(), UTC)

    def _turn_to(self, at: datetime) -> None:
        day = at.astimezone(UTC).date()
        if day != self._day:
            self._day = day
            self._sent.clear()
