"""What every way of sending mail promises: one mail handed over, and what became of it. A port, and no sockets."""

from enum import StrEnum
from typing import Protocol

import msgspec


class Fate(StrEnum):
    """TAKEN: the next server answers for it now. LATER: try again. NEVER: it is refused however often it is tried."""

    TAKEN = "taken"
    LATER = "later"
    NEVER = "never"


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One mail for one recipient: `sender` is where reports about it go, `content` goes out as it is."""

    message_id: str
    sender: str
    recipient: str
    content: bytes


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of it: `outcome` in small words, `status` and `answer` as the server said them, if it did.

    `is_dead_address` tells that the recipient was refused in words that leave no hope for any other mail.
    """

    fate: Fate
    outcome: str
    status: int | None = None
    answer: str = ""
    is_dead_address: bool = False


class MailTransport(Protocol):
    async def hand_over(self, posting: Posting) -> Handed:
        """Hand one mail over and tell what came of it; nothing the other side does raises."""
        ...

    async def close(self) -> None:
        """Let go of what is open."""
        ...
