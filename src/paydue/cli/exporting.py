"""`paydue export`: a merchant's books as a file, whatever their size, with progress."""

import hashlib
import os
import secrets
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from paydue import bootstrap
from paydue.cli.options import fail, print_json, read_config, run, say
from paydue.config import Config
from paydue.domain.lifecycle import Status
from paydue.usecases.export_books import ExportFilter, Portion
from paydue.usecases.ports import NoSuchMerchant
from paydue.wire.export_files import BookWriter, FileFormat, invoice_writer, payment_writer

_PROGRESS_SECONDS: Final = 5.0
_INVOICES: Final = "invoices"

Told = Callable[[int, int], None]


class Exported(msgspec.Struct, frozen=True):
    """What was written: so many records and bytes, and the SHA-256 digest of them."""

    records: int
    bytes: int
    sha256: str


def export_books(
    *,
    what: str,
    merchant_id: str,
    file_format: str,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    config_file: Path | None,
    **options: Any,
) -> None:
    """Write the books to the file, or to standard output, and say what was written."""
    if as_json and output is None:
        fail("--json tells of a file: name one with --output")
    if status is not None and what != _INVOICES:
        fail("--status is for invoices: payments have none")
    if output is not None and output.exists() and not force:
        fail(f"{output} is there already: name another file, or add --force to replace it")
    config = read_config(config_file, **options)
    wanted = ExportFilter(status=Status(status) if status is not None else None, since=_utc(since), until=_utc(until))
    began = time.monotonic()
    with _target(output) as target, _progress() as tell:
        exported = run(_export(config, what, merchant_id, FileFormat(file_format), wanted, target, tell))
    if as_json:
        print_json(msgspec.to_builtins(exported))
    else:
        say(
            f"{exported.records:,} {what}, {exported.bytes:,} bytes in {time.monotonic() - began:.1f} s,"
            f" SHA-256 {exported.sha256}"
        )


async def _export(
    config: Config,
    what: str,
    merchant_id: str,
    file_format: FileFormat,
    wanted: ExportFilter,
    target: BinaryIO,
    tell: Told,
) -> Exported:
    store = await bootstrap.open_store(config, serves=False)
    try:
        try:
            await store.of(merchant_id).merchant()
        except NoSuchMerchant:
            fail(f"there is no merchant {merchant_id}")
        exports = store.exports_of(merchant_id)
        if what == _INVOICES:
            return await _write(exports.invoices(wanted), invoice_writer(file_format), target, tell)
        return await _write(exports.payments(wanted), payment_writer(file_format), target, tell)
    finally:
        await store.close()


async def _write(
    portions: AsyncGenerator[Portion[Any], None], writer: BookWriter, target: BinaryIO, tell: Told
) -> Exported:
    digest, size, records = hashlib.sha256(), 0, 0

    def put(piece: bytes) -> None:
        nonlocal size
        target.write(piece)
        digest.update(piece)
        size += len(piece)

    put(writer.start)
    async with aclosing(portions):
        async for portion in portions:
            put(writer.write(portion.records))
            records += len(portion.records)
            tell(portion.done, portion.total)
    return Exported(records, size, digest.hexdigest())


@contextmanager
def _target(path: Path | None) -> Iterator[BinaryIO]:
    """Lend what to write to; a file takes its place when it is whole, and is for this user alone."""
    if path is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Whoever read has seen enough; nor may Python try again at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None
        return
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as fault:
        fail(f"{path}: {fault.strerror}")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def _progress() -> Iterator[Told]:
    """Show a bar on a terminal, and elsewhere a line now and then, always beside what is written."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    said_at = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("invoices gone through", total=None)

        def tell(done: int, total: int) -> None:
            nonlocal said_at
            bars.update(task, completed=done, total=total)
            if not console.is_terminal and time.monotonic() - said_at >= _PROGRESS_SECONDS:
                said_at = time.monotonic()
                say(f"{done:,} of {total:,} invoices gone through")

        yield tell


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None else None
