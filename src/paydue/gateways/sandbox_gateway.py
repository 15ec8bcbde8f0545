"""The built-in test processor behind our port: the same calls as to the real one, and a form of its own to embed."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from paydue.gateways.cybersource import CybersourceGateway
from paydue.gateways.cybersource_client import CybersourceClient
from paydue.gateways.http_signing import signature_of
from paydue.usecases.gateway_ports import (
    Capabilities,
    Checkout,
    CheckoutRequest,
    Notification,
    NotificationRefused,
    Outcome,
)
from paydue.usecases.ports import Clock

_OLDEST_SECONDS: Final = 300
_LARGEST_BODY: Final = 4096
SIGNATURE_HEADER: Final = "x-sandbox-signature"


class _Told(msgspec.Struct, frozen=True):
    event_id: str
    reference: str


class SandboxGateway(CybersourceGateway):
    """One account at the test processor. No money moves."""

    capabilities: Capabilities = Capabilities(name="sandbox", can_review=True, is_test=True)

    def __init__(self, client: CybersourceClient, clock: Clock) -> None:
        super().__init__(client, clock)
        self._shared_secret = client.account.shared_secret

    async def begin(self, request: CheckoutRequest) -> Checkout | Outcome:
        opened = await super().begin(request)
        if isinstance(opened, Outcome):
            return opened
        return msgspec.structs.replace(opened, frame_url=opened.script_url, script_url=None, client_token=None)

    def notifications(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notification]:
        given = next((value for name, value in headers.items() if name.lower() == SIGNATURE_HEADER), "")
        written, _, signature = given.partition(".")
        if len(body) > _LARGEST_BODY or not (written.isascii() and written.isdigit() and len(written) <= 12):
            raise NotificationRefused("no signature, or too much")
        expected = notification_signature(int(written), body, self._shared_secret).partition(".")[2]
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise NotificationRefused("the signature is wrong")
        if abs(self._clock.now().timestamp() - int(written)) > _OLDEST_SECONDS:
            raise NotificationRefused("too old")
        try:
            told = msgspec.json.decode(body, type=_Told)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise NotificationRefused("unreadable") from None
        return (Notification(event_id=told.event_id, reference=told.reference),)

    def content_sources(self) -> Mapping[str, Sequence[str]]:
        # The card form and the bank's page are frames; nothing of theirs runs on our page.
        return {"frame-src": (self._client.account.api_url,)}


def notification_body(reference: str, event_id: str) -> bytes:
    """Return the body by which the test processor tells of a payment."""
    return msgspec.json.encode(_Told(event_id, reference))


def notification_signature(at: int, body: bytes, shared_secret: str) -> str:
    """Return the signature header of a notification: the POSIX time and what proves it and the body."""
    # Escaped where it is no UTF-8: a forged body is to be refused, not to break anything.
    signed = f"{at}." + body.decode(errors="backslashreplace")
    return f"{at}.{signature_of(signed, shared_secret)}"
