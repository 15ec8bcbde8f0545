"""`paydue deliveries` and `paydue mail`: what was sent to whom, once more, and how mails look."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from paydue.cli.options import fail, print_json, read_config, run
from paydue.usecases.delivery_ports import Deliveries, DeliveryFilter, Job, JobState, Try
from paydue.usecases.ports import Actor, Channel

R = TypeVar("R")

_ACTOR = Actor("paydue deliveries", "command line")


def list_deliveries(
    *,
    state: str | None,
    channel: str | None,
    number: str | None,
    recipient: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
    **place: Any,
) -> None:
    """Print a merchant's deliveries, the newest first."""
    wanted = DeliveryFilter(
        state=JobState(state) if state else None,
        channel=Channel(channel) if channel else None,
        number=number,
        recipient=recipient,
        since=_utc(since),
        until=_utc(until),
    )
    jobs = _with_deliveries(lambda kept: kept.deliveries(wanted, None, limit), **place)
    if as_json:
        print_json({"deliveries": [_shown(job) for job in jobs]})
        return
    for job in jobs:
        click.echo(
            f"{job.message_id}  {job.created_at:%Y-%m-%d %H:%M}  {job.state.value:7}  {job.channel.value:7}  "
            f"{job.number}  {job.topic}  {job.recipient or ''}  {job.last_outcome or ''}".rstrip()
        )


def show_delivery(*, message_id: str, as_json: bool, **place: Any) -> None:
    """Print one delivery and each try."""
    found = _with_deliveries(lambda kept: kept.delivery(message_id), **place)
    if found is None:
        fail(f"there is no delivery {message_id}")
    job, tries = found
    if as_json:
        print_json(_shown(job, tries))
        return
    for name, value in _shown(job).items():
        click.echo(f"{name}: {_harmless(str(value))}")
    for number, tried in enumerate(tries, 1):
        click.echo(f"\ntry {number}, {tried.at:%Y-%m-%d %H:%M:%S} UTC, {tried.milliseconds} ms: {tried.outcome}")
        for text in (tried.request, tried.answer):
            if text:
                click.echo("\n".join(f"    {_harmless(line)}" for line in text.splitlines()) + "\n")


def resend_delivery(*, message_id: str, as_json: bool, **place: Any) -> None:
    """Make one delivery due now."""
    at = datetime.now(UTC)
    job = _with_deliveries(lambda kept: kept.resend(message_id, at, _ACTOR), **place)
    if job is None:
        fail(f"there is no delivery {message_id}")
    if as_json:
        print_json(_shown(job))
    else:
        click.echo(f"{message_id} is due now.")


def recover_deliveries(*, since: datetime, until: datetime | None, as_json: bool, **place: Any) -> None:
    """Make everything parked or held that was made in the window due now."""
    at = datetime.now(UTC)
    first, last = since.replace(tzinfo=UTC), _utc(until) or at
    if last <= first:
        fail("--until has to be after --since")
    count = _with_deliveries(lambda kept: kept.recover(first, last, at, _ACTOR), **place)
    if as_json:
        print_json({"recovered": count})
    else:
        click.echo(f"{count} made due now.")


def preview_mails(*, folder: Path, kinds: Sequence[str], languages: Sequence[str], as_json: bool) -> None:
    """Write previews of mails and say where they are."""
    from paydue.delivery.mail_facts import MailKind  # noqa: PLC0415 - Jinja and Babel are slow to load
    from paydue.delivery.preview import write_previews  # noqa: PLC0415
    from paydue.domain.settings import LANGUAGES  # noqa: PLC0415

    for kind in kinds:
        if kind not in {each.value for each in MailKind}:
            fail(f"{kind} is no mail: expected one of {', '.join(MailKind)}")
    for language in languages:
        if language not in LANGUAGES:
            fail(f"{language} is no language of mails: expected one of {', '.join(LANGUAGES)}")
    try:
        written = write_previews(folder, [MailKind(kind) for kind in kinds] or list(MailKind), languages or LANGUAGES)
    except OSError as fault:
        fail(f"{fault.filename}: {fault.strerror}")
    if as_json:
        print_json({"files": [str(path) for path in written]})
    else:
        click.echo(f"{len(written)} files in {folder}.")


def _with_deliveries(
    work: Callable[[Deliveries], Awaitable[R]],
    *,
    merchant_id: str,
    config_file: Path | None,
    **options: Any,
) -> R:
    config = read_config(config_file, **options)

    async def opened() -> R:
        from paydue.bootstrap import open_store  # noqa: PLC0415

        store = await open_store(config, serves=False)
        try:
            if merchant_id not in {each.merchant_id for each in await store.merchants()}:
                fail(f"there is no merchant {merchant_id}")
            return await work(store.deliveries_of(merchant_id))
        finally:
            await store.close()

    return run(opened())


def _shown(job: Job, tries: Sequence[Try] | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": job.message_id,
        "state": job.state.value,
        "channel": job.channel.value,
        "topic": job.topic,
        "invoice": job.number,
        "recipient": job.recipient,
        "created_at": job.created_at.isoformat(),
        "due_at": job.due_at.isoformat() if job.state is JobState.PENDING else None,
        "number_of_tries": job.tries,
        "last_outcome": job.last_outcome,
    }
    if tries is not None:
        shown["tries"] = msgspec.to_builtins(tries)
    return shown


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None else None


def _harmless(text: str) -> str:
    """Return text that a stranger sent, with what would steer a terminal escaped."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
