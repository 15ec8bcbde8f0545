"""`paydue mail suppressed` and `lift`: the addresses that mails do not go to any more."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from paydue.cli.options import fail, print_json, read_config, run
from paydue.domain.mail_address import Suppression
from paydue.usecases.delivery_ports import Suppressions
from paydue.usecases.ports import Actor

R = TypeVar("R")

_ACTOR: Final = Actor("paydue mail", "command line")
_AT_ONCE: Final = 500


def list_suppressions(*, as_json: bool, **place: Any) -> None:
    """Print a merchant's suppressed addresses in their order."""

    async def all_of_them(kept: Suppressions) -> list[Suppression]:
        found: list[Suppression] = []
        while page := await kept.suppressions(found[-1].address if found else "", _AT_ONCE):
            found += page
        return found

    suppressions = _with_suppressions(all_of_them, **place)
    if as_json:
        print_json({"suppressions": [_shown(each) for each in suppressions]})
        return
    for each in suppressions:
        said = "".join(sign if sign.isprintable() else "?" for sign in each.said)
        click.echo(f"{each.address}  {each.reason.value:10}  {each.at:%Y-%m-%d %H:%M}  {said}".rstrip())


def lift_suppression(*, address: str, as_json: bool, **place: Any) -> None:
    """Let mails go to an address again."""
    at = datetime.now(UTC)
    if not _with_suppressions(lambda kept: kept.lift(address, at, _ACTOR), **place):
        fail(f"{address} is not suppressed")
    if as_json:
        print_json({"lifted": address})
    else:
        click.echo(f"Mails go to {address} again. What was parked meanwhile: paydue deliveries list --state parked")


def _with_suppressions(
    work: Callable[[Suppressions], Awaitable[R]], *, merchant_id: str, config_file: Path | None, **options: Any
) -> R:
    config = read_config(config_file, **options)

    async def opened() -> R:
        from paydue.bootstrap import open_store  # noqa: PLC0415

        store = await open_store(config, serves=False)
        try:
            if merchant_id not in {each.merchant_id for each in await store.merchants()}:
                fail(f"there is no merchant {merchant_id}")
            return await work(store.suppressions_of(merchant_id))
        finally:
            await store.close()

    return run(opened())


def _shown(suppression: Suppression) -> dict[str, Any]:
    return {
        "address": suppression.address,
        "reason": suppression.reason.value,
        "said": suppression.said,
        "delivery": suppression.message_id,
        "suppressed_at": suppression.at.isoformat(),
    }
