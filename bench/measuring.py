"""One whole run: install and fill every subject, serve them all at once, compare, and count again."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.client import Account, Answer, Client
from bench.comparison import Comparison, Effort, Subject, compare, relations_of, summaries_of
from bench.database import Databases, own_databases, stored_bytes
from bench.delivering import Deliveries, measure_deliveries
from bench.documents import measure_pdfs
from bench.lanes import LANES, TARGET_CONNECTIONS, Book, Lane
from bench.load import generator_on
from bench.machine import machine_with
from bench.peer import running_peer
from bench.processes import resident_bytes
from bench.product import Product, Starts, book_of, measure_starts, refuse_lost
from bench.report import Installation, Report
from bench.telling import say, tell_comparison
from bench.workplace import Workplace

_PDFS = 50


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a run shall be about."""

    engines: tuple[str, ...]
    invoices: tuple[int, ...]
    effort: Effort
    measures_starts: bool = True
    measures_deliveries: bool = True
    has_two_nodes: bool = True
    peer: Path | None = None
    """The Python of the peer's environment."""


class _Filled(msgspec.Struct, frozen=True, kw_only=True):
    """An installation with its books, not served yet."""

    product: Product
    account: Account
    invoices: int
    seed_seconds: float
    stored_bytes: int


def measure(workplace: Workplace, wish: Wish) -> Report:
    """Carry out the wish; raises ServerFailed, LoadFailed, UnexpectedAnswer, NoDisk."""
    with (
        workplace.folder() as folder,
        generator_on(workplace.load_core) as generate,
        _databases(workplace, wish) as databases,
    ):
        machine = machine_with(folder)
        filled = list(_fill(workplace, wish, folder, databases))
        starts = _starts(filled) if wish.measures_starts else {}
        with ExitStack() as stack:
            served = {each.product.name: _serve(stack, each, databases) for each in filled}
            subjects = list(served.values())
            if wish.has_two_nodes:
                subjects += [
                    _second_node(stack, workplace, each, served[each.product.name]) for each in _doubled(filled)
                ]
            if wish.peer is not None:
                say("Starting localstripe ...")
                subjects.append(stack.enter_context(running_peer(wish.peer, folder=folder, core=workplace.server_core)))
            clients = {each.product.name: _client(each, served[each.product.name]) for each in filled}
            answers = _first_answers(subjects[0], clients[subjects[0].name], wish.effort.lanes)
            before = {name: client.invoices(0, 1)["totalInvoices"] for name, client in clients.items()}
            with workplace.floor_in(folder, *_floor_like(answers)) as floor:
                say(f"{len(wish.effort.places())} comparisons, {wish.effort.minutes(subjects):.0f} min at least.")
                compared = compare(floor, subjects, effort=wish.effort, core=workplace.server_core, generate=generate)
                comparisons = list(tell_comparison(compared, wish.effort))
            _refuse_lost(clients, before, answers, subjects, comparisons)
            loaded = {name: resident_bytes(subject.servers[0].ready.pid) for name, subject in served.items()}
        deliveries = Deliveries()
        if wish.measures_deliveries:
            deliveries = measure_deliveries(
                workplace, folder, databases, engines=wish.engines, effort=wish.effort, generate=generate
            )
    return Report(
        at=datetime.now(UTC),
        rounds=wish.effort.rounds,
        seconds=wish.effort.seconds,
        with_worker=workplace.with_worker,
        machine=machine,
        installations=[
            Installation(
                name=each.product.name,
                engine=each.product.engine,
                invoices=each.invoices,
                seed_seconds=each.seed_seconds,
                stored_bytes=each.stored_bytes,
                starts=starts.get(each.product.name),
                loaded_bytes=loaded[each.product.name],
            )
            for each in filled
        ],
        answer_bytes={lane: len(answer.body) for lane, answer in answers.items()},
        summaries=summaries_of(comparisons),
        relations=relations_of(comparisons, subjects),
        comparisons=comparisons,
        deliveries=deliveries,
        pdfs=measure_pdfs(_PDFS) if wish.measures_deliveries else None,
    )


def deliveries_alone(workplace: Workplace, wish: Wish) -> Deliveries:
    """Answer the figures about delivering and nothing else; raises what `measure` raises."""
    with (
        workplace.folder() as folder,
        generator_on(workplace.load_core) as generate,
        _databases(workplace, wish) as databases,
    ):
        return measure_deliveries(
            workplace, folder, databases, engines=wish.engines, effort=wish.effort, generate=generate
        )


def filled_product(workplace: Workplace, folder: Path, count: int) -> tuple[Product, Account]:
    """Answer one installation on SQLite, or on the database that was named, with that many invoices."""
    product = workplace.product_in(folder / "product", "product", workplace.database)
    account = product.install()
    say(f"Filling it with {count:,} invoices ...")
    product.seed(count)
    return product, account


