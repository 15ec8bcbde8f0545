"""
Request bodies as RFC 8259 has them, and no more: exact numbers, no duplicate members, no hidden depth.

The parser is fast where a body is ordinary and exact where it is odd: only a body whose colons outnumber its members
(a colon inside a string, or a duplicate) is read a second time by the slow, strict way.
"""

import json
from typing import Any, Final

import msgspec

MAXIMUM_DEPTH: Final = 32
MAXIMUM_VALUES: Final = 10_000

_CONTAINERS: Final = (dict, list)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class NumberText(str):
    """The digits of a JSON number with a point or an exponent, unread: no float ever stands in between."""

    __slots__ = ()


class MalformedJson(Exception):
    """The body is not one JSON object, or larger in structure than is allowed; the text says what and where."""


_decode = msgspec.json.Decoder(float_hook=NumberText).decode


def parse_object(body: bytes) -> dict[str, Any]:
    """
    Return the body's object; numbers are `int` or `NumberText`, everything else as usual.

    Raises MalformedJson for anything that is not a JSON object in UTF-8, has a member twice, is deeper than
    32 levels or has more than 10,000 values.
    """
    try:
        value = _decode(body.removeprefix(_BYTE_ORDER_MARK))
    except UnicodeDecodeError:
        raise MalformedJson("The body is not valid UTF-8.") from None
    except RecursionError:
        raise MalformedJson(f"The body is nested deeper than {MAXIMUM_DEPTH} levels.") from None
    except (msgspec.DecodeError, ValueError) as fault:
        # ValueError: an integer of thousands of digits.
        raise MalformedJson(f"The body is not valid JSON: {_plain(fault)}.") from None
    if type(value) is not dict:
        raise MalformedJson("The body has to be a JSON object.")
    if _count_members(value) != body.count(b":"):
        _refuse_duplicates(body)
    return value


def _count_members(root: dict[str, Any]) -> int:
    """Count the members of all objects, level by level, holding the limits of depth and size."""
    members = values = depth = 0
    level: list[Any] = [root]
    while level:
        depth += 1
        if depth > MAXIMUM_DEPTH:
            raise MalformedJson(f"The body is nested deeper than {MAXIMUM_DEPTH} levels.")
        below: list[Any] = []
        for value in level:
            values += len(value)
            is_object = type(value) is dict
            if is_object:
                members += len(value)
            below += [each for each in (value.values() if is_object else value) if type(each) in _CONTAINERS]
        if values > MAXIMUM_VALUES:
            raise MalformedJson(f"The body has more than {MAXIMUM_VALUES} values.")
        level = below
    return members


def _refuse_duplicates(body: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> None:
        names = {name for name, _ in pairs}
        if len(names) != len(pairs):
            seen: set[str] = set()
            twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise MalformedJson(f"The body has the member {json.dumps(twice[:100])} twice in one object.")

    # Values are thrown away; the text was found well-formed before.
    json.loads(body.removeprefix(_BYTE_ORDER_MARK), object_pairs_hook=unique, parse_int=str, parse_float=str)


def _plain(fault: Exception) -> str:
    text = str(fault)
    return text.removeprefix("JSON is malformed: ") if len(text) < 200 else "a number is too long"
