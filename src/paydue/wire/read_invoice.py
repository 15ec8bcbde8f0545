"""
Request JSON of create, update and record-a-payment becomes a use case's input, or every fault at once.

Fields are read in the order of the API's documents, so that the faults come out in it. What the documents leave open
or contradict is decided here, each with its reason.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from paydue.domain.invoice import Invoice
from paydue.domain.line_items import MAXIMUM_LINE_ITEMS, MAXIMUM_QUANTITY, LineItem, line_total
from paydue.domain.merchant_fields import FieldDefinition, FieldValue, fault_in_value
from paydue.domain.payments import Payment
from paydue.domain.terms import Customer, DeliveryMode, Freight, Partner, Tax, Terms
from paydue.usecases.create_invoice import CreateInvoice
from paydue.wire.fields import Faults, Reader

_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,50}")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]{1,60}")
_DELIVERY_MODES: Final = {"email": DeliveryMode.EMAIL, "none": DeliveryMode.NONE}
_MAXIMUM_FIELD_VALUES: Final = 100
_NO_DEFINITIONS: Final[Mapping[int, FieldDefinition]] = {}


def read_new_invoice(
    document: dict[str, Any],
    today: date,
    *,
    definitions: Mapping[int, FieldDefinition] = _NO_DEFINITIONS,
    accepts_doubles: bool = False,
) -> CreateInvoice:
    """
    Read the body of a create. `today` is the calendar date in UTC; `accepts_doubles` lets discounts or taxes stand on
    both the total and the items, as the original service was seen to do. Raises InvalidFields.
    """
    faults = Faults()
    body = Reader(document, "", faults)
    information = body.group("invoiceInformation")
    publish_now = bool(information and information.flag("sendImmediately", default=False))
    number = ""
    if information:
        number = (
            information.text(
                "invoiceNumber", 50, pattern=_NUMBER, form="letters, digits, _ and - only, at most 50 characters"
            )
            or ""
        )
    terms = _read_terms(body, information, today, None, publish_now, definitions, accepts_doubles)
    faults.raise_if_any()
    assert terms is not None
    return CreateInvoice(terms=terms, number=number, publish_now=publish_now)


def read_changed_terms(
    document: dict[str, Any],
    stored: Invoice,
    today: date,
    *,
    definitions: Mapping[int, FieldDefinition] = _NO_DEFINITIONS,
    accepts_doubles: bool = False,
) -> Terms:
    """
    Read the body of an update of `stored`. What is left out is gone afterwards, but for the delivery mode and whether
    partial payments are allowed, which keep their values. Raises InvalidFields.
    """
    faults = Faults()
    body = Reader(document, "", faults)
    information = body.group("invoiceInformation")
    terms = _read_terms(body, information, today, stored.terms, False, definitions, accepts_doubles)
    faults.raise_if_any()
    assert terms is not None
    return terms


def read_payment(document: dict[str, Any], currency: str, at: datetime) -> Payment:
    """Read the body of a recorded payment; `paidAt` is `at` when not sent. Raises InvalidFields."""
    faults = Faults()
    body = Reader(document, "", faults)
    amount = body.amount("amount", currency, 19, required=True)
    if amount is not None and amount <= 0:
        body.fault("amount", "Invalid: has to be above zero")
    method = body.text("method", 50, required=True)
    reference = body.text("reference", 100, required=True)
    paid_at = _instant(body, "paidAt", at)
    faults.raise_if_any()
    assert amount is not None and method is not None and reference is not None
    return Payment(amount=amount, method=method, reference=reference, paid_at=paid_at)


def _read_terms(
    body: Reader,
    information: Reader | None,
    today: date,
    stored: Terms | None,
    publish_now: bool,
    definitions: Mapping[int, FieldDefinition],
    accepts_doubles: bool,
) -> Terms | None:
    """Read what create and update share; None when something required is missing, which is then noted."""
    partner = _read_partner(body)
    customer = _read_customer(body)
    processing = body.group("processingInformation")
    requests_phone = processing.flag("requestPhone") if processing is not None else None
    requests_shipping = processing.flag("requestShipping") if processing is not None else None
    delivery_mode = _delivery_mode(information, stored, customer)
    by_mail = delivery_mode is DeliveryMode.EMAIL
    if by_mail and (customer is None or customer.email is None):
        body.missing_unless_noted("customerInformation.email")
    order = body.group("orderInformation")
    is_itemized = order is not None and order.has_items("lineItems")
    # An e-mail draft may go without a description; so may an update of an invoice that is delivered by e-mail.
    needs_description = not (is_itemized or (by_mail and (stored is not None or not publish_now)))
    written = _read_information(body, information, today, stored, needs_description)
    amounts = order.group("amountDetails", required=True) if order is not None else None
    if order is None or amounts is None:
        body.missing_unless_noted("orderInformation.amountDetails")
        return None
    owed = _read_amounts(amounts)
    line_items = [_read_line_item(item, owed["currency"]) for item in order.items("lineItems", MAXIMUM_LINE_ITEMS)]
    if stored is not None and stored.line_items and not is_itemized:
        # An itemized invoice cannot become an amount-only one.
        order.missing_unless_noted("lineItems")
    field_values = _read_field_values(body, definitions)
    if written["due_date"] is None or owed["currency"] is None or owed["total"] is None or None in line_items:
        return None
    terms = Terms(
        customer=customer,
        delivery_mode=delivery_mode,
        requests_phone=requests_phone,
        requests_shipping=requests_shipping,
        line_items=tuple(item for item in line_items if item is not None),
        field_values=field_values,
        partner=partner,
        **written,
        **owed,
    )
    if not accepts_doubles:
        _refuse_doubles(terms, amounts, order)
    return terms


def _read_information(
    body: Reader, information: Reader | None, today: date, stored: Terms | None, needs_description: bool
) -> dict[str, Any]:
    """Read the terms below `invoiceInformation`, by the names of their fields in `Terms`."""
    if information is None:
        body.missing_unless_noted("invoiceInformation")
        return {"due_date": None}
    kept = stored is not None and stored.allows_partial_payments
    return {
        "transaction_reference_number": information.text(
            "transactionReferenceNumber", 60, pattern=_ALPHANUMERIC, form="letters and digits only"
        ),
        "description": information.text("description", 2000, lines=True, required=needs_description),
        "due_date": information.date("dueDate", required=True),
        "expiration_date": _expiration_date(information, today, stored),
        "allows_partial_payments": bool(information.flag("allowPartialPayments", default=kept)),
    }


def _read_partner(body: Reader) -> Partner | None:
    reference = body.group("clientReferenceInformation")
    partner = reference and reference.group("partner")
    if not partner:
        return None
    developer_id, solution_id = partner.text("developerId", 8), partner.text("solutionId", 8)
    if developer_id is None and solution_id is None:
        return None
    return Partner(developer_id=developer_id, solution_id=solution_id)


def _read_customer(body: Reader) -> Customer | None:
    customer = body.group("customerInformation")
    if customer is None:
        return None
    name = customer.text("name", 100)
    email = customer.email("email")
    merchant_customer_id = customer.text("merchantCustomerId", 100)
    company = customer.group("company")
    company_name = company.text("name", 60) if company is not None else None
    if name is None and email is None and merchant_customer_id is None and company_name is None:
        return None
    return Customer(name=name, email=email, merchant_customer_id=merchant_customer_id, company_name=company_name)


def _delivery_mode(information: Reader | None, stored: Terms | None, customer: Customer | None) -> DeliveryMode:
    """The mode sent, or the stored one, or for a new invoice what its customer's address suggests."""
    sent = information.choice("deliveryMode", _DELIVERY_MODES) if information is not None else None
    if isinstance(sent, DeliveryMode):
        return sent
    if stored is not None:
        return stored.delivery_mode
    return DeliveryMode.EMAIL if customer is not None and customer.email is not None else DeliveryMode.NONE


