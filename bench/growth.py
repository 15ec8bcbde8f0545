"""
What ten thousand merchants and a billion invoices would need, computed from what a run measured.

The assumptions stand at the top, each with its unit, so that whoever assumes otherwise changes one line. Prices are
round figures to reckon with, and nobody's offer.
"""

import math
from collections.abc import Mapping

from bench.lanes import TARGET_CONNECTIONS
from bench.report import Report, markdown_table

MERCHANTS = 10_000
INVOICES = 1_000_000_000
YEARS_KEPT = 7
# In the busiest hour of the month, how many times the average of the year.
PEAK = 20
# What is asked for each invoice in its life, besides its creation.
READS_PER_INVOICE, LISTS_PER_INVOICE, PAGES_PER_INVOICE = 6, 2, 3
# A node is planned for so much of what it was measured at.
HEADROOM = 0.5
PARTITION_TERABYTES = 0.25
REPLICAS = 2
# What a backup or a restore moves in a second, and what a month costs, in dollars.
COPY_BYTES_A_SECOND = 200e6
CORE_MONTH, GIGABYTE_MEMORY_MONTH, GIGABYTE_DISK_MONTH, GIGABYTE_BACKUP_MONTH = 25, 3, 0.10, 0.02
NODE_CORES, NODE_MEMORY = 2, 4
DATABASE_CORES, DATABASE_MEMORY = 8, 64

_SECONDS_A_YEAR = 365.25 * 86_400
_LANES = {"create": 1, "get": READS_PER_INVOICE, "list": LISTS_PER_INVOICE, "page": PAGES_PER_INVOICE}


def growth_sections(report: Report) -> dict[str, str]:
    """Answer, by the name of their mark, the tables of the page about growth."""
    measured = _measured(report)
    return {
        "assumptions": _assumptions(),
        "measured": markdown_table(
            [["what", "measured"], *([name, f"{value:,.0f} {unit}"] for name, value, unit in _named(measured))]
        ),
        "needs": markdown_table([["what", "how much", "because"], *_needs(measured)]),
    }


def _measured(report: Report) -> Mapping[str, float]:
    """Answer bytes an invoice of both engines, and the speed of one node on PostgreSQL in each lane."""
    found = {}
    for each in sorted(report.installations, key=lambda each: each.invoices):
        found[f"bytes {each.engine}"] = each.bytes_an_invoice
        if each.engine == "postgresql":
            for summary in report.summaries:
                if summary.subject == each.name and summary.connections == TARGET_CONNECTIONS:
                    found[summary.lane] = summary.product_per_second.median
    return found


def _named(measured: Mapping[str, float]) -> list[tuple[str, float, str]]:
    return [
        ("an invoice on the disk, SQLite, with everything that belongs to it", measured["bytes sqlite"], "bytes"),
        ("the same on PostgreSQL", measured["bytes postgresql"], "bytes"),
        *((f"`{lane}` by one node on PostgreSQL", measured[lane], "a second") for lane in _LANES),
    ]


def _assumptions() -> str:
    a_year = INVOICES / YEARS_KEPT
    lines = [
        f"{MERCHANTS:,} merchants; {INVOICES:,} invoices, which are {YEARS_KEPT} years: {a_year / 1e6:,.0f} million a"
        f" year, {a_year / _SECONDS_A_YEAR:,.1f} a second on average, and {PEAK} times that in the busiest hour.",
        f"For each invoice {READS_PER_INVOICE} reads over the API, {LISTS_PER_INVOICE} lists of 20 and"
        f" {PAGES_PER_INVOICE} views of its payment page.",
        f"A node is planned for {HEADROOM:.0%} of what one core was measured at.",
        f"{REPLICAS} replicas of each partition; partitions of up to {PARTITION_TERABYTES * 1000:,.0f} GB; backups and"
        f" restores move {COPY_BYTES_A_SECOND / 1e6:,.0f} MB a second for each partition.",
        f"A month costs ${CORE_MONTH} a core, ${GIGABYTE_MEMORY_MONTH} a GB of memory, ${GIGABYTE_DISK_MONTH:.2f} a GB"
        f" of disk, ${GIGABYTE_BACKUP_MONTH:.2f} a GB of backup. These prices are to reckon with; put in your own.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _needs(measured: Mapping[str, float]) -> list[list[str]]:
    created = INVOICES / YEARS_KEPT / _SECONDS_A_YEAR * PEAK
    busy = sum(times * created / measured[lane] for lane, times in _LANES.items())
    nodes = max(2, math.ceil(busy / HEADROOM) + 1)
    terabytes = INVOICES * measured["bytes postgresql"] / 1e12
    partitions = math.ceil(terabytes / PARTITION_TERABYTES)
    copies = 1 + REPLICAS
    per_partition = terabytes / partitions
    hours = per_partition * 1e12 / COPY_BYTES_A_SECOND / 3600
    largest_share = measured["create"] * HEADROOM
    prices = {
        "nodes": nodes * (NODE_CORES * CORE_MONTH + NODE_MEMORY * GIGABYTE_MEMORY_MONTH),
        "databases": partitions * copies * (DATABASE_CORES * CORE_MONTH + DATABASE_MEMORY * GIGABYTE_MEMORY_MONTH),
        "disks": terabytes * 1000 * copies * GIGABYTE_DISK_MONTH,
        "backups": terabytes * 1000 * 2 * GIGABYTE_BACKUP_MONTH,
    }
    total = sum(prices.values())
    return [
        [
            "creates in the busiest hour",
            f"{created:,.0f} a second",
            f"{INVOICES / YEARS_KEPT / 1e6:,.0f} million a year, {PEAK} times the average",
        ],
        [
            "cores of nodes kept busy",
            f"{busy:,.1f}",
            "each call of the busiest hour takes its share of a core, as measured",
        ],
        ["nodes", f"{nodes}", f"those cores at {HEADROOM:.0%}, one more to lose, never fewer than two"],
        [
            "one merchant through one node",
            f"{largest_share:,.0f} creates a second",
            "a merchant's creates go through one row, at which nodes take turns; the lane measures one merchant",
        ],
        ["data", f"{terabytes:,.1f} TB", f"{measured['bytes postgresql']:,.0f} bytes an invoice, indexes included"],
        [
            "partitions by merchant",
            f"{partitions}",
            f"{PARTITION_TERABYTES * 1000:,.0f} GB each: what can be restored and vacuumed in a night",
        ],
        [
            "disks in all",
            f"{terabytes * copies:,.1f} TB",
            f"each partition and {REPLICAS} replicas, one of them elsewhere",
        ],
        ["backups", f"{terabytes * 2:,.1f} TB", "a full one and the log since the one before"],
        ["restore of a partition", f"{hours:,.1f} hours", "at the rate assumed; the others go on serving"],
        [
            "cost",
            f"${total:,.0f} a month",
            ", ".join(f"{name} ${price:,.0f}" for name, price in prices.items())
            + f"; ${total * 12 * YEARS_KEPT / INVOICES * 1000:,.2f} for a thousand invoices kept {YEARS_KEPT} years",
        ],
    ]
