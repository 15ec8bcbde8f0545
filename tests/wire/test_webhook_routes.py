"""The webhook operations as callers meet them: changes, lists, test calls, other merchants."""

import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openapi_check import check_json
from paydue.domain.errors import Refusal
from paydue.domain.notifications import EVENT_KINDS, INVOICING
from paydue.domain.webhooks import BodyVersion, ProductEvents, Shape, SignedContent, SubscriptionStatus, WebhookRefusal
from paydue.usecases.webhook_ports import Outcome
from paydue.wire import webhook_errors
from paydue.wire.notification_json import TEST_MESSAGE
from paydue.wire.products_json import SCHEMAS
from webhook_builders import MERCHANT, URL, a_subscription
from webhook_calls import OLD_WEBHOOKS, SUBMIT_TIME, WEBHOOKS, Installation, example

S = SubscriptionStatus
PARTIAL = "invoicing.customer.invoice.partial-payment"
ID = a_subscription().webhook_id
NEW = {
    "products": [{"productId": "customerInvoicing", "eventTypes": ["invoicing.customer.invoice.paid"]}],
    "webhookUrl": URL,
}


def faults_of(body: Any, method: str = "POST", target: str = WEBHOOKS) -> list[tuple[str, str]]:
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()
    status, answer = installation.call(method, target, body)
    assert (status, answer["status"], answer["reason"]) == (400, "BADREQUEST", "VALIDATION_ERROR")
    assert answer["submitTimeUtc"] == SUBMIT_TIME
    assert installation.kept.kept == {ID: a_subscription()}
    return [(fault["field"], fault["reason"]) for fault in answer["details"]]


def test_the_twenty_first_subscription_is_refused():
    installation = Installation()
    for _ in range(20):
        assert installation.call("POST", WEBHOOKS, NEW).status == 201

    status, answer = installation.call("POST", WEBHOOKS, NEW)
    assert (status, answer["reason"]) == (400, "LIMIT_EXCEEDED")
    assert list(answer) == ["submitTimeUtc", "status", "reason", "message"]


def test_what_was_created_is_got_and_listed_alike():
    installation = Installation()
    answer = installation.call("POST", WEBHOOKS, NEW).body

    assert installation.call("GET", f"{WEBHOOKS}/{answer['webhookId']}") == (200, answer)
    assert installation.call("GET", f"{OLD_WEBHOOKS}/{answer['webhookId']}") == (200, answer)
    assert installation.call("GET", f"{WEBHOOKS}?organizationId={MERCHANT}") == (200, [answer])


def test_a_suspended_subscription_of_the_old_shape_is_answered_as_the_published_example():
    expected = example("subscription-get.v1.response")
    installation = Installation()
    sent = {name: expected[name] for name in ("productId", "eventTypes", "webhookUrl", "healthCheckUrl")}
    sent |= {name: expected[name] for name in ("retryPolicy", "securityPolicy", "notificationScope")}
    made = installation.call("POST", OLD_WEBHOOKS, sent).body
    (stored,) = installation.kept.kept.values()
    installation.kept.kept[stored.webhook_id] = replace(stored, status=S.SUSPENDED)
    answer = installation.call("GET", f"{OLD_WEBHOOKS}/{made['webhookId']}").body

    assert list(answer) == list(expected)
    assert answer == expected | {"webhookId": stored.webhook_id, "createdOn": answer["createdOn"]}


@pytest.mark.parametrize(
    "query, is_listed",
    [
        ("", True),
        (f"?organizationId={MERCHANT}", True),
        ("?organizationId=another", False),
        ("?organizationId=&productId=&eventType=", True),
        ("?productId=customerInvoicing&eventType=invoicing.customer.invoice.paid", True),
        ("?productId=invoicing", True),
        ("?productId=payByLink", False),
        ("?eventType=invoicing.customer.invoice.paid", True),
        ("?eventType=invoicing.customer.invoice.send", False),
        ("?eventType=unknown", False),
    ],
)
def test_the_list_is_filtered_by_organization_product_and_event(query, is_listed):
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()
    status, answer = installation.call("GET", WEBHOOKS + query)

    assert (status, len(answer)) == (200, int(is_listed))


