"""When a payment link stops working: apart from the invoice, for no status and no answer of the API changes by it."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from paydue.domain.events import What
from paydue.domain.invoice import Invoice
from paydue.domain.money import ZERO

# A link that a payer asked for anew works for so long, and to the end of the last day.
RENEWED_FOR: Final = timedelta(days=30)

_FEBRUARY, _LEAP_DAY = 2, 29


def link_ends_on(invoice: Invoice) -> date | None:
    """
    Return the day at whose beginning, in UTC, the payment link stops working; None when that day is after all time.

    Without an expiration date of its own the link lives for twelve months from the due date or, so that an invoice
    written for a due date long past can be paid at all, from its creation, whichever is later. A renewed link lives
    for 30 days, or longer where the invoice's own date is later.
    """
    terms = invoice.terms
    ends_on = terms.expiration_date
    if ends_on is None:
        ends_on = _a_year_after(max(terms.due_date, invoice.created_at.astimezone(UTC).date()))
    renewed_at = link_renewed_at(invoice)
    if ends_on is None or renewed_at is None:
        return ends_on
    return max(ends_on, renewed_at.astimezone(UTC).date() + RENEWED_FOR + timedelta(days=1))


def link_renewed_at(invoice: Invoice) -> datetime | None:
    """Return when the payer's link was last renewed; None when it never was."""
    return next((event.at for event in reversed(invoice.history) if event.what is What.LINK_RENEWED), None)


def is_link_expired(invoice: Invoice, at: datetime) -> bool:
    """Say whether nobody can pay through the link any more although something is due."""
    ends_on = link_ends_on(invoice)
    return invoice.balance > ZERO and ends_on is not None and at.astimezone(UTC).date() >= ends_on


def _a_year_after(day: date) -> date | None:
    if day.year == date.max.year:
        return None
    if (day.month, day.day) == (_FEBRUARY, _LEAP_DAY):
        return day.replace(year=day.year + 1, day=_LEAP_DAY - 1)
    return day.replace(year=day.year + 1)
