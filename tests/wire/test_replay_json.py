"""What may be replayed: the published requests, and windows of a day within a month."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.domain.errors import InvalidFields
from paydue.domain.notifications import DeliveryStatus, ReplaySelection
from paydue.wire.replay_json import read_replay
from webhook_builders import MERCHANT, NOON, a_subscription
from webhook_calls import WEBHOOKS, Installation, example

ID = a_subscription().webhook_id


def faults_of(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidFields) as refused:
        read_replay(document, NOON)
    return [fault.field for fault in refused.value.faults]


def test_attempts_are_named_by_their_trace_ids():
    sent = example("replay-by-trace-ids.v1.request")

    assert read_replay(sent, NOON) == ReplaySelection(trace_ids=tuple(sent["byTransactionTraceIdentifiers"]))


def test_a_window_is_counted_back_from_now():
    assert read_replay(example("replay-by-hours-back.v1.request"), NOON) == ReplaySelection(
        status=DeliveryStatus.FAILED,
        from_at=NOON - timedelta(hours=24),
        until_at=NOON,
        product_id="tokenManagement",
        event_type="tms.token.created",
    )


def test_a_window_is_named_by_its_ends():
    at = datetime(2021, 1, 5, tzinfo=UTC)
    selection = read_replay(example("replay-by-window.v1.request"), at)

    assert selection.from_at == datetime(2021, 1, 1, 9, 35, 52, 284000, tzinfo=UTC)
    assert selection.until_at == datetime(2021, 1, 1, 21, 35, 52, 284000, tzinfo=UTC)


def test_a_day_is_the_usual_window():
    assert read_replay({"byDeliveryStatus": {"status": "retry"}}, NOON).from_at == NOON - timedelta(hours=24)


def by_status(**members: Any) -> dict[str, Any]:
    return {"byDeliveryStatus": {"status": "FAILED", **members}}


@pytest.mark.parametrize(
    "document, fields",
    [
        ({}, ["byTransactionTraceIdentifiers", "byDeliveryStatus"]),
        ({"byTransactionTraceIdentifiers": "a"}, ["byTransactionTraceIdentifiers"]),
        ({"byTransactionTraceIdentifiers": []}, ["byTransactionTraceIdentifiers"]),
        ({"byTransactionTraceIdentifiers": [7]}, ["byTransactionTraceIdentifiers[0]"]),
        ({"byTransactionTraceIdentifiers": ["a"] * 101}, ["byTransactionTraceIdentifiers"]),
        ({"byTransactionTraceIdentifiers": ["a"], **by_status()}, ["byDeliveryStatus"]),
        ({"byDeliveryStatus": {}}, ["byDeliveryStatus.status"]),
        ({"byDeliveryStatus": {"status": "DELIVERED"}}, ["byDeliveryStatus.status"]),
        (by_status(hoursBack=25), ["byDeliveryStatus.hoursBack"]),
        (by_status(hoursBack=0), ["byDeliveryStatus.hoursBack"]),
        (by_status(startTime="2026-11-21T00:00:00Z"), ["byDeliveryStatus.endTime"]),
        (by_status(startTime="yesterday", endTime="2026-11-21T00:00:00Z"), ["byDeliveryStatus.startTime"]),
        (by_status(startTime="2026-11-20T00:00:00", endTime="2026-11-21T00:00:00Z"), ["byDeliveryStatus.startTime"]),
        (by_status(startTime="2026-11-20T00:00:00Z", endTime="2026-11-20T00:00:00Z"), ["byDeliveryStatus.endTime"]),
        (by_status(startTime="2026-11-19T00:00:00Z", endTime="2026-11-20T00:00:01Z"), ["byDeliveryStatus.endTime"]),
        (by_status(startTime="2026-10-01T00:00:00Z", endTime="2026-10-01T01:00:00Z"), ["byDeliveryStatus.startTime"]),
        (by_status(startTime="0001-01-01T00:00:00+23:00", endTime="0001-01-01T01:00Z"), ["byDeliveryStatus.startTime"]),
    ],
)  # fmt: skip
def test_a_replay_that_is_wrong_is_refused_naming_the_member(document, fields):
    assert faults_of(document) == fields


@pytest.mark.parametrize("path", [f"/nrtf/v1/webhooks/{ID}/replays", f"{WEBHOOKS}/{ID}/replays"])
def test_a_replay_is_accepted_without_words_on_the_old_path_and_on_ours(path):
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()

    assert installation.call("POST", path, {"byTransactionTraceIdentifiers": ["a"]}) == (202, None)
    assert installation.kept.replays == [(ID, ReplaySelection(trace_ids=("a",)))]


def test_a_second_replay_has_to_wait():
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()
    installation.kept.replay_runs = True
    status, answer = installation.call("POST", f"{WEBHOOKS}/{ID}/replays", {"byTransactionTraceIdentifiers": ["a"]})

    assert (status, answer["reason"]) == (409, "REPLAY_RUNNING")
    assert MERCHANT not in answer["message"]


members = st.sampled_from(["status", "hoursBack", "startTime", "endTime", "productId", "eventType"])
values = st.none() | st.integers() | st.text(max_size=30) | st.datetimes().map(lambda at: at.isoformat() + "Z")


@given(st.dictionaries(members, values), st.none() | st.lists(values, max_size=3))
def test_no_body_makes_a_replay_fail(group, traces):
    installation = Installation()
    installation.kept.kept[ID] = a_subscription()
    body = {"byDeliveryStatus": group, "byTransactionTraceIdentifiers": traces}

    assert installation.call("POST", f"{WEBHOOKS}/{ID}/replays", body).status in (202, 400)
