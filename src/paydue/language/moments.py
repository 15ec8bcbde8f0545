"""Points in time as a reader of each language writes them, and the time zones that they are read in."""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from paydue.language.locales import locale_of


@lru_cache(maxsize=256)
def zone_named(name: str) -> tzinfo:
    """Return the time zone of an IANA name; UTC for an unknown one, and where a machine has no time zone database."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def format_moment(at: datetime, zone: tzinfo, language: str) -> str:
    """Return day, minute and zone: `December 5, 2026, 2:32 PM EST`. Raises UnknownLanguage."""
    locale = locale_of(language)
    from babel import dates  # noqa: PLC0415 - see locale_of

    local = at.astimezone(zone)
    day = dates.format_date(local, "long", locale).replace(" ", "\u00a0", 1)
    # Babel writes some zones as a difference to UTC, which nobody calls their time by.
    minute = dates.format_time(local, "short", locale=locale)
    return f"{day}, {minute} {local.tzname() or 'UTC'}"
