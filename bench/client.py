"""Signed requests as bytes for the load generator, and the few calls the harness makes for itself."""

import http.client
from typing import Any

import msgspec
from tests.signing import sign_http

from bench.processes import RunningServer


class UnexpectedAnswer(Exception):
    """The product answered something that would make a measurement of it meaningless."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The merchant on whose behalf the load is signed."""

    merchant_id: str
    key_id: str
    shared_secret: str


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's client of one running server."""

    server: RunningServer
    account: Account

    def signed(self, method: str, target: str, body: bytes | None = None) -> bytes:
        """Answer a whole HTTP/1.1 request, signed now; the server takes it for five minutes from here."""
        return request_bytes(method, target, self._signed_headers(method, target, body), body)

    def unsigned(self, target: str) -> bytes:
        """Answer a whole GET request as a payer's browser would send it."""
        host = f"{self.server.host}:{self.server.port}"
        headers = {"Host": host, "Accept": "text/html,application/xhtml+xml", "Accept-Language": "en-US,en;q=0.9"}
        return request_bytes("GET", target, headers, None)

    def invoices(self, offset: int, limit: int, status: str = "") -> Any:
        """Answer one page of the invoice list as decoded JSON; raises UnexpectedAnswer unless it is a 200."""
        target = f"/invoicing/v2/invoices?offset={offset}&limit={limit}" + (f"&status={status}" if status else "")
        return msgspec.json.decode(self.ask(self.signed("GET", target), expect=200).body)

    def ask(self, request: bytes, *, expect: int) -> "Answer":
        """Send one prepared request and answer the reply; raises UnexpectedAnswer on any status but `expect`."""
        return send(self.server.host, self.server.port, request, expect=expect)

    def _signed_headers(self, method: str, target: str, body: bytes | None) -> dict[str, str]:
        account = self.account
        headers = sign_http(
            method,
            target,
            f"{self.server.host}:{self.server.port}",
            account.merchant_id,
            account.key_id,
            account.shared_secret,
            body=body,
        )
        return dict(headers)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a server replied: headers with lower-case names, and the body."""

    headers: dict[str, str]
    body: bytes


def send(host: str, port: int, request: bytes, *, expect: int) -> Answer:
    """Send one prepared request and answer the reply; raises UnexpectedAnswer on any status but `expect`."""
    head, _, body = request.partition(b"\r\n\r\n")
    first_line, *header_lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first_line.split(" ")
    headers = dict(line.split(": ", 1) for line in header_lines)
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request(method, target, body or None, headers)
        response = connection.getresponse()
        answer = Answer(headers={name.lower(): value for name, value in response.getheaders()}, body=response.read())
    finally:
        connection.close()
    if response.status != expect:
        shown = answer.body[:500].decode(errors="replace")
        raise UnexpectedAnswer(f"{method} {target} was answered with {response.status}, not {expect}: {shown}")
    return answer


def request_bytes(method: str, target: str, headers: dict[str, str], body: bytes | None) -> bytes:
    """Answer a whole HTTP/1.1 request; a body without a type is JSON."""
    if body is not None:
        names = {name.lower() for name in headers}
        if "content-type" not in names:
            headers = headers | {"Content-Type": "application/json"}
        if "content-length" not in names:
            headers = headers | {"Content-Length": str(len(body))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")
