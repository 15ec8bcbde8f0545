"""How the test processor reads what it is sent and writes what it answers, an answer that breaks off included."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope
from starlette.types import Send as AsgiSend

_LARGEST_BODY: Final = 64 * 1024


class Dropped(Response):
    """An answer that breaks off: more was announced than comes, and then the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"id":', "more_body": True})


async def read_body(request: Request) -> bytes | None:
    """Return the body, None when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            return None
    return bytes(body)


def part(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the object at that path, an empty one when there is none."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def text(document: Mapping[str, Any], name: str) -> str:
    """Return the text of that name, an empty one when there is none."""
    found = document.get(name)
    return found if isinstance(found, str) else ""


def read_amount(details: Mapping[str, Any]) -> tuple[Decimal | None, str]:
    """Return amount and currency; None for an amount that is none."""
    written, currency = text(details, "totalAmount"), text(details, "currency")
    if not re.fullmatch(r"\d{1,15}(\.\d{1,4})?", written, re.ASCII) or not re.fullmatch(r"[A-Z]{3}", currency):
        return None, currency
    amount = Decimal(written)
    return (amount if amount > 0 else None), currency


def is_origin(value: object) -> bool:
    """Tell whether that is the origin of a page: scheme, host, perhaps a port."""
    return isinstance(value, str) and re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}", value) is not None


def time_text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def invalid(reason: str) -> Response:
    """Return the answer to a request that was not processed."""
    return answer_json(400, {"status": "INVALID_REQUEST", "reason": reason})


def answer_json(status: int, members: Mapping[str, Any]) -> Response:
    return Response(msgspec.json.encode(members), status, media_type="application/json")
