"""
The API as an ASGI application: read the body within its limit, find out who calls, dispatch, answer.

Hand-written instead of a framework because it stands in the path of every call: Starlette alone would cost as much as
reading an invoice. Checks come in a fixed order: size, authentication, route, method, media type, then the handler's.
"""

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from paydue.domain.errors import Refusal, StoreBusy, StoreUnavailable
from paydue.usecases.ports import Actor, Answer, Clock, Store
from paydue.wire import idempotency
from paydue.wire.caller import Caller, Callers, NotAuthenticated, SignedRequest, TooManyRequests
from paydue.wire.error_json import gateway_body, write_error, write_failure
from paydue.wire.idempotency import IdempotentPosts, ReceiptMaker
from paydue.wire.request import Request
from paydue.wire.router import Match, Route, Router
from paydue.wire.strict_json import MalformedJson
from paydue.wire.submit_times import SubmitTimes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

PREFIXES: Final = (
    "/invoicing/v2/", "/paydue/v1/", "/notification-subscriptions/", "/webhooks/notification-subscriptions/",
    "/nrtf/v1/", "/kms/egress/v2/"
)  # fmt: skip

_LARGEST_UNROUTED: Final = 64 * 1024
_LONGEST_TARGET: Final = 8 * 1024
_MOST_HEADERS: Final = 100
_LARGEST_HEADERS: Final = 32 * 1024
_BODY_SECONDS: Final = 30

_JSON: Final = (b"content-type", b"application/json;charset=utf-8")
_COMMON: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_OVER_TLS: Final[tuple[Header, ...]] = ((b"strict-transport-security", b"max-age=31536000"),)
_MEDIA_TYPE: Final = re.compile(
    rb'application/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*|;\s*(?!charset)[\w-]+=[^;]*)*', re.IGNORECASE
)
_USUAL_MEDIA_TYPES: Final = frozenset((b"application/json", b"application/json;charset=utf-8"))

_log = logging.getLogger("paydue.api")


class GatewayRefusal(Exception):
    """What is refused before the API itself is reached, with the gateway's form of body."""

    def __init__(self, status: int, message: str, *headers: Header) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


class ClientGone(Exception):
    """The client left before its request was whole: nobody is there to be answered."""


