"""
One mail before it is drawn: every string, figure and colour that its templates may show.

The plain text and the HTML are made of the same letter, so that neither says what the other does not.
"""

from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from paydue.delivery.mail_facts import TO_THE_MERCHANT, MailFacts, MailKind
from paydue.delivery.mail_headers import UnmailableAddress, mailable
from paydue.delivery.plain_text import Piece, lines, linked_lines, name_to_greet, one_line
from paydue.delivery.slots import Slots, slots_of
from paydue.delivery.telling import Wording
from paydue.delivery.wording import wording_of
from paydue.domain.colours import Palette, palette
from paydue.domain.labels import Labels
from paydue.domain.line_items import LineItem
from paydue.domain.money import ZERO
from paydue.language.amounts import (
    AmountParts,
    amount_parts,
    format_amount,
    format_figures,
    format_number,
    format_percent,
)
from paydue.language.words import Words, words_of

PRODUCT: Final = "Paydue"

# Written in their own script, addresses there begin with the country's largest part and end with the house.
_LARGEST_FIRST: Final = frozenset({"CN", "JP", "TW"})

_MOVES_MONEY: Final = frozenset(
    {
        MailKind.PARTIAL_PAYMENT,
        MailKind.PAID,
        MailKind.IN_REVIEW,
        MailKind.ACCEPTED,
        MailKind.REFUND,
        MailKind.PAYMENT_RECEIVED,
    }
)


class Row(NamedTuple):
    """A label and its value; `line` is both in one sentence. Sums are set apart."""

    label: str
    value: str
    line: str
    is_sum: bool = False


class Link(NamedTuple):
    caption: str
    url: str


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one mail shows, in its reader's language; empty means that there is none.

    `share` is how much is paid, in percent, for the due line; None: no line. `message` is the merchant's own
    paragraph, line by line. `sender` is who the mail is from, `reply_to` an address.
    """

    kind: MailKind
    language: str
    slots: Slots
    palette: Palette
    sender: str
    reply_to: str
    greeting: str
    heading: str
    amount_label: str
    amount: AmountParts | None
    share: int | None
    share_text: str
    message: tuple[tuple[Piece, ...], ...]
    details: tuple[Row, ...]
    items: tuple[Row, ...]
    totals: tuple[Row, ...]
    receipt: Link | None
    stop_reminders: Link | None
    question: str
    footer: tuple[str, ...]


def letter_of(facts: MailFacts) -> Letter:
    """Return the letter of these facts. Raises UnknownLanguage."""
    said = wording_of(facts)
    slots = slots_of(facts, said)
    words = words_of(facts.language)
    is_to_merchant = facts.kind in TO_THE_MERCHANT
    reply_to = "" if is_to_merchant else _reply_to(facts)
    writer = _Writer(facts, words)
    return Letter(
        kind=facts.kind,
        language=facts.language,
        slots=slots,
        palette=palette(facts.settings.background_color, facts.settings.font_color),
        sender=PRODUCT if is_to_merchant else slots.merchant_name,
        reply_to=reply_to,
        greeting="" if is_to_merchant else _greeting(slots, words),
        heading=said.heading,
        amount_label=said.amount_label,
        amount=writer.amount(said),
        share=writer.share(said),
        share_text=writer.share_text(said),
        message=linked_lines(slots.custom_message) if slots.custom_message else (),
        details=tuple(writer.details()),
        items=tuple(writer.items()),
        totals=tuple(writer.totals()),
        receipt=writer.receipt(),
        stop_reminders=writer.stop_reminders(),
        question=words.say("Answer this mail if something is not right.") if reply_to else "",
        footer=merchant_footer(words) if is_to_merchant else _payer_footer(facts, slots, words),
    )


def _reply_to(facts: MailFacts) -> str:
    """Return where answers go; nowhere when the merchant's address is none, for then nobody is asked to answer."""
    try:
        return mailable(facts.merchant.email or "")
    except UnmailableAddress:
        return ""


def _greeting(slots: Slots, words: Words) -> str:
    name = name_to_greet(slots.payer_name)
    return words.say("Hello {name},", name=name) if name else words.say("Hello,")