def test_an_update_changes_what_it_names_and_tells_when():
    installation = Installation()
    installation.kept.kept[ID] = a_subscription(shape=Shape.ONE_PRODUCT)
    status, answer = installation.call("PATCH", f"{WEBHOOKS}/{ID}", example("subscription-update.v2.request"))

    assert status == 200
    assert (answer["name"], answer["notificationScope"]) == ("My Sample Webhook", "CUSTOM")
    assert answer["products"] == [{"productId": "decisionManager", "eventTypes": ["risk.profile.decision.reject"]}]
    assert (answer["status"], answer["updatedOn"]) == ("INACTIVE", "2026-11-21T12:00:00.000Z")
    assert answer["retryPolicy"]["numberOfRetries"] == 3


def test_a_fetched_subscription_can_be_sent_back_and_changes_nothing():
    installation = Installation()
    installation.kept.kept[ID] = before = a_subscription(S.SUSPENDED, signed_content=SignedContent.PAYLOAD)
    fetched = installation.call("GET", f"{WEBHOOKS}/{ID}").body

    answer = installation.call("PATCH", f"{WEBHOOKS}/{ID}", fetched).body
    assert {name: value for name, value in answer.items() if name != "updatedOn"} == fetched
    assert installation.kept.kept[ID].status is before.status


def test_an_old_style_update_switches_off_and_an_empty_health_address_is_taken_away():
    installation = Installation()
    installation.kept.kept[ID] = a_subscription(health_check_url="https://receiver.example/health")
    sent = {"status": "INACTIVE", "healthCheckUrl": "", "version": "2", "retryPolicy": {"interval": "2"}}
    answer = installation.call("PATCH", f"{OLD_WEBHOOKS}/{ID}", sent).body

    assert answer["status"] == "INACTIVE"
    assert "healthCheckUrl" not in answer
    assert answer["retryPolicy"]["interval"] == 2
    assert installation.kept.kept[ID].body_version is BodyVersion.OLDER


def test_an_update_that_is_wrong_changes_nothing():
    found = faults_of({"webhookUrl": "gopher://a", "organizationId": "another"}, "PATCH", f"{WEBHOOKS}/{ID}")

    assert [field for field, _ in found] == ["organizationId", "webhookUrl"]


@pytest.mark.parametrize("path", [f"{WEBHOOKS}/{ID}/status", f"{OLD_WEBHOOKS}/{ID}/status", f"{WEBHOOKS}/{ID}"])
def test_a_subscription_is_switched_on_and_off(path):
    installation = Installation()
    installation.kept.kept[ID] = a_subscription(S.INACTIVE)

    assert installation.call("PUT", path, example("subscription-status.request")) == (200, {"status": "ACTIVE"})
    assert installation.call("PUT", path, {"status": "inactive"}) == (200, {"status": "INACTIVE"})


@pytest.mark.parametrize("status", [S.BLOCKED, S.PENDING_REVIEW])
def test_what_is_not_admitted_cannot_be_switched_on(status):
    installation = Installation()
    installation.kept.kept[ID] = a_subscription(status)
    code, answer = installation.call("PUT", f"{WEBHOOKS}/{ID}/status", {"status": "ACTIVE"})

    assert (code, answer["reason"]) == (400, "ACTION_NOT_ALLOWED")
    assert status.value in answer["message"]


@pytest.mark.parametrize("body", [{}, {"status": "SUSPENDED"}, {"status": 1}, {"status": None}])
def test_only_on_and_off_can_be_asked_for(body):
    assert [field for field, _ in faults_of(body, "PUT", f"{WEBHOOKS}/{ID}/status")] == ["status"]


def test_a_deleted_subscription_is_gone():
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()

    assert installation.call("DELETE", f"{WEBHOOKS}/{ID}") == (200, example("subscription-delete.response"))
    assert installation.call("GET", f"{WEBHOOKS}/{ID}").status == 404


REPLAY = {"byTransactionTraceIdentifiers": ["a"]}


