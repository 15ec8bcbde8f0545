"""
A mail on its way: written once from what was announced, kept, and handed to a transport until it is taken or hopeless.

What was written at the first try is what every later one sends, so that a mail that comes twice is the same mail.
"""

import time
from datetime import datetime, timedelta
from typing import Final

from paydue.delivery.bounces import bounce_address
from paydue.delivery.mail_facts import TO_THE_MERCHANT, MailKind, Trouble
from paydue.delivery.mail_headers import UnmailableAddress, mailable
from paydue.delivery.mail_limits import DailyLimit
from paydue.delivery.mail_transport import Fate, Handed, MailTransport, Posting
from paydue.delivery.mail_writer import MailWriter, NothingToSay
from paydue.delivery.sealed import Seal
from paydue.delivery.tries import next_mail_try
from paydue.delivery.worker import Settlement
from paydue.domain.reminders import NOT_LATER_THAN
from paydue.domain.settings import ProductType
from paydue.usecases.delivery_ports import Job, JobState, Outbox, Try
from paydue.usecases.ports import Channel, Clock, Message, Store

_REMINDERS: Final = frozenset((MailKind.REMINDER, MailKind.OVERDUE_REMINDER))
_LONGEST_EXCERPT: Final = 2000
_WITHOUT_A_SERVER: Final = timedelta(minutes=10)


class MailDelivery:
    """
    Delivers the mail jobs of all merchants.

    `domain` is the operator's, which mails come from; `bounce_key` proves the envelope senders that we give out.
    Without a transport mails wait in the outbox until there is one.
    """

    def __init__(
        self,
        *,
        store: Store,
        outbox: Outbox,
        writer: MailWriter,
        transport: MailTransport | None,
        domain: str,
        bounce_key: bytes,
        seal: Seal,
        limit: DailyLimit,
        clock: Clock,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._writer = writer
        self._transport = transport
        self._domain = domain
        self._bounce_key = bounce_key
        self._seal = seal
        self._limit = limit
        self._clock = clock

    async def deliver(self, job: Job) -> Settlement:
        """Have a go at one mail."""
        at = self._clock.now()
        if self._transport is None:
            return Settlement(state=JobState.PENDING, due_at=at + _WITHOUT_A_SERVER)
        if job.topic in _REMINDERS and at >= job.created_at + NOT_LATER_THAN:
            return _settled(JobState.DONE, at, "not sent: a reminder that comes late says what is no longer true")
        if not self._limit.has_room(job.merchant_id, at):
            # No try: nobody was asked, and the mail is as good tomorrow.
            return Settlement(state=JobState.PENDING, due_at=self._limit.next_day(at))
        try:
            recipient = mailable(job.recipient or "")
            content = self._seal.open(job.message_id, job.rendered) or await self._write(job, at)
        except NothingToSay as nothing:
            return _settled(JobState.DONE if nothing.is_well else JobState.PARKED, at, str(nothing))
        except UnmailableAddress as fault:
            return await self._give_up(job, at, _try(at, 0, Handed(fate=Fate.NEVER, outcome=str(fault))))
        posting = Posting(
            message_id=job.message_id,
            sender=bounce_address(job.message_id, self._domain, self._bounce_key),
            recipient=recipient,
            content=content,
        )
        began = time.perf_counter()
        handed = await self._transport.hand_over(posting)
        tried = _try(at, int((time.perf_counter() - began) * 1000), handed, content)
        if handed.fate is Fate.TAKEN:
            self._limit.count(job.merchant_id, at)
            return Settlement(state=JobState.DONE, due_at=at, tried=tried)
        later = next_mail_try(job.tries, self._clock.now()) if handed.fate is Fate.LATER else None
        if later is None:
            return await self._give_up(job, at, tried)
        return Settlement(state=JobState.PENDING, due_at=later, tried=tried)

    async def _write(self, job: Job, at: datetime) -> bytes:
        """Write the mail and keep it. Raises NothingToSay, UnmailableAddress."""
        content = await self._writer.write(job, at)
        await self._outbox.keep_rendered(job, self._seal.close(job.message_id, content))
        return content

    async def _give_up(self, job: Job, at: datetime, tried: Try) -> Settlement:
        """Park the mail, and owe the merchant a word about it. Told first: a crash in between tells nobody twice."""
        if job.topic not in TO_THE_MERCHANT:
            store = self._store.of(job.merchant_id)
            settings = await store.settings(ProductType.INVOICING)
            address = settings.merchant_email or (await store.merchant()).email
            if address is not None:
                facts = job.facts | {"trouble": Trouble.MAIL_BOUNCED.value}
                topic = MailKind.NEEDS_ATTENTION.value
                message = Message(channel=Channel.MAIL, topic=topic, recipient=address, facts=facts)
                await self._outbox.add(job, message, at)
        return Settlement(state=JobState.PARKED, due_at=at, tried=tried)


def _settled(state: JobState, at: datetime, outcome: str) -> Settlement:
    return Settlement(state=state, due_at=at, tried=_try(at, 0, Handed(fate=Fate.NEVER, outcome=outcome)))


def _try(at: datetime, milliseconds: int, handed: Handed, content: bytes = b"") -> Try:
    # The head alone: the body holds the payment link.
    head = content.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
    return Try(
        at=at,
        milliseconds=milliseconds,
        is_taken=handed.fate is Fate.TAKEN,
        outcome=handed.outcome,
        status=handed.status,
        request=head[:_LONGEST_EXCERPT],
        answer=handed.answer,
    )
