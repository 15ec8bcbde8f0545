"""
JSON Web Tokens in a bearer header: version 2, bound to one request, and version 1 of older clients, which is not.

Written out here because the forms that clients really send (dates as text, a claim by two names, the request inside
the claims) defeat strict libraries. The order of the checks is fixed: form, version, key, algorithm, signature, time,
digest, method, path, host, issuer, merchant, one-time id.
"""

import binascii
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NoReturn

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

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
from paydue.wire.strict_json import MalformedJson, parse_object

_LONGEST_TOKEN: Final = 16 * 1024
_LONGEST_HEADER_KEPT: Final = 4 * 1024
_LONGEST_JTI: Final = 255
_LONGEST_LIFE_SECONDS: Final = 120

_HASHES: Final[Mapping[str, HashAlgorithm]] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
_HMAC_ALGORITHMS: Final = frozenset({"HS256", "HS384", "HS512"})
_RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
# The key's kind alone says what may be used: with both lists in one, a public key could serve as an HMAC secret.
_ALGORITHMS: Final = {KeyKind.SHARED_SECRET: _HMAC_ALGORITHMS, KeyKind.CERTIFICATE: _RSA_ALGORITHMS}
_DUMMY_SECRET: Final = bytes(32)

_SECONDS: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_TO_STANDARD_BASE64: Final = bytes.maketrans(b"-_+/", b"+/!!")


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token taken apart; nothing in it is believed yet. `signed` is the text under the signature, as received."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @property
    def is_version_2(self) -> bool:
        return self.claims.get("v-c-jwt-version") in ("2", 2)


def read_token(text: bytes) -> Token:
    """Take a compact token apart. Raises NotAuthenticated for what is no token in plain form."""
    if len(text) > _LONGEST_TOKEN:
        refuse(f"token longer than {_LONGEST_TOKEN} bytes")
    parts = text.split(b".")
    if len(parts) != 3:
        refuse(f"a bearer token of {len(parts)} parts, not 3: only JSON Web Tokens are accepted, no OAuth tokens")
    header = _read_header(parts[0]) if len(parts[0]) <= _LONGEST_HEADER_KEPT else _read_part(parts[0], "header")
    # Critical extensions have to be understood, and none is.
    if "crit" in header:
        refuse("token header has crit")
    signature = _from_base64url(parts[2], "signature")
    # The bits that fill up the last character are under no signature: zero is the only spelling.
    if binascii.b2a_base64(signature, newline=False).rstrip(b"=") != parts[2].translate(_TO_STANDARD_BASE64):
        refuse("token signature is not base64url as it should be written")
    return Token(
        header=header, claims=_read_part(parts[1], "claims"), signed=text.rpartition(b".")[0], signature=signature
    )


