"""What a run found: the targets it meets or misses, the tables a person reads, and the files it leaves."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from bench.comparison import Comparison, Relation, Summary
from bench.delivering import Beside, Deliveries, Delivery
from bench.documents import TARGET_MS, PdfTimes
from bench.figures import Spread
from bench.lanes import IDLE_MEMORY_TARGET_MB, LANES, P99_TARGET_MS, READY_TARGET_SECONDS, TARGET_CONNECTIONS
from bench.machine import Machine
from bench.product import Starts

# Somebody else on the cores, or a generator at its limit, and the figures are theirs rather than the product's.
_DISTURBED_ABOVE = 0.05
_GENERATOR_BUSY_ABOVE = 0.9
# Two servers, the database and the load: with fewer cores a second node has nothing to run on.
CORES_FOR_TWO_NODES = 4

_DOUBTS_SHOWN = 5

Rows = list[list[str]]


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """One product with its books: how it was filled, what it takes, how it starts."""

    name: str
    engine: str
    invoices: int
    seed_seconds: float
    stored_bytes: int
    starts: Starts | None
    loaded_bytes: int
    """Resident memory of the server after all lanes."""

    @property
    def bytes_an_invoice(self) -> float:
        """What an invoice and all that belongs to it takes on the disk, indexes included."""
        return self.stored_bytes / self.invoices


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run found, and under which settings."""

    at: datetime
    rounds: int
    seconds: float
    with_worker: bool
    machine: Machine
    installations: list[Installation]
    answer_bytes: dict[str, int]
    """Size of the body that each lane's first answer had; the floor's bodies have the same."""
    summaries: list[Summary]
    relations: list[Relation]
    comparisons: list[Comparison]
    deliveries: Deliveries = Deliveries()
    pdfs: PdfTimes | None = None

    def engine_of(self, subject: str) -> str:
        """Answer the engine that a subject runs on, empty for the peer."""
        return next((each.engine for each in self.installations if subject == each.name), "")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One target and whether it was met."""

    what: str
    wanted: str
    found: str
    met: bool
    is_doubtful: bool = False
    """The figure was taken in company, so that neither outcome means much."""

    @property
    def outcome(self) -> str:
        """The verdict in a word or two."""
        return ("met" if self.met else "MISSED") + (", doubtful" if self.is_doubtful else "")


def verdicts_on(report: Report) -> list[Verdict]:
    """Answer a verdict for each target that this run has a figure for."""
    return [
        *(verdict for each in report.summaries for verdict in _on_summary(report, each)),
        *(verdict for each in report.relations for verdict in _on_relation(report, each)),
        *(verdict for each in report.installations if each.starts for verdict in _on_starts(each, each.starts)),
        *((_at_most("PDF of two pages: p50", TARGET_MS, report.pdfs.median, "ms"),) if report.pdfs else ()),
    ]


def show(report: Report, console: Console) -> None:
    """Print the figures, the verdicts and what casts doubt on either."""
    show_speed(report.summaries, console)
    if report.relations:
        console.print(_rich_table("One against the other", _relation_rows(report.relations)))
    show_deliveries(report.deliveries, console)
    if report.pdfs is not None:
        console.print(_rich_table("Documents", _pdf_rows(report.pdfs)))
    verdicts = verdicts_on(report)
    console.print(_rich_table("Targets", _verdict_rows(verdicts)))
    met, doubtful = (sum(each.met for each in verdicts), sum(each.is_doubtful for each in verdicts))
    say = f"{met} of {len(verdicts)} targets met" + (f"; {doubtful} figures are doubtful." if doubtful else ".")
    console.print(say, style="bold", highlight=False)
    for line in machine_lines(report):
        console.print(line, style="dim", highlight=False, soft_wrap=True)


def show_speed(summaries: Sequence[Summary], console: Console) -> None:
    """Print the figures alone, with the doubts about them."""
    console.print()
    console.print(_rich_table("Speed", _speed_rows(summaries)))
    doubts = doubts_about(summaries)
    for doubt in doubts[:_DOUBTS_SHOWN]:
        console.print(f"Doubt: {doubt}", style="yellow", highlight=False, soft_wrap=True)
    if len(doubts) > _DOUBTS_SHOWN:
        console.print(f"... and {len(doubts) - _DOUBTS_SHOWN} more: see the columns load and others.", style="yellow")


def show_deliveries(deliveries: Deliveries, console: Console) -> None:
    """Print the figures about delivering, if there are any."""
    if deliveries.figures:
        console.print(_rich_table("Delivering", _delivery_rows(deliveries.figures)))
    if deliveries.beside:
        console.print(_rich_table("Creating while a worker delivers", _beside_rows(deliveries.beside)))


def pdf_table(pdfs: PdfTimes | None) -> str:
    """Answer the figures about PDFs as a table for a page; nothing when none were taken."""
    return markdown_table(_pdf_rows(pdfs)) if pdfs is not None else ""


def delivery_tables(deliveries: Deliveries) -> str:
    """Answer the figures about delivering as tables for a page; nothing when none were taken."""
    tables = (
        markdown_table(_delivery_rows(deliveries.figures)) if deliveries.figures else "",
        markdown_table(_beside_rows(deliveries.beside)) if deliveries.beside else "",
    )
    return "\n\n".join(table for table in tables if table)


def write(report: Report, folder: Path) -> Path:
    """Leave the report in `folder` as JSON under its time and as `latest.md`; answer the path of the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.at:%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    (folder / "latest.md").write_text(_markdown(report))
    return path


