"""The body of a replay: either the attempts to send again, or a fate and a window of time."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from paydue.domain.notifications import DeliveryStatus, ReplaySelection, known_event_type, known_product_id
from paydue.wire.fields import MISSING, Faults, Reader
from paydue.wire.webhook_json import read_texts
from paydue.wire.webhook_policy_json import LONGEST_NAME

_MOST_ATTEMPTS: Final = 100
_LONGEST_WINDOW: Final = timedelta(hours=24)
_FARTHEST_BACK: Final = timedelta(days=31)
_LONGEST_TIME: Final = 40
_STATUSES: Final = {status.value.lower(): status for status in DeliveryStatus}


def read_replay(document: dict[str, Any], at: datetime) -> ReplaySelection:
    """Read the body; `at` is what `hoursBack` counts from. Raises InvalidFields."""
    faults = Faults()
    body = Reader(document, "", faults)
    by_trace, by_status = "byTransactionTraceIdentifiers", "byDeliveryStatus"
    selection = ReplaySelection()
    if body.has(by_trace):
        traces = read_texts(document, "", by_trace, _MOST_ATTEMPTS, faults)
        selection = ReplaySelection(trace_ids=tuple(dict.fromkeys(text for _, text in traces)))
        if body.has(by_status):
            body.fault(by_status, f"Invalid: not possible together with {by_trace}")
    elif (group := body.group(by_status)) is not None:
        selection = _read_by_status(group, at)
    else:
        body.missing_unless_noted(by_trace)
        body.missing_unless_noted(by_status)
    faults.raise_if_any()
    return selection


def _read_by_status(group: Reader, at: datetime) -> ReplaySelection:
    status = group.choice("status", _STATUSES)
    if not group.has("status"):
        group.fault("status", MISSING)
    product = group.text("productId", LONGEST_NAME)
    event = group.text("eventType", LONGEST_NAME)
    if product is not None:
        event = known_event_type(product, event) if event is not None else None
        product = known_product_id(product)
    from_at, until_at = _read_window(group, at)
    return ReplaySelection(status=status, from_at=from_at, until_at=until_at, product_id=product, event_type=event)


def _read_window(group: Reader, at: datetime) -> tuple[datetime, datetime]:
    """Read start and end, or the hours back from now: a day at most, and at most a month ago."""
    if not group.has("startTime") and not group.has("endTime"):
        hours = group.integer("hoursBack", 1, 24) or 24
        return at - timedelta(hours=hours), at
    start, end = _instant(group, "startTime"), _instant(group, "endTime")
    if start is None or end is None:
        return at, at
    if end <= start:
        group.fault("endTime", "Invalid: has to be after startTime")
    elif end - start > _LONGEST_WINDOW:
        group.fault("endTime", "Invalid: has to be at most 24 hours after startTime")
    if start < at - _FARTHEST_BACK:
        group.fault("startTime", "Invalid: has to be at most one month ago")
    return start, end


def _instant(group: Reader, name: str) -> datetime | None:
    text = group.text(name, _LONGEST_TIME, required=True)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    group.fault(name, "Invalid: a time with its offset is needed, for example 2026-05-01T12:00:00Z")
    return None
