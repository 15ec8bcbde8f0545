"""
The invoice on paper: what it says in every state, in the reader's language.

Only what is written here reaches the PDF: no internal ids, no address of the payer, no reference of the merchant's,
for whoever holds the payment link may download it.
"""

from datetime import datetime
from typing import Final

from paydue.documents.billed import BillingWriter
from paydue.documents.document import Document, Template
from paydue.documents.drawable_text import breakable_url, drawable_line, drawable_lines
from paydue.documents.paper import Subject, Values, fact
from paydue.domain.events import What
from paydue.domain.money import ZERO
from paydue.domain.standing import Standing, standing_of
from paydue.language.dates import format_long_date

# A link of ours has half of these; whatever it is, the slip stays a slip.
_SLIP_URL_CHARACTERS: Final = 300


def invoice_document(subject: Subject, at: datetime, payment_url: str = "") -> Document:
    """
    Return the invoice as it stands at `at`, to be drawn by the press.

    `payment_url` is printed, with its QR code, while the invoice can be paid. Raises UnknownLanguage.
    """
    writer = _InvoiceWriter(subject, at)
    is_payable = writer.state in (Standing.PAYABLE, Standing.OVERDUE) and payment_url != ""
    return writer.document(
        Template.INVOICE,
        writer.values(payment_url if is_payable else ""),
        made_at=subject.invoice.history[-1].at if subject.invoice.history else subject.invoice.created_at,
        payment_link=payment_url if is_payable else "",
    )


