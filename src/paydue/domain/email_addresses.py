"""Which texts are an e-mail address: one rule for what merchants and what payers write."""

import re
from typing import Final

LONGEST_EMAIL: Final = 254

_LOCAL: Final = re.compile(r"[^\s@()<>,;:\\\"\[\]\x00-\x1f\x7f]{1,64}")
_LABEL: Final = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")


def is_email(text: str) -> bool:
    """Whether this is one address without display name, comment or list, fit for SMTP and for a header."""
    local, at, domain = text.rpartition("@")
    if len(text) > LONGEST_EMAIL or not at or not _LOCAL.fullmatch(local):
        return False
    if local[0] == "." or local[-1] == "." or ".." in local:
        return False
    labels = domain.split(".")
    return len(domain) <= 253 and len(labels) >= 2 and all(_LABEL.fullmatch(label) for label in labels)
