"""
The profile mode: the functions in which the product spends its time under one lane's load.

py-spy is used where it is installed, since it watches from outside and slows little down; otherwise cProfile, whose
own cost falls on small functions and makes them look dearer than they are.
"""

import shutil
import subprocess
import sys
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from bench.client import Account, Client
from bench.lanes import Book, Lane
from bench.load import Generator, LoadPlan, checked
from bench.processes import RunningServer, ServerFailed, running_server
from bench.product import Product

_SAMPLES_PER_SECOND = 250


class FunctionCost(msgspec.Struct, frozen=True, kw_only=True):
    """One function's part in the server's time."""

    function: str
    own_share: float
    """In the function itself, and in the C code that it called."""
    total_share: float
    """In the function and everything below it."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time went, dearest function first, and how fast the server was while it was watched."""

    profiler: str
    per_second: float
    functions: list[FunctionCost]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the server is to be busy with."""

    account: Account
    book: Book
    lane: Lane
    connections: int
    seconds: float
    generate: Generator

    def on(self, server: RunningServer) -> float:
        """Put the load on a server and answer the speed; raises LoadFailed at any answer that is not a 2xx."""
        requests = self.lane.prepare(Client(server=server, account=self.account), self.book)
        plan = LoadPlan(
            host=server.host,
            ports=(server.port,),
            requests=tuple(requests),
            connections=self.connections,
            seconds=self.seconds,
        )
        return checked(self.generate(plan)).per_second


def profile(product: Product, load: Load) -> Profile:
    """
    Serve the product's data under a profiler and answer where its time goes.

    Raises ServerFailed when the profiler fails, for example for want of the right to watch another process.
    """
    beside_python = Path(sys.executable).with_name("py-spy")
    py_spy = str(beside_python) if beside_python.exists() else shutil.which("py-spy")
    return _sampled(product, load, py_spy) if py_spy else _traced(product, load)


def _sampled(product: Product, load: Load, py_spy: str) -> Profile:
    stacks = product.folder / "stacks.txt"
    with product.running() as server:
        recorder = subprocess.Popen(
            [
                *(py_spy, "record", "--pid", str(server.ready.pid), "--duration", str(round(load.seconds))),
                *("--rate", str(_SAMPLES_PER_SECOND), "--format", "raw", "--function", "--output", str(stacks)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            per_second = load.on(server)
            _, complaint = recorder.communicate(timeout=load.seconds + 30)
        finally:
            recorder.kill()
        if recorder.returncode:
            raise ServerFailed(f"py-spy failed:\n{complaint.decode(errors='replace')}")
    return Profile(profiler="py-spy", per_second=per_second, functions=_costs_in_stacks(stacks.read_text()))


def _costs_in_stacks(stacks: str) -> list[FunctionCost]:
    """Add up py-spy's lines `outermost;...;innermost COUNT`."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_short(frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    samples = own.total() or 1
    costs = [
        FunctionCost(function=function, own_share=own[function] / samples, total_share=count / samples)
        for function, count in total.items()
    ]
    return _dearest_first(costs)


def _traced(product: Product, load: Load) -> Profile:
    figures = product.folder / "cprofile.stats"
    with _running_under_cprofile(product, figures) as server:
        per_second = load.on(server)
    rows = msgspec.json.decode(figures.read_bytes(), type=list[tuple[str, float, float]])
    seconds = sum(own for _, own, _ in rows) or 1.0
    costs = [
        FunctionCost(function=_short(function), own_share=own / seconds, total_share=total / seconds)
        for function, own, total in rows
    ]
    return Profile(profiler="cProfile, main thread only", per_second=per_second, functions=_dearest_first(costs))


def _running_under_cprofile(product: Product, figures: Path) -> AbstractContextManager[RunningServer]:
    launcher = Path(__file__).with_name("under_cprofile.py")
    command = [sys.executable, str(launcher), str(figures), *product.serve_command()]
    return running_server(
        "product", command, folder=product.folder, core=product.core, environment=product.environment()
    )


def _dearest_first(costs: list[FunctionCost]) -> list[FunctionCost]:
    return sorted(costs, key=lambda cost: cost.own_share, reverse=True)


def _short(frame: str) -> str:
    """Shorten `function (path)` to what tells one module from another."""
    function, opened, path = frame.partition(" (")
    for root in ("/site-packages/", "/src/", "/lib/"):
        path = path.rpartition(root)[2]
    return f"{function}{opened}{path}"
