"""
What a payer may see of an invoice, and in which words: facts, items, totals, payments.

A model of its own, so that nothing of an invoice reaches a stranger's browser because somebody forgot to leave it out:
no internal ids, no address of the payer, no reference of the merchant's, and of payments not who made them.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Final, NamedTuple

from paydue.domain.events import Event, What
from paydue.domain.expiry import link_ends_on, link_renewed_at
from paydue.domain.invoice import Invoice
from paydue.domain.line_items import LineItem
from paydue.domain.money import ZERO
from paydue.language.amounts import AmountWriter, amount_writer, format_number, format_percent
from paydue.language.dates import format_long_date
from paydue.pages.look import Look

_TELLS_OF_MONEY: Final = frozenset((What.PAYMENT_RECEIVED, What.PAYMENT_REVERSED, What.PAYMENT_REFUNDED))

# What paid, by transaction id: "Visa ending 1111".
Methods = Mapping[str, str]
NO_METHODS: Final[Methods] = {}


class Fact(NamedTuple):
    """A label and what stands under it; `is_wide` ones get a line of their own."""

    label: str
    value: str
    is_wide: bool = False


class Item(NamedTuple):
    """One billed line, its figures without the currency."""

    name: str
    sku: str
    quantity: str
    unit_price: str
    discount: str
    tax: str
    total: str


class Sum(NamedTuple):
    """A line of the totals. `kind` is "sum" for those set apart, "paid" for the one that leads to the payments."""

    label: str
    value: str
    kind: str = ""


class Moved(NamedTuple):
    """A line of the payments: what happened, a note below it, the amount."""

    label: str
    note: str
    amount: str


class InvoiceWriter:
    """Writes one invoice, part by part from top to bottom; a hidden label hides its line and changes no figure."""

    def __init__(self, look: Look, invoice: Invoice, methods: Methods = NO_METHODS) -> None:
        self._methods = methods
        self.look: Final = look
        self.invoice: Final = invoice
        self.money: Final[AmountWriter] = amount_writer(invoice.terms.currency, look.language)

    def day_of(self, at: datetime) -> str:
        """Return the merchant's day of a point in time."""
        return format_long_date(at.astimezone(self.look.zone).date(), self.look.language)

    @cached_property
    def due(self) -> str:
        return format_long_date(self.invoice.terms.due_date, self.look.language)

    @cached_property
    def shown_number(self) -> str:
        """The invoice number, unless the merchant hides it."""
        return "" if self.look.labels.hides("invoiceNumber") else self.invoice.number

    @cached_property
    def heading(self) -> str:
        say = self.look.words.say
        return say("Invoice {number}", number=self.shown_number) if self.shown_number else say("Invoice")

    def document(self) -> dict[str, object]:
        """Return what is billed, as the values of its template."""
        say, items = self.look.words.say, self.items()
        return {
            "facts": self.facts(),
            "items": items,
            "discount_label": self._head("discount", say("Discount"), items),
            "tax_label": self._head("tax", say("Tax"), items),
            "totals": self.totals(),
            "payments": self.payments(),
        }

    def facts(self) -> list[Fact]:
        say, labels, terms = self.look.words.say, self.look.labels, self.invoice.terms
        facts = []
        if (renamed := labels.name("invoiceNumber", "")) and self.shown_number:
            facts.append(Fact(renamed, self.shown_number))
        if (customer := terms.customer) is not None:
            if customer.name:
                facts.append(Fact(labels.name("billTo", say("Bill to")), customer.name))
            if customer.company_name and not labels.hides("companyName"):
                facts.append(Fact(labels.name("companyName", say("Company")), customer.company_name))
            if customer.merchant_customer_id and not labels.hides("customerId"):
                facts.append(Fact(labels.name("customerId", say("Customer ID")), customer.merchant_customer_id))
        facts += (Fact(say("Issued"), self.day_of(self.invoice.created_at)), Fact(say("Due"), self.due))
        # The year that every link lives is worth no line.
        is_told = terms.expiration_date is not None or link_renewed_at(self.invoice) is not None
        if is_told and (ends_on := link_ends_on(self.invoice)) is not None:
            ends = format_long_date(ends_on, self.look.language)
            facts.append(Fact(say("Link valid until"), say("{date}, 00:00 UTC", date=ends)))
        facts += [
            Fact(value.definition.label, value.value)
            for value in terms.field_values
            if value.definition.is_customer_visible and value.value
        ]
        if terms.description and not labels.hides("description"):
            facts.append(Fact(labels.name("description", say("Description")), terms.description, is_wide=True))
        return facts

    def items(self) -> list[Item]:
        return [self._item(item) for item in self.invoice.terms.line_items]

    def _head(self, key: str, usual: str, items: list[Item]) -> str:
        """Return the head of the column of discounts or taxes; empty when there is none to show."""
        at = Item._fields.index(key)
        return self.look.labels.name(key, usual) if any(item[at] for item in items) else ""

    def _item(self, item: LineItem) -> Item:
        figures, labels = self.money.figures, self.look.labels
        discount = self._amount_or_percent(item.discount_amount, item.discount_percent, sign=-1)
        tax = self._amount_or_percent(item.tax_amount, item.tax_rate)
        return Item(
            name=item.product_name,
            sku=item.product_sku,
            quantity=format_number(item.quantity, self.look.language),
            unit_price=figures(item.unit_price),
            discount="" if discount and labels.hides_on_items("discount") else discount,
            tax="" if tax and labels.hides_on_items("tax") else tax,
            total=figures(item.total),
        )

    def adjustments(self) -> list[Sum]:
        """Return the lines above the total."""
        say, labels, terms, figures = self.look.words.say, self.look.labels, self.invoice.terms, self.money.figures
        lines = []
        if terms.sub_amount is not None:
            lines.append(Sum(say("Subtotal"), figures(terms.sub_amount)))
        discount = self._amount_or_percent(terms.discount_amount, terms.discount_percent, sign=-1)
        if discount and not labels.hides_on_invoice("discount"):
            share = terms.discount_percent if terms.discount_amount else None
            lines.append(Sum(self._with_rate(labels.name("discount", say("Discount")), share), discount))
        if (freight := terms.freight) is not None and freight.amount is not None and not labels.hides("shipping"):
            name = labels.name("shipping", say("Shipping"))
            note = say("{label} ({note})", label=name, note=say("taxed")) if freight.is_taxable else name
            lines.append(Sum(note, figures(freight.amount)))
        if (tax := terms.tax) is not None and not labels.hides_on_invoice("tax"):
            charged = self._amount_or_percent(tax.amount, tax.rate, shows_zero=True)
            rate = tax.rate if tax.amount is not None else None
            if charged:
                lines.append(Sum(self._with_rate(labels.name("tax", say("Tax")), rate, tax.type or ""), charged))
        return lines

    def totals(self) -> list[Sum]:
        say, invoice, money = self.look.words.say, self.invoice, self.money
        lines = [*self.adjustments(), Sum(say("Total"), money.amount(invoice.terms.total), "sum")]
        if invoice.paid:
            count = sum(event.what is What.PAYMENT_RECEIVED for event in invoice.history)
            label = self.look.words.say_count(
                "Paid so far, {count} payment", "Paid so far, {count} payments", max(count, 1)
            )
            lines += (
                Sum(label, money.figures(-invoice.paid), "paid"),
                Sum(say("Balance due"), money.amount(invoice.balance), "sum"),
            )
        return lines

    def payments(self) -> list[Moved]:
        """Return what was paid, taken back and given back, oldest first."""
        return [
            self._moved(event, event.amount)
            for event in self.invoice.history
            if event.what in _TELLS_OF_MONEY and event.amount is not None
        ]

    def _moved(self, event: Event, amount: Decimal) -> Moved:
        say, day = self.look.words.say, self.day_of(event.at)
        method = self._methods.get(event.transaction_id or "")
        # The reference of a payment that the merchant recorded is the merchant's own.
        reference = say("reference {reference}", reference=event.transaction_id or "") if method is not None else ""
        match event.what:
            case What.PAYMENT_REVERSED:
                return Moved(say("Taken back on {date}", date=day), reference, self.money.amount(-amount))
            case What.PAYMENT_REFUNDED:
                return Moved(say("Refunded on {date}", date=day), reference, self.money.amount(-amount))
        if not method:
            return Moved(day, reference, self.money.amount(amount))
        return Moved(method, f"{day} · {reference}", self.money.amount(amount))

    def _amount_or_percent(
        self, value: Decimal | None, percent: Decimal | None, *, sign: int = 1, shows_zero: bool = False
    ) -> str:
        if value or (value is not None and shows_zero):
            return self.money.figures(sign * value)
        return format_percent(sign * percent, self.look.language) if percent else ""

    def _with_rate(self, label: str, rate: Decimal | None, kind: str = "") -> str:
        note = " ".join(filter(None, (kind, format_percent(rate, self.look.language) if rate else "")))
        return self.look.words.say("{label} ({note})", label=label, note=note) if note else label


def share_paid(invoice: Invoice) -> tuple[str, str]:
    """Return how much is paid, and of how much, for the due line."""
    # Nothing owed is all paid: a line of 0 out of 0 would be drawn as unknown.
    total = invoice.terms.total
    return (str(invoice.paid), str(total)) if total > ZERO else ("1", "1")
