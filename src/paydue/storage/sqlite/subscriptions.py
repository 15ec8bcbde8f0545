"""One merchant's webhook subscriptions and keys on SQLite."""

from paydue.storage import subscriptions
from paydue.storage.sqlite.access import SqliteAccess, SqliteReads
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.writer import Writer
from paydue.storage.vault import Vault
from paydue.usecases.ports import Clock


class SubscriptionMemory(subscriptions.SubscriptionMemory):
    """The subscriptions of merchants, read from SQLite."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(SqliteReads(engine))


class SqliteSubscriptions(subscriptions.Subscriptions):
    """`usecases.webhook_ports.Subscriptions` on SQLite."""

    def __init__(
        self, merchant_id: str, engine: Engine, writer: Writer, vault: Vault, clock: Clock, memory: SubscriptionMemory
    ) -> None:
        super().__init__(merchant_id, SqliteAccess(engine, writer), vault, clock, memory)
