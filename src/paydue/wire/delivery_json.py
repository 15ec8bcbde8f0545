"""The JSON of deliveries: what was sent to whom, each try with what was asked and answered, and which to list."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from paydue.domain.errors import Fault, InvalidFields
from paydue.usecases.delivery_ports import DeliveryFilter, Job, JobState, Try
from paydue.usecases.ports import Channel
from paydue.wire.fields import MISSING, Faults
from paydue.wire.query import parse_query, read_choice, read_instant

_STATES: Final = {state.name: state for state in JobState}
_CHANNELS: Final = {channel.name: channel for channel in Channel}
_MESSAGE_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_LIMIT: Final = re.compile(r"[0-9]{1,4}", re.ASCII)
_LONGEST_TEXT: Final = 254
_DEFAULT_LIMIT: Final = 20
_LARGEST_LIMIT: Final = 100


class DeliveryList(NamedTuple):
    """What a list was asked for."""

    wanted: DeliveryFilter
    after: str | None
    limit: int


class _Try(msgspec.Struct, rename="camel", omit_defaults=True):
    at: str
    milliseconds: int
    is_taken: bool
    outcome: str
    status: int | None = None
    request: str = ""
    answer: str = ""


class _Delivery(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    id: str
    state: str
    channel: str
    topic: str
    invoice_id: str | None = None
    recipient: str | None = None
    created_at: str
    due_at: str | None = None
    number_of_tries: int = -1
    last_outcome: str | None = None
    tries: list[_Try] | None = None


_encode = msgspec.json.Encoder().encode


def read_delivery_list(query: bytes) -> DeliveryList:
    """Read the parameters of a list. Raises InvalidFields."""
    given = {name: value for name, value in parse_query(query).items() if value}
    faults: list[Fault] = []
    wanted = DeliveryFilter(
        state=read_choice(given, "state", _STATES, faults),
        channel=read_choice(given, "channel", _CHANNELS, faults),
        number=_text(given, "invoiceId", faults),
        recipient=_text(given, "recipient", faults),
        since=read_instant(given, "since", faults),
        until=read_instant(given, "until", faults),
    )
    after = given.get("after")
    if after is not None and not is_message_id(after):
        faults.append(Fault("after", "Invalid: has to be the id of a delivery"))
    text = given.get("limit", str(_DEFAULT_LIMIT))
    limit = int(text) if _LIMIT.fullmatch(text) else 0
    if not 1 <= limit <= _LARGEST_LIMIT:
        faults.append(Fault("limit", f"Invalid: has to be a whole number from 1 to {_LARGEST_LIMIT}"))
    if faults:
        raise InvalidFields(tuple(faults))
    return DeliveryList(wanted, after, limit)


def read_window(document: dict[str, Any]) -> tuple[datetime, datetime]:
    """Read since when and until when deliveries are recovered. Raises InvalidFields."""
    faults = Faults()
    found = []
    for name in ("since", "until"):
        value = document.get(name)
        each: list[Fault] = []
        if value is None:
            faults.add(name, MISSING)
        else:
            found.append(read_instant({name: value if isinstance(value, str) else "?"}, name, each))
        for fault in each:
            faults.add(name, fault.reason)
    faults.raise_if_any()
    since, until = found
    assert since is not None and until is not None
    if until <= since:
        raise InvalidFields((Fault("until", "Invalid: has to be after since"),))
    return since, until


def is_message_id(text: str) -> bool:
    """Tell whether `text` has the form of a delivery's id."""
    return _MESSAGE_ID.fullmatch(text) is not None


def write_delivery(job: Job, tries: Sequence[Try] | None = None) -> bytes:
    """Return one delivery as JSON, with its tries, oldest first, when they are given."""
    return _encode(_delivery(job, tries))


def write_deliveries(jobs: Sequence[Job], limit: int) -> bytes:
    """Return a page of deliveries as JSON, and after which one the next page begins if this one is full."""
    page: dict[str, Any] = {"deliveries": [_delivery(job) for job in jobs]}
    if len(jobs) == limit:
        page["next"] = jobs[-1].message_id
    return _encode(page)


def _delivery(job: Job, tries: Sequence[Try] | None = None) -> _Delivery:
    return _Delivery(
        id=job.message_id,
        state=job.state.name,
        channel=job.channel.name,
        topic=job.topic,
        # What is told about no invoice has no number.
        invoice_id=job.number or None,
        recipient=job.recipient,
        created_at=_time(job.created_at),
        due_at=_time(job.due_at) if job.state is JobState.PENDING else None,
        number_of_tries=job.tries,
        last_outcome=job.last_outcome,
        tries=[_try(each) for each in tries] if tries is not None else None,
    )


def _try(tried: Try) -> _Try:
    return _Try(
        at=_time(tried.at),
        milliseconds=tried.milliseconds,
        is_taken=tried.is_taken,
        outcome=tried.outcome,
        status=tried.status,
        request=tried.request,
        answer=tried.answer,
    )


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(given: dict[str, str], name: str, faults: list[Fault]) -> str | None:
    text = given.get(name)
    if text is not None and len(text) > _LONGEST_TEXT:
        faults.append(Fault(name, f"Invalid: at most {_LONGEST_TEXT} characters"))
        return None
    return text
