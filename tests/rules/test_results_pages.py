"""What the documentation says was measured is what was measured: pages and charts are made from the kept figures."""

import ast
import math
import operator
import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from bench import growth, pages
from bench.charts import Bar, bar_chart
from bench.delivering import Deliveries, Delivery
from bench.figures import spread_of
from bench.pages import kept_figures, made_pages
from bench.report import Report

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def test_the_pages_and_charts_are_those_that_the_kept_figures_make():
    """After a change of words around the figures, or of how they are shown: python -m bench report --from <results>."""
    made = made_pages(kept_figures(FOLDER), FOLDER)

    assert {"performance.md", "internet-scale.md", "performance-shares.svg", "performance-flatness.svg"} <= set(made)
    assert [name for name, text in made.items() if (FOLDER / name).read_text(encoding="utf-8") != text] == []


def test_the_kept_figures_are_of_both_engines_and_both_sizes():
    report = kept_figures(FOLDER)

    assert {each.engine for each in report.installations} == {"sqlite", "postgresql"}
    assert {each.invoices for each in report.installations} == {10_000, 1_000_000}
    assert {each.connections for each in report.summaries} == {1, 32, 128}
    assert {each.kind for each in report.relations} == {"flatness", "nodes", "peer"}


def test_other_figures_make_other_pages_and_leave_the_words_alone():
    report = kept_figures(FOLDER)
    doubled = [msgspec.structs.replace(each, stored_bytes=each.stored_bytes * 2) for each in report.installations]

    made = made_pages(msgspec.structs.replace(report, installations=doubled), FOLDER)["internet-scale.md"]

    kept = (FOLDER / "internet-scale.md").read_text(encoding="utf-8")
    assert made != kept
    assert [line for line in made.splitlines() if not line.startswith("|")] == [
        line for line in kept.splitlines() if not line.startswith("|")
    ]


def test_a_page_that_lost_its_mark_is_refused(tmp_path):
    for name in (pages.PERFORMANCE, pages.GROWTH):
        (tmp_path / name).write_text("no marks here")

    with pytest.raises(ValueError, match="no mark"):
        made_pages(kept_figures(FOLDER), tmp_path)


def test_what_is_reckoned_grows_with_what_an_invoice_takes():
    report = kept_figures(FOLDER)
    needs = growth.growth_sections(report)["needs"]
    largest = {each.bytes_an_invoice for each in report.installations if each.name == "postgresql 1M"}
    (on_postgres,) = largest

    assert f"| data | {on_postgres:,.0f} GB |" in needs


def measured_mails(report: Report) -> Report:
    """Return the report with mails in it, whether they were measured or not."""
    mails = Delivery(engine="postgresql", what="mails by SMTP", per_second=spread_of([400.0, 500.0]), cpu_us=1000)
    return msgspec.structs.replace(report, deliveries=Deliveries(figures=[mails]))


@pytest.mark.parametrize("as_measured", [msgspec.structs.replace, measured_mails])
def test_a_stranger_can_reckon_every_need_again(as_measured):
    needs = growth.growth_sections(as_measured(kept_figures(FOLDER)))["needs"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in needs.splitlines()[2:]]

    assert len(rows) == 17
    for what, how_much, reckoned, _ in rows:
        shown = float(re.match(r"\$?([\d,.]+)", how_much)[1].replace(",", ""))
        found = value_of(
            ast.parse(reckoned.replace(",", "").replace("max(2 ", "max(2, ").replace(" x ", " * "), mode="eval").body
        )
        assert found == pytest.approx(shown, rel=0.03, abs=0.5 if shown > 5 else 0.006), what


def value_of(node: ast.expr) -> float:
    """Return what plain arithmetic comes to; anything else fails."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left=left, op=op, right=right):
            return {
                ast.Add: operator.add, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.BitXor: operator.pow
            }[type(op)](value_of(left), value_of(right))  # fmt: skip
        case ast.Call(func=ast.Name(id="ceil"), args=[inner]):
            return math.ceil(value_of(inner))
        case ast.Call(func=ast.Name(id="max"), args=[first, second]):
            return max(value_of(first), value_of(second))
    raise AssertionError(ast.unparse(node))


def test_a_chart_is_well_formed_and_its_longest_bar_fills_it():
    bars = [Bar(series="a<b", value=2, text="2", target=1), Bar(series="c", value=1, text="1")]

    svg = ElementTree.fromstring(bar_chart("Fast & slow", [("get", bars)]))  # noqa: S314 - made here

    rectangles = [each for each in svg.iter("{http://www.w3.org/2000/svg}rect") if each.get("height") == "15"]
    assert [float(each.get("width")) for each in rectangles] == [500, 250]
    assert "Fast & slow" in "".join(svg.itertext())