def test_a_replay_wakes_whoever_delivers():
    woken: list[bool] = []
    installation = Installation(wake=lambda: woken.append(True))
    installation.kept.kept[ID] = a_subscription()

    assert installation.call("POST", f"/nrtf/v1/webhooks/{ID}/replays", REPLAY) == (202, None)
    assert len(installation.kept.replays) == len(woken) == 1


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", f"{WEBHOOKS}/{ID}", None),
        ("PATCH", f"{WEBHOOKS}/{ID}", {"name": "mine"}),
        ("DELETE", f"{WEBHOOKS}/{ID}", None),
        ("PUT", f"{WEBHOOKS}/{ID}/status", {"status": "INACTIVE"}),
        ("PUT", f"{WEBHOOKS}/{ID}", {"status": "INACTIVE"}),
        ("POST", f"{OLD_WEBHOOKS}/{ID}", None),
        ("POST", f"{WEBHOOKS}/{ID}/replays", REPLAY),
        ("POST", f"/nrtf/v1/webhooks/{ID}/replays", REPLAY),
        ("GET", f"{OLD_WEBHOOKS}/{ID}", None),
        ("PATCH", f"{OLD_WEBHOOKS}/{ID}", {"name": "mine"}),
        ("DELETE", f"{OLD_WEBHOOKS}/{ID}", None),
    ],
)
def test_another_merchants_subscription_is_as_if_it_were_not_there(method, path, body):
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()
    foreign = installation.call(method, path, body, merchant_id="another")
    missing = installation.call(method, path.replace(ID, "unknown"), body)

    assert foreign == missing
    assert (foreign.status, foreign.body["reason"]) == (404, "NOT_FOUND")
    assert installation.kept.kept == {ID: a_subscription()}


def test_a_test_call_answers_what_was_sent():
    installation = Installation()
    installation.kept.kept[ID] = a_subscription(S.INACTIVE)
    status, answer = installation.call("POST", f"{OLD_WEBHOOKS}/{ID}", {})
    published = example("notification-test.response-documented")

    assert status == 201
    assert list(answer) == list(published)
    assert list(answer["payloads"]) == ["testPayload"]
    assert (answer["retryNumber"], answer["requestType"]) == (0, "NEW")
    assert answer["transactionTraceId"] == installation.messenger.delivered[0].trace_id
    assert installation.kept.kept[ID].status is S.ACTIVE


def test_a_test_call_that_failed_says_why():
    installation = Installation()
    installation.messenger.outcome = Outcome(False, "timed out")
    installation.kept.kept[ID] = a_subscription(S.INACTIVE)
    status, answer = installation.call("POST", f"{OLD_WEBHOOKS}/{ID}")

    assert (status, answer["reason"]) == (400, "NOTIFICATION_NOT_DELIVERED")
    assert "timed out" in answer["message"]


def test_the_products_of_the_published_list_are_offered_each_event_with_its_schema():
    status, answer = Installation().call("GET", f"/notification-subscriptions/v2/products/{MERCHANT}")
    expected = example("products-list.invoicing-constructed")[0]

    assert status == 200
    (product,) = answer
    assert (product["productId"], product["productName"]) == (expected["productId"], expected["productName"])
    offered = {event["eventName"]: event for event in product["eventTypes"]}
    assert list(offered) == [event["eventName"] for event in expected["eventTypes"]]
    for event in expected["eventTypes"]:
        # The words shown to people are ours.
        ours = offered[event["eventName"]] | {"displayName": event["displayName"]}
        assert ours.pop("_links")
        assert ours == event


def test_every_link_to_a_schema_leads_to_one_and_no_other_name_does():
    installation = Installation()
    (product,) = installation.call("GET", f"/notification-subscriptions/v1/products/{MERCHANT}").body

    for event in product["eventTypes"]:
        status, schema = installation.call("GET", event["_links"]["describedby"]["href"])
        assert (status, schema["properties"]["eventType"]) == (200, {"const": event["eventName"]})
    unknown = "/paydue/v1/webhook-schemas/invoicing.customer.invoice.created"
    assert installation.call("GET", unknown).status == 404


def test_the_products_of_another_organization_are_not_told():
    assert Installation().call("GET", "/notification-subscriptions/v2/products/another").status == 404


SENT_EVENTS = [name for name, (product, event) in EVENT_KINDS.items() if product is INVOICING and event.is_sent]


