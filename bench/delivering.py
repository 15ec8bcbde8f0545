"""
What delivering costs: how fast an outbox is emptied, how fast mails are, and what creating loses meanwhile.

Apart from the lanes because nobody is asked and answered here: what is measured works by itself, on the server's core,
on rows that were made before. The three are repeated by turns, like the lanes.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import msgspec

from bench.client import Account, Client
from bench.comparison import Effort, Run, Subject, run_once
from bench.database import Databases
from bench.figures import Spread, ratio, spread_of
from bench.lanes import INVOICES, LANES, TARGET_CONNECTIONS, Lane
from bench.load import Generator, LoadPlan, checked
from bench.mail_sink import MailSink, mail_sink
from bench.processes import RunningServer, ServerFailed, clean_environment, cpu_seconds, on_cores, running_server
from bench.product import Product
from bench.telling import say
from bench.workplace import Workplace

_ROOT = Path(__file__).parents[1]
_SUBSCRIPTIONS = "/notification-subscriptions/v2/webhooks"
# One lane of mails and some of webhooks, as a merchant with a few programs has them.
_SUBSCRIBERS = 7
_OUTBOX_CREATES = 2_500
_MAILS = 1_500
_WARM_UP_MAILS = 100
_BACKLOG = 10_000
_PATIENCE_SECONDS = 120.0


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One figure about delivering: what was counted, on which engine, and the processor time for each."""

    engine: str
    what: str
    per_second: Spread
    cpu_us: float


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Creating while a worker empties a backlog, against creating without one in the same rounds."""

    engine: str
    worker: str
    alone_per_second: Spread
    per_second: Spread
    times: Spread
    """How many times as fast as alone."""
    core: Spread
    """The share of its core that the server had then, of what it had alone: less is the worker's."""
    mails_per_second: Spread | None = None
    """What the worker did meanwhile."""


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found about delivering."""

    figures: list[Delivery] = []
    beside: list[Beside] = []


def measure_deliveries(
    workplace: Workplace,
    folder: Path,
    databases: Databases,
    *,
    engines: Iterable[str],
    effort: Effort,
    generate: Generator,
) -> Deliveries:
    """Answer all figures for each engine; raises ServerFailed, LoadFailed, UnexpectedAnswer."""
    figures, beside = [], []
    for engine in engines:

        def new_product(name: str, engine: str = engine, *, with_worker: bool = False) -> Product:
            url = databases.new() if engine == "postgresql" else None
            product = workplace.product_in(folder / f"{engine}-{name}", f"{engine} {name}", url)
            return msgspec.structs.replace(product, with_worker=with_worker)

        figures.append(_outbox(new_product("outbox"), effort.rounds, generate))
        figures.append(_mails(new_product("mails"), effort.rounds, generate))
        beside += _creating_beside(new_product, databases, effort, workplace.server_core, generate)
    return Deliveries(figures=figures, beside=beside)


def _outbox(product: Product, rounds: int, generate: Generator) -> Delivery:
    """Answer how many jobs a second the worker takes and settles when delivering takes no time."""
    account = product.install()
    seconds, cpu = [], []
    jobs = _OUTBOX_CREATES * (1 + _SUBSCRIBERS)
    with product.running() as server:
        client = Client(server=server, account=account)
        _subscribe(client)
        for number in range(1, rounds + 1):
            _create(client, _OUTBOX_CREATES, generate)
            took = _null_worker(product, jobs)
            seconds.append(took["seconds"])
            cpu.append(took["cpu_seconds"])
            say(f"{product.engine}: outbox, round {number}: {jobs / took['seconds']:,.0f} jobs/s")
    return Delivery(
        engine=product.engine,
        what="outbox: jobs, null transport",
        per_second=spread_of([jobs / each for each in seconds]),
        cpu_us=spread_of(cpu).median / jobs * 1e6,
    )


def _mails(product: Product, rounds: int, generate: Generator) -> Delivery:
    """Answer how many mails a second a worker writes and submits to a server on this machine."""
    account = product.install()
    speeds, cpu_us = [], []
    with mail_sink() as sink:
        for number in range(1, rounds + 1):
            with product.running() as server:
                _create(Client(server=server, account=account), _MAILS, generate)
            sink.taken_at.clear()
            with _worker(product, sink) as worker:
                _await(lambda: len(sink.taken_at) >= _WARM_UP_MAILS, "the worker sends no mails")
                cpu = cpu_seconds(worker.ready.pid)
                _await(lambda: len(sink.taken_at) >= _MAILS, "the worker does not send all mails")
                cpu = cpu_seconds(worker.ready.pid) - cpu
            counted = _MAILS - _WARM_UP_MAILS
            speeds.append(counted / (sink.taken_at[_MAILS - 1] - sink.taken_at[_WARM_UP_MAILS - 1]))
            cpu_us.append(cpu / counted * 1e6)
            say(f"{product.engine}: mails, round {number}: {speeds[-1]:,.0f} mails/s")
    return Delivery(
        engine=product.engine,
        what="mails, written and submitted by SMTP",
        per_second=spread_of(speeds),
        cpu_us=spread_of(cpu_us).median,
    )


def _creating_beside(
    new_product: Callable[..., Product], databases: Databases, effort: Effort, core: int, generate: Generator
) -> Iterator[Beside]:
    """
    Yield how creating does with a worker in the same process, and with one in a process beside, on the same core.

    Whoever is not measured is stopped meanwhile, its worker with it.
    """
    with mail_sink() as sink, ExitStack() as stack:
        environment = _mailing_to(sink)
        alone, inside, outside = (
            new_product(name, with_worker=name == "worker inside")
            for name in ("alone", "worker inside", "worker outside")
        )
        subjects: dict[str, tuple[Subject, list[int]]] = {}
        for product in (alone, inside, outside):
            account = product.install()
            # The backlog is made before there is a worker.
            with msgspec.structs.replace(product, with_worker=False).running() as server:
                _create(Client(server=server, account=account), _BACKLOG, generate)
            server = stack.enter_context(
                running_server(
                    product.name, product.serve_command(), folder=product.folder, core=core, environment=environment
                )
            )
            pids = [server.ready.pid]
            if product is outside:
                pids.append(stack.enter_context(_worker(product, sink)).ready.pid)
            subjects[product.name] = (_subject(product, server, account, databases), pids)
            _send(pids, signal.SIGSTOP)
        # They are told to end in the end, which the stopped do not hear.
        stack.callback(_send, [pid for _, pids in subjects.values() for pid in pids], signal.SIGCONT)
        runs: dict[str, list[Run]] = {name: [] for name in subjects}
        mails: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(1, effort.rounds + 1):
            turn = number % len(subjects)
            for name in (list(subjects) * 2)[turn : turn + len(subjects)]:
                subject, pids = subjects[name]
                with _awake(pids), _counted(sink, mails[name]):
                    runs[name].append(run_once(subject, LANES["create"], TARGET_CONNECTIONS, effort, core, generate))
                creates = runs[name][-1].per_second
                say(f"{name}, round {number}: {creates:,.0f} creates/s, {mails[name][-1]:,.0f} mails/s")
        for product, worker in ((inside, "in the same process"), (outside, "in a process beside, on the same core")):
            yield _beside(product.engine, worker, runs[alone.name], runs[product.name], mails[product.name])


def _beside(engine: str, worker: str, alone: Sequence[Run], beside: Sequence[Run], mails: Sequence[float]) -> Beside:
    pairs = list(zip(alone, beside, strict=True))
    return Beside(
        engine=engine,
        worker=worker,
        alone_per_second=spread_of([each.per_second for each in alone]),
        per_second=spread_of([each.per_second for each in beside]),
        times=spread_of([ratio(with_it.per_second, without.per_second) for without, with_it in pairs]),
        core=spread_of([ratio(with_it.server_busy, without.server_busy) for without, with_it in pairs]),
        mails_per_second=spread_of(mails),
    )


def _subject(product: Product, server: RunningServer, account: Account, databases: Databases) -> Subject:
    client = Client(server=server, account=account)

    def requests(lane: Lane) -> list[bytes]:
        assert lane.bodies is not None
        return [client.signed("POST", INVOICES, body) for body in lane.bodies()]

    beside = databases.pids if product.engine == "postgresql" else ()
    return Subject(name=product.name, engine=product.engine, servers=(server,), requests=requests, beside=beside)


def _create(client: Client, count: int, generate: Generator) -> None:
    """Create and send so many invoices: a mail is owed for each."""
    bodies = LANES["create"].bodies
    assert bodies is not None
    plan = LoadPlan(
        host=client.server.host,
        ports=(client.server.port,),
        requests=tuple(client.signed("POST", INVOICES, body) for body in bodies()),
        connections=TARGET_CONNECTIONS,
        seconds=_PATIENCE_SECONDS,
        at_most=count,
    )
    checked(generate(plan))


def _subscribe(client: Client) -> None:
    """Have some programs told of every invoice that is sent; nobody will call them."""
    for number in range(_SUBSCRIBERS):
        wanted = {
            "products": [{"productId": "customerInvoicing", "eventTypes": ["invoicing.customer.invoice.send"]}],
            "webhookUrl": f"https://subscriber-{number}.invalid/hooks",
        }
        made = client.ask(client.signed("POST", _SUBSCRIPTIONS, msgspec.json.encode(wanted)), expect=201)
        one = f"{_SUBSCRIPTIONS}/{msgspec.json.decode(made.body)['webhookId']}"
        client.ask(client.signed("PUT", f"{one}/status", b'{"status":"ACTIVE"}'), expect=200)


def _null_worker(product: Product, jobs: int) -> dict[str, float]:
    database = ["--database", product.database] if product.database else []
    data = str(product.folder / "data")
    command = [sys.executable, "-m", "bench.null_worker", "--data", data, "--jobs", str(jobs), *database]
    with on_cores({product.core}):
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
            env=clean_environment({"PYTHONPATH": str(_ROOT)}),
        )
    if done.returncode:
        raise ServerFailed(f"the outbox was not emptied:\n{done.stderr.decode(errors='replace')}")
    return msgspec.json.decode(done.stdout, type=dict[str, float])


def _worker(product: Product, sink: MailSink) -> AbstractContextManager[RunningServer]:
    """Deliver for the length of a `with` block, on the server's core."""
    return running_server(
        f"{product.name}, worker",
        product.worker_command(),
        folder=product.folder,
        core=product.core,
        environment=_mailing_to(sink),
    )


def _mailing_to(sink: MailSink) -> dict[str, str]:
    place = {"PAYDUE_SMTP_HOST": "127.0.0.1", "PAYDUE_SMTP_PORT": str(sink.port), "PAYDUE_SMTP_SECURITY": "none"}
    return clean_environment({"PAYDUE_RATE_LIMIT": "0", **place})


def _await(holds: Callable[[], bool], complaint: str) -> None:
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > give_up_at:
            raise ServerFailed(complaint)
        time.sleep(0.01)


@contextmanager
def _awake(pids: Sequence[int]) -> Iterator[None]:
    _send(pids, signal.SIGCONT)
    try:
        yield
    finally:
        _send(pids, signal.SIGSTOP)


@contextmanager
def _counted(sink: MailSink, per_second: list[float]) -> Iterator[None]:
    """Add how many mails came a second to the list."""
    sent, began_at = len(sink.taken_at), time.perf_counter()
    yield
    per_second.append((len(sink.taken_at) - sent) / (time.perf_counter() - began_at))


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)
