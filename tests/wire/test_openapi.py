"""Our OpenAPI document: valid, whole, and in agreement with the code, the published examples and itself."""

import json
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator

import openapi_check
from builders import NOON, a_line_item, an_invoice, some_terms
from openapi_check import check_answer, check_json, request_pointer
from paydue.domain.errors import InvalidFields, InvalidImage
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.merchant_fields import FieldType, ReferenceType
from paydue.domain.money import CURRENCIES, exponent
from paydue.domain.settings import LABEL_FLAGS, LANGUAGES, ProductType
from paydue.domain.terms import DeliveryMode
from paydue.pages.documents import documents
from paydue.pages.payment_page import LINK_PATH
from paydue.usecases.reminder_links import REMINDERS_PATH
from paydue.wire import gateway_notifications, openapi_document
from paydue.wire.merchant_fields_json import read_definition
from paydue.wire.openapi_document import described, document
from paydue.wire.read_invoice import read_changed_terms, read_new_invoice, read_payment
from paydue.wire.routes import api_routes
from paydue.wire.settings_json import read_settings
from paydue.wire.strict_json import MalformedJson, parse_object
from paydue.wire.write_invoice import payment_link, show_invoice, write_shown

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports warns about itself
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.core import NOT_SET
    from schemathesis.core.parameters import ParameterLocation

EXAMPLES = Path(__file__).parent / "examples"
PORTAL = "https://pay.example.com"
TIME = "2026-05-05T12:00:00.123456000Z"
HEADERS = {
    "Content-Type": "application/json;charset=utf-8",
    "v-c-correlation-id": "5f0c1d7e-3a52-4b8e-9d41-7e2a9c5b8f10",
    "x-content-type-options": "nosniff",
}

