"""One authenticated request on its way to a handler, and the bodies handlers read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from paydue.domain.errors import Fault, InvalidFields
from paydue.usecases.ports import Actor, Answer, MerchantStore, Receipt
from paydue.wire.idempotency import ReceiptMaker
from paydue.wire.strict_json import parse_object

_ENCRYPTED: Final = "encryptedRequest"


class Request(msgspec.Struct, kw_only=True):
    """
    `values` stood for the placeholders of the path, `store` is opened for the caller's merchant, `nanoseconds` since
    1970 is the request's one and only "now".
    """

    values: tuple[str, ...]
    query: bytes
    body: bytes
    store: MerchantStore
    actor: Actor
    nanoseconds: int
    submit_time: str
    receipt_maker: ReceiptMaker | None = None

    @property
    def at(self) -> datetime:
        """The present, to the microsecond."""
        seconds, nanoseconds = divmod(self.nanoseconds, 1_000_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)

    def receipt(self, write: Callable[[Any], Answer]) -> Receipt | None:
        """Return the receipt to keep with the change, when the caller sent an `Idempotency-Key`."""
        return self.receipt_maker(write) if self.receipt_maker is not None else None

    @property
    def idempotency_key(self) -> str | None:
        """The caller's `Idempotency-Key`, for what is made once by another means than a receipt."""
        return self.receipt_maker(lambda _: Answer(204, b"")).key if self.receipt_maker is not None else None

    def document(self) -> dict[str, Any]:
        """Return the body's JSON object. Raises MalformedJson; InvalidFields for a body that is encrypted."""
        document = parse_object(self.body)
        if _ENCRYPTED in document and len(document) == 1:
            raise InvalidFields(
                (Fault(_ENCRYPTED, "Encrypted requests are not supported: send the plain JSON object"),)
            )
        return document

    def check_ignored_body(self) -> None:
        """Accept the body of a call that has none: nothing, or any JSON object. Raises MalformedJson."""
        if self.body and self.body != b"{}":
            self.document()