def _expiration_date(information: Reader, today: date, stored: Terms | None) -> date | None:
    # The guide's text says DD-MM-YYYY, its examples YYYY-MM-DD: both are read, the second is answered.
    value = information.date("expirationDate", day_first=True)
    if value is not None and value < today and (stored is None or value != stored.expiration_date):
        information.fault("expirationDate", "Invalid date: has to be today or later")
    return value


def _read_amounts(amounts: Reader) -> dict[str, Any]:
    currency = amounts.known_currency("currency")
    total = amounts.amount("totalAmount", currency, 19, required=True)
    if total is not None and total <= 0:
        amounts.fault("totalAmount", "Invalid: has to be above zero")
    amounts.currency("currency")
    read: dict[str, Any] = {"total": total, "currency": currency}
    read["discount_amount"] = amounts.amount("discountAmount", currency, 15)
    read["discount_percent"] = amounts.rate("discountPercent", 7)
    read["sub_amount"] = amounts.amount("subAmount", currency, 25)
    minimum = read["minimum_partial_amount"] = amounts.amount("minimumPartialAmount", currency, 19)
    if minimum is not None and (minimum <= 0 or (total is not None and minimum > total)):
        amounts.fault("minimumPartialAmount", "Invalid: has to be above zero and not above totalAmount")
    tax = amounts.group("taxDetails")
    if tax is not None:
        read["tax"] = Tax(
            type=tax.text("type", 50), amount=tax.amount("amount", currency, 13), rate=tax.rate("rate", 6)
        )
        if read["tax"] == Tax():
            del read["tax"]
    freight = amounts.group("freight")
    if freight is not None:
        amount, taxable = freight.amount("amount", currency, 13), freight.flag("taxable")
        rate = freight.rate("taxRate", 7)
        if not (amount is None and taxable is None and rate is None):
            read["freight"] = Freight(amount=amount, is_taxable=taxable, tax_rate=rate)
    return read


