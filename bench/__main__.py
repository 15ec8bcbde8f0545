"""`python -m bench`: compares the product with the floor, profiles it, or calibrates the harness itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.table import Table

from bench import pages
from bench import report as reports
from bench.client import Client, UnexpectedAnswer
from bench.comparison import Effort, Subject, compare, summaries_of
from bench.documents import TARGET_MS, measure_pdfs
from bench.lanes import INVOICES, LANES, QUICK_LANES, Lane, create_bodies
from bench.load import LoadFailed, generator_on
from bench.machine import NoDisk
from bench.measuring import Wish, deliveries_alone, filled_product, measure
from bench.processes import ServerFailed
from bench.product import book_of
from bench.profiling import Load, profile
from bench.telling import console, say, tell_comparison
from bench.workplace import Workplace, workplace_options

_ROOT = Path(__file__).parents[1]
_RESULTS = Path(__file__).parent / "results"
_PAGES = _ROOT / "docs" / "reference"
_PEER = _ROOT / ".venv-peer" / "bin" / "python"
_ENGINES = ("sqlite", "postgresql")
# Many short rounds rather than few long ones: a burst of somebody else's work then spoils one and not the median.
_FULL = {"rounds": 5, "seconds": 1.0, "warmup_seconds": 0.3}
_QUICK = {"rounds": 1, "seconds": 0.4, "warmup_seconds": 0.2}
# A list of 20 of each status wants something to choose from.
_FEWEST_INVOICES = 2_000


class _Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "NAMES"

    def __init__(self, known: tuple[str, ...], what: str) -> None:
        self._known = known
        self._what = what

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = tuple(name.strip() for name in f"{value}".split(","))
        for name in names:
            if name not in self._known:
                self.fail(f"there is no {self._what} {name!r}; there are {', '.join(self._known)}.", param, ctx)
        return names


class _Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas between them."""

    name = "NUMBERS"

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._high = high

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = f"{value}".split(",")
        counts = tuple(int(part) if part.strip().isdecimal() else -1 for part in parts)
        if not all(self._low <= count <= self._high for count in counts):
            self.fail(f"{value!r} is not a list, with commas, of numbers from {self._low} to {self._high}.", param, ctx)
        return counts


_connections_option = click.option(
    "--connections", type=_Numbers(1, 1024), help="Concurrent callers, with commas.  [default: 1,32,128]"
)
_seconds_option = click.option("--seconds", type=click.FloatRange(0.2, 60), help="Measured seconds of a run.")
_rounds_option = click.option("--rounds", type=click.IntRange(1, 100), help="Rounds of every lane.")


@click.group(
    invoke_without_command=True,
    context_settings={"max_content_width": 110},
    epilog="\b\nLanes:\n" + "\n".join(f"  {lane.name:<16}{lane.about}" for lane in LANES.values()),
)
@click.option("--quick", is_flag=True, help="One short round on few invoices: does it work, roughly how fast is it?")
@_rounds_option
@_seconds_option
@click.option(
    "--invoices",
    type=_Numbers(_FEWEST_INVOICES, 100_000_000),
    help="How many there are, with commas for several installations.  [default: 10000,1000000]",
)
@click.option("--engines", type=_Names(_ENGINES, "engine"), help="With commas.  [default: sqlite,postgresql]")
@click.option("--lanes", type=_Names(tuple(LANES), "lane"), help="With commas.  [default: all]")
@_connections_option
@click.option("--two-nodes/--one-node", default=True, help="Measure two nodes on PostgreSQL too.")
@click.option(
    "--peer", type=click.Path(path_type=Path), default=_PEER, help="The Python that has localstripe.  [.venv-peer's]"
)
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
    invoices: tuple[int, ...] | None,
    engines: tuple[str, ...] | None,
    lanes: tuple[str, ...] | None,
    connections: tuple[int, ...] | None,
    two_nodes: bool,
    peer: Path,
    results: Path,
    workplace: Workplace,
) -> None:
    """
    Measure Paydue against the raw ASGI floor, by turns and on the same core.

    Each round of a lane measures the floor, a server that does nothing but answer, and then every installation under
    the same requests, in another order each time. The share between product and floor is the result: it survives a
    change of machine, which requests per second do not. A full run takes about half an hour and wants a quiet machine.

    \b
      python -m bench                                    everything
      python -m bench --quick                            in less than a minute, less exact
      python -m bench --lanes get --rounds 30            one lane, more exact
      python -m bench --engines sqlite --invoices 10000  one engine, one size
      python -m bench delivery                           outbox and mails, and what creating loses meanwhile
      python -m bench report                             everything, and the results pages of the documentation
      python -m bench profile --lane get                 in which functions the time goes
      python -m bench calibrate                          floor against floor: how exact are the figures here?
    """
    if context.invoked_subcommand:
        return
    wish = _wish(
        quick=quick, rounds=rounds, seconds=seconds, invoices=invoices, engines=engines, lanes=lanes,
        connections=connections, two_nodes=two_nodes, peer=peer
    )  # fmt: skip
    if workplace.database is not None and "postgresql" in wish.engines:
        if len(wish.invoices) > 1:
            raise click.UsageError(
                "one database holds one installation: name one number of --invoices with --database."
            )
        wish = msgspec.structs.replace(wish, measures_deliveries=False)
    run_and_keep(workplace, wish, results)


