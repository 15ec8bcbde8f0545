"""Whom a merchant's mails go to, and how many go out, on PostgreSQL: `Suppressions` and `MailCounts` of the ports."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from paydue.domain.mail_address import Suppression, same_address
from paydue.storage.outbox_rows import read_suppression, write_suppression
from paydue.storage.postgres import delivery_statements as sql
from paydue.storage.postgres.actions import record
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.works import Hand
from paydue.storage.postgres.writer import Writer
from paydue.storage.short_memory import ShortMemory
from paydue.usecases.delivery_ports import Room
from paydue.usecases.ports import Actor

ANYBODY: Final = ""


class SuppressionMemory:
    """Which merchants have any suppression at all, as it was five seconds ago at most: every create asks."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._has_any: ShortMemory[str, bool] = ShortMemory()

    async def find(self, merchant_id: str, address: str) -> Suppression | None:
        """Return the suppression of an address."""
        has_any = self._has_any.get(merchant_id)
        if has_any is None:
            has_any = bool(await self._readers.read(sql.HAS_SUPPRESSIONS, merchant_id))
            self._has_any.keep(merchant_id, has_any)
        if not has_any:
            return None
        found = await self._readers.read(sql.SUPPRESSION, merchant_id, same_address(address))
        return read_suppression(found[0]) if found else None

    def forget(self, merchant_id: str) -> None:
        self._has_any.forget(merchant_id)


class PostgresSuppressions:
    """`usecases.delivery_ports.Suppressions` on PostgreSQL: every statement run here carries the merchant's id."""

    def __init__(self, merchant_id: str, readers: Readers, writer: Writer, memory: SuppressionMemory) -> None:
        self._merchant_id = merchant_id
        self._readers = readers
        self._writer = writer
        self._memory = memory

    async def suppression(self, address: str) -> Suppression | None:
        """Return the suppression of an address, as it is now."""
        found = await self._readers.read(sql.SUPPRESSION, self._merchant_id, same_address(address))
        return read_suppression(found[0]) if found else None

    async def suppressions(self, after: str, limit: int) -> Sequence[Suppression]:
        """Return those of addresses behind `after`, in the order of the addresses."""
        found = await self._readers.read(sql.SUPPRESSIONS, self._merchant_id, after, limit)
        return [read_suppression(row) for row in found]

    async def suppress(self, suppression: Suppression, actor: Actor) -> None:
        """Stop mails to an address; one that is stopped for that reason already stays as it is."""
        row = write_suppression(suppression)

        async def stop(hand: Hand) -> None:
            if await hand.write(sql.SUPPRESS, self._merchant_id, *row):
                await record(hand, self._merchant_id, suppression.at, actor, "suppress", suppression.address)

        await self._writer.small((self._merchant_id,), stop, locks=False)
        self._memory.forget(self._merchant_id)

    async def lift(self, address: str, at: datetime, actor: Actor) -> bool:
        """Let mails go to that address again; tell whether they were stopped."""

        async def lift(hand: Hand) -> bool:
            if not await hand.write(sql.LIFT, self._merchant_id, same_address(address)):
                return False
            await record(hand, self._merchant_id, at, actor, "lift suppression", address)
            return True

        lifted: bool = await self._writer.small((self._merchant_id,), lift, locks=False)
        self._memory.forget(self._merchant_id)
        return lifted


class PostgresMailCounts:
    """`usecases.delivery_ports.MailCounts` on PostgreSQL."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def take(self, merchant_id: str, recipient: str, day: date, most: int, most_each: int) -> Room:
        """Count one more mail of that day, unless there were as many as there may be."""
        counted = [
            ((merchant_id, day.isoformat(), name), limit)
            for name, limit in ((ANYBODY, most), (same_address(recipient), most_each))
        ]

        async def count(hand: Hand) -> Room:
            # Counted first, so that the row is this transaction's before it is judged by.
            above = [(await hand.read(sql.COUNT_MAIL, *row))[0][0] > limit > 0 for row, limit in counted]
            if any(above):
                for row, _ in counted:
                    await hand.write(sql.UNCOUNT_MAIL, *row)
            return Room.MERCHANT_FULL if above[0] else Room.RECIPIENT_FULL if above[1] else Room.FREE

        room: Room = await self._writer.small((merchant_id,), count, locks=False)
        return room

    async def give_back(self, merchant_id: str, recipient: str, day: date) -> None:
        """Count one less: it was not handed over."""

        async def count(hand: Hand) -> None:
            for name in (ANYBODY, same_address(recipient)):
                await hand.write(sql.UNCOUNT_MAIL, merchant_id, day.isoformat(), name)

        await self._writer.small((merchant_id,), count, locks=False)

    async def forget(self, before: date) -> None:
        """Drop the counts of earlier days."""
        await self._writer.small((), lambda hand: hand.write(sql.FORGET_COUNTS, before.isoformat()))
