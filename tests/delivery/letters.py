"""Letters of tests and the mails they become: say only what the test is about."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

from msgspec.structs import replace

from paydue.delivery.letter import Letter, letter_of
from paydue.delivery.mail import Document, Envelope, compose
from paydue.delivery.mail_facts import NOTICES, MailFacts, MailKind
from paydue.delivery.mail_logo import MailLogo
from paydue.delivery.preview import preview_facts

# The mails that are about an invoice.
BILLING = [kind for kind in MailKind if kind not in NOTICES]
ENVELOPE = Envelope(message_id="01KAB-2", domain="pay.example", sent_at=datetime(2026, 11, 21, 9, 30, tzinfo=UTC))


def some_facts(kind: MailKind = MailKind.INVOICE, language: str = "en-US", **changed: Any) -> MailFacts:
    """Return the facts of a preview, with changes; `settings`, `merchant` and `terms` are changed by their fields."""
    facts = preview_facts(kind, language)
    for name in ("settings", "merchant", "terms"):
        if name in changed:
            changed[name] = replace(getattr(facts, name), **changed[name])
    return replace(facts, **changed)


def composed(
    facts: MailFacts | Letter, *, logo: MailLogo | None = None, document: Document | None = None, **envelope: Any
) -> bytes:
    letter = facts if isinstance(facts, Letter) else letter_of(facts)
    return compose(letter, replace(ENVELOPE, **envelope), logo=logo, document=document)


def parsed(mail: bytes) -> EmailMessage:
    """Return a mail as another program reads it."""
    return message_from_bytes(mail, policy=policy.default)


def text_of(mail: bytes) -> str:
    part = parsed(mail).get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def html_of(mail: bytes) -> str:
    part = parsed(mail).get_body(("html",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


class Reader(HTMLParser):
    """What a person sees of HTML: the text of the sheet, where links lead, and every element there is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.links: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._unseen = 0
        self._open: list[bool] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.elements.append((tag, given))
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag in ("meta", "br", "img"):
            return
        # The preheader is hidden, and the band repeats the sender.
        is_unseen = (
            tag in ("head", "style")
            or "display:none" in (given.get("style") or "")
            or "padding:18px" in (given.get("style") or "")
        )
        self._open.append(is_unseen)
        self._unseen += is_unseen

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.seen.append(data)
