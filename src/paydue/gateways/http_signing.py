"""
Signing requests to the processor with a shared secret: its own HTTP Signature scheme.

Apart from `wire/`, which verifies the same scheme from the other side: client and server of it never meet in one room.
"""

import base64
import hashlib
import hmac
from datetime import datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

_WITH_BODY: Final = frozenset(("POST", "PUT", "PATCH"))


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's account at the processor. `shared_secret` is base64, as the processor shows it."""

    api_url: str
    merchant_id: str
    key_id: str
    shared_secret: str

    def __repr__(self) -> str:
        return f"Account({self.merchant_id!r} at {self.api_url!r})"

    @property
    def host(self) -> str:
        return urlsplit(self.api_url).netloc


def signed_headers(account: Account, method: str, target: str, body: bytes, at: datetime) -> list[tuple[str, str]]:
    """Return the headers that prove who sends this request; `target` is path and query. Host is the sender's to add."""
    date = format_datetime(at.replace(microsecond=0), usegmt=True)
    digest = f"SHA-256={base64.b64encode(hashlib.sha256(body).digest()).decode()}"
    has_body = method in _WITH_BODY
    lines = string_to_sign(method, target, account.host, account.merchant_id, date, digest if has_body else None)
    names = " ".join(line.partition(":")[0] for line in lines.split("\n"))
    headers = [
        ("v-c-merchant-id", account.merchant_id),
        ("Date", date),
        (
            "Signature",
            f'keyid="{account.key_id}", algorithm="HmacSHA256", headers="{names}", '
            f'signature="{signature_of(lines, account.shared_secret)}"',
        ),
        ("Accept", "application/json"),
    ]
    if has_body:
        headers += [("Digest", digest), ("Content-Type", "application/json;charset=utf-8")]
    return headers


def string_to_sign(method: str, target: str, host: str, merchant_id: str, date: str, digest: str | None) -> str:
    """Return the lines that are signed, in the order in which the signature header names them."""
    lines = [f"host: {host}", f"date: {date}", f"request-target: {method.lower()} {target}"]
    if digest is not None:
        lines.append(f"digest: {digest}")
    return "\n".join([*lines, f"v-c-merchant-id: {merchant_id}"])


def signature_of(lines: str, shared_secret: str) -> str:
    return base64.b64encode(hmac.digest(base64.b64decode(shared_secret), lines.encode(), "sha256")).decode()
