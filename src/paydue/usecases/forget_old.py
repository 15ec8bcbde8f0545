"""Forget what is kept for a while only: answers to repeated requests, and what was said in deliveries."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from paydue.usecases.delivery_ports import MailCounts, Outbox
from paydue.usecases.ports import Store

ANSWERS_KEPT: Final = timedelta(hours=48)
DELIVERIES_KEPT: Final = timedelta(days=30)
COUNTS_KEPT: Final = timedelta(days=2)

_AT_ONCE: Final = 500


class Forgotten(NamedTuple):
    answers: int
    tries: int


async def forget_old(store: Store, outbox: Outbox, mail_counts: MailCounts, *, at: datetime) -> Forgotten:
    """
    Drop recorded answers and counts of mails after two days, logged requests and answers of deliveries after thirty.

    That a message was sent, when and with what outcome stays on record.
    """
    await mail_counts.forget((at - COUNTS_KEPT).date())
    answers = await store.forget_answers(at - ANSWERS_KEPT)
    tries = 0
    while True:
        dropped = await outbox.forget_done(at - DELIVERIES_KEPT, _AT_ONCE)
        tries += dropped
        if dropped < _AT_ONCE:
            return Forgotten(answers, tries)
