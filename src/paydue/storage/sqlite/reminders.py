"""Which payers may need a reminder, on SQLite: found by query. That one was reminded is kept by `batch.py`."""

from collections.abc import Sequence
from datetime import date, datetime

from paydue.domain.invoice import Invoice
from paydue.domain.settings import ProductType
from paydue.storage import rows
from paydue.storage.sqlite import delivery_statements as sql
from paydue.storage.sqlite import statements
from paydue.storage.sqlite.actions import record
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.writer import Writer
from paydue.storage.vault import Vault
from paydue.usecases.ports import Actor


class SqliteReminders:
    """`usecases.delivery_ports.Reminders` on one SQLite file."""

    def __init__(self, engine: Engine, writer: Writer, vault: Vault) -> None:
        self._engine = engine
        self._writer = writer
        self._vault = vault

    async def merchants_who_remind(self) -> Sequence[str]:
        """Return the merchants whose invoicing settings ask for reminders."""
        found = self._engine.read(sql.MERCHANTS_WHO_REMIND, (ProductType.INVOICING.value,))
        return [merchant_id for (merchant_id,) in found]

    async def due_on(self, merchant_id: str, due: date, after_serial: int, limit: int) -> Sequence[Invoice]:
        """Return SENT and PARTIAL invoices due on that day with a serial above `after_serial`, in its order."""
        merchant = self._engine.read(statements.SERIALS, (merchant_id,))
        if not merchant:
            return []
        behind = statements.invoice_id(merchant[0][0], after_serial)
        found = self._engine.read(sql.DUE_ON, (merchant_id, due.isoformat(), behind, limit))
        return [rows.read_invoice(merchant_id, row, self._vault) for row in found]

    async def was_reminded(self, merchant_id: str, serial: int, kind: str, due: date) -> bool:
        """Tell whether the payer was reminded of that due date before."""
        return bool(self._engine.read(sql.HAS_REMINDER, (merchant_id, serial, kind, due.isoformat())))

    async def stopped_at(self, merchant_id: str, serial: int) -> datetime | None:
        """Return since when that invoice's payer gets no reminders; None: reminders are sent."""
        found = self._engine.read(sql.STOPPED_AT, (merchant_id, serial))
        return rows.read_time(found[0][0]) if found else None

    async def stop(self, merchant_id: str, serial: int, at: datetime, actor: Actor) -> None:
        """Have no reminders sent for that invoice any more."""

        def stop(batch: Batch) -> None:
            if batch.write(sql.STOP_REMINDERS, (merchant_id, serial, rows.time_text(at))):
                record(batch, merchant_id, at, actor, "stop reminders", f"serial {serial}")

        await self._writer.submit(stop)

    async def start(self, merchant_id: str, serial: int, at: datetime, actor: Actor) -> None:
        """Have reminders sent for that invoice again."""

        def start(batch: Batch) -> None:
            if batch.write(sql.START_REMINDERS, (merchant_id, serial)):
                record(batch, merchant_id, at, actor, "start reminders", f"serial {serial}")

        await self._writer.submit(start)
