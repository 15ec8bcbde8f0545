"""A receipt in words: that a payment has arrived, how, and what it leaves to pay."""

from typing import Any

from paydue.domain.events import What
from paydue.domain.invoice import Invoice
from paydue.domain.money import ZERO
from paydue.language.moments import format_moment
from paydue.pages.invoice_view import Fact, InvoiceWriter, Sum
from paydue.pages.look import Look
from paydue.pages.page_options import PaidBy
from paydue.pages.payer_templates import icon
from paydue.pages.slip import masked
from paydue.usecases.receipt_links import Receipt


class ReceiptWriter:
    """Writes one receipt."""

    def __init__(self, look: Look, invoice: Invoice, receipt: Receipt, paid_by: PaidBy | None) -> None:
        self._writer = InvoiceWriter(look, invoice)
        self._receipt = receipt
        self._paid_by = paid_by

    @property
    def invoice_heading(self) -> str:
        return self._writer.heading

    def values(self) -> dict[str, Any]:
        """Return what the page shows besides what all pages of its merchant do."""
        writer, receipt = self._writer, self._receipt
        say, invoice, money = writer.look.words.say, writer.invoice, writer.money
        is_all = receipt.balance_left <= ZERO
        before, amount, after = self._lead()
        document = writer.document() | {"facts": self._document_facts(), "totals": self._totals(), "payments": []}
        return document | {
            "tone": "good",
            "glyph": icon("check-circle"),
            "strip": say("Paid on {date}", date=writer.day_of(receipt.received_at)),
            "heading": say("Thank you."),
            "lead_before": before,
            "lead_amount": amount,
            "lead_after": after,
            "slip_label": say("Receipt"),
            "big": money.parts(receipt.amount),
            "is_all_paid": is_all,
            "share": str(invoice.terms.total - receipt.balance_left),
            "share_of": str(invoice.terms.total),
            "told": say("Paid in full. Nothing is due.")
            if is_all
            else say("{label}: {value}", label=say("Balance due"), value=money.amount(receipt.balance_left)),
            "receipt_facts": self.facts(),
        }

    def facts(self) -> list[Fact]:
        """Return when and how it was paid, and where its receipt went."""
        say, receipt, by, look = self._writer.look.words.say, self._receipt, self._paid_by, self._writer.look
        moment = format_moment(receipt.received_at, look.zone, look.language)
        facts = [Fact(say("Paid on"), moment, is_wide=True)]
        if by is not None and (method := by.words(look.words)):
            facts.append(Fact(say("Payment method"), method))
        if by is not None and receipt.transaction_id:
            facts.append(Fact(say("Transaction"), receipt.transaction_id))
        if by is not None and by.email:
            facts.append(Fact(say("Receipt sent to"), masked(by.email), is_wide=True))
        return facts

    def _lead(self) -> tuple[str, str, str]:
        say, writer = self._writer.look.words.say, self._writer
        # The merchant's name may hold anything but this, which no text may hold.
        sentence = say(
            "{merchant} received {amount} for invoice {number}.",
            merchant=writer.look.name.replace("\x00", ""), amount="\x00", number=writer.invoice.number,
        )  # fmt: skip
        before, _, after = sentence.partition("\x00")
        return before, writer.money.amount(self._receipt.amount), after

    def _document_facts(self) -> list[Fact]:
        say, writer = self._writer.look.words.say, self._writer
        label = writer.look.labels.name("invoiceNumber", say("Invoice number"))
        facts = [Fact(label, writer.shown_number)] if writer.shown_number else []
        customer = writer.invoice.terms.customer
        if customer is not None and customer.name:
            facts.append(Fact(writer.look.labels.name("billTo", say("Bill to")), customer.name))
        return [*facts, Fact(say("Issued"), writer.day_of(writer.invoice.created_at))]

    def _totals(self) -> list[Sum]:
        """Return the totals as they stood after this payment; later ones have receipts of their own."""
        writer, receipt = self._writer, self._receipt
        say, money = writer.look.words.say, writer.money
        lines = [*writer.adjustments(), Sum(say("Total"), money.amount(writer.invoice.terms.total), "sum")]
        if receipt.paid_before:
            lines.append(Sum(say("Paid before"), money.figures(-receipt.paid_before)))
        day = writer.day_of(receipt.received_at)
        refunds = [
            Sum(say("Refunded on {date}", date=writer.day_of(event.at)), money.figures(event.amount))
            for event in writer.invoice.history
            if event.what is What.PAYMENT_REFUNDED
            and event.amount is not None
            and event.transaction_id == receipt.transaction_id
        ]
        return [
            *lines,
            Sum(say("Paid on {date}", date=day), money.figures(-receipt.amount)),
            Sum(say("Balance due"), money.amount(receipt.balance_left), "sum"),
            *refunds,
        ]
