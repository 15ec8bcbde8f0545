"""Filling a PostgreSQL database in bulk; nodes that serve from it go on answering between the transactions."""

# ruff: noqa: S608 - the names put into these statements are constants of this package, never a caller's.

from collections.abc import Sequence
from typing import Final, Self

from paydue.storage.attempt_rows import ATTEMPT_COLUMNS
from paydue.storage.bulk import DELIVERED_COLUMNS, LOGGED_COLUMNS, Counters, Life, Sheaf, bind, column_types
from paydue.storage.message_ids import MessageIds
from paydue.storage.postgres import changes
from paydue.storage.postgres.changes import Part
from paydue.storage.postgres.sessions import FAILURES, Session, connect, unavailable
from paydue.storage.vault import Vault
from paydue.usecases.ports import NoSuchMerchant, Showing

_ODD_TYPES: Final = {
    "serial": "bigint", "position": "integer", "part": "integer", "message_id": "bytea", "tries": "integer",
    "number": "integer", "milliseconds": "bigint", "is_taken": "integer", "status": "integer"
}  # fmt: skip


def _insert(name: str, table: str, columns: tuple[str, ...], types: tuple[str, ...]) -> Part:
    return Part(name, f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM {{rows}} AS new", types)


# Messages that were delivered.
_ADD_DELIVERED: Final = _insert(
    "delivered", "outbox", DELIVERED_COLUMNS, column_types(DELIVERED_COLUMNS, _ODD_TYPES | {"number": "text"})
)
# The one go at each.
_ADD_LOGGED: Final = _insert("logged", "delivery_tries", LOGGED_COLUMNS, column_types(LOGGED_COLUMNS, _ODD_TYPES))
# Attempts, and whose their transactions are.
_ADD_ATTEMPTS: Final = _insert(
    "attempts", "attempts", ATTEMPT_COLUMNS, column_types(ATTEMPT_COLUMNS, {"serial": "bigint", "version": "bigint"})
)
_TRANSACTION_COLUMNS: Final = ("merchant_id", "gateway", "transaction_id", "attempt_id")
_CLAIM_TRANSACTIONS: Final = _insert(
    "claims", "gateway_transactions", _TRANSACTION_COLUMNS, column_types(_TRANSACTION_COLUMNS, {})
)
# What the planner knows of the tables, anew.
_LOOK_ANEW: Final = "ANALYZE"


class PostgresBulk:
    """`storage.bulk.Bulk` over one database, through a session of its own."""

    def __init__(self, session: Session, vault: Vault, showing: Showing) -> None:
        self._session = session
        self._vault = vault
        self._showing = showing
        self._ids = MessageIds()
        self._is_known = False

    @classmethod
    async def open(cls, url: str, vault: Vault, showing: Showing) -> Self:
        """Connect. Raises StoreUnavailable."""
        session = await connect(url)
        # Thousands of rows at once take their time.
        await session.run("SET statement_timeout = 0")
        return cls(session, vault, showing)

    async def keep(self, merchant_id: str, lives: Sequence[Life]) -> None:
        """Keep these lives in one transaction, numbered by the merchant's counters. Raises NoSuchMerchant."""
        session = self._session
        try:
            await session.run("BEGIN")
            try:
                await self._write(merchant_id, lives)
                await session.run("COMMIT")
                if not self._is_known:
                    await self._look_anew()
            except BaseException:
                if session.is_open:
                    await session.run("ROLLBACK")
                raise
        except (*FAILURES, TimeoutError) as failure:
            raise unavailable(failure) from failure

    async def close(self) -> None:
        """Have the planner look at what is there now, and let go of the database."""
        if self._session.is_open:
            await self._look_anew()
        await self._session.close()

    async def _look_anew(self) -> None:
        """PostgreSQL would do so by itself, but not before a minute: until then it takes the tables for empty."""
        self._is_known = True
        await self._session.run(_LOOK_ANEW)

    async def _write(self, merchant_id: str, lives: Sequence[Life]) -> None:
        session = self._session
        found = await session.fetch(changes.LOCK_COUNTERS, merchant_id)
        if not found:
            raise NoSuchMerchant(merchant_id)
        _, last_serial, next_number = found[0]

        async def taken(numbers: list[str]) -> set[str]:
            wanted: tuple[list[str], ...] = ([merchant_id] * len(numbers), numbers, [], [])
            return {number for _, _, number in await session.fetch(changes.USED_NAMES, *wanted)}

        sheaf = Sheaf(merchant_id, self._vault, self._showing, self._ids)
        counters = await bind(sheaf, lives, Counters(last_serial, next_number), taken)
        gathered = (
            (changes.SET_COUNTERS, [(merchant_id, *counters, last_serial, next_number)]),
            (changes.ADD_INVOICES, sheaf.invoices),
            (changes.ADD_EVENTS, sheaf.events),
            (changes.ADD_PAYMENTS, sheaf.payments),
            (_ADD_DELIVERED, sheaf.messages),
            (_ADD_LOGGED, sheaf.tries),
            (changes.ADD_LINKS, sheaf.links),
            (changes.ADD_REMINDERS, sheaf.reminders),
            (_ADD_ATTEMPTS, sheaf.attempts),
            (_CLAIM_TRANSACTIONS, sheaf.transactions),
            (changes.RAISE_COUNTS, list(sheaf.moves.differences())),
        )
        for part, rows in gathered:
            if rows:
                await session.fetch(changes.statement((part,)), *changes.arrays([rows]))
