"""The input contract, field by field: what is accepted and how it is kept, and which field each fault is laid to."""

import copy
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from builders import an_invoice, some_terms
from paydue.domain.errors import InvalidFields
from paydue.domain.lifecycle import Status
from paydue.domain.merchant_fields import FieldDefinition, FieldType
from paydue.domain.terms import DeliveryMode
from paydue.usecases.create_invoice import CreateInvoice
from paydue.wire.read_invoice import read_changed_terms, read_new_invoice, read_payment
from paydue.wire.strict_json import parse_object

TODAY = date(2026, 5, 5)
NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
ORDINARY: dict[str, Any] = {
    "customerInformation": {"name": "Tanya Lee", "email": "tanya.lee@my-email.world"},
    "invoiceInformation": {
        "description": "Consulting",
        "dueDate": "2026-06-30",
        "sendImmediately": True,
        "deliveryMode": "email",
    },
    "orderInformation": {
        "amountDetails": {"totalAmount": "293.50", "currency": "USD"},
        "lineItems": [{"productSku": "A", "productName": "Item", "unitPrice": "10", "quantity": 2}],
    },
}
A = "orderInformation.amountDetails."
I = "invoiceInformation."
L = "orderInformation.lineItems[0]."


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the ordinary body with one member changed; `...` removes it."""
    body = copy.deepcopy(ORDINARY)
    place: Any = body
    *groups, last = path.replace("[0]", ".0").split(".")
    for group in groups:
        place = place[int(group)] if group.isdigit() else place.setdefault(group, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return body


def read(body: dict[str, Any], **options: Any) -> CreateInvoice:
    return read_new_invoice(parse_object(msgspec.json.encode(body)), TODAY, **options)


def faulty_fields(body: dict[str, Any], **options: Any) -> list[str]:
    with pytest.raises(InvalidFields) as refusal:
        read(body, **options)
    return [fault.field for fault in refusal.value.faults]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (A + "totalAmount", value)
        for value in (
            ..., None, "", "abc", "-1", -1, "0", 0, "0.001", "1,000", "1 000", "+5", "1e3", "0x10", "１２", "٣", " 5",
            "5 ", "1_000", "NaN", "Infinity", "1.2.3", ".", "1" * 20, 10**19, True, [], {}, "5\n",
        )
    ]
    + [(A + "currency", value) for value in (..., None, "", "usd", "US", "USDX", "XXX", "XAU", 840, True, "US\n")]
    + [(I + "dueDate", value) for value in (
        ..., None, "", "2026-02-30", "20260630", "2026-6-3", "30-06-2026", "2026-W01-1", "0000-01-01", "10000-01-01",
        20260630, True, "2026-06-30 ", "２０２６-06-30", "2026-06-30x",
    )]
    + [(I + "expirationDate", value) for value in ("2026-05-04", "04-05-2026", "2026-13-01", "31-02-2027", 5)]
    + [(I + "sendImmediately", value) for value in ("yes", 1, 0, "1", [], {})]
    + [(I + "allowPartialPayments", "no"), ("processingInformation.requestPhone", "x"), (I + "deliveryMode", "sms"),
       (I + "deliveryMode", 5), ("processingInformation.requestShipping", 2)]
    + [(I + "invoiceNumber", value) for value in ("a b", "a/b", "é", "x" * 51, "../x", 5, "a\x00", "a.b")]
    + [(I + "transactionReferenceNumber", value) for value in ("a-b", "x" * 61, "é", 5)]
    + [(I + "description", value) for value in ("x" * 2001, "a\x00b", "\x1b[2J", 5, ["x"], "4111 1111 1111 1111")]
    + [("customerInformation.name", value) for value in ("x" * 101, "a\nb", "a\tb", "\x7f", 5, {}, "4111111111111111")]
    + [("customerInformation.email", value) for value in (
        "x", "a@b", "a b@c.de", "a@b.de,c@d.de", "A <a@b.de>", "a@b.de\r\nBcc: x@y.zz", "@b.de", "a@", "a..b@c.de",
        ".a@c.de", "a@-c.de", "a@c..de", "x" * 65 + "@c.de", "a@" + "x" * 250 + ".de", 5, "a@b.de\x00",
    )]
    + [("customerInformation.merchantCustomerId", "x" * 101), ("customerInformation.company.name", "x" * 61)]
    + [(A + "discountAmount", "-1"), (A + "discountAmount", "1" * 16), (A + "discountPercent", "101"),
       (A + "discountPercent", "-5"), (A + "subAmount", "x"), (A + "minimumPartialAmount", "0"),
       (A + "minimumPartialAmount", "293.51"), (A + "taxDetails.type", "x" * 51), (A + "taxDetails.rate", "100.1"),
       (A + "taxDetails.amount", "1" * 14), (A + "freight.amount", "-0.01"), (A + "freight.taxable", "perhaps"),
       (A + "freight.taxRate", "1e2")]
    + [(L + "productSku", value) for value in (..., "", " ", "x" * 256, 5, "a\nb")]
    + [(L + "productName", value) for value in (..., "", "x" * 256)]
    + [(L + "unitPrice", value) for value in (..., "-1", "1" * 16, "x", None)]
    + [(L + "quantity", value) for value in (0, -1, 1.5, "1.5", 10**9, "x", True, [], "１")]
    + [(L + "discountAmount", "1" * 14), (L + "discountPercent", "100.5"), (L + "taxAmount", "-1"),
       (L + "taxRate", 101), (L + "totalAmount", "x")]
    + [("clientReferenceInformation.partner.developerId", "x" * 9)],
)  # fmt: skip
def test_a_wrong_value_is_laid_to_its_field(path: str, value: Any) -> None:
    body = changed(path, value)
    if path == I + "description":
        del body["orderInformation"]["lineItems"]
    assert faulty_fields(body) == [path]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("invoiceInformation", 5),
        ("customerInformation", "x"),
        ("orderInformation.lineItems", {}),
        ("orderInformation.lineItems", [{}] * 31),
        ("orderInformation.amountDetails", []),
        ("processingInformation", True),
        ("merchantDefinedFieldValues", "x"),
    ],
)
def test_a_wrong_shape_is_laid_to_the_group(path: str, value: Any) -> None:
    assert path in faulty_fields(changed(path, value))


def test_missing_groups_are_named_once_each() -> None:
    assert faulty_fields({}) == ["invoiceInformation", "orderInformation.amountDetails"]


def test_all_faults_come_at_once_in_document_order() -> None:
    body = changed(A + "totalAmount", "x")
    body["customerInformation"]["email"] = "nobody"
    body["orderInformation"]["lineItems"][0]["quantity"] = "many"
    body["orderInformation"]["lineItems"].append({"productSku": "B"})
    assert faulty_fields(body) == [
        "customerInformation.email",
        A + "totalAmount",
        L + "quantity",
        "orderInformation.lineItems[1].productName",
        "orderInformation.lineItems[1].unitPrice",
    ]


def test_at_most_a_hundred_faults_are_listed() -> None:
    body = changed("orderInformation.lineItems", [{"quantity": "x", "unitPrice": "x"}] * 30)
    assert len(faulty_fields(body)) == 100


@pytest.mark.parametrize("due", ["2019-07-11", "0001-01-01", "9999-12-31", "2026-01-31T00:00:00Z"])
def test_any_calendar_date_may_be_due(due: str) -> None:
    assert read(changed(I + "dueDate", due)).terms.due_date == date.fromisoformat(due[:10])


@pytest.mark.parametrize(("written", "day"), [("2026-05-05", 5), ("06-05-2026", 6), ("2026-05-07T10:00:00Z", 7)])
def test_an_expiration_date_is_read_in_both_forms_from_today_on(written: str, day: int) -> None:
    assert read(changed(I + "expirationDate", written)).terms.expiration_date == date(2026, 5, day)


@pytest.mark.parametrize("value", [293.5, "293.50", "293.509", "0293.5"])
def test_an_amount_may_be_text_or_number_and_is_cut(value: Any) -> None:
    assert str(read(changed(A + "totalAmount", value)).terms.total) == "293.5"


@pytest.mark.parametrize("value", ["9" * 19, 10**18, "999999999.99"])
def test_large_amounts_are_exact(value: Any) -> None:
    assert str(read(changed(A + "totalAmount", value)).terms.total) == str(value)


@pytest.mark.parametrize("spelling", ["email", "EMAIL", "Email", "eMail"])
def test_the_delivery_mode_is_read_in_any_case(spelling: str) -> None:
    assert read(changed(I + "deliveryMode", spelling)).terms.delivery_mode is DeliveryMode.EMAIL


def test_without_a_delivery_mode_the_address_decides() -> None:
    assert read(changed(I + "deliveryMode", ...)).terms.delivery_mode is DeliveryMode.EMAIL
    body = changed(I + "deliveryMode", ...)
    del body["customerInformation"]
    assert read(body).terms.delivery_mode is DeliveryMode.NONE


def test_mailing_needs_an_address() -> None:
    assert faulty_fields(changed("customerInformation.email", ...)) == ["customerInformation.email"]
    assert faulty_fields(changed("customerInformation", ...)) == ["customerInformation.email"]


@pytest.mark.parametrize(
    ("mode", "send", "items", "needed"),
    [
        ("email", True, False, True),
        ("email", False, False, False),
        ("none", False, False, True),
        ("none", True, False, True),
        ("email", True, True, False),
        ("none", False, True, False),
    ],
)
def test_when_a_description_is_needed(mode: str, send: bool, items: bool, needed: bool) -> None:
    body = changed(I + "description", ...)
    body["invoiceInformation"].update(deliveryMode=mode, sendImmediately=send)
    if not items:
        body["orderInformation"]["lineItems"] = []
    if needed:
        assert faulty_fields(body) == [I + "description"]
    else:
        assert read(body).terms.description is None


def test_null_is_as_good_as_absent_everywhere() -> None:
    body = changed("customerInformation.company", None)
    body["orderInformation"]["lineItems"][0].update(dict.fromkeys(("taxAmount", "discountAmount", "totalAmount")))
    body["processingInformation"] = None
    terms = read(body).terms
    assert (terms.line_items[0].tax_amount, str(terms.line_items[0].total)) == (None, "20")


def test_unknown_and_read_only_members_are_ignored() -> None:
    body = changed("status", "PAID")
    body["customerInformation"].update(firstName="Tanya", lastName=5)
    body["orderInformation"]["amountDetails"]["balanceAmount"] = -5
    body["orderInformation"]["lineItems"][0]["discountRate"] = "x"
    assert read(body).terms.line_items[0].discount_percent is None


def test_the_python_sdks_spelling_of_the_product_code_is_read() -> None:
    body = changed(L + "productSku", ...)
    body["orderInformation"]["lineItems"][0]["productSKU"] = "B"
    assert read(body).terms.line_items[0].product_sku == "B"


def test_flags_and_quantities_may_be_text() -> None:
    body = changed(L + "quantity", "3")
    body["invoiceInformation"]["sendImmediately"] = "TRUE"
    wish = read(body)
    assert (wish.publish_now, wish.terms.line_items[0].quantity) == (True, 3)


def test_a_discount_on_total_and_item_names_both_fields() -> None:
    body = changed(A + "discountPercent", "5")
    body["orderInformation"]["lineItems"][0]["discountAmount"] = "1"
    assert faulty_fields(body) == [A + "discountPercent", L + "discountAmount"]
    assert read(body, accepts_doubles=True).terms.discounts_twice


def test_a_tax_on_total_and_item_names_both_fields_and_zero_is_none() -> None:
    body = changed(A + "taxDetails", {"type": "State Tax", "rate": "8.25"})
    body["orderInformation"]["lineItems"][0].update(taxAmount="0.0", taxRate=0)
    assert not read(body).terms.taxes_twice
    body["orderInformation"]["lineItems"][0]["taxRate"] = "1"
    assert faulty_fields(body) == [A + "taxDetails.rate", L + "taxRate"]


def test_sums_that_do_not_add_up_are_accepted() -> None:
    assert read(changed(L + "totalAmount", "247.86")).terms.line_items[0].total == Decimal("247.86")


def test_a_merchant_defined_value_has_to_fit_its_definition() -> None:
    definition = FieldDefinition(
        definition_id=4,
        field_type=FieldType.TEXT,
        label="Cup",
        data_index=1,
        text_minimum_length=2,
        text_maximum_length=3,
    )
    body = changed("merchantDefinedFieldValues", [{"definitionId": 4, "value": "abc"}])
    assert read(body, definitions={4: definition}).terms.field_values[0].value == "abc"
    body["merchantDefinedFieldValues"] = [{"definitionId": 5, "value": "a"}, {"definitionId": 4, "value": "a"}, {}]
    assert faulty_fields(body, definitions={4: definition}) == [
        "merchantDefinedFieldValues[0].definitionId",
        "merchantDefinedFieldValues[1].value",
        "merchantDefinedFieldValues[2].definitionId",
        "merchantDefinedFieldValues[2].value",
    ]


def update(body: dict[str, Any], **stored: Any) -> Any:
    invoice = an_invoice(Status.SENT, some_terms(**stored))
    return read_changed_terms(parse_object(msgspec.json.encode(body)), invoice, TODAY)


def test_an_update_keeps_delivery_mode_and_partial_payments_and_drops_the_rest() -> None:
    body = changed(I + "deliveryMode", ...)
    terms = update(body, allows_partial_payments=True, requests_phone=True, transaction_reference_number="X")
    assert (terms.delivery_mode, terms.allows_partial_payments) == (DeliveryMode.EMAIL, True)
    assert (terms.requests_phone, terms.transaction_reference_number) == (None, None)


def test_an_itemized_invoice_cannot_become_amount_only() -> None:
    terms = read(ORDINARY).terms
    with pytest.raises(InvalidFields) as refusal:
        update(changed("orderInformation.lineItems", []), line_items=terms.line_items)
    assert [fault.field for fault in refusal.value.faults] == ["orderInformation.lineItems"]


def test_an_update_may_repeat_an_expiration_date_that_has_passed() -> None:
    body = changed(I + "expirationDate", "2026-01-01")
    assert update(body, expiration_date=date(2026, 1, 1)).expiration_date == date(2026, 1, 1)
    with pytest.raises(InvalidFields):
        update(body)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["amount", "method", "reference"]),
        ({"amount": "0", "method": "cash", "reference": "1"}, ["amount"]),
        ({"amount": 5, "method": "x" * 51, "reference": "x" * 101}, ["method", "reference"]),
        ({"amount": 5, "method": "cash", "reference": "1", "paidAt": "yesterday"}, ["paidAt"]),
        ({"amount": 5, "method": "cash", "reference": "1", "paidAt": "20260505"}, ["paidAt"]),
        ({"amount": 5, "method": "cash", "reference": "1", "paidAt": 5}, ["paidAt"]),
    ],
)
def test_a_payments_faults_are_named(body: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(InvalidFields) as refusal:
        read_payment(parse_object(msgspec.json.encode(body)), "USD", NOW)
    assert [fault.field for fault in refusal.value.faults] == fields


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        (None, NOW),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01T10:00:00+02:00", datetime(2026, 5, 1, 8, tzinfo=UTC)),
        ("2026-05-01T10:00:00Z", datetime(2026, 5, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_payment_tells_when_the_money_came(written: str | None, instant: datetime) -> None:
    body = {"amount": "10.999", "method": "cash", "reference": "1", "paidAt": written}
    payment = read_payment(parse_object(msgspec.json.encode(body)), "USD", NOW)
    assert (str(payment.amount), payment.paid_at) == ("10.99", instant)
