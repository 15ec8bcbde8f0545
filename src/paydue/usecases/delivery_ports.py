"""
What delivering needs from outside: the outbox as a queue with leases, its log for people, and reminders that are due.

Apart from `ports.py` because no change of an invoice needs it: changes only put messages into the outbox.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from paydue.domain.invoice import Invoice
from paydue.domain.mail_address import Suppression
from paydue.usecases.ports import Actor, Channel, Message


class JobState(StrEnum):
    """PENDING is due at its time; HELD waits for a subscription or a key; PARKED has failed for good, until resent."""

    PENDING = "pending"
    HELD = "held"
    DONE = "done"
    PARKED = "parked"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """
    One message on its way to one recipient.

    `message_id` (a UUID) is the same at every try and every resend, so that a receiver knows a repeat. `recipient` is
    an address, or for webhooks the subscription's id. `serial` and `position` are those of the event that caused it;
    with `part` they order the messages of one invoice to one recipient. `created_at` is exact to the millisecond.
    `tries` and `first_failed_at` begin anew whenever somebody makes it due again (the log goes on). `rendered` is what
    was written at the first try, so that every later one says the same.
    """

    merchant_id: str
    message_id: str
    serial: int
    position: int
    part: int
    number: str
    channel: Channel
    topic: str
    recipient: str | None
    facts: dict[str, str]
    state: JobState
    created_at: datetime
    due_at: datetime
    tries: int = 0
    first_failed_at: datetime | None = None
    last_outcome: str | None = None
    rendered: bytes | None = None
    lease: str | None = None


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """
    One go at a job: how long it took, what was asked, what came back. Texts are cut and hold no secret.

    `trace_id` is what the receiver of a notification knows this attempt by.
    """

    at: datetime
    milliseconds: int
    is_taken: bool
    outcome: str
    status: int | None = None
    trace_id: str | None = None
    request: str = ""
    answer: str = ""


class Outbox(Protocol):
    """
    The messages of all merchants as a queue.

    A leased job belongs to one worker until the lease runs out; then another may take it, under the same id. Jobs of
    one invoice for one recipient (and channel) are leased in the order of their events: the next only when the one
    before is DONE or PARKED. Settling with a lease that has run out and was taken by another changes nothing.
    """

    async def lease(self, worker: str, at: datetime, until: datetime, limit: int) -> Sequence[Job]:
        """
        Take up to `limit` jobs that are due, those who wait longest first, each under a lease of its own taking.

        No subscription, and no merchant's mails, have more under way than their share, in all workers together.
        """
        ...

    async def keep_rendered(self, job: Job, rendered: bytes) -> None:
        """Keep what was rendered, unless something is kept already or another has taken the job."""
        ...

    async def settle(self, job: Job, state: JobState, due_at: datetime, tried: Try | None) -> None:
        """Log the try and put the job into `state`, due (if PENDING) at `due_at`; the lease ends."""
        ...

    async def add(self, cause: Job, message: Message, at: datetime) -> None:
        """
        Put a message in that is owed because of what became of `cause`, as one more of the same event.

        However often it is asked for with the same cause and topic, it is put in once.
        """
        ...

    async def tell(self, merchant_id: str, message: Message, at: datetime) -> None:
        """
        Put a message in that is about no invoice: its job has serial 0 and no number.

        However often it is asked for with the same topic, recipient and facts, it is put in once.
        """
        ...

    async def find(self, message_id: str) -> Job | None:
        """Return the message of that id, whosever it is."""
        ...

    async def came_back(self, job: Job, tried: Try, *, for_good: bool) -> None:
        """Log what was heard of a mail after it was taken; one that came back `for_good` is PARKED if it was DONE."""
        ...

    async def give_back(self, jobs: Sequence[Job]) -> None:
        """End leases whose jobs were not begun, as if they had never been taken."""
        ...

    async def release_held(self, merchant_id: str, recipient: str | None, at: datetime) -> int:
        """
        Make held jobs due again, oldest first, and return how many; without a recipient all webhooks of the merchant.
        """
        ...

    async def held(self) -> Sequence[tuple[str, str]]:
        """Return the merchants and the recipients for whom anything is held."""
        ...

    async def expire_held(self, merchant_id: str, recipient: str, before: datetime, most: int, outcome: str) -> int:
        """
        Park what is held for the recipient since before that time, and the oldest beyond `most`; return how many.

        `outcome` is what is said about them. They can be sent again like anything that is parked.
        """
        ...

    async def next_due(self) -> datetime | None:
        """
        Return when the next job can be taken (perhaps in the past), so that an idle worker knows how long to sleep.

        What waits for another, or is held, counts for nothing; what is taken counts from when its lease runs out.
        """
        ...

    async def forget_done(self, before: datetime, limit: int) -> int:
        """
        Drop the logged requests and answers of tries, and what was rendered for messages, older than that.

        Returns how many were dropped, at most `limit` of each kind.
        """
        ...


class Suppressions(Protocol):
    """One merchant's addresses that no mail goes to."""

    async def suppression(self, address: str) -> Suppression | None:
        """Return whether and why mails to that address stop; its letter case does not matter."""
        ...

    async def suppressions(self, after: str, limit: int) -> Sequence[Suppression]:
        """Return those of addresses behind `after`, in the order of the addresses."""
        ...

    async def suppress(self, suppression: Suppression, actor: Actor) -> None:
        """Stop mails to an address; one that is stopped for that reason already stays as it is."""
        ...

    async def lift(self, address: str, at: datetime, actor: Actor) -> bool:
        """Let mails go to that address again; tell whether they were stopped."""
        ...


