"""The list's query: what callers and SDKs send, and each refusal with its parameter."""

import pytest

from paydue.domain.errors import InvalidFields
from paydue.domain.lifecycle import Status
from paydue.wire.query import parse_query, read_list_query


@pytest.mark.parametrize(
    ("query", "read"),
    [
        (b"", (0, 20, None, None)),
        (b"offset=3&limit=5", (3, 5, None, None)),
        (b"limit=1000&offset=0", (0, 1000, None, None)),
        (b"status=None", (0, 20, None, None)),
        (b"status=", (0, 20, None, None)),
        (b"status=draft", (0, 20, Status.DRAFT, "draft")),
        (b"status=SENT&x=y", (0, 20, Status.SENT, "SENT")),
        (b"status=%53ENT", (0, 20, Status.SENT, "SENT")),
        (b"offset=1&offset=2", (2, 20, None, None)),
    ],
)
def test_a_list_query_is_read(query: bytes, read: tuple[object, ...]) -> None:
    assert read_list_query(query) == read


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (b"offset=-1", ["offset"]),
        (b"offset=x&limit=0", ["offset", "limit"]),
        (b"limit=1001", ["limit"]),
        (b"limit=1.5", ["limit"]),
        (b"limit=", ["limit"]),
        (b"offset=99999999999", ["offset"]),
        (b"offset=2147483648", ["offset"]),
        (b"limit=%D9%A3", ["limit"]),
        (b"status=LATE", ["status"]),
        (b"status=%00", ["status"]),
        (b"status=%C5%BFent", ["status"]),
        (b"&".join(b"a=1" for _ in range(200)) + b"%20", ["query"]),
        (b"\xff=1", ["query"]),
    ],
)
def test_a_wrong_parameter_is_named(query: bytes, fields: list[str]) -> None:
    with pytest.raises(InvalidFields) as refusal:
        read_list_query(query)
    assert [fault.field for fault in refusal.value.faults] == fields


def test_parameters_are_percent_decoded() -> None:
    assert parse_query(b"productType=PAY%42YLINK&a=b+c") == {"productType": "PAYBYLINK", "a": "b c"}
