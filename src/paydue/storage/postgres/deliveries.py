"""One merchant's messages on PostgreSQL."""

from paydue.storage.deliveries import Deliveries
from paydue.storage.postgres.access import PostgresAccess
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.writer import Writer


class PostgresDeliveries(Deliveries):
    """`usecases.delivery_ports.Deliveries` on PostgreSQL."""

    def __init__(self, merchant_id: str, readers: Readers, writer: Writer) -> None:
        super().__init__(merchant_id, PostgresAccess(readers, writer))
