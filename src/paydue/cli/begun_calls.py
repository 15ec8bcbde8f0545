"""Going on with a call that was begun without a task of its own, because most need none."""

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

Answered = TypeVar("Answered")


@coroutine
def rest_of(call: Coroutine[Any, Any, Answered], waits_for: Any) -> Generator[Any, Any, Answered]:
    """Go on with a coroutine that has begun, and waits."""
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - whatever the task was told
                waits_for = call.throw(thrown)
            else:
                waits_for = call.send(sent)
    except StopIteration as done:
        answered: Answered = done.value
        return answered
