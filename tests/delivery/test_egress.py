"""Calls to others against a real receiver on this machine: what is sent, and every way to misbehave."""

import asyncio
import socket
from pathlib import Path

import pytest
import uvloop

from paydue.delivery.egress import EgressLimits
from paydue.delivery.egress_answers import Answered, NotAnswered, Why
from receiver import HASTY, PATIENT, receiving, why_of


async def test_a_message_arrives_whole_with_its_headers(receiver, an_egress):
    headers = (("Content-Type", "application/json"), ("V-C-Request-Type", "NEW"))
    answer = await an_egress().send("POST", receiver.url("/ok?a=b"), headers, b'{"a":1}')

    assert answer == Answered(status=200, body=b"taken")
    (request,) = receiver.received
    assert request.head[0] == "POST /ok?a=b HTTP/1.1"
    assert request.body == b'{"a":1}'
    assert request.headers("host") == [f"localhost:{receiver.port}"]
    assert request.headers("content-length") == ["7"]
    assert request.headers("connection") == ["close"]
    assert request.headers("v-c-request-type") == ["NEW"]


async def test_a_probe_has_no_body_and_says_so(receiver, an_egress):
    await an_egress().send("POST", receiver.url("/ok"))
    await an_egress().send("GET", receiver.url("/ok"))

    post, get = receiver.received
    assert (post.headers("content-length"), post.body) == (["0"], b"")
    assert get.headers("content-length") == []


@pytest.mark.parametrize(
    "path, status, body",
    [
        ("/ok", 200, b"taken"),
        ("/no-content", 204, b""),
        ("/chunked", 200, b"taken"),
        ("/until-close", 200, b"taken"),
        ("/after-hints", 200, b"taken"),
        ("/busy", 503, b""),
        ("/redirect", 302, b""),
        ("/packed", 200, b"\x1f\x8b\x08"),
        ("/just-fits", 200, b"a" * 65536),
        ("/early", 413, b""),
    ],
)
async def test_a_whole_answer_is_an_answer_whatever_it_says(receiver, an_egress, path, status, body):
    sent = b"a" * 500_000 if path == "/early" else b"{}"
    answer = await an_egress().send("POST", receiver.url(path), (), sent)

    assert isinstance(answer, Answered), answer
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    "path, why, status",
    [
        ("/too-large", Why.TOO_LARGE, 200),
        ("/endless", Why.TOO_LARGE, 200),
        ("/drop", Why.DROPPED, None),
        ("/drop-in-head", Why.DROPPED, None),
        ("/drop-in-body", Why.DROPPED, 200),
        ("/drop-in-chunk", Why.DROPPED, 200),
        ("/no-http", Why.MALFORMED, None),
        ("/two-lengths", Why.MALFORMED, None),
        ("/large-head", Why.MALFORMED, None),
        ("/switch", Why.MALFORMED, None),
    ],
)
async def test_a_receiver_that_misbehaves_is_named_for_it(receiver, an_egress, path, why, status):
    answer = await an_egress().send("POST", receiver.url(path), (), b"{}")

    assert isinstance(answer, NotAnswered)
    assert (answer.why, answer.status) == (why, status)
    assert answer.detail


@pytest.mark.parametrize("path", ["/hang", "/endless-hints"])
async def test_a_receiver_that_does_not_begin_to_answer_is_left(receiver, an_egress, path):
    answer = await an_egress(limits=HASTY).send("POST", receiver.url(path), (), b"{}")

    assert (why_of(answer), answer.status) == (Why.TIMED_OUT, None)


async def test_a_receiver_that_does_not_come_to_an_end_is_left_with_what_it_said_first(receiver, an_egress):
    limits = EgressLimits(connect_seconds=10, total_seconds=2)
    answer = await an_egress(limits=limits).send("POST", receiver.url("/slow"), (), b"{}")

    assert (why_of(answer), answer.status) == (Why.TIMED_OUT, 200)


