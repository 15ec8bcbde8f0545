"""New subscriptions in both shapes on both paths: published examples, lenient readings, and what is refused."""

from typing import Any

import pytest

from paydue.domain.retry_policy import DefaultPolicy
from paydue.domain.webhooks import SubscriptionStatus
from webhook_builders import MERCHANT, URL, a_subscription
from webhook_calls import OLD_WEBHOOKS, SUBMIT_TIME, WEBHOOKS, Installation, example

S = SubscriptionStatus
ID = a_subscription().webhook_id
NEW = {
    "products": [{"productId": "customerInvoicing", "eventTypes": ["invoicing.customer.invoice.paid"]}],
    "webhookUrl": URL,
}


def created(body: Any, path: str = WEBHOOKS, **options: Any) -> dict[str, Any]:
    status, answer = Installation(**options).call("POST", path, body)
    assert status == 201, answer
    return answer


def faults_of(body: Any, method: str = "POST", target: str = WEBHOOKS) -> list[tuple[str, str]]:
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()
    status, answer = installation.call(method, target, body)
    assert (status, answer["status"], answer["reason"]) == (400, "BADREQUEST", "VALIDATION_ERROR")
    assert answer["submitTimeUtc"] == SUBMIT_TIME
    assert installation.kept.kept == {ID: a_subscription()}
    return [(fault["field"], fault["reason"]) for fault in answer["details"]]


@pytest.mark.parametrize("path", [WEBHOOKS, OLD_WEBHOOKS])
def test_the_new_shape_is_taken_and_answered_on_either_path(path):
    sent = example("subscription-create.v2-invoicing.request")
    answer = created(sent, path)

    assert list(answer) == [
        "webhookId", "organizationId", "products", "webhookUrl", "healthCheckUrl", "status", "name", "description",
        "retryPolicy", "securityPolicy", "createdOn", "notificationScope",
    ]  # fmt: skip
    assert answer["products"] == [
        {
            "productId": "customerInvoicing",
            "eventTypes": [
                "invoicing.customer.invoice.paid",
                "invoicing.customer.invoice.partial-payment",
                "invoicing.customer.invoice.cancel",
                "invoicing.customer.invoice.send",
            ],
        }
    ]
    assert answer["retryPolicy"] == sent["retryPolicy"] | {"deactivateFlag": False}
    assert answer["securityPolicy"] == {"securityType": "KEY"}
    assert (answer["status"], answer["createdOn"]) == ("INACTIVE", "2026-11-21T12:00:00.000Z")
    assert answer["notificationScope"] == ("DESCENDANTS" if path == WEBHOOKS else "SELF")
    for name in ("webhookUrl", "healthCheckUrl", "name", "description", "organizationId"):
        assert answer[name] == sent[name]


@pytest.mark.parametrize("path", [WEBHOOKS, OLD_WEBHOOKS])
def test_the_old_shape_is_taken_and_answered_on_either_path(path):
    answer = created(example("subscription-create.v1-invoicing.request"), path)
    expected = example("subscription-create.v1-invoicing.response")

    assert list(answer) == list(expected)
    assert answer == expected | {
        "organizationId": MERCHANT, "webhookId": answer["webhookId"], "createdOn": "2026-11-21T12:00:00.000Z",
    }  # fmt: skip


def test_a_subscription_with_every_member_is_answered_as_the_published_example():
    expected = example("subscription-create.v2.response")
    answer = created(expected)
    # The example's retry policy is incomplete, and names a product by its other name.
    expected["retryPolicy"] |= {"algorithm": "GEOMETRIC", "repeatSequenceCount": 0, "repeatSequenceWaitTime": 0}
    expected["products"][1]["productId"] = "customerInvoicing"

    assert list(answer) == list(expected)
    assert answer == expected | {"webhookId": answer["webhookId"], "createdOn": answer["createdOn"]}


def test_the_members_of_an_oauth_jwt_policy_come_back():
    sent = example("subscription-create.v2-oauth-jwt.request")
    answer = created(sent)

    assert answer["securityPolicy"] == sent["securityPolicy"]
    assert answer["products"] == sent["products"]


