"""
Reads what comes back to an envelope sender: reports of delivery (RFC 3464) and of complaints (RFC 5965).

Anybody can write such a mail. What it is about is taken from the envelope sender alone, which proves that we wrote it;
what it says is one word out of a few, and an excerpt for people.
"""

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from enum import StrEnum
from typing import Final

import msgspec

from paydue.delivery.bounces import bounced_message
from paydue.domain.mail_address import is_dead_address

LARGEST_REPORT: Final = 1024 * 1024

_LONGEST_EXCERPT: Final = 500
_MOST_FIELDS: Final = 200
# Where a mail server writes down whom the report came to, besides the field that the reporting server wrote.
_RECIPIENT_HEADERS: Final = (
    "To",
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "Original-Recipient",
)
_ADDRESS: Final = re.compile(r"bounce\+[0-9a-f]{32}\.[a-z2-7]{16}@", re.IGNORECASE)


class Report(StrEnum):
    """
    DEAD: the address is good for nothing. FAILED: this mail was given up. DELAYED: it is still tried. COMPLAINT: the
    payer calls it unwanted.
    """

    DEAD = "dead"
    FAILED = "failed"
    DELAYED = "delayed"
    COMPLAINT = "complaint"


class Bounce(msgspec.Struct, frozen=True, kw_only=True):
    """A report and the mail that it is about; `said` is the mail server's own words, cut."""

    message_id: str
    report: Report
    said: str


class NotABounce(Exception):
    """The text says why: it came to no envelope sender of ours, or reports nothing."""


def read_bounce(content: bytes, key: bytes) -> Bounce:
    """Return what a mail that came back says; `key` is that of the envelope senders. Raises NotABounce."""
    if len(content) > LARGEST_REPORT:
        raise NotABounce(f"it is larger than {LARGEST_REPORT} bytes")
    mail = message_from_bytes(content, policy=compat32)
    parts = list(mail.walk())
    fields = list(_fields(parts))
    message_id = next(
        (found for address in _addresses(mail, fields) if (found := bounced_message(address, key)) is not None), None
    )
    if message_id is None:
        raise NotABounce("it came to no envelope sender of ours")
    if any(part.get_content_type() == "message/feedback-report" for part in parts):
        kind = _value(fields, "feedback-type") or "complaint"
        return Bounce(message_id=message_id, report=Report.COMPLAINT, said=_cut(kind))
    action = (_value(fields, "action") or "").lower()
    status, said = _value(fields, "status") or "", _value(fields, "diagnostic-code") or ""
    told = _cut(f"{status} {said}".strip())
    if action == "delayed":
        return Bounce(message_id=message_id, report=Report.DELAYED, said=told)
    if action != "failed":
        raise NotABounce(f"it reports no failure but {_cut(action)!r}" if action else "it is no report of a delivery")
    report = Report.DEAD if is_dead_address(None, status) else Report.FAILED
    return Bounce(message_id=message_id, report=report, said=told)


def _fields(parts: list[Message]) -> Iterator[tuple[str, str]]:
    """Yield the fields of the machine-readable parts, those about the mail first, then those about each recipient."""
    for part in parts:
        if part.get_content_type() not in ("message/delivery-status", "message/feedback-report"):
            continue
        payload = part.get_payload()
        blocks = payload if isinstance(payload, list) else [message_from_bytes(_bytes_of(part))]
        for block in blocks:
            if isinstance(block, Message):
                yield from ((name.lower(), str(value)) for name, value in list(block.items())[:_MOST_FIELDS])


def _bytes_of(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _addresses(mail: Message, fields: list[tuple[str, str]]) -> Iterator[str]:
    values = [str(value) for name in _RECIPIENT_HEADERS for value in mail.get_all(name, [])]
    values += [value for name, value in fields if name in ("original-mail-from", "original-envelope-id")]
    for value in values:
        for found in _ADDRESS.finditer(value):
            yield found[0]


def _value(fields: list[tuple[str, str]], name: str) -> str | None:
    return next((" ".join(value.split()) for found, value in fields if found == name), None)


def _cut(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_EXCERPT])
