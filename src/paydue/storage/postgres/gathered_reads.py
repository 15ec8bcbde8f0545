"""
Reading invoices for many callers at once: those who come while a read is under way are served by the next one together.

Apart from the pool because a round trip costs both sides several times what finding one more row does. A lonely caller
waits for nobody.
"""

import asyncio
from collections import deque
from typing import Final

from paydue.domain.errors import StoreBusy, StoreUnavailable
from paydue.storage.postgres.sessions import Readers
from paydue.storage.rows import Row

_AT_ONCE: Final = 128
_WAITING: Final = 4096

_Wish = tuple[str, str, asyncio.Future[Row | None]]


class InvoiceReads:
    """Finds rows by merchant and number: by the statement for `one`, or by the one for `many` wishes at once."""

    def __init__(self, readers: Readers, one: str, many: str) -> None:
        self._read = readers.read
        self._one = one
        self._many = many
        self._waiting: deque[_Wish] = deque()
        self._is_reading = False
        self._serving: asyncio.Task[None] | None = None

    async def find(self, merchant_id: str, number: str) -> Row | None:
        """Return the row of that invoice as last committed. Raises StoreUnavailable, StoreBusy."""
        if not self._is_reading:
            self._is_reading = True
            try:
                found = await self._read(self._one, merchant_id, number)
            finally:
                self._serve_who_came_meanwhile()
            return found[0] if found else None
        if not (_can_be_stored(merchant_id) and _can_be_stored(number)):
            # One such value would fail the others' read too.
            return None
        if len(self._waiting) >= _WAITING:
            raise StoreBusy(f"{_WAITING} reads are waiting")
        wished: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((merchant_id, number, wished))
        return await wished

    def _serve_who_came_meanwhile(self) -> None:
        if self._waiting:
            self._serving = asyncio.get_running_loop().create_task(self._serve())
        else:
            self._is_reading = False

    async def _serve(self) -> None:
        try:
            while self._waiting:
                wishes = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
                await self._serve_together([wish for wish in wishes if not wish[2].done()])
        finally:
            self._is_reading = False

    async def _serve_together(self, wishes: list[_Wish]) -> None:
        try:
            merchants = [merchant_id for merchant_id, _, _ in wishes]
            numbers = [number for _, number, _ in wishes]
            found = await self._read(self._many, "\n".join(dict.fromkeys(merchants)), merchants, numbers)
        except StoreUnavailable as failure:
            for _, _, wished in wishes:
                if not wished.done():
                    # One exception object each: a shared one would gather the tracebacks of all callers.
                    wished.set_exception(type(failure)(*failure.args))
            return
        except BaseException:
            for _, _, wished in wishes:
                if not wished.done():
                    wished.set_exception(StoreUnavailable("the read was given up"))
            raise
        for place, *row in found:
            wished = wishes[place - 1][2]
            if not wished.done():
                wished.set_result(tuple(row))
        for _, _, wished in wishes:
            if not wished.done():
                wished.set_result(None)


def _can_be_stored(text: str) -> bool:
    if text.isascii():
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
