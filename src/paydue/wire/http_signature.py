"""
HTTP Signature: rebuild the string that a request's headers say was signed, and compare.

The order of the checks is fixed: form of the header, what had to be signed, key, signature, digest, date, host,
merchant, repetition. What is the same in every request of a client (the layout of its header, its list of signed
names) is worked out once and remembered.
"""

import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from operator import itemgetter
from typing import Final, NoReturn

import msgspec

from paydue.usecases.access_keys import AccessKey, KeyKind, Keyring, ReplayGuard
from paydue.wire.allowed_hosts import AllowedHosts
from paydue.wire.authentication import (
    METHODS_WITH_BODY,
    AuthOptions,
    Caller,
    SignedRequest,
    checked_key_id,
    covered_merchant,
    refuse,
    shown,
    usable_key,
)
from paydue.wire.http_date import read_http_date, write_http_date
from paydue.wire.shared_secret import MacKey, mac_key
from paydue.wire.signature_hints import why_it_differs

_LONGEST_HEADER: Final = 4096
_MOST_NAMES: Final = 32
_ALGORITHMS: Final = frozenset({b"hmacsha256", b"hmac-sha256"})
_TARGETS: Final = (b"request-target", b"(request-target)")
_DATES: Final = (b"v-c-date", b"date")
_MERCHANT: Final = b"v-c-merchant-id"
_SIGNATURE: Final = b'signature="'
_NAME: Final = re.compile(rb"[a-z0-9-]+|\(request-target\)")
_FIRST_NAME: Final = re.compile(rb"\s*([A-Za-z]+)\s*=\s*")
_NEXT_NAME: Final = re.compile(rb"\s*,\s*([A-Za-z]+)\s*=\s*")

# An unknown key costs the same work as a known one, so that the time of an answer does not tell them apart.
_DUMMY_KEY: Final = MacKey(bytes(32))


class _SignedNames(msgspec.Struct, frozen=True, kw_only=True):
    """A client's list of signed names, made ready: how to collect the values, and the text they are put into."""

    names: tuple[bytes, ...]
    target: bytes
    collect: Callable[[dict[bytes, bytes]], tuple[bytes, ...]]
    template: bytes
    host_at: int
    date_at: int
    digest_at: int | None