def run_and_keep(workplace: Workplace, wish: Wish, results: Path) -> tuple[reports.Report, Path]:
    """Measure, print what was found and keep it; what goes wrong ends the program in words."""
    with _failures_told():
        report = measure(workplace, wish)
    reports.show(report, console)
    path = reports.write(report, results)
    say(f"Kept as {path}")
    return report, path


def _wish(
    *,
    quick: bool = False,
    rounds: int | None = None,
    seconds: float | None = None,
    invoices: tuple[int, ...] | None = None,
    engines: tuple[str, ...] | None = None,
    lanes: tuple[str, ...] | None = None,
    connections: tuple[int, ...] | None = None,
    two_nodes: bool = True,
    peer: Path = _PEER,
) -> Wish:
    """Fill in what was not said."""
    usual = _QUICK if quick else _FULL
    if not peer.exists():
        say(f"There is no {peer}: localstripe is left out; `make bench` sets it up.")
    return Wish(
        engines=engines or _ENGINES,
        invoices=invoices or ((_FEWEST_INVOICES,) if quick else (10_000, 1_000_000)),
        effort=Effort(
            rounds=rounds or int(usual["rounds"]),
            seconds=seconds or usual["seconds"],
            warmup_seconds=usual["warmup_seconds"],
            connections=connections or ((32,) if quick else (1, 32, 128)),
            lanes=tuple(LANES[name] for name in lanes or (QUICK_LANES if quick else tuple(LANES))),
        ),
        measures_starts=not quick,
        measures_deliveries=not quick and lanes is None,
        has_two_nodes=two_nodes and "postgresql" in (engines or _ENGINES),
        peer=peer if peer.exists() else None,
    )


@main.command("delivery")
@_rounds_option
@_seconds_option
@click.option("--engines", type=_Names(_ENGINES, "engine"), help="With commas.  [default: sqlite,postgresql]")
@workplace_options
def delivery_command(
    *, rounds: int | None, seconds: float | None, engines: tuple[str, ...] | None, workplace: Workplace
) -> None:
    """
    Measure delivering alone: the outbox, mails over SMTP, and creating while a worker empties a backlog.

    Each on installations of its own, so that --database has no place here.
    """
    if workplace.database is not None:
        raise click.UsageError("deliveries are measured on several databases: leave --database out.")
    wish = _wish(rounds=rounds, seconds=seconds, engines=engines, lanes=("create",))
    with _failures_told():
        found = deliveries_alone(workplace, wish)
    reports.show_deliveries(found, console)


