"""Whom a merchant's mails go to, and how many go out, on PostgreSQL."""

from paydue.storage import mail_rules
from paydue.storage.postgres.access import PostgresAccess, PostgresReads, PostgresWrites
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.writer import Writer


class SuppressionMemory(mail_rules.SuppressionMemory):
    """Which merchants have any suppression, read from PostgreSQL."""

    def __init__(self, readers: Readers) -> None:
        super().__init__(PostgresReads(readers))


class PostgresSuppressions(mail_rules.Suppressions):
    """`usecases.delivery_ports.Suppressions` on PostgreSQL."""

    def __init__(self, merchant_id: str, readers: Readers, writer: Writer, memory: SuppressionMemory) -> None:
        super().__init__(merchant_id, PostgresAccess(readers, writer), memory)


class PostgresMailCounts(mail_rules.MailCounts):
    """`usecases.delivery_ports.MailCounts` on PostgreSQL."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(PostgresWrites(writer))
