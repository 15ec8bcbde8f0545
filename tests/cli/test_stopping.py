"""A server that is told to stop tells everybody in time, and nobody who reached it goes without an answer."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from running import Server, paydue, running_server

DRAIN_SECONDS = 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a server that takes its time to leave."""
    data = tmp_path / "data"
    paydue("init", "--data", str(data))
    with running_server(data, PAYDUE_DRAIN_SECONDS=str(DRAIN_SECONDS)) as running:
        yield running


def connection_to(server: Server) -> http.client.HTTPConnection:
    address = urlsplit(server.ready["api_url"])
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)


def ask(connection: http.client.HTTPConnection, method: str = "GET", path: str = "/health/live") -> tuple[int, str]:
    """Return the status of the answer, and what it says of the connection."""
    connection.request(method, path, b"{}" if method == "POST" else None)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("connection", "")


def ask_anew(server: Server, method: str = "GET", path: str = "/health/live") -> tuple[int, str]:
    with closing(connection_to(server)) as connection:
        return ask(connection, method, path)


def test_a_server_that_drains_is_not_ready_and_closes_each_connection_with_its_answer(server: Server) -> None:
    kept = connection_to(server)
    assert ask(kept, path="/health/ready") == (200, "")
    assert ask(kept) == (200, "")
    server.process.terminate()
    while ask_anew(server, path="/health/ready")[0] == 200:
        time.sleep(0.01)

    assert ask(kept) == (200, "close")
    kept.close()
    assert ask_anew(server) == (200, "close")
    assert ask_anew(server, path="/health/ready") == (503, "close")
    assert ask_anew(server, "POST", "/invoicing/v2/invoices") == (401, "close")
    assert server.wait() == 0


def test_whoever_reaches_a_server_that_ends_is_answered(server: Server) -> None:
    answered: list[int] = []
    refused: list[Exception] = []
    lost: list[Exception] = []

    def keep_asking() -> None:
        while True:
            connection = connection_to(server)
            try:
                connection.connect()
            except ConnectionRefusedError as fault:
                refused.append(fault)
                return
            try:
                answered.append(ask(connection, "POST", "/invoicing/v2/invoices")[0])
            except (OSError, http.client.HTTPException) as fault:
                lost.append(fault)
            connection.close()

    threads = [threading.Thread(target=keep_asking) for _ in range(8)]
    for thread in threads:
        thread.start()
    server.process.terminate()
    for thread in threads:
        thread.join()

    assert lost == []
    assert len(refused) == len(threads)
    assert set(answered) == {401}
    assert server.wait() == 0


def test_a_second_signal_ends_the_draining(server: Server) -> None:
    server.process.terminate()
    while ask_anew(server, path="/health/ready")[0] == 200:
        time.sleep(0.01)
    server.process.terminate()

    assert server.wait() == 0
