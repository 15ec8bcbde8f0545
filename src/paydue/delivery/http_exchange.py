"""
One HTTP/1.1 request and its answer, on a connection that somebody else has opened.

Apart from `egress.py`, which alone uses it, because it knows bytes and no addresses: whom it speaks to was decided.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import h11

from paydue.delivery.egress_answers import Failed, Why

_LARGEST_HEAD: Final = 32 * 1024
_LONGEST_HEADER: Final = 1024
_READ: Final = 16 * 1024
_OWN_HEADERS: Final = frozenset(("host", "content-length", "connection", "transfer-encoding", "accept-encoding"))


class Exchange:
    """`status` and `headers` are there as soon as the answer has begun, whatever becomes of the rest."""

    def __init__(self, method: str, authority: str, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Raises ValueError for a header that cannot be sent, or that is not the caller's to choose."""
        if own := _OWN_HEADERS.intersection(name.lower() for name, _ in headers):
            raise ValueError(f"not the caller's to choose: {', '.join(sorted(own))}")
        first = [("Host", authority), ("Connection", "close"), ("Accept-Encoding", "identity")]
        length = [("Content-Length", str(len(body)))] if body or method not in ("GET", "HEAD") else []
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self._body = body
        self._is_over = False
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
        try:
            self._request = h11.Request(method=method, target=path, headers=[*first, *headers, *length])
        except (h11.LocalProtocolError, UnicodeError) as fault:
            raise ValueError(f"the request cannot be sent: {fault}") from None

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, largest: int) -> bytes:
        """Send the request and return the answer's body. Raises Failed, OSError."""
        writer.write(self._sent())
        await writer.drain()
        body = bytearray()
        while True:
            event = await self._next_event(reader)
            match event:
                case h11.Response():
                    self.status = event.status_code
                    self.headers = {
                        name.decode("ascii"): value[:_LONGEST_HEADER].decode("latin-1") for name, value in event.headers
                    }
                case h11.Data():
                    body += event.data
                    if len(body) > largest:
                        raise Failed(Why.TOO_LARGE, f"the answer has more than {largest} bytes")
                case h11.EndOfMessage():
                    return bytes(body)
                case h11.InformationalResponse():
                    pass
                case _:
                    raise Failed(Why.MALFORMED, f"unexpected: {event!r}")

    def _sent(self) -> bytes:
        """Return the whole request as bytes: notifications are small, and one packet arrives whole or not at all."""
        events: list[h11.Event] = [self._request, h11.Data(data=self._body), h11.EndOfMessage()]
        return b"".join(self._connection.send(event) or b"" for event in events)

    async def _next_event(self, reader: asyncio.StreamReader) -> object:
        while True:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as fault:
                raise Failed(Why.DROPPED if self._is_over else Why.MALFORMED, str(fault)) from None
            if event is not h11.NEED_DATA:
                return event
            data = await reader.read(_READ)
            self._is_over = not data
            self._connection.receive_data(data)
