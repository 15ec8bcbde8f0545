"""Whom a merchant's mails go to, and how many go out, on SQLite."""

from paydue.storage import mail_rules
from paydue.storage.sqlite.access import SqliteAccess, SqliteReads, SqliteWrites
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.writer import Writer


class SuppressionMemory(mail_rules.SuppressionMemory):
    """Which merchants have any suppression, read from SQLite."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(SqliteReads(engine))


class SqliteSuppressions(mail_rules.Suppressions):
    """`usecases.delivery_ports.Suppressions` on SQLite."""

    def __init__(self, merchant_id: str, engine: Engine, writer: Writer, memory: SuppressionMemory) -> None:
        super().__init__(merchant_id, SqliteAccess(engine, writer), memory)


class SqliteMailCounts(mail_rules.MailCounts):
    """`usecases.delivery_ports.MailCounts` on SQLite."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(SqliteWrites(writer))
