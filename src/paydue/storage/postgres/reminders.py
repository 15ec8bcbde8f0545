"""Which payers may need a reminder, on PostgreSQL."""

from paydue.storage.postgres.access import PostgresAccess
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.writer import Writer
from paydue.storage.reminders import Reminders
from paydue.storage.vault import Vault


class PostgresReminders(Reminders):
    """`usecases.delivery_ports.Reminders` on PostgreSQL."""

    def __init__(self, readers: Readers, writer: Writer, vault: Vault) -> None:
        super().__init__(PostgresAccess(readers, writer), vault)
