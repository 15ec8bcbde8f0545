"""
What no client should send, sent all the same: bodies too large, too slow or in two minds, headers that are bombs, paths
that lead nowhere. It is refused, nothing of it is kept, and nobody else has to wait.

The server is a running one, so that what stands before our code (parser, sockets) is tested with it.
"""

import gzip
import json
import re
import time
from typing import Any, Final

import pytest

from client import (
    INVOICES,
    SETTINGS,
    Account,
    Client,
    a_payment_body,
    an_invoice_body,
    bugs_met,
    check_common_headers,
    nothing_changes,
    payments_of,
)
from raw_http import answered, conversation, exchange, signed_request
from running import Server

KIB: Final = 1024
UNAUTHENTICATED: Final = b'{"response":{"rmsg":"Authentication Failed"}}'


# --- how the body is sent ---


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json+x",
        "text/json",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json, text/plain",
        "json",
        "*/*",
        "application/hal+json",
    ],
)
def test_another_media_type_is_415(client: Client, media_type: str) -> None:
    with nothing_changes(client):
        answer = client.call("POST", INVOICES, an_invoice_body(), headers={"Content-Type": media_type})
        assert "Unsupported Media Type" in answer.expect(415).json["response"]["rmsg"]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json ; charset=utf-8",
        "application/json; version=1; charset=utf-8",
    ],
)
def test_json_in_utf_8_is_taken_however_it_is_announced(client: Client, media_type: str) -> None:
    client.call("POST", INVOICES, an_invoice_body(), headers={"Content-Type": media_type}).expect(201)


def test_a_body_without_a_media_type_and_with_a_byte_order_mark_is_read(client: Client) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(an_invoice_body()).encode()
    request = signed_request(client.account, "POST", INVOICES, body, without=["Content-Type"])
    answered(client.account, request).expect(201)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity", "x"])
def test_an_encoded_body_is_415_and_never_unpacked(client: Client, encoding: str) -> None:
    body = gzip.compress(json.dumps(an_invoice_body()).encode())
    with nothing_changes(client):
        client.call("POST", INVOICES, body, headers={"Content-Encoding": encoding}).expect(415)


def test_a_body_up_to_its_limit_is_read_and_one_byte_more_is_413(client: Client) -> None:
    number = client.create(an_invoice_body(send=True))["id"]
    for method, target, body, limit, status in (
        ("POST", INVOICES, an_invoice_body(), 256 * KIB, 201),
        ("PUT", f"{INVOICES}/{number}", an_invoice_body(), 256 * KIB, 200),
        ("POST", payments_of(number), a_payment_body("1"), 64 * KIB, 201),
        ("POST", f"{INVOICES}/{number}/delivery", {}, 64 * KIB, 200),
        ("PUT", SETTINGS, {"invoiceSettingsInformation": {}}, 2 * KIB * KIB, 200),
        ("POST", "/invoicing/v2/Purchase/merchantDefinedFields", _a_definition(), 64 * KIB, 201),
    ):
        text = json.dumps(body).encode()
        client.call(method, target, text.ljust(limit)).expect(status)
        with nothing_changes(client):
            answer = client.call(method, target, text.ljust(limit + 1)).expect(413)
        assert str(limit) in answer.json["response"]["rmsg"]


def test_an_endless_body_is_answered_before_it_ends(account: Account) -> None:
    head = signed_request(account, "POST", INVOICES, headers=[("Content-Length", str(10**12))])
    with conversation(account) as talk:
        talk.say(head + b"{" + b" " * (257 * KIB))
        answer = talk.answer()
        assert answer is not None
        assert answer.expect(413).headers["connection"] == "close"
        assert talk.is_closed()


