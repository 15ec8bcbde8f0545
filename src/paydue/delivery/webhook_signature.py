"""
The two signatures of a notification: the compatible header, and those of the Standard Webhooks specification.

Both are HMAC-SHA256 under the same key. The compatible header has room for one signature and a grammar that its
receivers split by hand: three parts, in this order, without spaces.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from paydue.usecases.webhook_ports import WebhookKey

_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SECOND: Final = timedelta(seconds=1)


def compatible_signature(key: WebhookKey, message: bytes, at: datetime) -> str:
    """
    Return the value of `V-C-Signature` over `message`, the body or its payload, signed at that time.

    Every attempt is signed anew: receivers refuse what was signed some minutes ago.
    """
    milliseconds = (at - _1970) // _MILLISECOND
    signature = _signature(key, b"%d.%s" % (milliseconds, message))
    return f"t={milliseconds};keyId={key.key_id};sig={signature}"


def standard_headers(
    keys: Sequence[WebhookKey], notification_id: str, body: bytes, at: datetime
) -> tuple[tuple[str, str], ...]:
    """
    Return the Standard Webhooks headers: one signature for each key, the newest first.

    A receiver takes the message when any of them is by the key it knows.
    """
    seconds = (at - _1970) // _SECOND
    message = b"%s.%d.%s" % (notification_id.encode(), seconds, body)
    return (
        ("webhook-id", notification_id),
        ("webhook-timestamp", str(seconds)),
        ("webhook-signature", " ".join(f"v1,{_signature(key, message)}" for key in keys)),
    )


def _signature(key: WebhookKey, message: bytes) -> str:
    assert key.secret is not None
    secret = binascii.a2b_base64(key.secret.reveal())
    return base64.b64encode(hmac.digest(secret, message, "sha256")).decode()
