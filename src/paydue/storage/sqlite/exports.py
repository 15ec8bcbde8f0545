"""The rows of one merchant in a SQLite file, as of one moment, for exports."""

# ruff: noqa: S608 - the names put into these statements are constants of this package, never a caller's.

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import apsw

from paydue.domain.errors import StoreUnavailable
from paydue.storage.exports import EXPORTED_COLUMNS, MOVEMENTS, StoredExports, Stretch
from paydue.storage.rows import Row
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Engine, Snapshot

_COLUMNS: Final = ", ".join(EXPORTED_COLUMNS)
# A stretch of a merchant's invoices, in the order of their making; those of a status.
_INVOICES: Final = (
    f"SELECT {_COLUMNS} FROM invoices WHERE id BETWEEN ? AND ? AND created_at >= ? AND created_at < ?"
    " AND (?5 IS NULL OR status = ?5) ORDER BY id"
)
# What moved money in a stretch of a merchant's invoices.
_MOVEMENTS: Final = (
    "SELECT kept.number, kept.currency, event.what, event.at, event.data, payment.method, payment.paid_at"
    " FROM events AS event CROSS JOIN invoices AS kept ON kept.id = ? + event.serial"
    " LEFT JOIN payments AS payment ON payment.merchant_id = event.merchant_id AND payment.serial = event.serial"
    " AND payment.position = event.position"
    " WHERE event.merchant_id = ? AND event.serial BETWEEN ? AND ? AND event.at >= ? AND event.at < ?"
    f" AND event.what IN ({', '.join(repr(what) for what in MOVEMENTS)}) ORDER BY event.serial, event.position"
)


def sqlite_exports(engine: Engine, merchant_id: str) -> StoredExports:
    """Return the exports of that merchant, known or not. A server that has the file open is not kept waiting."""

    @asynccontextmanager
    async def moment() -> AsyncIterator[SqliteMoment]:
        try:
            opened = engine.snapshot()
        except apsw.Error as error:
            raise StoreUnavailable(str(error)) from error
        with opened as snapshot:
            yield SqliteMoment(snapshot, merchant_id)

    return StoredExports(moment)


class SqliteMoment:
    """`storage.exports.Moment` over a snapshot, read in a thread: pages may have to come from the disk."""

    def __init__(self, snapshot: Snapshot, merchant_id: str) -> None:
        self._snapshot = snapshot
        self._merchant_id = merchant_id
        self._ordinal = 0

    async def last_serial(self) -> int:
        found = await self._read(sql.SERIALS, (self._merchant_id,))
        if not found:
            return 0
        self._ordinal, last_serial = found[0]
        return int(last_serial)

    async def invoices(self, stretch: Stretch, status: str | None) -> Sequence[Row]:
        first, last, since, until = stretch
        ids = sql.invoice_id(self._ordinal, first), sql.invoice_id(self._ordinal, last)
        return await self._read(_INVOICES, (*ids, since, until, status))

    async def movements(self, stretch: Stretch) -> Sequence[Row]:
        return await self._read(_MOVEMENTS, (sql.invoice_id(self._ordinal, 0), self._merchant_id, *stretch))

    async def _read(self, statement: str, bindings: Row) -> list[Row]:
        reading = asyncio.ensure_future(asyncio.to_thread(self._snapshot.read, statement, bindings))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            # The connection is about to be closed, and may not be while the thread uses it.
            await asyncio.wait((reading,))
            raise
