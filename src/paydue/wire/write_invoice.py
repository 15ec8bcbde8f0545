"""
Invoices as the API answers them: keys, their order, which are left out, and how numbers and times are written.

Absent means the key is missing: nothing is ever null or an empty object. Amounts are JSON numbers in their shortest
form, which the domain holds them in. The order of members here is the order on the wire.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from paydue.domain.events import Event, What
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Action, Status, allows
from paydue.domain.line_items import LineItem
from paydue.domain.merchant_fields import FieldValue
from paydue.domain.settings import Label
from paydue.domain.terms import DeliveryMode, Terms

LINK_VERSION: Final = "?version=v2.1"
LINK_PATH: Final = "/ebc2/invoicing/payInvoice/"


class _Wire(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    pass


class _Company(_Wire, kw_only=True):
    name: str


class _Customer(_Wire, kw_only=True):
    name: str | None = None
    email: str | None = None
    merchant_customer_id: str | None = None
    company: _Company | None = None


class _InvoiceInformation(_Wire, kw_only=True):
    invoice_number: str
    transaction_reference_number: str | None = None
    description: str | None = None
    due_date: str
    expiration_date: str | None = None
    allow_partial_payments: msgspec.Raw
    delivery_mode: msgspec.Raw


class _Tax(_Wire, kw_only=True):
    type: str | None = None
    amount: Decimal | None = None
    rate: Decimal | None = None


class _Freight(_Wire, kw_only=True):
    amount: Decimal | None = None
    taxable: bool | None = None
    tax_rate: Decimal | None = None


class _AmountDetails(_Wire, kw_only=True):
    total_amount: Decimal
    currency: str
    balance_amount: Decimal | None = None
    discount_amount: Decimal | None = None
    discount_percent: Decimal | None = None
    sub_amount: Decimal | None = None
    minimum_partial_amount: Decimal | None = None
    tax_details: _Tax | None = None
    freight: _Freight | None = None


class _LineItem(_Wire, kw_only=True):
    product_sku: str
    product_name: str
    unit_price: Decimal
    quantity: int
    discount_amount: Decimal | None = None
    discount_percent: Decimal | None = None
    tax_amount: Decimal | None = None
    tax_rate: Decimal | None = None
    total_amount: Decimal


class _OrderInformation(_Wire, kw_only=True):
    amount_details: _AmountDetails
    line_items: list[_LineItem] | None = None


class _FieldValue(_Wire, kw_only=True):
    reference_type: str
    label: str
    field_type: str
    customer_visible: bool
    read_only: bool
    text_min_length: int | None = None
    text_max_length: int | None = None
    text_default_value: str | None = None
    possible_values: str | None = None
    value: str
    position: int
    definition_id: int
    merchant_defined_data_index: int
    mdf_value_id: str


class _Transaction(_Wire, kw_only=True):
    transaction_id: str
    amount: Decimal


class _Invoice(_Wire, kw_only=True):
    links: msgspec.Raw = msgspec.field(name="_links")
    id: str
    submit_time_utc: msgspec.Raw
    status: str
    customer_information: _Customer | None = None
    processing_information: msgspec.Raw
    invoice_information: _InvoiceInformation
    order_information: _OrderInformation
    field_values: list[_FieldValue] | None = msgspec.field(
        name="merchantDefinedFieldValuesWithDefinition", default=None
    )


class _Label(_Wire, kw_only=True):
    key: str
    value: str | None = None
    hidden: bool | None = None
    hidden_for_invoice: bool | None = None
    hidden_for_item: bool | None = None


encode: Final = msgspec.json.Encoder(decimal_format="number").encode

# Statuses whose links are more than `self`: what is allowed is read from the lifecycle's table.
_LINKED_ACTIONS: Final = (
    ("update", "", "PUT", Action.UPDATE),
    ("deliver", "/delivery", "POST", Action.SEND_BY_MAIL),
    ("cancel", "/cancelation", "POST", Action.CANCEL),
)


def _links_template(status: Status) -> str:
    links = ['"self":{"href":"/v2/invoices/$","method":"GET"}']
    links += [
        f'"{name}":{{"href":"/v2/invoices/${path}","method":"{method}"}}'
        for name, path, method, action in _LINKED_ACTIONS
        if allows(status, action)
    ]
    return "{" + ",".join(links) + "}"


_LINKS: Final = {status: _links_template(status) for status in Status}
STATUS_NAMES: Final = {status: status.value for status in Status}
# Values with the gaps that stand in them, or behind them for members that may follow.
_SUBMIT_TIME: Final = msgspec.Raw(b'"\x1f"')
_PARTIAL: Final = {True: msgspec.Raw(b"true\x1f"), False: msgspec.Raw(b"false\x1f")}
_DELIVERY_MODE: Final = {mode: msgspec.Raw(f'"{mode.value}"\x1f'.encode()) for mode in DeliveryMode}
# The API's histories name no new link and nothing that gives money back; UNKNOWN is what they keep for the unnamed.
_UNNAMED: Final = (What.LINK_RENEWED, What.PAYMENT_REFUNDED, What.PAYMENT_REVERSED)
_WHAT: Final = {what: b"UNKNOWN" if what in _UNNAMED else what.value.encode() for what in What}
# The length of a time in quotes that has no fraction.
_WHOLE_SECOND: Final = 22
_PROCESSING: Final = {
    (phone, shipping): msgspec.Raw(
        f'{{"requestPhone":{str(phone).lower()},"requestShipping":{str(shipping).lower()}}}'.encode()
    )
    for phone in (False, True)
    for shipping in (False, True)
}


# Ends the parts of a shown invoice: no JSON has it unescaped.
_GAP: Final = "\x1f"


def show_invoice(invoice: Invoice) -> str:
    """
    Return what answers about the invoice say for as long as it stays as it is, with gaps for all else.

    Kept beside the invoice it spares every reader from opening its document. The gaps are, in their order, for the time
    of the answer, the payment link (a secret), the merchant's labels, and the history, which follows.
    """
    terms, number = invoice.terms, invoice.number
    customer = terms.customer
    shown = encode(
        _Invoice(
            links=msgspec.Raw(links_of(invoice.status, number).encode()),
            id=number,
            submit_time_utc=_SUBMIT_TIME,
            status=STATUS_NAMES[invoice.status],
            customer_information=None
            if customer is None
            else _Customer(
                name=customer.name,
                email=customer.email,
                merchant_customer_id=customer.merchant_customer_id,
                company=None if customer.company_name is None else _Company(name=customer.company_name),
            ),
            processing_information=_PROCESSING[bool(terms.requests_phone), bool(terms.requests_shipping)],
            invoice_information=_InvoiceInformation(
                invoice_number=number,
                transaction_reference_number=terms.transaction_reference_number,
                description=terms.description,
                due_date=terms.due_date.isoformat(),
                expiration_date=None if terms.expiration_date is None else terms.expiration_date.isoformat(),
                allow_partial_payments=_PARTIAL[terms.allows_partial_payments],
                delivery_mode=_DELIVERY_MODE[terms.delivery_mode],
            ),
            order_information=_OrderInformation(
                amount_details=_amount_details(invoice, terms),
                line_items=[_line_item(item) for item in terms.line_items] if terms.line_items else None,
            ),
            field_values=[_field_value(number, position, value) for position, value in enumerate(terms.field_values)]
            if terms.field_values
            else None,
        )
    )
    return f"{shown[:-1].decode()}{_GAP}{_history(invoice.history)}"


# To be changed with every change of what `show_invoice` returns.
SHAPE: Final = "1"


def write_shown(
    shown: str, submit_time: str, link: str | None, labels: tuple[Label, ...] = (), *, with_history: bool = False
) -> bytes:
    """Return the invoice object of an answer, from what `show_invoice` wrote; its history on request."""
    start, status, delivery, rest, history = shown.split(_GAP)
    linked = f',"paymentLink":"{link}"' if link is not None else ""
    labelled = f',"customLabels":{write_labels(labels)}' if labels else ""
    told = f',"invoiceHistory":{history}}}' if with_history else "}"
    return f"{start}{submit_time}{status}{linked}{delivery}{labelled}{rest}{told}".encode()


def links_of(status: Status, number: str) -> str:
    """Return the `_links` of an invoice."""
    return _LINKS[status].replace("$", number)


def payment_link(portal_url: str, token: str | None) -> str:
    """Return the absolute address of the payment page."""
    return f"{portal_url}{LINK_PATH}{token}{LINK_VERSION}"


def receipt_link(portal_url: str, token: str, code: str) -> str:
    """Return the absolute address of a payment's receipt, below the payment page."""
    return f"{portal_url}{LINK_PATH}{token}/receipt/{code}"