class HttpSignatures:
    """Tells who signed a request with a shared secret."""

    def __init__(self, keyring: Keyring, replay_guard: ReplayGuard, hosts: AllowedHosts, options: AuthOptions) -> None:
        self._keyring = keyring
        self._replay_guard = replay_guard
        self._hosts = hosts
        self._options = options

    async def caller(self, request: SignedRequest, fields: dict[bytes, bytes], now: float) -> Caller:
        """
        Return who signed the request. `fields` are its headers, none of them there twice; they are used up. `now` is
        POSIX time.

        Raises NotAuthenticated with the first thing that is wrong, ReplayMemoryFull.
        """
        key_id, signed, signature = _read_header(fields[b"signature"])
        if signed.digest_at is None and (request.body or request.method in METHODS_WITH_BODY):
            refuse("Signature: headers= lacks digest, which a request with a body has to sign", key_id=key_id)
        found = await self._keyring.find(key_id)
        merchant = fields.get(_MERCHANT, b"").strip()
        fields[signed.target] = _signed_method(request.method) + request.target
        if found is not None and found.portfolio_id is not None:
            # A meta key signs its portfolio's id, and sends the merchant's.
            fields[_MERCHANT] = found.portfolio_id.encode()
        values = _signed_values(signed, fields, key_id)
        key, values = self._verify_signature(found, key_id, signed, values, signature)
        if signed.digest_at is not None:
            _verify_digest(values[signed.digest_at], request.body, key_id)
        sent = self._verify_date(values[signed.date_at], now, key_id)
        if not self._hosts.allows(values[signed.host_at]):
            self._refuse_host(values[signed.host_at], key_id)
        caller = Caller(covered_merchant(key, merchant.decode("latin-1")), key_id)
        if self._options.replay == "reject":
            await self._refuse_repetition(key, signature, sent)
        return caller

    def _verify_signature(
        self, found: AccessKey | None, key_id: str, signed: _SignedNames, values: tuple[bytes, ...], given: bytes
    ) -> tuple[AccessKey, tuple[bytes, ...]]:
        """Return the key and the values that it signed. Raises NotAuthenticated."""
        secret = found.secret.reveal() if found is not None and found.secret is not None else None
        mac = _DUMMY_KEY if secret is None else mac_key(secret)
        matches = compare_digest(mac.base64_mac(signed.template % values), given)
        key = usable_key(found, key_id, KeyKind.SHARED_SECRET)
        if matches:
            return key, values
        earlier = _one_second_earlier(signed, values) if self._options.retry_one_second_earlier else None
        if earlier is not None and compare_digest(mac.base64_mac(signed.template % earlier), given):
            return key, earlier
        hint = ""
        if self._options.hints and secret is not None:
            hint = why_it_differs(key, secret, dict(zip(signed.names, values, strict=True)), given, self._hosts)
        refuse(f"wrong signature with key {key_id}", hint, key_id)

    def _verify_date(self, text: bytes, now: float, key_id: str) -> float:
        """Return the POSIX time that was signed. Raises NotAuthenticated outside the window."""
        posix = read_http_date(text)
        if posix is None:
            refuse(f"unreadable date {shown(text)}; wanted is the form {write_http_date(0).decode()}", key_id=key_id)
        # To the second, like the date itself: 300 s old is still good for the whole of that second.
        seconds = int(now) - int(posix)
        if abs(seconds) > self._options.window_seconds:
            difference = f"{abs(seconds)} s {'behind' if seconds > 0 else 'ahead of'} the server's clock"
            limit = f"{self._options.window_seconds} s are allowed"
            refuse(
                f"date {shown(text)} is {difference} ({write_http_date(now).decode()}); {limit}",
                f"date: {difference}; {limit}",
                key_id,
            )
        return posix

    def _refuse_host(self, host: bytes, key_id: str) -> NoReturn:
        own = b", ".join(self._hosts).decode("latin-1")
        refuse(
            f"host {shown(host)} is not allowed",
            f"host: {shown(host)} is none of this server's names ({shown(own)}); add it to the setting allowed_hosts",
            key_id,
        )

    async def _refuse_repetition(self, key: AccessKey, signature: bytes, sent: float) -> None:
        until = datetime.fromtimestamp(sent + self._options.window_seconds + 1, UTC)
        if not await self._replay_guard.first_use(key, f"http-signature {signature.decode('latin-1')}", until):
            refuse("repeated request", "signature: this very request was answered before", key.key_id)


def _read_header(header: bytes) -> tuple[str, _SignedNames, bytes]:
    """Return key id, signed names and signature. Raises NotAuthenticated."""
    if len(header) > _LONGEST_HEADER:
        refuse(f"Signature: longer than {_LONGEST_HEADER} bytes")
    head, mark, rest = header.rpartition(_SIGNATURE)
    if mark and rest.find(b'"') == len(rest) - 1:
        # As clients write it: what stands before their signature is the same in all their requests.
        key_id, names = _read_head(head)
        return key_id, names, rest[:-1]
    return _read_parts(header)


@lru_cache(maxsize=1024)
def _read_head(head: bytes) -> tuple[str, _SignedNames]:
    key_id, names, _ = _read_parts(b'%b%b"' % (head, _SIGNATURE))
    return key_id, names


def _read_parts(header: bytes) -> tuple[str, _SignedNames, bytes]:
    # Values are in the odd places, what stands between them in the even ones.
    parts = header.split(b'"')
    if len(parts) % 2 == 0:
        refuse("Signature: a quotation mark is missing")
    layout = _read_layout(tuple(parts[::2]))
    key_id = checked_key_id(parts[layout.key_id_at].decode("latin-1"))
    if layout.algorithm_at is not None and parts[layout.algorithm_at].lower() not in _ALGORITHMS:
        refuse(f"Signature: algorithm {shown(parts[layout.algorithm_at])}, not HmacSHA256", key_id=key_id)
    return key_id, _read_signed_names(parts[layout.names_at]), parts[layout.signature_at]