class JwtTokens:
    """Tells whose key signed a token, and whether the token belongs to the request that bears it."""

    def __init__(self, keyring: Keyring, replay_guard: ReplayGuard, hosts: AllowedHosts, options: AuthOptions) -> None:
        self._keyring = keyring
        self._replay_guard = replay_guard
        self._hosts = hosts
        self._options = options

    async def caller(self, request: SignedRequest, text: bytes, now: float) -> Caller:
        """
        Return who signed the token. `now` is POSIX time.

        Raises NotAuthenticated with the first thing that is wrong, ReplayMemoryFull.
        """
        token = read_token(text)
        if token.is_version_2:
            return await self._caller_by_version_2(request, token, now)
        if "x5c" not in token.header:
            refuse("claim v-c-jwt-version is not 2")
        if not self._options.accept_jwt_v1:
            refuse("token of version 1, which is switched off (setting accept_jwt_v1)")
        return await self._caller_by_version_1(request, token, now)

    async def _caller_by_version_2(self, request: SignedRequest, token: Token, now: float) -> Caller:
        key_id = checked_key_id(_text(token.header, "kid"))
        found = await self._keyring.find(key_id)
        key = _verify_signature(found, key_id, token, wants_hints=self._options.hints)
        expires = self._verify_life(token.claims, now, key_id)
        _verify_digest(request, token.claims, key_id)
        self._verify_request(request, token.claims, key_id)
        issuer = _text(token.claims, "iss", key_id)
        if issuer.casefold() not in {each.casefold() for each in (key.merchant_id, key.portfolio_id) if each}:
            refuse(
                f"claim iss is {shown(issuer)}, not the owner of key {key_id} or its portfolio",
                f"iss: {shown(issuer)} is neither the merchant that owns this key nor its portfolio",
                key_id,
            )
        caller = Caller(covered_merchant(key, _text(token.claims, "v-c-merchant-id", key_id)), key_id)
        jti = _text(token.claims, "jti", key_id)
        if len(jti) > _LONGEST_JTI:
            refuse(f"claim jti is longer than {_LONGEST_JTI} characters", key_id=key_id)
        # Last, so that only a request that is good otherwise uses the id up.
        until = datetime.fromtimestamp(expires + self._options.window_seconds + 1, UTC)
        if not await self._replay_guard.first_use(key, jti, until):
            hint = "jti: this token was used before; make one for each request"
            refuse(f"jti {shown(jti)} was used before", hint, key_id)
        return caller

    async def _caller_by_version_1(self, request: SignedRequest, token: Token, now: float) -> Caller:
        der = _certificate(token.header)
        found = await self._keyring.find_certificate(sha256(der).digest())
        # Only a certificate that was registered counts: a chain to some authority would let anybody in.
        if found is None or found.certificate_der is None or not hmac.compare_digest(found.certificate_der, der):
            refuse("certificate of the token is not registered", "x5c: this certificate is not registered here")
        key = _verify_signature(found, found.key_id, token, wants_hints=self._options.hints)
        issued = _seconds(token.claims, "iat", key.key_id, accepts_http_date=True)
        self._verify_not_in_the_future(issued, now, key.key_id)
        self._verify_not_over(issued, now, key.key_id, "iat")
        _verify_digest(request, token.claims, key.key_id)
        caller = Caller(covered_merchant(key, _text(token.header, "v-c-merchant-id", key.key_id)), key.key_id)
        if self._options.replay == "reject":
            until = datetime.fromtimestamp(issued + self._options.window_seconds + 1, UTC)
            if not await self._replay_guard.first_use(key, f"version 1 {token.signature.hex()}", until):
                refuse("repeated token of version 1", "this very token was used before", key.key_id)
        return caller

    def _verify_life(self, claims: Mapping[str, Any], now: float, key_id: str) -> float:
        """Return when the token expires."""
        issued = _seconds(claims, "iat", key_id)
        expires = _seconds(claims, "exp", key_id)
        if expires > issued + _LONGEST_LIFE_SECONDS:
            life = f"claim exp is {expires - issued:.0f} s after iat, {_LONGEST_LIFE_SECONDS} are allowed"
            refuse(life, key_id=key_id)
        self._verify_not_in_the_future(issued, now, key_id)
        self._verify_not_over(expires, now, key_id, "exp")
        return expires

    def _verify_not_in_the_future(self, issued: float, now: float, key_id: str) -> None:
        ahead = issued - now
        if ahead > self._options.window_seconds:
            what = f"claim iat is {ahead:.0f} s ahead of the server's clock"
            self._refuse_time(what, now, key_id)

    def _verify_not_over(self, last: float, now: float, key_id: str, name: str) -> None:
        # To the second, as the claims are.
        behind = int(now) - last
        if behind > self._options.window_seconds:
            self._refuse_time(f"claim {name} is {behind:.0f} s behind the server's clock", now, key_id)

    def _refuse_time(self, what: str, now: float, key_id: str) -> NoReturn:
        limit = f"{self._options.window_seconds} s are allowed"
        refuse(f"{what} ({write_http_date(now).decode()}); {limit}", f"{what}; {limit}", key_id)

    def _verify_request(self, request: SignedRequest, claims: Mapping[str, Any], key_id: str) -> None:
        """Raise NotAuthenticated unless method, path and host in the claims are those of the request."""
        method = _text(claims, "request-method", key_id)
        if method.upper() != request.method.upper():
            refuse(f"claim request-method is {shown(method)}, the request's is {shown(request.method)}", key_id=key_id)
        path = claims.get("request-resource-path")
        # Java leaves it out of a GET with a query.
        if path or request.method != "GET":
            path = _text(claims, "request-resource-path", key_id).encode("utf-8", "backslashreplace")
            if path not in {request.target, request.target.partition(b"?")[0]}:
                refuse(
                    f"claim request-resource-path is {shown(path)}, the request's is {shown(request.target)}",
                    key_id=key_id,
                )
        host = _text(claims, "request-host", key_id).encode("utf-8", "backslashreplace")
        if not self._hosts.allows(host):
            own = b", ".join(self._hosts).decode("latin-1")
            refuse(
                f"claim request-host is {shown(host)}, which is not allowed",
                f"request-host: {shown(host)} is none of this server's names ({shown(own)}); "
                "add it to the setting allowed_hosts",
                key_id,
            )


