"""What was billed and paid, as rows of figures: the items and totals that invoice and receipt have in common."""

from decimal import Decimal
from typing import Final

from paydue.documents.drawable_text import drawable_line
from paydue.documents.paper import Values, Writer
from paydue.domain.events import Event, What
from paydue.domain.line_items import LineItem
from paydue.domain.money import ZERO
from paydue.language.amounts import format_number, format_percent

# More payments than these are added up: the sheet is an invoice and no statement of account.
_MOST_PAYMENTS: Final = 8
_TELLS_OF_MONEY: Final = (What.PAYMENT_RECEIVED, What.PAYMENT_REVERSED)


class BillingWriter(Writer):
    """Writes the rows of one invoice; a hidden label hides its line and changes no figure."""

    def items(self) -> Values | None:
        say = self.words.say
        if not self.subject.invoice.terms.line_items:
            return None
        return {
            "head": [say("Item"), say("Quantity"), say("Unit price"), say("Amount")],
            "rows": [self._item(item) for item in self.subject.invoice.terms.line_items],
        }

    def _item(self, item: LineItem) -> Values:
        discount = self._amount_or_percent(item.discount_amount, item.discount_percent, sign=-1)
        tax = self._amount_or_percent(item.tax_amount, item.tax_rate)
        notes = (
            drawable_line(item.product_sku),
            self._noted("discount", self.words.say("Discount"), discount),
            self._noted("tax", self.words.say("Tax"), tax),
        )
        return {
            "name": drawable_line(item.product_name),
            "note": " · ".join(note for note in notes if note),
            "quantity": format_number(item.quantity, self.subject.language),
            "price": self.figures(item.unit_price),
            "amount": self.figures(item.total),
        }

    def _noted(self, key: str, usual: str, value: str) -> str:
        if not value or self.labels.hides_on_items(key):
            return ""
        return self.words.say("{label}: {value}", label=drawable_line(self.labels.name(key, usual)), value=value)

    def totals(self) -> list[Values]:
        say, invoice = self.words.say, self.subject.invoice
        rows = [*self.adjustments(), self.row(say("Total"), self.money(self.subject.invoice.terms.total), is_sum=True)]
        if payments := self._payments():
            rows += [*payments, self.row(say("Balance due"), self.money(invoice.balance), is_sum=True)]
        rows += [
            self.row(say("Refunded on {date}", date=self.day_of(event.at)), self.figures(event.amount))
            for event in invoice.history[-_MOST_PAYMENTS:]
            if event.what is What.PAYMENT_REFUNDED and event.amount is not None
        ]
        return rows

    def adjustments(self) -> list[Values]:
        """Return the lines above the total; a hidden label hides its line and changes no figure."""
        say, terms, labels = self.words.say, self.subject.invoice.terms, self.labels
        rows = []
        if terms.sub_amount is not None:
            rows.append(self.row(say("Subtotal"), self.figures(terms.sub_amount)))
        discount = self._amount_or_percent(terms.discount_amount, terms.discount_percent, sign=-1)
        if discount and not labels.hides_on_invoice("discount"):
            share = terms.discount_percent if terms.discount_amount else None
            rows.append(self.row(self._with_rate(labels.name("discount", say("Discount")), share), discount))
        if terms.freight is not None and terms.freight.amount is not None and not labels.hides("shipping"):
            rows.append(self.row(labels.name("shipping", say("Shipping")), self.figures(terms.freight.amount)))
        if terms.tax is not None and not labels.hides_on_invoice("tax"):
            name, rate = labels.name("tax", say("Tax")), terms.tax.rate if terms.tax.amount is not None else None
            if charged := self._amount_or_percent(terms.tax.amount, terms.tax.rate, shows_zero=True):
                rows.append(self.row(self._with_rate(name, rate, drawable_line(terms.tax.type)), charged))
        return rows

    def _payments(self) -> list[Values]:
        """Return what was paid, day by day; what came in unrecorded, or too often, in one sum."""
        say, invoice = self.words.say, self.subject.invoice
        told = [event for event in invoice.history if event.what in _TELLS_OF_MONEY and event.amount is not None]
        if not invoice.paid and not told:
            return []
        if len(told) > _MOST_PAYMENTS or sum(map(_moved, told), ZERO) != invoice.paid:
            return [self.row(say("Paid so far"), self.figures(-invoice.paid))]
        return [
            self.row(
                say("Paid on {date}", date=self.day_of(event.at))
                if event.what is What.PAYMENT_RECEIVED
                else say("Taken back on {date}", date=self.day_of(event.at)),
                self.figures(-_moved(event)),
            )
            for event in told
        ]

    @staticmethod
    def row(label: str, value: str, *, is_sum: bool = False) -> Values:
        """Return a line of the totals; sums are set apart."""
        return {"label": drawable_line(label), "value": value, "is_sum": is_sum}

    def _amount_or_percent(
        self, value: Decimal | None, percent: Decimal | None, *, sign: int = 1, shows_zero: bool = False
    ) -> str:
        if value or (value is not None and shows_zero):
            return self.figures(sign * value)
        return format_percent(sign * percent, self.subject.language) if percent else ""

    def _with_rate(self, label: str, rate: Decimal | None, kind: str = "") -> str:
        note = " ".join(filter(None, (kind, format_percent(rate, self.subject.language) if rate else "")))
        return self.words.say("{label} ({note})", label=label, note=note) if note else label


def _moved(event: Event) -> Decimal:
    amount = event.amount or ZERO
    return amount if event.what is What.PAYMENT_RECEIVED else -amount
