"""
What no client should write into a body, written all the same: it is refused by name, and nothing of it is kept.
"""

import copy
import gzip
import json
import re
from base64 import b64encode
from typing import Any, Final

import pytest

from client import INVOICES, SETTINGS, Client, an_invoice_body, bugs_met, nothing_changes, payments_of
from running import Server

EMAIL: Final = "tanya.lee@my-email.world"
AMOUNTS: Final = "orderInformation.amountDetails"
ITEM: Final = "orderInformation.lineItems[0]"
KIB: Final = 1024


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1',
        b'{"a":1}}',
        b'{"a":1} {"a":2}',
        b"[]",
        b'[{"invoiceInformation":{}}]',
        b"null",
        b"true",
        b"1",
        b'"text"',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":1,}',
        b'{"a":1}//comment',
        b'/*comment*/{"a":1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":0x10}',
        b'{"a":"\x01"}',
        b'{"a":"\n"}',
        b'{"a":"\\x41"}',
        b'{"a":"\\u12"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"a":"\xff"}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xf4\x90\x80\x80"}',
        b'{"a":1,"a":1}',
        b'{"b":{"a":1,"\\u0061":2}}',
        b'{"b":[{"a":":","a":2}]}',
        b"\x00",
        b'{"a":1}\x00',
        json.dumps(an_invoice_body()).encode("utf-16"),
        json.dumps(an_invoice_body()).encode("utf-16-le"),
        json.dumps(an_invoice_body()).encode("utf-32"),
        # Without a time: what a test is named after has to be the same for all workers.
        gzip.compress(json.dumps(an_invoice_body()).encode(), mtime=0),
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"a":[' + b"1," * 10_000 + b"1]}",
        b'{"a":' + b"9" * 5000 + b"}",
        b"--\r\nContent-Disposition: form-data\r\n\r\n",
        b"a=1&b=2",
        b"<invoice/>",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_body_that_is_no_json_object_is_refused_as_a_whole(client: Client, body: bytes) -> None:
    number = client.create(an_invoice_body(send=True))["id"]
    with nothing_changes(client):
        for method, target in (("POST", INVOICES), ("PUT", f"{INVOICES}/{number}"), ("POST", payments_of(number))):
            answer = client.call(method, target, body).expect(400)
            assert (answer.json["status"], answer.json["reason"]) == ("BADREQUEST", "VALIDATION_ERROR")
            assert "details" not in answer.json
        client.call("PUT", SETTINGS, body).expect(400)
        client.call("POST", "/invoicing/v2/Invoice/merchantDefinedFields", body).expect(400)
        client.call("POST", f"{INVOICES}/{number}/cancelation", body).expect(400 if body else 200)


WRONG_FIELDS: Final = [
    # Text
    ("customerInformation.name", "x" * 101),
    ("customerInformation.name", 7),
    ("customerInformation.name", ["Tanya"]),
    ("customerInformation.name", {"first": "Tanya"}),
    ("customerInformation.name", True),
    ("customerInformation.name", "Tanya\x00Lee"),
    ("customerInformation.name", "Tanya\nLee"),
    ("customerInformation.name", "Tanya\tLee"),
    ("customerInformation.name", "Tanya\x7f"),
    ("customerInformation.name", "card 4111 1111 1111 1111"),
    ("customerInformation.merchantCustomerId", "x" * 101),
    ("customerInformation.company.name", "x" * 61),
    ("customerInformation.company", "ABC"),
    ("customerInformation", "Tanya"),
    ("customerInformation", []),
    ("invoiceInformation.description", "x" * 2001),
    ("invoiceInformation.description", "a\x00b"),
    ("invoiceInformation.description", "a\x1bb"),
    ("invoiceInformation.description", 1),
    ("clientReferenceInformation.partner.developerId", "x" * 9),
    ("clientReferenceInformation.partner", 3),
    # Addresses
    ("customerInformation.email", "tanya"),
    ("customerInformation.email", "tanya@"),
    ("customerInformation.email", "@example.com"),
    ("customerInformation.email", "a b@example.com"),
    ("customerInformation.email", " a@example.com"),
    ("customerInformation.email", "a@example.com,b@example.com"),
    ("customerInformation.email", "A <a@example.com>"),
    ("customerInformation.email", "a@example.com\r\nBcc: b@example.com"),
    ("customerInformation.email", "a@exa mple.com"),
    ("customerInformation.email", "a@-example.com"),
    ("customerInformation.email", "a..b@example.com"),
    ("customerInformation.email", "a@" + "x" * 250 + ".com"),
    ("customerInformation.email", "x" * 65 + "@example.com"),
    ("customerInformation.email", 5),
    # Dates
    ("invoiceInformation.dueDate", None),
    ("invoiceInformation.dueDate", ""),
    ("invoiceInformation.dueDate", "tomorrow"),
    ("invoiceInformation.dueDate", "2026-02-30"),
    ("invoiceInformation.dueDate", "2026-13-01"),
    ("invoiceInformation.dueDate", "0000-01-01"),
    ("invoiceInformation.dueDate", "20260630"),
    ("invoiceInformation.dueDate", "2026-W01-1"),
    ("invoiceInformation.dueDate", "2026-6-3"),
    ("invoiceInformation.dueDate", "30-06-2026"),
    ("invoiceInformation.dueDate", "06/30/2026"),
    ("invoiceInformation.dueDate", "２０２６-06-30"),
    ("invoiceInformation.dueDate", "2026-06-30 "),
    ("invoiceInformation.dueDate", "10000-01-01"),
    ("invoiceInformation.dueDate", 20260630),
    ("invoiceInformation.expirationDate", "2019-01-01"),
    ("invoiceInformation.expirationDate", "31-13-2099"),
    ("invoiceInformation.expirationDate", "never"),
    # Choices and flags
    ("invoiceInformation.deliveryMode", "post"),
    ("invoiceInformation.deliveryMode", 1),
    ("invoiceInformation.deliveryMode", "Nonе"),  # the last letter is Cyrillic
    ("invoiceInformation.sendImmediately", "yes"),
    ("invoiceInformation.sendImmediately", 1),
    ("invoiceInformation.allowPartialPayments", "maybe"),
    ("processingInformation.requestPhone", {}),
    ("processingInformation", True),
    # Numbers of invoices
    ("invoiceInformation.invoiceNumber", "a b"),
    ("invoiceInformation.invoiceNumber", "../1"),
    ("invoiceInformation.invoiceNumber", "a/b"),
    ("invoiceInformation.invoiceNumber", "x" * 51),
    ("invoiceInformation.invoiceNumber", "１２３"),
    ("invoiceInformation.invoiceNumber", "1\n"),
    ("invoiceInformation.invoiceNumber", 7),
    ("invoiceInformation.transactionReferenceNumber", "a-b"),
    ("invoiceInformation", None),
    ("invoiceInformation", []),
    # Amounts
    (f"{AMOUNTS}.totalAmount", None),
    (f"{AMOUNTS}.totalAmount", ""),
    (f"{AMOUNTS}.totalAmount", 0),
    (f"{AMOUNTS}.totalAmount", "0.00"),
    (f"{AMOUNTS}.totalAmount", "0.009"),
    (f"{AMOUNTS}.totalAmount", "-1"),
    (f"{AMOUNTS}.totalAmount", -1),
    (f"{AMOUNTS}.totalAmount", -0.5),
    (f"{AMOUNTS}.totalAmount", "+1"),
    (f"{AMOUNTS}.totalAmount", "1,000.00"),
    (f"{AMOUNTS}.totalAmount", "1_000"),
    (f"{AMOUNTS}.totalAmount", "1 000"),
    (f"{AMOUNTS}.totalAmount", " 1"),
    (f"{AMOUNTS}.totalAmount", "1e3"),
    (f"{AMOUNTS}.totalAmount", "1.2.3"),
    (f"{AMOUNTS}.totalAmount", "."),
    (f"{AMOUNTS}.totalAmount", "$5"),
    (f"{AMOUNTS}.totalAmount", "NaN"),
    (f"{AMOUNTS}.totalAmount", "Infinity"),
    (f"{AMOUNTS}.totalAmount", "１２"),
    (f"{AMOUNTS}.totalAmount", "٣"),
    (f"{AMOUNTS}.totalAmount", "0x10"),
    (f"{AMOUNTS}.totalAmount", "1" * 20),
    (f"{AMOUNTS}.totalAmount", 10**25),
    (f"{AMOUNTS}.totalAmount", True),
    (f"{AMOUNTS}.totalAmount", [1]),
    (f"{AMOUNTS}.discountAmount", "-0.01"),
    (f"{AMOUNTS}.discountPercent", "100.01"),
    (f"{AMOUNTS}.discountPercent", "12345678"),
    (f"{AMOUNTS}.subAmount", "x"),
    (f"{AMOUNTS}.minimumPartialAmount", "293.51"),
    (f"{AMOUNTS}.minimumPartialAmount", 0),
    (f"{AMOUNTS}.taxDetails", "8 %"),
    (f"{AMOUNTS}.taxDetails.type", "x" * 51),
    (f"{AMOUNTS}.taxDetails.rate", -1),
    (f"{AMOUNTS}.freight.amount", "12345678901234"),
    (f"{AMOUNTS}.freight.taxable", "perhaps"),
    (AMOUNTS, None),
    (AMOUNTS, []),
    ("orderInformation", "none"),
    # Currencies
    (f"{AMOUNTS}.currency", None),
    (f"{AMOUNTS}.currency", "usd"),
    (f"{AMOUNTS}.currency", "US"),
    (f"{AMOUNTS}.currency", "XXX"),
    (f"{AMOUNTS}.currency", "XTS"),
    (f"{AMOUNTS}.currency", "XAU"),
    (f"{AMOUNTS}.currency", "DEM"),
    (f"{AMOUNTS}.currency", 840),
    # Line items
    ("orderInformation.lineItems", {}),
    ("orderInformation.lineItems", "none"),
    ("orderInformation.lineItems", [{"productSku": "S", "productName": "N", "unitPrice": 1}] * 31),
    (ITEM, "item"),
    (ITEM, 7),
    (f"{ITEM}.productSku", None),
    (f"{ITEM}.productSku", ""),
    (f"{ITEM}.productSku", " "),
    (f"{ITEM}.productSku", "x" * 256),
    (f"{ITEM}.productName", None),
    (f"{ITEM}.productName", "a\x0bb"),
    (f"{ITEM}.unitPrice", None),
    (f"{ITEM}.unitPrice", "-1"),
    (f"{ITEM}.unitPrice", "1" * 16),
    (f"{ITEM}.quantity", 0),
    (f"{ITEM}.quantity", -1),
    (f"{ITEM}.quantity", 1.5),
    (f"{ITEM}.quantity", "1.5"),
    (f"{ITEM}.quantity", 1_000_000_000),
    (f"{ITEM}.quantity", "٣"),
    (f"{ITEM}.quantity", "1e1"),
    (f"{ITEM}.taxRate", "101"),
    (f"{ITEM}.totalAmount", "-1"),
    # Own fields
    ("merchantDefinedFieldValues", {}),
    ("merchantDefinedFieldValues[0]", 5),
    ("merchantDefinedFieldValues[0].definitionId", 99),
    ("merchantDefinedFieldValues[0].definitionId", "x"),
    ("merchantDefinedFieldValues[0].definitionId", -1),
    ("merchantDefinedFieldValues[0].definitionId", 2**63),
]
# What an update does not look at.
NOT_IN_UPDATES: Final = {"invoiceInformation.invoiceNumber", "invoiceInformation.sendImmediately"}


def shown(part: Any) -> str:
    return str(part)[:60].encode("unicode_escape").decode()


@pytest.mark.parametrize("path, value", WRONG_FIELDS, ids=shown)
def test_a_wrong_field_is_named_and_nothing_is_kept(client: Client, path: str, value: Any) -> None:
    with nothing_changes(client):
        answer = client.call("POST", INVOICES, _with(path, value)).expect(400)
    assert answer.json["reason"] == "VALIDATION_ERROR"
    expected = f"{AMOUNTS}" if (path, value) == ("orderInformation", "none") else path
    assert set(answer.faults) & {path, expected}, answer.faults
    # A wrong group leaves what it would have held missing; no other field is blamed.
    assert {field for field in answer.faults if not field.startswith(path)} <= {AMOUNTS}, answer.faults


@pytest.mark.parametrize("path, value", [each for each in WRONG_FIELDS if each[0] not in NOT_IN_UPDATES], ids=shown)
def test_a_wrong_field_of_an_update_leaves_the_invoice_as_it_was(
    client: Client, stored: str, path: str, value: Any
) -> None:
    before = client.get(stored)
    answer = client.call("PUT", f"{INVOICES}/{stored}", _with(path, value)).expect(400)
    assert answer.faults
    assert {**client.get(stored), "submitTimeUtc": ""} == {**before, "submitTimeUtc": ""}


@pytest.mark.parametrize(
    "path, value, answered",
    [
        ("customerInformation.name", "Zoë 🦊 名前 O'Brien <b>&\"\\", None),
        ("customerInformation.name", "x" * 100, None),
        ("customerInformation.name", "é" * 100, None),
        ("customerInformation.name", "🦊" * 100, None),
        ("customerInformation.name", "\u202egnp.exe", None),
        ("customerInformation.name", "a\u2028b\u0085c", None),
        ("invoiceInformation.description", "one\ntwo\r\n\tthree", None),
        ("invoiceInformation.description", "{{7*7}} ${7*7} <script>alert(1)</script> '; DROP TABLE invoice; --", None),
        ("invoiceInformation.description", "=cmd|' /C calc'!A0", None),
        ("invoiceInformation.description", "x" * 2000, None),
        ("invoiceInformation.dueDate", "0001-01-01", None),
        ("invoiceInformation.dueDate", "9999-12-31", None),
        ("invoiceInformation.dueDate", "2026-06-30T23:59:59Z", "2026-06-30"),
        ("invoiceInformation.expirationDate", "31-12-2098", "2098-12-31"),
        ("invoiceInformation.expirationDate", "9999-12-31", None),
        ("invoiceInformation.sendImmediately", "FALSE", ...),
        ("invoiceInformation.allowPartialPayments", "True", True),
        ("invoiceInformation.deliveryMode", "EMAIL", "Email"),
        ("invoiceInformation.invoiceNumber", "x" * 49 + "_", None),
        (f"{AMOUNTS}.totalAmount", "999999999.99", 999999999.99),
        (f"{AMOUNTS}.totalAmount", "9999999999999999.99", ...),
        (f"{AMOUNTS}.totalAmount", "1234567890123456789", 1234567890123456789),
        (f"{AMOUNTS}.totalAmount", "0293.5", 293.5),
        (f"{AMOUNTS}.totalAmount", "293.", 293),
        (f"{AMOUNTS}.totalAmount", ".5", 0.5),
        (f"{AMOUNTS}.totalAmount", 0.1, 0.1),
        (f"{AMOUNTS}.totalAmount", "0.019", 0.01),
        (f"{AMOUNTS}.discountPercent", "0.00001", 0.00001),
        (f"{AMOUNTS}.discountPercent", 100, 100),
        (f"{ITEM}.quantity", "7", 7),
        (f"{ITEM}.quantity", 7.0, 7),
        (f"{ITEM}.quantity", None, 1),
        (f"{ITEM}.quantity", 999_999_999, 999_999_999),
        ("orderInformation.lineItems", [], ...),
        ("orderInformation.lineItems", None, ...),
        ("clientReferenceInformation", None, ...),
        ("processingInformation.requestPhone", None, False),
    ],
    ids=shown,
)
def test_an_odd_but_right_field_is_kept_character_for_character(
    client: Client, path: str, value: Any, answered: Any
) -> None:
    """`answered` is what comes back, None for what was sent, ... for what is not answered or not in that form."""
    created = client.create(_with(path, value))
    fetched = client.get(created["id"])
    for invoice in (created, fetched):
        if answered is not ...:
            found = _at(invoice, path)
            assert (float(found) if isinstance(answered, float) else found) == (value if answered is None else answered)


def test_unknown_and_read_only_members_are_ignored(client: Client) -> None:
    body = an_invoice_body() | {"id": "9", "status": "PAID", "merchantId": "x", "__proto__": {"a": 1}, "": None}
    body["invoiceInformation"] |= {"paymentLink": "https://evil.example", "merchantLogo": "x"}
    body["orderInformation"]["amountDetails"] |= {"balanceAmount": 0, "paid": 5}
    body["_links"] = {"self": {"href": "/v2/invoices/9"}}
    created = client.create(body)
    assert created["status"] == "DRAFT"
    assert "paymentLink" not in created["invoiceInformation"]
    assert client.get(created["id"])["orderInformation"]["amountDetails"] == {"totalAmount": 293.5, "currency": "USD"}


def test_all_faults_are_told_together_in_the_order_of_the_documents(client: Client) -> None:
    body = _with(f"{ITEM}.quantity", 0)
    body["customerInformation"] = {"email": "x", "name": "y" * 101}
    body["invoiceInformation"] = {"deliveryMode": "post", "dueDate": "x"}
    body["orderInformation"]["amountDetails"] = {"currency": "usd", "totalAmount": "x"}
    answer = client.call("POST", INVOICES, body).expect(400)
    assert [detail["field"] for detail in answer.json["details"]] == [
        "customerInformation.name",
        "customerInformation.email",
        "invoiceInformation.deliveryMode",
        "invoiceInformation.dueDate",
        f"{AMOUNTS}.totalAmount",
        f"{AMOUNTS}.currency",
        f"{ITEM}.quantity",
    ]


def test_faults_are_told_up_to_a_hundred(client: Client) -> None:
    item = {"productSku": 1, "productName": 1, "unitPrice": "x", "quantity": 0, "taxRate": "x", "totalAmount": "x"}
    answer = client.call("POST", INVOICES, _with("orderInformation.lineItems", [item] * 30)).expect(400)
    assert len(answer.json["details"]) == 100


def test_a_faulty_text_is_never_given_back_in_the_answer(client: Client) -> None:
    secret = "s3cr3t-\x00-<script>"
    answer = client.call("POST", INVOICES, _with("customerInformation.name", secret)).expect(400)
    assert b"s3cr3t" not in answer.body


def test_an_encrypted_body_is_refused_with_words(client: Client) -> None:
    answer = client.call("POST", INVOICES, {"encryptedRequest": "eyJhbGciOiJSU0EtT0FFUC0yNTYifQ.a.b.c.d"}).expect(400)
    assert list(answer.faults) == ["encryptedRequest"]
    assert "not supported" in answer.faults["encryptedRequest"]


@pytest.mark.parametrize(
    "settings, field",
    [
        ({"headerStyle": {"fontColor": "red"}}, "headerStyle.fontColor"),
        ({"headerStyle": {"fontColor": "#1234"}}, "headerStyle.fontColor"),
        ({"headerStyle": []}, "headerStyle"),
        ({"merchantDisplayName": "x" * 101}, "merchantDisplayName"),
        ({"merchantDisplayName": "a\nb"}, "merchantDisplayName"),
        ({"customEmailMessage": "x" * 2001}, "customEmailMessage"),
        ({"deliveryLanguage": "en-us"}, "deliveryLanguage"),
        ({"defaultCurrencyCode": "XXX"}, "defaultCurrencyCode"),
        ({"payerAuthenticationInInvoicing": "Enable"}, "payerAuthenticationInInvoicing"),
        ({"enableReminders": "often"}, "enableReminders"),
        ({"merchantEmail": "me"}, "merchantEmail"),
        ({"customLabels": {}}, "customLabels"),
        ({"customLabels": [{"key": "nope", "value": "x"}]}, "customLabels[0].key"),
        ({"customLabels": [{"key": "billTo", "value": "x" * 26}]}, "customLabels[0].value"),
        ({"customLabels": [{"key": "billTo", "hidden": True}]}, "customLabels[0].hidden"),
        ({"customRedirectUrls": {"paymentAccepted": "javascript:alert(1)"}}, "customRedirectUrls.paymentAccepted"),
        ({"customRedirectUrls": {"paymentAccepted": "//evil.example"}}, "customRedirectUrls.paymentAccepted"),
        ({"customRedirectUrls": {"paymentAccepted": "https://a@b.example"}}, "customRedirectUrls.paymentAccepted"),
        ({"customRedirectUrls": {"paymentAccepted": "https://a.example\\@b"}}, "customRedirectUrls.paymentAccepted"),
        ({"customRedirectUrls": {"paymentPending": "https://a.example/\r\nX: y"}}, "customRedirectUrls.paymentPending"),
        ({"customRedirectUrls": {"paymentRejected": "https://" + "x" * 500}}, "customRedirectUrls.paymentRejected"),
        ({"merchantLogo": 5}, "merchantLogo"),
    ],
    ids=shown,
)
def test_a_wrong_setting_is_named_and_no_setting_changes(client: Client, settings: dict[str, Any], field: str) -> None:
    before = client.call("GET", SETTINGS).expect(200).json
    whole = {"enableReminders": not before["invoiceSettingsInformation"]["enableReminders"], **settings}
    answer = client.call("PUT", SETTINGS, {"invoiceSettingsInformation": whole}).expect(400)
    assert list(answer.faults) == [f"invoiceSettingsInformation.{field}"]
    after = client.call("GET", SETTINGS).expect(200).json
    assert after["invoiceSettingsInformation"] == before["invoiceSettingsInformation"]


@pytest.mark.parametrize(
    "logo",
    [
        b"not a picture",
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
        b"\xff\xd8\xff\xe0" + b"\x00" * 5000,
        b"GIF89a" + b"\xff" * 50,
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x02\x00\x00\x00",
        b"x" * (KIB * KIB + 1),
    ],
    ids=lambda logo: repr(logo[:20]),
)
def test_a_logo_that_is_no_harmless_picture_is_refused(client: Client, logo: bytes) -> None:
    sent = {"merchantLogo": b64encode(logo).decode(), "merchantDisplayName": "Never kept"}
    answer = client.call("PUT", SETTINGS, {"invoiceSettingsInformation": sent}).expect(400)
    assert answer.json["reason"] == "INVALID_IMAGE"
    kept = client.call("GET", SETTINGS).expect(200).json["invoiceSettingsInformation"]
    assert "merchantLogo" not in kept
    assert kept["merchantDisplayName"] != "Never kept"


def test_nothing_of_all_this_reached_the_outermost_handler(demo: Server) -> None:
    assert bugs_met(demo) == []


@pytest.fixture(scope="module")
def stored(client: Client) -> str:
    """Return the number of an invoice that updates try to spoil."""
    return str(client.create(an_invoice_body(email=EMAIL))["id"])


def _with(path: str, value: Any) -> dict[str, Any]:
    """Return the body of a mailed, itemized invoice with one thing in it changed; groups on the way are made."""
    body = an_invoice_body(email=EMAIL)
    body["orderInformation"]["lineItems"] = [{"productSku": "S-1", "productName": "A thing", "unitPrice": "12.05"}]
    place: Any = body
    *way, last = _steps(path)
    for position, step in enumerate(way):
        following = [*way, last][position + 1]
        if isinstance(step, int):
            if len(place) <= step:
                place.append({"value": "x"})
        elif step not in place:
            place[step] = [] if isinstance(following, int) else {}
        place = place[step]
    if isinstance(last, int) and len(place) <= last:
        place.append(value)
    else:
        place[last] = copy.deepcopy(value)
    return body


def _at(invoice: Any, path: str) -> Any:
    for step in _steps(path):
        invoice = invoice[step]
    return invoice


def _steps(path: str) -> list[str | int]:
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
