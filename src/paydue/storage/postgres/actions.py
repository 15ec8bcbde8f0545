"""Who asked for what, besides the changes of invoices: rows that are only ever added."""

from datetime import datetime

from paydue.storage.message_ids import MessageIds
from paydue.storage.postgres import delivery_statements as sql
from paydue.storage.postgres.works import Hand
from paydue.storage.rows import time_text
from paydue.usecases.ports import Actor


async def record(hand: Hand, merchant_id: str, at: datetime, actor: Actor, what: str, subject: str) -> None:
    """Write down that `actor` did `what` to `subject`, in the transaction of what was done."""
    (action_id,) = MessageIds().fresh(at, 1)
    row = (merchant_id, action_id, time_text(at), actor.name, actor.correlation_id, what, subject)
    await hand.write(sql.ADD_ACTION, *row)
