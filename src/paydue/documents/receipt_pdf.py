"""The receipt on paper: that a payment has arrived, and what it leaves to pay."""

from datetime import datetime
from decimal import Decimal

import msgspec

from paydue.documents.billed import BillingWriter
from paydue.documents.document import Document, Template
from paydue.documents.drawable_text import drawable_line
from paydue.documents.paper import Subject, Values, fact
from paydue.domain.money import ZERO
from paydue.language.moments import format_moment


class PaymentReceived(msgspec.Struct, frozen=True, kw_only=True):
    """
    The payment that a receipt is about.

    `method` is a word (Visa, bank transfer), `card_ending` the last four digits of a card, `transaction_id` what
    payer and merchant find the payment again by. `balance_left` is what was due after it.
    """

    amount: Decimal
    paid_at: datetime
    balance_left: Decimal
    method: str = ""
    card_ending: str = ""
    transaction_id: str = ""


def receipt_document(subject: Subject, payment: PaymentReceived) -> Document:
    """Return the receipt of a payment for `subject`'s invoice, to be drawn by the press. Raises UnknownLanguage."""
    writer = _ReceiptWriter(subject)
    return writer.document(Template.RECEIPT, writer.values(payment), made_at=payment.paid_at)


class _ReceiptWriter(BillingWriter):
    """Writes one receipt, part by part from top to bottom."""

    def values(self, payment: PaymentReceived) -> Values:
        say, invoice = self.words.say, self.subject.invoice
        number = drawable_line(invoice.number)
        heading, about = say("Receipt"), say("Invoice {number}", number=number)
        day = self.day_of(payment.paid_at)
        return {
            "title": f"{heading} \u2013 {about} \u2013 {self.merchant_name}",
            "heading": heading,
            "lead": say(
                "{merchant} received {amount} for invoice {number}.",
                merchant=self.merchant_name, amount=self.money(payment.amount), number=number,
            ),
            "foot": f"{about} · {day}",
            "stamp": {"kind": "paid", "word": say("Paid")} if payment.balance_left <= ZERO else None,
            "watermark": say("Test") if self.subject.is_test else None,
            "facts": [fact for fact in self._facts(payment) if fact is not None],
            "description": None,
            "items": self.items(),
            "totals": self._sums(payment),
            "slip": {
                "label": say("Received on {date}", date=day),
                "big": self.big(payment.amount),
                "share": self.share_paid(payment.balance_left),
                "sentences": [
                    say("Paid in full")
                    if payment.balance_left <= ZERO
                    else say("{label}: {value}", label=say("Balance due"), value=self.money(payment.balance_left)),
                    say("Thank you for your business."),
                ],
                "pay": None,
            },
        }  # fmt: skip

    def _facts(self, payment: PaymentReceived) -> list[Values | None]:
        say = self.words.say
        method = drawable_line(payment.method)
        if payment.card_ending:
            method = say("{card} ending {digits}", card=method, digits=drawable_line(payment.card_ending))
        return [
            self.bill_to(),
            fact(say("Paid on"), format_moment(payment.paid_at, self.zone, self.subject.language)),
            fact(say("Payment method"), method),
            fact(say("Transaction"), drawable_line(payment.transaction_id)),
        ]

    def _sums(self, payment: PaymentReceived) -> list[Values]:
        """Return the totals as they stood after this payment; later ones have receipts of their own."""
        say, total = self.words.say, self.subject.invoice.terms.total
        earlier = total - payment.balance_left - payment.amount
        rows = [*self.adjustments(), self.row(say("Total"), self.money(total), is_sum=True)]
        if earlier > ZERO:
            rows.append(self.row(say("Paid before"), self.figures(-earlier)))
        day = self.day_of(payment.paid_at)
        return [
            *rows,
            self.row(say("Paid on {date}", date=day), self.figures(-payment.amount)),
            self.row(say("Balance due"), self.money(payment.balance_left), is_sum=True),
        ]
