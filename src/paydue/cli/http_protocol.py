"""
HTTP on one connection: limits on a request's head, and a short way to API and payment pages for what arrived whole.

uvicorn's protocol does the parsing, keeps connections and pipelines; everything that is unusual goes its way, as ASGI.
What is there in one piece is answered from here, without scope, events and (until it has to wait) a task: those cost
as much as the rest of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from http import HTTPStatus
from typing import Any, Final, TypeVar

from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE, STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState as UvicornState

from paydue.cli.begun_calls import rest_of
from paydue.cli.connection_limit import ConnectionLimit
from paydue.pages.answers import Answer, Scope
from paydue.pages.site import LINKS, Site
from paydue.wire.api import PREFIXES, Api, Arrived, Header, Reply, new_correlation_id
from paydue.wire.asgi import COMMON_HEADERS, CONTENT_TYPE, LARGEST_HEADERS, LONGEST_TARGET, MOST_HEADERS
from paydue.wire.error_json import gateway_body
from paydue.wire.forwarded import forwarded_client

LARGEST_HEAD_BYTES: Final = 48 * 1024
HEAD_SECONDS: Final = 30.0

_PREFIXES: Final = tuple(prefix.encode() for prefix in PREFIXES)
# What an application returns: a reply of the API, or a page.
Answered = TypeVar("Answered")

_LINKS: Final = LINKS.encode()
_METHODS: Final = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE"))
# Not for the short way: to be asked for the body first, a body in chunks, another protocol.
_UNUSUAL: Final = frozenset((b"expect", b"transfer-encoding", b"upgrade"))


class Door:
    """
    Where connections bring calls of the API and people who open payment links.

    `hops` is how many proxies in front are believed. `connections_from_one` is how many one address may have open.
    """

    def __init__(self, api: Api, site: Site, hops: int = 0, connections_from_one: int = 0) -> None:
        self.api: Final = api
        self.site: Final = site
        # Behind proxies all connections are theirs.
        self.connections: Final = ConnectionLimit(0 if hops else connections_from_one)
        self._hops = hops
        self._default_headers: list[Header] = []
        self._starts: dict[int, bytes] = {}

    def client_of(self, headers: list[Header], peer: str | None) -> str | None:
        """Return who called: with proxies in front, the address that they wrote down."""
        return forwarded_client(headers, self._hops) or peer if self._hops else peer

    def start_of(self, status: int, default_headers: list[Header]) -> bytes:
        """Return an answer's head up to the correlation id. uvicorn's headers are a new list in each second."""
        if default_headers is not self._default_headers:
            self._default_headers, self._starts = default_headers, {}
        start = self._starts.get(status)
        if start is None:
            headers = (*default_headers, *COMMON_HEADERS, *((CONTENT_TYPE,) if status != HTTPStatus.NO_CONTENT else ()))
            start = self._starts[status] = STATUS_LINE[status] + _lines(headers) + b"v-c-correlation-id: "
        return start


class _Exchange:
    """A call on the short way, with what uvicorn's protocol asks of its own cycles of request and response."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "response_complete", "task")

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NOBODY_WAITS
        self.task: asyncio.Task[None] | None = None


class _NoEvent:
    def set(self) -> None:
        """Wake nobody: on the short way nobody waits for the rest of a request."""


_NOBODY_WAITS: Final = _NoEvent()


class ServerState(UvicornState):
    """What all connections of a server share, and whether it is about to end."""

    is_leaving = False


