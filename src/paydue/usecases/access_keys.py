"""
The keys that callers prove themselves with, how a new one is made, and what verifying needs from outside.

Apart from `ports.py` because keys belong to the door, not to invoices: no use case reads one.
"""

import base64
import binascii
import hmac
import secrets
import uuid
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

_SHARED_SECRET_BYTES: Final = 32


class Secret:
    """A text that no log, traceback or `repr` shows: only `reveal()` gives it away, and that can be searched for."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        return self.__text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.__text.encode(), other.__text.encode())

    def __hash__(self) -> int:
        return hash(self.__text)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("A secret is not pickled.")


class KeyKind(StrEnum):
    """What a key consists of. It alone decides which algorithms a caller may use."""

    SHARED_SECRET = "shared_secret"
    CERTIFICATE = "certificate"


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """
    One key that a merchant's programs sign requests with.

    `secret` is the base64 text that a shared-secret key is shown as, `certificate_der` the certificate of the other
    kind; exactly the one that `kind` names is there. `portfolio_id` makes it a meta key: the owner's portfolio, whose
    id is signed in place of the merchant's. `merchants` are those it may act for: the owner alone for an ordinary key.
    """

    key_id: str
    merchant_id: str
    kind: KeyKind
    secret: Secret | None = None
    certificate_der: bytes | None = None
    portfolio_id: str | None = None
    merchants: tuple[str, ...]
    is_revoked: bool = False

    def __post_init__(self) -> None:
        """Refuse, as ValueError, a key that no request could be verified with."""
        if (self.secret is not None) != (self.kind is KeyKind.SHARED_SECRET):
            raise ValueError(f"Key {self.key_id}: a secret belongs to a shared-secret key, and only there.")
        if (self.certificate_der is not None) != (self.kind is KeyKind.CERTIFICATE):
            raise ValueError(f"Key {self.key_id}: a certificate belongs to a certificate key, and only there.")
        if self.secret is not None and not _is_base64(self.secret.reveal()):
            raise ValueError(f"Key {self.key_id}: the shared secret is not base64.")


class Keyring(Protocol):
    """
    Where keys are looked up.

    An implementation may answer from memory for at most five seconds, so that a revoked key stops working at once
    for all practical purposes. An answer from memory does not wait for anything.
    """

    async def find(self, key_id: str) -> AccessKey | None: ...

    async def find_certificate(self, sha256_of_der: bytes) -> AccessKey | None: ...


class ReplayGuard(Protocol):
    """The memory of what may be presented only once."""

    async def first_use(self, key: AccessKey, jti: str, until: datetime) -> bool:
        """
        Remember `jti` for that key until then, and say whether it was new: insert or fail, in one step.

        Raises ReplayMemoryFull when it can take no more, StoreUnavailable where several nodes share it.
        """
        ...


class ReplayMemoryFull(Exception):
    """No further one-time value can be remembered, so none can be accepted for now."""


def one_time_mark(key: AccessKey, jti: str) -> bytes:
    """Return what stands for a one-time value: 16 bytes, whatever the caller chose."""
    return blake2b(f"{len(key.key_id)}:{key.key_id}{jti}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def new_key_id() -> str:
    return str(uuid.uuid4())


def new_shared_secret() -> Secret:
    """Return 32 fresh random bytes, as the base64 text that client libraries are configured with."""
    return Secret(base64.b64encode(secrets.token_bytes(_SHARED_SECRET_BYTES)).decode())


def _is_base64(text: str) -> bool:
    try:
        return bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        return False
