"""
The load generator: N connections, each sending its next request when its last one is answered.

It is one thread around epoll that sends bytes prepared beforehand and does nothing with an answer but frame it and
look at its status, so that it needs a fraction of its core while the fastest server we measure needs all of its own.
"""

import gc
import itertools
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import msgspec

from bench.figures import Latency, latency_of
from bench.processes import core_busy_seconds

_LARGEST_READ = 256 * 1024
_SILENCE_SECONDS = 10.0
# A server that refuses everything has made its point; hammering on would only hide the first refusal.
_ENOUGH_ERRORS = 20
_FIRST_DIGIT_OF_SUCCESS = ord("2")


class LoadFailed(Exception):
    """The load could not be carried out: no connection, a connection closed under it, silence, or a refused request."""


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, to whom, over how many connections and for how long."""

    host: str
    ports: tuple[int, ...]
    """The connections are shared out among them by turns."""
    requests: tuple[bytes, ...]
    """Complete HTTP/1.1 requests, sent in this order and then from the first again."""
    connections: int
    seconds: float
    warmup_seconds: float = 0.0
    """Answers of these first seconds are not counted in speed and latency."""
    at_most: int | None = None
    """Stop after this many requests, even when there is time left."""
    keep_every: int = 0
    """Keep the body of each n-th answer; 0 keeps none."""


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came back."""

    per_second: float
    latency: Latency
    measured: int
    """Answers 2xx inside the measured time."""
    acknowledged: int
    """Answers 2xx altogether: warm-up and the last ones under way included."""
    errors: dict[int, int]
    """Answers other than 2xx, by status."""
    first_error: str
    generator_busy: float
    """Share of its core that the generator used: near 1 it measured itself, not the server."""
    generator_disturbed: float
    """Share of the generator's core that something else used meanwhile."""
    kept: tuple[bytes, ...]


Generator = Callable[[LoadPlan], LoadResult]