class HttpProtocol(HttpToolsProtocol):
    """
    uvicorn's protocol with two things of ours.

    It gives up on a head that grows beyond 48 KiB or is not whole after 30 seconds: somewhat more than the
    application allows, so that it answers what is only a little too large. And it takes a whole call to `door` itself.
    """

    server_state: ServerState

    def __init__(self, *arguments: Any, door: Door | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._door = door
        self._counted_as: str | None = None
        self._is_in_head = True
        self._begins_here = False
        self._head_bytes = 0
        self._piece_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._is_held = False
        self._body = b""
        self._idle_since = 0.0

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # it always is an asyncio.Transport
        if self._door is not None and self.client is not None:
            self._counted_as = self._door.connections.enter(self.client[0])
            if self._counted_as is None:
                return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        if self._counted_as and self._door is not None:
            self._door.connections.leave(self._counted_as)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._begins_here = False
        self._piece_bytes = len(data)
        super().data_received(data)
        if self._is_held:
            self._take_the_long_way()
        # Most requests come in one piece, and never get here: neither a timer nor a count for them.
        if self._is_in_head and not self.transport.is_closing():
            self._await_head()
            # Not the piece in which the head began, which may hold whole requests before it.
            self._head_bytes += 0 if self._begins_here else len(data)
            if self._head_bytes > LARGEST_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    # What the parser tells

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._is_in_head = self._begins_here = True
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_waiting()
        self._body = b""
        self._is_held = self._may_take_the_short_way()
        if not self._is_held:
            self._take_the_long_way()

    def on_body(self, body: bytes) -> None:
        if self._is_held:
            self._body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_held:
            self._is_held = False
            self._answer()
        else:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; uvicorn calls this."""
        self._is_held = False
        self._refuse(HTTPStatus.BAD_REQUEST)

    # The two ways

    def _may_take_the_short_way(self) -> bool:
        url, cycle = self.url, self.cycle
        return (
            self._door is not None
            and (url.startswith(_PREFIXES) or self._opens_a_link())
            and self._begins_here
            and (cycle is None or cycle.response_complete)  # type: ignore[redundant-expr]  # None at first
            and not self.pipeline
            # A client that does not read is waited for on the long way.
            and not self.flow.write_paused
            and self._piece_bytes <= LARGEST_HEADERS
            and len(url) <= LONGEST_TARGET
            and len(self.headers) <= MOST_HEADERS
            and self.parser.get_method() in _METHODS
            and self.parser.get_http_version() == "1.1"
            and url.isascii()
            and b"#" not in url
            and _UNUSUAL.isdisjoint(dict(self.headers))
        )

    def _opens_a_link(self) -> bool:
        return self.url.startswith(_LINKS) and self.parser.get_method() == b"GET" and b"%" not in self.url

    def _take_the_long_way(self) -> None:
        """Hand the request to uvicorn's own cycle, with what of its body is there."""
        self._is_held = False
        url, headers, body = self.url, self.headers, self._body
        super().on_message_begin()
        self.url = url
        self.headers += headers
        self.expect_100_continue = (b"expect", b"100-continue") in [(name, value.lower()) for name, value in headers]
        super().on_headers_complete()
        if self.server_state.is_leaving:
            self.leave()
        if body:
            super().on_body(body)

    def _answer(self) -> None:
        door = self._door
        assert door is not None
        path, _, query = self.url.partition(b"?")
        if path.startswith(_LINKS):
            return self._open_link(door, self._exchange(), path, query)
        method = self.parser.get_method().decode()
        match, route = door.api.route(method, path)
        if route is not None and route.is_streamed:
            self._take_the_long_way()
            return super().on_message_complete()
        exchange = self._exchange()
        arrived = Arrived(
            method=method,
            path=path,
            query=query,
            headers=self.headers,
            body=self._body,
            client=door.client_of(self.headers, self.client[0] if self.client else None),
            is_https=self.scheme == "https",
        )
        call = door.api.reply(arrived, match, route)
        self._run(exchange, call, self._send_reply, is_prompt=route is not None and route.is_prompt)

    def _exchange(self) -> _Exchange:
        exchange = _Exchange(keep_alive=self.parser.should_keep_alive() and not self.server_state.is_leaving)
        self.cycle = exchange  # type: ignore[assignment]  # it has what uvicorn asks a cycle for
        return exchange

    def _open_link(self, door: Door, exchange: _Exchange, path: bytes, query: bytes) -> None:
        client = door.client_of(self.headers, self.client[0] if self.client else None)
        scope: Scope = {
            "type": "http",
            "method": "GET",
            "path": path.decode("ascii"),
            "query_string": query,
            "headers": self.headers,
            "client": (client, 0) if client is not None else None,
        }
        call = door.site.answer_link(scope, _nothing_to_receive)
        self._run(exchange, call, self._send_page, is_prompt=True)

    def _run(
        self,
        exchange: _Exchange,
        call: Coroutine[Any, Any, Answered],
        send: Callable[[_Exchange, Answered], None],
        *,
        is_prompt: bool,
    ) -> None:
        """Answer with what the call returns: at once, if it is prompt and does not have to wait."""
        if is_prompt:
            try:
                waits_for = call.send(None)
            except StopIteration as done:
                send(exchange, done.value)
                return
            call = rest_of(call, waits_for)
        exchange.task = self.loop.create_task(self._send_later(exchange, call, send))
        self.tasks.add(exchange.task)

    async def _send_later(
        self, exchange: _Exchange, call: Awaitable[Answered], send: Callable[[_Exchange, Answered], None]
    ) -> None:
        try:
            send(exchange, await call)
        finally:
            if exchange.task is not None:
                self.tasks.discard(exchange.task)

    def _send_reply(self, exchange: _Exchange, reply: Reply) -> None:
        assert self._door is not None
        start = self._door.start_of(reply.status, self.server_state.default_headers)
        more = _lines(reply.headers) if reply.headers else b""
        self._send(exchange, b"%b%b\r\n%b" % (start, reply.correlation_id.encode(), more), reply.status, reply.body)

    def _send_page(self, exchange: _Exchange, page: Answer) -> None:
        head = STATUS_LINE[page.status] + _lines((*self.server_state.default_headers, *page.headers))
        self._send(exchange, head, page.status, page.body)

    def _send(self, exchange: _Exchange, head: bytes, status: int, body: bytes) -> None:
        exchange.response_complete = True
        if exchange.disconnected or self.transport.is_closing():
            return
        keep_alive = exchange.keep_alive and b"connection: close" not in head
        more = b"" if exchange.keep_alive else b"connection: close\r\n"
        if status != HTTPStatus.NO_CONTENT:
            more += b"content-length: %d\r\n" % len(body)
        # In one piece: a packet less, and half the cost of two.
        self.transport.write(b"%b%b\r\n%b" % (head, more, body))
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    # Between requests

    def leave(self) -> None:
        """Let the answer that is being made be the last one, and say so in it."""
        # There is none before the first request, whatever uvicorn declares.
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Go on with the next request, if there is one already; uvicorn's cycles call this too."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        # One timer for a connection and not one for each answer: it looks when it rings whether it is time.
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._ring_after(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing was asked for long enough."""
        self.timeout_keep_alive_task = None
        is_idle = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
        if self.transport.is_closing() or not is_idle or self._is_in_head:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._ring_after(left)
        else:
            self.transport.close()

    def _unset_keepalive_if_required(self) -> None:
        """Leave the timer alone, whatever arrives."""

    def _ring_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer with the headers that every answer has, and close."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        body = gateway_body(status.phrase)
        headers = (
            *self.server_state.default_headers,
            (b"v-c-correlation-id", new_correlation_id().encode()),
            (b"x-content-type-options", b"nosniff"),
            CONTENT_TYPE,
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *(((b"retry-after", b"5"),) if status is HTTPStatus.SERVICE_UNAVAILABLE else ()),
        )
        self.transport.write(STATUS_LINE[status] + _lines(headers) + b"\r\n" + body)
        self.transport.close()


def _lines(headers: Iterable[Header]) -> bytes:
    for _, value in headers:
        if HEADER_VALUE_RE.search(value):
            raise RuntimeError("Invalid HTTP header value.")
    return b"".join([name + b": " + value + b"\r\n" for name, value in headers])


async def _nothing_to_receive() -> dict[str, Any]:
    """Stand for the body of a request that has none."""
    return {"type": "http.request", "body": b"", "more_body": False}
