"""What callers queue for the writer: changes, written together, and small writes, each with a hand of its own."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from types import ModuleType
from typing import Any, Final, NamedTuple

from paydue.storage import rows
from paydue.storage.postgres import delivery_statements, writes
from paydue.storage.postgres.sessions import Session
from paydue.storage.rows import Row
from paydue.usecases.ports import Change, Receipt, ReceiptExists


class Keep(NamedTuple):
    """A change, as its caller queues it."""

    merchant_id: str
    change: Change


class Small(NamedTuple):
    """
    A small write of another kind, and the merchants it concerns; with none it concerns the whole installation.

    `locks` makes it wait for whoever else changes anything of them.
    """

    merchants: tuple[str, ...]
    write: Callable[["Hand"], Awaitable[Any]]
    locks: bool = True


class OneOfMany(NamedTuple):
    """
    A row of a merchant's for a statement that takes many: it goes to the server together with those of other callers.

    The statement takes an array for each column, and does nothing for a row that it does not find.
    """

    merchant_id: str
    statement: str
    row: Row


Work = Keep | Small | OneOfMany


class Hand:
    """What a small write works with: the transaction, as far as the merchants it named."""

    sql: Final[ModuleType] = delivery_statements

    def __init__(self, session: Session) -> None:
        self.session: Final = session

    async def read(self, statement: str, *values: Any) -> list[Row]:
        """Return all rows of a statement as this transaction sees them."""
        return await self.session.fetch(statement, *values)

    async def write(self, statement: str, *values: Any) -> int:
        """Run a statement and return how many rows it touched."""
        await self.session.fetch(statement, *values)
        return self.session.touched_rows()

    async def add_receipt(self, merchant_id: str, receipt: Receipt, stored: object, at: datetime) -> None:
        """Keep the answer that is given from what was stored."""
        answer = receipt.answer(stored)
        row = (merchant_id, receipt.key, receipt.fingerprint, answer.status, answer.body, rows.time_text(at))
        await self.write(writes.ADD_RECEIPT, *row)

    async def refuse_repeat(self, merchant_id: str, receipt: Receipt) -> None:
        """Raise ReceiptExists when the idempotency key has its answer."""
        if await self.read(writes.HAS_RECEIPT, merchant_id, receipt.key):
            raise ReceiptExists(receipt.key)