@pytest.mark.parametrize("event_type", SENT_EVENTS)
@pytest.mark.parametrize("includes_invoice", [False, True])
def test_a_test_of_an_event_is_what_the_event_brings_by_its_own_schema(event_type, includes_invoice):
    installation = Installation()
    products = (ProductEvents(product_id="customerInvoicing", event_types=tuple(SENT_EVENTS)),)
    installation.kept.kept[ID] = a_subscription(products=products, includes_invoice=includes_invoice)
    answer = installation.call("POST", f"{OLD_WEBHOOKS}/{ID}", {"eventType": event_type})

    assert answer.status == 201
    schema = installation.call("GET", f"{SCHEMAS}/{event_type}").body
    jsonschema.validate(answer.body, schema)
    data = answer.body["payload"]["data"]
    assert (data["eventType"], data["organizationID"], data["invoiceNumber"]) == (event_type, MERCHANT, "TEST-98769")
    assert "" not in (data["subject"], data["body"])
    invoice = answer.body["payload"].get("invoice")
    assert (invoice is not None) == includes_invoice
    if invoice is not None:
        check_json("/components/schemas/Invoice", json.dumps(invoice).encode(), event_type)
        assert invoice["id"] == data["invoiceNumber"]
        # An answer leaves the balance out where all is due.
        amounts = invoice["orderInformation"]["amountDetails"]
        balance = amounts.get("balanceAmount", amounts["totalAmount"])
        assert Decimal(str(balance)) == Decimal(data["invoiceBalance"])
    (delivered,) = installation.messenger.delivered
    assert not delivered.is_test


def test_an_event_is_tested_in_any_of_its_spellings():
    installation = Installation()
    products = (ProductEvents(product_id="customerInvoicing", event_types=(PARTIAL,)),)
    installation.kept.kept[ID] = a_subscription(products=products)
    spelling = "invoicing.customer.invoice.partialpayment"
    answer = installation.call("POST", f"{WEBHOOKS.replace('v2', 'v1')}/{ID}", {"eventType": spelling})

    assert (answer.status, answer.body["eventType"]) == (201, PARTIAL)


@pytest.mark.parametrize("event_type", ["invoicing.customer.invoice.send", "unknown"])
def test_no_test_is_sent_for_an_event_that_is_not_subscribed_to(event_type):
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()
    status, answer = installation.call("POST", f"{OLD_WEBHOOKS}/{ID}", {"eventType": event_type})

    assert status == 400
    assert "eventType" in json.dumps(answer)
    assert installation.messenger.delivered == []


@pytest.mark.parametrize("body", [None, b"{}", {"something": "else"}])
def test_a_test_of_no_event_says_that_the_receiver_was_reached(body):
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()
    answer = installation.call("POST", f"{OLD_WEBHOOKS}/{ID}", body)

    assert answer.status == 201
    assert answer.body["payloads"] == {"testPayload": {"message": TEST_MESSAGE}}


@pytest.mark.parametrize("webhooks", [WEBHOOKS, OLD_WEBHOOKS])
def test_a_subscription_asks_for_the_invoice_and_takes_it_back(webhooks):
    installation = Installation()
    made = installation.call("POST", webhooks, NEW | {"includeInvoice": True}).body
    one = f"{webhooks}/{made['webhookId']}"

    assert made["includeInvoice"] is True
    assert installation.call("PATCH", one, {"name": "Books"}).body["includeInvoice"] is True
    assert "includeInvoice" not in installation.call("PATCH", one, {"includeInvoice": False}).body
    assert faults_of(NEW | {"includeInvoice": "perhaps"})[0][0] == "includeInvoice"


def test_every_refusal_about_webhooks_has_an_answer():
    def kinds(kind: type[Refusal]) -> set[type[Refusal]]:
        return {kind}.union(*(kinds(below) for below in kind.__subclasses__()))

    assert kinds(WebhookRefusal) - {WebhookRefusal} <= set(webhook_errors.TABLE)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = [
    "name", "description", "organizationId", "products", "productId", "eventTypes", "webhookUrl", "healthCheckUrl",
    "notificationScope", "retryPolicy", "securityPolicy", "status", "version", "signedContent", "includeInvoice",
    "deactivateFlag", "eventType",
]  # fmt: skip
BELOW = [
    "algorithm", "firstRetry", "additionalAttributes", "securityType", "config", "scope", "scopeData", "productId",
    "eventTypes", "oAuthURL", "additionalConfig", "byDeliveryStatus", "hoursBack", "startTime", "endTime",
]  # fmt: skip
documents = st.dictionaries(
    st.sampled_from(MEMBERS), json_values | st.dictionaries(st.sampled_from(BELOW), json_values, max_size=4)
)


@given(documents)
def test_no_body_makes_a_subscription_call_fail(document):
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()

    assert installation.call("POST", WEBHOOKS, document).status in (201, 400)
    assert installation.call("PATCH", f"{WEBHOOKS}/{ID}", document).status in (200, 400)
    assert installation.call("PUT", f"{WEBHOOKS}/{ID}/status", document).status in (200, 400)
    assert installation.call("POST", f"{OLD_WEBHOOKS}/{ID}", document).status in (201, 400)
