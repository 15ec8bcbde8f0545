"""What a run found, held against the targets: shown as tables, kept as JSON and Markdown."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from bench.comparison import Comparison, Summary
from bench.lanes import (
    IDLE_MEMORY_TARGET_MB,
    LANES,
    P99_TARGET_CONNECTIONS,
    P99_TARGET_MS,
    READY_TARGET_SECONDS,
)
from bench.machine import Machine
from bench.product import Starts

# Somebody else on the cores, or a generator at its limit, and the figures are theirs rather than the product's.
_DISTURBED_ABOVE = 0.05
_GENERATOR_BUSY_ABOVE = 0.9

Rows = list[list[str]]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run found, and under which settings."""

    at: datetime
    engine: str
    invoices: int
    rounds: int
    seconds: float
    with_worker: bool
    machine: Machine
    starts: Starts
    loaded_bytes: int
    """Resident memory of the product after all lanes."""
    answer_bytes: dict[str, int]
    """Size of the body that each lane's first answer had; the floor's bodies have the same."""
    summaries: list[Summary]
    comparisons: list[Comparison]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One target and whether it was met."""

    what: str
    wanted: str
    found: str
    met: bool
    is_doubtful: bool
    """The figure was taken in company, so that neither outcome means much."""

    @property
    def outcome(self) -> str:
        """The verdict in a word or two."""
        return ("met" if self.met else "MISSED") + (", doubtful" if self.is_doubtful else "")


def verdicts_on(report: Report) -> list[Verdict]:
    """Answer a verdict for each target that this run has a figure for."""
    verdicts = []
    for summary in report.summaries:
        lane = LANES[summary.lane]
        at = f"{summary.lane}, {_count(summary.connections, 'connection')}"
        doubtful = bool(doubts_about([summary]))
        wanted_share = lane.ratio_targets.get(report.engine)
        if wanted_share and summary.connections == P99_TARGET_CONNECTIONS:
            verdicts.append(_at_least(f"{at}: share of the floor", wanted_share, summary.share.median, doubtful))
        if lane.p50_target_ms:
            verdicts.append(_at_most(f"{at}: p50", lane.p50_target_ms, summary.p50_ms, "ms", doubtful))
        if summary.connections == P99_TARGET_CONNECTIONS:
            verdicts.append(_at_most(f"{at}: p99", P99_TARGET_MS, summary.p99_ms, "ms", doubtful))
    starts = report.starts
    verdicts.append(_at_most("ready after a warm start", READY_TARGET_SECONDS, starts.warm_seconds.median, "s"))
    verdicts.append(_at_most("ready after a cold start", READY_TARGET_SECONDS, starts.cold_seconds, "s"))
    verdicts.append(_at_most("idle memory", IDLE_MEMORY_TARGET_MB, starts.idle_bytes / 1e6, "MB"))
    return verdicts


def show(report: Report, console: Console) -> None:
    """Print the figures, the verdicts and what casts doubt on either."""
    show_speed(report.summaries, console)
    console.print(_rich_table("Targets", _verdict_rows(verdicts_on(report))))
    for line in _machine_lines(report):
        console.print(line, style="dim", highlight=False, soft_wrap=True)


def show_speed(summaries: Sequence[Summary], console: Console, against: str = "product") -> None:
    """Print the figures alone, with the doubts about them; `against` names what was held against the floor."""
    console.print()
    console.print(_rich_table("Speed", _speed_rows(summaries, against)))
    for doubt in doubts_about(summaries):
        console.print(f"Doubt: {doubt}", style="yellow", highlight=False, soft_wrap=True)


def write(report: Report, folder: Path) -> Path:
    """Leave the report in `folder` as JSON under its time and as `latest.md`; answer the path of the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.at:%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    (folder / "latest.md").write_text(_markdown(report))
    return path


def doubts_about(summaries: Sequence[Summary]) -> list[str]:
    """Answer a sentence for each reason not to trust these figures."""
    doubts = []
    for summary in summaries:
        at = f"{summary.lane}, {_count(summary.connections, 'connection')}"
        if summary.disturbed > _DISTURBED_ABOVE:
            doubts.append(f"{at}: something else used {summary.disturbed:.0%} of a core, in the median round.")
        if summary.generator_busy > _GENERATOR_BUSY_ABOVE:
            doubts.append(
                f"{at}: the load generator was {summary.generator_busy:.0%} busy and may have been the limit."
            )
    return doubts


def _speed_rows(summaries: Sequence[Summary], against: str = "product") -> Rows:
    rows = [
        [
            *("lane", "conns", "floor/s", f"{against}/s", "share", "low..high", "by cpu", "cpu us"),
            *("p50 ms", "p99 ms", "max ms", "server", "load", "others"),
        ]
    ]
    rows += [
        [
            summary.lane,
            str(summary.connections),
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


def _verdict_rows(verdicts: Iterable[Verdict]) -> Rows:
    rows = [["target", "wanted", "found", ""]]
    rows += [[each.what, each.wanted, each.found, each.outcome] for each in verdicts]
    return rows


def _machine_lines(report: Report) -> list[str]:
    machine, starts = report.machine, report.starts
    return [
        f"{report.engine}, {report.invoices:,} invoices before the lanes; {_count(report.rounds, 'round')} of"
        f" {report.seconds:g} s each; delivery worker {'in the same process' if report.with_worker else 'off'}.",
        f"{machine.processor}, {_count(machine.cores, 'core')}, {machine.memory_gb:.0f} GB, Linux {machine.kernel},"
        f" load average {machine.load_average:.2f} before the run.",
        f"Data on {machine.file_system}: fsync p50 {machine.fsync.p50_ms:.2f} ms, p99 {machine.fsync.p99_ms:.2f} ms.",
        f"Python {machine.python}, "
        + ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
        + ".",
        f"Ready after {starts.cold_seconds:.2f} s cold, {starts.warm_seconds.median:.2f} s warm"
        f" ({starts.warm_seconds.low:.2f}..{starts.warm_seconds.high:.2f});"
        f" memory {starts.idle_bytes / 1e6:.0f} MB idle, {report.loaded_bytes / 1e6:.0f} MB after the lanes.",
        "Body sizes: " + ", ".join(f"{lane} {size:,} B" for lane, size in report.answer_bytes.items()) + ".",
    ]


def _markdown(report: Report) -> str:
    doubts = doubts_about(report.summaries)
    parts = [
        f"# Benchmark of {report.at:%Y-%m-%d %H:%M} UTC",
        _markdown_table(_speed_rows(report.summaries)),
        _markdown_table(_verdict_rows(verdicts_on(report))),
        "\n".join(f"- {line}" for line in _machine_lines(report)),
        "\n".join(["Reasons to doubt these figures:", "", *(f"- {doubt}" for doubt in doubts)]) if doubts else "",
        "How to read this: [README](../README.md).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(rows: Rows) -> str:
    head, *body = rows
    lines = [head, ["---", *("---:" for _ in head[1:])], *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


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
