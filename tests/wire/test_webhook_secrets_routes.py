"""What one subscription has for itself, as its owner keeps it: signing keys shown once, a certificate never in full."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.usecases.webhook_ports import WebhookKeyKind
from receiver import a_client
from webhook_builders import MERCHANT, a_subscription
from webhook_calls import OLD_WEBHOOKS, Installation

ID = a_subscription().webhook_id
KEYS = f"/paydue/v1/webhooks/{ID}/keys"
CERTIFICATE = f"/paydue/v1/webhooks/{ID}/client-certificate"


@pytest.fixture
def installation() -> Installation:
    made = Installation()
    made.kept.kept[ID] = a_subscription()
    return made


def a_certificate(**changed: Any) -> dict[str, Any]:
    client = a_client(**changed)
    return {"certificate": client.certificate.decode(), "privateKey": client.private_key.decode()}


def test_a_key_is_shown_once(installation: Installation) -> None:
    status, made = installation.call("POST", KEYS, {"expiryDuration": 30})

    assert status == 201
    assert list(made) == ["webhookId", "keyId", "key", "createdOn", "expirationDate"]
    assert len(base64.b64decode(made["key"], validate=True)) == 32
    assert made["expirationDate"] == "2026-12-21T12:00:00.000Z"
    status, listed = installation.call("GET", KEYS)
    assert status == 200
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    assert installation.kept.kept_keys[made["keyId"]].webhook_id == ID


def test_keys_that_are_forgotten_are_the_subscriptions_own_alone(installation: Installation) -> None:
    wish = {"clientRequestAction": "CREATE", "keyInformation": {"keyType": "sharedSecret"}}
    shared = installation.call("POST", "/kms/egress/v2/keys-sym", wish).body["keyInformation"]["keyId"]
    for _ in range(8):
        installation.call("POST", KEYS)
    assert len(installation.call("GET", KEYS).body) == 5

    assert installation.call("DELETE", KEYS) == (200, {"status": "successfully deleted"})
    assert installation.call("GET", KEYS) == (200, [])
    assert list(installation.kept.kept_keys) == [shared]


def test_a_certificate_is_shown_without_its_key_and_replaced_by_the_next(installation: Installation) -> None:
    assert installation.call("GET", CERTIFICATE).status == 404
    first = installation.call("PUT", CERTIFICATE, a_certificate(name="one.example")).body
    status, second = installation.call("PUT", CERTIFICATE, a_certificate(name="two.example"))

    assert status == 200
    assert (first["subject"], second["subject"]) == ("CN=one.example", "CN=two.example")
    assert len(second["fingerprint"]) == 64
    assert installation.call("GET", CERTIFICATE) == (200, second)
    assert "PRIVATE" not in json.dumps(second)
    (kept,) = installation.kept.kept_keys.values()
    assert kept.kind is WebhookKeyKind.CLIENT_CERTIFICATE
    assert installation.call("DELETE", CERTIFICATE).status == 200
    assert installation.kept.kept_keys == {}


def test_keys_for_all_and_those_of_a_subscription_do_not_count_together(installation: Installation) -> None:
    installation.call("PUT", CERTIFICATE, a_certificate())
    key = installation.call("POST", KEYS).body["keyId"]
    wish = {"clientRequestAction": "CREATE", "keyInformation": {"keyType": "sharedSecret"}}
    for _ in range(8):
        assert installation.call("POST", "/kms/egress/v2/keys-sym", wish).status == 201

    assert [each["keyId"] for each in installation.call("GET", KEYS).body] == [key]
    assert installation.call("GET", CERTIFICATE).status == 200


@pytest.mark.parametrize(
    "changed, field",
    [
        ({"certificate": "no certificate"}, "certificate"),
        ({"certificate": a_client().private_key.decode()}, "certificate"),
        ({"certificate": a_certificate(days=-1)["certificate"]}, "certificate"),
        ({"certificate": a_client().certificate.decode() * 11}, "certificate"),
        ({"certificate": None}, "certificate"),
        ({"certificate": 7}, "certificate"),
        ({"privateKey": "no key"}, "privateKey"),
        ({"privateKey": a_client().private_key.decode()}, "privateKey"),
        ({"privateKey": "a" * 40_000}, "privateKey"),
    ],
)
def test_what_cannot_be_shown_to_anybody_is_refused(
    installation: Installation, changed: dict[str, Any], field: str
) -> None:
    status, answer = installation.call("PUT", CERTIFICATE, a_certificate() | changed)

    assert status == 400
    assert field in {fault["field"] for fault in answer["details"]}
    assert installation.kept.kept_keys == {}


@pytest.mark.parametrize("days", [0, 3651, "soon"])
def test_a_key_is_good_for_a_day_to_ten_years(installation: Installation, days: object) -> None:
    assert installation.call("POST", KEYS, {"expiryDuration": days}).status == 400


@pytest.mark.parametrize(
    "method, target, body",
    [
        ("POST", KEYS, None),
        ("GET", KEYS, None),
        ("DELETE", KEYS, None),
        ("PUT", CERTIFICATE, a_certificate()),
        ("GET", CERTIFICATE, None),
        ("DELETE", CERTIFICATE, None),
    ],
)
def test_another_merchants_subscription_is_not_there(
    installation: Installation, method: str, target: str, body: Any
) -> None:
    status, answer = installation.call(method, target, body, merchant_id="another")

    assert (status, answer["status"]) == (404, "NOTFOUND")
    assert installation.kept.merchant_id == MERCHANT
    assert installation.kept.kept_keys == {}


def test_a_deleted_subscription_has_nothing_left(installation: Installation) -> None:
    installation.call("POST", KEYS)
    installation.call("PUT", CERTIFICATE, a_certificate())
    installation.call("DELETE", f"{OLD_WEBHOOKS}/{ID}")

    assert installation.kept.kept_keys == {}


@given(st.dictionaries(st.sampled_from(["certificate", "privateKey"]), st.text() | st.integers() | st.none()))
def test_no_body_makes_it_fail(document: dict[str, Any]) -> None:
    made = Installation()
    made.kept.kept[ID] = a_subscription()
    assert made.call("PUT", CERTIFICATE, document).status == 400
