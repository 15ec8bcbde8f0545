"""
The commands that take everything out or keep it safe, as a person sees them.

Apart from `commands.py`, which has everything that one needs first.
"""

from pathlib import Path
from typing import Any

import click

from paydue.cli.options import data_options, json_option

_PATH = click.Path(path_type=Path)
_STATUSES = ("DRAFT", "CREATED", "SENT", "PARTIAL", "PAID", "CANCELED", "PENDING")


@click.command()
@click.argument("what", type=click.Choice(["invoices", "payments"]), default="invoices")
@data_options
@click.option("--merchant", "merchant_id", required=True, help="Whose books.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    show_default=True,
    help="CSV for spreadsheets; JSON Lines for programs, with line items.",
)
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only invoices of that status.")
@click.option("--since", type=click.DateTime(), help="Only what was made at that time (UTC) or later.")
@click.option("--until", type=click.DateTime(), help="Only what was made before that time (UTC).")
@click.option("--output", type=_PATH, help="Write to that file, which appears whole.  [default: standard output]")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@json_option
def export(**options: Any) -> None:
    """
    Write one merchant's invoices, or the payments for them, as CSV or JSON Lines.

    Everything is as of one moment, the oldest first, and may be of any size; servers go on meanwhile. With
    `database_replica` set, it is read from there. In CSV, texts that a spreadsheet would take for a formula begin with
    an apostrophe. Progress, and a digest at the end, go to standard error. Payments are one line for each movement of
    money: what was refunded or reversed is below zero.

    \b
    Examples:
      paydue export --data /srv/paydue --merchant acme_shop > invoices.csv
      paydue export --data /srv/paydue --merchant acme_shop --status PAID --since 2026-01-01 --until 2027-01-01
      paydue export payments --data /srv/paydue --merchant acme_shop --format jsonl --output payments.jsonl
    """
    from paydue.cli.exporting import export_books  # noqa: PLC0415

    export_books(**options)


@click.command()
@click.argument("file", type=_PATH)
@data_options
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@json_option
def backup(**options: Any) -> None:
    """
    Copy the SQLite database to FILE, as of one moment, while servers go on.

    The copy is opened and checked from end to end before it counts, and is readable by you alone. Keep it apart from
    the key file: together they read everything. To restore, put both into an empty folder, as paydue.db and
    paydue.key, and run `paydue verify`. PostgreSQL is backed up by its own tools.

    \b
    Example:
      paydue backup /backup/paydue-2026-11-22.db --data /srv/paydue
    """
    from paydue.cli.backing_up import back_up  # noqa: PLC0415

    back_up(**options)


@click.command("rotate-data-key")
@data_options
@json_option
def rotate_data_key(**options: Any) -> None:
    """
    Encrypt every secret in the database anew, with a fresh data key, while servers go on.

    Shared secrets, webhook keys and payment links stay what they are; only what they are encrypted with changes. The
    key file stays too, and so do old backups readable with it. Servers and workers hear of the new key first, which
    takes half a minute; all of them have to be of this release. A rotation that was cut short goes on when it is run
    again.

    \b
    Example:
      paydue rotate-data-key --data /srv/paydue
    """
    from paydue.cli.rotating import rotate  # noqa: PLC0415

    rotate(**options)
