"""When a mail is tried again, and how a share of chance is drawn that is the same at every try of one message."""

import random
from datetime import datetime, timedelta
from typing import Final

# Mail servers ask strangers to come back after some minutes; a server that is down over night loses nothing.
MAIL_RETRIES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=24),
)
_JITTER: Final = 0.1


def next_mail_try(tries_before: int, at: datetime) -> datetime | None:
    """Return when to try a mail again that has failed once more than `tries_before`; None: never again."""
    if tries_before >= len(MAIL_RETRIES):
        return None
    # Many mails that failed together shall not all come back together.
    return at + MAIL_RETRIES[tries_before] * (1 + random.random() * _JITTER)  # noqa: S311 - no secret


def jitter_of(message_id: str) -> float:
    """Return the message's share of jitter, from 0 to 1, the same in every process."""
    return int(message_id.replace("-", "")[-8:], 16) / 0xFFFFFFFF
