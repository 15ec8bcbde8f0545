"""What the machine itself gives: its time, and secrets and names from its chance."""

import os
import time
import uuid
from datetime import UTC, datetime
from typing import Final


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def nanoseconds(self) -> int:
        return time.time_ns()


class SystemIds:
    """Fresh names that nobody else has."""

    def attempt_id(self) -> str:
        return str(uuid.uuid4())


class SystemSecrets:
    """Fresh secrets from the operating system."""

    def __init__(self) -> None:
        self._milliseconds = 0
        self._start = ""

    def payment_token(self) -> str:
        """
        Return 64 characters of `[A-Za-z0-9]`: eight that rise with the time, and 56 that nobody can guess.

        Links that are made together so lie together in the index that opens them: a create dirties no page of its
        own there, which halves what it costs. Of the random ones each is equally likely: bytes that would favour some
        are dropped.
        """
        milliseconds = time.time_ns() // 1_000_000
        if milliseconds != self._milliseconds:
            self._milliseconds, self._start = milliseconds, _in_base_62(milliseconds)
        chance = b""
        while len(chance) < _CHANCE_LENGTH:
            chance += os.urandom(80).translate(_LETTERS, _UNEVEN)
        return self._start + chance[:_CHANCE_LENGTH].decode()


_START_LENGTH: Final = 8
_CHANCE_LENGTH: Final = 56
# In the order of their codes, so that what is written in them sorts by its value.
_ALPHABET: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTERS: Final = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_UNEVEN: Final = bytes(range(256 - 256 % len(_ALPHABET), 256))


def _in_base_62(number: int) -> str:
    digits = bytearray(_START_LENGTH)
    for place in reversed(range(_START_LENGTH)):
        number, digit = divmod(number, len(_ALPHABET))
        digits[place] = _ALPHABET[digit]
    return digits.decode()
