"""
`Idempotency-Key`: a POST repeated with the same key is answered as it was the first time, and done once.

The first answer is kept in the transaction of the change it tells of, so that no crash can part the two. Answers that
changed nothing (refusals, validation errors) are not kept: repeating those is harmless.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from paydue.domain.card_numbers import holds_card_number
from paydue.domain.errors import Fault, IdempotencyKeyInUse, IdempotencyKeyReused, InvalidFields
from paydue.usecases.ports import Answer, MerchantStore, Receipt, ReceiptExists
from paydue.wire.fields import CARD_NUMBER

HEADER: Final = b"idempotency-key"
_FORM = re.compile(rb"[\x21-\x7e]{1,255}")

# Turns "how the answer is written from what was stored" into the receipt to keep with it.
ReceiptMaker = Callable[[Callable[[Any], Answer]], Receipt]


class IdempotentPosts:
    """The keys whose first request is running in this process."""

    def __init__(self) -> None:
        self._running: set[tuple[str, str]] = set()

    async def once(
        self,
        store: MerchantStore,
        key: bytes,
        request: bytes,
        run: Callable[[ReceiptMaker], Awaitable[Answer]],
    ) -> tuple[Answer, bool]:
        """
        Return the answer and whether it is a repeated one.

        `request` is what makes two requests the same (method, target and body); `run` executes it. Raises
        IdempotencyKeyReused for another request under the same key, IdempotencyKeyInUse while the first is running.
        """
        if not _FORM.fullmatch(key):
            raise InvalidFields((Fault("Idempotency-Key", "Invalid: 1 to 255 visible ASCII characters are needed"),))
        if holds_card_number(key.decode("ascii")):
            raise InvalidFields((Fault("Idempotency-Key", CARD_NUMBER),))
        text, fingerprint = key.decode("ascii"), hashlib.sha256(request).digest()
        running = (store.merchant_id, text)
        if running in self._running:
            raise IdempotencyKeyInUse(text)
        self._running.add(running)
        try:
            if (answer := await self._recorded(store, text, fingerprint)) is not None:
                return answer, True
            try:
                return await run(lambda write: Receipt(text, fingerprint, write)), False
            except ReceiptExists:
                # Another node kept the same key first.
                answer = await self._recorded(store, text, fingerprint)
                if answer is None:
                    raise IdempotencyKeyInUse(text) from None
                return answer, True
        finally:
            self._running.discard(running)

    @staticmethod
    async def _recorded(store: MerchantStore, key: str, fingerprint: bytes) -> Answer | None:
        recorded = await store.recorded_answer(key)
        if recorded is None:
            return None
        if recorded.fingerprint != fingerprint:
            raise IdempotencyKeyReused(key)
        return recorded.answer
