"""
The documents' own examples, replayed: same status, members, order, values and digits, but for the slips named here.

The slips are mistakes of the documents: each is one place, with what is printed and what is right. An example that
differs anywhere else fails, and so does a slip that is none any more.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from client import INVOICES, SETTINGS, Account, Answer, Client
from json_differences import ABSENT, Differences, Number, differences, parsed
from running import running_demo

_EXAMPLES = Path(__file__).parents[1] / "wire" / "examples"

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.([0-9]+))?Z")
_PAYMENT_LINK = re.compile(r"https?://[^/]+/ebc2/invoicing/payInvoice/[A-Za-z0-9]{64}\?version=v2\.1")
_JPEG_URI = re.compile(r"data:image/JPEG;base64,[A-Za-z0-9+/]+=*")


class Slip(NamedTuple):
    """One place where a document is wrong: `printed` there, `right` here, and why we answer so."""

    path: str
    printed: Any
    right: Any
    reason: str


def _all(*slips: Slip) -> Differences:
    return {slip.path: (slip.printed, slip.right) for slip in slips}


_OTHER_ADDRESS = Slip(
    "$.customerInformation.email",
    "test@email.com",
    "tanya.lee@my-email.world",
    "the request bills another address than the answer shows: what was sent is echoed",
)
_DRAFT_WITHOUT_LINK = (
    Slip("$.status", "CREATED", "DRAFT", "sendImmediately is false: the guide's table and three other pages say DRAFT"),
    Slip("$.invoiceInformation.paymentLink", "a payment link", ABSENT, "a draft has no link"),
    Slip(
        "$.orderInformation.amountDetails.balanceAmount",
        Number("2623.64"),
        ABSENT,
        "no draft without mail shows a balance in the captures",
    ),
)

# The examples that are one create, and what is wrong in each.
CREATES: dict[str, tuple[Slip, ...]] = {
    "seeds/000-barclays-amount-only-create-and-send": (
        Slip("$.invoiceInformation.allowPartialPayments", ABSENT, False, "every other capture answers it"),
    ),
    "seeds/001-cybersource-create-and-send": (),
    "seeds/001-cybersource-create-and-send-itemized": (_OTHER_ADDRESS,),
    "seeds/002-cybersource-draft-itemized": (),
    "seeds/002-cybersource-draft-no-customer": _DRAFT_WITHOUT_LINK,
    "seeds/003-cybersource-create-without-sending": (),
    "seeds/003-cybersource-create-without-sending-itemized": (
        Slip(
            "$.invoiceInformation.paymentLink",
            "/ebc2/invoicing/payInvoice/JBOA7CQeoSFuUluwLqw2c6n8rf0KCO0cgJz19uQmxO9rF5tT8FdNGRTL9OHapjlr?version=v2.1",
            "a payment link",
            "a variable of the page was not filled in: a link is always absolute",
        ),
    ),
    "seeds/004-vas-create-and-send": (),
    "seeds/004-vas-create-and-send-itemized": (_OTHER_ADDRESS,),
    "guide/create-deliverable-draft": (),
    "guide/create-deliverable-draft-two-items": (
        Slip(
            "$.orderInformation.lineItems[1].productName",
            "First line item's name",
            "Second line item's name",
            "the answer repeats the first item's name: what was sent is echoed",
        ),
    ),
}
_OTHERS = {
    "guide/line-items-fragment",
    "guide/get-invoice-details",
    "guide/list-invoices",
    "guide/update-invoice",
    "guide/update-invoice-optional-fields",
    "guide/send-invoice",
    "guide/cancel-invoice",
    "guide/settings-update",
    "guide/settings-get",
    "guide/settings-get-2024",
}
_WITH_DISCOUNTS_TWICE = ("guide/update-invoice-optional-fields", "guide/send-invoice", "guide/cancel-invoice")

_OUR_ACCOUNT = (
    Slip("$.merchantInformation.phone", "4251231234", ABSENT, "this merchant has no telephone"),
    Slip(
        "$.merchantInformation.addressDetails",
        {"address1": "123 Main St", "city": "Bellevue", "state": "WA", "country": "us", "postalCode": "98005"},
        ABSENT,
        "this merchant has no address",
    ),
)


@pytest.fixture(scope="module")
def observing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a client of a server that takes what the original was seen to take, not what its guide allows."""
    data = tmp_path_factory.mktemp("observed") / "demo"
    with running_demo(data, PAYDUE_AMOUNT_RULES="observed") as server, Client(Account.demo(server)) as client:
        yield client


