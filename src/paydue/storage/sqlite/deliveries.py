"""One merchant's messages on SQLite."""

from paydue.storage.deliveries import Deliveries
from paydue.storage.sqlite.access import SqliteAccess
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.writer import Writer


class SqliteDeliveries(Deliveries):
    """`usecases.delivery_ports.Deliveries` on SQLite."""

    def __init__(self, merchant_id: str, engine: Engine, writer: Writer) -> None:
        super().__init__(merchant_id, SqliteAccess(engine, writer))
