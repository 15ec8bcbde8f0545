"""The bodies of notifications: published examples, bytes that any JSON library writes alike, and their schemas."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.domain.errors import BrokenFact
from paydue.domain.notifications import EVENT_KINDS, PAY_BY_LINK, SLOTS, Notification
from paydue.domain.webhooks import BodyVersion
from paydue.wire.notification_json import event_schema, write_notification
from webhook_builders import a_notification
from webhook_calls import EXAMPLES

CONSTRUCTED = sorted(path.name for path in EXAMPLES.glob("notification-*.v3-constructed.json"))
OURS = ("notificationId", "sequence")
ODD_TEXT = "".join(map(chr, range(0x20))) + '"\\/\x7f\x80\u2028\u2029\ufeff–東京😀'


def published(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["body"]
    return body


def compact(value: object) -> bytes:
    """Write as JavaScript's JSON.stringify does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def test_there_are_published_examples():
    assert len(CONSTRUCTED) == 11


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_the_current_form_is_byte_for_byte_the_example_with_ours_at_the_end(name):
    expected = published(name)
    notification = Notification(
        notification_id="n-1",
        sequence=2,
        webhook_id=expected["webhookId"],
        organization_id=expected["organizationId"],
        origin_organization_id=expected["payload"]["organizationId"],
        product_id=expected["productId"],
        event_type=expected["eventType"],
        occurred_at=datetime.fromisoformat(expected["eventDate"]).replace(tzinfo=UTC),
        slots=expected["payload"]["data"],
        trace_id=expected["transactionTraceId"],
    )
    written = write_notification(notification, BodyVersion.CURRENT)

    assert written.body == compact(expected | {"notificationId": "n-1", "sequence": 2})
    assert written.payload == compact(expected["payload"])
    jsonschema.validate(json.loads(written.body), json.loads(event_schema(expected["eventType"]) or b"false"))


def test_the_older_form_has_the_members_of_the_published_example_in_their_order():
    expected = published("notification-invoice-send.2023-documented.json")
    data = expected["payloads"][0]["data"]
    notification = a_notification(
        notification_id=expected["notificationId"],
        webhook_id=expected["webhookId"],
        event_type=expected["eventType"],
        origin_organization_id=data["organizationID"],
        occurred_at=datetime.fromisoformat(expected["eventDate"]),
        slots=data,
    )
    written = write_notification(notification, BodyVersion.OLDER)

    assert written.body == compact(expected | {"sequence": 3})
    assert written.payload == compact(expected["payloads"])


def test_the_members_are_those_of_the_published_envelope():
    expected = published("notification-tms.v3-documented.json")
    written = json.loads(write_notification(a_notification(), BodyVersion.CURRENT).body)

    assert list(written) == [*expected, *OURS]


def test_a_retry_differs_only_in_what_tells_attempts_apart():
    first = a_notification()
    one, two = (
        json.loads(write_notification(each, BodyVersion.CURRENT).body) for each in (first, first.retried("trace-2"))
    )

    assert {name for name in one if one[name] != two[name]} == {"transactionTraceId", "retryNumber", "requestType"}
    assert (two["retryNumber"], two["requestType"]) == (1, "RETRY")


def test_slots_are_written_in_the_published_order_and_what_is_left_out_is_empty():
    written = json.loads(write_notification(a_notification(slots={"currency": "USD"}), BodyVersion.CURRENT).body)
    data = written["payload"]["data"]

    assert tuple(data) == SLOTS
    assert (data["currency"], data["merchantAddress2"], data["merchantZip"]) == ("USD", " ", "")
    assert (data["eventType"], data["organizationID"]) == ("invoicing.customer.invoice.paid", "testrest")


def test_a_slot_that_nobody_knows_is_a_bug_of_ours():
    with pytest.raises(BrokenFact, match="invoiceID"):
        write_notification(a_notification(slots={"invoiceID": "7"}), BodyVersion.CURRENT)


@pytest.mark.parametrize("version", BodyVersion)
def test_the_payload_is_part_of_the_body_and_survives_parsing_and_writing_anew(version):
    notification = a_notification(slots=dict.fromkeys(SLOTS, ODD_TEXT))
    written = write_notification(notification, version)
    name = "payload" if version is BodyVersion.CURRENT else "payloads"

    assert b'"%s":%s' % (name.encode(), written.payload) in written.body
    assert compact(json.loads(written.body)[name]) == written.payload


def test_a_test_notification_has_the_form_of_the_published_one():
    written = write_notification(a_notification(is_test=True), BodyVersion.CURRENT)

    assert list(json.loads(written.body)["payloads"]["testPayload"]) == ["message"]
    assert compact(json.loads(written.body)["payloads"]) == written.payload


texts = st.text(st.characters(codec="utf-8"), max_size=40)


@given(st.dictionaries(st.sampled_from(SLOTS), texts), st.sampled_from(BodyVersion))
def test_any_text_survives_parsing_and_writing_anew(slots, version):
    written = write_notification(a_notification(slots=slots), version)
    parsed = json.loads(written.body)

    assert compact(parsed["payload"] if version is BodyVersion.CURRENT else parsed["payloads"]) == written.payload


@pytest.mark.parametrize("name", sorted(name for name, (_, kind) in EVENT_KINDS.items() if kind.is_sent))
def test_every_event_that_is_sent_has_a_schema_that_holds(name):
    schema = json.loads(event_schema(name) or b"{}")
    jsonschema.Draft202012Validator.check_schema(schema)
    product, _ = EVENT_KINDS[name]
    notification = a_notification(event_type=name, product_id=product.product_id)
    body = json.loads(write_notification(notification, BodyVersion.CURRENT).body)

    jsonschema.validate(body, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body | {"retryNumber": "0"}, schema)
    if product is not PAY_BY_LINK:
        del body["payload"]["data"]["invoiceNumber"]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(body, schema)


@pytest.mark.parametrize("name", ["invoicing.customer.invoice.created", "unknown", ""])
def test_an_event_that_is_not_sent_has_no_schema(name):
    assert event_schema(name) is None
