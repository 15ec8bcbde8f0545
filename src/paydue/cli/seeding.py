"""`paydue bench seed`: fill a merchant's books with invoices, quickly, and tell how far it has come."""

import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from paydue import bootstrap
from paydue.cli.demo_account import Files, demo_account, put_into
from paydue.cli.options import fail, print_json, read_config, run
from paydue.cli.sample_books import SampleBooks
from paydue.config import Config
from paydue.usecases.ports import Store

# One transaction: short enough for a server that waits to write, long enough that the commit costs nothing.
_AT_ONCE: Final = 4000


class Steps(Protocol):
    """Whoever wants to hear how far it has come."""

    def __call__(self, done: int) -> None: ...


def seed_books(
    *, as_json: bool, config_file: Path | None, count: int, merchant_id: str | None, seed: int, **options: Any
) -> None:
    """Add the invoices, and print how many there are of each status and how long it took."""
    config = read_config(config_file, **options)
    began = time.monotonic()
    # Nothing that is made here points back: looking for cycles would cost a tenth of the time.
    gc.disable()
    with _progress(count) as tell:
        merchant_id, statuses = run(_seed(config, count, merchant_id, seed, tell))
    seconds = time.monotonic() - began
    if as_json:
        print_json(
            {"merchant_id": merchant_id, "count": count, "statuses": dict(statuses), "seconds": round(seconds, 3)}
        )
        return
    shares = ", ".join(f"{number:,} {status}" for status, number in statuses.most_common())
    click.echo(f"{count:,} invoices of {merchant_id} in {seconds:.1f} s: {shares}.")


async def _seed(
    config: Config, count: int, merchant_id: str | None, seed: int, tell: Steps
) -> tuple[str, Counter[str]]:
    now = datetime.now(UTC)
    is_new = not bootstrap.key_file_path(config).exists()
    if is_new:
        await bootstrap.make_store(config)
    store = await bootstrap.open_store(config, serves=False)
    try:
        files = Files(config.data)
        if is_new or files.account.exists():
            await put_into(store, demo_account(config.data, now), now)
        merchant_id = await _whose(store, files, merchant_id, now)
        books = SampleBooks(count, seed=seed, now=now, secrets=bootstrap.SystemSecrets())
        statuses: Counter[str] = Counter()
        bulk = await store.open_bulk()
        try:
            lives = books.lives()
            while some := list(islice(lives, _AT_ONCE)):
                await bulk.keep(merchant_id, some)
                statuses.update(life.changes[-1].after.status.value for life in some)
                tell(len(some))
        finally:
            await bulk.close()
    finally:
        await store.close()
    return merchant_id, statuses


async def _whose(store: Store, files: Files, wanted: str | None, now: datetime) -> str:
    """Return the merchant to fill the books of; ends the command when there is none, or a choice."""
    known = [merchant.merchant_id for merchant in await store.merchants()]
    if wanted is not None:
        if wanted not in known:
            fail(f"--merchant is {wanted!r}: there is no such merchant")
        return wanted
    if files.account.exists() and (demo := demo_account(files.account.parent, now).merchant_id) in known:
        return demo
    if len(known) != 1:
        fail("there is no merchant: add one with `paydue merchant add`" if not known else "name one with --merchant")
    return known[0]


@contextmanager
def _progress(count: int) -> Iterator[Steps]:
    """Show a bar on a terminal; elsewhere the result says all."""
    console = Console(stderr=True)
    columns = (TextColumn("invoices"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("invoices", total=count)

        def tell(done: int) -> None:
            bar.advance(task, done)

        yield tell
