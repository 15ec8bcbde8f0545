"""
A client for the tests: it signs every call, and holds every answer against the OpenAPI document.

Apart from the official clients because those forgive: here an undescribed status, member or header fails the test.
"""

import asyncio
import itertools
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from openapi_check import check_answer
from running import Server, paydue
from signing import sign_http

INVOICES = "/invoicing/v2/invoices"
SETTINGS = "/invoicing/v2/invoiceSettings"
_COUNT = itertools.count(1)
_CORRELATION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose books, on which server, opened with which key. `demo` and `new` say how to get one."""

    url: str
    merchant_id: str
    key_id: str
    shared_secret: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @classmethod
    def demo(cls, server: Server) -> Self:
        """Return the ready-made merchant of a demo server."""
        ready = server.ready
        return cls(
            url=ready["api_url"],
            merchant_id=ready["merchant_id"],
            key_id=ready["key_id"],
            shared_secret=ready["shared_secret"],
        )

    @classmethod
    def new(cls, server: Server) -> Self:
        """Add a merchant with nothing in its books yet, and a key for it, to a running server."""
        data = ("--data", str(server.data), "--json")
        merchant_id = f"merchant{next(_COUNT)}"
        paydue("merchant", "add", "--id", merchant_id, "--name", "API Ref Sandbox", *data)
        key = paydue("key", "add", "--merchant", merchant_id, *data)
        return cls(
            url=server.ready["api_url"],
            merchant_id=merchant_id,
            key_id=key["key_id"],
            shared_secret=key["shared_secret"],
        )


@dataclass(frozen=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body's JSON, numbers exact."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def faults(self) -> dict[str, str]:
        """The faulty fields of a refusal and what is wrong with each."""
        return {detail["field"]: detail["reason"] for detail in self.json.get("details", [])}

    def expect(self, status: int) -> Self:
        """Return this answer if it has that status; fail, showing what it has, if not."""
        assert self.status == status, f"{self.status} instead of {status}: {self.body[:1000].decode(errors='replace')}"
        return self


class Client:
    """One merchant's program, calling over one persistent connection. To be closed, best by `with`."""

    def __init__(self, account: Account, *, verify: ssl.SSLContext | bool = True) -> None:
        self.account = account
        # trust_env: a proxy of the machine has no business between a test and its server.
        self._http = httpx.Client(timeout=30, trust_env=False, verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        signed: bool = True,
    ) -> Answer:
        """Return the checked answer. `body` is sent as JSON, or as it is when it is bytes; `headers` come on top."""
        request = prepared(self.account, method, target, body, headers, signed=signed)
        response = self._http.send(request)
        return checked(request, Answer(response.status_code, response.headers, response.content))

    def create(self, body: Any) -> Any:
        return self.call("POST", INVOICES, body).expect(201).json

    def get(self, number: str) -> Any:
        return self.call("GET", f"{INVOICES}/{number}").expect(200).json

    def update(self, number: str, body: Any) -> Any:
        return self.call("PUT", f"{INVOICES}/{number}", body).expect(200).json

    def act(self, number: str, action: str) -> Any:
        """Do `delivery`, `publication` or `cancelation`."""
        return self.call("POST", f"{INVOICES}/{number}/{action}", {}).expect(200).json

    def pay(self, number: str, amount: str, reference: str = "TR-1") -> Any:
        return self.call("POST", payments_of(number), a_payment_body(amount, reference)).expect(201).json

    def list(self, query: str = "") -> Any:
        return self.call("GET", INVOICES + query).expect(200).json


class AsyncClient:
    """The same for many calls at once: each waits for its turn on one of `connections` persistent connections."""

    def __init__(self, account: Account, *, connections: int) -> None:
        self.account = account
        self._connections = connections
        # Not httpx's own pool: with many callers it takes longer than the server.
        self._idle: asyncio.LifoQueue[_Streams | None] = asyncio.LifoQueue()

    async def __aenter__(self) -> Self:
        for _ in range(self._connections):
            self._idle.put_nowait(await self._connect())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._idle.empty():
            if (streams := self._idle.get_nowait()) is not None:
                streams[1].close()
                await streams[1].wait_closed()

    async def call(
        self, method: str, target: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        request = prepared(self.account, method, target, body, headers)
        streams = await self._idle.get()
        try:
            streams = streams or await self._connect()
            async with asyncio.timeout(60):
                answer, stays_open = await _exchanged(streams, request)
        except BaseException:
            if streams is not None:
                streams[1].close()
            self._idle.put_nowait(None)
            raise
        if not stays_open:
            streams[1].close()
        self._idle.put_nowait(streams if stays_open else None)
        return checked(request, answer)

    async def _connect(self) -> "_Streams":
        address = urlsplit(self.account.url)
        return await asyncio.open_connection(address.hostname, address.port)


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _exchanged(streams: _Streams, request: httpx.Request) -> tuple[Answer, bool]:
    """Return the answer, and whether the connection may be used again. Answers of the API always have a length."""
    reader, writer = streams
    fields = b"".join(name + b": " + value + b"\r\n" for name, value in request.headers.raw)
    writer.write(
        b"%s %s HTTP/1.1\r\n%s\r\n" % (request.method.encode(), request.url.raw_path, fields) + request.content
    )
    status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).rstrip().split(b"\r\n")
    headers = httpx.Headers([tuple(part.strip() for part in line.split(b":", 1)) for line in lines])
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(status_line.split(b" ")[1]), headers, body), headers.get("connection") != "close"


