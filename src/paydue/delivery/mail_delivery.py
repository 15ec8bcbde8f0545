"""
A mail on its way: written once from what was announced, kept, and handed to a transport until it is taken or hopeless.

What was written at the first try is what every later one sends, so that a mail that comes twice is the same mail.
"""

import time
from datetime import datetime, timedelta
from typing import Final

from paydue.delivery.bounces import bounce_address
from paydue.delivery.mail_facts import REMINDERS, TO_THE_MERCHANT, MailKind
from paydue.delivery.mail_headers import UnmailableAddress, mailable
from paydue.delivery.mail_limits import DailyLimit, next_day
from paydue.delivery.mail_transport import Fate, Handed, MailTransport, Posting
from paydue.delivery.mail_writer import MailWriter, NothingToSay
from paydue.delivery.notices import Notices
from paydue.delivery.sealed import Seal
from paydue.delivery.tries import next_mail_try
from paydue.delivery.troubled_mail import TroubledMail
from paydue.delivery.worker import Settlement
from paydue.domain.mail_address import SuppressionReason
from paydue.domain.reminders import NOT_LATER_THAN
from paydue.usecases.delivery_ports import Job, JobState, Outbox, Room, Try
from paydue.usecases.ports import Actor, Clock, Store

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
        notices: Notices,
        trouble: TroubledMail,
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
        self._notices = notices
        self._trouble = trouble
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
        if job.topic in REMINDERS and at >= job.created_at + NOT_LATER_THAN:
            return _settled(JobState.DONE, at, "not sent: a reminder that comes late says what is no longer true")
        try:
            posting = await self._posting(job, at)
        except NothingToSay as nothing:
            return _settled(JobState.DONE if nothing.is_well else JobState.PARKED, at, str(nothing))
        except UnmailableAddress as fault:
            return await self._give_up(job, at, _try(at, 0, Handed(fate=Fate.NEVER, outcome=str(fault))))
        if not await self._has_room(job, at):
            # No try: nobody was asked, and the mail is as good tomorrow.
            return Settlement(state=JobState.PENDING, due_at=next_day(at))
        return await self._hand_over(job, posting, self._transport, at)

    async def _posting(self, job: Job, at: datetime) -> Posting:
        """Return the mail with its envelope, written and kept if it was not. Raises NothingToSay, UnmailableAddress."""
        address = job.recipient or ""
        suppression = await self._store.of(job.merchant_id).suppression(address)
        if suppression is not None and suppression.stops(is_reminder=job.topic in REMINDERS):
            raise NothingToSay(f"not sent: the address is suppressed since {suppression.at:%Y-%m-%d}")
        recipient = mailable(address)
        content = self._seal.open(job.message_id, job.rendered)
        if content is None:
            content = await self._writer.write(job, at)
            await self._outbox.keep_rendered(job, self._seal.close(job.message_id, content))
        return Posting(
            message_id=job.message_id,
            sender=bounce_address(job.message_id, self._domain, self._bounce_key),
            recipient=recipient,
            content=content,
        )

    async def _has_room(self, job: Job, at: datetime) -> bool:
        """Count a mail to a payer; and tell the merchant, once a day, when there were as many as there may be."""
        if job.topic in TO_THE_MERCHANT:
            return True
        merchant = await self._store.of(job.merchant_id).merchant()
        room = await self._limit.take(merchant, job.recipient or "", at)
        if room is Room.MERCHANT_FULL:
            facts = {"day": f"{at:%Y-%m-%d}", "limit": str(self._limit.limits.in_all_of(merchant, at))}
            await self._notices.tell(job.merchant_id, MailKind.MAIL_LIMIT, facts, at)
        return room is Room.FREE

    async def _hand_over(self, job: Job, posting: Posting, transport: MailTransport, at: datetime) -> Settlement:
        began = time.perf_counter()
        handed = await transport.hand_over(posting)
        tried = _try(at, int((time.perf_counter() - began) * 1000), handed, posting.content)
        if handed.fate is Fate.TAKEN:
            return Settlement(state=JobState.DONE, due_at=at, tried=tried)
        if job.topic not in TO_THE_MERCHANT:
            await self._limit.give_back(job.merchant_id, job.recipient or "", at)
        later = next_mail_try(job.tries, self._clock.now()) if handed.fate is Fate.LATER else None
        if later is not None:
            return Settlement(state=JobState.PENDING, due_at=later, tried=tried)
        if handed.is_dead_address:
            said = f"{handed.status} {handed.answer}"
            await self._trouble.suppress(job, SuppressionReason.REFUSED, said, at, Actor("worker", job.message_id))
        return await self._give_up(job, at, tried)

    async def _give_up(self, job: Job, at: datetime, tried: Try) -> Settlement:
        """Park the mail, and owe the merchant a word about it. Told first: a crash in between tells nobody twice."""
        await self._trouble.tell_of(job, at)
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
