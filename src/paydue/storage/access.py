"""
What the parts of the store that are the same on every engine ask of one: to read, and to write in one transaction.

What they are given waits for the database on PostgreSQL, and for nothing on SQLite. Their statements have a name in
each engine's `delivery_statements.py`, and take the same values in the same order.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from types import ModuleType
from typing import Any, Protocol

from paydue.storage.message_ids import MessageIds
from paydue.storage.rows import Row, time_text
from paydue.usecases.ports import Actor, Receipt


class Hand(Protocol):
    """What a small write works with: the transaction that is open for it."""

    @property
    def sql(self) -> ModuleType:
        """The engine's statements, by name: a test of the house finds a name that one engine lacks."""

    async def read(self, statement: str, *values: Any) -> list[Row]:
        """Return all rows of a statement as this transaction sees them."""

    async def write(self, statement: str, *values: Any) -> int:
        """Run a statement and return how many rows it touched."""

    async def refuse_repeat(self, merchant_id: str, receipt: Receipt) -> None:
        """Raise ReceiptExists when the idempotency key has its answer."""

    async def add_receipt(self, merchant_id: str, receipt: Receipt, stored: object, at: datetime) -> None:
        """Keep the answer that is given from what was stored."""


class Reads(Protocol):
    """How an engine is read."""

    @property
    def sql(self) -> ModuleType:
        """As `Hand.sql`."""

    async def read(self, statement: str, merchant_id: str, *values: Any) -> list[Row]:
        """Return the rows of a statement as last committed, behind that merchant's wall. Raises StoreUnavailable."""

    async def search(self, statement: str, merchant_id: str, *values: Any) -> list[Row]:
        """As `read`, for what may look through much to find little: nobody else waits for it."""

    async def read_all(self, statement: str, *values: Any) -> list[Row]:
        """Return the rows of a statement about all merchants, as last committed. Raises StoreUnavailable."""


class Writes(Protocol):
    """How an engine is written, a small write at a time."""

    async def write(
        self, merchants: tuple[str, ...], work: Callable[[Any], Awaitable[Any]], *, locks: bool = True
    ) -> Any:
        """
        Do `work` with a `Hand` of its own and return what it returns, once that is durable.

        It concerns these merchants, with none the installation. When it raises, nothing of it stays; it may be done
        more than once until it is kept. `locks` makes it wait for whoever else changes anything of them.
        """


class Access(Reads, Writes, Protocol):
    """An engine, as far as its differences do not show."""


async def record(hand: Hand, merchant_id: str, at: datetime, actor: Actor, what: str, subject: str) -> None:
    """Write down for ever that `actor` did `what` to `subject`, in the transaction of what was done."""
    (action_id,) = MessageIds().fresh(at, 1)
    row = (merchant_id, action_id, time_text(at), actor.name, actor.correlation_id, what, subject)
    await hand.write(hand.sql.ADD_ACTION, *row)
