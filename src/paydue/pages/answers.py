"""What pages answer with, and the few ASGI types that they need: pages and the API are strangers to each other."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]


class Answer(msgspec.Struct, frozen=True):
    """A whole answer, with the headers that belong to its surface; those common to all are added when it is sent."""

    status: int
    body: bytes
    headers: tuple[Header, ...]
