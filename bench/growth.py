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
READS_PER_INVOICE, LISTS_PER_INVOICE, PAGES_PER_INVOICE, MAILS_PER_INVOICE = 6, 2, 3, 3
# A node is planned for so much of what it was measured at.
HEADROOM = 0.5
PARTITION_GIGABYTES = 250
REPLICAS = 2
# What a backup or a restore moves in a second, and what a month costs, in dollars.
COPY_MEGABYTES_A_SECOND = 200
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
        "measured": markdown_table([["what", "measured"], *_named(measured)]),
        "needs": markdown_table([["what", "how much", "reckoned", "which is"], *_needs(measured)]),
    }


def _measured(report: Report) -> Mapping[str, float]:
    """Answer bytes an invoice of both engines, and on PostgreSQL the speed of a node in each lane and of a worker."""
    found = {}
    for each in sorted(report.installations, key=lambda each: each.invoices):
        found[f"bytes {each.engine}"] = each.bytes_an_invoice
        if each.engine == "postgresql":
            for summary in report.summaries:
                if summary.subject == each.name and summary.connections == TARGET_CONNECTIONS:
                    found[summary.lane] = summary.product_per_second.median
    for delivery in report.deliveries.figures:
        if delivery.engine == "postgresql" and delivery.what.startswith("mails"):
            found["mails"] = delivery.per_second.median
    return found


def _named(measured: Mapping[str, float]) -> list[list[str]]:
    return [
        [
            "an invoice on the disk, SQLite, with everything that belongs to it",
            f"{measured['bytes sqlite']:,.0f} bytes",
        ],
        ["the same on PostgreSQL", f"{measured['bytes postgresql']:,.0f} bytes"],
        *([f"`{lane}` by one node on PostgreSQL", f"{measured[lane]:,.0f} a second"] for lane in _LANES),
        [
            "mails by one worker on PostgreSQL",
            f"{measured['mails']:,.0f} a second" if "mails" in measured else "not in this run",
        ],
    ]