def test_every_example_is_replayed() -> None:
    files = {
        str(path.relative_to(_EXAMPLES).with_suffix(""))
        for path in _EXAMPLES.glob("*/*.json")
        if path.parent.name != "webhooks"
    }
    assert {name for name in files if name.startswith(("seeds/", "guide/"))} == {*CREATES, *_OTHERS}


@pytest.mark.parametrize("name", CREATES)
def test_a_create_is_answered_as_documented(name: str, client: Client, new_merchant: Callable[[], Account]) -> None:
    request, response = _example(name)
    labels = response["body"]["invoiceInformation"].get("customLabels")
    if labels is None:
        answer = client.call("POST", INVOICES, request["body"])
    else:
        # They come from the settings, and would come with every other invoice of this merchant as well.
        with Client(new_merchant()) as labeled:
            labeled.call("PUT", SETTINGS, {"invoiceSettingsInformation": {"customLabels": labels}}).expect(200)
            answer = labeled.call("POST", INVOICES, request["body"])
    _assert_as_documented(answer, response, _all(*CREATES[name]))


def test_the_line_items_of_the_guide_are_taken_and_come_back_in_shortest_form(client: Client) -> None:
    request, _ = _example("guide/line-items-fragment")
    whole, _ = _example("guide/create-deliverable-draft")
    body = whole["body"]
    body["orderInformation"]["lineItems"] = request["body"]["orderInformation"]["lineItems"]
    answer = client.call("POST", INVOICES, body).expect(201)
    items = parsed(answer.body)["orderInformation"]["lineItems"]
    names = [("ABCD1234", "First"), ("EFGH5678", "Second"), ("IJKL9999", "Third")]
    expected = [
        f'{{"productSku":"{sku}","productName":"{place} line item\'s name","unitPrice":12.05,"quantity":20,'
        '"discountAmount":13.04,"taxAmount":0,"taxRate":0,"totalAmount":247.86}'
        for sku, place in names
    ]
    assert differences(parsed(f"[{','.join(expected)}]"), items) == {}


def test_the_details_of_a_sent_invoice_are_answered_as_documented(client: Client) -> None:
    request, response = _example("guide/get-invoice-details")
    number = client.create(_body_for(response["body"], send=True))["id"]
    answer = client.call("GET", _path_for(request["path"], number))
    _assert_as_documented(answer, response)


def test_the_list_is_answered_as_documented(new_merchant: Callable[[], Account]) -> None:
    _, response = _example("guide/list-invoices")
    with Client(new_merchant()) as client:
        client.create(_body_for(response["body"]["invoices"][-1], number="2665"))
        for listed in reversed(response["body"]["invoices"]):
            client.create(_body_for(listed, number=listed["id"]))
        # The page prints "&status=DRAFT" as well, but its answer shows that it was not sent.
        answer = client.call("GET", f"{INVOICES}?offset=0&limit=5")
    slips = [Slip("$.totalInvoices", Number("38449"), Number("6"), "this merchant has fewer")]
    slips += [
        Slip(
            f"$.invoices[{each}].createdDate", ABSENT, "an instant of 0 digits", "in the reference, not in the capture"
        )
        for each in range(5)
    ]
    _assert_as_documented(answer, response, _all(*slips))


def test_an_update_is_answered_as_documented(client: Client) -> None:
    # The page's path has another number, 98761: the slip is corrected in the example itself.
    details = _example("guide/get-invoice-details")[1]["body"]
    request, response = _example("guide/update-invoice")
    created = client.create(_body_for(details, send=True))
    answer = client.call("PUT", _path_for(request["path"], created["id"]), request["body"])
    _assert_as_documented(answer, response)
    assert answer.json["invoiceInformation"]["paymentLink"] == created["invoiceInformation"]["paymentLink"]


