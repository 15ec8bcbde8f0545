"""HMAC-SHA256 under a shared secret, as HTTP Signature needs it each time: apart because it is made for speed."""

import binascii
from functools import lru_cache
from hashlib import sha256
from typing import Final

_BLOCK_BYTES: Final = 64
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))


class MacKey:
    """
    A key whose two blocks are hashed beforehand.

    A code is then two copies and two short hashes: less than half the time of `hmac.digest`, which hashes both blocks
    and looks up the algorithm each time.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= _BLOCK_BYTES else sha256(key).digest()).ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(block.translate(_INNER_PAD))
        self._outer = sha256(block.translate(_OUTER_PAD))

    def base64_mac(self, message: bytes) -> bytes:
        """Return the message's code in base64: the only spelling of it, so that nobody can send the same one anew."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return binascii.b2a_base64(outer.digest(), newline=False)


@lru_cache(maxsize=1024)
def mac_key(base64_secret: str) -> MacKey:
    """Return the key that a shared secret's base64 text stands for."""
    return MacKey(binascii.a2b_base64(base64_secret))
