"""
Requests for webhook keys and their answers, as the key API has them.

Sources disagree which of `provider` and `tenant` is the organization: both orders are taken, and answered as sent.
"""

import base64
from datetime import datetime
from typing import Any, Final

import msgspec

from paydue.usecases.access_keys import Secret
from paydue.usecases.webhook_keys import DEFAULT_DAYS
from paydue.usecases.webhook_ports import WebhookKey, WebhookKeyKind
from paydue.wire.fields import MISSING, Faults, Reader
from paydue.wire.kms_certificate import decoded, fault_in_private_key, read_certificate

_PROVIDER: Final = "nrtd"
_LONGEST_CODE: Final = 50
_LONGEST_TEXT: Final = 255
_LONGEST_SECRET: Final = 4096
_LONGEST_KEY_TEXT: Final = 32 * 1024
_MOST_DAYS: Final = 3650
_ACTIONS: Final = {"create": "CREATE", "store": "STORE"}
_NEEDED_ACTION: Final = {
    WebhookKeyKind.SIGNING: "CREATE",
    WebhookKeyKind.OAUTH_CREDENTIALS: "STORE",
    WebhookKeyKind.CERTIFICATE: "STORE",
}


class KeyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is asked for. `client_id` and `secret` come with OAuth credentials; `certificate_der`, with the end of its
    validity and perhaps (as `secret`) the base64 of its private key, with a certificate. `provider`, `tenant` and
    `pub` are as they were written.
    """

    kind: WebhookKeyKind
    days: int = DEFAULT_DAYS
    client_id: str | None = None
    secret: Secret | None = None
    certificate_der: bytes | None = None
    expires_at: datetime | None = None
    pub: str | None = None
    provider: str
    tenant: str


def read_key_request(document: dict[str, Any], organization_id: str, kinds: tuple[WebhookKeyKind, ...]) -> KeyRequest:
    """Read the body of either call; `kinds` are those that it deals in. Raises InvalidFields."""
    faults = Faults()
    body = Reader(document, "", faults)
    if (client := body.group("clientReferenceInformation")) is not None:
        client.text("code", _LONGEST_CODE)
    action = body.choice("clientRequestAction", _ACTIONS)
    if not body.has("clientRequestAction"):
        body.fault("clientRequestAction", MISSING)
    key = body.group("keyInformation", required=True)
    if key is None:
        faults.raise_if_any()
        raise AssertionError("a missing group is a fault")
    provider, tenant = _read_owner(key, organization_id)
    kind = key.choice("keyType", {each.value.lower(): each for each in kinds})
    if not key.has("keyType"):
        key.fault("keyType", MISSING)
    days = key.integer("expiryDuration", 1, _MOST_DAYS) or DEFAULT_DAYS
    found: dict[str, Any] = {}
    if kind is not None:
        if action is not None and action != _NEEDED_ACTION[kind]:
            body.fault("clientRequestAction", f"Invalid: has to be {_NEEDED_ACTION[kind]} for {kind.value}")
        if kind is WebhookKeyKind.OAUTH_CREDENTIALS:
            found = _read_credentials(key)
        elif kind is WebhookKeyKind.CERTIFICATE:
            found = _read_certificate(key)
    faults.raise_if_any()
    return KeyRequest(kind=kind, days=days, provider=provider, tenant=tenant, **found)


def write_key(key: WebhookKey, request: KeyRequest, at: datetime) -> bytes:
    """Return the answer: the only time that a signing key is shown."""
    is_certificate = key.kind is WebhookKeyKind.CERTIFICATE
    return _encode(
        _Answer(
            submit_time_utc=_instant(at),
            status="SUCCESS",
            key_information=_KeyBody(
                provider=request.provider,
                tenant=request.tenant,
                organization_id=key.organization_id,
                client_key_id=key.client_id,
                key_id=key.key_id,
                key=key.secret.reveal() if key.secret is not None and not is_certificate else None,
                pub=request.pub,
                key_type=key.kind.value,
                status="active",
                expiration_date=_instant(key.expires_at),
            ),
        )
    )


def _read_owner(key: Reader, organization_id: str) -> tuple[str, str]:
    """Read provider and tenant, in either order, and the organization: where one is named it has to be the caller."""
    provider = key.text("provider", _LONGEST_TEXT)
    tenant = key.text("tenant", _LONGEST_TEXT)
    organization = key.text("organizationId", _LONGEST_TEXT)
    if organization is not None and organization != organization_id:
        key.fault("organizationId", "Invalid: has to be the organization that the request is signed for")
    named = [word for word in (provider, tenant) if word is not None and word.lower() != _PROVIDER]
    if len(named) > 1 or any(word != organization_id for word in named):
        key.fault("provider", f"Invalid: one of provider and tenant has to be {_PROVIDER}, the other the organization")
    if provider is None:
        provider = organization_id if tenant is not None and tenant.lower() == _PROVIDER else _PROVIDER
    return provider, tenant or (organization_id if provider.lower() == _PROVIDER else _PROVIDER)


def _read_credentials(key: Reader) -> dict[str, Any]:
    client_id = key.text("clientKeyId", _LONGEST_TEXT, required=True)
    secret = key.text("key", _LONGEST_SECRET, required=True)
    return {"client_id": client_id, "secret": Secret(secret) if secret is not None else None}


def _read_certificate(key: Reader) -> dict[str, Any]:
    pub = key.text("pub", _LONGEST_KEY_TEXT, required=True, lines=True)
    pvt = key.text("pvt", _LONGEST_KEY_TEXT, lines=True)
    if pub is None:
        return {}
    certificate_der = decoded(pub)
    read = read_certificate(certificate_der) if certificate_der is not None else None
    if read is None:
        key.fault("pub", "Invalid: the base64 of an X.509 certificate (DER) is needed")
        return {}
    certificate, public_key = read
    found: dict[str, Any] = {"certificate_der": certificate_der, "pub": pub}
    found["expires_at"] = certificate.not_valid_after_utc
    if pvt is not None:
        private_key = decoded(pvt) or b""
        if (fault := fault_in_private_key(private_key, public_key)) is not None:
            key.fault("pvt", f"Invalid: {fault}")
        found["secret"] = Secret(base64.b64encode(private_key).decode())
    return found


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class _KeyBody(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """Members in the order of the wire."""

    provider: str
    tenant: str
    organization_id: str
    client_key_id: str | None = None
    key_id: str
    key: str | None = None
    pub: str | None = None
    key_type: str
    status: str
    expiration_date: str


class _Answer(msgspec.Struct, kw_only=True, rename="camel"):
    submit_time_utc: str
    status: str
    key_information: _KeyBody


_encode = msgspec.json.Encoder().encode
