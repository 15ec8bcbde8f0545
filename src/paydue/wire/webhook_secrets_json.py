"""
What a subscription has for itself, as JSON of ours: signing keys, and the certificate that its receiver knows us by.

A certificate comes as PEM and is taken apart here: everything that the library may raise at a hostile one is met.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from paydue.usecases.access_keys import Secret
from paydue.usecases.webhook_keys import DEFAULT_DAYS
from paydue.usecases.webhook_ports import WebhookKey
from paydue.wire.fields import Faults, Reader
from paydue.wire.webhook_json import write_instant

_MOST_DAYS: Final = 3650
_LONGEST_PEM: Final = 32 * 1024
_MOST_CERTIFICATES: Final = 10
_FEWEST_BITS: Final = 2048
_MOST_BITS: Final = 8192
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate to show, with its private key and chain as `identity`, in PEM."""

    der: bytes
    identity: Secret
    expires_at: datetime


def read_key_wish(document: dict[str, Any]) -> int:
    """Return for how many days a new signing key is to be good. Raises InvalidFields."""
    faults = Faults()
    days = Reader(document, "", faults).integer("expiryDuration", 1, _MOST_DAYS)
    faults.raise_if_any()
    return days or DEFAULT_DAYS


def read_client_certificate(document: dict[str, Any], at: datetime) -> ClientCertificate:
    """Read a certificate that is good at that time, with its private key. Raises InvalidFields."""
    faults = Faults()
    body = Reader(document, "", faults)
    certificate = body.text("certificate", _LONGEST_PEM, required=True, lines=True)
    private_key = body.text("privateKey", _LONGEST_PEM, required=True, lines=True)
    faults.raise_if_any()
    assert certificate is not None
    assert private_key is not None
    chain, key = _chain(certificate), _private_key(private_key)
    if chain is None:
        body.fault("certificate", "Invalid: one X.509 certificate in PEM is needed, and at most 9 that vouch for it")
    elif chain[0].not_valid_after_utc <= at:
        body.fault("certificate", "Invalid: it has expired")
    if key is None:
        body.fault("privateKey", "Invalid: an RSA, elliptic curve or Ed25519 key in PEM is needed, without a password")
    elif isinstance(key, RSAPrivateKey) and not _FEWEST_BITS <= key.key_size <= _MOST_BITS:
        body.fault("privateKey", f"Invalid: it has to have {_FEWEST_BITS} to {_MOST_BITS} bits")
    elif chain is not None and not _belong_together(chain[0], key):
        body.fault("privateKey", "Invalid: it does not belong to the certificate")
    faults.raise_if_any()
    assert chain is not None
    assert key is not None
    # Written anew: nothing of what else stood in the text is kept.
    pem = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())]
    pem += [each.public_bytes(Encoding.PEM) for each in chain]
    return ClientCertificate(
        der=chain[0].public_bytes(Encoding.DER),
        identity=Secret(b"".join(pem).decode("ascii")),
        expires_at=chain[0].not_valid_after_utc,
    )


def write_new_key(key: WebhookKey) -> bytes:
    """Return a signing key with its secret: the only time that it is shown."""
    assert key.secret is not None
    return _encode(_key_body(key, key.secret.reveal()))


def write_keys(keys: Sequence[WebhookKey]) -> bytes:
    """Return the keys without their secrets."""
    return _encode([_key_body(key, None) for key in keys])


def write_client_certificate(key: WebhookKey) -> bytes:
    """Return what can be seen of a client certificate by anybody whom it is shown to."""
    assert key.certificate_der is not None
    certificate = x509.load_der_x509_certificate(key.certificate_der)
    return _encode(
        _CertificateBody(
            webhook_id=f"{key.webhook_id}",
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            fingerprint=certificate.fingerprint(SHA256()).hex(),
            created_on=write_instant(key.created_at),
            expiration_date=write_instant(key.expires_at),
        )
    )


def _chain(pem: str) -> list[x509.Certificate] | None:
    try:
        chain = x509.load_pem_x509_certificates(pem.encode())
        # Both are parsed only when asked for.
        readable = [(each.public_key(), each.subject.rfc4514_string(), each.issuer.rfc4514_string()) for each in chain]
    except _UNREADABLE:
        return None
    return chain if 0 < len(readable) <= _MOST_CERTIFICATES else None


def _private_key(pem: str) -> RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | None:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except _UNREADABLE:
        return None
    return key if isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey) else None


def _belong_together(
    certificate: x509.Certificate, key: RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
) -> bool:
    return key.public_key() == certificate.public_key()


class _KeyBody(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """Members in the order of the wire."""

    webhook_id: str
    key_id: str
    key: str | None = None
    created_on: str
    expiration_date: str


class _CertificateBody(msgspec.Struct, kw_only=True, rename="camel"):
    webhook_id: str
    subject: str
    issuer: str
    fingerprint: str
    created_on: str
    expiration_date: str


_encode = msgspec.json.Encoder().encode


def _key_body(key: WebhookKey, secret: str | None) -> _KeyBody:
    return _KeyBody(
        webhook_id=f"{key.webhook_id}",
        key_id=key.key_id,
        key=secret,
        created_on=write_instant(key.created_at),
        expiration_date=write_instant(key.expires_at),
    )
