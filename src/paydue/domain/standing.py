"""How an invoice stands to whoever holds its link, on a given day: told from status, dates and balance in one place."""

from datetime import date, datetime
from enum import StrEnum

from paydue.domain.expiry import is_link_expired
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status


class Standing(StrEnum):
    """What the invoice is to its reader. OVERDUE can still be paid; EXPIRED is owed, but not through this link."""

    DRAFT = "draft"
    PAYABLE = "payable"
    OVERDUE = "overdue"
    IN_REVIEW = "in review"
    PAID = "paid"
    CANCELED = "canceled"
    EXPIRED = "expired"


def standing_of(invoice: Invoice, at: datetime, today: date) -> Standing:
    """Return how the invoice stands at `at`; `today` is the merchant's day."""
    closed = _CLOSED.get(invoice.status)
    if closed is not None:
        return closed
    if is_link_expired(invoice, at):
        return Standing.EXPIRED
    return Standing.OVERDUE if invoice.terms.due_date < today else Standing.PAYABLE


_CLOSED = {
    Status.DRAFT: Standing.DRAFT,
    Status.CANCELED: Standing.CANCELED,
    Status.PAID: Standing.PAID,
    Status.PENDING: Standing.IN_REVIEW,
}
