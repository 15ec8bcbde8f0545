"""Until when a payment link works."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from builders import a_payment, an_invoice, some_terms
from paydue.domain.expiry import is_link_expired, link_ends_on
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status

SECOND = timedelta(seconds=1)


def an_invoice_of(created: str, due: str, expires: str | None = None, status: Status = Status.SENT) -> Invoice:
    terms = some_terms(
        due_date=date.fromisoformat(due), expiration_date=date.fromisoformat(expires) if expires else None
    )
    return replace(an_invoice(status, terms), created_at=datetime.fromisoformat(created).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("created", "due", "expires", "ends"),
    [
        ("2026-05-05", "2026-06-30", "2026-07-01", "2026-07-01"),
        ("2026-05-05", "2026-06-30", "2026-05-05", "2026-05-05"),
        ("2026-05-05", "2026-06-30", None, "2027-06-30"),
        ("2026-05-05", "2019-07-11", None, "2027-05-05"),
        ("2026-05-05", "2026-05-05", None, "2027-05-05"),
        ("2023-05-05", "2024-02-29", None, "2025-02-28"),
        ("2024-02-29", "2023-12-31", None, "2025-02-28"),
        ("2023-05-05", "2024-02-28", None, "2025-02-28"),
        ("2026-05-05", "9998-12-31", None, "9999-12-31"),
        ("2026-05-05", "9999-01-01", None, None),
        ("2026-05-05", "9999-12-31", "9999-12-31", "9999-12-31"),
    ],
)
def test_the_link_lives_until_its_expiration_date_or_a_year_from_the_later_of_due_date_and_creation(
    created, due, expires, ends
):
    assert link_ends_on(an_invoice_of(created, due, expires)) == (date.fromisoformat(ends) if ends else None)


def test_the_link_ends_at_midnight_in_utc_and_not_a_second_earlier():
    invoice = an_invoice_of("2026-05-05", "2026-06-30", "2026-07-01")
    midnight = datetime(2026, 7, 1, tzinfo=UTC)

    assert not is_link_expired(invoice, midnight - SECOND)
    assert is_link_expired(invoice, midnight)


def test_midnight_elsewhere_is_not_midnight_in_utc():
    invoice = an_invoice_of("2026-05-05", "2026-06-30", "2026-07-01")
    tokyo = timezone(timedelta(hours=9))

    assert not is_link_expired(invoice, datetime(2026, 7, 1, 8, 59, tzinfo=tokyo))
    assert is_link_expired(invoice, datetime(2026, 7, 1, 9, tzinfo=tokyo))


def test_the_day_of_creation_is_counted_in_utc():
    created = datetime(2026, 5, 5, 1, tzinfo=timezone(timedelta(hours=2)))

    assert link_ends_on(replace(an_invoice_of("2026-05-05", "2019-07-11"), created_at=created)) == date(2027, 5, 4)


def test_a_due_date_that_has_passed_ends_nothing():
    assert not is_link_expired(an_invoice_of("2026-05-05", "2026-06-30"), datetime(2027, 6, 29, tzinfo=UTC))


def test_a_paid_invoice_stays_to_be_looked_at():
    invoice = an_invoice_of("2026-05-05", "2026-06-30", "2026-07-01", Status.PAID)

    assert not is_link_expired(invoice, datetime(2036, 1, 1, tzinfo=UTC))


def test_what_is_left_of_a_partly_paid_invoice_can_expire():
    at = datetime(2026, 6, 1, tzinfo=UTC)
    invoice = an_invoice_of("2026-05-05", "2026-06-30", "2026-07-01").receive(a_payment("100"), at)

    assert is_link_expired(invoice, datetime(2026, 7, 1, tzinfo=UTC))
