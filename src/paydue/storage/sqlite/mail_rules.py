"""Whom a merchant's mails go to, and how many go out, on SQLite: `Suppressions` and `MailCounts` of the ports."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from paydue.domain.mail_address import Suppression, same_address
from paydue.storage.outbox_rows import read_suppression, write_suppression
from paydue.storage.short_memory import ShortMemory
from paydue.storage.sqlite import delivery_statements as sql
from paydue.storage.sqlite.actions import record
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.writer import Writer
from paydue.usecases.delivery_ports import Room
from paydue.usecases.ports import Actor

ANYBODY: Final = ""


class SuppressionMemory:
    """Which merchants have any suppression at all, as it was five seconds ago at most: every create asks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._has_any: ShortMemory[str, bool] = ShortMemory()

    def find(self, merchant_id: str, address: str) -> Suppression | None:
        """Return the suppression of an address."""
        has_any = self._has_any.get(merchant_id)
        if has_any is None:
            has_any = bool(self._engine.read(sql.HAS_SUPPRESSIONS, (merchant_id,)))
            self._has_any.keep(merchant_id, has_any)
        if not has_any:
            return None
        found = self._engine.read(sql.SUPPRESSION, (merchant_id, same_address(address)))
        return read_suppression(found[0]) if found else None

    def forget(self, merchant_id: str) -> None:
        self._has_any.forget(merchant_id)


class SqliteSuppressions:
    """`usecases.delivery_ports.Suppressions` on SQLite: every statement run here carries the merchant's id."""

    def __init__(self, merchant_id: str, engine: Engine, writer: Writer, memory: SuppressionMemory) -> None:
        self._merchant_id = merchant_id
        self._engine = engine
        self._writer = writer
        self._memory = memory

    async def suppression(self, address: str) -> Suppression | None:
        """Return the suppression of an address, as it is now."""
        found = self._engine.read(sql.SUPPRESSION, (self._merchant_id, same_address(address)))
        return read_suppression(found[0]) if found else None

    async def suppressions(self, after: str, limit: int) -> Sequence[Suppression]:
        """Return those of addresses behind `after`, in the order of the addresses."""
        found = self._engine.read(sql.SUPPRESSIONS, (self._merchant_id, after, limit))
        return [read_suppression(row) for row in found]

    async def suppress(self, suppression: Suppression, actor: Actor) -> None:
        """Stop mails to an address; one that is stopped for that reason already stays as it is."""
        row = (self._merchant_id, *write_suppression(suppression))

        def stop(batch: Batch) -> None:
            if batch.write(sql.SUPPRESS, row):
                record(batch, self._merchant_id, suppression.at, actor, "suppress", suppression.address)

        await self._writer.submit(stop)
        self._memory.forget(self._merchant_id)

    async def lift(self, address: str, at: datetime, actor: Actor) -> bool:
        """Let mails go to that address again; tell whether they were stopped."""

        def lift(batch: Batch) -> bool:
            if not batch.write(sql.LIFT, (self._merchant_id, same_address(address))):
                return False
            record(batch, self._merchant_id, at, actor, "lift suppression", address)
            return True

        lifted: bool = await self._writer.submit(lift)
        self._memory.forget(self._merchant_id)
        return lifted


class SqliteMailCounts:
    """`usecases.delivery_ports.MailCounts` on one SQLite file."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def take(self, merchant_id: str, recipient: str, day: date, most: int, most_each: int) -> Room:
        """Count one more mail of that day, unless there were as many as there may be."""
        counted = [
            ((merchant_id, day.isoformat(), name), limit)
            for name, limit in ((ANYBODY, most), (same_address(recipient), most_each))
        ]

        def count(batch: Batch) -> Room:
            above = [batch.read(sql.COUNT_MAIL, row)[0][0] > limit > 0 for row, limit in counted]
            if any(above):
                batch.write_each(sql.UNCOUNT_MAIL, [row for row, _ in counted])
            return Room.MERCHANT_FULL if above[0] else Room.RECIPIENT_FULL if above[1] else Room.FREE

        room: Room = await self._writer.submit(count)
        return room

    async def give_back(self, merchant_id: str, recipient: str, day: date) -> None:
        """Count one less: it was not handed over."""
        counted = [(merchant_id, day.isoformat(), name) for name in (ANYBODY, same_address(recipient))]
        await self._writer.submit(lambda batch: batch.write_each(sql.UNCOUNT_MAIL, counted))

    async def forget(self, before: date) -> None:
        """Drop the counts of earlier days."""
        await self._writer.submit(lambda batch: batch.write(sql.FORGET_COUNTS, (before.isoformat(),)))
