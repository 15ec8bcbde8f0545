"""Amounts, dates and spans of time as a payer reads them, in English for now."""

from datetime import date
from decimal import Decimal
from functools import lru_cache

from paydue.domain.money import exponent

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def figures(value: Decimal, currency: str) -> str:
    """Return an amount without its currency, with all the decimals that the currency has."""
    return format(value, _form(currency))


def amount(value: Decimal, currency: str) -> str:
    """Return an amount with its currency, kept on one line: never a bare sign that two countries share."""
    return f"{currency}\u00a0{value:{_form(currency)}}"


@lru_cache(maxsize=256)
def _form(currency: str) -> str:
    return f",.{exponent(currency)}f"


def plain(number: Decimal | int) -> str:
    """Return a quantity or a percentage, with thousands set apart and nothing padded."""
    return f"{number:,}"


@lru_cache(maxsize=1024)
def long_date(day: date) -> str:
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


def days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def until(due: date, today: date) -> str:
    """Say how far away a day is that is today or later."""
    ahead = (due - today).days
    return "today" if ahead == 0 else "tomorrow" if ahead == 1 else f"in {days(ahead)}"