def prepared(
    account: Account,
    method: str,
    target: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    *,
    signed: bool = True,
) -> httpx.Request:
    """Return the request as it will be sent, signed for that account."""
    url = httpx.URL(account.url + target)
    content = body if body is None or isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    # What is signed is what httpx sends, which may be percent-encoded where `target` was not.
    sent_target = url.raw_path.decode("ascii")
    all_headers = {"User-Agent": "paydue-tests", "Accept": "application/json"}
    if signed:
        all_headers |= sign_http(
            method, sent_target, account.host, account.merchant_id, account.key_id, account.shared_secret, content
        )
    elif content is not None:
        all_headers["Content-Type"] = "application/json"
    return httpx.Request(method, url, content=content, headers=all_headers | dict(headers or {}))


def checked(request: httpx.Request, answer: Answer) -> Answer:
    """Return the answer to a call, if it is one that our own description promises."""
    method, path = request.method, request.url.raw_path.decode("ascii")
    what = f"{method} {path} answered {answer.status}"
    check_common_headers(answer.headers, what)
    assert answer.headers.get("cache-control") == "no-store", f"{what}: {answer.headers}"
    if method != "HEAD":
        # A list's own links have a slash before the question mark; the document describes the path without it.
        described = path.partition("?")[0]
        check_answer(
            method, INVOICES if described == INVOICES + "/" else described, answer.status, answer.headers, answer.body
        )
    return answer


def check_common_headers(headers: httpx.Headers, what: str) -> None:
    """Raise AssertionError unless the headers of every answer are there, each once, and none that tells too much."""
    assert _CORRELATION_ID.fullmatch(headers.get("v-c-correlation-id", "")), f"{what}: {headers}"
    assert headers.get("x-content-type-options") == "nosniff", f"{what}: {headers}"
    names = [name.lower() for name, _ in headers.multi_items()]
    assert len(set(names)) == len(names), f"{what}: a header twice among {names}"
    assert not {"server", "access-control-allow-origin"} & set(names), f"{what}: {headers}"


def payments_of(number: str) -> str:
    """Return the path at which payments of that invoice are recorded."""
    return f"/paydue/v1/invoices/{number}/payments"


def an_invoice_body(
    total: str | float = "293.50", *, send: bool = False, email: str | None = None, **information: Any
) -> dict[str, Any]:
    """
    Return the body of a create or an update: by e-mail where there is an address, else without mail.

    `information` are members of `invoiceInformation`, laid over the usual ones; None takes one away.
    """
    usual = {"description": "Consulting", "dueDate": "2026-06-30", "sendImmediately": send}
    usual |= {"deliveryMode": "email" if email else "none", **information}
    return {
        **({"customerInformation": {"name": "Tanya Lee", "email": email}} if email else {}),
        "invoiceInformation": {name: value for name, value in usual.items() if value is not None},
        "orderInformation": {"amountDetails": {"totalAmount": total, "currency": "USD"}},
    }


def a_payment_body(amount: str, reference: str = "TR-1") -> dict[str, Any]:
    return {"amount": amount, "method": "bank transfer", "reference": reference}


@contextmanager
def nothing_changes(client: Client) -> Iterator[None]:
    """Fail if the merchant has more invoices afterwards."""
    before = client.list("?limit=1")["totalInvoices"]
    yield
    assert client.list("?limit=1")["totalInvoices"] == before, "something was kept"


def bugs_met(server: Server) -> list[str]:
    """Return what the server's log says of requests that met a bug of ours: answered 502, with a trace in the log."""
    log = server.log.read_text(encoding="utf-8", errors="replace")
    return [line for line in log.splitlines() if "request_failed" in line or "Exception in ASGI" in line]
