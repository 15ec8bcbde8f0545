"""
The bodies of creates as nearly all of them are, read at a quarter of the cost of `read_invoice.py`.

This reader takes only what needs no second look, and leaves everything else, faults first of all, to the one that
collects faults. What it reads, that one reads the same: `tests/wire/test_plain_invoice.py` holds the two together.

A body is parsed into its members' types at once. Written again it has as many colons as before, unless a member is
there twice, is null or is none that an invoice has: then the other reader finds out what is meant.
"""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final, NoReturn

import msgspec

from paydue.domain.email_addresses import is_email
from paydue.domain.line_items import MAXIMUM_LINE_ITEMS, MAXIMUM_QUANTITY, LineItem, line_total
from paydue.domain.money import CURRENCIES, read_digits, shortest
from paydue.domain.terms import Customer, DeliveryMode, Freight, Tax, Terms
from paydue.usecases.create_invoice import CreateInvoice

_Text50 = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
_Text60 = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
_Text100 = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
_Text255 = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
_Text2000 = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]

_ABSENT: Final = msgspec.Raw()


class _Members(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    pass


class _Company(_Members):
    name: _Text60 | None = None


class _Customer(_Members):
    name: _Text100 | None = None
    email: _Text255 | None = None
    merchant_customer_id: _Text100 | None = None
    company: _Company | None = None


class _Processing(_Members):
    request_phone: bool | None = None
    request_shipping: bool | None = None


class _Information(_Members):
    due_date: str
    invoice_number: _Text50 | None = None
    transaction_reference_number: _Text60 | None = None
    description: _Text2000 | None = None
    expiration_date: str | None = None
    send_immediately: bool | None = None
    allow_partial_payments: bool | None = None
    delivery_mode: str | None = None


class _Tax(_Members):
    type: _Text50 | None = None
    amount: msgspec.Raw = _ABSENT
    rate: msgspec.Raw = _ABSENT


class _Freight(_Members):
    amount: msgspec.Raw = _ABSENT
    taxable: bool | None = None
    tax_rate: msgspec.Raw = _ABSENT


class _Amounts(_Members):
    total_amount: msgspec.Raw
    currency: str
    discount_amount: msgspec.Raw = _ABSENT
    discount_percent: msgspec.Raw = _ABSENT
    sub_amount: msgspec.Raw = _ABSENT
    minimum_partial_amount: msgspec.Raw = _ABSENT
    tax_details: _Tax | None = None
    freight: _Freight | None = None


class _Item(_Members):
    product_sku: _Text255
    product_name: _Text255
    unit_price: msgspec.Raw
    quantity: Annotated[int, msgspec.Meta(ge=1, le=MAXIMUM_QUANTITY)] | None = None
    discount_amount: msgspec.Raw = _ABSENT
    discount_percent: msgspec.Raw = _ABSENT
    tax_amount: msgspec.Raw = _ABSENT
    tax_rate: msgspec.Raw = _ABSENT
    total_amount: msgspec.Raw = _ABSENT


class _Order(_Members):
    amount_details: _Amounts
    line_items: Annotated[list[_Item], msgspec.Meta(max_length=MAXIMUM_LINE_ITEMS)] | None = None


class _Body(_Members):
    invoice_information: _Information
    order_information: _Order
    customer_information: _Customer | None = None
    processing_information: _Processing | None = None


_AMOUNT: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NUMBER: Final = re.compile(r"[A-Za-z0-9_-]+")
_ALPHANUMERIC: Final = re.compile(r"[A-Za-z0-9]+")
# May be within a card number, as the other reader finds out: so many digits with at most one sign between.
_LONG_DIGITS: Final = re.compile(r"(?:\d\W?){15}")
# Shorter text holds none.
_LEAST_CARD_DIGITS: Final = 15
_DELIVERY_MODES: Final = {"email": DeliveryMode.EMAIL, "none": DeliveryMode.NONE}

_parse: Final = msgspec.json.Decoder(_Body).decode
_write: Final = msgspec.json.Encoder().encode


class _Odd(Exception):
    """Something needs a second look."""


def read_plain_invoice(body: bytes, today: date, *, accepts_doubles: bool) -> CreateInvoice | None:
    """Return the invoice that a body wishes for, as `read_new_invoice` would; None when that one has to read it."""
    try:
        members = _parse(body)
        # A colon written as \u003a would make up for one that is missing.
        if _write(members).count(b":") != body.count(b":") or b"\\u003" in body:
            return None
        return _wish(members, today, accepts_doubles=accepts_doubles)
    except (msgspec.DecodeError, RecursionError, _Odd, ValueError):
        return None


def _wish(body: _Body, today: date, *, accepts_doubles: bool) -> CreateInvoice:
    information, order, amounts = (
        body.invoice_information,
        body.order_information,
        body.order_information.amount_details,
    )
    processing, items = body.processing_information, order.line_items or ()
    customer = body.customer_information
    _check_texts(information, amounts, customer, items)
    currency = amounts.currency
    email = customer.email if customer is not None else None
    if currency not in CURRENCIES or (email is not None and not is_email(email)):
        raise _Odd
    mode = information.delivery_mode
    if mode is None:
        delivery_mode = DeliveryMode.EMAIL if email is not None else DeliveryMode.NONE
    else:
        delivery_mode = _DELIVERY_MODES[mode.lower()] if mode.lower() in _DELIVERY_MODES else _odd()
    by_mail = delivery_mode is DeliveryMode.EMAIL
    publish_now = bool(information.send_immediately)
    if by_mail and email is None:
        raise _Odd
    if information.description is None and not items and (publish_now or not by_mail):
        raise _Odd
    expires = _date(information.expiration_date) if information.expiration_date is not None else None
    if expires is not None and expires < today:
        raise _Odd
    total = _money(amounts.total_amount, currency, 19)
    minimum = _optional(amounts.minimum_partial_amount, currency, 19)
    if not total or (minimum is not None and not 0 < minimum <= total):
        raise _Odd
    terms = Terms(
        due_date=_date(information.due_date),
        currency=currency,
        total=total,
        delivery_mode=delivery_mode,
        customer=_customer(customer) if customer is not None else None,
        description=information.description,
        expiration_date=expires,
        transaction_reference_number=information.transaction_reference_number,
        allows_partial_payments=bool(information.allow_partial_payments),
        requests_phone=processing.request_phone if processing is not None else None,
        requests_shipping=processing.request_shipping if processing is not None else None,
        discount_amount=_optional(amounts.discount_amount, currency, 15),
        discount_percent=_rate(amounts.discount_percent, 7),
        sub_amount=_optional(amounts.sub_amount, currency, 25),
        minimum_partial_amount=minimum,
        tax=_tax(amounts.tax_details, currency) if amounts.tax_details is not None else None,
        freight=_freight(amounts.freight, currency) if amounts.freight is not None else None,
        line_items=tuple([_item(item, currency) for item in items]),
    )
    if not accepts_doubles and (terms.discounts_twice or terms.taxes_twice):
        raise _Odd
    return CreateInvoice(terms=terms, number=information.invoice_number or "", publish_now=publish_now)


def _check_texts(
    information: _Information, amounts: _Amounts, customer: _Customer | None, items: Sequence[_Item]
) -> None:
    """Look at all free text at once. Raises _Odd for anything but printable text that no card number can be in."""
    texts = [text for item in items for text in (item.product_sku, item.product_name)]
    if (description := information.description) is not None:
        texts.append(description)
    if (number := information.invoice_number) is not None:
        texts.append(number if _NUMBER.fullmatch(number) else _odd())
    if (reference := information.transaction_reference_number) is not None:
        texts.append(reference if _ALPHANUMERIC.fullmatch(reference) else _odd())
    if (tax := amounts.tax_details) is not None and tax.type is not None:
        texts.append(tax.type)
    if customer is not None:
        company = customer.company
        texts += [
            text
            for text in (
                customer.name,
                customer.email,
                customer.merchant_customer_id,
                company.name if company is not None else None,
            )
            if text is not None
        ]
    if (
        not "".join(texts).isprintable()
        or any(map(str.isspace, texts))
        or any(_LONG_DIGITS.search(text) for text in texts if len(text) >= _LEAST_CARD_DIGITS)
    ):
        raise _Odd


def _customer(read: _Customer) -> Customer | None:
    name, email, merchant_customer_id = read.name, read.email, read.merchant_customer_id
    company_name = read.company.name if read.company is not None else None
    if name is None and email is None and merchant_customer_id is None and company_name is None:
        return None
    return Customer(name=name, email=email, merchant_customer_id=merchant_customer_id, company_name=company_name)


def _tax(read: _Tax, currency: str) -> Tax | None:
    if read.type is None and read.amount is _ABSENT and read.rate is _ABSENT:
        return None
    return Tax(type=read.type, amount=_optional(read.amount, currency, 13), rate=_rate(read.rate, 6))


def _freight(read: _Freight, currency: str) -> Freight | None:
    if read.amount is _ABSENT and read.taxable is None and read.tax_rate is _ABSENT:
        return None
    return Freight(
        amount=_optional(read.amount, currency, 13), is_taxable=read.taxable, tax_rate=_rate(read.tax_rate, 7)
    )


def _item(read: _Item, currency: str) -> LineItem:
    unit_price, quantity = _money(read.unit_price, currency, 15), 1 if read.quantity is None else read.quantity
    discount_amount = _optional(read.discount_amount, currency, 13)
    tax_amount = _optional(read.tax_amount, currency, 15)
    total = _optional(read.total_amount, currency, 13)
    if total is None:
        total = line_total(unit_price, quantity, discount_amount, tax_amount, currency)
    return LineItem(
        product_sku=read.product_sku,
        product_name=read.product_name,
        unit_price=unit_price,
        quantity=quantity,
        discount_amount=discount_amount,
        discount_percent=_rate(read.discount_percent, 6),
        tax_amount=tax_amount,
        tax_rate=_rate(read.tax_rate, 7),
        total=total,
    )


def _money(value: msgspec.Raw, currency: str, longest: int) -> Decimal:
    return read_digits(_digits(value, longest), currency)


def _optional(value: msgspec.Raw, currency: str, longest: int) -> Decimal | None:
    return read_digits(_digits(value, longest), currency) if value is not _ABSENT else None


def _rate(value: msgspec.Raw, longest: int) -> Decimal | None:
    if value is _ABSENT:
        return None
    rate = Decimal(_digits(value, longest))
    return shortest(rate) if rate <= 100 else _odd()


def _digits(value: msgspec.Raw, longest: int) -> str:
    """Return the digits of a number, whether it was sent as one or as text."""
    digits = str(value, "latin-1").strip('"')
    is_plain = len(digits) <= longest and len(digits) < _LEAST_CARD_DIGITS and _AMOUNT.fullmatch(digits)
    return digits if is_plain else _odd()


# The invoices of one day are due on few days, and a text keeps its meaning.
@lru_cache(maxsize=4096)
def _date(text: str) -> date:
    return date.fromisoformat(text) if _DATE.fullmatch(text) else _odd()


def _odd() -> NoReturn:
    raise _Odd