def _payer_footer(facts: MailFacts, slots: Slots, words: Words) -> tuple[str, ...]:
    contact = (slots.merchant_phone or one_line(facts.merchant.email)).replace(" ", "\u00a0")
    if contact:
        doubt = words.say(
            "Contact {merchant} at {contact} if you did not expect this mail.",
            merchant=slots.merchant_name, contact=contact,
        )  # fmt: skip
    else:
        doubt = words.say("Contact {merchant} if you did not expect this mail.", merchant=slots.merchant_name)
    vat_number = one_line(facts.settings.vat_registration_number) if facts.settings.shows_vat_number else ""
    footer = (
        _name_and_address(facts, slots),
        words.say("VAT number {number}", number=vat_number) if vat_number else "",
        doubt,
        words.say("The link in this mail is a key: forward it only to people who may see this invoice.")
        if slots.invoice_url
        else "",
    )
    return tuple(line for line in footer if line)


def _name_and_address(facts: MailFacts, slots: Slots) -> str:
    """Return the merchant on one line, the parts of the address in the order of its country."""
    name, city, state, postal_code = slots.merchant_name, slots.merchant_city, slots.merchant_state, slots.merchant_zip
    street = [slots.merchant_address, slots.merchant_address2.strip()]
    address = facts.merchant.address
    if address is not None and address.country in _LARGEST_FIRST and not city.isascii():
        return " ".join(filter(None, (name, postal_code, "".join((state, city, *street)))))
    place = [city, " ".join(filter(None, (state, postal_code)))] if state else [" ".join((postal_code, city)).strip()]
    return ", ".join(filter(None, (name, *street, *place)))


def merchant_footer(words: Words) -> tuple[str, ...]:
    """Return what stands below a mail to the merchant."""
    return (words.say("Paydue wrote this mail to the merchant. The settings say which of them are sent."),)


