"""
What a payer may see of an invoice, and in which words.

A model of its own, so that nothing of an invoice reaches a stranger's browser because somebody forgot to leave it out:
no internal ids, no address of the payer, no reference of the merchant's.
"""

import re
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from paydue.domain.events import What
from paydue.domain.expiry import is_link_expired, link_ends_on
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.line_items import LineItem
from paydue.domain.merchant import Address, Merchant
from paydue.domain.settings import Label, Settings
from paydue.pages.words import amount, days, figures, long_date, plain, until

_NOT_DIALLED: Final = re.compile(r"[^+0-9]+")


class State(StrEnum):
    """What a payment link shows. A link that opens nothing has no state: it is not found."""

    PAYABLE = "payable"
    OVERDUE = "overdue"
    PARTLY_PAID = "partly paid"
    IN_REVIEW = "in review"
    PAID = "paid"
    CANCELED = "canceled"
    EXPIRED = "expired"


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


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the merchant. `dial` and `mail_to` are telephone number and e-mail address as links have them."""

    merchant: str
    address: str
    phone: str
    dial: str
    email: str
    mail_to: str
    vat_number: str


class InvoiceView(msgspec.Struct, frozen=True, kw_only=True):
    """
    One payment page, in the words and figures of its template.

    `total`, `paid` and `balance` have their currency. `big` is the amount that the slip shows large, in three parts.
    `share` is how much of `share_of` is paid, for the line below it.
    """

    state: State
    number: str
    strip: str
    lead: str
    facts: list[Fact]
    items: list[Item]
    has_discounts: bool
    has_taxes: bool
    totals: list[Fact]
    payments: list[Fact]
    total: str
    total_figures: str
    paid: str
    balance: str
    big: tuple[str, str, str]
    share: str
    share_of: str


def state_of(invoice: Invoice, at: datetime, today: date) -> State | None:
    """Return what the link shows, or None for a draft, which has no link. `today` is the merchant's."""
    match invoice.status:
        case Status.DRAFT:
            return None
        case Status.CANCELED:
            return State.CANCELED
        case Status.PAID:
            return State.PAID
        case Status.PENDING:
            return State.IN_REVIEW
    if is_link_expired(invoice, at):
        return State.EXPIRED
    if invoice.status is Status.PARTIAL:
        return State.PARTLY_PAID
    return State.OVERDUE if invoice.terms.due_date < today else State.PAYABLE


def view_of(invoice: Invoice, merchant: Merchant, settings: Settings, at: datetime) -> InvoiceView | None:
    """Return the page of an invoice as it stands, or None when its link shows nothing."""
    zone = _zone(merchant.time_zone)
    today = at.astimezone(zone).date()
    state = state_of(invoice, at, today)
    if state is None:
        return None
    terms, currency = invoice.terms, invoice.terms.currency
    labels = _Labels(settings.labels)
    strip, lead = _sentences(invoice, state, today, zone)
    total, balance = figures(terms.total, currency), figures(invoice.balance, currency)
    whole, point, decimals = (total if state is State.PAID else balance).partition(".")
    return InvoiceView(
        state=state,
        number=invoice.number,
        strip=strip,
        lead=lead,
        facts=_facts(invoice, labels, zone),
        items=[_item(item, currency) for item in terms.line_items],
        has_discounts=labels.shows_on_items("discount")
        and any(item.discount_amount or item.discount_percent for item in terms.line_items),
        has_taxes=labels.shows_on_items("tax") and any(item.tax_amount or item.tax_rate for item in terms.line_items),
        totals=_totals(invoice, labels),
        payments=[
            Fact(long_date(event.at.astimezone(zone).date()), amount(event.amount, currency))
            for event in invoice.history
            if event.what is What.PAYMENT_RECEIVED and event.amount is not None
        ],
        total=f"{currency}\u00a0{total}",
        total_figures=total,
        paid=amount(invoice.paid, currency),
        balance=f"{currency}\u00a0{balance}",
        big=(currency, whole, point + decimals),
        # Nothing owed is all paid: a line of 0 out of 0 would be drawn as unknown.
        share=str(invoice.paid) if terms.total else "1",
        share_of=str(terms.total) if terms.total else "1",
    )


def contact_of(merchant: Merchant, settings: Settings) -> Contact:
    """Return what a payer is told about the merchant, in every state."""
    email, phone = merchant.email or "", merchant.phone or ""
    return Contact(
        merchant=settings.display_name(merchant.name),
        address=_one_line(merchant.address) if merchant.address is not None else "",
        phone=phone,
        dial=_NOT_DIALLED.sub("", phone),
        email=email,
        mail_to=quote(email, safe="@"),
        vat_number=settings.vat_registration_number or "" if settings.shows_vat_number else "",
    )


