"""What both ways of signing share: the request as it arrived, the caller it proves, the settings, and the refusals."""

import math
from typing import Final, Literal, NoReturn

import msgspec

from paydue.usecases.access_keys import AccessKey, KeyKind

METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})

_LONGEST_KEY_ID: Final = 128


class SignedRequest(msgspec.Struct, frozen=True):
    """
    A request as it came over the wire, before anybody believes it.

    `target` is the raw path and, if there is one, `?` and the query, exactly as sent: never decoded or normalised.
    `headers` have lower-case names. `client` is the address that the configured proxies vouch for.
    """

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    client: str | None = None


class Caller(msgspec.Struct, frozen=True):
    """Who is calling: the merchant whose books are open to this request, spelled as the key spells it, and the key."""

    merchant_id: str
    key_id: str


class AuthOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the operator may choose about authentication.

    `window_seconds` holds either way for dates, and as clock skew for tokens. `hints` belongs to the demo alone: it
    tells a stranger which part of a signature is wrong. A limit of 0 is no limit.
    """

    accept_jwt_v1: bool = False
    replay: Literal["accept", "reject"] = "accept"
    window_seconds: int = 300
    retry_one_second_earlier: bool = False
    hints: bool = False
    failures_per_minute: int = 20
    requests_per_second: int = 100
    burst: int = 500


class NotAuthenticated(Exception):
    """
    The request proves nobody. Every reason has this one type, for every reason gets the same answer.

    `reason` is for the log only. `hint` helps the caller and is empty unless `AuthOptions.hints` is set; it is plain
    ASCII on one line and holds neither a secret nor the signature we would have accepted. `key_id` is what the caller
    claimed, proved or not.
    """

    def __init__(self, reason: str, hint: str = "", key_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.key_id = key_id


class TooManyRequests(Exception):
    """A limit on requests or on wrong signatures is used up; `retry_after` is in whole seconds."""

    def __init__(self, reason: str, wait_seconds: float, key_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = max(1, math.ceil(wait_seconds))
        self.key_id = key_id


def covered_merchant(key: AccessKey, merchant: str) -> str:
    """Return that merchant as the key spells it. Raises NotAuthenticated when the key may not act for it."""
    if merchant in key.merchants:
        return merchant
    wanted = merchant.casefold()
    for covered in key.merchants:
        if covered.casefold() == wanted:
            return covered
    refuse(
        f"merchant {shown(merchant)} is not covered by key {key.key_id}",
        f"v-c-merchant-id: this key may not act for merchant {shown(merchant)}",
        key.key_id,
    )


def usable_key(key: AccessKey | None, key_id: str, wanted: KeyKind | None = None) -> AccessKey:
    """Return the key that was found. Raises NotAuthenticated when it is none, revoked, or not of the wanted kind."""
    if key is None:
        refuse(f"unknown key {shown(key_id)}", f"key id {shown(key_id)}: there is no such key here", key_id)
    if key.is_revoked:
        refuse(f"revoked key {key_id}", f"key id {key_id}: this key was revoked", key_id)
    if wanted is not None and key.kind is not wanted:
        refuse(f"key {key_id} is of kind {key.kind}, not {wanted}", key_id=key_id)
    return key


def checked_key_id(text: str) -> str:
    """Return a key id that a look-up can be asked for. Raises NotAuthenticated for what no key id can look like."""
    # Others would reach the database: PostgreSQL refuses NUL and lone surrogates with an error of its own.
    if 0 < len(text) <= _LONGEST_KEY_ID and text.isascii() and text.isprintable():
        return text
    refuse(f"malformed key id {shown(text)}")


def refuse(reason: str, hint: str | None = None, key_id: str | None = None) -> NoReturn:
    """Raise NotAuthenticated; without a hint of its own, the reason serves as one."""
    raise NotAuthenticated(reason, reason if hint is None else hint, key_id)


def shown(value: str | bytes, at_most: int = 300) -> str:
    """Return a foreign value fit for one line of a log or a header: printable ASCII, cut, the rest escaped."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    cut = text if len(text) <= at_most else text[:at_most] + "..."
    return "".join(
        each if " " <= each <= "~" and each != "\\" else each.encode("unicode_escape", "surrogatepass").decode()
        for each in cut
    )
