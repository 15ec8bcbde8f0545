"""How a gateway calls its processor: handed in by whoever sets it up, for this room opens no connections."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """
    What came of a call. `status` is None when no whole answer came.

    `was_sent` is False only when the request certainly did not reach the processor: nothing can have come of it. A
    broken connection, or an answer that took too long, says nothing of the kind.
    """

    status: int | None
    body: bytes = b""
    was_sent: bool = True


class Send(Protocol):
    async def __call__(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, seconds: float
    ) -> Reply:
        """Send one request, once, and wait so long for the whole answer. Nothing the other side does raises."""
        ...
