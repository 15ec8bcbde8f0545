"""
Where two JSON documents differ, held to the letter: order of members and the very digits of numbers count.

Apart from `==` because that forgives both, and because a documented slip is tolerated best by naming the one place.
"""

import json
from collections.abc import Iterator
from typing import Any, Final


class Number(str):
    """A JSON number as it was written: 5, 5.0 and 5e0 are three."""

    __slots__ = ()


class Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()

Differences = dict[str, tuple[Any, Any]]


def parsed(text: str | bytes) -> Any:
    """Return the document with its numbers as they were written. Members keep their order."""
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)


def differences(expected: Any, actual: Any) -> Differences:
    """Return each place where `actual` is not `expected`, with both values; nothing when they are the same."""
    return dict(_differences(expected, actual, "$"))


def _differences(expected: Any, actual: Any, where: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if type(expected) is not type(actual):
        yield where, (expected, actual)
    elif isinstance(expected, dict):
        common = [name for name in expected if name in actual]
        order = [name for name in actual if name in expected]
        if common != order:
            yield f"{where} order of members", (common, order)
        for name in [*expected, *(name for name in actual if name not in expected)]:
            yield from _differences(expected.get(name, ABSENT), actual.get(name, ABSENT), f"{where}.{name}")
    elif isinstance(expected, list):
        if len(expected) != len(actual):
            yield f"{where} length", (len(expected), len(actual))
        for position, (one, other) in enumerate(zip(expected, actual, strict=False)):
            yield from _differences(one, other, f"{where}[{position}]")
    elif expected != actual:
        yield where, (expected, actual)
