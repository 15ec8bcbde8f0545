"""Dates as clients write them into headers: read leniently, because hand-written clients and PHP are not exact."""

import email.utils
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), start=1
    )
}
# The weekday is not compared with the date: it adds nothing. PHP's `G` writes the hour without its leading zero.
_FORM: Final = re.compile(
    rb"(?:[a-z]{3,9},? +)?(\d{1,2})[ -]([a-z]{3})[ -]((?:19|20|21)\d\d) +"
    rb"(\d{1,2}):(\d{1,2}):(\d{1,2}) +(?:gmt|utc|ut|z|[+-]0000)",
    re.IGNORECASE,
)
_LONGEST: Final = 64


def read_http_date(text: bytes) -> float | None:
    """Return the POSIX time that an RFC 1123 date in GMT means; None when it is no such date."""
    return _read(text) if len(text) <= _LONGEST else None


# The requests of one second bear one text, and a text keeps its meaning.
@lru_cache(maxsize=1024)
def _read(text: bytes) -> float | None:
    if (match := _FORM.fullmatch(text.strip())) is None or (month := _MONTHS.get(match[2].lower())) is None:
        return None
    try:
        moment = datetime(int(match[3]), month, int(match[1]), int(match[4]), int(match[5]), int(match[6]), tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp()


def write_http_date(posix_seconds: float) -> bytes:
    """Return the RFC 1123 form of a time, in GMT and to the second."""
    return email.utils.formatdate(posix_seconds, usegmt=True).encode()
