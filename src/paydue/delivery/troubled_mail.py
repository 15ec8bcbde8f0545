"""
What a mail that never arrives means to others: its address is left alone, and the merchant hears of it.

Apart from `mail_delivery.py` because a mail may come back long after it was handed over.
"""

from collections.abc import Callable
from datetime import datetime

from paydue.delivery.mail_facts import TO_THE_MERCHANT, MailKind, Trouble
from paydue.delivery.notices import Notices
from paydue.domain.mail_address import Suppression, SuppressionReason
from paydue.usecases.delivery_ports import Job, Outbox, Suppressions
from paydue.usecases.ports import Actor, Channel, Message


class TroubledMail:
    """`suppressions_of` opens the addresses that one merchant's mails do not go to."""

    def __init__(self, outbox: Outbox, notices: Notices, suppressions_of: Callable[[str], Suppressions]) -> None:
        self._outbox = outbox
        self._notices = notices
        self._suppressions_of = suppressions_of

    async def suppress(self, job: Job, reason: SuppressionReason, said: str, at: datetime, actor: Actor) -> None:
        """Have no more mails of that merchant go to the mail's recipient."""
        suppression = Suppression(
            address=job.recipient or "", reason=reason, said=said, message_id=job.message_id, at=at
        )
        await self._suppressions_of(job.merchant_id).suppress(suppression, actor)

    async def tell_of(self, job: Job, at: datetime) -> None:
        """Owe the merchant a word about a mail that did not arrive, once; not about one to the merchant."""
        if job.topic in TO_THE_MERCHANT:
            return
        address = await self._notices.address(job.merchant_id)
        if address is not None:
            facts = job.facts | {"trouble": Trouble.MAIL_BOUNCED.value}
            topic = MailKind.NEEDS_ATTENTION.value
            message = Message(channel=Channel.MAIL, topic=topic, recipient=address, facts=facts)
            await self._outbox.add(job, message, at)
