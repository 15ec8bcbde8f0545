"""
A call that arrives whole takes a short way through the server; whatever is unusual takes the long one, as ASGI.

Both give the same answers, in the order of the questions, and leave connections alike. A request that comes in two
pieces takes the long way, the same request in one piece the short one.
"""

import json
import re
import time
from typing import Any

import pytest

from client import INVOICES, Account, Answer, Client, an_invoice_body
from raw_http import Conversation, conversation, signed_request

OWN_TO_EACH = {"date", "v-c-correlation-id", "content-length"}

REQUESTS: dict[str, tuple[str, str, Any]] = {
    "a get": ("GET", INVOICES + "/{number}", None),
    "a list": ("GET", INVOICES + "?offset=0&limit=1", None),
    "nothing there": ("GET", INVOICES + "/none-of-ours", None),
    "no such path": ("GET", "/invoicing/v2/nothing", None),
    "another method": ("DELETE", INVOICES, None),
    "faulty": ("POST", INVOICES, {"invoiceInformation": {}}),
    "not allowed": ("POST", INVOICES + "/{number}/publication", {}),
    "ours": ("GET", "/paydue/v1/deliveries", None),
}


@pytest.fixture(scope="module")
def number(client: Client) -> str:
    body = an_invoice_body()
    body["invoiceInformation"]["sendImmediately"] = True
    created: str = client.create(body)["id"]
    return created


def request_of(account: Account, name: str, number: str, **more: Any) -> bytes:
    method, path, body = REQUESTS[name]
    encoded = None if body is None else json.dumps(body).encode()
    return signed_request(account, method, path.format(number=number), encoded, **more)


def answer_to(talk: Conversation, request: bytes) -> Answer:
    talk.say(request)
    answer = talk.answer(request.partition(b" ")[0].decode())
    assert answer is not None, "the server closed"
    return answer


def answer_to_pieces(talk: Conversation, request: bytes, at: int) -> Answer:
    talk.say(request[:at])
    time.sleep(0.02)
    talk.say(request[at:])
    answer = talk.answer(request.partition(b" ")[0].decode())
    assert answer is not None, "the server closed"
    return answer


def essence(answer: Answer) -> tuple[int, dict[str, str], Any]:
    """Return what has to be equal: all but times, and what is made anew for each answer."""
    body = json.loads(answer.body)
    body.pop("submitTimeUtc", None)
    return answer.status, {n: v for n, v in answer.headers.items() if n not in OWN_TO_EACH}, body


@pytest.mark.parametrize("name", REQUESTS)
def test_both_ways_give_the_same_answer(account: Account, number: str, name: str) -> None:
    request = request_of(account, name, number)
    with conversation(account) as talk:
        short = answer_to(talk, request)
        long = answer_to_pieces(talk, request, len(request) // 2)
    assert essence(short) == essence(long)


@pytest.mark.parametrize("below", ["", "/receipt/" + "0" * 32, "/qr.svg", "/nothing", "a"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_both_ways_open_a_payment_link_alike(
    account: Account, client: Client, number: str, method: str, below: str
) -> None:
    link = client.get(number)["invoiceInformation"]["paymentLink"].partition("?")[0]
    target = "/" + link.split("/", 3)[3] + below
    request = f"{method} {target}?lang=de-DE HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with conversation(account) as talk:
        short = answer_to(talk, request)
        long = answer_to_pieces(talk, request, len(request) // 2)
        again = answer_to(talk, request)
    assert page_essence(short) == page_essence(long) == page_essence(again)


def page_essence(answer: Answer) -> tuple[int, dict[str, str], str]:
    def without_chance(text: str) -> str:
        return re.sub("[0-9a-f]{32}", "", text)

    headers = {n: without_chance(v) for n, v in answer.headers.items() if n not in {"date", "v-c-correlation-id"}}
    return answer.status, headers, without_chance(answer.body.decode())


def test_wherever_a_request_is_parted_it_is_answered(account: Account, number: str) -> None:
    request = request_of(account, "not allowed", number)
    with conversation(account) as talk:
        whole = essence(answer_to(talk, request))
        for at in range(1, len(request), 41):
            assert essence(answer_to_pieces(talk, request, at)) == whole, f"parted after {at} bytes"


def test_requests_that_come_at_once_are_answered_in_their_order(account: Account, client: Client, number: str) -> None:
    before = client.list("?limit=1")["totalInvoices"]
    create = signed_request(account, "POST", INVOICES, json.dumps(an_invoice_body()).encode())
    names = ["a get", "a list", "nothing there"]
    others = [request_of(account, name, number) for name in names]
    with conversation(account) as talk:
        # The create waits for the disk; what was asked after it waits for the create.
        talk.say(create + others[0] + create + others[1] + others[2] + create)
        answers = [talk.answer() for _ in range(6)]
    assert [each.status for each in answers if each is not None] == [201, 200, 201, 200, 404, 201]
    assert answers[1] is not None
    assert answers[1].json["id"] == number
    assert client.list("?limit=1")["totalInvoices"] == before + 3


def test_hundreds_of_requests_at_once_are_all_answered_to_a_client_that_reads_late(
    account: Account, number: str
) -> None:
    request = request_of(account, "a get", number)
    with conversation(account) as talk:
        for _ in range(40):
            talk.say(request * 20)
        answers = [talk.answer() for _ in range(800)]
    assert {each.status for each in answers if each is not None} == {200}
    assert None not in answers


def test_a_connection_is_closed_when_the_client_asks_for_it(account: Account, number: str) -> None:
    with conversation(account) as talk:
        answer = answer_to(talk, request_of(account, "a get", number, headers=[("Connection", "close")]))
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert talk.is_closed()


def test_what_a_client_that_left_has_created_is_kept(account: Account, client: Client) -> None:
    before = client.list("?limit=1")["totalInvoices"]
    create = signed_request(account, "POST", INVOICES, json.dumps(an_invoice_body()).encode())
    for _ in range(5):
        with conversation(account) as talk:
            talk.say(create)
            talk.finish()
    until = time.monotonic() + 10
    while client.list("?limit=1")["totalInvoices"] < before + 5 and time.monotonic() < until:
        time.sleep(0.05)
    assert client.list("?limit=1")["totalInvoices"] == before + 5


def test_a_body_may_be_asked_for_first(account: Account, number: str) -> None:
    request = request_of(account, "not allowed", number, headers=[("Expect", "100-continue")])
    with conversation(account) as talk:
        talk.say(request)
        first = talk.answer("POST")
        answer = talk.answer("POST") if first is not None and first.status == 100 else first
    assert answer is not None
    assert answer.status == 400
