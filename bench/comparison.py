"""
The comparison itself: floor and product by turns, lane after lane, round after round.

The two runs of a comparison follow each other within seconds and get the same requests, and their order changes from
round to round, so that whatever else the machine is doing weighs on both.
"""

import time
from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from bench.client import Answer, Client
from bench.figures import Latency, Spread, ratio, spread_of
from bench.lanes import Book, Lane
from bench.load import Generator, LoadPlan, checked
from bench.processes import RunningServer, core_busy_seconds, cpu_seconds

WARMUP_SECONDS = 0.5


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int
    seconds: float
    connections: tuple[int, ...]
    lanes: tuple[Lane, ...]

    @property
    def comparisons(self) -> int:
        """How many comparisons that makes."""
        return self.rounds * sum(len(self.connections_of(lane)) for lane in self.lanes)

    def connections_of(self, lane: Lane) -> tuple[int, ...]:
        """Answer the numbers of connections that a lane is measured with."""
        return (lane.connections,) if lane.connections else self.connections


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One server under one lane's load for a few seconds."""

    per_second: float
    latency: Latency
    measured: int
    acknowledged: int
    cpu_us: float
    """Processor time that the server spent on one answer, in microseconds."""
    server_busy: float
    """Share of its core that the server used: well below 1, something else held it back."""
    generator_busy: float
    """Share of its core that the generator used: near 1, it measured itself."""
    disturbed: float
    """Share of a core that somebody else used meanwhile, of the server's or the generator's, whichever is larger."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Floor and product under the same load, one right after the other."""

    lane: str
    connections: int
    round: int
    floor: Run
    product: Run
    share: float
    """The product's speed as a share of the floor's."""
    share_by_cpu: float
    """The same by processor time instead of by the clock: steadier in company, blind to waiting for the disk."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All rounds of one lane with one number of connections."""

    lane: str
    connections: int
    floor_per_second: Spread
    product_per_second: Spread
    share: Spread
    share_by_cpu: float
    product_cpu_us: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_busy: float
    generator_busy: float
    disturbed: float


def first_answers(client: Client, book: Book, lanes: Sequence[Lane]) -> dict[str, Answer]:
    """Answer what the product says to each lane's first request; raises UnexpectedAnswer when that is wrong."""
    answers = {}
    for lane in lanes:
        answers[lane.name] = client.ask(lane.prepare(client, book)[0], expect=lane.status)
        lane.refuse_wrong(answers[lane.name])
    return answers


def compare(
    floor: RunningServer, client: Client, book: Book, *, effort: Effort, core: int, generate: Generator
) -> Iterator[Comparison]:
    """
    Yield each comparison as it is done; both servers run on `core`, and the one that is not asked idles.

    Raises LoadFailed at any answer that is not a 2xx.
    """
    product = client.server
    for round_number in range(1, effort.rounds + 1):
        servers = (floor, product) if round_number % 2 else (product, floor)
        for lane in effort.lanes:
            for connections in effort.connections_of(lane):
                requests = tuple(lane.prepare(client, book))
                runs = {
                    server.name: _run(server, requests, connections, effort.seconds, core, generate)
                    for server in servers
                }
                yield Comparison(
                    lane=lane.name,
                    connections=connections,
                    round=round_number,
                    floor=runs[floor.name],
                    product=runs[product.name],
                    share=ratio(runs[product.name].per_second, runs[floor.name].per_second),
                    share_by_cpu=ratio(1 / runs[product.name].cpu_us, 1 / runs[floor.name].cpu_us),
                )


def summaries_of(comparisons: Sequence[Comparison]) -> list[Summary]:
    """Answer one summary for each lane and number of connections, in the order in which they first came."""
    groups: dict[tuple[str, int], list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault((comparison.lane, comparison.connections), []).append(comparison)
    return [
        Summary(
            lane=lane,
            connections=connections,
            floor_per_second=spread_of([each.floor.per_second for each in group]),
            product_per_second=spread_of([each.product.per_second for each in group]),
            share=spread_of([each.share for each in group]),
            share_by_cpu=median(each.share_by_cpu for each in group),
            product_cpu_us=median(each.product.cpu_us for each in group),
            p50_ms=median(each.product.latency.p50_ms for each in group),
            p99_ms=median(each.product.latency.p99_ms for each in group),
            max_ms=max(each.product.latency.max_ms for each in group),
            server_busy=median(each.product.server_busy for each in group),
            generator_busy=median(max(each.floor.generator_busy, each.product.generator_busy) for each in group),
            disturbed=median(max(each.floor.disturbed, each.product.disturbed) for each in group),
        )
        for (lane, connections), group in groups.items()
    ]


def _run(
    server: RunningServer,
    requests: tuple[bytes, ...],
    connections: int,
    seconds: float,
    core: int,
    generate: Generator,
) -> Run:
    plan = LoadPlan(
        host=server.host,
        port=server.port,
        requests=requests,
        connections=connections,
        seconds=seconds,
        warmup_seconds=WARMUP_SECONDS,
    )
    busy_before, cpu_before = core_busy_seconds({core}), cpu_seconds(server.ready.pid)
    began_at = time.perf_counter()
    result = checked(generate(plan))
    wall = time.perf_counter() - began_at
    cpu = cpu_seconds(server.ready.pid) - cpu_before
    busy = core_busy_seconds({core}) - busy_before
    return Run(
        per_second=result.per_second,
        latency=result.latency,
        measured=result.measured,
        acknowledged=result.acknowledged,
        # The kernel counts in ticks of 10 ms, so that the shortest of runs may seem to have cost nothing.
        cpu_us=max(cpu, 0.01) / result.acknowledged * 1e6,
        server_busy=cpu / wall,
        generator_busy=result.generator_busy,
        disturbed=max(result.generator_disturbed, (busy - cpu) / wall),
    )