class Room(StrEnum):
    """Whether one more mail may go out today: by the merchant's limit, and by that of each recipient."""

    FREE = "free"
    MERCHANT_FULL = "merchant full"
    RECIPIENT_FULL = "recipient full"


class MailCounts(Protocol):
    """How many mails were handed over on a day, in all processes together."""

    async def take(self, merchant_id: str, recipient: str, day: date, most: int, most_each: int) -> Room:
        """
        Count one more mail of that day; unless the merchant has had `most`, or the recipient `most_each`.

        A limit of 0 is none. What is not FREE was not counted.
        """
        ...

    async def give_back(self, merchant_id: str, recipient: str, day: date) -> None:
        """Count one less: it was not handed over."""
        ...

    async def forget(self, before: date) -> None:
        """Drop the counts of earlier days."""
        ...


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    state: JobState | None = None
    channel: Channel | None = None
    number: str | None = None
    recipient: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Deliveries(Protocol):
    """One merchant's messages, for people: what was sent to whom, what was answered, and once more."""

    async def deliveries(self, wanted: DeliveryFilter, after: str | None, limit: int) -> Sequence[Job]:
        """Return the newest first, those that come after the message id `after` when it is given."""
        ...

    async def delivery(self, message_id: str) -> tuple[Job, Sequence[Try]] | None: ...

    async def resend(self, message_id: str, at: datetime, actor: Actor) -> Job | None:
        """
        Make it due now, whatever its state, under the same id, and return it. None when there is none.

        What a worker has just now is left to it.
        """
        ...

    async def recover(self, since: datetime, until: datetime, at: datetime, actor: Actor) -> int:
        """Make everything PARKED or HELD that was created in the window due now, and return how many."""
        ...


class Reminders(Protocol):
    """Invoices that may need a reminder, found by query and not by timer."""

    async def merchants_who_remind(self) -> Sequence[str]:
        """Return the merchants whose invoicing settings ask for reminders."""
        ...

    async def due_on(self, merchant_id: str, due: date, after_serial: int, limit: int) -> Sequence[Invoice]:
        """Return SENT and PARTIAL invoices due on that day with a serial above `after_serial`, in its order."""
        ...

    async def was_reminded(self, merchant_id: str, serial: int, kind: str, due: date) -> bool: ...

    async def stopped_at(self, merchant_id: str, serial: int) -> datetime | None:
        """Return since when that invoice's payer gets no reminders; None: reminders are sent."""
        ...

    async def stop(self, merchant_id: str, serial: int, at: datetime, actor: Actor) -> None:
        """Have no reminders sent for that invoice any more."""
        ...

    async def start(self, merchant_id: str, serial: int, at: datetime, actor: Actor) -> None:
        """Have reminders sent for that invoice again."""
        ...
