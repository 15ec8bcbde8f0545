"""Filling a SQLite file in bulk; a server that has it open goes on answering between the transactions."""

# ruff: noqa: S608 - the names put into these statements are constants of this package, never a caller's.

import asyncio
from collections.abc import Sequence
from typing import Final

import apsw

from paydue.domain.errors import StoreUnavailable
from paydue.storage.bulk import DELIVERED_COLUMNS, LOGGED_COLUMNS, Counters, Life, Sheaf, bind
from paydue.storage.message_ids import MessageIds
from paydue.storage.rows import Row
from paydue.storage.sqlite import attempt_statements, delivery_statements
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Engine
from paydue.storage.vault import Vault
from paydue.usecases.ports import NoSuchMerchant, Showing

# Room for the upper pages of all indexes: each invoice adds an entry to every one of them.
_CACHE_KIBIBYTES: Final = 256 << 10
# A server that waits for the write lock looks for it every few milliseconds.
_PAUSE_SECONDS: Final = 0.005


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


# A message that was delivered.
_ADD_DELIVERED: Final = _insert("outbox", DELIVERED_COLUMNS)
# The one go at it.
_ADD_LOGGED: Final = _insert("delivery_tries", LOGGED_COLUMNS)


class SqliteBulk:
    """`storage.bulk.Bulk` over one file, through connections of its own."""

    def __init__(self, engine: Engine, vault: Vault, showing: Showing) -> None:
        self._engine = engine
        self._vault = vault
        self._showing = showing
        self._ids = MessageIds()
        engine.write.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}").fetchall()

    async def keep(self, merchant_id: str, lives: Sequence[Life]) -> None:
        """Keep these lives in one transaction, numbered by the merchant's counters. Raises NoSuchMerchant."""
        engine = self._engine
        try:
            await engine.begin()
            try:
                await self._write(merchant_id, lives)
                await engine.commit()
            except BaseException:
                engine.rollback()
                raise
        except apsw.Error as error:
            raise StoreUnavailable(str(error)) from error
        await asyncio.sleep(_PAUSE_SECONDS)

    async def close(self) -> None:
        self._engine.close()

    async def _write(self, merchant_id: str, lives: Sequence[Life]) -> None:
        cursor = self._engine.write
        found: list[Row] = cursor.execute(sql.COUNTERS, (merchant_id,)).fetchall()
        if not found:
            raise NoSuchMerchant(merchant_id)
        ordinal, last_serial, next_number = found[0]

        async def taken(numbers: list[str]) -> set[str]:
            return {number for number in numbers if cursor.execute(sql.HAS_NUMBER, (merchant_id, number)).fetchall()}

        sheaf = Sheaf(merchant_id, self._vault, self._showing, self._ids)
        counters = await bind(sheaf, lives, Counters(last_serial, next_number), taken)
        first_id = sql.invoice_id(ordinal, last_serial + 1)
        for statement, gathered in (
            (sql.ADD_INVOICE, [(first_id + place, *row) for place, row in enumerate(sheaf.invoices)]),
            (sql.ADD_EVENT, sheaf.events),
            (sql.ADD_PAYMENT, sheaf.payments),
            (_ADD_DELIVERED, sheaf.messages),
            (_ADD_LOGGED, sheaf.tries),
            (sql.ADD_LINK, sheaf.links),
            (delivery_statements.ADD_REMINDER, sheaf.reminders),
            (attempt_statements.ADD_ATTEMPT, sheaf.attempts),
            (attempt_statements.CLAIM_TRANSACTION, sheaf.transactions),
            (sql.RAISE_COUNT, list(sheaf.moves.differences())),
        ):
            cursor.executemany(statement, gathered)
        cursor.execute(sql.SET_COUNTERS, (*counters, ordinal))