@main.command("report")
@click.option("--from", "kept", type=click.Path(path_type=Path, exists=True), help="Results of a run: measure nothing.")
@click.option("--rounds", type=click.IntRange(1, 100), help="Rounds of every lane.")
@_seconds_option
@workplace_options
def report_command(*, kept: Path | None, rounds: int | None, seconds: float | None, workplace: Workplace) -> None:
    """
    Measure everything and write the results pages anew: docs/reference/performance.md and internet-scale.md.

    With --from nothing is measured: the pages are made from the JSON of an earlier run.
    """
    if kept is not None:
        report = msgspec.json.decode(kept.read_bytes(), type=reports.Report)
    else:
        report, _ = run_and_keep(workplace, _wish(rounds=rounds, seconds=seconds), _RESULTS)
    pages.keep_figures(report, _PAGES)
    for name, text in pages.made_pages(report, _PAGES).items():
        (_PAGES / name).write_text(text, encoding="utf-8")
        say(f"Wrote {_PAGES / name}")


@main.command("profile")
@click.option("--lane", type=click.Choice(list(LANES)), default="get", show_default=True, help="The load to watch.")
@click.option("--connections", type=click.IntRange(1, 1024), default=32, show_default=True, help="Concurrent callers.")
@click.option("--seconds", type=click.FloatRange(1, 60), default=8.0, show_default=True, help="How long to watch.")
@click.option("--invoices", type=click.IntRange(_FEWEST_INVOICES), default=10_000, show_default=True)
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
        product, account = filled_product(workplace, folder, invoices)
        with product.running() as server:
            book = book_of(Client(server=server, account=account))
        say(f"Watching the lane {lane} ...")
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
    console.print(table)


@main.command("calibrate")
@_rounds_option
@_seconds_option
@_connections_option
@workplace_options
def calibrate_command(
    *, rounds: int | None, seconds: float | None, connections: tuple[int, ...] | None, workplace: Workplace
) -> None:
    """
    Compare the floor with a second floor; the share should be 1, and its spread is how exact figures are here.

    Needs no product. A wide spread means a disturbed machine: wait, or measure more rounds.
    """
    effort = Effort(
        rounds=rounds or int(_FULL["rounds"]),
        seconds=seconds or _FULL["seconds"],
        warmup_seconds=_FULL["warmup_seconds"],
        connections=connections or (32,),
        lanes=(LANES["get"], LANES["create"]),
    )

    def requests(lane: Lane) -> list[bytes]:
        if lane.writes:
            bodies = (body for body in create_bodies())
            return [b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(b), b) for b in bodies]
        return [b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % INVOICES.encode()]

    with (
        _failures_told(),
        workplace.folder() as folder,
        workplace.floor_in(folder) as floor,
        workplace.floor_in(folder, name="second-floor") as second_floor,
        generator_on(workplace.load_core) as generate,
    ):
        again = Subject(name="second floor", servers=(second_floor,), requests=requests)
        compared = compare(floor, [again], effort=effort, core=workplace.server_core, generate=generate)
        comparisons = list(tell_comparison(compared, effort))
    reports.show_speed(summaries_of(comparisons), console)


@main.command("pdf")
@click.option("--count", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many to draw.")
def pdf_command(*, count: int) -> None:
    """Time a PDF of two pages, warm: from its values to its last byte, each a different invoice."""
    found = measure_pdfs(count)
    verdict = "met" if found.median <= TARGET_MS else "MISSED"
    say(f"two pages, {found.bytes_each:,} B: p50 {found.median:.1f} ms, slowest {found.slowest:.1f} ms")
    say(f"the first one, which starts the process: {found.first:.0f} ms")
    say(f"target: p50 <= {TARGET_MS:.0f} ms: {verdict}")


@contextmanager
def _failures_told() -> Iterator[None]:
    """Turn what can go wrong into words and exit code 1."""
    try:
        yield
    except (ServerFailed, LoadFailed, UnexpectedAnswer, NoDisk) as failure:
        notes = getattr(failure, "__notes__", [])
        raise click.ClickException("\n\n".join([f"The benchmark failed: {failure}", *notes])) from failure


if __name__ == "__main__":
    main(prog_name="python -m bench")