def _assumptions() -> str:
    lines = [
        f"{MERCHANTS:,} merchants; {INVOICES:,} invoices, which are {YEARS_KEPT} years of {_SECONDS_A_YEAR:,.0f}"
        f" seconds; in the busiest hour {PEAK} times the average.",
        f"For each invoice {READS_PER_INVOICE} reads over the API, {LISTS_PER_INVOICE} lists of 20,"
        f" {PAGES_PER_INVOICE} views of its payment page, and {MAILS_PER_INVOICE} mails.",
        f"A node or a worker, one process on one core, is planned for {HEADROOM:.0%} of what it was measured at.",
        f"{REPLICAS} replicas of each partition; partitions of up to {PARTITION_GIGABYTES:,} GB; backups and restores"
        f" move {COPY_MEGABYTES_A_SECOND:,} MB a second for each partition. A GB is 10^9 bytes.",
        f"A machine for a node or a worker has {NODE_CORES} cores and {NODE_MEMORY} GB of memory, one for a database"
        f" {DATABASE_CORES} cores and {DATABASE_MEMORY} GB.",
        f"A month costs ${CORE_MONTH} a core, ${GIGABYTE_MEMORY_MONTH} a GB of memory, ${GIGABYTE_DISK_MONTH:.2f} a GB"
        f" of disk, ${GIGABYTE_BACKUP_MONTH:.2f} a GB of backup. These prices are to reckon with; put in your own.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _needs(measured: Mapping[str, float]) -> list[list[str]]:
    """Answer each need with the arithmetic that leads to it, in figures that stand on the page."""
    created = INVOICES / YEARS_KEPT / _SECONDS_A_YEAR * PEAK
    busy = sum(times * created / measured[lane] for lane, times in _LANES.items())
    nodes = max(2, math.ceil(busy / HEADROOM) + 1)
    gigabytes = INVOICES * measured["bytes postgresql"] / 1e9
    partitions = math.ceil(gigabytes / PARTITION_GIGABYTES)
    copies = 1 + REPLICAS
    share = " + ".join(f"{times} / {measured[lane]:,.0f}" for lane, times in _LANES.items())
    workers, delivering = _workers(measured, created)
    machine = f"({NODE_CORES} x {CORE_MONTH} + {NODE_MEMORY} x {GIGABYTE_MEMORY_MONTH})"
    server = f"({DATABASE_CORES} x {CORE_MONTH} + {DATABASE_MEMORY} x {GIGABYTE_MEMORY_MONTH})"
    prices = [
        (nodes + workers) * (NODE_CORES * CORE_MONTH + NODE_MEMORY * GIGABYTE_MEMORY_MONTH),
        partitions * copies * (DATABASE_CORES * CORE_MONTH + DATABASE_MEMORY * GIGABYTE_MEMORY_MONTH),
        gigabytes * copies * GIGABYTE_DISK_MONTH,
        gigabytes * 2 * GIGABYTE_BACKUP_MONTH,
    ]
    total = sum(prices)
    return [
        [
            "creates in the busiest hour",
            f"{created:,.1f} a second",
            f"{INVOICES:,} / {YEARS_KEPT} / {_SECONDS_A_YEAR:,.0f} x {PEAK}",
            "invoices, years, seconds a year, peak",
        ],
        [
            "cores of nodes kept busy",
            f"{busy:,.2f}",
            f"{created:,.1f} x ({share})",
            "each call takes its share of a core: create, reads, lists, pages, by what a core was measured at",
        ],
        [
            "nodes",
            f"{nodes}",
            f"max(2, ceil({busy:,.2f} / {HEADROOM}) + 1)",
            f"those cores at {HEADROOM:.0%}, and one more to lose",
        ],
        delivering,
        [
            "one merchant through one node",
            f"{measured['create'] * HEADROOM:,.0f} creates a second",
            f"{measured['create']:,.0f} x {HEADROOM}",
            "a merchant's creates go through one row, at which nodes take turns; the lane measures one merchant",
        ],
        [
            "data",
            f"{gigabytes:,.0f} GB",
            f"{INVOICES:,} x {measured['bytes postgresql']:,.0f} / (10^9)",
            "bytes an invoice, indexes included",
        ],
        [
            "partitions by merchant",
            f"{partitions}",
            f"ceil({gigabytes:,.0f} / {PARTITION_GIGABYTES})",
            "as large as can be restored and vacuumed in a night",
        ],
        [
            "merchants in a partition",
            f"{MERCHANTS / partitions:,.0f}",
            f"{MERCHANTS:,} / {partitions}",
            "if all were of one size",
        ],
        ["disks in all", f"{gigabytes * copies:,.0f} GB", f"{gigabytes:,.0f} x {copies}", "the data and its replicas"],
        ["backups", f"{gigabytes * 2:,.0f} GB", f"{gigabytes:,.0f} x 2", "a full one and the log since the one before"],
        [
            "restore of a partition",
            f"{gigabytes / partitions * 1000 / COPY_MEGABYTES_A_SECOND / 60:,.0f} minutes",
            f"{gigabytes:,.0f} / {partitions} x 1,000 / {COPY_MEGABYTES_A_SECOND} / 60",
            "at the rate assumed; the others go on serving",
        ],
        [
            "nodes and workers, a month",
            f"${prices[0]:,.0f}",
            f"({nodes} + {workers}) x {machine}",
            "cores and memory, each at its price",
        ],
        [
            "databases, a month",
            f"${prices[1]:,.0f}",
            f"{partitions} x {copies} x {server}",
            "each partition and its replicas, likewise",
        ],
        [
            "disks, a month",
            f"${prices[2]:,.0f}",
            f"{gigabytes * copies:,.0f} x {GIGABYTE_DISK_MONTH:.2f}",
            "disks in all at their price",
        ],
        [
            "backups, a month",
            f"${prices[3]:,.0f}",
            f"{gigabytes * 2:,.0f} x {GIGABYTE_BACKUP_MONTH:.2f}",
            "backups at their price",
        ],
        [
            "cost in all, a month",
            f"${total:,.0f}",
            " + ".join(f"{price:,.0f}" for price in prices),
            "the four above",
        ],
        [
            "a thousand invoices, kept all the years",
            f"${total * 12 * YEARS_KEPT / INVOICES * 1000:,.2f}",
            f"{total:,.0f} x 12 x {YEARS_KEPT} / {INVOICES // 1000:,}",
            "as if all of it stood from the first year on",
        ],
    ]


def _workers(measured: Mapping[str, float], created: float) -> tuple[int, list[str]]:
    """Answer how many workers mail all that is created, and the row that says so; two at least, to lose one."""
    if "mails" not in measured:
        return 2, ["workers", "2", "2", "the fewest that outlive a loss; mails were not measured in this run"]
    needed = created * MAILS_PER_INVOICE / measured["mails"]
    workers = max(2, math.ceil(needed / HEADROOM) + 1)
    return workers, [
        "workers",
        f"{workers}",
        f"max(2, ceil({created:,.1f} x {MAILS_PER_INVOICE} / {measured['mails']:,.0f} / {HEADROOM}) + 1)",
        f"mails of the busiest hour by what a worker sends, at {HEADROOM:.0%}, and one more to lose",
    ]
