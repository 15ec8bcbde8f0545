"""Keys, clocks and requests for tests about who is calling: say only what the test is about."""

import base64
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import NameOID

from paydue.usecases.access_keys import AccessKey, KeyKind, Secret
from paydue.wire.caller import AuthOptions, Caller, Callers, NotAuthenticated, SignedRequest
from paydue.wire.replay_memory import ReplayMemory

MERCHANT = "acme_test"
PORTFOLIO = "acme_portfolio"
HOST = "localhost:8443"
KEY_ID = "f3b7a9c2-5d14-4e6b-8a90-1c2d3e4f5a6b"
SECRET = base64.b64encode(b"self-hosted-invoicing-test-key-1").decode()
P12_KEY_ID = "7001234567890123456789"
P12_PASSWORD = "made up"
NOW = datetime(2026, 5, 5, 10, 0, 0, tzinfo=UTC)

Result = TypeVar("Result")


class FixedClock:
    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def nanoseconds(self) -> int:
        return int(self.at.timestamp() * 1_000_000) * 1000

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class KeysInMemory:
    def __init__(self, keys: Sequence[AccessKey]) -> None:
        self._keys = {key.key_id: key for key in keys}
        self._certificates = {sha256(key.certificate_der).digest(): key for key in keys if key.certificate_der}

    async def find(self, key_id: str) -> AccessKey | None:
        return self._keys.get(key_id)

    async def find_certificate(self, sha256_of_der: bytes) -> AccessKey | None:
        return self._certificates.get(sha256_of_der)


def shared_key(**changes: Any) -> AccessKey:
    values = {"key_id": KEY_ID, "merchant_id": MERCHANT, "secret": Secret(SECRET), "merchants": (MERCHANT,)} | changes
    return AccessKey(kind=KeyKind.SHARED_SECRET, **values)


def certificate_key(p12: bytes, **changes: Any) -> AccessKey:
    certificate = pkcs12.load_key_and_certificates(p12, P12_PASSWORD.encode())[1]
    assert certificate is not None
    der = certificate.public_bytes(Encoding.DER)
    values = {"key_id": P12_KEY_ID, "merchant_id": MERCHANT, "certificate_der": der, "merchants": (MERCHANT,)} | changes
    return AccessKey(kind=KeyKind.CERTIFICATE, **values)


@cache
def a_p12(key_id: str = P12_KEY_ID) -> bytes:
    """Return a P12 file with a self-signed certificate, each key id's own, made in this run."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, MERCHANT), x509.NameAttribute(NameOID.SERIAL_NUMBER, key_id)]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=365))
        .sign(key, SHA256())
    )
    return pkcs12.serialize_key_and_certificates(
        b"test", key, certificate, None, BestAvailableEncryption(P12_PASSWORD.encode())
    )


def some_callers(
    *keys: AccessKey, clock: FixedClock | None = None, hosts: Sequence[str] = (HOST,), **options: Any
) -> Callers:
    """Return the door of a server that knows these keys, or the one shared key."""
    clock = clock or FixedClock()
    choices: dict[str, Any] = {"failures_per_minute": 0, "requests_per_second": 0, "hints": True} | options
    return Callers(
        KeysInMemory(keys or (shared_key(),)),
        ReplayMemory(clock),
        clock,
        hosts,
        AuthOptions(**choices),
        monotonic=lambda: clock.nanoseconds() / 1e9,
    )


def request_with(
    headers: dict[str, str] | Sequence[tuple[bytes, bytes]],
    method: str = "GET",
    target: str | bytes = "/invoicing/v2/invoices?offset=0&limit=10",
    body: bytes = b"",
    client: str | None = "192.0.2.7",
) -> SignedRequest:
    if isinstance(headers, dict):
        headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    raw_target = target.encode() if isinstance(target, str) else target
    return SignedRequest(method, raw_target, list(headers), body, client)


def run_at_once(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Return what a coroutine returns; fail when it waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    pytest.fail("the verification waited, although everything it needs is in memory")


def caller_of(callers: Callers, request: SignedRequest) -> Caller:
    return run_at_once(callers.caller(request))


def refusal_of(callers: Callers, request: SignedRequest) -> NotAuthenticated:
    with pytest.raises(NotAuthenticated) as caught:
        caller_of(callers, request)
    assert type(caught.value) is NotAuthenticated
    return caught.value
