"""
What has to hold of a connection before there is a request: how large its head may be and how long it may take.

uvicorn's parser gathers a head of any length for any time; the application sees it only when it is whole. And only the
connection itself can tell its client that it will not be kept.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState as UvicornState

from paydue.wire.asgi import new_correlation_id
from paydue.wire.error_json import gateway_body

LARGEST_HEAD_BYTES: Final = 48 * 1024
HEAD_SECONDS: Final = 30.0


class ServerState(UvicornState):
    """What all connections of a server share, and whether it is about to end."""

    is_leaving = False


class BoundedHeads(HttpToolsProtocol):
    """
    uvicorn's protocol, which gives up on a head that grows beyond 48 KiB or is not whole after 30 seconds.

    That is somewhat more than the application allows, so that it answers what is only a little too large.
    """

    server_state: ServerState

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._is_in_head = True
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # it always is an asyncio.Transport
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._is_in_head
        super().data_received(data)
        # Most requests come in one piece, and never get here: neither a timer nor a count for them.
        if self._is_in_head and not self.transport.is_closing():
            self._await_head()
            # Not the piece in which the head began, which may hold the end of the request before.
            self._head_bytes += len(data) if was_in_head else 0
            if self._head_bytes > LARGEST_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()
        if self.server_state.is_leaving:
            self.leave()

    def leave(self) -> None:
        """Let the answer that is being made be the last one, and say so in it."""
        # There is none before the first request, whatever uvicorn declares.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; uvicorn calls this."""
        self._refuse(HTTPStatus.BAD_REQUEST)

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
            (b"content-type", b"application/json;charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        )
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
        self.transport.close()
