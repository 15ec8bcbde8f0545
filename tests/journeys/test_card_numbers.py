"""A card number in any free text is refused with a clear error, and reaches neither database, mail nor log."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from client import INVOICES, SETTINGS, Account, Client, a_payment_body, an_invoice_body, payments_of
from running import Server

CARD = "4111 1111 1111 1111"
PLAIN = CARD.replace(" ", "")
FIELDS = "/invoicing/v2/Invoice/merchantDefinedFields"


def full_invoice() -> dict[str, Any]:
    body = an_invoice_body("10", email="tanya.lee@my-email.world")
    body["customerInformation"] |= {"merchantCustomerId": "c", "company": {"name": "Lee"}}
    body["invoiceInformation"] |= {"invoiceNumber": "n", "transactionReferenceNumber": "r"}
    body["orderInformation"]["amountDetails"] |= {"taxDetails": {"type": "VAT", "amount": "1"}}
    body["orderInformation"]["lineItems"] = [{"productSku": "s", "productName": "p", "unitPrice": "10", "quantity": 1}]
    return body


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every text in a body that is free: not an amount, a date or a word of the API's."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from texts(each, (*path, name))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from texts(each, (*path, position))
    elif isinstance(value, str) and path[-1] not in {
        "totalAmount", "currency", "dueDate", "deliveryMode", "unitPrice", "amount", "fieldType", "key"
    }:  # fmt: skip
        yield path


def put(body: Any, path: tuple[Any, ...], text: str) -> Any:
    changed = deepcopy(body)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = text
    return changed


SETTINGS_BODY: dict[str, Any] = {
    "invoiceSettingsInformation": {
        "merchantDisplayName": "Acme",
        "customEmailMessage": "Thank you",
        "merchantEmail": "owner@acme.example",
        "customLabels": [{"key": "billTo", "value": "Bill to"}],
    }
}
FIELD_BODY: dict[str, Any] = {
    "fieldType": "text",
    "label": "Purchase order",
    "textDefaultValue": "none",
    "merchantDefinedDataIndex": 1,
    "customerVisible": True,
    "textMinLength": 1,
    "textMaxLength": 100,
}


@pytest.fixture(scope="module")
def client(demo: Server) -> Iterator[Client]:
    with Client(Account.new(demo)) as client:
        yield client


def written(path: tuple[Any, ...]) -> str:
    """Return a card number as it might stand there: in an address it has no spaces."""
    return f"{PLAIN}@example.com" if "mail" in str(path[-1]).lower() and "Message" not in str(path[-1]) else CARD


@pytest.mark.parametrize("path", list(texts(full_invoice())), ids=lambda path: ".".join(map(str, path)))
def test_an_invoice_with_a_card_number_is_refused(client: Client, demo: Server, path: tuple[Any, ...]) -> None:
    number = written(path) if path[-1] not in {"invoiceNumber", "transactionReferenceNumber"} else PLAIN
    refused = client.call("POST", INVOICES, put(full_invoice(), path, number)).expect(400)

    assert PLAIN not in refused.body.decode().replace(" ", "")
    (reason,) = refused.faults.values()
    assert "card number" in reason
    _assert_nowhere(demo)


@pytest.mark.parametrize("path", list(texts(SETTINGS_BODY)), ids=lambda path: ".".join(map(str, path)))
def test_settings_with_a_card_number_are_refused(client: Client, demo: Server, path: tuple[Any, ...]) -> None:
    client.call("PUT", SETTINGS, put(SETTINGS_BODY, path, written(path))).expect(400)
    _assert_nowhere(demo)


def test_everything_else_that_is_free_text_is_refused_too(client: Client, demo: Server) -> None:
    invoice = client.create(an_invoice_body("10", send=True))["id"]
    for name in ("method", "reference"):
        client.call("POST", payments_of(invoice), a_payment_body("1") | {name: CARD}).expect(400)
    for name in ("label", "textDefaultValue"):
        client.call("POST", FIELDS, FIELD_BODY | {name: CARD}).expect(400)
    body = an_invoice_body("10")
    refused = client.call("POST", INVOICES, body, headers={"Idempotency-Key": PLAIN}).expect(400)
    assert "card number" in refused.faults["Idempotency-Key"]
    for target in (f"{INVOICES}/{PLAIN}", f"{payments_of(invoice)}/{PLAIN}/reversal"):
        assert client.call("GET" if "reversal" not in target else "POST", target).status == 404
    _assert_nowhere(demo)


def _assert_nowhere(demo: Server) -> None:
    """Fail if the number is in the log, or in any file of the data folder: database, its log, mails."""
    for path in [demo.log, *(each for each in demo.data.rglob("*") if each.is_file())]:
        content = path.read_bytes()
        assert PLAIN.encode() not in content, path
        assert CARD.encode() not in content, path
