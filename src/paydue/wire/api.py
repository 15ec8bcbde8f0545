"""
The API: find out who calls, dispatch, answer. It takes whole requests, however they came, and knows no server.

Hand-written instead of a framework because it stands in the path of every call: Starlette alone would cost as much as
reading an invoice. Checks come in a fixed order: size, authentication, route, method, media type, then the handler's.
"""

import logging
import random
import re
from collections.abc import AsyncGenerator
from typing import Final

import msgspec

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

Header = tuple[bytes, bytes]

PREFIXES: Final = (
    "/invoicing/v2/", "/paydue/v1/", "/notification-subscriptions/", "/webhooks/notification-subscriptions/",
    "/nrtf/v1/", "/kms/egress/v2/"
)  # fmt: skip

_LARGEST_UNROUTED: Final = 64 * 1024

_OVER_TLS: Final[tuple[Header, ...]] = ((b"strict-transport-security", b"max-age=31536000"),)
_MEDIA_TYPE: Final = re.compile(
    rb'application/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*|;\s*(?!charset)[\w-]+=[^;]*)*', re.IGNORECASE
)
_USUAL_MEDIA_TYPES: Final = frozenset((b"application/json", b"application/json;charset=utf-8"))

_log = logging.getLogger("paydue.api")


class Arrived(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    A whole request as it came, before anybody believes it.

    `path` and `query` are as sent, never decoded. `headers` have lower-case names. `client` is the address that the
    configured proxies vouch for.
    """

    method: str
    path: bytes
    query: bytes
    headers: list[Header]
    body: bytes
    client: str | None
    is_https: bool = False


class Streamed(msgspec.Struct, frozen=True):
    """An answer of 200 whose body is a file that comes in pieces, which whoever sends it has to close."""

    media_type: bytes
    file_name: bytes
    first: bytes
    pieces: AsyncGenerator[bytes, None]


class Reply(msgspec.Struct, frozen=True, gc=False):
    """
    An answer ready to be sent, with the headers it has besides those of every answer.

    What is `streamed` has its body there; it comes of streamed routes alone.
    """

    status: int
    body: bytes
    correlation_id: str
    headers: tuple[Header, ...] = ()
    streamed: Streamed | None = None


class GatewayRefusal(Exception):
    """What is refused before the API itself is reached, with the gateway's form of body."""

    def __init__(self, status: int, message: str, *headers: Header) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


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

    def route(self, method: str, path: bytes) -> tuple[Match | None, Route | None]:
        """Return the operations of a path as it was sent, and the one of them that `method` asks for."""
        match = self.router.match(path)
        return match, match.routes.get(method) if match is not None else None

    async def reply(self, arrived: Arrived, match: Match | None, route: Route | None) -> Reply:
        """
        Answer a request, with what `route` returned for it; nothing a caller sends makes this raise.

        Where `route.is_prompt`, nothing up to the first wait asks for the task that runs this.
        """
        correlation_id = new_correlation_id()
        nanoseconds = self._clock.nanoseconds()
        headers: tuple[Header, ...] = ()
        try:
            caller = await self._authenticate(arrived, correlation_id)
            route = _checked_route(match, route, arrived.headers)
            assert match is not None
            request = Request(
                values=match.values,
                query=arrived.query,
                body=arrived.body,
                store=self._store.of(caller.merchant_id),
                actor=Actor(caller.key_id, correlation_id),
                nanoseconds=nanoseconds,
                submit_time=self._submit_times.write(nanoseconds),
            )
            answer: Answer
            if route.is_streamed:
                streamed = await route.handler(request)
                return Reply(200, b"", correlation_id, self._over_tls if arrived.is_https else (), streamed)
            if route.method != "POST" or (key := _header(arrived.headers, idempotency.HEADER)) is None:
                answer = await route.handler(request)
            else:
                answer, headers = await self._run_once(request, route, key, arrived)
        except GatewayRefusal as refusal:
            answer, headers = Answer(refusal.status, gateway_body(refusal.message)), refusal.headers
        except (Refusal, MalformedJson) as refusal:
            answer = Answer(*write_error(refusal, self._submit_times.write(nanoseconds)))
        except StoreUnavailable as failure:
            _log_unavailable(failure, correlation_id)
            answer = Answer(*write_error(failure, self._submit_times.write(nanoseconds)))
            headers = ((b"retry-after", b"1" if isinstance(failure, StoreBusy) else b"5"),)
        except Exception:  # noqa: BLE001 - the outermost layer
            path = arrived.path.decode("latin-1")
            _log.exception("request_failed", extra={"correlation_id": correlation_id, "path": path})
            answer = Answer(*write_failure(self._submit_times.write(nanoseconds)))
        return Reply(
            answer.status, answer.body, correlation_id, headers + self._over_tls if arrived.is_https else headers
        )

    def refuse(self, refusal: GatewayRefusal, *, is_https: bool = False) -> Reply:
        """Answer a request that is refused before it is whole."""
        headers = refusal.headers + self._over_tls if is_https else refusal.headers
        return Reply(refusal.status, gateway_body(refusal.message), new_correlation_id(), headers)

    async def _authenticate(self, arrived: Arrived, correlation_id: str) -> Caller:
        target = arrived.path + b"?" + arrived.query if arrived.query else arrived.path
        try:
            return await self._callers.caller(
                SignedRequest(arrived.method, target, arrived.headers, arrived.body, arrived.client)
            )
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

    async def _run_once(
        self, request: Request, route: Route, key: bytes, arrived: Arrived
    ) -> tuple[Answer, tuple[Header, ...]]:
        async def run(receipt_maker: ReceiptMaker) -> Answer:
            request.receipt_maker = receipt_maker
            answer: Answer = await route.handler(request)
            return answer

        same = b"\n".join((b"POST", arrived.path, arrived.query, arrived.body))
        answer, repeated = await self._posts.once(request.store, key, same, run)
        return answer, ((b"idempotent-replayed", b"true"),) if repeated else ()


def largest_body(route: Route | None) -> int:
    """Return how many bytes a request may bring; one that leads nowhere has to be read too, for its signature."""
    return route.maximum_body if route is not None else _LARGEST_UNROUTED


def _log_unavailable(failure: StoreUnavailable, correlation_id: str) -> None:
    if isinstance(failure, StoreBusy):
        _log.warning("store_busy", extra={"correlation_id": correlation_id, "reason": str(failure)})
    else:
        _log.error("store_unavailable", exc_info=failure, extra={"correlation_id": correlation_id})


def new_correlation_id() -> str:
    """Return a random UUID. It names a request in logs and is no secret, so the fast generator will do."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _checked_route(match: Match | None, route: Route | None, headers: list[Header]) -> Route:
    if match is None:
        raise GatewayRefusal(404, "Not Found")
    if route is None:
        raise GatewayRefusal(405, "Method Not Allowed", (b"allow", ", ".join(sorted(match.routes)).encode()))
    if route.method in ("POST", "PUT", "PATCH"):
        media_type = _header(headers, b"content-type")
        if media_type is not None and media_type not in _USUAL_MEDIA_TYPES and not _MEDIA_TYPE.fullmatch(media_type):
            raise GatewayRefusal(415, "Unsupported Media Type: send application/json in UTF-8")
        encoding = _header(headers, b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            raise GatewayRefusal(415, "Unsupported Media Type: send the body without a content encoding")
    return route


def _header(headers: list[Header], name: bytes) -> bytes | None:
    for each, value in headers:
        if each == name:
            return value
    return None