def _sentences(invoice: Invoice, state: State, today: date, zone: tzinfo) -> tuple[str, str]:
    """Return the status strip and the line below the heading."""
    due = invoice.terms.due_date
    overdue = days((today - due).days)
    match state:
        case State.PAYABLE:
            return f"Open. Due {until(due, today)}", f"due {long_date(due)}, {until(due, today)}"
        case State.OVERDUE:
            return f"{overdue} overdue. You can still pay", f"was due {long_date(due)}"
        case State.PARTLY_PAID if due < today:
            return f"Partly paid. {overdue} overdue", f"was due {long_date(due)}"
        case State.PARTLY_PAID:
            return f"Partly paid. Due {until(due, today)}", f"due {long_date(due)}, {until(due, today)}"
        case State.PAID:
            return f"Paid{_on_the_day_of(What.PAYMENT_RECEIVED, invoice, zone)}", "paid in full"
        case State.CANCELED:
            return f"Canceled{_on_the_day_of(What.INVOICE_CANCELED, invoice, zone)}", ""
        case State.EXPIRED:
            ended_on = link_ends_on(invoice)
            return (f"Expired on {long_date(ended_on)}, 00:00 UTC" if ended_on is not None else "Expired"), ""
        case State.IN_REVIEW:
            return "In review", "is being checked"


def _on_the_day_of(what: What, invoice: Invoice, zone: tzinfo) -> str:
    at = next((event.at for event in reversed(invoice.history) if event.what is what), None)
    return f" on {long_date(at.astimezone(zone).date())}" if at is not None else ""


def _facts(invoice: Invoice, labels: "_Labels", zone: tzinfo) -> list[Fact]:
    terms, customer = invoice.terms, invoice.terms.customer
    facts = []
    if customer is not None:
        customer_id = labels.unless_hidden("customerId", customer.merchant_customer_id)
        facts = [
            Fact(labels.name("billTo", "Bill to"), customer.name or ""),
            Fact(labels.name("companyName", "Company"), labels.unless_hidden("companyName", customer.company_name)),
            Fact(labels.name("customerId", "Customer ID"), customer_id),
        ]
    facts += (
        Fact("Issued", long_date(invoice.created_at.astimezone(zone).date())),
        Fact("Due", long_date(terms.due_date)),
    )
    if terms.expiration_date is not None:
        facts.append(Fact("Link valid until", f"{long_date(terms.expiration_date)}, 00:00 UTC"))
    description = labels.unless_hidden("description", terms.description)
    facts.append(Fact(labels.name("description", "Description"), description, is_wide=True))
    facts += [
        Fact(value.definition.label, value.value)
        for value in terms.field_values
        if value.definition.is_customer_visible
    ]
    return [fact for fact in facts if fact.value]


def _item(item: LineItem, currency: str) -> Item:
    return Item(
        name=item.product_name,
        sku=item.product_sku,
        quantity=plain(item.quantity),
        unit_price=figures(item.unit_price, currency),
        discount=_amount_or_percent(item.discount_amount, item.discount_percent, currency),
        tax=_amount_or_percent(item.tax_amount, item.tax_rate, currency),
        total=figures(item.total, currency),
    )


def _amount_or_percent(value: Decimal | None, percent: Decimal | None, currency: str) -> str:
    if value is not None:
        return figures(value, currency)
    return f"{plain(percent)} %" if percent is not None else ""


def _totals(invoice: Invoice, labels: "_Labels") -> list[Fact]:
    """Return the lines above the total; a hidden label hides its line and changes no figure."""
    terms, tax, freight, currency = invoice.terms, invoice.terms.tax, invoice.terms.freight, invoice.terms.currency
    lines = []
    if terms.sub_amount is not None:
        lines.append(Fact("Subtotal", figures(terms.sub_amount, currency)))
    discount = _amount_or_percent(terms.discount_amount, terms.discount_percent, currency)
    if discount and labels.shows_on_invoice("discount"):
        share = terms.discount_percent if terms.discount_amount is not None else None
        lines.append(Fact(labels.name("discount", "Discount") + _in_brackets(share), f"\u2212{discount}"))
    if freight is not None and freight.amount is not None and not labels.hides("shipping"):
        lines.append(Fact(labels.name("shipping", "Shipping"), figures(freight.amount, currency)))
    if tax is not None and labels.shows_on_invoice("tax"):
        charged = _amount_or_percent(tax.amount, tax.rate, currency)
        rate = tax.rate if tax.amount is not None else None
        kind = f", {tax.type}" if tax.type else ""
        if charged:
            lines.append(Fact(labels.name("tax", "Tax") + kind + _in_brackets(rate), charged))
    return lines


def _in_brackets(percent: Decimal | None) -> str:
    return f" ({plain(percent)} %)" if percent else ""


def _one_line(address: Address) -> str:
    region = " ".join(part for part in (address.state, address.postal_code) if part)
    return ", ".join(
        part for part in (address.address1, address.address2, address.city, region, address.country) if part
    )


class _Labels:
    """The merchant's own names for the page's labels, and which of them are hidden."""

    def __init__(self, labels: tuple[Label, ...]) -> None:
        self._by_key = {label.key: label for label in labels}

    def name(self, key: str, usual: str) -> str:
        label = self._by_key.get(key)
        return label.value if label is not None and label.value else usual

    def hides(self, key: str) -> bool:
        label = self._by_key.get(key)
        return label is not None and bool(label.hidden)

    def unless_hidden(self, key: str, value: str | None) -> str:
        return "" if self.hides(key) else value or ""

    def shows_on_invoice(self, key: str) -> bool:
        label = self._by_key.get(key)
        return label is None or not (label.hidden or label.hidden_for_invoice)

    def shows_on_items(self, key: str) -> bool:
        label = self._by_key.get(key)
        return label is None or not (label.hidden or label.hidden_for_item)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A machine without the time zone database must not lose its payment pages.
        return UTC
