"""Forms as browsers send them: read within limits, and only from pages of our own."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from paydue.pages.answers import Receive, Scope

LARGEST_FORM: Final = 16 * 1024
_MOST_FIELDS: Final = 100
_SECONDS: Final = 30
_FORM: Final = "application/x-www-form-urlencoded"
# What an input element cannot hold, whoever types into it.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class FormRefused(Exception):
    """What was sent is no form of ours: `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def header(scope: Scope, name: bytes) -> str:
    """Return a header of the request as text, an empty one when it is not there."""
    found: bytes = next((value for each, value in scope["headers"] if each == name), b"")
    return found.decode("latin-1")


def check_same_origin(scope: Scope) -> None:
    """
    Refuse what another site's page sends, by what browsers say themselves.

    Under our `no-referrer` policy a form says only `Origin: null`; then `Sec-Fetch-Site` tells, which every browser of
    these years sends. Programs send neither, and hold a secret link. Raises FormRefused (403).
    """
    site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
    if site and site not in ("same-origin", "none"):
        raise FormRefused(403)
    if origin and origin != "null" and origin_of(scope) is None:
        raise FormRefused(403)


def origin_of(scope: Scope) -> str | None:
    """Return the origin that the page stands on, when the browser says so and it is the one that was called."""
    origin = header(scope, b"origin")
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != header(scope, b"host").lower():
        return None
    return origin


async def read_form(scope: Scope, receive: Receive) -> Mapping[str, str]:
    """
    Return the fields of a form; of a name that was sent twice, the first. Spaces around values are taken off.

    Raises FormRefused: 415 another media type, 413 too large, 408 too slow, 400 not UTF-8, with control characters, or
    too many fields.
    """
    kind = header(scope, b"content-type").partition(";")[0].strip().lower()
    if kind not in (_FORM, ""):
        raise FormRefused(415)
    try:
        async with asyncio.timeout(_SECONDS):
            body = await _read_body(receive)
    except TimeoutError:
        raise FormRefused(408) from None
    if body and not kind:
        raise FormRefused(415)
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise FormRefused(400) from None
    if any(_CONTROL.search(value) for _, value in pairs):
        raise FormRefused(400)
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value.strip())
    return fields


async def _read_body(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise FormRefused(400)
        body += message.get("body", b"")
        if len(body) > LARGEST_FORM:
            raise FormRefused(413)
        more = message.get("more_body", False)
    return bytes(body)
