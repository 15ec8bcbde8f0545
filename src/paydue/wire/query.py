"""Query strings: read once, percent-decoded, the last of a repeated parameter counts."""

import re
from typing import Final
from urllib.parse import parse_qsl

from paydue.domain.errors import Fault, InvalidFields
from paydue.domain.lifecycle import Status

_PLAIN = re.compile(rb"[A-Za-z0-9=&_.~-]*")
_INTEGER = re.compile(r"[0-9]{1,10}", re.ASCII)
_LARGEST_OFFSET: Final = 2**31 - 1
_DEFAULT_LIMIT: Final = 20
_LARGEST_LIMIT: Final = 1000
_STATUSES: Final = {status.value: status for status in Status}


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


def _integer(text: str | None, default: int, least: int, most: int) -> int | None:
    if text is None:
        return default
    value = int(text) if _INTEGER.fullmatch(text) else -1
    return value if least <= value <= most else None
