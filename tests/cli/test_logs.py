"""What a log line holds, and what it never does."""

import json
import logging

import pytest

from paydue.cli.logs import JsonLines, TextLines
from paydue.domain.card_numbers import holds_card_number


def record(message: str, level: int = logging.INFO, **facts: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "paydue.api", "levelno": level, "levelname": logging.getLevelName(level)})
    made.msg = message
    vars(made).update(facts)
    return made


def test_a_json_line_holds_time_level_event_and_facts():
    line = json.loads(JsonLines().format(record("sent", merchant="acme", amounts=[1, 2])))

    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "sent",
        "logger": "paydue.api",
        "merchant": "acme",
        "amounts": [1, 2],
    }


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
@pytest.mark.parametrize("hostile", ["line\nbreak", "\x1b[2J", "\u2028", "\u202e", "\r", "\ud800", "\x00"])
def test_a_strangers_text_cannot_begin_a_line_of_its_own_or_steer_a_terminal(form, hostile):
    line = form.format(record("not_authenticated", reason=hostile))

    assert line.isprintable()
    line.encode()


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
def test_a_failure_is_told_with_where_it_happened(form):
    failed = record("request_failed", logging.ERROR)
    try:
        raise RuntimeError("a bug\x1b[2J")
    except RuntimeError as fault:
        failed.exc_info = (RuntimeError, fault, fault.__traceback__)
    line = form.format(failed)

    assert "RuntimeError: a bug" in line
    assert "test_logs.py" in line
    assert "\x1b" not in line


def test_what_json_cannot_hold_is_described():
    assert json.loads(JsonLines().format(record("event", thing={1, 2})))["thing"] == "{1, 2}"


@pytest.mark.parametrize("form", [JsonLines(), TextLines()])
@pytest.mark.parametrize(
    "card", ["4111111111111111", "4111 1111 1111 1111", "4111\u00a01111\u00a01111\u00a01111", 4111111111111111]
)
def test_a_card_number_is_never_written(form: logging.Formatter, card: object) -> None:
    try:
        raise ValueError(f"cannot read {card}")
    except ValueError as fault:
        failed = record(f"failed {card}", path=f"/paydue/v1/{card}", amounts=[card], facts={"card": card}, own=card)
        failed.exc_info = (ValueError, fault, fault.__traceback__)
    line = form.format(failed)

    assert not holds_card_number(line.encode().decode("unicode_escape"))
    assert "1111" in line
    if isinstance(form, JsonLines):
        json.loads(line)
