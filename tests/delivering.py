"""Messages, and workers who take and settle them, for tests that talk to the outbox itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from builders import NOON, some_terms
from paydue.domain.invoice import Invoice
from paydue.usecases.delivery_ports import Job, JobState, Outbox, Try
from paydue.usecases.ports import Change, Channel, MerchantStore, Message
from storing import ACTOR, a_token

PAYER = "tanya.lee@my-email.world"
HOOK = "0fa698ae-7419-78c4-e063-9c588e0a497e"
OTHER_HOOK = "1fa698ae-7419-78c4-e063-9c588e0a497e"
SEND = "invoicing.customer.invoice.send"

LEASE = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)

TAKEN = Try(at=NOON, milliseconds=12, is_taken=True, outcome="taken", status=200, trace_id="trace-taken")
FAILED = Try(
    at=NOON,
    milliseconds=15_000,
    is_taken=False,
    outcome="answered 503",
    status=503,
    trace_id="trace-failed",
    request="POST /hooks",
    answer="busy",
)


def a_mail(recipient: str = PAYER, topic: str = "invoice") -> Message:
    return Message(channel=Channel.MAIL, topic=topic, recipient=recipient, facts={"total": "293.5"})


def a_webhook(recipient: str = HOOK, topic: str = SEND) -> Message:
    return Message(channel=Channel.WEBHOOK, topic=topic, recipient=recipient, facts={"total": "293.5"})


async def happens(store: MerchantStore, *messages: Message, number: str = "", at: datetime = NOON) -> Invoice:
    """Keep a new invoice whose one event causes these messages."""
    drafted = Invoice.draft(some_terms(), at, number)
    return await store.commit(Change(before=None, after=drafted, messages=messages, actor=ACTOR))


async def happens_next(store: MerchantStore, invoice: Invoice, *messages: Message, at: datetime = NOON) -> Invoice:
    """Keep one more event of the invoice, which causes these messages."""
    amended = invoice.amend(some_terms(), at, a_token())
    return await store.commit(Change(before=invoice, after=amended, messages=messages, actor=ACTOR))


async def lease(outbox: Outbox, at: datetime = NOON, limit: int = 64, worker: str = "w1") -> Sequence[Job]:
    return await outbox.lease(worker, at, at + LEASE, limit)


async def settle(
    outbox: Outbox,
    job: Job,
    state: JobState = JobState.DONE,
    *,
    at: datetime = NOON,
    due_at: datetime | None = None,
    tried: Try | None = TAKEN,
) -> None:
    await outbox.settle(job, state, due_at or at, tried)


async def fail(outbox: Outbox, job: Job, due_at: datetime) -> None:
    await outbox.settle(job, JobState.PENDING, due_at, FAILED)


def events_of(jobs: Sequence[Job]) -> list[tuple[str, int]]:
    """Return the invoice numbers and the positions of the events that the jobs are about."""
    return [(job.number, job.position) for job in jobs]


async def the_job(deliveries: Any, message_id: str) -> Job:
    found = await deliveries.delivery(message_id)
    assert found is not None
    job: Job = found[0]
    return job
