"""Forget what is kept for a while only: answers to repeated requests, and what was said in deliveries."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from paydue.usecases.delivery_ports import Outbox
from paydue.usecases.ports import Store

ANSWERS_KEPT: Final = timedelta(hours=48)
DELIVERIES_KEPT: Final = timedelta(days=30)

_AT_ONCE: Final = 500


class Forgotten(NamedTuple):
    answers: int
    tries: int


async def forget_old(store: Store, outbox: Outbox, *, at: datetime) -> Forgotten:
    """
    Drop recorded answers after two days, and logged requests and answers of deliveries after thirty.

    That a message was sent, when and with what outcome stays on record.
    """
    answers = await store.forget_answers(at - ANSWERS_KEPT)
    tries = 0
    while True:
        dropped = await outbox.forget_done(at - DELIVERIES_KEPT, _AT_ONCE)
        tries += dropped
        if dropped < _AT_ONCE:
            return Forgotten(answers, tries)