def test_a_body_in_chunks_is_a_body(client: Client) -> None:
    body = json.dumps(an_invoice_body()).encode()
    head = signed_request(
        client.account, "POST", INVOICES, body, headers=[("Transfer-Encoding", "chunked")], without=["Content-Length"]
    )[: -len(body)]
    # signed_request adds the length after signing, so it is taken out here.
    head = re.sub(rb"Content-Length: [0-9]+\r\n", b"", head)
    with conversation(client.account) as talk:
        talk.say(head)
        for start in range(0, len(body), 50):
            chunk = body[start : start + 50]
            talk.say(b"%x;note=1\r\n%s\r\n" % (len(chunk), chunk))
        talk.say(b"0\r\nX-Trailer: 1\r\n\r\n")
        answer = talk.answer()
        assert answer is not None
        answer.expect(201)
    with nothing_changes(client), conversation(client.account) as talk:
        talk.say(head)
        for _ in range(70):
            talk.say(b"1000\r\n" + b" " * 4096 + b"\r\n")
        answer = talk.answer()
        assert answer is not None
        answer.expect(413)
    for wrong in (b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n0\r\n\r\n", b"fffffffffffffffff\r\n{}"):
        with nothing_changes(client):
            answer = exchange(client.account, head + wrong)
            assert answer is None or answer.status in {400, 401}


def test_a_body_that_comes_slowly_is_waited_for(client: Client) -> None:
    request = signed_request(client.account, "POST", INVOICES, json.dumps(an_invoice_body()).encode())
    with conversation(client.account) as talk:
        for start in range(0, len(request), len(request) // 8 + 1):
            talk.say(request[start : start + len(request) // 8 + 1])
            time.sleep(0.05)
        answer = talk.answer()
        assert answer is not None
        answer.expect(201)


def test_a_client_that_asks_whether_to_go_on_is_told_to(client: Client) -> None:
    body = json.dumps(an_invoice_body()).encode()
    request = signed_request(client.account, "POST", INVOICES, body, headers=[("Expect", "100-continue")])
    with conversation(client.account) as talk:
        talk.say(request[: -len(body)])
        answer = talk.answer()
        assert answer is not None
        answer.expect(100)
        talk.say(body)
        answer = talk.answer()
        assert answer is not None
        answer.expect(201)


def test_half_a_request_makes_nothing_and_holds_up_nobody(client: Client) -> None:
    request = signed_request(client.account, "POST", INVOICES, json.dumps(an_invoice_body()).encode())
    with nothing_changes(client):
        for length in (1, 10, len(request) // 2, len(request) - 300, len(request) - 1):
            with conversation(client.account) as talk:
                talk.say(request[:length])
                # While one waits in the middle of its request, others are answered.
                client.call("GET", f"{INVOICES}?limit=1").expect(200)
                talk.finish()
                answer = talk.answer()
                assert answer is None or answer.status == 400
            with conversation(client.account) as talk:
                talk.say(request[:length])


def test_two_lengths_never_make_two_requests_of_one(client: Client) -> None:
    body = json.dumps(an_invoice_body()).encode()
    smuggled = signed_request(client.account, "POST", INVOICES, body)
    for headers in (
        [("Transfer-Encoding", "chunked")],
        [("Content-Length", "0")],
        [("Transfer-Encoding", "identity"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "xchunked")],
        [("Content-Length", "+5")],
        [("Content-Length", "-1")],
        [("Content-Length", "1e3")],
    ):
        request = signed_request(client.account, "POST", INVOICES, body, headers=headers)
        with conversation(client.account) as talk:
            before = client.list()["totalInvoices"]
            talk.say(request + b"0\r\n\r\n" + smuggled)
            talk.finish()
            statuses = []
            while (answer := talk.answer()) is not None and len(statuses) < 5:
                statuses.append(answer.status)
            created = client.list()["totalInvoices"] - before
        assert all(status in {201, 400, 401, 413} for status in statuses), headers
        # Whatever was made was told of; and a doubtful message is followed by no second one.
        assert created == statuses.count(201) <= 1, (headers, statuses)


# --- headers ---


@pytest.mark.parametrize(
    "name", ["Host", "Date", "Digest", "Signature", "v-c-merchant-id", "v-c-date", "Authorization"]
)
def test_a_security_header_that_is_sent_twice_proves_nothing(client: Client, name: str) -> None:
    body = json.dumps(an_invoice_body()).encode()
    plain = signed_request(client.account, "POST", INVOICES, body).decode()
    values = {field: value for field, _, value in (line.partition(": ") for line in plain.split("\r\n")[1:])}
    value = values.get(name, values["Date"])
    with nothing_changes(client):
        # httptools itself refuses a second Host: any refusal will do.
        for again in (value, value + "x"):
            extra = [(name, again)] * (1 if name in values else 2)
            answer = answered(client.account, signed_request(client.account, "POST", INVOICES, body, headers=extra))
            assert answer.status in {400, 401}
            assert answer.status == 400 or answer.body == UNAUTHENTICATED


@pytest.mark.parametrize(
    "name, value",
    [
        ("Idempotency-Key", "a"),
        ("Content-Type", "application/json"),
        ("X-Anything", "1"),
        ("Cookie", "a=b"),
        ("Accept", "image/png"),
        ("Expect", "nothing"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("X-Forwarded-For", "1.2.3.4, \x80\xff"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/console"),
    ],
)
def test_other_headers_sent_twice_or_oddly_break_nothing(client: Client, name: str, value: str) -> None:
    request = signed_request(client.account, "GET", f"{INVOICES}?limit=1", headers=[(name, value), (name, value)])
    answer = answered(client.account, request)
    assert answer.status in {200, 400}
    assert answer.status == 200 or b"rmsg" in answer.body


@pytest.mark.parametrize("key", [b"\x7f", b"a\x00b", b"a\x01b", "naïve".encode(), b"\xff\xfe", b"a\rb"], ids=repr)
def test_a_header_with_bytes_that_have_no_place_there_is_400(client: Client, key: bytes) -> None:
    request = signed_request(client.account, "POST", INVOICES, json.dumps(an_invoice_body()).encode())
    request = request.replace(b"\r\n", b"\r\nIdempotency-Key: " + key + b"\r\n", 1)
    with nothing_changes(client):
        answered(client.account, request).expect(400)


@pytest.mark.parametrize(
    "headers, statuses",
    [
        ([(f"X-{each}", "1") for each in range(101)], {431}),
        ([(f"X-{each}", "1") for each in range(2000)], {431}),
        ([("X-Long", "x" * 33 * KIB)], {431}),
        ([("X-Longer", "x" * KIB * KIB)], {400, 431}),
        ([("x" * 33 * KIB, "1")], {431}),
        ([(f"X-{each}", "x" * 1000) for each in range(40)], {431}),
    ],
    ids=["101 headers", "2000 headers", "33 KiB", "1 MiB", "a long name", "40 KB in all"],
)
def test_a_bomb_of_headers_is_431(client: Client, headers: list[tuple[str, str]], statuses: set[int]) -> None:
    request = signed_request(client.account, "GET", f"{INVOICES}?limit=1", headers=headers)
    answer = answered(client.account, request)
    assert answer.status in statuses
    assert answer.headers["connection"] == "close"
    client.call("GET", f"{INVOICES}?limit=1").expect(200)


# --- targets and methods ---


@pytest.mark.parametrize(
    "path",
    [
        "/invoicing/v2/",
        "/invoicing/v2/invoice",
        "/invoicing/v2/Invoices",
        "/invoicing/v2//invoices",
        "/invoicing/v2/invoices//",
        "/invoicing/v2/invoices//1",
        "/invoicing/v2/./invoices",
        "/invoicing/v2/../v2/invoices",
        "/invoicing/v2/invoices/..",
        "/invoicing/v2/invoices/../invoiceSettings",
        "/invoicing/v2/invoices/%2e%2e/invoiceSettings",
        "/invoicing/v2/invoices/1/2/3",
        "/invoicing/v2/invoices/1/delivery/now",
        "/invoicing/v2/invoices/%00",
        "/invoicing/v2/invoices/1%00",
        "/invoicing/v2/invoices/%0d%0aX-Evil:1",
        "/invoicing/v2/invoices/%FF",
        "/invoicing/v2/invoices/%C3%A4",
        "/invoicing/v2/invoices/%ED%A0%80",
        "/invoicing/v2/invoices/%",
        "/invoicing/v2/invoices/%zz",
        "/invoicing/v2/invoices/%u0031",
        "/invoicing/v2/invoices/1;a=b",
        "/invoicing/v2/invoices/1'--",
        "/invoicing/v2/invoices/*",
        "/invoicing/v2/invoices/" + "1" * 51,
        "/invoicing/v2/invoices/" + "x" * 4000,
        "/invoicing/v2/invoices/" + "%41" * 1000,
        "/invoicing/v2/" + "a/" * 2000,
        "/invoicing/v2/merchantDefinedFields",
        "/invoicing/v2/Invoice/merchantDefinedFields/1/2",
        "/paydue/v1/",
        "/paydue/v1/invoices",
        "/paydue/v1/invoices/1",
        "/paydue/v1/invoices/1/refunds",
    ],
    ids=lambda path: path[:60],
)
def test_a_path_that_leads_nowhere_is_404(client: Client, path: str) -> None:
    answered(client.account, signed_request(client.account, "GET", path)).expect(404)


def test_an_encoded_slash_is_part_of_a_number_and_divides_nothing(client: Client) -> None:
    number = client.create(an_invoice_body(send=True))["id"]
    for target, status in (
        # An invoice of that number could be read and updated, so the path is there and the method is not.
        (f"{INVOICES}/{number}%2Fcancelation", 405),
        (f"{INVOICES}/{number}%2fcancelation", 405),
        (f"{INVOICES}%2F{number}/cancelation", 404),
        (f"/invoicing%2Fv2/invoices/{number}/cancelation", 404),
    ):
        answered(client.account, signed_request(client.account, "POST", target, b"{}")).expect(status)
    answered(client.account, signed_request(client.account, "GET", f"{INVOICES}/{number}%2Fcancelation")).expect(404)
    assert client.get(number)["status"] == "CREATED"


@pytest.mark.parametrize(
    "target",
    [
        "*",
        "invoicing/v2/invoices",
        "http://evil.example/invoicing/v2/invoices",
        "//evil.example/invoicing/v2/invoices",
        "/invoicing/v2/invoices#fragment",
        "/invoicing/v2/invoices?limit=1#fragment",
        "/invoicing/v2/invoices\\1",
        "/invoicing/v2/invoices/\x80\xff",
        "/invoicing/v2/invoices/a b",
        "/invoicing/v2/invoices?limit=\xe4",
        "/",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/static/../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/templates/invoice.html",
        "/console",
        "/docs/../openapi.json",
        "/health/",
        "/health/other",
        "/ebc2/invoicing/payInvoice/",
        "/ebc2/invoicing/payInvoice/%00",
        "/ebc2/invoicing/payInvoice/../../../",
    ],
    ids=lambda target: target.encode("unicode_escape").decode()[:60],
)
def test_a_strange_target_breaks_nothing(client: Client, target: str) -> None:
    answer = exchange(client.account, signed_request(client.account, "GET", target))
    assert answer is not None
    check_common_headers(answer.headers, target)
    assert answer.status < 500
    assert b"root:" not in answer.body
    assert b"Traceback" not in answer.body


def test_a_target_of_more_than_8_kib_is_414(client: Client) -> None:
    for target in (f"{INVOICES}/{'x' * 8 * KIB}", f"{INVOICES}?a={'x' * 8 * KIB}"):
        answered(client.account, signed_request(client.account, "GET", target)).expect(414)
    answer = answered(client.account, signed_request(client.account, "GET", f"{INVOICES}?a={'x' * 64 * KIB}"))
    assert answer.status in {400, 414, 431}


@pytest.mark.parametrize(
    "query",
    [
        "limit",
        "limit=1&limit=2",
        "%6cimit=1",
        "limit=1&" + "a=b&" * 500,
        "&&&",
        "=",
        "limit=1%",
        "limit=1&a=%FF",
        "limit=1&a=%00",
        "limit=+1",
        "limit=%2B1",
        "limit=1;offset=2",
        "limit[]=1",
        "a=" + "%20" * 2000,
    ],
    ids=lambda query: query[:40],
)
def test_a_strange_query_is_answered_or_refused_by_name(client: Client, query: str) -> None:
    answer = answered(client.account, signed_request(client.account, "GET", f"{INVOICES}?{query}"))
    assert answer.status in {200, 400}
    assert answer.status == 200 or set(answer.faults) <= {"limit", "offset", "query"}


@pytest.mark.parametrize(
    "path, allowed",
    [
        (INVOICES, "GET, POST"),
        (f"{INVOICES}/1", "GET, PUT"),
        (f"{INVOICES}/1/delivery", "POST"),
        (f"{INVOICES}/1/publication", "POST"),
        (f"{INVOICES}/1/cancelation", "POST"),
        (SETTINGS, "GET, PUT"),
        ("/invoicing/v2/Invoice/merchantDefinedFields", "GET, POST"),
        ("/invoicing/v2/Invoice/merchantDefinedFields/1", "DELETE, PUT"),
        ("/paydue/v1/invoices/1/payments", "GET, POST"),
    ],
)
def test_a_method_that_a_path_has_not_is_405_and_names_those_it_has(client: Client, path: str, allowed: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"):
        if method in allowed.split(", "):
            continue
        body = b"{}" if method in {"POST", "PUT", "PATCH"} else None
        answer = answered(client.account, signed_request(client.account, method, path, body)).expect(405)
        assert answer.headers["allow"] == allowed
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_the_payment_page_takes_forms_and_nothing_else(client: Client, method: str) -> None:
    link = client.create(an_invoice_body(send=True))["invoiceInformation"]["paymentLink"]
    target = link[link.index("/ebc2/") :]
    request = signed_request(
        client.account, method, target, b'{"amount": 1}', headers=[("Content-Type", "application/json")]
    )
    answer = answered(client.account, request)
    assert answer.status == (415 if method == "POST" else 405)
    assert answer.headers["cache-control"] == "no-store"
    if method != "POST":
        assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("method", ["get", "FOO", "GETT", "G\x00T", "PRI", "CONNECT", "MKCOL", "M-SEARCH", "SUBSCRIBE"])
def test_a_method_that_nobody_knows_is_refused(client: Client, method: str) -> None:
    answer = exchange(client.account, signed_request(client.account, method, INVOICES))
    if answer is not None:
        check_common_headers(answer.headers, method)
        assert answer.status in {400, 401, 404, 405}


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n: no name\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : space\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        bytes(range(256)) * 4,
        b"A" * 100_000,
        b"GET / HTTP/1.1\r\n" + b"a" * 100_000,
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_is_not_http_is_told_so_or_left(client: Client, request_bytes: bytes) -> None:
    with conversation(client.account) as talk:
        talk.say(request_bytes)
        talk.finish()
        answer = talk.answer()
        if answer is not None:
            check_common_headers(answer.headers, repr(request_bytes[:30]))
            assert 300 < answer.status < 500 or answer.status in {200, 505}
    client.call("GET", f"{INVOICES}?limit=1").expect(200)


def test_a_request_without_a_host_is_answered_once(account: Account) -> None:
    for request in (b"GET /health/live HTTP/1.1\r\n\r\n", b"GET /health/live HTTP/1.0\r\n\r\n"):
        answer = exchange(account, request)
        assert answer is not None
        assert answer.status in {200, 400}


def test_requests_in_one_breath_are_answered_in_their_order(client: Client) -> None:
    numbers = [client.create(an_invoice_body(str(each + 1)))["id"] for each in range(5)]
    wanted = [f"{INVOICES}/{number}" for number in numbers] + ["/health/live", f"{INVOICES}/none", INVOICES]
    requests = b"".join(signed_request(client.account, "GET", target) for target in wanted)
    create = signed_request(client.account, "POST", INVOICES, json.dumps(an_invoice_body("77")).encode())
    with conversation(client.account) as talk:
        talk.say(requests + create + requests)
        first = [talk.answer() for _ in wanted]
        made = talk.answer()
        second = [talk.answer() for _ in wanted]
    assert made is not None
    assert made.expect(201).json["orderInformation"]["amountDetails"]["totalAmount"] == 77
    for answers in (first, second):
        assert [answer.status for answer in answers if answer] == [200] * 6 + [404, 200]
        assert [answer.json["id"] for answer in answers[:5] if answer] == numbers
    totals = [answers[-1].json["totalInvoices"] for answers in (first, second) if answers[-1]]
    assert totals[1] == totals[0] + 1


def test_nothing_of_all_this_reached_the_outermost_handler(demo: Server) -> None:
    assert bugs_met(demo) == []


def _a_definition() -> dict[str, Any]:
    return {"fieldType": "text", "label": "Reference", "merchantDefinedDataIndex": 9}