@pytest.mark.parametrize(
    "member, value, name, answered",
    [
        ("retryPolicy", {"firstRetry": "7"}, "firstRetry", 7),
        ("retryPolicy", {"firstRetry": 7.0}, "firstRetry", 7),
        ("retryPolicy", {"deactivateFlag": "TRUE"}, "deactivateFlag", True),
        ("retryPolicy", {"algorithm": "Geometric"}, "algorithm", "GEOMETRIC"),
        ("retryPolicy", {"additionalAttributes": [{"a": "b"}]}, "additionalAttributes", [{"a": "b"}]),
        ("deactivateFlag", "true", "deactivateFlag", True),
        ("deactivateflag", True, "deactivateFlag", True),
    ],
)
def test_numbers_and_flags_as_text_and_in_the_wrong_place_are_read_and_answered_typed(member, value, name, answered):
    assert created(NEW | {member: value})["retryPolicy"][name] == answered


def test_the_flag_in_its_place_wins_over_one_beside_it():
    sent = NEW | {"deactivateFlag": "true", "retryPolicy": {"deactivateFlag": "false"}}

    assert created(sent)["retryPolicy"]["deactivateFlag"] is False


@pytest.mark.parametrize("spelling", ["oAuthURL", "oAuthUrl"])
def test_the_token_address_is_read_in_both_spellings(spelling):
    policy = {"securityType": "OAUTH", "config": {spelling: "https://idp.example/token", "oAuthTokenExpiry": "365"}}

    assert created(NEW | {"securityPolicy": policy})["securityPolicy"] == {
        "securityType": "oAuth",
        "config": {"oAuthTokenExpiry": 365, "oAuthURL": "https://idp.example/token", "oAuthTokenType": "Bearer"},
    }


@pytest.mark.parametrize("spelling", ["client_id", "clientId"])
def test_the_client_of_a_signed_token_is_read_as_documented_and_as_the_python_sdk_writes_it(spelling):
    more = {"aud": "idp.example", spelling: "us", "keyId": "key-1"}
    config = {"oAuthURL": "https://idp.example/token", "additionalConfig": more}
    policy = {"securityType": "oAuth_JWT", "config": config}

    kept = created(NEW | {"securityPolicy": policy})["securityPolicy"]["config"]["additionalConfig"]
    assert kept == {"aud": "idp.example", "client_id": "us", "keyId": "key-1"}


@pytest.mark.parametrize("scope", ["CUSTOM", {"scope": "custom", "scopeData": ["a", "b"]}])
def test_the_scope_is_a_word_or_an_object(scope):
    assert created(NEW | {"notificationScope": scope})["notificationScope"] == "CUSTOM"


def test_the_same_product_named_twice_is_one_with_the_events_of_both():
    sent = {
        "products": [
            {"productId": "invoicing", "eventTypes": ["invoicing.customer.invoice.paid"] * 2},
            {"productId": "customerInvoicing", "eventTypes": ["invoicing.customer.invoice.send"]},
        ]
    }
    assert created(NEW | sent)["products"] == [
        {
            "productId": "customerInvoicing",
            "eventTypes": ["invoicing.customer.invoice.paid", "invoicing.customer.invoice.send"],
        }
    ]


def test_ours_is_answered_only_where_it_was_asked_for():
    usual = created(NEW)
    ours = created(NEW | {"signedContent": "payload", "version": 2})

    assert not {"signedContent", "version"} & set(usual)
    assert (ours["signedContent"], ours["version"]) == ("PAYLOAD", "2")


def test_without_a_policy_of_its_own_a_subscription_shows_the_operators():
    assert created(NEW)["retryPolicy"]["numberOfRetries"] == 3
    resilient = created(NEW, default_policy=DefaultPolicy.RESILIENT)["retryPolicy"]
    assert (resilient["algorithm"], resilient["numberOfRetries"]) == ("GEOMETRIC", 12)


def test_an_address_that_leads_inside_is_blocked_and_a_person_may_have_the_last_word():
    assert created(NEW | {"webhookUrl": "https://inside.example/"})["status"] == "BLOCKED"
    assert created(NEW, reviewed_by_person=True)["status"] == "PENDING_REVIEW"