@lru_cache(maxsize=256)
def write_labels(labels: tuple[Label, ...]) -> str:
    """Return the merchant's labels, each with only the properties that were ever set."""
    return encode(
        [
            _Label(
                key=label.key,
                value=label.value,
                hidden=label.hidden,
                hidden_for_invoice=label.hidden_for_invoice,
                hidden_for_item=label.hidden_for_item,
            )
            for label in labels
        ]
    ).decode()


def _amount_details(invoice: Invoice, terms: Terms) -> _AmountDetails:
    tax, freight = terms.tax, terms.freight
    # The captures show a balance everywhere but in a draft that is not to be mailed.
    shows_balance = invoice.status is not Status.DRAFT or terms.delivery_mode is DeliveryMode.EMAIL
    return _AmountDetails(
        total_amount=terms.total,
        currency=terms.currency,
        balance_amount=invoice.balance if shows_balance else None,
        discount_amount=terms.discount_amount,
        discount_percent=terms.discount_percent,
        sub_amount=terms.sub_amount,
        minimum_partial_amount=terms.minimum_partial_amount,
        tax_details=None if tax is None else _Tax(type=tax.type, amount=tax.amount, rate=tax.rate),
        freight=None
        if freight is None
        else _Freight(amount=freight.amount, taxable=freight.is_taxable, tax_rate=freight.tax_rate),
    )


