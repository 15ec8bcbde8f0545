"""
What Stripe notifies us of, read after its signature has been verified over the exact bytes that came.

Verified here and not by Stripe's library, which looks at the machine's clock and decodes what it has not verified yet.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from paydue.usecases.gateway_ports import Notification, NotificationRefused

SIGNATURE_HEADER: Final = "stripe-signature"
OLDEST_SECONDS: Final = 300
_LARGEST_BODY: Final = 256 * 1024
_LONGEST_HEADER: Final = 4096
# Others are taken and let go: whoever sets up the endpoint may have chosen all there are.
EVENTS: Final = frozenset(
    (
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "refund.failed",
    )
)
_PAGE: Final = "checkout.session"


class _Subject(msgspec.Struct, frozen=True):
    object: str = ""
    id: str | None = None
    client_reference_id: str | None = None
    metadata: dict[str, str] | None = None


class _Data(msgspec.Struct, frozen=True):
    object: _Subject


class _Event(msgspec.Struct, frozen=True):
    id: str
    type: str
    data: _Data


def read_notifications(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], at: datetime
) -> tuple[Notification, ...]:
    """
    Return what was notified, none when it is of no use to us. Raises NotificationRefused.

    A signature by any of the secrets will do, so that one can be changed while notifications are under way.
    """
    given = next((value for name, value in headers.items() if name.lower() == SIGNATURE_HEADER), "")
    if len(body) > _LARGEST_BODY or len(given) > _LONGEST_HEADER:
        raise NotificationRefused("too large")
    written = _verified(given, body, secrets)
    if abs(int(at.timestamp()) - written) > OLDEST_SECONDS:
        raise NotificationRefused("too old, or ahead of its time")
    try:
        event = msgspec.json.decode(body, type=_Event)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise NotificationRefused("unreadable") from None
    if event.type not in EVENTS:
        return ()
    subject = event.data.object
    reference = subject.client_reference_id or (subject.metadata or {}).get("reference")
    session = subject.id if subject.object == _PAGE else None
    if reference is None and session is None:
        return ()
    return (Notification(event_id=event.id, reference=reference, session=session),)


def _verified(header: str, body: bytes, secrets: Sequence[str]) -> int:
    """Return when one of the secrets signed the body, in POSIX seconds. Raises NotificationRefused."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):
        raise NotificationRefused("no signature")
    signed = times[0].encode() + b"." + body
    signatures = [value.encode() for name, _, value in parts if name == "v1"]
    expected = [hmac.digest(secret.encode(), signed, "sha256").hex().encode() for secret in secrets if secret]
    # All are compared, so that the time tells nothing of which secret is in use.
    matches = [hmac.compare_digest(each, signature) for each in expected for signature in signatures]
    if not any(matches):
        raise NotificationRefused("the signature is wrong")
    return int(times[0])