def _verify_signature(found: AccessKey | None, key_id: str, token: Token, *, wants_hints: bool) -> AccessKey:
    algorithm = _text(token.header, "alg", key_id)
    if found is None and algorithm in _HMAC_ALGORITHMS:
        # The same work as for a known key, so that the time of the answer does not tell them apart.
        _hmac_fits(_DUMMY_SECRET, algorithm, token)
    key = usable_key(found, key_id)
    if algorithm not in _ALGORITHMS[key.kind]:
        refuse(
            f"algorithm {shown(algorithm)} with key {key_id} of kind {key.kind}",
            f"alg: {shown(algorithm)} is none of {', '.join(sorted(_ALGORITHMS[key.kind]))}",
            key_id,
        )
    if key.secret is not None:
        secret = key.secret.reveal()
        if not _hmac_fits(binascii.a2b_base64(secret), algorithm, token):
            advice = "the secret is not the client's, or a part was changed"
            if wants_hints and _hmac_fits(secret.encode(), algorithm, token):
                advice = "the client signed with the secret's text; it has to be base64-decoded first"
            refuse(f"wrong token signature with key {key_id}", f"token signature: {advice}", key_id)
    elif key.certificate_der is None or not _rsa_fits(key.certificate_der, algorithm, token):
        refuse(
            f"wrong token signature with key {key_id}",
            "token signature: made with another private key than that of the registered certificate",
            key_id,
        )
    return key


def _hmac_fits(secret: bytes, algorithm: str, token: Token) -> bool:
    return hmac.compare_digest(hmac.digest(secret, token.signed, f"sha{algorithm[2:]}"), token.signature)


def _rsa_fits(der: bytes, algorithm: str, token: Token) -> bool:
    hashing = _HASHES[algorithm[2:]]
    pss = padding.PSS(padding.MGF1(hashing), salt_length=hashing.digest_size)
    scheme = pss if algorithm.startswith("PS") else padding.PKCS1v15()
    try:
        _public_key(der).verify(token.signature, token.signed, scheme, hashing)
    except InvalidSignature:
        return False
    return True


# Taking a certificate apart costs as much as a verification.
@lru_cache(maxsize=1024)
def _public_key(der: bytes) -> RSAPublicKey:
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except ValueError:
        refuse("the registered certificate cannot be read")
    if not isinstance(key, RSAPublicKey):
        refuse("the registered certificate has no RSA key")
    return key


def _verify_digest(request: SignedRequest, claims: Mapping[str, Any], key_id: str) -> None:
    given = claims.get("digest")
    if given is None and not request.body and request.method not in METHODS_WITH_BODY:
        return
    text = _text(claims, "digest", key_id)
    # The guide and most clients say digestAlgorithm, Node says digest-algorithm.
    for name in ("digestAlgorithm", "digest-algorithm"):
        algorithm = claims.get(name, "SHA-256")
        if not isinstance(algorithm, str) or algorithm.upper() != "SHA-256":
            refuse(f"claim {name} is not SHA-256", key_id=key_id)
    if text[:8].upper() == "SHA-256=":
        text = text[8:]
    actual = binascii.b2a_base64(sha256(request.body).digest(), newline=False)
    if not hmac.compare_digest(actual, text.encode("utf-8", "backslashreplace")):
        body = f"the body of {len(request.body)} bytes"
        refuse(f"claim digest is {shown(text)}, {body} that arrived has {actual.decode()}", key_id=key_id)


def _certificate(header: Mapping[str, Any]) -> bytes:
    chain = header.get("x5c")
    if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
        refuse("token header x5c is not a list of certificates")
    try:
        return binascii.a2b_base64(chain[0].encode("ascii"), strict_mode=True)
    except ValueError:
        refuse("token header x5c is not base64")


def _seconds(claims: Mapping[str, Any], name: str, key_id: str, *, accepts_http_date: bool = False) -> float:
    """Return a time claim: a number, a number as text, or (version 1) an HTTP date."""
    value = claims.get(name)
    if isinstance(value, int):
        value = str(value) if abs(value) < 10**12 else None
    if isinstance(value, str):
        if _SECONDS.fullmatch(value):
            return float(value)
        if accepts_http_date and (posix := read_http_date(value.encode("utf-8", "backslashreplace"))) is not None:
            return posix
    refuse(f"claim {name} is missing or no time", key_id=key_id)


def _text(members: Mapping[str, Any], name: str, key_id: str | None = None) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        refuse(f"{name} is missing in the token, or no text", key_id=key_id)
    return value


# A client sends the same header with every token.
@lru_cache(maxsize=128)
def _read_header(part: bytes) -> Mapping[str, Any]:
    return _read_part(part, "header")


def _read_part(part: bytes, name: str) -> Mapping[str, Any]:
    try:
        return parse_object(_from_base64url(part, name))
    except MalformedJson as fault:
        refuse(f"token {name}: {fault}")


def _from_base64url(part: bytes, name: str) -> bytes:
    try:
        if b"=" not in part:
            return binascii.a2b_base64(part.translate(_TO_STANDARD_BASE64) + b"=" * (-len(part) % 4), strict_mode=True)
    except ValueError:
        pass
    refuse(f"token {name} is not base64url without padding")
