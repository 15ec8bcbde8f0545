"""Bodies as RFC 8259 has them: what is odd is refused with a sentence, never accepted by accident, never a crash."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.wire.strict_json import MalformedJson, NumberText, parse_object


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1} x',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":01}',
        b'{"a":1.}',
        b'{"a":+1}',
        b'{"a":"\x00"}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":/* no */1}',
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"c":2,"b":3}}',
        b'{"a":":","b":{"x":1,"x":1}}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":[' + b"1," * 10_001 + b"1]}",
    ],
)
def test_what_is_not_one_plain_object_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson) as refusal:
        parse_object(body)
    assert str(refusal.value).startswith("The body")


def test_a_duplicate_member_is_named() -> None:
    with pytest.raises(MalformedJson, match='"total" twice'):
        parse_object(b'{"note":"a:b","total":1,"total":2}')


def test_numbers_stay_exact() -> None:
    parsed = parse_object(b'{"a":0.1,"b":1e400,"c":12345678901234567890123456789,"d":1.10}')
    assert parsed == {"a": "0.1", "b": "1e400", "c": 12345678901234567890123456789, "d": "1.10"}
    assert type(parsed["a"]) is NumberText


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse_object(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
            lambda children: (
                st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4)
            ),
            max_leaves=20,
        ),
        max_size=6,
    )
)
def test_every_ordinary_object_is_read_as_it_is(value: dict[str, object]) -> None:
    try:
        body = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert parse_object(body) == value