class _InvoiceWriter(BillingWriter):
    """Writes one invoice, part by part from top to bottom."""

    def __init__(self, subject: Subject, at: datetime) -> None:
        super().__init__(subject)
        self.state: Final = standing_of(subject.invoice, at, at.astimezone(self.zone).date())
        self._invoice = subject.invoice
        self._terms = subject.invoice.terms
        self._due = format_long_date(self._terms.due_date, subject.language)

    def values(self, payment_url: str) -> Values:
        say, number = self.words.say, drawable_line(self._invoice.number)
        is_numbered = bool(number) and not self.labels.hides("invoiceNumber")
        heading = say("Invoice {number}", number=number) if is_numbered else say("Invoice")
        return {
            "title": f"{heading} \u2013 {self.merchant_name}",
            "heading": heading,
            "foot": f"{heading} · {self.day_of(self._invoice.created_at)}",
            "stamp": self._stamp(),
            "watermark": self._watermark(),
            "facts": [fact for fact in self._facts() if fact is not None],
            "description": self._description(),
            "items": self.items(),
            "totals": self.totals(),
            "slip": self._slip(payment_url),
        }

    def _stamp(self) -> Values | None:
        """Return the word beside the heading, where the state is not the ordinary one."""
        say = self.words.say
        word = {
            Standing.DRAFT: say("Draft"),
            Standing.OVERDUE: say("Overdue"),
            Standing.IN_REVIEW: say("In review"),
            Standing.PAID: say("Paid"),
            Standing.CANCELED: say("Canceled"),
            Standing.EXPIRED: say("Expired"),
        }.get(self.state)
        return {"kind": self.state, "word": word} if word else None

    def _watermark(self) -> str | None:
        """Return the word across the page, for a sheet that must not be taken for an invoice to pay."""
        if self.state is Standing.DRAFT:
            return self.words.say("Draft")
        if self.subject.is_test:
            return self.words.say("Test")
        return self.words.say("Canceled") if self.state is Standing.CANCELED else None

    def _facts(self) -> list[Values | None]:
        say, labels, terms = self.words.say, self.labels, self._terms
        customer_id = terms.customer.merchant_customer_id if terms.customer is not None else None
        renamed_number = labels.name("invoiceNumber", "")
        return [
            self.bill_to(),
            fact(say("Issued"), self.day_of(self._invoice.created_at)),
            fact(say("Due"), self._due),
            fact(renamed_number, drawable_line(self._invoice.number))
            if renamed_number and not labels.hides("invoiceNumber")
            else None,
            None
            if labels.hides("customerId")
            else fact(labels.name("customerId", say("Customer ID")), drawable_line(customer_id)),
            *(
                fact(value.definition.label, drawable_line(value.value))
                for value in terms.field_values
                if value.definition.is_customer_visible
            ),
        ]

    def _description(self) -> Values | None:
        if self.labels.hides("description"):
            return None
        label = self.labels.name("description", self.words.say("Description"))
        return fact(label, drawable_lines(self._terms.description))

    def _slip(self, payment_url: str) -> Values:
        """Return the foot of the last page: what is due, how much of it is paid, and how to pay the rest."""
        say, balance = self.words.say, self._invoice.balance
        is_owed = self.state not in (Standing.PAID, Standing.CANCELED)
        return {
            "label": self._slip_label(),
            "big": self.big(balance if is_owed else ZERO if self.state is Standing.CANCELED else self._terms.total),
            "share": self.share_paid(balance) if self.state is not Standing.CANCELED else None,
            "sentences": [sentence for sentence in self._slip_sentences() if sentence],
            "pay": {
                "heading": say("Pay online"),
                "url": payment_url,
                "shown_url": breakable_url(_shown(payment_url)),
                "scan": say("Scan to pay"),
                "qr_alt": say("QR code of the payment link"),
            }
            if payment_url
            else None,
        }

    def _slip_label(self) -> str:
        say, paid = self.words.say, self._invoice.paid
        match self.state:
            case Standing.PAID:
                return self._closed(What.PAYMENT_RECEIVED) or say("Paid")
            case Standing.CANCELED:
                return self._closed(What.INVOICE_CANCELED) or say("Canceled")
            case Standing.IN_REVIEW:
                return say("Balance due")
            case Standing.OVERDUE:
                was_due = say("Balance was due on {date}", date=self._due)
                return was_due if paid else say("Was due on {date}", date=self._due)
        return say("Balance due on {date}", date=self._due) if paid else say("Due on {date}", date=self._due)

    def _closed(self, what: What) -> str:
        """Say on which day the invoice was paid or canceled."""
        at = next((event.at for event in reversed(self._invoice.history) if event.what is what), None)
        if at is None:
            return ""
        day = self.day_of(at)
        if what is What.INVOICE_CANCELED:
            return self.words.say("Canceled on {date}", date=day)
        return self.words.say("Paid on {date}", date=day)

    def _slip_sentences(self) -> list[str]:
        say, invoice = self.words.say, self._invoice
        match self.state:
            case Standing.PAID:
                return [say("Paid in full"), say("Thank you for your business.")]
            case Standing.CANCELED:
                return [say("You do not need to pay this invoice.")]
            case Standing.DRAFT:
                return [say("This is a draft. It cannot be paid yet.")]
        paid = (
            say("{paid} of {total} paid", paid=self.money(invoice.paid), total=self.money(self._terms.total))
            if invoice.paid
            else ""
        )
        match self.state:
            case Standing.IN_REVIEW:
                return [paid, say("Your payment is being checked. Do not pay again.")]
            case Standing.EXPIRED:
                return [paid, say("The payment link has expired. Ask the sender for a new one.")]
        return [paid, self._partial_payment()]

    def _partial_payment(self) -> str:
        say, terms, balance = self.words.say, self._terms, self._invoice.balance
        if not terms.allows_partial_payments or self.labels.hides("partialPayment"):
            return ""
        least = terms.minimum_partial_amount
        if least and least >= balance:
            return ""
        label = drawable_line(self.labels.name("partialPayment", say("Partial payment")))
        value = say("Any amount from {minimum}", minimum=self.money(least)) if least else say("Any amount")
        return say("{label}: {value}", label=label, value=value)


def _shown(url: str) -> str:
    """Return an address as people read it, without its scheme and never longer than the slip has room for."""
    shown = url.partition("://")[2] or url
    return shown if len(shown) <= _SLIP_URL_CHARACTERS else shown[:_SLIP_URL_CHARACTERS] + "…"
