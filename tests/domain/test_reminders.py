"""Reminders go out at nine in the morning, on their day, once; a year of days over the time zones there are."""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from builders import TOKEN, a_payment, an_invoice, some_terms
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.reminders import DAYS_AFTER_DUE, ReminderKind, due_dates, is_owed, moment

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
DUE = date(2026, 6, 30)
EARLY, LATE = ReminderKind.DUE_SOON, ReminderKind.OVERDUE

FIXED = [timezone(timedelta(hours=hours)) for hours in range(-11, 15)]
CHANGING = [
    ZoneInfo(name)
    for name in (
        "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca",
        "Pacific/Chatham", "America/Santiago",
    )
]  # fmt: skip


def sent(due: date = DUE, at: datetime = datetime(2026, 5, 5, 12, tzinfo=UTC), **terms: object) -> Invoice:
    return Invoice.draft(some_terms(due_date=due, **terms), at, "7").send(at, TOKEN)


@pytest.mark.parametrize("zone", [*FIXED, *CHANGING], ids=str)
@pytest.mark.parametrize("kind", ReminderKind)
def test_in_a_year_each_due_date_has_its_reminder_once_and_on_its_day(kind: ReminderKind, zone: tzinfo) -> None:
    went_out: dict[date, datetime] = {}
    at, end = datetime(2026, 1, 1, 0, 17, tzinfo=UTC), datetime(2027, 1, 20, tzinfo=UTC)
    while at < end:
        for due in due_dates(kind, at, zone):
            # The first to see it sends it; what is kept of it stops the others.
            went_out.setdefault(due, at)
        at += HOUR

    for number in range(365):
        due = date(2026, 1, 8) + number * DAY
        local = went_out[due].astimezone(zone)
        assert local.date() == due + DAYS_AFTER_DUE[kind] * DAY
        assert local.hour in (9, 10), local


@pytest.mark.parametrize("kind", ReminderKind)
def test_a_day_that_a_time_zone_left_out_loses_no_reminder(kind: ReminderKind) -> None:
    # Samoa went from the 29th to the 31st of December 2011.
    apia = ZoneInfo("Pacific/Apia")
    left_out = date(2011, 12, 30)
    at = datetime(2011, 12, 28, tzinfo=UTC)
    seen = set()
    for _ in range(24 * 7):
        seen.update(due_dates(kind, at, apia))
        at += HOUR
    assert left_out - DAYS_AFTER_DUE[kind] * DAY in seen


@pytest.mark.parametrize("kind", ReminderKind)
def test_it_is_owed_from_nine_for_a_day_and_never_later(kind: ReminderKind) -> None:
    zone = ZoneInfo("America/New_York")
    nine = moment(kind, DUE, zone)
    assert nine is not None
    assert nine.astimezone(zone).hour == 9
    invoice = sent()

    for at, owed in (
        (nine - timedelta(seconds=1), False),
        (nine, True),
        (nine + 23 * HOUR, True),
        (nine + 24 * HOUR, False),
        (nine + 30 * DAY, False),
    ):
        assert is_owed(kind, invoice, at, zone) is owed, at


def test_only_open_invoices_with_an_address_and_a_living_link_are_reminded_of() -> None:
    at = moment(EARLY, DUE, UTC)
    assert at is not None
    assert is_owed(EARLY, sent(), at, UTC)
    partial = sent().receive(a_payment("100"), at - HOUR)
    assert is_owed(EARLY, partial, at, UTC)

    paid = sent().receive(a_payment("293.5"), at - HOUR)
    canceled = sent().cancel(at - HOUR)
    nobody = Invoice.draft(some_terms(due_date=DUE, email=None), at - 30 * DAY).publish(at - 30 * DAY, TOKEN)
    held = replace(sent(), status=Status.PENDING)
    expired = sent(expiration_date=DUE - 6 * DAY)
    for invoice in (paid, canceled, nobody, held, expired, an_invoice(Status.DRAFT), an_invoice(Status.CREATED)):
        assert not is_owed(EARLY, invoice, at, UTC), invoice.status


def test_an_invoice_published_later_than_the_early_reminder_is_not_caught_up_with() -> None:
    at = moment(EARLY, DUE, UTC)
    assert at is not None
    for published, owed in ((at - DAY, True), (at - HOUR, True), (at + HOUR, False)):
        assert is_owed(EARLY, sent(at=published), at + 2 * HOUR, UTC) is owed


def test_an_invoice_that_was_overdue_when_it_was_sent_needs_no_reminder_the_next_morning() -> None:
    at = moment(LATE, DUE, UTC)
    assert at is not None
    assert is_owed(LATE, sent(at=at - 10 * HOUR), at, UTC)
    assert not is_owed(LATE, sent(at=at - 2 * HOUR), at, UTC)


def test_switching_reminders_on_sends_none_for_a_time_before() -> None:
    at = moment(EARLY, DUE, UTC)
    assert at is not None
    assert is_owed(EARLY, sent(), at + HOUR, UTC, since=at - HOUR)
    assert not is_owed(EARLY, sent(), at + 2 * HOUR, UTC, since=at + HOUR)


def test_a_due_date_that_moved_is_reckoned_with_anew() -> None:
    at = moment(EARLY, DUE, UTC)
    assert at is not None
    moved = sent().amend(some_terms(due_date=DUE + 20 * DAY), at - DAY, TOKEN)
    assert not is_owed(EARLY, moved, at, UTC)
    assert is_owed(EARLY, moved, at + 20 * DAY, UTC)


def test_the_ends_of_time_have_no_reminders() -> None:
    for due in (date.min, date.max):
        invoice = sent(due, at=datetime(2026, 1, 1, tzinfo=UTC))
        for kind in ReminderKind:
            assert not is_owed(kind, invoice, datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("Asia/Tokyo"))