def test_an_update_with_optional_fields_is_answered_as_documented(observing: Client) -> None:
    details = _example("guide/get-invoice-details")[1]["body"]
    request, response = _example("guide/update-invoice-optional-fields")
    number = observing.create(_body_for(details, send=True))["id"]
    answer = observing.call("PUT", _path_for(request["path"], number), request["body"])
    _assert_as_documented(answer, response)


@pytest.mark.parametrize("name", ["guide/send-invoice", "guide/cancel-invoice"])
def test_sending_and_canceling_are_answered_as_documented(name: str, observing: Client) -> None:
    request, response = _example(name)
    number = observing.create(_body_for(response["body"]))["id"]
    answer = observing.call("POST", _path_for(request["path"], number), request["body"])
    _assert_as_documented(answer, response)


@pytest.mark.parametrize("name", _WITH_DISCOUNTS_TWICE)
def test_discounts_on_the_total_and_on_items_are_refused_as_the_guide_says(name: str, client: Client) -> None:
    _, response = _example(name)
    answer = client.call("POST", INVOICES, _body_for(response["body"])).expect(400)
    assert {"orderInformation.amountDetails.discountAmount", "orderInformation.lineItems[0].discountAmount"} == set(
        answer.faults
    )


def test_settings_are_answered_as_documented(new_merchant: Callable[[], Account]) -> None:
    request, response = _example("guide/settings-update")
    # The page abbreviates the picture, so that it is none any more.
    request["body"]["invoiceSettingsInformation"]["merchantLogo"] = _a_jpeg()
    got_request, got_response = _example("guide/settings-get")
    with Client(new_merchant()) as client:
        answer = client.call("PUT", request["path"], request["body"])
        _assert_as_documented(answer, response, _all(*_OUR_ACCOUNT))
        answer = client.call("GET", got_request["path"])
        _assert_as_documented(answer, got_response, _all(*_OUR_ACCOUNT))


def test_the_older_settings_are_answered_as_documented_then_and_with_what_came_since(
    new_merchant: Callable[[], Account],
) -> None:
    update, _ = _example("guide/settings-update")
    request, response = _example("guide/settings-get-2024")
    sent = update["body"]["invoiceSettingsInformation"]
    for later in ("merchantLogo", "customLabels", "customRedirectUrls"):
        del sent[later]
    with Client(new_merchant()) as client:
        client.call("PUT", update["path"], update["body"]).expect(200)
        answer = client.call("GET", request["path"])
    since = (
        Slip("$.invoiceSettingsInformation.enableMerchantEmailNotifications", ABSENT, False, "came after this capture"),
        Slip("$.merchantInformation", ABSENT, {"name": "API Ref Sandbox"}, "came after this capture"),
    )
    _assert_as_documented(answer, response, _all(*since))


@pytest.mark.parametrize(
    "changed, found",
    [
        ('{"a":1,"b":[{"c":5,"d":2.5}]}', {}),
        ('{"b":[{"c":5,"d":2.5}],"a":1}', {"$ order of members": (["a", "b"], ["b", "a"])}),
        ('{"a":1,"b":[{"d":2.5,"c":5}]}', {"$.b[0] order of members": (["c", "d"], ["d", "c"])}),
        ('{"a":1,"b":[{"c":5.0,"d":2.5}]}', {"$.b[0].c": ("5", "5.0")}),
        ('{"a":1,"b":[{"c":5,"d":2.50}]}', {"$.b[0].d": ("2.5", "2.50")}),
        ('{"a":1,"b":[{"c":5,"d":25e-1}]}', {"$.b[0].d": ("2.5", "25e-1")}),
        ('{"a":"1","b":[{"c":5,"d":2.5}]}', {"$.a": ("1", "1")}),
        ('{"a":true,"b":[{"c":5,"d":2.5}]}', {"$.a": ("1", True)}),
        ('{"a":null,"b":[{"c":5,"d":2.5}]}', {"$.a": ("1", None)}),
        ('{"b":[{"c":5,"d":2.5}]}', {"$.a": ("1", ABSENT)}),
        ('{"a":1,"b":[{"c":5,"d":2.5,"e":0}]}', {"$.b[0].e": (ABSENT, "0")}),
        ('{"a":1,"b":[{"c":5,"d":2.5},{}]}', {"$.b length": (1, 2)}),
        ('{"a":1,"b":{}}', {"$.b": ([{"c": "5", "d": "2.5"}], {})}),
    ],
)
def test_the_comparison_sees_order_digits_kinds_and_absence(changed: str, found: Differences) -> None:
    assert differences(parsed('{"a":1,"b":[{"c":5,"d":2.5}]}'), parsed(changed)) == found


