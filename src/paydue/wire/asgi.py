"""
The API as an ASGI application: read the body within its limits, let the API answer, send.

Every server that speaks ASGI can run it. Our own takes the short way for most requests, see `cli/http_protocol.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from paydue.domain.errors import StoreUnavailable
from paydue.wire.api import Api, Arrived, GatewayRefusal, Header, Reply, Streamed, largest_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

COMMON_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CONTENT_TYPE: Final[Header] = (b"content-type", b"application/json;charset=utf-8")

LONGEST_TARGET: Final = 8 * 1024
MOST_HEADERS: Final = 100
LARGEST_HEADERS: Final = 32 * 1024
_BODY_SECONDS: Final = 30
# A client that takes a streamed answer slowly keeps a view of the database open.
_PIECE_SECONDS: Final = 30
_STREAM_SECONDS: Final = 900
_CLOSE: Final[Header] = (b"connection", b"close")

_log = logging.getLogger("paydue.api")


class ClientGone(Exception):
    """The client left before its request was whole: nobody is there to be answered."""


class AsgiApi:
    """The API for an ASGI server."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; nothing a caller sends makes this raise."""
        method, path, is_https = scope["method"], scope["raw_path"], scope["scheme"] == "https"
        match, route = self._api.route(method, path)
        try:
            body = await read_body(scope, receive, largest_body(route))
        except ClientGone:
            return
        except GatewayRefusal as refusal:
            reply = self._api.refuse(refusal, is_https=is_https)
        else:
            client = scope.get("client")
            arrived = Arrived(
                method=method,
                path=path,
                query=scope["query_string"],
                headers=scope["headers"],
                body=body,
                client=client[0] if client else None,
                is_https=is_https,
            )
            reply = await self._api.reply(arrived, match, route)
        if reply.streamed is not None:
            await send_streamed(receive, send, reply, reply.streamed)
        else:
            await send_reply(send, reply)


async def read_body(scope: Scope, receive: Receive, maximum: int) -> bytes:
    """Return the whole body. Raises GatewayRefusal for anything larger or slower than allowed, ClientGone."""
    headers = scope["headers"]
    if len(headers) > MOST_HEADERS or sum([len(name) + len(value) for name, value in headers]) > LARGEST_HEADERS:
        raise GatewayRefusal(431, "Request Header Fields Too Large", _CLOSE)
    if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_TARGET:
        raise GatewayRefusal(414, "URI Too Long", _CLOSE)
    message = await receive()
    if not message.get("more_body"):
        if message["type"] == "http.disconnect":
            raise ClientGone
        body: bytes = message["body"]
        if len(body) > maximum:
            raise GatewayRefusal(413, f"Content Too Large: at most {maximum} bytes", _CLOSE)
        return body
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _read_rest(message["body"], receive, maximum)
    except TimeoutError:
        raise GatewayRefusal(408, "Request Timeout", _CLOSE) from None


async def _read_rest(first: bytes, receive: Receive, maximum: int) -> bytes:
    parts, size, more = [first], len(first), True
    while more and size <= maximum:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        more = message.get("more_body", False)
    if size > maximum:
        raise GatewayRefusal(413, f"Content Too Large: at most {maximum} bytes", _CLOSE)
    return b"".join(parts)


async def send_streamed(receive: Receive, send: Send, reply: Reply, streamed: Streamed) -> None:
    """
    Send an answer piece by piece for as long as its client takes the pieces.

    One that could not be sent to its end is broken off, so that nobody takes it for whole.
    """
    headers = [
        (b"v-c-correlation-id", reply.correlation_id.encode()),
        *COMMON_HEADERS,
        *reply.headers,
        (b"content-type", streamed.media_type),
        (b"content-disposition", b'attachment; filename="%b"' % streamed.file_name),
    ]
    leaving = asyncio.ensure_future(receive())
    try:
        async with asyncio.timeout(_STREAM_SECONDS):
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": streamed.first, "more_body": True})
            async for piece in streamed.pieces:
                if leaving.done():
                    return
                async with asyncio.timeout(_PIECE_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
    except (StoreUnavailable, TimeoutError) as failure:
        _log.error("answer_broken_off", exc_info=failure, extra={"correlation_id": reply.correlation_id})
    finally:
        leaving.cancel()
        await streamed.pieces.aclose()


async def send_reply(send: Send, reply: Reply) -> None:
    """Send an answer whole, with the headers that every answer has."""
    body = reply.body
    headers: list[Header] = [
        (b"v-c-correlation-id", reply.correlation_id.encode()),
        *COMMON_HEADERS,
        *reply.headers,
    ]
    if reply.status != 204:
        headers += (CONTENT_TYPE, (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
