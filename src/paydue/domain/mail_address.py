"""Which addresses mail can be written to at all, and which of them no mail goes to any more."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN: Final = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_LONGEST_LOCAL_PART: Final = 64
_LONGEST_ADDRESS: Final = 254
_ENHANCED_STATUS: Final = re.compile(r"(?<![0-9.])([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")
# By RFC 3463: no such mailbox, no such host, wrong form, moved away, takes no mail at all; and the mailbox is disabled.
_DEAD: Final = frozenset((("1", "1"), ("1", "2"), ("1", "3"), ("1", "6"), ("1", "10"), ("2", "1")))
# What servers that give no such status say about a recipient who is not there.
_DEAD_WITHOUT: Final = frozenset((550, 551, 553))


class SuppressionReason(StrEnum):
    """REFUSED while a mail was handed over, BOUNCED afterwards; COMPLAINED: the payer calls our mails unwanted."""

    REFUSED = "refused"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """
    That a merchant's mails to an address stop, until somebody lifts it.

    `address` is in small letters; `said` is what the mail server said, `message_id` the mail that it was said about.
    """

    address: str
    reason: SuppressionReason
    said: str
    message_id: str | None
    at: datetime

    def stops(self, *, is_reminder: bool) -> bool:
        """Tell whether a mail is not sent. Whoever complains still gets invoices and receipts, but no reminders."""
        return is_reminder or self.reason is not SuppressionReason.COMPLAINED


def can_be_mailed(address: str) -> bool:
    """
    Tell whether an address has a form that mail servers take: one plain address, ASCII before the @.

    A host name outside ASCII is not judged here: whether it has an ASCII form is found out when a mail is written.
    """
    local_part, _, host = address.rpartition("@")
    return (
        len(local_part) <= _LONGEST_LOCAL_PART
        and len(address) <= _LONGEST_ADDRESS
        and _LOCAL_PART.fullmatch(local_part) is not None
        # By the grammar an address, to a careless parser the beginning of an encoded-word.
        and "=?" not in local_part
        and (not host.isascii() or is_domain(host))
    )


def is_domain(name: str) -> bool:
    """Say whether `name` is a host name of ASCII letters, digits and hyphens."""
    return len(name) < _LONGEST_ADDRESS and _DOMAIN.fullmatch(name) is not None


def same_address(address: str) -> str:
    """Return what two ways to write one mailbox have in common: hardly a server tells letter cases apart."""
    return address.lower()


def enhanced_status(said: str) -> tuple[str, str, str] | None:
    """Return the three numbers by which a mail server says more exactly what it means, if it does."""
    found = _ENHANCED_STATUS.search(said)
    return (found[1], found[2], found[3]) if found is not None else None


def is_dead_address(code: int | None, said: str) -> bool:
    """
    Tell whether a server's refusal of a recipient means that the address is good for nothing, now and later.

    A full mailbox, a mail that is too large and a sender who is not liked say nothing about the address.
    """
    status = enhanced_status(said)
    if status is not None:
        return status[0] == "5" and status[1:] in _DEAD
    return code in _DEAD_WITHOUT
