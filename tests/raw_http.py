"""
HTTP spoken byte by byte, for what no ordinary client would send: odd targets, repeated headers, halves of requests.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx

from client import Account, Answer, check_common_headers
from signing import sign_http

_SECONDS = 20
_LARGEST_ANSWER = 4 * 1024 * 1024


class Conversation:
    """One connection. What is read waits for at most twenty seconds."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unread = b""

    def say(self, data: bytes) -> None:
        """Send all of it, or as much as the other side takes before it closes."""
        # A server may answer and leave before it has heard everything.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(data)

    def finish(self) -> None:
        """Say that nothing more will come."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET") -> Answer | None:
        """Return the next answer, to a request with that method; None when the server has closed instead."""
        while b"\r\n\r\n" not in self._unread:
            if not self._read_more():
                assert not self._unread, f"half an answer: {self._unread[:500]!r}"
                return None
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        headers = httpx.Headers([tuple(part.strip() for part in line.split(b":", 1)) for line in lines])
        status = int(status_line.split(b" ")[1])
        if method == "HEAD" or status < 200 or status in {204, 304}:
            return Answer(status, headers, b"")
        return Answer(status, headers, self._body(headers))

    def is_closed(self) -> bool:
        """Whether the server ends the connection without another word, within the seconds of this conversation."""
        return not self._read_more() and not self._unread

    def _body(self, headers: httpx.Headers) -> bytes:
        if "content-length" in headers:
            length = int(headers["content-length"])
            while len(self._unread) < length:
                assert self._read_more(), f"the body ends after {len(self._unread)} of {length} bytes"
            body, self._unread = self._unread[:length], self._unread[length:]
            return body
        while self._read_more():
            assert len(self._unread) <= _LARGEST_ANSWER
        body, self._unread = self._unread, b""
        return body

    def _read_more(self) -> bool:
        try:
            data = self._connection.recv(65536)
        except ConnectionResetError:
            data = b""
        self._unread += data
        return bool(data)


@contextmanager
def conversation(account: Account) -> Iterator[Conversation]:
    """Connect to the account's server for the length of a `with` block."""
    address = urlsplit(account.url)
    with socket.create_connection((address.hostname or "", address.port or 80), timeout=_SECONDS) as connection:
        yield Conversation(connection)


def exchange(account: Account, request: bytes) -> Answer | None:
    """Return the answer to one request on a connection of its own; None when the server closed without one."""
    with conversation(account) as talk:
        talk.say(request)
        return talk.answer(request.partition(b" ")[0].decode("latin-1"))


def answered(account: Account, request: bytes) -> Answer:
    """Return the answer to these bytes, which has to come and to have the common headers."""
    answer = exchange(account, request)
    assert answer is not None, "the server closed without an answer"
    check_common_headers(answer.headers, repr(request[:80]))
    assert answer.status < 500, answer.body[:500]
    return answer


def signed_request(
    account: Account,
    method: str,
    target: str,
    body: bytes | None = None,
    *,
    headers: Iterable[tuple[str, str]] = (),
    without: Iterable[str] = (),
) -> bytes:
    """
    Return a request as bytes, signed for the account: `headers` come on top, repeated or not, and those named in
    `without` are left out after signing.
    """
    signed = sign_http(method, target, account.host, account.merchant_id, account.key_id, account.shared_secret, body)
    if body is not None:
        signed["Content-Length"] = str(len(body))
    left_out = {name.lower() for name in without}
    lines = [f"{name}: {value}" for name, value in signed.items() if name.lower() not in left_out]
    lines += [f"{name}: {value}" for name, value in headers]
    # Latin-1: a test may put any byte into a header or a target.
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")
    return head + (body or b"")
