"""What a list of deliveries may be asked for, which window may be recovered, and how one delivery is written."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from openapi_check import check_json
from paydue.domain.errors import InvalidFields
from paydue.usecases.delivery_ports import Job, JobState, Try
from paydue.usecases.ports import Channel
from paydue.wire.delivery_json import read_delivery_list, read_window, write_deliveries, write_delivery

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
JOB = Job(
    merchant_id="acme",
    message_id="019ab3d2-7c41-7e0b-9f6a-2b8c4d1e5f60",
    serial=7,
    position=1,
    part=0,
    number="98769",
    channel=Channel.MAIL,
    topic="invoice",
    recipient="tanya@customer.example",
    facts={},
    state=JobState.PENDING,
    created_at=NOON,
    due_at=NOON + timedelta(minutes=1),
)
TRY = Try(at=NOON, milliseconds=12, is_taken=False, outcome="mail refused, 451", status=451, answer="later")


def faults_of(read: Any, given: Any) -> dict[str, str]:
    with pytest.raises(InvalidFields) as refused:
        read(given)
    return {fault.field: fault.reason for fault in refused.value.faults}


def test_a_list_is_asked_for_by_anything_that_tells_deliveries_apart() -> None:
    asked = read_delivery_list(
        b"state=parked&channel=Webhook&invoiceId=98769&recipient=hook-1&since=2026-11-21T12:00:00Z"
        b"&until=2026-11-22&after=019ab3d2-7c41-7e0b-9f6a-2b8c4d1e5f60&limit=100"
    )
    wanted = asked.wanted
    assert (wanted.state, wanted.channel, wanted.number) == (JobState.PARKED, Channel.WEBHOOK, "98769")
    assert (wanted.recipient, wanted.since, wanted.until) == ("hook-1", NOON, NOON + timedelta(hours=12))
    assert (asked.after, asked.limit) == (JOB.message_id, 100)


def test_nothing_asked_for_is_the_newest_twenty_of_all() -> None:
    for query in (b"", b"state=&limit="):
        asked = read_delivery_list(query)
        assert (asked.wanted.state, asked.after, asked.limit) == (None, None, 20)


@pytest.mark.parametrize(
    "query, field",
    [
        (b"state=lost", "state"),
        (b"channel=pigeon", "channel"),
        (b"since=yesterday", "since"),
        (b"until=" + b"9" * 50, "until"),
        (b"since=9999-12-31T23:59:59-23:59", "since"),
        (b"after=1", "after"),
        (b"limit=0", "limit"),
        (b"limit=101", "limit"),
        (b"limit=ten", "limit"),
        (b"invoiceId=" + b"1" * 300, "invoiceId"),
        ("state=ſ".encode().replace(b"\xc5\xbf", b"%C5%BF"), "state"),
    ],
)
def test_what_cannot_be_asked_for_names_its_parameter(query: bytes, field: str) -> None:
    assert list(faults_of(read_delivery_list, query)) == [field]


def test_a_window_has_two_ends_in_their_order() -> None:
    window = {"since": "2026-11-21T12:00:00Z", "until": "2026-11-21T13:00:00+00:00"}
    assert read_window(window) == (NOON, NOON + timedelta(hours=1))
    assert faults_of(read_window, {}) == {"since": "MISSING_FIELD", "until": "MISSING_FIELD"}
    assert list(faults_of(read_window, window | {"since": 5})) == ["since"]
    assert list(faults_of(read_window, window | {"until": window["since"]})) == ["until"]


@pytest.mark.parametrize("state", JobState)
def test_a_delivery_is_written_as_described(state: JobState) -> None:
    job = replace(JOB, state=state, recipient=None if state is JobState.HELD else JOB.recipient)
    shown = json.loads(write_delivery(job, [TRY]))
    assert ("dueAt" in shown) is (state is JobState.PENDING)
    check_json("/components/schemas/DeliveryWithTries", write_delivery(JOB, [TRY]))
    check_json("/components/schemas/Delivery", write_delivery(JOB))


def test_a_full_page_says_where_the_next_begins() -> None:
    assert "next" not in json.loads(write_deliveries([JOB], 2))
    page = write_deliveries([JOB, JOB], 2)
    assert json.loads(page)["next"] == JOB.message_id
    check_json("/components/schemas/DeliveryList", page)
