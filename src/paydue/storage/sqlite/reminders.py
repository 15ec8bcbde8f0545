"""Which payers may need a reminder, on SQLite."""

from paydue.storage.reminders import Reminders
from paydue.storage.sqlite.access import SqliteAccess
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.writer import Writer
from paydue.storage.vault import Vault


class SqliteReminders(Reminders):
    """`usecases.delivery_ports.Reminders` on one SQLite file."""

    def __init__(self, engine: Engine, writer: Writer, vault: Vault) -> None:
        super().__init__(SqliteAccess(engine, writer), vault)