class _Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a header that was split at its quotation marks the values stand."""

    key_id_at: int
    algorithm_at: int | None
    names_at: int
    signature_at: int


@lru_cache(maxsize=256)
def _read_layout(between: tuple[bytes, ...]) -> _Layout:
    places: dict[bytes, int] = {}
    for number, text in enumerate(between[:-1]):
        match = (_FIRST_NAME if number == 0 else _NEXT_NAME).fullmatch(text)
        if match is None:
            refuse(f"Signature: {shown(text)} is not the name of a value")
        if (name := match[1].lower()) in places:
            refuse(f"Signature: {shown(name)} is there twice")
        places[name] = 2 * number + 1
    if between[-1].strip():
        refuse(f"Signature: {shown(between[-1])} is left over")
    for name in (b"keyid", b"headers", b"signature"):
        if name not in places:
            refuse(f"Signature: {name.decode()} is missing")
    return _Layout(
        key_id_at=places[b"keyid"],
        algorithm_at=places.get(b"algorithm"),
        names_at=places[b"headers"],
        signature_at=places[b"signature"],
    )


@lru_cache(maxsize=256)
def _read_signed_names(text: bytes) -> _SignedNames:
    names = tuple(text.split())
    if len(names) > _MOST_NAMES:
        refuse(f"Signature: headers= names more than {_MOST_NAMES} headers")
    for name in names:
        if not _NAME.fullmatch(name):
            refuse(f"Signature: headers= names {shown(name)}, which is not a lower-case header name")
        if names.count(name) > 1:
            refuse(f"Signature: headers= names {shown(name)} twice")
    targets = [name for name in _TARGETS if name in names]
    # Where both dates are signed, the one that browsers and proxies never touch counts.
    dates = [name for name in _DATES if name in names]
    for wanted, is_there in (
        (b"host", b"host" in names),
        (b"request-target", len(targets) == 1),
        (b"date (or v-c-date)", bool(dates)),
        (_MERCHANT, _MERCHANT in names),
    ):
        if not is_there:
            refuse(f"Signature: headers= has to name {wanted.decode()} once")
    return _SignedNames(
        names=names,
        target=targets[0],
        collect=itemgetter(*names),
        template=b"\n".join(name + b": %b" for name in names),
        host_at=names.index(b"host"),
        date_at=names.index(dates[0]),
        digest_at=names.index(b"digest") if b"digest" in names else None,
    )


def _signed_values(signed: _SignedNames, fields: dict[bytes, bytes], key_id: str) -> tuple[bytes, ...]:
    try:
        values = tuple(map(bytes.strip, signed.collect(fields)))
    except KeyError as missing:
        refuse(f"the signed header {shown(missing.args[0])} was not sent, or more than once", key_id=key_id)
    # Or one header could stand for two lines.
    if b"\n" in b"".join(values):
        refuse("a signed header has a line break", key_id=key_id)
    return values


@lru_cache(maxsize=32)
def _signed_method(method: str) -> bytes:
    return method.lower().encode("utf-8", "backslashreplace") + b" "


def _one_second_earlier(signed: _SignedNames, values: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
    """
    Return the values with the date moved back, for clients that read the clock once to sign and once to send.

    None when the date has not the usual form: then nobody knows how the client would have written the other one.
    """
    text = values[signed.date_at]
    posix = read_http_date(text)
    if posix is None or write_http_date(posix) != text:
        return None
    return (*values[: signed.date_at], write_http_date(posix - 1), *values[signed.date_at + 1 :])


def _verify_digest(header: bytes, body: bytes, key_id: str) -> None:
    algorithm, _, given = header.partition(b"=")
    if algorithm.lower() != b"sha-256":
        refuse(f"Digest: {shown(header)} does not begin with SHA-256=", key_id=key_id)
    actual = binascii.b2a_base64(sha256(body).digest(), newline=False)
    if not compare_digest(actual, given):
        arrived = f"the body of {len(body)} bytes that arrived has SHA-256={actual.decode()}"
        refuse(f"digest {shown(header)} was signed, {arrived}", key_id=key_id)
