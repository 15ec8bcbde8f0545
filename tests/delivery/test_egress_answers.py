"""What is made of an answer: an excerpt fit to be shown, and the time at which to come again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from paydue.delivery.egress_answers import Answered
from webhook_builders import NOON


@pytest.mark.parametrize(
    "body, excerpt",
    [
        (b"thanks", "thanks"),
        ("東京".encode(), "東京"),
        (b"a\r\n\x1b[31m\x00", "a\\u000d\\u000a\\u001b[31m\\u0000"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u202eevil\u2028\u200b".encode(), "\\u202eevil\\u2028\\u200b"),
        (b"a" * 5000, "a" * 4096),
    ],
)
def test_what_is_kept_of_an_answer_is_short_and_steers_no_terminal(body, excerpt):
    assert Answered(status=200, body=body).excerpt == excerpt


@pytest.mark.parametrize(
    "written, wait",
    [
        (None, None),
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        ("999999999999999999999", timedelta(days=1)),
        (format_datetime(NOON + timedelta(minutes=5), usegmt=True), timedelta(minutes=5)),
        (format_datetime(NOON - timedelta(minutes=5), usegmt=True), timedelta(0)),
        (format_datetime(NOON + timedelta(days=400), usegmt=True), timedelta(days=1)),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("١٢", None),
        ("Sat, 21 Nov 2026 12:05:00 -0000", None),
        ("Sat, 99 Nov 99999999999 12:05:00 GMT", None),
    ],
)
def test_a_wish_to_be_left_alone_is_heard_for_a_day_at_most(written, wait):
    found = Answered(status=503, retry_after=written).not_before(NOON)

    assert found == (None if wait is None else NOON + wait)


async def test_a_busy_receiver_names_its_time(receiver, an_egress):
    answer = await an_egress().send("POST", receiver.url("/busy"))

    assert isinstance(answer, Answered)
    assert answer.not_before(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
    assert not answer.is_success
