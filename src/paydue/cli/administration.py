"""What an operator does at a terminal: make the data folder and its schema, add merchants and look at them."""

import re
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

import click

from paydue import bootstrap
from paydue.cli.options import fail, print_json, read_config, run, say, with_store
from paydue.domain.card_numbers import holds_card_number
from paydue.domain.merchant import Address, Merchant
from paydue.usecases.ports import MerchantExists, Store

# It becomes the subject of certificates and stands in headers: letters, digits and what cannot be mistaken there.
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


def init_data(*, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """Make what is missing of an installation, and tell what was made."""
    config = read_config(config_file, **options)
    made: list[str] = []
    run(bootstrap.make_store(config, made.append))
    if as_json:
        print_json({"data": str(config.data), "made": made})
        return
    for step in made:
        click.echo(step)
    click.echo(f"Paydue is ready in {config.data}." if made else f"Paydue was ready in {config.data}: nothing changed.")


def migrate_data(*, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """Apply what migrations are missing, telling of each before it begins."""
    config = read_config(config_file, **options)
    path = bootstrap.database_path(config)
    if path is not None and not path.exists():
        fail(f"there is no database in {config.data}: run `paydue init --data {config.data}` first")
    applied = run(bootstrap.migrate_store(config, say))
    if as_json:
        print_json({"applied": applied})
    else:
        click.echo(f"{applied} migrations applied." if applied else "The schema is that of this release already.")


def add_merchant(
    *,
    as_json: bool,
    config_file: Path | None,
    data: Path | None,
    database: str | None,
    merchant_id: str,
    name: str,
    email: str | None,
    phone: str | None,
    time_zone: str,
    **address: str | None,
) -> None:
    """Add a merchant; an id that is taken is refused."""
    config = read_config(config_file, data=data, database=database)
    refuse_odd_id("--id", merchant_id)
    for option, text in {"name": name, "email": email, "phone": phone, **address}.items():
        if text is not None and not (text.strip() and text.isprintable() and len(text) <= 255):
            fail(f"--{option.replace('_', '-')} is {text!r}: expected a line of up to 255 characters")
        if text is not None and holds_card_number(text):
            fail(f"--{option.replace('_', '-')} holds what looks like a card number: that is kept nowhere")
    if time_zone != "UTC" and time_zone not in available_timezones():
        fail(f"--time-zone is {time_zone!r}: expected a name such as Europe/Berlin or America/New_York")
    merchant = Merchant(
        merchant_id=merchant_id,
        created_at=bootstrap.SystemClock().now(),
        name=name,
        email=email,
        phone=phone,
        time_zone=ZoneInfo(time_zone).key,
        address=Address(**address) if any(address.values()) else None,
    )

    async def add(store: Store) -> None:
        try:
            await store.add_merchant(merchant)
        except MerchantExists:
            fail(f"there is a merchant {merchant_id} already")

    with_store(config, add)
    if as_json:
        print_json({"merchant_id": merchant_id, "name": name})
        return
    click.echo(f"Merchant {merchant_id} added. Now a key: paydue key add --data {config.data} --merchant {merchant_id}")


def list_merchants(*, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """Print all merchants."""
    merchants = with_store(read_config(config_file, **options), lambda store: store.merchants())
    if as_json:
        print_json(
            [{"merchant_id": each.merchant_id, "name": each.name, "time_zone": each.time_zone} for each in merchants]
        )
        return
    for each in merchants:
        click.echo(f"{each.merchant_id}\t{each.name}")


def refuse_odd_id(option: str, text: str) -> None:
    """End the command if that cannot be the id of a merchant or portfolio."""
    if not _ID.fullmatch(text):
        fail(f"{option} is {text!r}: expected up to 60 letters, digits, hyphens, dots and underscores")
    if holds_card_number(text):
        fail(f"{option} holds what looks like a card number: that is kept nowhere")
