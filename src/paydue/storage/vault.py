"""
Envelope encryption: secrets are readable in the database only together with a key file that is kept outside of it.

The key file's key wraps data keys, which lie in the database with a number; the data keys encrypt values. Each
ciphertext names its data key and is bound to its place, so that a copy in another row cannot be read.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from paydue.domain.errors import BrokenFact
from paydue.storage.errors import VaultError

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_NUMBER_BYTES: Final = 4
_OPENED_LATELY: Final = 4096
_FILE_MARK: Final = "paydue-key-1"


# Where a value lies: table, column, row and tenant.
Place = tuple[str, str, str | int, str]


class WrappedDataKey(msgspec.Struct, frozen=True):
    """
    A data key as it lies in the database: its number, the id of the key that wraps it, and the ciphertext.

    It encrypts from the time `used_from` on, ISO text in UTC; an empty one is always over.
    """

    number: int
    wrapped_by: str
    ciphertext: bytes
    used_from: str = ""


# A text that all times come before.
_END_OF_TIME: Final = "~"


def create_key_file(path: Path) -> None:
    """Write a fresh key that only this user can read. Raises VaultError when anything is there already."""
    text = f"{_FILE_MARK} {base64.b64encode(os.urandom(_KEY_BYTES)).decode()}\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise VaultError(f"The key file {path} is there already; it is never overwritten.") from None
    except OSError as error:
        raise VaultError(f"The key file {path} cannot be made: {error.strerror}.") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


class KeyFile:
    """The key that wraps data keys, read from its file."""

    def __init__(self, key: bytes, path: Path) -> None:
        self._aes = AESGCM(key)
        self._path = path
        # Tells a wrong file from a damaged database; a digest of 256 random bits gives nothing away.
        self.key_id: Final = hashlib.sha256(b"paydue key id " + key).hexdigest()[:16]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the key in that file. Raises VaultError when it is missing, open to others, or no key file."""
        try:
            if path.stat().st_mode & 0o077:
                raise VaultError(f"The key file {path} is open to other users: chmod 600 {path}")
            mark, _, encoded = path.read_text(encoding="ascii").strip().partition(" ")
            key = binascii.a2b_base64(encoded, strict_mode=True)
        except FileNotFoundError:
            raise VaultError(f"The key file {path} is missing. Bring it back from its backup.") from None
        except OSError as error:
            raise VaultError(f"The key file {path} cannot be read: {error.strerror}.") from None
        except ValueError:
            mark, key = "", b""
        if mark != _FILE_MARK or len(key) != _KEY_BYTES:
            raise VaultError(f"{path} is not a Paydue key file, or it is damaged.")
        return cls(key, path)

    def new_data_key(self, number: int) -> WrappedDataKey:
        """Return a fresh data key, wrapped."""
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = nonce + self._aes.encrypt(nonce, os.urandom(_KEY_BYTES), _data_key_place(number))
        return WrappedDataKey(number, self.key_id, ciphertext)

    def unwrap(self, wrapped: WrappedDataKey) -> bytes:
        """Return the data key itself. Raises VaultError when another key file wrapped it."""
        if wrapped.wrapped_by != self.key_id:
            raise VaultError(
                f"The key file {self._path} holds key {self.key_id}, this database needs key {wrapped.wrapped_by}."
            )
        nonce, sealed = wrapped.ciphertext[:_NONCE_BYTES], wrapped.ciphertext[_NONCE_BYTES:]
        try:
            return self._aes.decrypt(nonce, sealed, _data_key_place(wrapped.number))
        except (InvalidTag, ValueError):
            raise VaultError(f"Data key {wrapped.number} in the database is damaged.") from None


class Vault:
    """
    Encrypts and decrypts single values.

    AES-256-GCM with random nonces: safe for 2**32 values under one data key.
    """

    def __init__(self, key_file: KeyFile, data_keys: Iterable[WrappedDataKey], now: str = _END_OF_TIME) -> None:
        """Unwrap all data keys; of those used by `now` the highest number encrypts. Raises VaultError."""
        self._key_file = key_file
        self._ciphers: dict[bytes, AESGCM] = {}
        self.learn(data_keys, now)
        # The newest invoices are listed and read again and again: what was opened lately is not opened anew.
        self._opened: dict[tuple[bytes, Place], str] = {}

    def learn(self, data_keys: Iterable[WrappedDataKey], now: str) -> None:
        """Unwrap those that are new, and encrypt by the highest number that is used by `now`. Raises VaultError."""
        used = []
        for wrapped in data_keys:
            name = _number(wrapped.number)
            if name not in self._ciphers:
                self._ciphers[name] = AESGCM(self._key_file.unwrap(wrapped))
            if wrapped.used_from <= now:
                used.append(name)
        if not used:
            raise VaultError("The database holds no data key.")
        self.current = max(used)
        self._encrypt = self._ciphers[self.current].encrypt

    @staticmethod
    def name_of(number: int) -> bytes:
        """Return what the ciphertexts under that data key begin with."""
        return _number(number)

    def encrypt(self, text: str, place: Place) -> bytes:
        """Return `text` as a ciphertext that can be read at `place` only."""
        nonce = os.urandom(_NONCE_BYTES)
        return self.current + nonce + self._encrypt(nonce, text.encode(), _name_of(place))

    def decrypt(self, ciphertext: bytes, place: Place) -> str:
        """Return the text. Raises BrokenFact when it was changed, or written for another place or by another key."""
        known = self._opened.get((ciphertext, place))
        if known is not None:
            return known
        try:
            text = self._ciphers[ciphertext[:4]].decrypt(ciphertext[4:16], ciphertext[16:], _name_of(place)).decode()
        except (KeyError, InvalidTag, ValueError):
            raise BrokenFact(f"the ciphertext at {_name_of(place).decode()} cannot be read there") from None
        if len(self._opened) >= _OPENED_LATELY:
            self._opened.clear()
        self._opened[ciphertext, place] = text
        return text


def _name_of(place: Place) -> bytes:
    """Return the name of a place, which its ciphertext is bound to. Different places never have the same name."""
    table, column, row, tenant = place
    # The length keeps apart ("a|b", "c") and ("a", "b|c").
    return f"{table}|{column}|{len(str(row))}|{row}|{tenant}".encode()


def _data_key_place(number: int) -> bytes:
    return _name_of(("data_keys", "wrapped", number, ""))


def _number(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big")