OPERATIONS = {
    "createInvoice": "POST /invoicing/v2/invoices",
    "getAllInvoices": "GET /invoicing/v2/invoices",
    "getInvoice": "GET /invoicing/v2/invoices/{id}",
    "updateInvoice": "PUT /invoicing/v2/invoices/{id}",
    "performSendAction": "POST /invoicing/v2/invoices/{id}/delivery",
    "performPublishAction": "POST /invoicing/v2/invoices/{id}/publication",
    "performCancelAction": "POST /invoicing/v2/invoices/{id}/cancelation",
    "getInvoiceSettings": "GET /invoicing/v2/invoiceSettings",
    "updateInvoiceSettings": "PUT /invoicing/v2/invoiceSettings",
    "getMerchantDefinedFieldsDefinitions": "GET /invoicing/v2/{referenceType}/merchantDefinedFields",
    "createMerchantDefinedFieldDefinition": "POST /invoicing/v2/{referenceType}/merchantDefinedFields",
    "putMerchantDefinedFieldsDefinitions": "PUT /invoicing/v2/{referenceType}/merchantDefinedFields/{id}",
    "deleteMerchantDefinedFieldsDefinitions": "DELETE /invoicing/v2/{referenceType}/merchantDefinedFields/{id}",
    "recordPayment": "POST /paydue/v1/invoices/{id}/payments",
    "listPayments": "GET /paydue/v1/invoices/{id}/payments",
    "listAttempts": "GET /paydue/v1/invoices/{id}/attempts",
    "refundPayment": "POST /paydue/v1/invoices/{id}/payments/{transactionId}/refunds",
    "reversePayment": "POST /paydue/v1/invoices/{id}/payments/{transactionId}/reversal",
    "acceptPayment": "POST /paydue/v1/invoices/{id}/payments/{transactionId}/acceptance",
    "rejectPayment": "POST /paydue/v1/invoices/{id}/payments/{transactionId}/rejection",
    "listUnappliedMoney": "GET /paydue/v1/unapplied-money",
    "refundUnappliedMoney": "POST /paydue/v1/unapplied-money/{gateway}/{transactionId}/refunds",
    "findProductsToSubscribeOld": "GET /notification-subscriptions/v1/products/{organizationId}",
    "findProductsToSubscribePrinted": "GET /webhooks/notification-subscriptions/v1/products/{organizationId}",
    "getWebhooksOld": "GET /notification-subscriptions/v1/webhooks",
    "createWebhookOld": "POST /notification-subscriptions/v1/webhooks",
    "getWebhookOld": "GET /notification-subscriptions/v1/webhooks/{webhookId}",
    "testWebhook": "POST /notification-subscriptions/v1/webhooks/{webhookId}",
    "updateWebhookOld": "PATCH /notification-subscriptions/v1/webhooks/{webhookId}",
    "deleteWebhookOld": "DELETE /notification-subscriptions/v1/webhooks/{webhookId}",
    "updateWebhookStatusOld": "PUT /notification-subscriptions/v1/webhooks/{webhookId}/status",
    "findProductsToSubscribe": "GET /notification-subscriptions/v2/products/{organizationId}",
    "getWebhooks": "GET /notification-subscriptions/v2/webhooks",
    "createWebhook": "POST /notification-subscriptions/v2/webhooks",
    "getWebhook": "GET /notification-subscriptions/v2/webhooks/{webhookId}",
    "switchWebhook": "PUT /notification-subscriptions/v2/webhooks/{webhookId}",
    "updateWebhook": "PATCH /notification-subscriptions/v2/webhooks/{webhookId}",
    "deleteWebhook": "DELETE /notification-subscriptions/v2/webhooks/{webhookId}",
    "updateWebhookStatus": "PUT /notification-subscriptions/v2/webhooks/{webhookId}/status",
    "replayWebhookOld": "POST /nrtf/v1/webhooks/{webhookId}/replays",
    "replayWebhook": "POST /notification-subscriptions/v2/webhooks/{webhookId}/replays",
    "getWebhookSchema": "GET /paydue/v1/webhook-schemas/{eventType}",
    "saveSymEgressKey": "POST /kms/egress/v2/keys-sym",
    "saveAsymEgressKey": "POST /kms/egress/v2/keys-asym",
    "listOwnWebhookKeys": "GET /paydue/v1/webhooks/{webhookId}/keys",
    "createOwnWebhookKey": "POST /paydue/v1/webhooks/{webhookId}/keys",
    "deleteOwnWebhookKeys": "DELETE /paydue/v1/webhooks/{webhookId}/keys",
    "getWebhookClientCertificate": "GET /paydue/v1/webhooks/{webhookId}/client-certificate",
    "putWebhookClientCertificate": "PUT /paydue/v1/webhooks/{webhookId}/client-certificate",
    "deleteWebhookClientCertificate": "DELETE /paydue/v1/webhooks/{webhookId}/client-certificate",
    "listDeliveries": "GET /paydue/v1/deliveries",
    "getDelivery": "GET /paydue/v1/deliveries/{id}",
    "resendDelivery": "POST /paydue/v1/deliveries/{id}/resend",
    "recoverDeliveries": "POST /paydue/v1/deliveries/recover",
    "exportInvoices": "GET /paydue/v1/exports/invoices",
    "exportPayments": "GET /paydue/v1/exports/payments",
    "getReminders": "GET /paydue/v1/invoices/{id}/reminders",
    "switchReminders": "PUT /paydue/v1/invoices/{id}/reminders",
    "makePreviewLink": "POST /paydue/v1/invoices/{id}/preview-links",
    "getPaymentPageSettings": "GET /paydue/v1/payment-page-settings",
    "updatePaymentPageSettings": "PUT /paydue/v1/payment-page-settings",
    "notifyOfPayments": "POST /gateway-notifications/{gateway}/{merchantId}",
    "openReminderPage": "GET /reminders/{ticket}",
    "stopReminders": "POST /reminders/{ticket}",
    "openPaymentPage": "GET /ebc2/invoicing/payInvoice/{token}",
    "getLiveness": "GET /health/live",
    "getReadiness": "GET /health/ready",
    "getOpenApiDocument": "GET /openapi.json",
}