@contextmanager
def _databases(workplace: Workplace, wish: Wish) -> Iterator[Databases]:
    if "postgresql" not in wish.engines:
        yield Databases(new=lambda: "")
    elif workplace.database is not None:
        url = workplace.database
        yield Databases(new=lambda: url)
    else:
        say("Starting a PostgreSQL of our own ...")
        with own_databases(workplace.data_under) as databases:
            yield databases


def _fill(workplace: Workplace, wish: Wish, folder: Path, databases: Databases) -> Iterator[_Filled]:
    for engine in wish.engines:
        for count in wish.invoices:
            name = f"{engine} {_short(count)}"
            url = databases.new() if engine == "postgresql" else None
            product = workplace.product_in(folder / name.replace(" ", "-"), name, url)
            account = product.install()
            say(f"Filling {name} ...")
            seconds = product.seed(count)
            stored = stored_bytes(url) if url is not None else product.stored_bytes()
            say(f"  {seconds:.1f} s, {stored / count:,.0f} bytes an invoice")
            yield _Filled(product=product, account=account, invoices=count, seed_seconds=seconds, stored_bytes=stored)


def _starts(filled: Iterable[_Filled]) -> dict[str, Starts]:
    """Answer how the largest installation of each engine starts."""
    say("Starting cold and warm ...")
    largest: dict[str, _Filled] = {}
    for each in sorted(filled, key=lambda each: each.invoices):
        largest[each.product.engine] = each
    return {each.product.name: measure_starts(each.product) for each in largest.values()}


def _serve(stack: ExitStack, filled: _Filled, databases: Databases) -> Subject:
    product = filled.product
    server = stack.enter_context(product.running())
    client = Client(server=server, account=filled.account)
    book = book_of(client)

    def requests(lane: Lane, client: Client = client, book: Book = book) -> list[bytes]:
        return lane.prepare(client, book)

    return Subject(
        name=product.name,
        engine=product.engine,
        invoices=filled.invoices,
        servers=(server,),
        requests=requests,
        beside=databases.pids if product.engine == "postgresql" else (),
    )


def _doubled(filled: Iterable[_Filled]) -> list[_Filled]:
    """Answer the installation that gets a second node: the smallest that several nodes may serve from."""
    shared = sorted((each for each in filled if each.product.database), key=lambda each: each.invoices)
    return shared[:1]


def _second_node(stack: ExitStack, workplace: Workplace, filled: _Filled, first: Subject) -> Subject:
    """Start another node, on the load's core, and answer the two as one subject."""
    second = stack.enter_context(filled.product.running(core=workplace.load_core, node=", node 2"))
    return msgspec.structs.replace(
        first,
        name=f"{first.name}, 2 nodes",
        servers=(*first.servers, second),
        lanes=tuple(lane.name for lane in LANES.values() if lane.nodes_target),
        connections=(TARGET_CONNECTIONS,),
    )


def _client(filled: _Filled, subject: Subject) -> Client:
    return Client(server=subject.servers[0], account=filled.account)


def _first_answers(subject: Subject, client: Client, lanes: Iterable[Lane]) -> dict[str, Answer]:
    """Answer what the product says to each lane's first request; raises UnexpectedAnswer when that is wrong."""
    answers = {}
    for lane in lanes:
        answers[lane.name] = client.ask(subject.requests(lane)[0], expect=lane.status)
        lane.check(answers[lane.name])
    return answers


def _refuse_lost(
    clients: dict[str, Client],
    before: dict[str, int],
    answers: dict[str, Answer],
    subjects: Iterable[Subject],
    comparisons: Iterable[Comparison],
) -> None:
    """Raise UnexpectedAnswer unless every installation lists exactly as many invoices as it acknowledged."""
    created = dict.fromkeys(clients, 0)
    owner = {server.name: name for name in clients for each in subjects for server in each.servers if each.name == name}
    stands_on = {each.name: owner.get(each.servers[0].name) for each in subjects}
    for comparison in comparisons:
        name = stands_on[comparison.subject]
        if name is not None and LANES[comparison.lane].writes:
            created[name] += comparison.product.acknowledged
    for name, client in clients.items():
        refuse_lost(client, before[name] + created[name])


def _floor_like(answers: dict[str, Answer]) -> list[str]:
    """Give the floor the body sizes, and the Date header or its absence, of the product's own answers."""
    options = []
    for option, lanes in (("--get-bytes", ("get", "list")), ("--create-bytes", ("create",))):
        sizes = [len(answers[lane].body) for lane in lanes if lane in answers]
        options += [option, str(sizes[0])] if sizes else []
    has_date = all("date" in answer.headers for answer in answers.values())
    return [*options, "--date" if has_date else "--no-date"]


def _short(count: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count % size == 0:
            return f"{count // size}{letter}"
    return str(count)