async def test_a_redirect_is_not_followed_wherever_it_leads(receiver, an_egress):
    receiver.answers["/redirect"] = (
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:%d/ok\r\nContent-Length: 0\r\n\r\n"
        % receiver.port
    )
    answer = await an_egress().send("POST", receiver.url("/redirect"), (), b"{}")

    assert answer == Answered(status=307)
    assert receiver.connections == 1


async def test_no_proxy_is_taken_from_the_environment(receiver, an_egress, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert (await an_egress().send("POST", receiver.url("/ok"))).status == 200
    assert receiver.received[0].head[0] == "POST /ok HTTP/1.1"


async def test_a_tls_handshake_that_hangs_costs_the_time_to_connect(an_egress):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = await an_egress(limits=HASTY).send("POST", f"https://localhost:{silent.getsockname()[1]}/")

    assert why_of(answer) is Why.TIMED_OUT


async def test_a_receiver_that_speaks_no_tls_is_not_spoken_to(an_egress):
    heard = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        heard.append(await reader.read(5))
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await an_egress().send("POST", f"https://localhost:{port}/", (), b"a secret")

    assert why_of(answer) is Why.TLS_FAILED
    # A TLS record, and nothing of the message.
    assert [each[:2] for each in heard] == [b"\x16\x03"]


async def test_development_may_speak_without_tls(an_egress):
    async with receiving(None) as plain:
        assert (await an_egress().send("POST", plain.url("/ok"))).status == 200


@pytest.mark.parametrize(
    "header",
    [
        ("Host", "inside"), ("content-length", "0"), ("Transfer-Encoding", "chunked"), ("Connection", "keep-alive"),
        ("Accept-Encoding", "gzip"), ("X-A", "a\r\nX-B: b"), ("X A", "a"), ("X-A", "東京"), ("", "a"),
    ],
)  # fmt: skip
async def test_a_header_that_cannot_be_sent_is_a_bug_of_ours_and_nothing_is_dialled(receiver, an_egress, header):
    with pytest.raises(ValueError, match=r"choose|cannot be sent"):
        await an_egress().send("POST", receiver.url("/ok"), (header,))
    assert receiver.connections == 0


async def test_a_caller_who_is_stopped_stops_the_call(receiver, an_egress):
    call = asyncio.create_task(an_egress().send("POST", receiver.url("/hang")))
    await receiver.has_received.wait()
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_many_calls_at_once_leave_no_connection_open(receiver, an_egress):
    egress = an_egress()
    before = open_files()
    answers = await asyncio.gather(
        *(egress.send("POST", receiver.url(path)) for path in ("/ok", "/drop", "/busy") * 10)
    )
    for _ in range(500):
        # The receiver's ends are in this process too, and close when they notice.
        if open_files() <= before:
            break
        await asyncio.sleep(0.01)

    assert {type(answer) for answer in answers} == {Answered, NotAnswered}
    assert open_files() <= before


def test_the_loop_of_production_behaves_alike(tmp_path, an_egress):
    async def calls() -> dict[str, int | Why]:
        found: dict[str, int | Why] = {}
        async with receiving(tmp_path) as served:
            for path in ("/ok", "/early", "/drop", "/drop-in-body", "/endless", "/hang", "/no-http"):
                egress = an_egress(limits=HASTY if path == "/hang" else PATIENT)
                answer = await egress.send("POST", served.url(path), (), b"a" * 100_000)
                found[path] = answer.why if isinstance(answer, NotAnswered) else answer.status
            found["other name"] = why_of(await an_egress().send("POST", served.url("/ok", host="other.example")))
        return found

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(calls()) == {
            "/ok": 200,
            "/early": 413,
            "/drop": Why.DROPPED,
            "/drop-in-body": Why.DROPPED,
            "/endless": Why.TOO_LARGE,
            "/hang": Why.TIMED_OUT,
            "/no-http": Why.MALFORMED,
            "other name": Why.TLS_FAILED,
        }
