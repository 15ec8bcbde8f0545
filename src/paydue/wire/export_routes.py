"""The operations that give books out as files, ours beside the compatible API: streamed, whatever their size."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

from paydue.domain.errors import Fault, InvalidFields, StoreBusy
from paydue.domain.lifecycle import Status
from paydue.usecases.export_books import ExportFilter, Exports, Portion
from paydue.wire.api import Streamed
from paydue.wire.export_files import MEDIA_TYPES, BookWriter, FileFormat, invoice_writer, payment_writer
from paydue.wire.query import parse_query, read_choice, read_instant
from paydue.wire.request import Request
from paydue.wire.router import Route

_LARGEST: Final = 64 * 1024
# Each keeps a view of the database open, and takes time from those who wait for an answer.
_MOST_AT_ONCE: Final = 2

_FORMATS: Final = {each.value.upper(): each for each in FileFormat}
_STATUSES: Final = {status.value: status for status in Status}

_log = logging.getLogger("paydue.api")

ExportsOf = Callable[[str], Exports]


class ExportRoutes:
    """`exports_of` opens one merchant's books."""

    def __init__(self, *, exports_of: ExportsOf) -> None:
        self._exports_of = exports_of
        self._running = 0

    def routes(self) -> tuple[Route, ...]:
        exports = "/paydue/v1/exports"
        return (
            Route("GET", exports + "/invoices", self.invoices, _LARGEST, is_streamed=True),
            Route("GET", exports + "/payments", self.payments, _LARGEST, is_streamed=True),
        )

    async def invoices(self, request: Request) -> Streamed:
        file_format, wanted = _read_export(request.query, with_status=True)
        portions = self._exports_of(request.store.merchant_id).invoices(wanted)
        return await self._streamed(request, "invoices", file_format, invoice_writer(file_format), portions)

    async def payments(self, request: Request) -> Streamed:
        file_format, wanted = _read_export(request.query, with_status=False)
        portions = self._exports_of(request.store.merchant_id).payments(wanted)
        return await self._streamed(request, "payments", file_format, payment_writer(file_format), portions)

    async def _streamed(
        self,
        request: Request,
        what: str,
        file_format: FileFormat,
        writer: BookWriter,
        portions: AsyncGenerator[Portion[Any], None],
    ) -> Streamed:
        if self._running >= _MOST_AT_ONCE:
            raise StoreBusy(f"{_MOST_AT_ONCE} exports are running")
        self._running += 1
        pieces = self._pieces(request, what, writer, portions)
        # The database is asked before the answer begins, while it can still be another one.
        first = await anext(pieces)
        return Streamed(MEDIA_TYPES[file_format], f"{what}.{file_format.value}".encode(), first, pieces)

    async def _pieces(
        self, request: Request, what: str, writer: BookWriter, portions: AsyncGenerator[Portion[Any], None]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the file; nothing of it is kept open once this is closed."""
        count = 0
        is_whole = False
        try:
            async with aclosing(portions):
                piece = writer.start
                async for portion in portions:
                    yield piece + writer.write(portion.records)
                    piece = b""
                    count += len(portion.records)
                yield piece
            is_whole = True
        finally:
            self._running -= 1
            told = {"merchant": request.store.merchant_id, "key": request.actor.name, "records": count}
            _log.info("exported", extra={**told, "what": what, "is_whole": is_whole})


def _read_export(query: bytes, *, with_status: bool) -> tuple[FileFormat, ExportFilter]:
    """Read what is to be exported, and as what. Raises InvalidFields."""
    given = {name: value for name, value in parse_query(query).items() if value}
    faults: list[Fault] = []
    file_format = read_choice(given, "format", _FORMATS, faults)
    wanted = ExportFilter(
        status=read_choice(given, "status", _STATUSES, faults) if with_status else None,
        since=read_instant(given, "since", faults),
        until=read_instant(given, "until", faults),
    )
    if faults:
        raise InvalidFields(tuple(faults))
    return file_format or FileFormat.CSV, wanted