# Published requests that we refuse, and why.
REFUSED_REQUESTS = {
    "line-items-fragment": "a fragment: three line items without the rest of the request",
    "update-invoice-optional-fields": "a discount on the total and on a line item, which the documents forbid",
}
# Published answers that ours differ from, and why.
SLIPPED_ANSWERS = {
    "000-barclays-amount-only-create-and-send": "lacks allowPartialPayments, which every other capture has",
    "003-cybersource-create-without-sending-itemized": "its payment link has no scheme and host",
    "list-invoices": "lacks createdDate, which the reference describes and we send",
    "settings-get-2024": "older than enableMerchantEmailNotifications, which we always answer",
}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi_check.the_document()["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


SIGNED = [(method, path, each) for method, path, each in operations() if each.get("security") != []]
ALL_IDS = [each["operationId"] for _, _, each in operations()]
SIGNED_IDS = [each["operationId"] for _, _, each in SIGNED]
BODIES = [(method, path) for method, path, each in operations() if "requestBody" in each]


def test_the_document_is_valid_openapi_3_1():
    assert [str(fault.message) for fault in OpenAPIV31SpecValidator(openapi_check.the_document()).iter_errors()] == []


def test_every_reference_leads_somewhere():
    references = {node["$ref"] for node in nodes(openapi_check.the_document()) if "$ref" in node}

    assert len(references) > 50
    for reference in references:
        assert reference.startswith("#/")
        openapi_check._at(reference.removeprefix("#"))


def test_nothing_is_described_that_nothing_refers_to():
    whole = openapi_check.the_document()
    used = {node["$ref"] for node in nodes(whole) if "$ref" in node}
    # What an unknown path is answered belongs to no operation.
    used.add("#/components/responses/NoSuchRoute")

    assert [
        f"#/components/{kind}/{name}"
        for kind, members in whole["components"].items()
        if kind != "securitySchemes"
        for name in members
        if f"#/components/{kind}/{name}" not in used
    ] == []


def written(invoice: Invoice, *, with_history: bool = False) -> bytes:
    link = payment_link(PORTAL, invoice.payment_token) if invoice.has_payment_link else None
    return write_shown(show_invoice(invoice), TIME, link, with_history=with_history)


def test_the_operations_are_those_of_the_api_and_ours():
    assert {each["operationId"]: f"{method.upper()} {path}" for method, path, each in operations()} == OPERATIONS


def test_every_route_of_the_api_is_described_and_no_other():
    nothing: Any = None
    routes = api_routes(
        secrets=nothing,
        lately=nothing,
        logo_cleaner=nothing,
        portal_url=PORTAL,
        subscriptions_of=nothing,
        deliveries_of=nothing,
        exports_of=nothing,
        reminders=nothing,
        rules=nothing,
        messenger=nothing,
        desk=nothing,
        previews=nothing,
    )

    assert {(route.method.lower(), route.template) for route in routes} == {
        (method, path) for method, path, _ in SIGNED
    }


def test_what_is_answered_beside_the_api_is_described_too():
    unsigned = {(method, path) for method, path, each in operations() if each.get("security") == []}
    # Read by people: the documentation itself and what pages are made of.
    for_people = {"/", "/docs", "/console", "/console/{rest:path}", "/static/{version}/{name:path}", "/robots.txt"}
    nothing: Any = None
    framework: Any = documents(nothing, nothing, nothing, nothing, "")

    assert {("get", route.path) for route in framework.routes if route.path not in for_people} | {
        ("post", gateway_notifications.TEMPLATE),
        ("get", LINK_PATH + "{token}"),
        ("get", REMINDERS_PATH + "{ticket}"),
        ("post", REMINDERS_PATH + "{ticket}"),
        ("get", "/health/live"),
        ("get", "/health/ready"),
    } == unsigned


def test_every_operation_says_what_it_does_under_a_known_tag():
    tags = [tag["name"] for tag in openapi_check.the_document()["tags"]]

    for _, path, operation in operations():
        assert operation["summary"], path
        assert operation["description"], path
        assert [tag for tag in operation["tags"] if tag not in tags] == []


@pytest.mark.parametrize("method, path, operation", SIGNED, ids=SIGNED_IDS)
def test_a_signed_operation_tells_every_status_it_may_answer(method, path, operation):
    expected = {"401", "405", "408", "413", "414", "429", "431", "502", "503"}
    if method in {"post", "put"}:
        expected |= {"400", "415"}
    if method == "post":
        expected |= {"409", "422"}
    if ("{id}" in path and method != "put") or path.endswith("invoices/{id}"):
        expected.add("404")

    assert expected <= set(operation["responses"])
    assert "500" not in operation["responses"]


@pytest.mark.parametrize("method, path, operation", SIGNED, ids=SIGNED_IDS)
def test_every_post_takes_an_idempotency_key(method, path, operation):
    names = [openapi_check._resolved(each)["name"] for each in operation.get("parameters", [])]

    assert ("Idempotency-Key" in names) is (method == "post")


def test_every_answer_carries_a_correlation_id_and_says_when_to_come_again():
    for _, path, operation in operations():
        for status, response in operation["responses"].items():
            headers = openapi_check._resolved(response)["headers"]
            assert openapi_check._resolved(headers["v-c-correlation-id"])["required"], f"{path} {status}"
            assert openapi_check._resolved(headers["X-Content-Type-Options"])["required"], f"{path} {status}"
            if status == "429" or (status == "503" and "health" not in path):
                assert openapi_check._resolved(headers["Retry-After"])["required"], f"{path} {status}"


def test_answers_are_closed_and_requests_are_open():
    whole = openapi_check.the_document()["components"]["schemas"]
    open_answers = {"OpenApiDocument", "InvoiceBody", "LinksByStatus"}
    answered = reachable(each["responses"] for _, _, each in operations())
    asked = reachable(each["requestBody"] for _, _, each in operations() if "requestBody" in each)

    for name in answered - open_answers:
        for node in objects(whole[name]):
            assert node.get("additionalProperties", node.get("unevaluatedProperties")) is False, f"{name}: {node}"
    for name in asked:
        for node in objects(whole[name]):
            assert "additionalProperties" not in node, f"{name}: unknown members are ignored, never refused"


def test_the_lists_of_words_are_the_codes_own():
    schemas = openapi_check.the_document()["components"]["schemas"]
    parameters = openapi_check.the_document()["components"]["parameters"]
    settings_input = schemas["SettingsInput"]["properties"]

    assert schemas["Currency"]["enum"] == sorted(CURRENCIES)
    assert schemas["CurrencyWithDecimals"]["not"]["enum"] == [
        code for code in sorted(CURRENCIES) if exponent(code) == 0
    ]
    assert schemas["InvoiceStatus"]["enum"] == [status.value for status in Status]
    assert set(parameters["Status"]["schema"]["enum"]) == {
        *(status.value for status in Status), *(status.value.lower() for status in Status), "", "None",
    }  # fmt: skip
    assert schemas["LabelInput"]["properties"]["key"]["enum"] == schemas["Label"]["properties"]["key"]["enum"]
    assert schemas["Label"]["properties"]["key"]["enum"] == list(LABEL_FLAGS)
    assert settings_input["deliveryLanguage"]["enum"][:-2] == list(LANGUAGES)
    assert parameters["ProductType"]["schema"]["enum"][:2] == list(ProductType)
    assert parameters["ReferenceType"]["schema"]["enum"] == list(ReferenceType)
    assert schemas["FieldDefinition"]["properties"]["fieldType"]["enum"] == list(FieldType)
    assert schemas["InvoiceBody"]["properties"]["invoiceInformation"]["properties"]["deliveryMode"]["enum"] == list(
        DeliveryMode
    )


@pytest.mark.parametrize("method, path", BODIES)
def test_the_example_of_a_request_fits_its_schema(method, path):
    media = openapi_check._at(request_pointer(method, path).removesuffix("/schema"))

    check_json(request_pointer(method, path), msgspec.json.encode(media["example"]))


@pytest.mark.parametrize("method, path, operation", list(operations()), ids=ALL_IDS)
def test_the_examples_of_answers_are_answers(method, path, operation):
    for status, response in operation["responses"].items():
        named = {"Content-Disposition": 'attachment; filename="books.csv"'}
        headers = {**HEADERS, **named, "Retry-After": "5", "Allow": "GET"}
        content = openapi_check._resolved(response).get("content", {})
        if "application/json" in content:
            body = msgspec.json.encode(content["application/json"]["example"])
        else:
            body = b"anything" if content else b""
            headers["Content-Type"] = f"{next(iter(content), '')}; charset=utf-8"
        check_answer(method, path, int(status), headers, body)


def published(part: str) -> list[Any]:
    """Return the published examples that have a request with a body, or an answer."""
    examples = [
        (file.stem, json.loads(file.read_bytes()))
        for file in sorted((*EXAMPLES.glob("seeds/*.json"), *EXAMPLES.glob("guide/*.json")))
    ]
    return [
        pytest.param(example, name, id=name)
        for name, example in examples
        if (example["response"] is not None if part == "response" else example["request"]["method"] != "GET")
    ]


@pytest.mark.parametrize("example, name", published("request"))
def test_a_published_request_fits_the_schema_of_its_operation(example, name):
    request = example["request"]
    pointer = request_pointer(request["method"], OPERATIONS[example["operation"]].split()[1])
    body = msgspec.json.encode(request["body"])

    if name in REFUSED_REQUESTS:
        with pytest.raises(AssertionError, match="not as described"):
            check_json(pointer, body)
    else:
        check_json(pointer, body)


@pytest.mark.parametrize("example, name", published("response"))
def test_a_published_answer_is_one_of_ours(example, name):
    request, response = example["request"], example["response"]
    body = msgspec.json.encode(response["body"])

    if name in SLIPPED_ANSWERS:
        with pytest.raises(AssertionError, match="not as described"):
            check_answer(request["method"], request["path"], response["status"], HEADERS, body)
    else:
        check_answer(request["method"], request["path"], response["status"], HEADERS, body)


def test_the_published_line_items_fit_once_the_rest_is_there():
    fragment = json.loads((EXAMPLES / "guide" / "line-items-fragment.json").read_text(encoding="utf-8"))
    body = fragment["request"]["body"]
    body["invoiceInformation"] = {"dueDate": "2026-12-11"}
    body["orderInformation"]["amountDetails"] = {"totalAmount": "743.58", "currency": "USD"}

    check_json(request_pointer("POST", "/invoicing/v2/invoices"), json.dumps(body).encode())


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("mode", DeliveryMode)
def test_an_invoice_in_any_status_is_written_as_described(status, mode):
    invoice = an_invoice(status, some_terms(delivery_mode=mode, line_items=(a_line_item(),)))
    body = written(invoice, with_history=True)

    check_answer("GET", "/invoicing/v2/invoices/7", 200, HEADERS, body)


@pytest.mark.parametrize("status", Status)
def test_a_link_or_balance_that_the_status_does_not_have_is_found(status):
    body = msgspec.json.decode(written(an_invoice(status), with_history=True))
    other = Status.CANCELED if status in {Status.DRAFT, Status.CREATED, Status.SENT, Status.PARTIAL} else Status.SENT

    with pytest.raises(AssertionError, match="not as described"):
        check_answer("GET", "/invoicing/v2/invoices/7", 200, HEADERS, msgspec.json.encode({**body, "status": other}))


UNMAILED = an_invoice(terms=some_terms(email=None))
SENT = written(an_invoice(Status.SENT))


@pytest.mark.parametrize(
    "method, path, status, body, complaint",
    [
        ("POST", "/invoicing/v2/invoices", 200, SENT, "describes only"),
        ("POST", "/invoicing/v2/invoices", 500, b"{}", "describes only"),
        ("POST", "/elsewhere", 404, b"", "no such path"),
        ("PATCH", "/invoicing/v2/invoices", 200, SENT, "no such method"),
        ("POST", "/invoicing/v2/invoices", 201, SENT.replace(b"293.5", b"293.50"), "shortest plain form"),
        ("POST", "/invoicing/v2/invoices", 201, SENT.replace(b'"id":"7"', b'"id":"7","id":"7"'), "a member twice"),
        ("POST", "/invoicing/v2/invoices", 201, SENT.replace(b'"id":"7"', b'"id":null'), "not as described"),
        ("POST", "/invoicing/v2/invoices", 201, SENT.replace(b'"id":"7"', b'"id":"7","extra":1'), "not as described"),
        ("POST", "/invoicing/v2/invoices", 201, SENT.replace(b"Tanya Lee", b"Tanya \xff"), "not JSON in UTF-8"),
        ("DELETE", "/invoicing/v2/Invoice/merchantDefinedFields/7", 204, b"{}", "no body is described"),
    ],
)
def test_an_answer_that_is_not_described_is_told(method, path, status, body, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_answer(method, path, status, HEADERS, body)


def test_keys_out_of_order_are_told():
    body = msgspec.json.decode(SENT)
    body["id"] = body.pop("id")

    with pytest.raises(AssertionError, match=r"keys of \$ come as"):
        check_answer("POST", "/invoicing/v2/invoices", 201, HEADERS, msgspec.json.encode(body))


@pytest.mark.parametrize("missing", ["Content-Type", "v-c-correlation-id", "x-content-type-options"])
def test_a_missing_header_is_told(missing):
    headers = {name: value for name, value in HEADERS.items() if name != missing}

    with pytest.raises(AssertionError, match=f"(?i){missing}"):
        check_answer("POST", "/invoicing/v2/invoices", 201, headers, SENT)


def test_unknown_paths_and_methods_pass_as_what_they_have_to_be_answered():
    envelope = b'{"response":{"rmsg":"No"}}'

    check_answer("GET", "/invoicing/v2/nothing/of/the/kind", 404, HEADERS, envelope)
    check_answer("PATCH", "/invoicing/v2/invoices?limit=5", 405, {**HEADERS, "Allow": "GET, POST"}, envelope)


def test_the_document_names_this_installation_and_its_version():
    served = msgspec.json.decode(document("https://api.example.com/"))

    assert served["servers"][0]["url"] == "https://api.example.com"
    assert served["info"]["version"] == openapi_document._installed_version()
    assert document("https://other.example.com") != document("https://api.example.com/")


def test_what_one_caller_changes_no_other_sees():
    described("https://api.example.com")["paths"].clear()

    assert described("https://api.example.com")["paths"]


def test_a_path_described_twice_is_refused(tmp_path):
    for piece in ("one.json", "two.json"):
        (tmp_path / piece).write_text('{"/health/live": {}}')

    with pytest.raises(ValueError, match=r"two\.json: described twice: /health/live"):
        openapi_document._joined(tmp_path)


@pytest.mark.parametrize(
    "method, path, read",
    [
        ("POST", "/invoicing/v2/invoices", lambda body: read_new_invoice(body, date(1, 1, 1))),
        ("PUT", "/invoicing/v2/invoices/{id}", lambda body: read_changed_terms(body, UNMAILED, date(1, 1, 1))),
        ("POST", "/paydue/v1/invoices/{id}/payments", lambda body: read_payment(body, "USD", NOON)),
        ("PUT", "/invoicing/v2/invoiceSettings", read_settings),
        ("POST", "/invoicing/v2/{referenceType}/merchantDefinedFields", read_definition),
    ],
    ids=["create", "update", "payment", "settings", "field"],
)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_what_the_schema_allows_is_what_is_read(method, path, read, mode):
    """Bodies made from the schema are accepted, bodies made to break it refused: document and reader say the same."""
    operation = schemathesis.openapi.from_dict(described("http://127.0.0.1:8080"))[path][method]
    tried = 0

    @settings(max_examples=60, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)
    @given(operation.as_strategy(generation_mode=mode))
    def agree(case: Any) -> None:
        nonlocal tried
        broken = mode is GenerationMode.NEGATIVE
        # A negative case may be broken in its headers alone, or have no body at all.
        if broken and not is_broken_in_its_body(case, request_pointer(method, path)):
            return
        tried += 1
        assert is_accepted(case.body if broken else within_reach(case.body), read) is not broken, case.body

    # What a seed leads to depends on the modules that hypothesis has seen, so one alone may break few bodies or none.
    for start in range(20):
        with suppress(Unsatisfiable):
            seed(start)(agree)()
        if tried > 10:
            return
    pytest.fail(f"only {tried} bodies to read")


def is_broken_in_its_body(case: Any, pointer: str) -> bool:
    part = case.meta.components.get(ParameterLocation.BODY)
    if part is None or part.mode is not GenerationMode.NEGATIVE or isinstance(case.body, type(NOT_SET)):
        return False
    # Now and then a body that was to be broken fits the schema all the same.
    return isinstance(case.body, bytes) or not openapi_check._validator(pointer).is_valid(case.body)


def is_accepted(body: Any, read: Any) -> bool:
    try:
        read(parse_object(body if isinstance(body, bytes) else json.dumps(body).encode()))
    except (InvalidFields, InvalidImage, MalformedJson):
        return False
    return True


def within_reach(value: Any) -> Any:
    """
    Return a generated body less what no schema can rule out.

    That is: how many digits a JSON number is written with, definitions that must exist, pictures, and fields that are
    compared with others or with today.
    """
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, list):
        return [within_reach(each) for each in value]
    if isinstance(value, dict):
        beyond = {
            "merchantDefinedFieldValues", "merchantLogo", "minimumPartialAmount", "textDefaultValue", "textMinLength",
        }  # fmt: skip
        kept = {name: within_reach(each) for name, each in value.items() if name not in beyond}
        # Words that must differ from each other.
        return kept | {"possibleValues": "S, M, L"} if kept.get("possibleValues") else kept
    return value


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON tree."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(each)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the object schemas that describe members, leaving out those that only restrict others."""
    if isinstance(schema, dict):
        if ("properties" in schema and schema.get("type") == "object") or "unevaluatedProperties" in schema:
            yield schema
        for keyword, each in schema.items():
            if keyword not in {"allOf", "anyOf", "if", "then", "else"}:
                yield from objects(each)


def reachable(values: Any) -> set[str]:
    """Return the names of all schemas that these refer to, near or far."""
    found: set[str] = set()
    waiting = [node["$ref"] for value in values for node in nodes(value) if "$ref" in node]
    while waiting:
        reference = waiting.pop()
        kind, name = reference.removeprefix("#/components/").split("/")
        if kind == "schemas":
            if name in found:
                continue
            found.add(name)
        waiting += [node["$ref"] for node in nodes(openapi_check._at(reference.removeprefix("#"))) if "$ref" in node]
    return found