@pytest.mark.parametrize(
    "changed, field",
    [
        ({"webhookUrl": None}, "webhookUrl"),
        ({"webhookUrl": "http://receiver.example"}, "webhookUrl"),
        ({"webhookUrl": "https://receiver.example/" + "a" * 2048}, "webhookUrl"),
        ({"webhookUrl": 7}, "webhookUrl"),
        ({"healthCheckUrl": "ftp://receiver.example"}, "healthCheckUrl"),
        ({"products": None}, "products"),
        ({"products": []}, "products"),
        ({"products": {}}, "products"),
        ({"products": ["a"]}, "products[0]"),
        ({"products": [{"eventTypes": ["a"]}]}, "products[0].productId"),
        ({"products": [{"productId": "p"}]}, "products[0].eventTypes"),
        ({"products": [{"productId": "p", "eventTypes": "a"}]}, "products[0].eventTypes"),
        ({"products": [{"productId": "p", "eventTypes": ["a", 7]}]}, "products[0].eventTypes[1]"),
        ({"products": [{"productId": "p", "eventTypes": ["a"] * 101}]}, "products[0].eventTypes"),
        ({"products": [{"productId": "p", "eventTypes": ["a"]}] * 21}, "products"),
        (
            {"products": [{"productId": "customerInvoicing", "eventTypes": ["invoicing.customer.invoice.payed"]}]},
            "products[0].eventTypes[0]",
        ),
        ({"organizationId": "another"}, "organizationId"),
        ({"organizationId": 7}, "organizationId"),
        ({"name": "a" * 256}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"description": "a" * 2001}, "description"),
        ({"notificationScope": "ALL"}, "notificationScope"),
        ({"notificationScope": 7}, "notificationScope"),
        ({"notificationScope": {"scope": "ALL"}}, "notificationScope.scope"),
        ({"notificationScope": {"scope": "CUSTOM", "scopeData": "a"}}, "notificationScope.scopeData"),
        ({"version": "1"}, "version"),
        ({"version": True}, "version"),
        ({"version": {}}, "version"),
        ({"signedContent": "HEAD"}, "signedContent"),
        ({"retryPolicy": []}, "retryPolicy"),
        ({"retryPolicy": {"algorithm": "LINEAR"}}, "retryPolicy.algorithm"),
        ({"retryPolicy": {"firstRetry": -1}}, "retryPolicy.firstRetry"),
        ({"retryPolicy": {"interval": "1.5"}}, "retryPolicy.interval"),
        ({"retryPolicy": {"numberOfRetries": 1001}}, "retryPolicy.numberOfRetries"),
        ({"retryPolicy": {"deactivateFlag": "maybe"}}, "retryPolicy.deactivateFlag"),
        ({"retryPolicy": {"additionalAttributes": {}}}, "retryPolicy.additionalAttributes"),
        ({"retryPolicy": {"additionalAttributes": [{"a": 7}]}}, "retryPolicy.additionalAttributes[0]"),
        ({"retryPolicy": {"additionalAttributes": [7]}}, "retryPolicy.additionalAttributes[0]"),
        ({"deactivateFlag": "maybe"}, "deactivateFlag"),
        ({"securityPolicy": "KEY"}, "securityPolicy"),
        ({"securityPolicy": {"securityType": "none"}}, "securityPolicy.securityType"),
        ({"securityPolicy": {"securityType": "oAuth"}}, "securityPolicy.config"),
        ({"securityPolicy": {"securityType": "oAuth", "config": {}}}, "securityPolicy.config.oAuthURL"),
        (
            {"securityPolicy": {"securityType": "oAuth", "config": {"oAuthUrl": "http://idp.example"}}},
            "securityPolicy.config.oAuthUrl",
        ),
        (
            {
                "securityPolicy": {
                    "securityType": "oAuth",
                    "config": {"oAuthURL": "https://idp.example", "oAuthTokenType": "Be arer"},
                }
            },
            "securityPolicy.config.oAuthTokenType",
        ),
        (
            {"securityPolicy": {"securityType": "oAuth_JWT", "config": {"oAuthURL": "https://idp.example"}}},
            "securityPolicy.config.additionalConfig",
        ),
    ],
)
def test_a_new_subscription_that_is_wrong_is_refused_naming_the_member(changed, field):
    assert [name for name, _ in faults_of(NEW | changed)] == [field]


def test_all_faults_are_named_at_once():
    assert [field for field, _ in faults_of({"name": "a" * 256})] == ["name", "products", "webhookUrl"]


def test_a_jwt_policy_names_what_it_lacks():
    config = {"oAuthURL": "https://idp.example", "additionalConfig": {}}
    found = faults_of(NEW | {"securityPolicy": {"securityType": "oAuth_JWT", "config": config}})

    assert [field.rpartition(".")[2] for field, _ in found] == ["aud", "client_id", "keyId"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"name":"a","name":"b"}', b"\xff", b'{"version":1e999999}'])
def test_a_body_that_is_no_object_is_refused(body):
    status, answer = Installation().call("POST", WEBHOOKS, body)

    assert (status, answer["reason"]) == (400, "VALIDATION_ERROR")
