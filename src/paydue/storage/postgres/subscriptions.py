"""One merchant's webhook subscriptions and keys on PostgreSQL."""

from paydue.storage import subscriptions
from paydue.storage.postgres.access import PostgresAccess, PostgresReads
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.writer import Writer
from paydue.storage.vault import Vault
from paydue.usecases.ports import Clock


class SubscriptionMemory(subscriptions.SubscriptionMemory):
    """The subscriptions of merchants, read from PostgreSQL."""

    def __init__(self, readers: Readers) -> None:
        super().__init__(PostgresReads(readers))


class PostgresSubscriptions(subscriptions.Subscriptions):
    """`usecases.webhook_ports.Subscriptions` on PostgreSQL."""

    def __init__(
        self, merchant_id: str, readers: Readers, writer: Writer, vault: Vault, clock: Clock, memory: SubscriptionMemory
    ) -> None:
        super().__init__(merchant_id, PostgresAccess(readers, writer), vault, clock, memory)
