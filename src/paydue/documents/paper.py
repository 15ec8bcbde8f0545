"""What every document shows of its merchant and on what paper: the same on an invoice and on a receipt."""

from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

import msgspec

from paydue.documents.document import Document, Template
from paydue.documents.drawable_text import drawable_line
from paydue.domain.colours import palette
from paydue.domain.invoice import Invoice
from paydue.domain.labels import Labels
from paydue.domain.merchant import Address, Merchant
from paydue.domain.settings import Settings
from paydue.language.amounts import amount_parts, format_amount, format_figures
from paydue.language.dates import format_long_date
from paydue.language.moments import zone_named
from paydue.language.words import words_of

# Where an ordinary printer holds US Letter; A4 everywhere else (CLDR's paper sizes).
_US_LETTER: Final = frozenset("BZ CA CL CO CR GT MX NI PA PH PR SV US VE".split())
# Written in their own script, addresses there begin with the country's largest part and end with the house.
_LARGEST_FIRST: Final = frozenset({"CN", "JP", "TW"})

# One value of a template, as JSON has it.
Values = dict[str, Any]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a document is about, and for whom it is written.

    `language` is the reader's, one of the nine. `logo` is the picture as it is stored. `is_test` is true where no
    money moves.
    """

    invoice: Invoice
    merchant: Merchant
    settings: Settings
    language: str
    logo: bytes | None = None
    is_test: bool = False


class Writer:
    """Writes the parts that all documents share. Raises UnknownLanguage when made for none of the nine."""

    def __init__(self, subject: Subject) -> None:
        self.subject: Final = subject
        self.words: Final = words_of(subject.language)
        self.labels: Final = Labels(subject.settings.labels)
        self.zone: Final[tzinfo] = zone_named(subject.merchant.time_zone)
        self.merchant_name: Final = drawable_line(subject.settings.display_name(subject.merchant.name))

    def document(self, template: Template, values: Values, made_at: datetime, payment_link: str = "") -> Document:
        """Return the document of these values, with those that every document has."""
        subject = self.subject
        language, _, region = subject.language.partition("-")
        colours = palette(subject.settings.background_color, subject.settings.font_color)
        everywhere = {
            "language": language,
            # "419" is no country, and typst takes countries only.
            "region": region if region.isalpha() else None,
            "paper": _paper_of(subject.merchant),
            "colours": {"band": colours.band, "link": colours.link, "action": colours.action},
            "merchant": {"name": self.merchant_name, "lines": [line for line in self._merchant_lines() if line]},
            "logo_alt": self.words.say("Logo of {merchant}", merchant=self.merchant_name),
        }
        return Document(
            template=template,
            values=msgspec.json.encode(everywhere | values),
            payment_link=payment_link,
            logo=subject.logo,
            made_at=made_at,
        )

    def day_of(self, at: datetime) -> str:
        """Return the merchant's day of a point in time."""
        return format_long_date(at.astimezone(self.zone).date(), self.subject.language)

    def money(self, value: Decimal) -> str:
        """Return an amount with its currency."""
        return format_amount(value, self.subject.invoice.terms.currency, self.subject.language)

    def figures(self, value: Decimal) -> str:
        """Return an amount without its currency."""
        return format_figures(value, self.subject.invoice.terms.currency, self.subject.language)

    def big(self, value: Decimal) -> list[str]:
        """Return an amount in the four pieces that are set in different sizes."""
        return list(amount_parts(value, self.subject.invoice.terms.currency, self.subject.language))

    def bill_to(self) -> Values | None:
        """Return who is billed: a label over a name and a company."""
        customer, labels = self.subject.invoice.terms.customer, self.labels
        if customer is None:
            return None
        company = "" if labels.hides("companyName") else drawable_line(customer.company_name)
        lines = [line for line in (drawable_line(customer.name), company) if line]
        return fact(labels.name("billTo", self.words.say("Bill to")), *lines)

    def share_paid(self, balance: Decimal) -> int:
        """Return how much of the total is paid, in percent; all and nothing only where it is all or nothing."""
        total = self.subject.invoice.terms.total
        if balance <= 0:
            return 100
        return min(99, max(1, int((total - balance) * 100 / total))) if balance < total else 0

    def _merchant_lines(self) -> list[str]:
        merchant, settings = self.subject.merchant, self.subject.settings
        number = drawable_line(settings.vat_registration_number) if settings.shows_vat_number else ""
        return [
            *(_address_lines(merchant.address) if merchant.address is not None else ()),
            drawable_line(merchant.phone),
            drawable_line(merchant.email),
            self.words.say("VAT number {number}", number=number) if number else "",
        ]


def fact(label: str, *lines: str) -> Values | None:
    """Return a label and the lines below it, or None when there is nothing to say."""
    said = [line for line in lines if line]
    return {"label": drawable_line(label), "lines": said} if said else None


def _paper_of(merchant: Merchant) -> str:
    country = merchant.address.country if merchant.address is not None else None
    return "us-letter" if country in _US_LETTER else "a4"


def _address_lines(address: Address) -> list[str]:
    """Return street and place on two lines, their parts in the order of the country."""
    street = [drawable_line(part) for part in (address.address1, address.address2)]
    city, state, code = (drawable_line(part) for part in (address.city, address.state, address.postal_code))
    if address.country in _LARGEST_FIRST and not city.isascii():
        return [code, "".join((state, city, *street))]
    place = [city, " ".join(filter(None, (state, code)))] if state else [f"{code} {city}".strip()]
    return [", ".join(filter(None, part)) for part in (street, place)]