class Api:
    """
    The compatible API and ours beside it.

    `hints` tells callers which part of their signature is wrong. `is_public_tls` tells browsers to come by https
    alone; on localhost that would lock them out of every other program's plain pages.
    """

    def __init__(
        self,
        *,
        store: Store,
        callers: Callers,
        clock: Clock,
        routes: tuple[Route, ...],
        hints: bool,
        is_public_tls: bool = False,
    ) -> None:
        self.router = Router(routes)
        self._store = store
        self._callers = callers
        self._clock = clock
        self._hints = hints
        self._over_tls = _OVER_TLS if is_public_tls else ()
        self._posts = IdempotentPosts()
        self._submit_times = SubmitTimes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; nothing a caller sends makes this raise."""
        correlation_id = new_correlation_id()
        nanoseconds = self._clock.nanoseconds()
        headers: tuple[Header, ...] = ()
        try:
            match = self.router.match(scope["raw_path"])
            route = match.routes.get(scope["method"]) if match is not None else None
            body = await _read_body(scope, receive, route.maximum_body if route is not None else _LARGEST_UNROUTED)
            caller = await self._authenticate(scope, body, correlation_id)
            route = _checked_route(match, route, scope)
            answer, headers = await self._run(scope, match, route, body, caller, correlation_id, nanoseconds)
        except ClientGone:
            return
        except GatewayRefusal as refusal:
            answer, headers = Answer(refusal.status, gateway_body(refusal.message)), refusal.headers
        except (Refusal, MalformedJson) as refusal:
            answer = Answer(*write_error(refusal, self._submit_times.write(nanoseconds)))
        except StoreUnavailable as failure:
            _log_unavailable(failure, correlation_id)
            answer = Answer(*write_error(failure, self._submit_times.write(nanoseconds)))
            headers = ((b"retry-after", b"1" if isinstance(failure, StoreBusy) else b"5"),)
        except Exception:  # noqa: BLE001 - the outermost layer
            _log.exception("request_failed", extra={"correlation_id": correlation_id, "path": scope["path"]})
            answer = Answer(*write_failure(self._submit_times.write(nanoseconds)))
        if scope["scheme"] == "https":
            headers += self._over_tls
        await _send_answer(send, answer, correlation_id, headers)

    async def _authenticate(self, scope: Scope, body: bytes, correlation_id: str) -> Caller:
        client = scope.get("client")
        query = scope["query_string"]
        target = scope["raw_path"] + b"?" + query if query else scope["raw_path"]
        request = SignedRequest(scope["method"], target, scope["headers"], body, client[0] if client else None)
        try:
            return await self._callers.caller(request)
        except NotAuthenticated as refusal:
            _log.warning(
                "not_authenticated",
                extra={"correlation_id": correlation_id, "reason": refusal.reason, "key_id": refusal.key_id},
            )
            hint = ((b"x-paydue-auth-hint", refusal.hint.encode("ascii", "replace")),) if self._hints else ()
            raise GatewayRefusal(401, "Authentication Failed", *hint) from None
        except TooManyRequests as refusal:
            _log.warning("too_many_requests", extra={"correlation_id": correlation_id, "reason": refusal.reason})
            wait = str(refusal.retry_after).encode()
            raise GatewayRefusal(429, "Too Many Requests", (b"retry-after", wait)) from None

    async def _run(
        self,
        scope: Scope,
        match: Match | None,
        route: Route,
        body: bytes,
        caller: Caller,
        correlation_id: str,
        nanoseconds: int,
    ) -> tuple[Answer, tuple[Header, ...]]:
        assert match is not None
        request = Request(
            values=match.values,
            query=scope["query_string"],
            body=body,
            store=self._store.of(caller.merchant_id),
            actor=Actor(caller.key_id, correlation_id),
            nanoseconds=nanoseconds,
            submit_time=self._submit_times.write(nanoseconds),
        )
        if route.method != "POST" or (key := _header(scope, idempotency.HEADER)) is None:
            return await route.handler(request), ()

        async def run(receipt_maker: ReceiptMaker) -> Answer:
            request.receipt_maker = receipt_maker
            answer: Answer = await route.handler(request)
            return answer

        same = b"\n".join((b"POST", scope["raw_path"], scope["query_string"], body))
        answer, repeated = await self._posts.once(request.store, key, same, run)
        return answer, ((b"idempotent-replayed", b"true"),) if repeated else ()


def _log_unavailable(failure: StoreUnavailable, correlation_id: str) -> None:
    if isinstance(failure, StoreBusy):
        _log.warning("store_busy", extra={"correlation_id": correlation_id, "reason": str(failure)})
    else:
        _log.error("store_unavailable", exc_info=failure, extra={"correlation_id": correlation_id})


def new_correlation_id() -> str:
    """Return a random UUID. It names a request in logs and is no secret, so the fast generator will do."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _checked_route(match: Match | None, route: Route | None, scope: Scope) -> Route:
    if match is None:
        raise GatewayRefusal(404, "Not Found")
    if route is None:
        raise GatewayRefusal(405, "Method Not Allowed", (b"allow", ", ".join(sorted(match.routes)).encode()))
    if route.method in ("POST", "PUT", "PATCH"):
        media_type = _header(scope, b"content-type")
        if media_type is not None and media_type not in _USUAL_MEDIA_TYPES and not _MEDIA_TYPE.fullmatch(media_type):
            raise GatewayRefusal(415, "Unsupported Media Type: send application/json in UTF-8")
        encoding = _header(scope, b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            raise GatewayRefusal(415, "Unsupported Media Type: send the body without a content encoding")
    return route


def _header(scope: Scope, name: bytes) -> bytes | None:
    for each, value in scope["headers"]:
        if each == name:
            found: bytes = value
            return found
    return None


async def _read_body(scope: Scope, receive: Receive, maximum: int) -> bytes:
    """Return the whole body. Raises GatewayRefusal for anything larger or slower than allowed, ClientGone."""
    headers = scope["headers"]
    if len(headers) > _MOST_HEADERS or sum([len(name) + len(value) for name, value in headers]) > _LARGEST_HEADERS:
        raise GatewayRefusal(431, "Request Header Fields Too Large", _CLOSE)
    if len(scope["raw_path"]) + len(scope["query_string"]) > _LONGEST_TARGET:
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


_CLOSE: Final[Header] = (b"connection", b"close")


async def _send_answer(send: Send, answer: Answer, correlation_id: str, more: tuple[Header, ...]) -> None:
    body = answer.body
    headers: list[Header] = [
        (b"v-c-correlation-id", correlation_id.encode()),
        *_COMMON,
        *more,
    ]
    if answer.status != 204:
        headers += (_JSON, (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
