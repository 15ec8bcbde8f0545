"""What was written for a message, sealed: it holds the payment link, which the database must not show by itself."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Seal:
    """Seals and opens under a key of 32 bytes that lies outside of the database."""

    def __init__(self, key: bytes) -> None:
        self._aes = AESGCM(key)

    def close(self, message_id: str, content: bytes) -> bytes:
        """Return the content so that only we can read it, and only as that message's."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aes.encrypt(nonce, content, message_id.encode())

    def open(self, message_id: str, sealed: bytes | None) -> bytes | None:
        """Return what was sealed; None when there is nothing, or the key file was replaced meanwhile."""
        if sealed is None:
            return None
        try:
            return self._aes.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], message_id.encode())
        except InvalidTag:
            return None
