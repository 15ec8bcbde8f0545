"""
The comparison itself: the floor and all subjects by turns, lane after lane, round after round.

The runs of a comparison follow each other within seconds and get the same requests, and their order changes from round
to round, so that whatever else the machine is doing weighs on all of them. Lanes that read come first in all rounds:
what they read has then the size that it says.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median

import msgspec

from bench.figures import Latency, Spread, ratio, spread_of
from bench.lanes import FLATNESS_TARGET, LANES, TARGET_CONNECTIONS, Lane
from bench.load import Generator, LoadPlan, checked
from bench.processes import RunningServer, core_busy_seconds, cpu_seconds

FLOOR = "floor"
PEER = "localstripe"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured: servers that answer the same requests, and on what they stand."""

    name: str
    engine: str = ""
    invoices: int = 0
    servers: tuple[RunningServer, ...]
    requests: Callable[[Lane], Sequence[bytes]]
    """Build the requests of a lane anew."""
    beside: tuple[int, ...] = ()
    """Processes that work for it on the load's core: its database."""
    lanes: tuple[str, ...] = tuple(LANES)
    connections: tuple[int, ...] = ()
    """Measured with these numbers of connections alone; empty for all."""
    patience: float = 1.0
    """How many times as long as others it is measured."""

    def takes(self, lane: Lane, connections: int) -> bool:
        """Tell whether it is measured there."""
        return lane.name in self.lanes and (not self.connections or connections in self.connections)


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int
    seconds: float
    warmup_seconds: float
    connections: tuple[int, ...]
    lanes: tuple[Lane, ...]

    def places(self) -> list[tuple[int, Lane, int]]:
        """Answer round, lane and number of connections of every comparison, in their order."""
        return [
            (number, lane, connections)
            for writes in (False, True)
            for number in range(1, self.rounds + 1)
            for lane in self.lanes
            if lane.writes == writes
            for connections in self.connections_of(lane)
        ]

    def connections_of(self, lane: Lane) -> tuple[int, ...]:
        """Answer the numbers of connections that a lane is measured with."""
        if lane.is_main or TARGET_CONNECTIONS not in self.connections:
            return self.connections
        return (TARGET_CONNECTIONS,)

    def minutes(self, subjects: Sequence[Subject]) -> float:
        """Answer how long that takes at least."""
        runs = sum(1 + sum(each.takes(lane, count) for each in subjects) for _, lane, count in self.places())
        return runs * (self.seconds + self.warmup_seconds) / 60


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
    beside_busy: float
    """Share of the load's core that its database and its second node used."""
    generator_busy: float
    """Share of its core that the generator used: near 1, it measured itself."""
    disturbed: float
    """Share of a core that somebody else used meanwhile, of the server's or the generator's, whichever is larger."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Floor and one subject under the same load, within seconds of each other."""

    subject: str
    lane: str
    connections: int
    round: int
    floor: Run
    product: Run
    share: float
    """The subject's speed as a share of the floor's."""
    share_by_cpu: float
    """The same by processor time instead of by the clock: steadier in company, blind to waiting for the disk."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All rounds of one subject in one lane with one number of connections."""

    subject: str
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


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """How many times as fast one subject was as another in the same rounds."""

    kind: str
    """flatness, nodes or peer."""
    lane: str
    first: str
    second: str
    times: Spread
    target: float | None
    """At most for flatness, at least for nodes."""


def compare(
    floor: RunningServer, subjects: Sequence[Subject], *, effort: Effort, core: int, generate: Generator
) -> Iterator[Comparison]:
    """
    Yield each comparison as it is done; the servers that are not asked idle.

    `core` is that of the servers. Raises LoadFailed at any answer that is not a 2xx.
    """
    for number, lane, connections in effort.places():
        measured = [each for each in subjects if each.takes(lane, connections)]
        if not measured:
            continue
        # The floor reads a request and answers as always: that of the first subject is as good as any.
        idle = Subject(name=FLOOR, servers=(floor,), requests=measured[0].requests)
        line_up = [idle, *measured]
        turn = number % len(line_up)
        runs = {
            each.name: run_once(each, lane, connections, effort, core, generate)
            for each in line_up[turn:] + line_up[:turn]
        }
        for each in measured:
            yield Comparison(
                subject=each.name,
                lane=lane.name,
                connections=connections,
                round=number,
                floor=runs[FLOOR],
                product=runs[each.name],
                share=ratio(runs[each.name].per_second, runs[FLOOR].per_second),
                share_by_cpu=ratio(1 / runs[each.name].cpu_us, 1 / runs[FLOOR].cpu_us),
            )


