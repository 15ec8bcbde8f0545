"""Signatures of notifications: every vector, the published example, and the official Standard Webhooks library."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from paydue.delivery.notification_headers import notification_headers
from paydue.delivery.webhook_signature import compatible_signature, standard_headers
from paydue.domain.notifications import NotificationBody
from paydue.domain.webhooks import BodyVersion, SignedContent
from paydue.wire.notification_json import write_notification
from webhook_builders import NOON, a_notification, a_signing_key

VECTORS = json.loads((Path(__file__).parent / "examples" / "signature-vectors.json").read_text(encoding="utf-8"))
COMPATIBLE = VECTORS["vectors"]
STANDARD = VECTORS["standardWebhooks"]["vectors"]
OTHER_SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BODY = '{"a":"東京"}'.encode()
WRITTEN = NotificationBody(BODY, b'"payload"')


def at_milliseconds(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize("vector", COMPATIBLE, ids=[vector["name"] for vector in COMPATIBLE])
def test_the_compatible_signature_is_that_of_the_vector(vector):
    key = a_signing_key(vector["key"], vector["keyId"])
    signed = compatible_signature(key, vector["message"].encode(), at_milliseconds(vector["t"]))

    assert signed == f"t={vector['t']};keyId={vector['keyId']};sig={vector['sig']}"


def test_there_are_vectors():
    assert (len(COMPATIBLE), len(STANDARD)) == (10, 2)


def test_the_published_header_is_reproduced():
    key = a_signing_key("dGVzdF9rZXk=", "bf44c857-b182-bb05-e053-34b8d30a7a72")

    assert compatible_signature(key, b"this is a decrypted payload", at_milliseconds(1617830804768)) == (
        "t=1617830804768;keyId=bf44c857-b182-bb05-e053-34b8d30a7a72;sig=CzHY47nzJgCSD/BREtSIb+9l/vfkaaL4qf9n8MNJ4CY="
    )


@pytest.mark.parametrize("vector", STANDARD, ids=[vector["name"] for vector in STANDARD])
def test_the_standard_signature_is_that_of_the_vector(vector):
    key = a_signing_key(vector["secret"].removeprefix("whsec_"))
    headers = dict(standard_headers([key], vector["id"], vector["body"].encode(), at_milliseconds(vector["t"] * 1000)))

    assert headers == {
        "webhook-id": vector["id"],
        "webhook-timestamp": str(vector["t"]),
        "webhook-signature": vector["signature"],
    }


def headers_of(*secrets: str, at: datetime | None = None, **options) -> dict[str, str]:
    keys = [a_signing_key(secret, f"key-{number}") for number, secret in enumerate(secrets)]
    options = {"signed_content": SignedContent.BODY, **options}
    return dict(notification_headers(a_notification(), WRITTEN, keys=keys, at=at or datetime.now(UTC), **options))


SECRET = COMPATIBLE[1]["key"]


def test_the_official_library_takes_our_notifications():
    assert Webhook(SECRET).verify(BODY, headers_of(SECRET)) == {"a": "東京"}


def test_the_official_library_takes_either_key_while_both_are_good():
    headers = headers_of(OTHER_SECRET, SECRET)

    assert headers["webhook-signature"].count("v1,") == 2
    assert Webhook(SECRET).verify(BODY, headers) == Webhook(OTHER_SECRET).verify(BODY, headers)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "another"},
        {"webhook-timestamp": "1"},
        {"webhook-signature": "v1,AAAA"},
    ],
)
def test_the_official_library_refuses_what_was_changed(change):
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers_of(SECRET) | change)


def test_the_official_library_refuses_what_was_signed_six_minutes_ago():
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers_of(SECRET, at=datetime.now(UTC) - timedelta(minutes=6)))


def test_the_newest_key_alone_signs_the_compatible_header():
    headers = headers_of(OTHER_SECRET, SECRET, at=NOON)

    assert headers["V-C-Signature"] == compatible_signature(a_signing_key(OTHER_SECRET, "key-0"), BODY, NOON)


def test_the_compatible_header_signs_the_payload_where_that_was_asked_for_and_the_other_the_body():
    body, payload = (headers_of(SECRET, at=NOON, signed_content=content) for content in SignedContent)

    assert payload["V-C-Signature"] == compatible_signature(a_signing_key(SECRET, "key-0"), b'"payload"', NOON)
    assert body["V-C-Signature"] != payload["V-C-Signature"]
    assert body["webhook-signature"] == payload["webhook-signature"]


def test_receivers_that_split_by_hand_find_three_parts():
    parts = headers_of(SECRET)["V-C-Signature"].split(";")

    assert [part.split("=")[0] for part in parts] == ["t", "keyId", "sig"]
    assert not any(" " in part for part in parts)


def test_an_attempt_bears_all_headers_of_the_published_example():
    first = dict(
        notification_headers(
            a_notification(), WRITTEN, keys=[a_signing_key()], signed_content=SignedContent.BODY, at=NOON
        )
    )
    assert {name: first[name] for name in first if name.startswith("V-C-") and name != "V-C-Signature"} == {
        "V-C-Event-Type": "invoicing.customer.invoice.paid",
        "V-C-Organization-Id": "testrest",
        "V-C-Product-Name": "customerInvoicing",
        "V-C-Request-Type": "NEW",
        "V-C-Retry-Count": "0",
        "V-C-Transaction-Trace-Id": "7ac2ad9f-6a89-43e9-a053-34b8d30aaf00",
        "V-C-Webhook-Id": "0fa698ae-7419-78c4-e063-9c588e0a497e",
    }
    assert (first["Content-Type"], first["User-Agent"]) == ("application/json", "Paydue")
    assert "Authorization" not in first


def test_a_retry_is_signed_anew_and_keeps_its_id():
    later = NOON + timedelta(minutes=3)
    retry = a_notification().retried("trace-2")
    first, second = (
        dict(notification_headers(each, WRITTEN, keys=[a_signing_key()], signed_content=SignedContent.BODY, at=at))
        for each, at in ((a_notification(), NOON), (retry, later))
    )

    assert first["webhook-id"] == second["webhook-id"] == a_notification().notification_id
    assert (second["V-C-Request-Type"], second["V-C-Retry-Count"]) == ("RETRY", "1")
    assert second["V-C-Transaction-Trace-Id"] == "trace-2"
    assert first["V-C-Signature"] != second["V-C-Signature"]
    assert first["webhook-signature"] != second["webhook-signature"]


def test_a_token_is_sent_along_where_one_is_wanted():
    assert headers_of(SECRET, authorization="Bearer abc")["Authorization"] == "Bearer abc"


async def test_a_notification_arrives_as_it_was_signed(receiver, an_egress):
    now = datetime.now(UTC)
    notification = a_notification()
    written = write_notification(notification, BodyVersion.CURRENT)
    keys = [a_signing_key(OTHER_SECRET, "new"), a_signing_key(SECRET, "old")]
    headers = notification_headers(notification, written, keys=keys, signed_content=SignedContent.PAYLOAD, at=now)
    answer = await an_egress().send("POST", receiver.url("/ok"), headers, written.body)

    assert answer.status == 200
    (request,) = receiver.received
    arrived = {name: request.headers(name)[0] for name, _ in headers}
    assert Webhook(SECRET).verify(request.body, arrived) == Webhook(OTHER_SECRET).verify(request.body, arrived)
    # As the plugins do it: split by hand, write the parsed payload anew, compare the text.
    t, key_id, sig = (part.partition("=")[2] for part in arrived["V-C-Signature"].split(";"))
    payload = json.dumps(json.loads(request.body)["payload"], ensure_ascii=False, separators=(",", ":"))
    digest = hmac.digest(base64.b64decode(OTHER_SECRET), f"{t}.{payload}".encode(), "sha256")
    assert (key_id, sig) == ("new", base64.b64encode(digest).decode())
