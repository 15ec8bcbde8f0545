"""What comes of a call to others: an answer, or in small words why there is none. Values only, for those who call."""

import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

import msgspec

_EXCERPT: Final = 4 * 1024
_LONGEST_WAIT: Final = timedelta(days=1)
# Controls of terminals, and the invisible characters that turn the reading order around or break lines.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


class Why(StrEnum):
    """Why there is no answer."""

    REFUSED_BY_RULES = "refused_by_rules"
    UNRESOLVABLE = "unresolvable"
    CONNECTION_REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    TLS_FAILED = "tls_failed"
    DROPPED = "dropped"
    MALFORMED = "malformed_answer"
    TOO_LARGE = "too_large"


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer; a redirect is one like any other. `body` is as it was sent, by a stranger."""

    status: int
    body: bytes = b""
    retry_after: str | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def excerpt(self) -> str:
        """Return the first 4 KiB of the body, fit to be kept and shown: what could steer a terminal is escaped."""
        text = self.body[:_EXCERPT].decode(errors="backslashreplace")
        return _CONTROLS.sub(lambda control: f"\\u{ord(control[0]):04x}", text)

    def not_before(self, at: datetime) -> datetime | None:
        """Return the time before which the receiver wants no other call, at most a day ahead; None: it named none."""
        text = self.retry_after
        if text is None:
            return None
        if text.isascii() and text.isdigit():
            # Nine digits are thirty years: more than enough to mean the longest wait.
            return at + min(timedelta(seconds=int(text[:9])), _LONGEST_WAIT)
        try:
            named = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(named, at), at + _LONGEST_WAIT) if named.tzinfo is not None else None


class NotAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """
    No whole answer came. `detail` may name addresses inside the installation: it is for the operator's eyes only.

    `status` is what the answer began with, if it began: a receiver that says 200 and then too much has taken the
    message. `was_sent` is False when nothing of the request has gone out: no connection was had.
    """

    why: Why
    detail: str
    status: int | None = None
    was_sent: bool = False


class Failed(Exception):
    """An exchange ended without a whole answer. Nothing outside of this room sees it."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(detail)
        self.why = why