def _read_line_item(item: Reader, currency: str | None) -> LineItem | None:
    # The Python SDK renames productSku to productSKU.
    sku = item.text(
        "productSKU" if item.has("productSKU") and not item.has("productSku") else "productSku", 255, required=True
    )
    name = item.text("productName", 255, required=True)
    quantity = item.integer("quantity", 1, MAXIMUM_QUANTITY) if item.has("quantity") else 1
    unit_price = item.amount("unitPrice", currency, 15, required=True)
    discount_amount = item.amount("discountAmount", currency, 13)
    discount_percent = item.rate("discountPercent", 6)
    tax_amount = item.amount("taxAmount", currency, 15)
    tax_rate = item.rate("taxRate", 7)
    total = item.amount("totalAmount", currency, 13)
    if sku is None or name is None or quantity is None or unit_price is None or currency is None:
        return None
    if total is None:
        total = line_total(unit_price, quantity, discount_amount, tax_amount, currency)
    return LineItem(
        product_sku=sku,
        product_name=name,
        unit_price=unit_price,
        quantity=quantity,
        discount_amount=discount_amount,
        discount_percent=discount_percent,
        tax_amount=tax_amount,
        tax_rate=tax_rate,
        total=total,
    )


def _read_field_values(body: Reader, definitions: Mapping[int, FieldDefinition]) -> tuple[FieldValue, ...]:
    values = []
    for item in body.items("merchantDefinedFieldValues", _MAXIMUM_FIELD_VALUES):
        definition_id = item.integer("definitionId", 0, 2**63 - 1, required=True)
        value = item.text("value", 600, required=True)
        if definition_id is None or value is None:
            continue
        definition = definitions.get(definition_id)
        if definition is None:
            item.fault("definitionId", "Invalid: no field of that id is defined")
        elif (fault := fault_in_value(definition, value)) is not None:
            item.fault("value", f"Invalid: {fault}")
        else:
            values.append(FieldValue(definition=definition, value=value))
    return tuple(values)


def _refuse_doubles(terms: Terms, amounts: Reader, order: Reader) -> None:
    """Note both places of a discount, and of a tax, that stands on the total and on a line item."""
    if terms.discounts_twice:
        discounts = ("discountAmount", "discountPercent")
        _note_first_above_zero([amounts], discounts, "discount")
        _note_first_above_zero(order.items("lineItems", MAXIMUM_LINE_ITEMS), discounts, "discount")
    if terms.taxes_twice and (tax := amounts.group("taxDetails")) is not None:
        _note_first_above_zero([tax], ("amount", "rate"), "tax")
        _note_first_above_zero(order.items("lineItems", MAXIMUM_LINE_ITEMS), ("taxAmount", "taxRate"), "tax")


def _note_first_above_zero(places: list[Reader], names: tuple[str, ...], what: str) -> None:
    for place in places:
        for name in names:
            if place.is_above_zero(name):
                place.fault(name, f"Invalid: a {what} stands on the total or on line items, not on both")
                return


def _instant(body: Reader, name: str, default: datetime) -> datetime:
    """Read an RFC 3339 instant or a calendar date (its first moment in UTC)."""
    text = body.text(name, 40)
    if text is None:
        return default
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        value = None
    if value is None or not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) or not 1970 <= value.year <= 9998:
        body.fault(name, "Invalid date: an instant such as 2026-11-21T10:00:00Z or a date YYYY-MM-DD is needed")
        return default
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
