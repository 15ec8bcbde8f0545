"""
A small client's half of authentication: signs requests the way the official clients do, written apart from the server.

It imports nothing of the code under test, for it is what the tests compare that code with.
"""

import base64
import hashlib
import hmac
import json
import time
import uuid
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates
from cryptography.x509.oid import NameOID

_HASHES = {"256": SHA256(), "384": SHA384(), "512": SHA512()}


def sign_http(
    method: str,
    target: str,
    host: str,
    merchant: str,
    key_id: str,
    secret: str,
    body: bytes | None = None,
    date: datetime | str | None = None,
    *,
    portfolio: str | None = None,
    names: str | None = None,
    digest: str | None = None,
) -> dict[str, str]:
    """
    Return the headers of a request under HTTP Signature.

    `target` is path and query. `names` is the list of signed names where it is not the SDKs'; one of them may be
    `v-c-date` or `(request-target)`. With a meta key, `portfolio` is signed in the merchant's place. `digest` is a
    `Digest` header that is not the body's.
    """
    if date is None or isinstance(date, datetime):
        date = format_datetime(date or datetime.now(UTC), usegmt=True)
    has_body = body is not None or method in {"POST", "PUT", "PATCH"}
    if names is None:
        names = (
            "host date request-target digest v-c-merchant-id"
            if has_body
            else "host date request-target v-c-merchant-id"
        )
    lines = {
        "host": host,
        "date": date,
        "v-c-date": date,
        "request-target": f"{method.lower()} {target}",
        "(request-target)": f"{method.lower()} {target}",
        "digest": digest or f"SHA-256={_digest(body or b'')}",
        "v-c-merchant-id": portfolio or merchant,
    }
    text = "\n".join(f"{name}: {lines[name]}" for name in names.split())
    signature = base64.b64encode(hmac.digest(base64.b64decode(secret), text.encode(), "sha256")).decode()
    headers = {
        "Host": host,
        "v-c-date" if "v-c-date" in names else "Date": date,
        "v-c-merchant-id": merchant,
        "Signature": f'keyid="{key_id}", algorithm="HmacSHA256", headers="{names}", signature="{signature}"',
    }
    return {**headers, "Digest": lines["digest"], "Content-Type": "application/json"} if has_body else headers


def sign_jwt_shared(
    method: str,
    target: str,
    host: str,
    merchant: str,
    key_id: str,
    secret: str,
    body: bytes | None = None,
    at: float | None = None,
    *,
    algorithm: str = "HS256",
    **changes: Any,
) -> dict[str, str]:
    """Return the headers of a request under a version 2 token with a shared secret; `changes` as in `claims_of`."""
    header = {"alg": algorithm, "kid": key_id, "typ": "JWT"}
    claims = claims_of(method, target, host, merchant, body, at, **changes)
    return {"Host": host, "Authorization": f"Bearer {token_by_secret(header, claims, secret)}"}


def sign_jwt_p12(
    method: str,
    target: str,
    host: str,
    merchant: str,
    p12: bytes,
    password: str,
    body: bytes | None = None,
    at: float | None = None,
    *,
    algorithm: str = "RS256",
    **changes: Any,
) -> dict[str, str]:
    """Return the headers of a request under a version 2 token with a P12 file; `changes` as in `claims_of`."""
    private_key, certificate = open_p12(p12, password)
    header = {"alg": algorithm, "kid": serial_number(certificate), "typ": "JWT"}
    claims = claims_of(method, target, host, merchant, body, at, **changes)
    return {"Host": host, "Authorization": f"Bearer {token_by_rsa(header, claims, private_key)}"}


def sign_jwt_v1(
    host: str, merchant: str, p12: bytes, password: str, body: bytes | None = None, iat: str | float | None = None
) -> dict[str, str]:
    """Return the headers of a request under a version 1 token, which binds neither method nor path."""
    private_key, certificate = open_p12(p12, password)
    der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    header = {"alg": "RS256", "v-c-merchant-id": merchant, "x5c": [der]}
    claims: dict[str, Any] = {"iat": format_datetime(datetime.now(UTC), usegmt=True) if iat is None else iat}
    if body is not None:
        claims |= {"digest": _digest(body), "digestAlgorithm": "SHA-256"}
    return {"Host": host, "Authorization": f"Bearer {token_by_rsa(header, claims, private_key)}"}


def claims_of(
    method: str,
    target: str,
    host: str,
    merchant: str,
    body: bytes | None = None,
    at: float | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """
    Return the claims of a version 2 token as the Python SDK makes them.

    `changes` replace claims, with `_` for `-` in their names (`request_host=...`); None leaves a claim out.
    """
    at = int(time.time()) if at is None else at
    claims: dict[str, Any] = {}
    if body is not None or method in {"POST", "PUT", "PATCH"}:
        claims = {"digest": _digest(body or b""), "digestAlgorithm": "SHA-256"}
    claims |= {
        "exp": at + 120,
        "iat": at,
        "iss": merchant,
        "jti": str(uuid.uuid4()),
        "request-host": host,
        "request-method": method,
        "request-resource-path": target,
        "v-c-jwt-version": "2",
        "v-c-merchant-id": merchant,
    }
    claims |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in claims.items() if value is not None}


def token_by_secret(header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, secret: str) -> str:
    algorithm = header["alg"] if isinstance(header, dict) else "HS256"
    signed = _unsigned(header, claims)
    return f"{signed}.{_url(hmac.digest(base64.b64decode(secret), signed.encode(), 'sha' + algorithm[2:]))}"


def token_by_rsa(header: dict[str, Any], claims: dict[str, Any], private_key: rsa.RSAPrivateKey) -> str:
    signed = _unsigned(header, claims)
    hashing = _HASHES[header["alg"][2:]]
    pss = padding.PSS(padding.MGF1(hashing), hashing.digest_size)
    scheme = pss if header["alg"].startswith("PS") else padding.PKCS1v15()
    return f"{signed}.{_url(private_key.sign(signed.encode(), scheme, hashing))}"


@cache
def open_p12(p12: bytes, password: str) -> tuple[rsa.RSAPrivateKey, Any]:
    private_key, certificate, _ = load_key_and_certificates(p12, password.encode())
    assert isinstance(private_key, rsa.RSAPrivateKey)
    return private_key, certificate


def serial_number(certificate: Any) -> str:
    """Return the serialNumber in the certificate's subject, which is the key id; not the X.509 serial number."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value)


def _unsigned(header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes) -> str:
    parts = (
        part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()
        for part in (header, claims)
    )
    return ".".join(map(_url, parts))


def _digest(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
