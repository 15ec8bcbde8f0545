"""No address takes all connections there are; whoever has too many is told so, and nobody else notices."""

import http.client
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from paydue.cli.connection_limit import ConnectionLimit
from running import Server, paydue, running_server

LIMITED = {"PAYDUE_RATE_LIMIT": "100", "PAYDUE_CONNECTIONS_FROM_ONE": "3"}


def test_an_address_may_enter_again_when_it_has_left() -> None:
    limit = ConnectionLimit(2)
    first, second = limit.enter("192.0.2.1"), limit.enter("192.0.2.1")
    assert first
    assert second

    assert limit.enter("192.0.2.1") is None
    assert limit.enter("192.0.2.2")
    limit.leave(first)
    assert limit.enter("192.0.2.1")
    assert limit.enter("192.0.2.1") is None


def test_a_customers_whole_network_counts_as_one_and_mapped_addresses_as_what_they_are() -> None:
    limit = ConnectionLimit(1)
    assert limit.enter("2001:db8:1:2::1")
    assert limit.enter("2001:db8:1:2:ffff::9") is None
    assert limit.enter("2001:db8:1:3::1")
    assert limit.enter("fe80::1%eth0")
    assert limit.enter("::ffff:192.0.2.1")
    assert limit.enter("::ffff:192.0.2.2")
    assert limit.enter("192.0.2.1") is None


def test_without_a_limit_nothing_is_counted() -> None:
    limit = ConnectionLimit(0)

    for _ in range(10):
        name = limit.enter("192.0.2.1")
        assert name is not None
        limit.leave(name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    paydue("init", "--data", str(tmp_path / "data"))
    return tmp_path / "data"


def connect(server: Server) -> socket.socket:
    place = urlsplit(server.ready["api_url"])
    return socket.create_connection((place.hostname, place.port), timeout=10)


def status_of(server: Server) -> int:
    place = urlsplit(server.ready["api_url"])
    connection = http.client.HTTPConnection(f"{place.hostname}", place.port, timeout=10)
    connection.request("GET", "/health/live")
    status = connection.getresponse().status
    connection.close()
    return status


def test_too_many_connections_are_answered_503_and_closed_until_others_are_gone(data: Path) -> None:
    with running_server(data, **LIMITED) as server:
        with ExitStack() as opened:
            for _ in range(3):
                opened.enter_context(connect(server)).sendall(b"GET")
            with connect(server) as refused:
                answer = b"".join(iter(lambda: refused.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.1 503 ")
            for header in (b"connection: close", b"retry-after: 5", b"x-content-type-options: nosniff"):
                assert header in answer.lower()
            with connect(server) as again:
                assert again.recv(12) == b"HTTP/1.1 503"
        for _ in range(100):
            try:
                if status_of(server) == 200:
                    break
            except ConnectionError:
                # Its request met a connection that was closed already.
                continue
        else:
            raise AssertionError("connections that ended still count")


@pytest.mark.parametrize("how", [{"PAYDUE_BEHIND_PROXY": "true"}, {"PAYDUE_RATE_LIMIT": "0"}])
def test_behind_a_proxy_and_without_limits_there_is_none(data: Path, how: dict[str, str]) -> None:
    with running_server(data, **(LIMITED | how)) as server, ExitStack() as opened:
        for _ in range(10):
            opened.enter_context(connect(server))
        assert status_of(server) == 200
