"""`python -m bench`: compares the product with the floor, profiles it, or calibrates the harness itself."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench import report as reports
from bench.client import Account, Answer, Client, UnexpectedAnswer
from bench.comparison import WARMUP_SECONDS, Comparison, Effort, compare, first_answers, summaries_of
from bench.lanes import LANES, Book
from bench.load import LoadFailed, generator_on
from bench.machine import NoDisk, machine_with
from bench.processes import ServerFailed, resident_bytes
from bench.product import measure_starts, refuse_lost, seed
from bench.profiling import Load, profile
from bench.workplace import Workplace, workplace_options

_RESULTS = Path(__file__).parent / "results"
# Many short rounds rather than few long ones: a burst of somebody else's work then spoils one and not the median.
_FULL_ROUNDS, _FULL_SECONDS, _FULL_INVOICES = 9, 1.5, 10_000
_QUICK_ROUNDS, _QUICK_SECONDS, _QUICK_INVOICES = 1, 1.0, 2_500
# A list of 20 and a random read want something to choose from.
_FEWEST_INVOICES = 200

# The tables need more than the 80 columns that a pipe or a log is taken for.
_console = Console(width=max(Console().width, 140))


def _lane_names(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(","))
    unknown = [name for name in names if name not in LANES]
    if unknown:
        raise click.BadParameter(f"there is no lane {unknown[0]!r}; the lanes are {', '.join(LANES)}.")
    return names


def _connection_counts(_context: click.Context, _option: click.Parameter, value: str) -> tuple[int, ...]:
    counts = tuple(int(count) if count.strip().isdecimal() else 0 for count in value.split(","))
    if not all(1 <= count <= 1024 for count in counts):
        raise click.BadParameter(f"{value!r} is not a comma-separated list of whole numbers from 1 to 1024.")
    return counts


_connections_option = click.option(
    "--connections",
    default="32",
    show_default=True,
    callback=_connection_counts,
    help="How many connections, or several such numbers with commas; the targets are for 32.",
)
_seconds_option = click.option("--seconds", type=click.FloatRange(0.2, 60), help="Measured seconds of a run.")
_rounds_option = click.option("--rounds", type=click.IntRange(1, 100), help="Rounds of every lane.")
_invoices_option = click.option("--invoices", type=click.IntRange(_FEWEST_INVOICES), help="Invoices made beforehand.")


@click.group(
    invoke_without_command=True,
    context_settings={"max_content_width": 110},
    epilog="\b\nLanes:\n" + "\n".join(f"  {lane.name:<14}{lane.about}" for lane in LANES.values()),
)
@click.option("--quick", is_flag=True, help="One short round on few invoices: does it work, roughly how fast is it?")
@_rounds_option
@_seconds_option
@_invoices_option
@click.option(
    "--lanes",
    default=",".join(LANES),
    show_default=True,
    callback=_lane_names,
    help="What to measure, with commas.",
)
@_connections_option
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=_RESULTS,
    help="Folder for the reports; by default bench/results.",
)
@workplace_options
@click.pass_context
def main(
    context: click.Context,
    *,
    quick: bool,
    rounds: int | None,
    seconds: float | None,
    invoices: int | None,
    lanes: tuple[str, ...],
    connections: tuple[int, ...],
    results: Path,
    workplace: Workplace,
) -> None:
    """
    Measure Paydue against the raw ASGI floor, by turns and on the same core.

    Each round of a lane measures the floor, a server that does nothing but answer, and then the product under the same
    requests, or the other way round. The share between the two is the result: it survives a change of machine, which
    requests per second do not. A full run takes about five minutes and wants a quiet machine with two cores.

    \b
      python -m bench                              everything: 9 rounds of 1.5 s, 10,000 invoices
      python -m bench --quick                      the same in half a minute, less exact
      python -m bench --lanes get --rounds 30     one lane, more exact
      python -m bench --connections 1,32,128       how speed and latency depend on the callers
      python -m bench --invoices 1000000           does the cost grow with the number of invoices?
      python -m bench profile --lane get           in which functions the time goes
      python -m bench calibrate                    floor against floor: how exact are the figures here?
    """
    if context.invoked_subcommand:
        return
    effort = Effort(
        rounds=rounds or (_QUICK_ROUNDS if quick else _FULL_ROUNDS),
        seconds=seconds or (_QUICK_SECONDS if quick else _FULL_SECONDS),
        connections=connections,
        lanes=tuple(LANES[name] for name in lanes),
    )
    count = invoices or (_QUICK_INVOICES if quick else _FULL_INVOICES)
    with _failures_told():
        report = _measure(workplace, effort, count)
    reports.show(report, _console)
    _say(f"Kept as {reports.write(report, results)}")


@main.command("profile")
@click.option("--lane", type=click.Choice(list(LANES)), default="get", show_default=True, help="The load to watch.")
@click.option("--connections", type=click.IntRange(1, 1024), default=32, show_default=True, help="Concurrent callers.")
@click.option("--seconds", type=click.FloatRange(1, 60), default=8.0, show_default=True, help="How long to watch.")
@click.option("--invoices", type=click.IntRange(_FEWEST_INVOICES), default=_QUICK_INVOICES, show_default=True)
@click.option("--top", type=click.IntRange(1), default=40, show_default=True, help="How many functions to print.")
@workplace_options
def profile_command(
    *, lane: str, connections: int, seconds: float, invoices: int, top: int, workplace: Workplace
) -> None:
    """
    Print the functions in which the server spends its time under one lane's load.

    Uses py-spy when it is installed beside this Python, for example by `.venv/bin/pip install py-spy`, and cProfile
    otherwise. "own" is the time in the function itself and the C code that it calls, "total" includes its callees.
    """
    with _failures_told(), workplace.folder() as folder, generator_on(workplace.load_core) as generate:
        product = workplace.product_in(folder)
        account = product.install()
        _say(f"Making {invoices:,} invoices ...")
        with product.running() as server:
            book = seed(Client(server=server, account=account), generate, invoices)
        _say(f"Watching the lane {lane} ...")
        load = Load(
            account=account, book=book, lane=LANES[lane], connections=connections, seconds=seconds, generate=generate
        )
        found = profile(product, load)
    table = Table(title=f"{lane}: {found.per_second:,.0f}/s under {found.profiler}", title_justify="left")
    for name in ("own", "total"):
        table.add_column(name, justify="right")
    table.add_column("function", overflow="fold")
    for cost in found.functions[:top]:
        table.add_row(f"{cost.own_share:.1%}", f"{cost.total_share:.1%}", cost.function)
    _console.print(table)


@main.command("calibrate")
@_rounds_option
@_seconds_option
@_connections_option
@workplace_options
def calibrate_command(
    *, rounds: int | None, seconds: float | None, connections: tuple[int, ...], workplace: Workplace
) -> None:
    """
    Compare the floor with a second floor; the share should be 1, and its spread is how exact figures are here.

    Needs no product. A wide spread means a disturbed machine: wait, or measure more rounds.
    """
    effort = Effort(
        rounds=rounds or _FULL_ROUNDS,
        seconds=seconds or _FULL_SECONDS,
        connections=connections,
        lanes=(LANES["create"], LANES["get"]),
    )
    book = Book(numbers=tuple(str(number) for number in range(1, 4001)), payment_pages=())
    account = Account(merchant_id="bench", key_id="bench", shared_secret="YmVuY2g=")
    with (
        _failures_told(),
        workplace.folder() as folder,
        workplace.floor_in(folder) as floor,
        workplace.floor_in(folder, name="second-floor") as second_floor,
        generator_on(workplace.load_core) as generate,
    ):
        client = Client(server=second_floor, account=account)
        comparisons = _told(
            compare(floor, client, book, effort=effort, core=workplace.server_core, generate=generate),
            effort,
            against="floor 2",
        )
    reports.show_speed(summaries_of(comparisons), _console, against="floor 2")


def _measure(workplace: Workplace, effort: Effort, invoices: int) -> reports.Report:
    """Install, seed, start, compare and count again; the order lets starts and memory be those of a filled database."""
    seconds = effort.comparisons * 2 * (effort.seconds + WARMUP_SECONDS)
    _say(f"{effort.comparisons} comparisons: {seconds / 60:.1f} min after the preparations.")
    with workplace.folder() as folder, generator_on(workplace.load_core) as generate:
        machine = machine_with(folder)
        product = workplace.product_in(folder)
        account = product.install()
        _say(f"Making {invoices:,} invoices ...")
        with product.running() as server:
            book = seed(Client(server=server, account=account), generate, invoices)
        _say("Starting cold and warm ...")
        starts = measure_starts(product)
        with product.running() as server:
            client = Client(server=server, account=account)
            answers = first_answers(client, book, effort.lanes)
            before = client.invoices(0, 1)["totalInvoices"]
            with workplace.floor_in(folder, *_floor_like(answers)) as floor:
                comparisons = _told(
                    compare(floor, client, book, effort=effort, core=workplace.server_core, generate=generate), effort
                )
            created = sum(each.product.acknowledged for each in comparisons if LANES[each.lane].method == "POST")
            refuse_lost(client, before + created)
            loaded_bytes = resident_bytes(server.ready.pid)
    return reports.Report(
        at=datetime.now(UTC),
        engine=product.engine,
        invoices=invoices,
        rounds=effort.rounds,
        seconds=effort.seconds,
        with_worker=workplace.with_worker,
        machine=machine,
        starts=starts,
        loaded_bytes=loaded_bytes,
        answer_bytes={lane: len(answer.body) for lane, answer in answers.items()},
        summaries=summaries_of(comparisons),
        comparisons=comparisons,
    )


def _floor_like(answers: dict[str, Answer]) -> list[str]:
    """Give the floor the body sizes, and the Date header or its absence, of the product's own answers."""
    options = []
    for option, lanes in (("--get-bytes", ("get", "list")), ("--create-bytes", ("create", "lone-create"))):
        sizes = [len(answers[lane].body) for lane in lanes if lane in answers]
        options += [option, str(sizes[0])] if sizes else []
    has_date = all("date" in answer.headers for answer in answers.values())
    return [*options, "--date" if has_date else "--no-date"]


def _told(comparisons: Iterable[Comparison], effort: Effort, against: str = "product") -> list[Comparison]:
    """Print each comparison as it comes, and keep it."""
    kept = []
    for number, each in enumerate(comparisons, 1):
        kept.append(each)
        _say(
            f"[{number:>3}/{effort.comparisons}] round {each.round}  {each.lane:<12} {each.connections:>4} conns "
            f" floor {each.floor.per_second:>8,.0f}/s  {against} {each.product.per_second:>8,.0f}/s "
            f" share {each.share:.3f}  by cpu {each.share_by_cpu:.3f}  p99 {each.product.latency.p99_ms:.2f} ms"
        )
    return kept


@contextmanager
def _failures_told() -> Iterator[None]:
    """Turn what can go wrong into words and exit code 1."""
    try:
        yield
    except (ServerFailed, LoadFailed, UnexpectedAnswer, NoDisk) as failure:
        notes = getattr(failure, "__notes__", [])
        raise click.ClickException("\n\n".join([f"The benchmark failed: {failure}", *notes])) from failure


def _say(line: str) -> None:
    _console.print(line, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(prog_name="python -m bench")