def _line_item(item: LineItem) -> _LineItem:
    return _LineItem(
        product_sku=item.product_sku,
        product_name=item.product_name,
        unit_price=item.unit_price,
        quantity=item.quantity,
        discount_amount=item.discount_amount,
        discount_percent=item.discount_percent,
        tax_amount=item.tax_amount,
        tax_rate=item.tax_rate,
        total_amount=item.total,
    )


def _field_value(number: str, position: int, value: FieldValue) -> _FieldValue:
    definition = value.definition
    return _FieldValue(
        reference_type="Invoice",
        label=definition.label,
        field_type=definition.field_type.value,
        customer_visible=definition.is_customer_visible,
        read_only=definition.is_read_only,
        text_min_length=definition.text_minimum_length,
        text_max_length=definition.text_maximum_length,
        text_default_value=definition.text_default_value,
        possible_values=",".join(definition.possible_values) or None,
        value=value.value,
        position=position,
        definition_id=definition.definition_id,
        merchant_defined_data_index=definition.data_index,
        mdf_value_id=f"{number}-{position}",
    )


def _history(history: tuple[Event, ...]) -> str:
    """Return the events, newest first, each with its time to the millisecond."""
    return (b"[" + b",".join([_event(event) for event in reversed(history)]) + b"]").decode()


def _event(event: Event) -> bytes:
    # "2026-05-05T12:00:00.123456Z" in quotes, or without a fraction: fifty times as fast as `isoformat`.
    at = encode(event.at)
    date = at[:24] if len(at) > _WHOLE_SECOND else at[:20] + b".000"
    written = b'{"event":"' + _WHAT[event.what] + b'","date":' + date + b'Z"'
    # A payment that is held or was rejected has both too; the documents show them for money that came in.
    if event.what is What.PAYMENT_RECEIVED and event.transaction_id is not None and event.amount is not None:
        transaction = _Transaction(transaction_id=event.transaction_id, amount=event.amount)
        written += b',"transactionDetails":' + encode(transaction)
    return written + b"}"
