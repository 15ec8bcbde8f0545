"""
The envelope sender of a mail, to which servers report that it could not be delivered.

It names the mail and proves that we wrote it, so that nobody can make us believe that a mail bounced.
"""

import base64
import hmac
import re
from typing import Final

_FORM: Final = re.compile(r"bounce\+([0-9a-f]{32})\.([a-z2-7]{16})@", re.IGNORECASE)
_PROOF_BYTES: Final = 10


def bounce_address(message_id: str, domain: str, key: bytes) -> str:
    """Return the address for reports about that mail; `message_id` is a UUID."""
    name = message_id.replace("-", "")
    return f"bounce+{name}.{_proof(name, key)}@{domain}"


def bounced_message(address: str, key: bytes) -> str | None:
    """Return the id of the mail that a report to `address` is about; None for an address that we never gave out."""
    match = _FORM.match(address)
    if match is None:
        return None
    # Servers on the way may have changed the case of letters.
    name, proof = match[1].lower(), match[2].lower()
    if not hmac.compare_digest(_proof(name, key), proof):
        return None
    return f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"


def _proof(name: str, key: bytes) -> str:
    digest = hmac.digest(key, b"paydue bounce " + name.encode(), "sha256")
    return base64.b32encode(digest[:_PROOF_BYTES]).decode().lower()
