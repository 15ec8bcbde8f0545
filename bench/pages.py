"""
The pages of `docs/reference` that show what a run found: figures between their marks, and charts beside them.

Nothing is written by hand that was measured. A test makes the pages anew from the figures that are kept with them.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from bench.charts import Bar, bar_chart
from bench.comparison import PEER, Relation, Summary
from bench.growth import growth_sections
from bench.lanes import LANES, TARGET_CONNECTIONS
from bench.report import Report, Rows, delivery_tables, machine_lines, markdown_table, pdf_table, verdicts_on

FIGURES = "performance.json"
PERFORMANCE, GROWTH = "performance.md", "internet-scale.md"
_CHARTS = "performance-{}.svg"
_MAIN = tuple(lane.name for lane in LANES.values() if lane.is_main)
_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def keep_figures(report: Report, folder: Path) -> None:
    """Leave what the pages are made from in their folder, without the single rounds."""
    path = folder / FIGURES
    path.write_bytes(msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(report, comparisons=[]))) + b"\n")


def kept_figures(folder: Path) -> Report:
    """Answer the report that the pages in that folder were made from."""
    return msgspec.json.decode((folder / FIGURES).read_bytes(), type=Report)


def made_pages(report: Report, folder: Path) -> dict[str, str]:
    """Answer, by file name, the pages with this report's figures between their marks, and the charts."""
    pages = {}
    for name, sections in ((PERFORMANCE, _sections(report)), (GROWTH, growth_sections(report))):
        text = (folder / name).read_text(encoding="utf-8")
        for section, content in sections.items():
            text = _put(text, section, content)
        pages[name] = text
    return pages | _charts(report)


def _put(text: str, section: str, content: str) -> str:
    mark = re.compile(rf"(<!-- figures: {section} -->\n).*?(<!-- end of figures -->)", re.DOTALL)
    found = mark.search(text)
    if found is None:
        raise ValueError(f"there is no mark for the figures {section!r}")
    return f"{text[: found.start()]}{found[1]}\n{content}\n\n{found[2]}{text[found.end() :]}"


def _sections(report: Report) -> dict[str, str]:
    return {
        "machine": "\n".join(f"- {line}" for line in _machine(report)),
        "verdicts": _verdicts(report),
        "speed": markdown_table(_speed(report)),
        "connections": markdown_table(_connections(report)),
        "flatness": markdown_table(_relations(report, "flatness", "as fast with the fewest as with the most")),
        "nodes": markdown_table(_relations(report, "nodes", "as fast as one node")),
        "peer": markdown_table(_peer(report)),
        "deliveries": delivery_tables(report.deliveries) or "Not measured in this run.",
        "documents": pdf_table(report.pdfs) or "Not measured in this run.",
        "starts": markdown_table(_starts(report)),
    }


def _machine(report: Report) -> Iterable[str]:
    yield f"Taken on {report.at:%Y-%m-%d at %H:%M} UTC."
    yield from machine_lines(report)[:-1]
    doubtful = sum(each.is_doubtful for each in verdicts_on(report))
    if doubtful:
        yield f"{doubtful} of {len(verdicts_on(report))} verdicts are doubtful: others used the same cores meanwhile."


def _verdicts(report: Report) -> str:
    verdicts = verdicts_on(report)
    sure = [each for each in verdicts if not each.is_doubtful]
    lines = [f"**{sum(each.met for each in verdicts)} of {len(verdicts)} targets were met in this run.**"]
    if len(sure) < len(verdicts):
        doubtful = [each for each in verdicts if each.is_doubtful]
        lines.append(
            f"{len(doubtful)} of the verdicts are doubtful, since something else used a core that the figure was taken"
            f" on: {sum(each.met for each in doubtful)} of these were met. The tables below show all of them; only what"
            " a quiet machine finds should be believed."
        )
    missed = [each for each in sure if not each.met]
    if missed:
        rows = [["missed beyond doubt", "wanted", "found"]]
        rows += [[each.what, each.wanted, each.found] for each in missed]
        lines.append(markdown_table(rows))
    return "\n\n".join(lines)


def _at_target(report: Report) -> dict[tuple[str, str], Summary]:
    return {(each.lane, each.subject): each for each in report.summaries if each.connections == TARGET_CONNECTIONS}


