"""
A letter becomes a complete mail: text, HTML, logo and attachment with every header, ready for any mail server.

Nothing is sent here. The same letter and envelope give the same bytes, so that a repeated delivery repeats the mail.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from paydue.delivery.letter import Letter
from paydue.delivery.mail_headers import encoded, mailable, named_address
from paydue.delivery.mail_logo import LARGEST_LOGO_BYTES, MailLogo
from paydue.delivery.mail_parts import Part, parts_together, pdf_part, picture_part, text_part
from paydue.delivery.plain_text import name_to_greet
from paydue.domain.mail_address import is_domain

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES: Final = Path(__file__).parent / "mail_templates"
SENDER: Final = "invoices"

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the post needs to know: `message_id` stays the same however often this mail is delivered.

    `domain` is the operator's, which may sign. `first_message_id` is that of the invoice's first mail, when this is a
    later one: mail programs show them together.
    """

    message_id: str
    domain: str
    sent_at: datetime
    first_message_id: str | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A PDF to attach, under a file name of ASCII letters, digits, `-`, `_` and `.`."""

    file_name: str
    content: bytes


def compose(
    letter: Letter, envelope: Envelope, *, logo: MailLogo | None = None, document: Document | None = None
) -> bytes:
    """
    Return the mail as it goes to the server, lines ended by CR LF.

    Raises UnmailableAddress for a recipient that cannot be mailed, ValueError for an envelope, a logo or a file name
    of ours that is wrong.
    """
    _check(envelope, logo, document)
    message_id = envelope.message_id
    text, html = draw(letter, logo)
    drawn = text_part("html", html)
    if logo is not None:
        drawn = parts_together("related", message_id, [drawn, _logo_part(logo)])
    headers, alternatives = tuple(_headers(letter, envelope)), [text_part("plain", text), drawn]
    if document is None:
        return parts_together("alternative", message_id, alternatives, headers).to_bytes()
    body = parts_together("alternative", message_id, alternatives)
    return parts_together(
        "mixed", message_id, [body, pdf_part(document.file_name, document.content)], headers
    ).to_bytes()


def draw(letter: Letter, logo: MailLogo | None = None) -> tuple[str, str]:
    """Return the mail's plain text and its HTML, which shows the logo as a part of the mail."""
    templates = _templates()
    values = {"letter": letter, "logo": logo}
    text = templates.get_template(f"{letter.kind}/body.txt").render(values)
    html = templates.get_template(f"{letter.kind}/body.html").render(values)
    return text.strip() + "\n", html.strip() + "\n"


def _check(envelope: Envelope, logo: MailLogo | None, document: Document | None) -> None:
    ids = [envelope.message_id, envelope.first_message_id or envelope.message_id]
    if not all(map(_ID.fullmatch, ids)):
        raise ValueError(f"a message id is not made of letters, digits, '.', '_' and '-': {ids!r}")
    if not is_domain(envelope.domain):
        raise ValueError(f"{envelope.domain!r} is no domain")
    if envelope.sent_at.tzinfo is None:
        raise ValueError("sent_at has no time zone")
    if logo is not None and len(logo.image) > LARGEST_LOGO_BYTES:
        raise ValueError(f"the logo has {len(logo.image)} bytes, more than {LARGEST_LOGO_BYTES}")
    if document is not None and not _ID.fullmatch(document.file_name):
        raise ValueError(f"{document.file_name!r} is no file name to attach")


def _headers(letter: Letter, envelope: Envelope) -> Iterator[tuple[str, str]]:
    domain, message_id = envelope.domain, envelope.message_id
    yield "From", named_address(name_to_greet(letter.sender), f"{SENDER}@{domain}")
    if letter.reply_to:
        yield "Reply-To", letter.reply_to
    yield "To", mailable(letter.slots.email_to)
    yield "Subject", encoded(letter.slots.subject)
    yield "Date", format_datetime(envelope.sent_at)
    yield "Message-ID", f"<{message_id}@{domain}>"
    if envelope.first_message_id not in (None, message_id):
        first = f"<{envelope.first_message_id}@{domain}>"
        yield "In-Reply-To", first
        yield "References", first
    yield "Auto-Submitted", "auto-generated"
    yield "X-Entity-Ref-ID", message_id
    yield "Content-Language", letter.language
    if letter.stop_reminders is not None and letter.stop_reminders.url.startswith("https://"):
        # Of what is no advertising, only reminders can be unsubscribed from; by one click where the link is safe (RFC
        # 8058).
        yield "List-Unsubscribe", f"<{letter.stop_reminders.url}>"
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"
    yield "MIME-Version", "1.0"


@lru_cache
def _templates() -> "Environment":
    # Imported here because only a worker draws mails.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        # Plain text has no markup that anything could be taken for.
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


# A merchant's logo goes with every mail.
@lru_cache(maxsize=64)
def _logo_part(logo: MailLogo) -> Part:
    return picture_part(logo.subtype, logo.image, logo.content_id)
