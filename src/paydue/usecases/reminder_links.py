"""
Links by which a payer stops the reminders of one invoice: made for a mail, kept nowhere, and good for nothing else.

Apart from the payment link, because mail programs and the servers between open this one by themselves.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Final

import msgspec

REMINDERS_PATH: Final = "/reminders/"

_LONGEST: Final = 512
_PROOF_BYTES: Final = 16


class RemindedInvoice(msgspec.Struct, frozen=True, array_like=True):
    """Whose reminders a link is about."""

    merchant_id: str
    serial: int
    number: str


class ReminderLinks:
    """Makes the tickets of such links, and reads them. `secret` lies outside of the database."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"paydue reminder links", "sha256")

    def ticket(self, invoice: RemindedInvoice) -> str:
        """Return what stands for that invoice in a link: letters, digits, `-` and `_`."""
        shown = msgspec.json.encode(invoice)
        return urlsafe_b64encode(self._proof(shown) + shown).decode().rstrip("=")

    def read(self, ticket: str) -> RemindedInvoice | None:
        """Return the invoice of a ticket; None for one that we did not make."""
        if len(ticket) > _LONGEST or not ticket.isascii():
            return None
        try:
            whole = urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
        except Error:
            return None
        proof, shown = whole[:_PROOF_BYTES], whole[_PROOF_BYTES:]
        if not hmac.compare_digest(self._proof(shown), proof):
            return None
        return msgspec.json.decode(shown, type=RemindedInvoice)

    def _proof(self, shown: bytes) -> bytes:
        return hmac.digest(self._secret, shown, "sha256")[:_PROOF_BYTES]
