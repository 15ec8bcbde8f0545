"""Whom a merchant's mails go to, and how many go out: `Suppressions` and `MailCounts` of the ports."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from paydue.domain.mail_address import Suppression, same_address
from paydue.storage.access import Access, Hand, Reads, Writes, record
from paydue.storage.outbox_rows import read_suppression, write_suppression
from paydue.storage.short_memory import ShortMemory
from paydue.usecases.delivery_ports import Room
from paydue.usecases.ports import Actor

ANYBODY: Final = ""


class SuppressionMemory:
    """Which merchants have any suppression at all, as it was five seconds ago at most: every create asks."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._has_any: ShortMemory[str, bool] = ShortMemory()

    async def find(self, merchant_id: str, address: str) -> Suppression | None:
        """Return the suppression of an address."""
        has_any = self._has_any.get(merchant_id)
        if has_any is None:
            has_any = bool(await self._reads.read(self._reads.sql.HAS_SUPPRESSIONS, merchant_id))
            self._has_any.keep(merchant_id, has_any)
        if not has_any:
            return None
        found = await self._reads.read(self._reads.sql.SUPPRESSION, merchant_id, same_address(address))
        return read_suppression(found[0]) if found else None

    def forget(self, merchant_id: str) -> None:
        self._has_any.forget(merchant_id)


class Suppressions:
    """`usecases.delivery_ports.Suppressions` on any engine: every statement run here carries the merchant's id."""

    def __init__(self, merchant_id: str, access: Access, memory: SuppressionMemory) -> None:
        self._merchant_id = merchant_id
        self._access = access
        self._memory = memory

    async def suppression(self, address: str) -> Suppression | None:
        """Return the suppression of an address, as it is now."""
        found = await self._access.read(self._access.sql.SUPPRESSION, self._merchant_id, same_address(address))
        return read_suppression(found[0]) if found else None

    async def suppressions(self, after: str, limit: int) -> Sequence[Suppression]:
        """Return those of addresses behind `after`, in the order of the addresses."""
        found = await self._access.read(self._access.sql.SUPPRESSIONS, self._merchant_id, after, limit)
        return [read_suppression(row) for row in found]

    async def suppress(self, suppression: Suppression, actor: Actor) -> None:
        """Stop mails to an address; one that is stopped for that reason already stays as it is."""
        row = write_suppression(suppression)

        async def stop(hand: Hand) -> None:
            if await hand.write(hand.sql.SUPPRESS, self._merchant_id, *row):
                await record(hand, self._merchant_id, suppression.at, actor, "suppress", suppression.address)

        await self._access.write((self._merchant_id,), stop, locks=False)
        self._memory.forget(self._merchant_id)

    async def lift(self, address: str, at: datetime, actor: Actor) -> bool:
        """Let mails go to that address again; tell whether they were stopped."""

        async def lift(hand: Hand) -> bool:
            if not await hand.write(hand.sql.LIFT, self._merchant_id, same_address(address)):
                return False
            await record(hand, self._merchant_id, at, actor, "lift suppression", address)
            return True

        lifted: bool = await self._access.write((self._merchant_id,), lift, locks=False)
        self._memory.forget(self._merchant_id)
        return lifted


class MailCounts:
    """`usecases.delivery_ports.MailCounts` on any engine."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes

    async def take(self, merchant_id: str, recipient: str, day: date, most: int, most_each: int) -> Room:
        """Count one more mail of that day, unless there were as many as there may be."""
        counted = [
            ((merchant_id, day.isoformat(), name), limit)
            for name, limit in ((ANYBODY, most), (same_address(recipient), most_each))
        ]

        async def count(hand: Hand) -> Room:
            # Counted first, so that the row is this transaction's before it is judged by.
            above = [(await hand.read(hand.sql.COUNT_MAIL, *row))[0][0] > limit > 0 for row, limit in counted]
            if any(above):
                for row, _ in counted:
                    await hand.write(hand.sql.UNCOUNT_MAIL, *row)
            return Room.MERCHANT_FULL if above[0] else Room.RECIPIENT_FULL if above[1] else Room.FREE

        room: Room = await self._writes.write((merchant_id,), count, locks=False)
        return room

    async def give_back(self, merchant_id: str, recipient: str, day: date) -> None:
        """Count one less: it was not handed over."""

        async def count(hand: Hand) -> None:
            for name in (ANYBODY, same_address(recipient)):
                await hand.write(hand.sql.UNCOUNT_MAIL, merchant_id, day.isoformat(), name)

        await self._writes.write((merchant_id,), count, locks=False)

    async def forget(self, before: date) -> None:
        """Drop the counts of earlier days."""
        await self._writes.write((), lambda hand: hand.write(hand.sql.FORGET_COUNTS, before.isoformat()))
