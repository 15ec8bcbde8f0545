"""Every mail in every language, written from made-up facts, for people who want to see what their payers will get."""

import io
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from paydue.delivery.letter import Letter, letter_of
from paydue.delivery.mail import Envelope, compose, draw
from paydue.delivery.mail_facts import NOTICES, MailFacts, MailKind, Trouble
from paydue.delivery.mail_logo import MailLogo, mail_logo
from paydue.delivery.notices import NoticeFacts, notice_letter
from paydue.domain.line_items import LineItem
from paydue.domain.merchant import Merchant
from paydue.domain.money import ZERO, shortest
from paydue.domain.settings import LANGUAGES, Settings
from paydue.domain.terms import Customer, DeliveryMode, Tax, Terms

_EXAMPLES: Final = Path(__file__).with_name("preview_examples.json")

_DOMAIN: Final = "pay.example"
_DUE: Final = date(2026, 12, 11)
_PAYMENT_URL: Final = f"https://{_DOMAIN}/ebc2/invoicing/payInvoice/{'Example' * 9}1?version=v2.1"

# How far the story has come: the day of writing, counted from the due date, and the share that is paid.
_WHEN: Final = {
    MailKind.REMINDER: -5,
    MailKind.OVERDUE_REMINDER: 1,
}
_PARTLY_PAID: Final = frozenset(
    {MailKind.PARTIAL_RESEND, MailKind.REMINDER, MailKind.PARTIAL_PAYMENT, MailKind.PAYMENT_RECEIVED}
)
_WITHOUT_A_LINK: Final = frozenset({MailKind.CANCEL, MailKind.IN_REVIEW, MailKind.REFUND})


class _Example(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant, a payer and what was bought: items with count and total, the tax with rate and amount."""

    merchant: Merchant
    background: str
    font: str
    payer: str
    number: str
    currency: str
    items: tuple[tuple[str, int, str], ...]
    tax: tuple[str, str, str]
    description: str
    message: str
    has_logo: bool = True


def write_previews(
    folder: Path, kinds: Iterable[MailKind] = tuple(MailKind), languages: Iterable[str] = LANGUAGES
) -> list[Path]:
    """
    Write `<language>/<mail>.eml` and `.html` for each into `folder`, made if needed, and return their paths.

    Files of earlier previews are replaced. Raises UnknownLanguage, OSError.
    """
    written = []
    for language in languages:
        place = folder / language
        place.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            letter, logo = preview_letter(kind, language), preview_logo(language)
            envelope = Envelope(
                message_id=f"preview-{kind}", domain=_DOMAIN, sent_at=datetime(2026, 11, 21, 9, tzinfo=UTC)
            )
            mail, page = place / f"{kind}.eml", place / f"{kind}.html"
            mail.write_bytes(compose(letter, envelope, logo=logo))
            page.write_text(preview_html(letter, logo), encoding="utf-8")
            written += [mail, page]
    return written


def preview_letter(kind: MailKind, language: str) -> Letter:
    """Return the letter that a preview shows. Raises UnknownLanguage."""
    if kind in NOTICES:
        return notice_letter(_preview_notice(kind, language))
    return letter_of(preview_facts(kind, language))


def preview_html(letter: Letter, logo: MailLogo | None) -> str:
    """Return the HTML of a letter as a page of its own, with the logo inside."""
    html = draw(letter, logo)[1]
    if logo is None:
        return html
    data = f"data:image/{logo.subtype};base64,{b64encode(logo.image).decode()}"
    return html.replace(f"cid:{logo.content_id}", data)


def preview_facts(kind: MailKind, language: str) -> MailFacts:
    """Return the made-up facts of the preview of a mail about an invoice."""
    example = _example_for(language)
    terms = _terms(example)
    total = terms.total
    part = Decimal(int(total * 2 / 5))
    balance = total - part if kind in _PARTLY_PAID else ZERO if kind in (MailKind.PAID, MailKind.ACCEPTED) else total
    settings = Settings(
        merchant_display_name=example.merchant.name,
        background_color=example.background,
        font_color=example.font,
        delivery_language=language,
        custom_email_message=example.message,
    )
    facts = MailFacts(
        kind=kind,
        language=language,
        merchant=example.merchant,
        settings=settings,
        number=example.number,
        terms=terms,
        currency=terms.currency,
        total=total,
        balance=balance,
        due_date=terms.due_date,
        today=_DUE + timedelta(days=_WHEN.get(kind, -20)),
        recipient="payer@customer.example",
        payment_url="" if kind in _WITHOUT_A_LINK else _PAYMENT_URL,
        console_url=f"https://{_DOMAIN}/console/invoices/{example.number}",
        amount=part if kind in _PARTLY_PAID else total,
        transaction_id="7958342107456174603058",
        method="Visa",
        card_ending="1111",
        trouble=Trouble.OUTCOME_UNKNOWN,
    )
    if kind in (MailKind.REMINDER, MailKind.OVERDUE_REMINDER):
        return replace(facts, stop_reminders_url=f"https://{_DOMAIN}/reminders/stop/{'Example' * 3}")
    if kind in (MailKind.PARTIAL_PAYMENT, MailKind.PAID):
        return replace(facts, receipt_url=f"https://{_DOMAIN}/receipt/{'Example' * 3}")
    return facts


def _preview_notice(kind: MailKind, language: str) -> NoticeFacts:
    example = _example_for(language)
    return NoticeFacts(
        kind=kind,
        merchant=example.merchant,
        settings=Settings(background_color=example.background, font_color=example.font, delivery_language=language),
        recipient="owner@merchant.example",
        console_url=f"https://{_DOMAIN}/console",
        facts={"receiver": "https://books.merchant.example", "since": "2026-11-14", "limit": "1000"},
    )


@lru_cache
def preview_logo(language: str) -> MailLogo | None:
    """Return the example merchant's sign: a ring over two waves in the colour of the band's text."""
    example = _example_for(language)
    if not example.has_logo:
        return None
    from PIL import Image, ImageDraw  # noqa: PLC0415 - see mail_logo

    picture = Image.new("RGBA", (160, 160))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((6, 6, 154, 154), outline=example.font, width=7)
    pen.line((80, 34, 80, 96), fill=example.font, width=10)
    for height in (104, 122):
        for left in range(28, 132, 26):
            pen.arc((left, height - 8, left + 26, height + 8), 0, 180, fill=example.font, width=6)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return mail_logo(file.getvalue())


def _terms(example: _Example) -> Terms:
    items = [
        LineItem(product_sku=f"P-{at}", product_name=name, unit_price=shortest(Decimal(total) / count), quantity=count,
                 total=shortest(Decimal(total)))
        for at, (name, count, total) in enumerate(example.items)
    ]  # fmt: skip
    sub_amount = sum((item.total for item in items), ZERO)
    kind, rate, tax = example.tax
    return Terms(
        due_date=_DUE,
        currency=example.currency,
        total=shortest(sub_amount + Decimal(tax)),
        delivery_mode=DeliveryMode.EMAIL,
        customer=Customer(name=example.payer, email="payer@customer.example"),
        description=example.description,
        allows_partial_payments=True,
        minimum_partial_amount=Decimal(50),
        sub_amount=shortest(sub_amount),
        tax=Tax(type=kind or None, rate=Decimal(rate), amount=shortest(Decimal(tax))),
        line_items=tuple(items),
    )


def _example_for(language: str) -> _Example:
    examples = _examples()
    return examples.get(language, examples["en-US"])


@lru_cache
def _examples() -> dict[str, _Example]:
    return msgspec.json.decode(_EXAMPLES.read_bytes(), type=dict[str, _Example])
