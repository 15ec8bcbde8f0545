"""The words of `paydue bench`: what is said to a person about filling a database for trials."""

from typing import Any

import click

from paydue.cli.options import Commands, data_options, json_option


@click.group(cls=Commands)
def bench() -> None:
    """Sample data for trials and measurements. The measurements themselves: `make bench` in the source tree."""


@bench.command("seed")
@data_options
@click.option("--count", type=click.IntRange(1, 1_000_000_000), required=True, help="How many invoices to add.")
@click.option("--merchant", "merchant_id", help="Whose; by default the demo's merchant, or the only one there is.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number makes other invoices.")
@json_option
def seed(**options: Any) -> None:
    """
    Add invoices of every status, as two years of business leave them behind.

    Their mails count as delivered: a worker sends none of them. A folder with no installation in it becomes a demo
    first. May run beside a serving process; each few thousand invoices are one transaction.

    \b
    Examples:
      paydue bench seed --data /tmp/paydue --count 100000
      paydue bench seed --data /srv/trial --database postgresql://paydue@db/trial --count 1000000 --merchant acme
    """
    from paydue.cli.seeding import seed_books  # noqa: PLC0415

    seed_books(**options)