def summaries_of(comparisons: Sequence[Comparison]) -> list[Summary]:
    """Answer a summary for each subject, lane and number of connections, in the order in which they first came."""
    groups: dict[tuple[str, str, int], list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault((comparison.subject, comparison.lane, comparison.connections), []).append(comparison)
    return [
        Summary(
            subject=subject,
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
        for (subject, lane, connections), group in groups.items()
    ]


def relations_of(comparisons: Sequence[Comparison], subjects: Sequence[Subject]) -> list[Relation]:
    """
    Answer, for the number of connections of the targets, how the subjects stand to each other.

    The fewest invoices of an engine against the most of it, one node against two, and the peer against each engine.
    """
    speeds: dict[tuple[str, str], dict[int, float]] = {}
    for each in comparisons:
        if each.connections == TARGET_CONNECTIONS:
            speeds.setdefault((each.lane, each.subject), {})[each.round] = each.product.per_second
    relations = []
    for lane in LANES.values():
        for kind, first, second, target in _pairs(lane, subjects):
            ours, theirs = speeds.get((lane.name, first), {}), speeds.get((lane.name, second), {})
            times = [ratio(ours[number], theirs[number]) for number in ours if number in theirs]
            if times:
                relations.append(
                    Relation(
                        kind=kind, lane=lane.name, first=first, second=second, times=spread_of(times), target=target
                    )
                )
    return relations


def _pairs(lane: Lane, subjects: Iterable[Subject]) -> Iterator[tuple[str, str, str, float | None]]:
    """Yield kind, first, second and target of the relations of a lane."""
    by_engine: dict[str, list[Subject]] = {}
    for each in subjects:
        by_engine.setdefault(each.engine, []).append(each)
    for engine, of_engine in by_engine.items():
        alone = sorted((each for each in of_engine if len(each.servers) == 1), key=lambda each: each.invoices)
        if engine and len(alone) > 1:
            yield "flatness", alone[0].name, alone[-1].name, FLATNESS_TARGET
        for several in of_engine:
            if len(several.servers) > 1:
                one = next(each for each in alone if each.invoices == several.invoices)
                yield "nodes", several.name, one.name, lane.nodes_target
        if engine and PEER in {each.name for each in subjects}:
            yield "peer", alone[0].name, PEER, None


def run_once(subject: Subject, lane: Lane, connections: int, effort: Effort, core: int, generate: Generator) -> Run:
    """Answer how a subject does in a lane; raises LoadFailed at any answer that is not a 2xx."""
    plan = LoadPlan(
        host=subject.servers[0].host,
        ports=tuple(server.port for server in subject.servers),
        requests=tuple(subject.requests(lane)),
        connections=connections,
        seconds=effort.seconds * subject.patience,
        warmup_seconds=effort.warmup_seconds,
    )
    first, *others = (server.ready.pid for server in subject.servers)
    busy_before, cpu_before, beside_before = core_busy_seconds({core}), cpu_seconds(first), _cpu(others, subject)
    began_at = time.perf_counter()
    result = checked(generate(plan))
    wall = time.perf_counter() - began_at
    cpu = cpu_seconds(first) - cpu_before
    busy = core_busy_seconds({core}) - busy_before
    beside = _cpu(others, subject) - beside_before
    return Run(
        per_second=result.per_second,
        latency=result.latency,
        measured=result.measured,
        acknowledged=result.acknowledged,
        # The kernel counts in ticks of 10 ms, so that the shortest of runs may seem to have cost nothing.
        cpu_us=max(cpu, 0.01) / result.acknowledged * 1e6,
        server_busy=cpu / wall,
        beside_busy=beside / wall,
        generator_busy=result.generator_busy,
        disturbed=max(result.generator_disturbed - beside / wall, (busy - cpu) / wall, 0.0),
    )


def _cpu(others: Iterable[int], subject: Subject) -> float:
    """Answer the processor time of what works for a subject on the load's core."""
    return sum(cpu_seconds(pid) for pid in (*others, *subject.beside))
