"""Which payers may need a reminder: found by query. That one was reminded is kept by each engine's `batch.py`."""

from collections.abc import Sequence
from datetime import date, datetime

from paydue.domain.invoice import Invoice
from paydue.domain.settings import ProductType
from paydue.storage import rows
from paydue.storage.access import Access, Hand, record
from paydue.storage.vault import Vault
from paydue.usecases.ports import Actor


class Reminders:
    """`usecases.delivery_ports.Reminders` on any engine."""

    def __init__(self, access: Access, vault: Vault) -> None:
        self._access = access
        self._vault = vault

    async def merchants_who_remind(self) -> Sequence[str]:
        """Return the merchants whose invoicing settings ask for reminders."""
        found = await self._access.read_all(self._access.sql.MERCHANTS_WHO_REMIND, ProductType.INVOICING.value)
        return [merchant_id for (merchant_id,) in found]

    async def due_on(self, merchant_id: str, due: date, after_serial: int, limit: int) -> Sequence[Invoice]:
        """Return SENT and PARTIAL invoices due on that day with a serial above `after_serial`, in its order."""
        found = await self._access.read(self._access.sql.DUE_ON, merchant_id, due.isoformat(), after_serial, limit)
        return [rows.read_invoice(merchant_id, row, self._vault) for row in found]

    async def was_reminded(self, merchant_id: str, serial: int, kind: str, due: date) -> bool:
        """Tell whether the payer was reminded of that due date before."""
        return bool(await self._access.read(self._access.sql.HAS_REMINDER, merchant_id, serial, kind, due.isoformat()))

    async def stopped_at(self, merchant_id: str, serial: int) -> datetime | None:
        """Return since when that invoice's payer gets no reminders; None: reminders are sent."""
        found = await self._access.read(self._access.sql.STOPPED_AT, merchant_id, serial)
        return rows.read_time(found[0][0]) if found else None

    async def stop(self, merchant_id: str, serial: int, at: datetime, actor: Actor) -> None:
        """Have no reminders sent for that invoice any more."""

        async def stop(hand: Hand) -> None:
            if await hand.write(hand.sql.STOP_REMINDERS, merchant_id, serial, rows.time_text(at)):
                await record(hand, merchant_id, at, actor, "stop reminders", f"serial {serial}")

        await self._access.write((merchant_id,), stop, locks=False)

    async def start(self, merchant_id: str, serial: int, at: datetime, actor: Actor) -> None:
        """Have reminders sent for that invoice again."""

        async def start(hand: Hand) -> None:
            if await hand.write(hand.sql.START_REMINDERS, merchant_id, serial):
                await record(hand, merchant_id, at, actor, "start reminders", f"serial {serial}")

        await self._access.write((merchant_id,), start, locks=False)