def _speed(report: Report) -> Rows:
    found = _at_target(report)
    rows = [["lane", "installation", "requests/s", "floor/s", "share", "wanted", "p50 ms", "p99 ms"]]
    for lane in LANES.values():
        for each in report.installations:
            if (lane.name, each.name) not in found:
                continue
            summary = found[lane.name, each.name]
            wanted = lane.ratio_targets.get(each.engine)
            rows.append(
                [
                    f"`{lane.name}`",
                    each.name,
                    f"{summary.product_per_second.median:,.0f}",
                    f"{summary.floor_per_second.median:,.0f}",
                    f"{summary.share.median:.3f}",
                    "" if wanted is None else f"{wanted:.2f}",
                    f"{summary.p50_ms:.2f}",
                    f"{summary.p99_ms:.2f}",
                ]
            )
    return rows


def _connections(report: Report) -> Rows:
    counts = sorted({each.connections for each in report.summaries})
    rows = [["lane", "installation", *(f"{count} connections" for count in counts)]]
    by_place = {(each.lane, each.subject, each.connections): each for each in report.summaries}
    for lane in _MAIN:
        for each in report.installations:
            cells = []
            for count in counts:
                summary = by_place.get((lane, each.name, count))
                speed = (
                    "" if summary is None else f"{summary.product_per_second.median:,.0f}/s, {summary.p50_ms:.2f} ms"
                )
                cells.append(speed)
            rows.append([f"`{lane}`", each.name, *cells])
    return rows


def _relations(report: Report, kind: str, heading: str) -> Rows:
    rows = [["lane", "installations", heading, "lowest and highest round", "wanted"]]
    for each in report.relations:
        if each.kind == kind:
            wanted = "" if each.target is None else f"{'≤' if kind == 'flatness' else '≥'} {each.target:g}"
            rows.append(
                [
                    f"`{each.lane}`",
                    f"{each.first}, {each.second}",
                    f"{each.times.median:.2f}",
                    f"{each.times.low:.2f} to {each.times.high:.2f}",
                    wanted,
                ]
            )
    return rows


def _peer(report: Report) -> Rows:
    found = _at_target(report)
    rows = [["lane", PEER, *(f"Paydue, {_NAMES[engine]}" for engine in _engines(report))]]
    for lane in ("create", "get", "list"):
        theirs = found.get((lane, PEER))
        if theirs is None:
            continue
        cells = [f"{theirs.product_per_second.median:,.0f}/s"]
        for engine in _engines(report):
            relation = _peer_relation(report, lane, engine)
            if relation is not None:
                ours = found[lane, relation.first].product_per_second.median
                cells.append(f"{ours:,.0f}/s, {relation.times.median:,.1f} times as fast")
        rows.append([f"`{lane}`", *cells])
    return rows


def _peer_relation(report: Report, lane: str, engine: str) -> Relation | None:
    return next(
        (
            each
            for each in report.relations
            if each.kind == "peer" and each.lane == lane and report.engine_of(each.first) == engine
        ),
        None,
    )


def _starts(report: Report) -> Rows:
    return [
        ["installation", "ready, warm", "ready, cold", "memory, idle", "memory, after the lanes"],
        *(
            [
                each.name,
                f"{each.starts.warm_seconds.median:.2f} s",
                f"{each.starts.cold_seconds:.2f} s",
                f"{each.starts.idle_bytes / 1e6:.0f} MB",
                f"{each.loaded_bytes / 1e6:.0f} MB",
            ]
            for each in report.installations
            if each.starts is not None
        ),
    ]


def _engines(report: Report) -> list[str]:
    return list(dict.fromkeys(each.engine for each in report.installations))


def _charts(report: Report) -> dict[str, str]:
    found = _at_target(report)
    largest = {}
    for each in sorted(report.installations, key=lambda each: each.invoices):
        largest[each.engine] = each
    shares = [
        (
            lane.name,
            [
                Bar(
                    series=each.name,
                    value=found[lane.name, each.name].share.median,
                    text=f"{found[lane.name, each.name].share.median:.2f}",
                    target=lane.ratio_targets.get(each.engine),
                )
                for each in largest.values()
                if (lane.name, each.name) in found
            ],
        )
        for lane in LANES.values()
    ]
    flat = [
        (
            lane,
            [
                Bar(
                    series=_NAMES[report.engine_of(each.first)],
                    value=each.times.median,
                    text=f"{each.times.median:.2f}",
                    target=each.target,
                )
                for each in report.relations
                if each.kind == "flatness" and each.lane == lane
            ],
        )
        for lane in LANES
    ]
    charts = {
        "shares": ("Share of the floor at 32 connections", shares),
        "flatness": ("How much faster with the fewest invoices than with the most", flat),
    }
    return {
        _CHARTS.format(name): bar_chart(title, [group for group in groups if group[1]])
        for name, (title, groups) in charts.items()
    }