class _Writer:
    """Puts the figures and facts of one mail into rows."""

    def __init__(self, facts: MailFacts, words: Words) -> None:
        self._facts = facts
        self._words = words
        self._labels = Labels(facts.settings.labels)

    def amount(self, said: Wording) -> AmountParts | None:
        facts = self._facts
        if not said.amount_label:
            return None
        value = facts.amount if facts.kind in _MOVES_MONEY else facts.balance
        return amount_parts(value, facts.currency, facts.language)

    def share(self, said: Wording) -> int | None:
        facts = self._facts
        if not said.amount_label or facts.paid <= ZERO or facts.kind in (MailKind.IN_REVIEW, MailKind.REFUND):
            return None
        if facts.balance <= ZERO:
            return 100
        # Neither nothing nor all: the line shows that something is paid, and that something is due.
        return min(99, max(1, int(facts.paid * 100 / facts.total)))

    def share_text(self, said: Wording) -> str:
        facts, share = self._facts, self.share(said)
        if share is None:
            return ""
        if share == 100:
            return self._words.say("Paid in full")
        return self._words.say("{paid} of {total} paid", paid=self._money(facts.paid), total=self._money(facts.total))

    def details(self) -> list[Row]:
        """Return the facts below the button."""
        say, facts = self._words.say, self._facts
        customer, terms = facts.terms.customer, facts.terms
        rows = []
        if facts.kind in (MailKind.INVOICE, MailKind.RESEND, MailKind.PAYMENT_RECEIVED):
            rows.append(self._fact("invoiceNumber", say("Invoice number"), facts.number))
            if customer is not None:
                rows += (
                    self._fact("billTo", say("Bill to"), customer.name),
                    self._fact("companyName", say("Company"), customer.company_name),
                    self._fact("customerId", say("Customer ID"), customer.merchant_customer_id),
                )
        if facts.kind in (MailKind.INVOICE, MailKind.RESEND):
            rows.append(self._fact("description", say("Description"), terms.description))
        if facts.kind in _MOVES_MONEY:
            method = one_line(facts.method)
            if facts.card_ending:
                method = say("{card} ending {digits}", card=method, digits=one_line(facts.card_ending))
            rows.append(self._fact("", say("Payment method"), method))
            rows.append(self._fact("", say("Transaction"), facts.transaction_id))
            if facts.is_test:
                rows.append(self._fact("", say("Test payment"), say("No money has moved.")))
        elif facts.payment_url and facts.terms.allows_partial_payments:
            rows.append(self._fact("partialPayment", say("Partial payment"), self._partial_payment()))
        return [row for row in rows if row.value]

    def items(self) -> list[Row]:
        """Return the billed lines, in the mail that brings the invoice."""
        if self._facts.kind is not MailKind.INVOICE:
            return []
        return [self._row(self._item_name(item), self._figures(item.total)) for item in self._facts.terms.line_items]

    def totals(self) -> list[Row]:
        """Return the sums: how the total came about in the first mail, and what is left of it in the others."""
        say, facts = self._words.say, self._facts
        if facts.kind in (MailKind.CANCEL, MailKind.IN_REVIEW, MailKind.REFUND, MailKind.NEEDS_ATTENTION):
            return []
        rows = self._adjustments() if facts.kind is MailKind.INVOICE else []
        if facts.paid <= ZERO:
            total = self._row(say("Total"), self._money(facts.total), is_sum=True)
            return [*rows, total] if rows or self.items() else []
        if facts.balance <= ZERO and facts.amount == facts.total:
            return []
        return [
            *rows,
            self._row(say("Total"), self._figures(facts.total)),
            self._row(say("Paid so far"), self._figures(-facts.paid)),
            self._row(say("Balance due"), self._money(facts.balance), is_sum=True),
        ]

    def receipt(self) -> Link | None:
        url = self._facts.receipt_url
        return Link(self._words.say("View the receipt"), url) if url else None

    def stop_reminders(self) -> Link | None:
        url = self._facts.stop_reminders_url
        return Link(self._words.say("Stop reminders for this invoice"), url) if url else None

    def _adjustments(self) -> list[Row]:
        say, terms, labels = self._words.say, self._facts.terms, self._labels
        rows = []
        if terms.sub_amount is not None:
            rows.append(self._row(say("Subtotal"), self._figures(terms.sub_amount)))
        if terms.discount_amount and not labels.hides_on_invoice("discount"):
            name = labels.name("discount", say("Discount"))
            rows.append(self._row(self._noted(name, terms.discount_percent), self._figures(-terms.discount_amount)))
        if terms.freight is not None and terms.freight.amount is not None and not labels.hides("shipping"):
            rows.append(self._row(labels.name("shipping", say("Shipping")), self._figures(terms.freight.amount)))
        if terms.tax is not None and terms.tax.amount is not None and not labels.hides_on_invoice("tax"):
            name = self._noted(labels.name("tax", say("Tax")), terms.tax.rate, terms.tax.type)
            rows.append(self._row(name, self._figures(terms.tax.amount)))
        return rows

    def _noted(self, label: str, rate: Decimal | None, kind: str | None = None) -> str:
        note = " ".join(filter(None, (kind, format_percent(rate, self._facts.language) if rate else None)))
        return self._words.say("{label} ({note})", label=label, note=note) if note else label

    def _item_name(self, item: LineItem) -> str:
        quantity = format_number(item.quantity, self._facts.language)
        return f"{item.product_name} ×\u00a0{quantity}"

    def _partial_payment(self) -> str:
        facts, least = self._facts, self._facts.terms.minimum_partial_amount
        if not least:
            return self._words.say("Any amount")
        return self._words.say("Any amount from {minimum}", minimum=self._money(least)) if least < facts.balance else ""

    def _fact(self, key: str, usual: str, value: str | None) -> Row:
        shown = "" if key and self._labels.hides(key) else lines(value)
        return self._row(self._labels.name(key, usual), shown)

    def _row(self, label: str, value: str, *, is_sum: bool = False) -> Row:
        label = one_line(label)
        return Row(label, value, self._words.say("{label}: {value}", label=label, value=value), is_sum)

    def _money(self, value: Decimal) -> str:
        return format_amount(value, self._facts.currency, self._facts.language)

    def _figures(self, value: Decimal) -> str:
        return format_figures(value, self._facts.currency, self._facts.language)