@contextmanager
def generator_on(core: int) -> Iterator[Generator]:
    """
    Keep a process on `core` for the length of a `with` block, and answer a function that carries out plans in it.

    The function is `run_load`, elsewhere: what the harness holds in memory and does meanwhile cannot slow it down.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), os.sched_setaffinity, (0, {core})) as pool:

        def generate(plan: LoadPlan) -> LoadResult:
            return pool.submit(run_load, plan).result()

        yield generate


def run_load(plan: LoadPlan) -> LoadResult:
    """
    Send the plan's requests and answer what came back; every request that was sent has been answered by then.

    Raises LoadFailed when there is no server, when it closes a connection, or when it says nothing for ten seconds.
    Answers other than 2xx are counted, and end the run early when there are many; see `checked`.
    """
    cores = os.sched_getaffinity(0)
    with _connected(plan) as connections, _no_garbage_collection():
        busy_before, cpu_before, wall_before = core_busy_seconds(cores), time.process_time(), time.perf_counter()
        drive = _Drive(plan, connections)
        drive.run()
        busy, cpu = core_busy_seconds(cores) - busy_before, time.process_time() - cpu_before
        wall = time.perf_counter() - wall_before
    return LoadResult(
        per_second=len(drive.latencies) / drive.measured_seconds,
        latency=latency_of(drive.latencies or [0]),
        measured=len(drive.latencies),
        acknowledged=drive.acknowledged,
        errors=drive.errors,
        first_error=drive.first_error,
        generator_busy=cpu / wall,
        generator_disturbed=max(0.0, (busy - cpu) / wall),
        kept=tuple(drive.kept),
    )


def checked(result: LoadResult) -> LoadResult:
    """Answer the result unchanged; raises LoadFailed, quoting the first refusal, when any answer was not a 2xx."""
    if result.errors:
        counts = ", ".join(f"{count} x {status}" for status, count in sorted(result.errors.items()))
        raise LoadFailed(f"the load met answers that are not 2xx: {counts}. The first was:\n{result.first_error}")
    if not result.measured:
        raise LoadFailed("nothing was answered inside the measured time; measure for longer")
    return result


class _Drive:
    """One run of a plan over connections that stand; holds the tallies that its loop fills."""

    def __init__(self, plan: LoadPlan, connections: list[socket.socket]) -> None:
        self._plan = plan
        self._connections = {connection.fileno(): connection for connection in connections}
        self.latencies: list[int] = []
        self.measured_seconds = plan.seconds
        self.acknowledged = 0
        self.errors: dict[int, int] = {}
        self.first_error = ""
        self.kept: list[bytes] = []

    def run(self) -> None:
        """Send until time, number or errors say stop, then wait for every answer still under way."""
        plan, clock = self._plan, time.perf_counter_ns
        next_request = itertools.cycle(plan.requests).__next__
        send = {number: connection.send for number, connection in self._connections.items()}
        sent_at = dict.fromkeys(send, 0)
        latencies, keep_every = self.latencies, plan.keep_every
        at_most = plan.at_most or sys.maxsize
        measured_from = clock() + int(plan.warmup_seconds * 1e9)
        stop_at = measured_from + int(plan.seconds * 1e9)
        started = 0
        for number in itertools.islice(send, at_most):
            sent_at[number] = clock()
            send[number](next_request())
            started += 1
        for ended, (number, answer) in enumerate(self._answers(), 1):
            now = clock()
            if answer[9] == _FIRST_DIGIT_OF_SUCCESS:
                self.acknowledged += 1
                if measured_from <= now < stop_at:
                    latencies.append(now - sent_at[number])
                if keep_every and ended % keep_every == 0:
                    self.kept.append(answer.partition(b"\r\n\r\n")[2])
            elif self._note_error(answer) > _ENOUGH_ERRORS:
                stop_at = now
            if now < stop_at and started < at_most:
                sent_at[number] = now
                send[number](next_request())
                started += 1
            elif ended == started:
                self.measured_seconds = max(min(now, stop_at) - measured_from, 1) / 1e9
                return

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """Yield each whole answer with the number of its connection, for ever."""
        receive = {number: connection.recv for number, connection in self._connections.items()}
        begun: dict[int, bytes] = {}
        with select.epoll() as epoll:
            for number in self._connections:
                epoll.register(number, select.EPOLLIN)
            while True:
                events = epoll.poll(_SILENCE_SECONDS)
                if not events:
                    raise LoadFailed(f"the server said nothing for {_SILENCE_SECONDS:.0f} s")
                for number, _event in events:
                    part = receive[number](_LARGEST_READ)
                    if not part:
                        raise LoadFailed("the server closed a connection instead of answering")
                    answer = begun.pop(number) + part if number in begun else part
                    if _is_whole(answer):
                        yield number, answer
                    else:
                        begun[number] = answer

    def _note_error(self, answer: bytes) -> int:
        status = int(answer[9:12])
        self.errors[status] = self.errors.get(status, 0) + 1
        self.first_error = self.first_error or answer[:1000].decode(errors="replace")
        return sum(self.errors.values())


def _is_whole(answer: bytes) -> bool:
    head_end = answer.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    # ASGI servers write header names in lower case, others as the standard shows them: two searches that know the case
    # are quicker than one that does not.
    length_at = answer.find(b"\r\ncontent-length: ", 0, head_end)
    if length_at < 0:
        length_at = answer.find(b"\r\nContent-Length: ", 0, head_end)
    if length_at >= 0:
        value_at = length_at + len(b"\r\ncontent-length: ")
        return len(answer) >= head_end + 4 + int(answer[value_at : answer.index(b"\r", value_at)])
    if answer.find(b"\r\ntransfer-encoding: chunked", 0, head_end) >= 0:
        return answer.endswith(b"\r\n0\r\n\r\n")
    raise LoadFailed(f"an answer names no length: {answer[:head_end].decode(errors='replace')}")


@contextmanager
def _connected(plan: LoadPlan) -> Iterator[list[socket.socket]]:
    connections: list[socket.socket] = []
    try:
        for port in itertools.islice(itertools.cycle(plan.ports), plan.connections):
            connection = socket.create_connection((plan.host, port), timeout=_SILENCE_SECONDS)
            connections.append(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Blocking without a time limit costs one system call an answer instead of two; epoll watches the time.
            connection.settimeout(None)
        yield connections
    except OSError as error:
        raise LoadFailed(f"{plan.host}:{', '.join(map(str, plan.ports))}: {error}") from error
    finally:
        for connection in connections:
            connection.close()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    # A collection would show up as a slow answer of the server.
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
