"""
Previews of payment pages: addresses that only a signed-in merchant is given, and that end after an hour.

A draft has no payment link. What stands in such an address is signed, so that nothing has to be kept for it.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

# Stands before the ticket, in the place of a payment link's token.
PREVIEW: Final = "preview/"
PREVIEW_LASTS: Final = timedelta(hours=1)
_LONGEST: Final = 1024


class Previewed(msgspec.Struct, frozen=True, array_like=True):
    """What a preview shows, and until when (POSIX seconds)."""

    merchant_id: str
    number: str
    until: int


class Previews:
    """Makes the tickets of previews, and reads them. `secret` lies outside of the database."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"paydue previews", "sha256")

    def ticket(self, merchant_id: str, number: str, at: datetime) -> str:
        """Return what opens that invoice's preview for an hour: letters, digits, `-`, `_` and a point."""
        previewed = Previewed(merchant_id, number, int((at + PREVIEW_LASTS).timestamp()))
        shown = urlsafe_b64encode(msgspec.json.encode(previewed)).decode().rstrip("=")
        return f"{shown}.{self._signature(shown)}"

    def read(self, ticket: str, at: datetime) -> Previewed | None:
        """Return what a ticket opens; None for one that we did not make, or that has ended."""
        shown, _, signature = ticket.partition(".")
        if len(ticket) > _LONGEST or not hmac.compare_digest(self._signature(shown).encode(), signature.encode()):
            return None
        try:
            previewed = msgspec.json.decode(urlsafe_b64decode(shown + "=" * (-len(shown) % 4)), type=Previewed)
        except (Error, msgspec.MsgspecError):
            return None
        return previewed if at < datetime.fromtimestamp(previewed.until, UTC) else None

    def _signature(self, shown: str) -> str:
        return hmac.new(self._secret, shown.encode(), hashlib.sha256).hexdigest()
