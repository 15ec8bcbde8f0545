"""The rows of one merchant in a PostgreSQL database, as of one moment, for exports."""

# ruff: noqa: S608 - the names put into these statements are constants of this package, never a caller's.

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from paydue.storage.exports import EXPORTED_COLUMNS, MOVEMENTS, StoredExports, Stretch
from paydue.storage.postgres.ledger import one_moment
from paydue.storage.postgres.sessions import Session
from paydue.storage.rows import Row

# From now on the session sees rows of that merchant alone.
_WALL: Final = "SELECT set_config('paydue.merchants', $1, true)"
# How many invoices the merchant has.
_LAST_SERIAL: Final = "SELECT last_serial FROM merchants WHERE merchant_id = $1"
# A stretch of a merchant's invoices, in the order of their making; those of a status.
_INVOICES: Final = (
    f"SELECT {', '.join(EXPORTED_COLUMNS)} FROM invoices WHERE merchant_id = $1 AND serial BETWEEN $2 AND $3"
    " AND created_at >= $4 AND created_at < $5 AND ($6::text IS NULL OR status = $6) ORDER BY serial"
)
# What moved money in a stretch of a merchant's invoices.
_MOVEMENTS: Final = (
    "SELECT kept.number, kept.currency, event.what, event.at, event.data, payment.method, payment.paid_at"
    " FROM events AS event JOIN invoices AS kept ON kept.merchant_id = event.merchant_id AND kept.serial = event.serial"
    " LEFT JOIN payments AS payment ON payment.merchant_id = event.merchant_id AND payment.serial = event.serial"
    " AND payment.position = event.position"
    " WHERE event.merchant_id = $1 AND event.serial BETWEEN $2 AND $3 AND event.at >= $4 AND event.at < $5"
    f" AND event.what IN ({', '.join(repr(what) for what in MOVEMENTS)}) ORDER BY event.serial, event.position"
)


def postgres_exports(where: Callable[[], Awaitable[str]], merchant_id: str) -> StoredExports:
    """Return the exports of that merchant, known or not, read from the server that `where` names at their beginning."""

    @asynccontextmanager
    async def moment() -> AsyncIterator[PostgresMoment]:
        async with one_moment(await where()) as session:
            await session.fetch(_WALL, merchant_id)
            yield PostgresMoment(session, merchant_id)

    return StoredExports(moment)


class PostgresMoment:
    """`storage.exports.Moment` over a session with one transaction."""

    def __init__(self, session: Session, merchant_id: str) -> None:
        self._session = session
        self._merchant_id = merchant_id

    async def last_serial(self) -> int:
        found = await self._session.fetch(_LAST_SERIAL, self._merchant_id)
        return int(found[0][0]) if found else 0

    async def invoices(self, stretch: Stretch, status: str | None) -> Sequence[Row]:
        return await self._session.fetch(_INVOICES, self._merchant_id, *stretch, status)

    async def movements(self, stretch: Stretch) -> Sequence[Row]:
        return await self._session.fetch(_MOVEMENTS, self._merchant_id, *stretch)
