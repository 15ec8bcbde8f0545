"""The benchmarks tell the truth: their arithmetic, their counting, and their refusal of wrong or missing answers."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from bench.client import Answer, UnexpectedAnswer
from bench.comparison import Comparison, Run, summaries_of
from bench.figures import Latency, percentile, ratio, spread_of
from bench.lanes import LANES
from bench.load import LoadFailed, LoadPlan, LoadResult, checked, run_load
from bench.processes import ServerFailed, clean_environment, running_server
from bench.report import doubts_about

ROOT = Path(__file__).parents[2]
A_CORE = min(os.sched_getaffinity(0))
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7], 50, 7),
        ([7], 99, 7),
        ([1, 2, 3, 4], 50, 2),
        ([1, 2, 3, 4, 5], 50, 3),
        (range(1, 101), 99, 99),
        (range(1, 201), 99, 198),
        (range(1, 102), 99, 100),
        (range(1, 101), 100, 100),
        (range(1, 101), 1, 1),
    ],
)
def test_a_percentile_is_the_measured_value_at_the_nearest_rank(values, percent, expected):
    assert percentile(values, percent) == expected


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_a_percentile_of_nothing_or_beyond_the_scale_is_refused(values, percent):
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_a_spread_is_the_median_between_the_extremes():
    spread = spread_of([0.5, 0.1, 0.3, 0.2])

    assert (spread.low, spread.median, spread.high) == (0.1, 0.25, 0.5)


def test_a_ratio_is_the_share_of_the_floor():
    assert ratio(25_000, 50_000) == 0.5
    with pytest.raises(ValueError, match="floor"):
        ratio(25_000, 0)


def test_a_summary_takes_the_median_of_the_rounds_and_keeps_the_worst_latency():
    rounds = [a_comparison(share=0.4, p99=3.0), a_comparison(share=0.6, p99=9.0), a_comparison(share=0.5, p99=4.0)]

    (summary,) = summaries_of(rounds)

    assert (summary.share.median, summary.share.low, summary.share.high) == (0.5, 0.4, 0.6)
    assert (summary.p99_ms, summary.max_ms) == (4.0, 10.0)


def test_lanes_and_numbers_of_connections_are_summed_up_apart():
    summaries = summaries_of([a_comparison(), a_comparison(connections=1), a_comparison(lane="list"), a_comparison()])

    assert [(each.lane, each.connections) for each in summaries] == [("get", 32), ("get", 1), ("list", 32)]


def test_figures_taken_in_company_are_doubted():
    (quiet,) = summaries_of([a_comparison(disturbed=0.01)])
    (disturbed,) = summaries_of([a_comparison(disturbed=0.4)])

    assert doubts_about([quiet]) == []
    assert "40%" in doubts_about([disturbed])[0]


def test_every_request_that_the_load_sends_is_answered_and_counted(floor):
    result = load(floor, GET, connections=4, at_most=53)

    assert result.acknowledged == result.measured == 53
    assert result.errors == {}


def test_fewer_requests_than_connections_are_possible(floor):
    assert load(floor, POST, connections=8, at_most=3).acknowledged == 3


def test_the_floor_answers_bodies_of_the_size_that_was_asked_for(floor):
    kept_get = load(floor, GET, connections=1, at_most=2, keep_every=1).kept
    kept_post = load(floor, POST, connections=1, at_most=2, keep_every=1).kept

    assert [len(body) for body in kept_get] == [70_000] * 2
    assert [len(body) for body in kept_post] == [345] * 2
    msgspec.json.decode(kept_post[0])


def test_an_answer_that_is_not_2xx_fails_the_load_and_is_quoted():
    with answering(b"HTTP/1.1 503 Busy\r\ncontent-length: 8\r\n\r\nbusy now") as port:
        result = run_load(a_plan(port, GET, at_most=5))

    assert result.errors == {503: 5}
    with pytest.raises(LoadFailed, match=r"5 x 503(.|\n)*busy now"):
        checked(result)


def test_a_server_that_refuses_everything_is_not_asked_for_long():
    with answering(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n") as port:
        result = run_load(a_plan(port, GET, at_most=10_000))

    assert result.errors[401] < 100


def test_a_chunked_answer_ends_with_its_last_chunk():
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with answering(chunked) as port:
        assert run_load(a_plan(port, GET, at_most=5)).acknowledged == 5


def test_a_connection_that_closes_instead_of_answering_fails_the_load():
    with answering(b"") as port, pytest.raises(LoadFailed, match="closed"):
        run_load(a_plan(port, GET, at_most=1))


def test_a_server_that_is_not_there_fails_the_load():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]

    with pytest.raises(LoadFailed, match=str(port)):
        run_load(a_plan(port, GET, at_most=1))


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no such database')"]

    with (
        pytest.raises(ServerFailed, match="code 1") as failure,
        running_server("product", command, folder=tmp_path, core=A_CORE, environment=clean_environment({})),
    ):
        pass

    assert "no such database" in failure.value.__notes__[0]


@pytest.mark.parametrize(
    ("lane", "body"),
    [
        ("get", b'{"id":"7","orderInformation":{"lineItems":[]}}'),
        ("create", b'{"status":"CREATED","orderInformation":{"lineItems":[{},{}]}}'),
        ("list", b'{"totalInvoices":500,"invoices":[]}'),
        ("page", b"<html>Not found</html>"),
    ],
)
def test_a_wrong_answer_is_not_measured_however_fast_it_comes(lane, body):
    with pytest.raises(UnexpectedAnswer):
        LANES[lane].refuse_wrong(Answer(headers={"content-type": "text/html"}, body=body))


def test_the_help_names_every_lane():
    shown = bench("--help")

    assert shown.returncode == 0
    assert all(lane in shown.stdout for lane in LANES)


@pytest.mark.parametrize("command", ["profile", "calibrate"])
def test_the_commands_have_help_of_their_own(command):
    assert bench(command, "--help").returncode == 0


def test_an_unknown_lane_is_refused_with_the_list_of_lanes():
    refused = bench("--lanes", "get,put")

    assert refused.returncode == 2
    assert "'put'" in refused.stderr
    assert "lone-create" in refused.stderr


def a_comparison(
    lane: str = "get", connections: int = 32, share: float = 0.5, p99: float = 2.0, disturbed: float = 0.0
) -> Comparison:
    floor = Run(
        per_second=50_000.0,
        latency=Latency(p50_ms=0.6, p99_ms=1.3, max_ms=4.0),
        measured=50_000,
        acknowledged=60_000,
        cpu_us=20.0,
        server_busy=1.0,
        generator_busy=0.4,
        disturbed=disturbed,
    )
    product = msgspec.structs.replace(
        floor, per_second=50_000 * share, latency=Latency(p50_ms=1.0, p99_ms=p99, max_ms=p99 + 1)
    )
    return Comparison(
        lane=lane, connections=connections, round=1, floor=floor, product=product, share=share, share_by_cpu=share
    )


def a_plan(port: int, request: bytes, *, at_most: int, connections: int = 1, keep_every: int = 0) -> LoadPlan:
    return LoadPlan(
        host="127.0.0.1",
        port=port,
        requests=(request,),
        connections=connections,
        seconds=30,
        at_most=at_most,
        keep_every=keep_every,
    )


def load(port: int, request: bytes, *, at_most: int, connections: int, keep_every: int = 0) -> LoadResult:
    return checked(run_load(a_plan(port, request, at_most=at_most, connections=connections, keep_every=keep_every)))


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the floor with a GET body larger than one read of a socket usually brings, and answer its port."""
    command = [sys.executable, "-m", "bench.floor", "--get-bytes", "70000", "--create-bytes", "345"]
    with running_server(
        "floor",
        command,
        folder=tmp_path_factory.mktemp("floor"),
        core=A_CORE,
        environment=clean_environment({"PYTHONPATH": str(ROOT)}),
    ) as server:
        yield server.port


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Serve one connection on a free port that gives each request the same bytes, and hangs up when they are none."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while connection.recv(65536) and answer:
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()