def doubts_about(summaries: Iterable[Summary]) -> list[str]:
    """Answer a sentence for each reason not to trust these figures."""
    doubts = []
    for summary in summaries:
        at = f"{summary.subject}: {summary.lane}, {_count(summary.connections, 'connection')}"
        if summary.disturbed > _DISTURBED_ABOVE:
            doubts.append(f"{at}: something else used {summary.disturbed:.0%} of a core, in the median round.")
        if summary.generator_busy > _GENERATOR_BUSY_ABOVE:
            doubts.append(
                f"{at}: the load generator was {summary.generator_busy:.0%} busy and may have been the limit."
            )
    return doubts


def markdown_table(rows: Rows) -> str:
    """Answer rows, the first of which is the head, as a table for a page."""
    head, *body = rows
    lines = [head, ["---", *("---:" for _ in head[1:])], *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def machine_lines(report: Report) -> list[str]:
    """Answer what the figures were taken on, a line for each part of it."""
    machine = report.machine
    return [
        f"{_count(report.rounds, 'round')} of {report.seconds:g} s each; delivery worker"
        f" {'in the same process' if report.with_worker else 'off'}.",
        f"{machine.processor}, {_count(machine.cores, 'core')}, {machine.memory_gb:.0f} GB, Linux {machine.kernel},"
        f" load average {machine.load_average:.2f} before the run.",
        f"Data on {machine.file_system}: fsync p50 {machine.fsync.p50_ms:.2f} ms, p99 {machine.fsync.p99_ms:.2f} ms.",
        f"Python {machine.python}, "
        + ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
        + ".",
        *(
            f"{each.name}: filled in {each.seed_seconds:.1f} s, {each.bytes_an_invoice:,.0f} bytes an invoice on the"
            f" disk, {each.loaded_bytes / 1e6:.0f} MB of memory after the lanes."
            for each in report.installations
        ),
        "Body sizes: " + ", ".join(f"{lane} {size:,} B" for lane, size in report.answer_bytes.items()) + ".",
    ]


def _on_summary(report: Report, summary: Summary) -> list[Verdict]:
    """Answer the verdicts on one installation in one lane; nothing is wanted of the peer and of two nodes here."""
    lane, engine = LANES[summary.lane], report.engine_of(summary.subject)
    if not engine:
        return []
    at = f"{summary.subject}: {summary.lane}, {_count(summary.connections, 'connection')}"
    doubtful = bool(doubts_about([summary]))
    verdicts = []
    if summary.connections == TARGET_CONNECTIONS:
        if wanted := lane.ratio_targets.get(engine):
            verdicts.append(_at_least(f"{at}: share of the floor", wanted, summary.share.median, doubtful))
        verdicts.append(_at_most(f"{at}: p99", P99_TARGET_MS, summary.p99_ms, "ms", doubtful))
    if lane.p50_alone_target_ms and summary.connections == 1:
        verdicts.append(_at_most(f"{at}: p50", lane.p50_alone_target_ms, summary.p50_ms, "ms", doubtful))
    return verdicts


def _on_relation(report: Report, relation: Relation) -> list[Verdict]:
    if relation.target is None:
        return []
    what = f"{relation.lane}: {relation.first} against {relation.second}"
    doubtful = any(
        doubts_about([each])
        for each in report.summaries
        if each.lane == relation.lane
        and each.subject in {relation.first, relation.second}
        and each.connections == TARGET_CONNECTIONS
    )
    if relation.kind == "flatness":
        return [_at_most(what, relation.target, relation.times.median, "times", doubtful)]
    doubtful = doubtful or report.machine.cores < CORES_FOR_TWO_NODES
    return [_at_least(what, relation.target, relation.times.median, doubtful)]


def _on_starts(installation: Installation, starts: Starts) -> list[Verdict]:
    name = installation.name
    return [
        _at_most(f"{name}: ready after a warm start", READY_TARGET_SECONDS, starts.warm_seconds.median, "s"),
        _at_most(f"{name}: ready after a cold start", READY_TARGET_SECONDS, starts.cold_seconds, "s"),
        _at_most(f"{name}: idle memory", IDLE_MEMORY_TARGET_MB, starts.idle_bytes / 1e6, "MB"),
    ]


def _speed_rows(summaries: Sequence[Summary]) -> Rows:
    rows = [
        [
            *("lane", "conns", "subject", "floor/s", "subject/s", "share", "low..high", "by cpu", "cpu us"),
            *("p50 ms", "p99 ms", "max ms", "server", "load", "others"),
        ]
    ]
    rows += [
        [
            summary.lane,
            str(summary.connections),
            summary.subject,
            f"{summary.floor_per_second.median:,.0f}",
            f"{summary.product_per_second.median:,.0f}",
            f"{summary.share.median:.3f}",
            f"{summary.share.low:.3f}..{summary.share.high:.3f}",
            f"{summary.share_by_cpu:.3f}",
            f"{summary.product_cpu_us:.0f}",
            f"{summary.p50_ms:.2f}",
            f"{summary.p99_ms:.2f}",
            f"{summary.max_ms:.1f}",
            f"{summary.server_busy:.0%}",
            f"{summary.generator_busy:.0%}",
            f"{summary.disturbed:.0%}",
        ]
        for summary in summaries
    ]
    return rows


def _relation_rows(relations: Iterable[Relation]) -> Rows:
    rows = [["lane", "first", "against", "times as fast", "low..high", "wanted"]]
    rows += [
        [
            each.lane,
            each.first,
            each.second,
            f"{each.times.median:.2f}",
            f"{each.times.low:.2f}..{each.times.high:.2f}",
            "" if each.target is None else f"{'<=' if each.kind == 'flatness' else '>='} {each.target:g}",
        ]
        for each in relations
    ]
    return rows


def _delivery_rows(figures: Iterable[Delivery]) -> Rows:
    rows = [["what", "engine", "a second", "low..high", "cpu us each"]]
    rows += [
        [
            each.what,
            each.engine,
            f"{each.per_second.median:,.0f}",
            _range(each.per_second, ",.0f"),
            f"{each.cpu_us:.0f}",
        ]
        for each in figures
    ]
    return rows


def _pdf_rows(pdfs: PdfTimes) -> Rows:
    return [
        ["a PDF of two pages, 30 items", "ms"],
        ["p50, in a process that has drawn one", f"{pdfs.median:.1f}"],
        ["the slowest of them", f"{pdfs.slowest:.1f}"],
        ["the first, which starts the process", f"{pdfs.first:.0f}"],
    ]


def _beside_rows(beside: Iterable[Beside]) -> Rows:
    rows = [["worker", "engine", "alone/s", "creates/s", "times", "low..high", "its core", "low..high", "mails/s"]]
    rows += [
        [
            each.worker,
            each.engine,
            f"{each.alone_per_second.median:,.0f}",
            f"{each.per_second.median:,.0f}",
            f"{each.times.median:.2f}",
            _range(each.times, ".2f"),
            f"{each.core.median:.2f}",
            _range(each.core, ".2f"),
            f"{each.mails_per_second.median:,.0f}" if each.mails_per_second is not None else "-",
        ]
        for each in beside
    ]
    return rows


def _range(spread: Spread, form: str) -> str:
    return f"{spread.low:{form}}..{spread.high:{form}}"


def _verdict_rows(verdicts: Iterable[Verdict]) -> Rows:
    rows = [["target", "wanted", "found", ""]]
    rows += [[each.what, each.wanted, each.found, each.outcome] for each in verdicts]
    return rows


def _markdown(report: Report) -> str:
    doubts = doubts_about(report.summaries)
    parts = [
        f"# Benchmark of {report.at:%Y-%m-%d %H:%M} UTC",
        markdown_table(_speed_rows(report.summaries)),
        markdown_table(_relation_rows(report.relations)) if report.relations else "",
        delivery_tables(report.deliveries),
        pdf_table(report.pdfs),
        markdown_table(_verdict_rows(verdicts_on(report))),
        "\n".join(f"- {line}" for line in machine_lines(report)),
        "\n".join(["Reasons to doubt these figures:", "", *(f"- {doubt}" for doubt in doubts)]) if doubts else "",
        "How to read this: [README](../README.md).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rich_table(title: str, rows: Rows) -> Table:
    head, *body = rows
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for cells in body:
        table.add_row(*cells, style="red" if cells[-1].startswith("MISSED") else "")
    return table


def _at_least(what: str, wanted: float, found: float, is_doubtful: bool = False) -> Verdict:
    return Verdict(
        what=what, wanted=f">= {wanted:.2f}", found=f"{found:.3f}", met=found >= wanted, is_doubtful=is_doubtful
    )


def _at_most(what: str, wanted: float, found: float, unit: str, is_doubtful: bool = False) -> Verdict:
    return Verdict(
        what=what,
        wanted=f"<= {wanted:g} {unit}",
        found=f"{found:.3g} {unit}",
        met=found <= wanted,
        is_doubtful=is_doubtful,
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
