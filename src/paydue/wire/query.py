"""Query strings: read once, percent-decoded, the last of a repeated parameter counts."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from paydue.domain.errors import Fault, InvalidFields
from paydue.domain.lifecycle import Status

_PLAIN = re.compile(rb"[A-Za-z0-9=&_.~-]*")
_INTEGER = re.compile(r"[0-9]{1,10}", re.ASCII)
_LARGEST_OFFSET: Final = 2**31 - 1
_DEFAULT_LIMIT: Final = 20
_LARGEST_LIMIT: Final = 1000
_STATUSES: Final = {status.value: status for status in Status}
_LONGEST_TIME: Final = 40


def parse_query(query: bytes) -> dict[str, str]:
    """Return the parameters; a malformed query has none that matter."""
    if not query:
        return {}
    if _PLAIN.fullmatch(query):
        pairs = [part.partition("=") for part in query.decode("ascii").split("&")]
        return {name: value for name, _, value in pairs}
    try:
        return dict(parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise InvalidFields(
            (Fault("query", "Invalid: has to be percent-encoded, with at most 100 parameters"),)
        ) from None


# The same few pages are asked for again and again.
@lru_cache(maxsize=256)
def read_list_query(query: bytes) -> tuple[int, int, Status | None, str | None]:
    """
    Return offset, limit, the status to filter by, and that filter as the caller wrote it.

    `status=` and `status=None` (which the Python SDK sends for "no filter") are no filter. Raises InvalidFields.
    """
    parameters = parse_query(query)
    faults = []
    offset = _integer(parameters.get("offset"), 0, 0, _LARGEST_OFFSET)
    if offset is None:
        faults.append(Fault("offset", f"Invalid: has to be a whole number from 0 to {_LARGEST_OFFSET}"))
    limit = _integer(parameters.get("limit"), _DEFAULT_LIMIT, 1, _LARGEST_LIMIT)
    if limit is None:
        faults.append(Fault("limit", f"Invalid: has to be a whole number from 1 to {_LARGEST_LIMIT}"))
    written = parameters.get("status")
    status = None
    if written in (None, "", "None"):
        written = None
    # Letters beyond ASCII may turn into ASCII ones as capitals.
    elif not written.isascii() or (status := _STATUSES.get(written.upper())) is None:
        faults.append(Fault("status", f"Invalid status: has to be one of {', '.join(_STATUSES)}"))
    if faults:
        raise InvalidFields(tuple(faults))
    assert offset is not None and limit is not None
    return offset, limit, status, written


def read_choice(given: dict[str, str], name: str, choices: Mapping[str, Any], faults: list[Fault]) -> Any:
    """Return what a parameter chose of `choices`, in whatever letter case; None, with a fault, when it is none."""
    text = given.get(name)
    if text is None:
        return None
    chosen = choices.get(text.upper()) if text.isascii() else None
    if chosen is None:
        faults.append(Fault(name, f"Invalid: has to be one of {', '.join(choices)}"))
    return chosen


def read_instant(given: dict[str, str], name: str, faults: list[Fault]) -> datetime | None:
    """Return the time in a parameter, UTC unless it says otherwise; None, with a fault, when it is none."""
    text = given.get(name)
    if text is None:
        return None
    try:
        if len(text) > _LONGEST_TIME:
            raise ValueError
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        faults.append(Fault(name, "Invalid: has to be a time such as 2026-11-21T12:00:00Z"))
        return None


def _integer(text: str | None, default: int, least: int, most: int) -> int | None:
    if text is None:
        return default
    value = int(text) if _INTEGER.fullmatch(text) else -1
    return value if least <= value <= most else None
