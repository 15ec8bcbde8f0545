"""The benchmarks tell the truth: their arithmetic, their counting, and their refusal of wrong or missing answers."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from bench.client import Answer, UnexpectedAnswer
from bench.comparison import Comparison, Effort, Run, Subject, relations_of, summaries_of
from bench.figures import Latency, percentile, ratio, spread_of
from bench.lanes import LANES
from bench.load import LoadFailed, LoadPlan, LoadResult, checked, run_load
from bench.machine import Machine
from bench.processes import Ready, RunningServer, ServerFailed, clean_environment, running_server
from bench.product import Starts
from bench.report import Installation, Report, doubts_about, verdicts_on, write

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
    rounds = [
        a_comparison(number, share=share, p99=p99)
        for number, share, p99 in ((1, 0.4, 3.0), (2, 0.6, 9.0), (3, 0.5, 4.0))
    ]

    (summary,) = summaries_of(rounds)

    assert (summary.share.median, summary.share.low, summary.share.high) == (0.5, 0.4, 0.6)
    assert (summary.p99_ms, summary.max_ms) == (4.0, 10.0)


def test_lanes_and_numbers_of_connections_are_summed_up_apart():
    summaries = summaries_of(
        [
            a_comparison(),
            a_comparison(connections=1),
            a_comparison(lane="list"),
            a_comparison(subject="postgresql 10k"),
            a_comparison(),
        ]
    )

    assert [(each.subject, each.lane, each.connections) for each in summaries] == [
        ("sqlite 10k", "get", 32),
        ("sqlite 10k", "get", 1),
        ("sqlite 10k", "list", 32),
        ("postgresql 10k", "get", 32),
    ]


def test_subjects_are_held_against_each_other_round_by_round():
    subjects = [
        a_subject("sqlite 10k", "sqlite", 10_000),
        a_subject("sqlite 1M", "sqlite", 1_000_000),
        a_subject("postgresql 10k", "postgresql", 10_000),
        a_subject("postgresql 10k, 2 nodes", "postgresql", 10_000, nodes=2),
        a_subject("localstripe", "", 500),
    ]
    speeds = {
        "sqlite 10k": (0.4, 0.2),
        "sqlite 1M": (0.2, 0.2),
        "postgresql 10k": (0.1, 0.1),
        "postgresql 10k, 2 nodes": (0.2, 0.1),
        "localstripe": (0.05, 0.1),
    }
    comparisons = [
        a_comparison(number, subject=subject, share=share)
        for subject, shares in speeds.items()
        for number, share in enumerate(shares, 1)
    ]

    found = {(each.kind, each.first, each.second): each for each in relations_of(comparisons, subjects)}

    assert set(found) == {
        ("flatness", "sqlite 10k", "sqlite 1M"),
        ("nodes", "postgresql 10k, 2 nodes", "postgresql 10k"),
        ("peer", "sqlite 10k", "localstripe"),
        ("peer", "postgresql 10k", "localstripe"),
    }
    flatness = found["flatness", "sqlite 10k", "sqlite 1M"]
    assert (flatness.times.low, flatness.times.median, flatness.times.high, flatness.target) == (1, 1.5, 2, 1.15)
    assert found["nodes", "postgresql 10k, 2 nodes", "postgresql 10k"].target == 1.6


def test_lanes_that_read_come_first_so_that_the_books_have_the_size_they_are_said_to_have():
    effort = Effort(rounds=3, seconds=1, warmup_seconds=0, connections=(1, 32), lanes=tuple(LANES.values()))

    writing = [lane.writes for _, lane, _ in effort.places()]

    assert writing == sorted(writing)
    assert {number for number, lane, _ in effort.places() if lane.name == "create"} == {1, 2, 3}
    assert {count for _, lane, count in effort.places() if lane.name == "list-paid"} == {32}
    assert {count for _, lane, count in effort.places() if lane.name == "get"} == {1, 32}


def test_a_report_says_which_targets_were_missed_and_which_were_met_in_company():
    report = a_report(
        a_comparison(share=0.6), a_comparison(lane="list", share=0.1, p99=11), a_comparison(lane="page", disturbed=0.5)
    )

    outcomes = {verdict.what: verdict.outcome for verdict in verdicts_on(report)}

    assert outcomes["sqlite 10k: get, 32 connections: share of the floor"] == "met"
    assert outcomes["sqlite 10k: list, 32 connections: share of the floor"] == "MISSED"
    assert outcomes["sqlite 10k: list, 32 connections: p99"] == "MISSED"
    assert outcomes["sqlite 10k: page, 32 connections: share of the floor"] == "met, doubtful"
    assert outcomes["sqlite 10k: ready after a warm start"] == "met"


def test_a_report_is_kept_whole_and_as_a_page(tmp_path):
    report = a_report(a_comparison())

    path = write(report, tmp_path / "results")

    assert msgspec.json.decode(path.read_bytes(), type=Report) == report
    page = (tmp_path / "results" / "latest.md").read_text()
    assert "| get | 32 | sqlite 10k |" in page


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


def test_connections_are_shared_out_among_the_nodes(floor):
    with answering(b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\n{}") as other:
        plan = msgspec.structs.replace(a_plan(floor, GET, at_most=2, connections=2, keep_every=1), ports=(floor, other))

        assert sorted(len(body) for body in checked(run_load(plan)).kept) == [2, 70_000]


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
        ("list-sent", b'{"totalInvoices":500,"invoices":[%s]}' % b",".join([b'{"status":"PAID"}'] * 20)),
        ("page", b"<html>Not found</html>"),
    ],
)
def test_a_wrong_answer_is_not_measured_however_fast_it_comes(lane, body):
    with pytest.raises(UnexpectedAnswer):
        LANES[lane].check(Answer(headers={"content-type": "text/html"}, body=body))


def test_the_help_names_every_lane():
    shown = bench("--help")

    assert shown.returncode == 0
    assert all(lane in shown.stdout for lane in LANES)


@pytest.mark.parametrize("command", ["delivery", "profile", "calibrate"])
def test_the_commands_have_help_of_their_own(command):
    assert bench(command, "--help").returncode == 0


def test_an_unknown_lane_is_refused_with_the_list_of_lanes():
    refused = bench("--lanes", "get,put")

    assert refused.returncode == 2
    assert "'put'" in refused.stderr
    assert "list-sent-deep" in refused.stderr


def a_comparison(
    number: int = 1,
    *,
    subject: str = "sqlite 10k",
    lane: str = "get",
    connections: int = 32,
    share: float = 0.5,
    p99: float = 2.0,
    disturbed: float = 0.0,
) -> Comparison:
    floor = Run(
        per_second=50_000.0,
        latency=Latency(p50_ms=0.6, p99_ms=1.3, max_ms=4.0),
        measured=50_000,
        acknowledged=60_000,
        cpu_us=20.0,
        server_busy=1.0,
        beside_busy=0.0,
        generator_busy=0.4,
        disturbed=disturbed,
    )
    product = msgspec.structs.replace(
        floor, per_second=50_000 * share, latency=Latency(p50_ms=1.0, p99_ms=p99, max_ms=p99 + 1)
    )
    return Comparison(
        subject=subject,
        lane=lane,
        connections=connections,
        round=number,
        floor=floor,
        product=product,
        share=share,
        share_by_cpu=share,
    )


def a_subject(name: str, engine: str, invoices: int, nodes: int = 1) -> Subject:
    server = RunningServer(name=name, ready=Ready(api_url="http://127.0.0.1:1", pid=1), seconds_to_ready=0.1)
    return Subject(name=name, engine=engine, invoices=invoices, servers=(server,) * nodes, requests=lambda _: [GET])


def a_report(*comparisons: Comparison) -> Report:
    machine = Machine(
        processor="one",
        cores=2,
        memory_gb=8.0,
        kernel="6",
        python="3.11",
        libraries={},
        file_system="ext4",
        fsync=Latency(p50_ms=1.0, p99_ms=2.0, max_ms=3.0),
        load_average=0.0,
    )
    starts = Starts(cold_seconds=0.4, warm_seconds=spread_of([0.3]), idle_bytes=60_000_000)
    installation = Installation(
        name="sqlite 10k",
        engine="sqlite",
        invoices=10_000,
        seed_seconds=1.0,
        stored_bytes=26_000_000,
        starts=starts,
        loaded_bytes=70_000_000,
    )
    return Report(
        at=datetime(2026, 5, 5, 12, tzinfo=UTC),
        rounds=1,
        seconds=1.0,
        with_worker=False,
        machine=machine,
        installations=[installation],
        answer_bytes={"get": 1200},
        summaries=summaries_of(comparisons),
        relations=[],
        comparisons=list(comparisons),
    )


def a_plan(port: int, request: bytes, *, at_most: int, connections: int = 1, keep_every: int = 0) -> LoadPlan:
    return LoadPlan(
        host="127.0.0.1",
        ports=(port,),
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