def _example(name: str) -> tuple[Any, Any]:
    """Return request and response of an example; numbers of the response as they are printed."""
    text = (_EXAMPLES / f"{name}.json").read_text(encoding="utf-8")
    today = datetime.now(UTC).date()
    if today.isoformat() >= "2028-08-11":
        # The one example with an expiration date has to be written before that day.
        text = text.replace("2028-08-11", f"{today.year + 2}-08-11")
    return json.loads(text)["request"], parsed(text)["response"]


def _path_for(path: str, number: str) -> str:
    return re.sub(r"/invoices/[0-9]+", f"/invoices/{number}", path)


def _body_for(invoice: Any, *, send: bool | None = None, number: str | None = None) -> dict[str, Any]:
    """Return the create that leads to a documented answer, as far as its status lets one say."""
    information = {
        name: value
        for name, value in invoice["invoiceInformation"].items()
        if name not in {"invoiceNumber", "paymentLink"}
    }
    if "deliveryMode" not in information:
        information |= {"deliveryMode": "none" if invoice["status"] == "CREATED" else "email", "description": "Food"}
    amounts = dict(invoice["orderInformation"]["amountDetails"])
    amounts.pop("balanceAmount", None)
    customer = {"email": "tanya.lee@my-email.world"} | invoice.get("customerInformation", {})
    information["sendImmediately"] = "paymentLink" in invoice["invoiceInformation"] if send is None else send
    if invoice.get("id") == "2675":
        # Both examples begin with a draft.
        information["sendImmediately"] = False
    if number is not None:
        information["invoiceNumber"] = number
    return {
        "customerInformation": customer,
        "invoiceInformation": information,
        "orderInformation": {**invoice["orderInformation"], "amountDetails": amounts},
    }


def _assert_as_documented(answer: Answer, response: Any, slips: Differences | None = None) -> None:
    document = parsed(answer.body)
    answer.expect(int(response["status"]))
    documented = _masked(response["body"], None)
    number = document.get("id")
    assert differences(documented, _masked(document, number, documented.get("id"))) == (slips or {})
    moment = datetime.fromisoformat(document["submitTimeUtc"])
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60


def _masked(value: Any, number: str | None, shown: str | None = None) -> Any:
    """Return the value with what differs from run to run named by its form, and our number as the documented one."""
    if isinstance(value, list):
        return [_masked(each, number, shown) for each in value]
    if isinstance(value, dict):
        return {name: _masked_member(name, each, number, shown) for name, each in value.items()}
    return value


def _masked_member(name: str, value: Any, number: str | None, shown: str | None) -> Any:
    if name in {"submitTimeUtc", "date", "createdDate"} and (match := _INSTANT.fullmatch(value)):
        return f"an instant of {len(match[1] or '')} digits"
    if name == "paymentLink" and _PAYMENT_LINK.fullmatch(value):
        return "a payment link"
    if name == "merchantLogo" and _JPEG_URI.fullmatch(value):
        return "a JPEG"
    if number is not None and shown is not None:
        if name in {"id", "invoiceNumber"} and value == number:
            return shown
        if name == "href":
            return re.sub(rf"^/v2/invoices/{re.escape(number)}(?=/|$)", f"/v2/invoices/{shown}", value)
    return _masked(value, number, shown)


def _a_jpeg() -> str:
    file = BytesIO()
    Image.new("RGB", (2, 2), "#804020").save(file, "JPEG")
    return b64encode(file.getvalue()).decode()
