"""
Messages as they wait, and what was tried: domain value <-> table row, for every engine.

A message id is a UUID of version 7 (see `message_ids.py`), so that it also says when the message was made: no column
has to, and the order of the ids is that of time.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from paydue.domain.mail_address import Suppression, SuppressionReason, same_address
from paydue.storage.rows import Row, read_time, time_text
from paydue.usecases.delivery_ports import Job, JobState, Try
from paydue.usecases.ports import Channel

_encode: Final = msgspec.json.Encoder().encode
_read_facts: Final = msgspec.json.Decoder(dict[str, str]).decode

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MOST_MILLISECONDS: Final = (1 << 48) - 1
_ID_BYTES: Final = 16
_CHANCE_BITS: Final = 80
_CHANNELS: Final = {channel.value: channel for channel in Channel}
_STATES: Final = {state.value: state for state in JobState}

LOWEST_ID: Final = bytes(_ID_BYTES)
HIGHEST_ID: Final = b"\xff" * _ID_BYTES


def message_key(message_id: str) -> bytes | None:
    """Return the id as it is stored; None for a text that is no id."""
    try:
        key = bytes.fromhex(message_id.replace("-", ""))
    except ValueError:
        return None
    return key if len(key) == _ID_BYTES else None


def message_text(key: bytes) -> str:
    """Return the id as everybody else writes it."""
    text = key.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def made_at(key: bytes) -> datetime:
    """Return when the message of that id was made, to the millisecond."""
    return _EPOCH + int.from_bytes(key[:6], "big") * _MILLISECOND


def lowest_id(at: datetime) -> bytes:
    """Return the bound that ids of messages made in the millisecond of `at` or later are not below."""
    return (_milliseconds(at) << _CHANCE_BITS).to_bytes(_ID_BYTES, "big")


def highest_id(at: datetime) -> bytes:
    """Return the bound that ids of messages made in the millisecond of `at` or before are not above."""
    return ((_milliseconds(at) + 1 << _CHANCE_BITS) - 1).to_bytes(_ID_BYTES, "big")


def _milliseconds(at: datetime) -> int:
    return min(max((at - _EPOCH) // _MILLISECOND, 0), _MOST_MILLISECONDS)


# What a row of the outbox is found by, and what `read_job` takes, in its order.
PLACE_COLUMNS: Final = ("merchant_id", "serial", "position", "part")
JOB_COLUMNS: Final = (
    *PLACE_COLUMNS, "message_id", "number", "channel", "topic", "recipient", "facts", "state", "due_at", "tries",
    "first_failed_at", "last_outcome", "lease", "is_rendered"
)  # fmt: skip


def position(column: str) -> int:
    """Return where a row of `JOB_COLUMNS` has that column."""
    return JOB_COLUMNS.index(column)


def place_of(job: Job) -> Row:
    """Return what the job's row is found by."""
    return job.merchant_id, job.serial, job.position, job.part


def write_facts(facts: dict[str, str]) -> str:
    """Return a message's facts as JSON."""
    return _encode(facts).decode()


def read_job(row: Row, *, lease: str | None = None, rendered: bytes | None = None) -> Job:
    """Return the job of a row of `JOB_COLUMNS`; `lease` is the one it is taken under just now."""
    (
        merchant_id, serial, position, part, key, number, channel, topic, recipient, facts, state, due_at, tries,
        first_failed_at, last_outcome, kept_lease, _
    ) = row  # fmt: skip
    return Job(
        merchant_id=merchant_id,
        message_id=message_text(key),
        serial=serial,
        position=position,
        part=part,
        number=number,
        channel=_CHANNELS[channel],
        topic=topic,
        recipient=recipient,
        facts=_read_facts(facts),
        state=_STATES[state],
        created_at=made_at(key),
        due_at=read_time(due_at),
        tries=tries,
        first_failed_at=read_time(first_failed_at) if first_failed_at is not None else None,
        last_outcome=last_outcome,
        rendered=rendered,
        lease=lease if lease is not None else kept_lease,
    )


# What `read_try` takes, in its order.
TRY_COLUMNS: Final = ("at", "milliseconds", "is_taken", "outcome", "status", "trace_id", "request", "answer")


def write_try(tried: Try) -> Row:
    """Return the values of `TRY_COLUMNS`."""
    return (
        time_text(tried.at),
        tried.milliseconds,
        int(tried.is_taken),
        tried.outcome,
        tried.status,
        tried.trace_id,
        tried.request,
        tried.answer,
    )


def read_try(row: Row) -> Try:
    """Return the try of a row of `TRY_COLUMNS`."""
    at, milliseconds, is_taken, outcome, status, trace_id, request, answer = row
    return Try(
        at=read_time(at),
        milliseconds=milliseconds,
        is_taken=bool(is_taken),
        outcome=outcome,
        status=status,
        trace_id=trace_id,
        request=request,
        answer=answer,
    )


# What `read_suppression` takes, in its order.
SUPPRESSION_COLUMNS: Final = ("address", "reason", "said", "message_id", "suppressed_at")


def write_suppression(suppression: Suppression) -> Row:
    """Return the values of `SUPPRESSION_COLUMNS`."""
    return (
        same_address(suppression.address),
        suppression.reason.value,
        suppression.said,
        message_key(suppression.message_id) if suppression.message_id is not None else None,
        time_text(suppression.at),
    )


def read_suppression(row: Row) -> Suppression:
    """Return the suppression of a row of `SUPPRESSION_COLUMNS`."""
    address, reason, said, key, at = row
    return Suppression(
        address=address,
        reason=SuppressionReason(reason),
        said=said,
        message_id=message_text(key) if key is not None else None,
        at=read_time(at),
    )
