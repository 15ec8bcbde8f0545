"""
Which reminder is due when: pure rules about dates, in the merchant's time zone.

A reminder belongs to a day, counted from the due date, and goes out at nine in the morning of it. What could not go
out within a day never does: a reminder that comes late says what is no longer true.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from paydue.domain.events import What
from paydue.domain.expiry import is_link_expired
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Action, allows
from paydue.domain.money import ZERO


class ReminderKind(StrEnum):
    """The values are the topics of mails and the last words of webhook events."""

    DUE_SOON = "reminder"
    OVERDUE = "overdue-reminder"


DAYS_AFTER_DUE: Final[Mapping[ReminderKind, int]] = {ReminderKind.DUE_SOON: -5, ReminderKind.OVERDUE: 1}
AT_TIME: Final = time(9)
NOT_LATER_THAN: Final = timedelta(hours=24)

_DAY: Final = timedelta(days=1)
_PUBLISHED_BY: Final = frozenset((What.INVOICE_SENT, What.INVOICE_CREATED))


def moment(kind: ReminderKind, due: date, zone: tzinfo) -> datetime | None:
    """Return when the reminder of that due date goes out, in UTC; None at the ends of time."""
    try:
        day = due + DAYS_AFTER_DUE[kind] * _DAY
        return datetime.combine(day, AT_TIME, zone).astimezone(UTC)
    except OverflowError:
        return None


def due_dates(kind: ReminderKind, at: datetime, zone: tzinfo) -> tuple[date, ...]:
    """
    Return the due dates whose reminder may go out at that time: one, on some days around a clock change two or none.

    A day that a time zone left out is caught by the same reckoning: its nine o'clock is that of the day after.
    """
    today = at.astimezone(zone).date()
    found = []
    for day in (today - 2 * _DAY, today - _DAY, today, today + _DAY):
        due = day - DAYS_AFTER_DUE[kind] * _DAY
        goes_out = moment(kind, due, zone)
        if goes_out is not None and goes_out <= at < goes_out + NOT_LATER_THAN:
            found.append(due)
    return tuple(found)


def is_owed(kind: ReminderKind, invoice: Invoice, at: datetime, zone: tzinfo, since: datetime | None = None) -> bool:
    """
    Tell whether that reminder has to go out now. Whether it went out before is not asked.

    `since` is when the merchant asked for reminders: none is sent for a moment before. An invoice that was published
    after the moment is not caught up with, and one that was overdue when the payer first heard of it needs no
    reminder the next morning.
    """
    goes_out = moment(kind, invoice.terms.due_date, zone)
    if goes_out is None or not goes_out <= at < goes_out + NOT_LATER_THAN:
        return False
    if not allows(invoice.status, Action.REMIND) or invoice.terms.email is None or invoice.balance <= ZERO:
        return False
    if is_link_expired(invoice, at) or (since is not None and since > goes_out):
        return False
    published = next((event.at for event in invoice.history if event.what in _PUBLISHED_BY), invoice.created_at)
    if published > goes_out:
        return False
    return kind is ReminderKind.DUE_SOON or published.astimezone(zone).date() <= invoice.terms.due_date
