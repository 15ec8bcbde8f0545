"""
Group commit: many callers' changes in one transaction, so that one wait for the disk serves them all.

While one batch is being written the next gathers by itself. There is no timer: a lonely change is written at once.
Knows no database: an engine hands in how a batch is written.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from paydue.domain.errors import StoreBusy, StoreUnavailable

BATCH_LIMIT: Final = 128
QUEUE_LIMIT: Final = 4096

Work = TypeVar("Work")
Result = TypeVar("Result")

# Writes a batch durably, and returns for each work its result, or the exception that refuses this one alone.
# Raising instead says that nothing may be assumed about any of them.
WriteBatch = Callable[[Sequence[Work]], Awaitable[Sequence[Result | Exception]]]


class GroupCommit(Generic[Work, Result]):
    """The queue in front of a database that is written by one writer, for the event loop that it is made in."""

    def __init__(
        self, write: WriteBatch[Work, Result], *, batch_limit: int = BATCH_LIMIT, queue_limit: int = QUEUE_LIMIT
    ) -> None:
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._batch_limit = batch_limit
        self._queue_limit = queue_limit
        self._waiting: deque[tuple[Work, asyncio.Future[Result]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False

    def submit(self, work: Work) -> asyncio.Future[Result]:
        """
        Queue a work and return the future of its outcome, which is set only after the commit.

        A caller may cancel the future: the work is done all the same. Raises StoreBusy when too many wait,
        StoreUnavailable after `close`.
        """
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        if len(self._waiting) >= self._queue_limit:
            raise StoreBusy(f"{self._queue_limit} changes are waiting")
        future: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.append((work, future))
        if self._writing is None:
            self._writing = self._loop.create_task(self._write_all())
        return future

    async def close(self) -> None:
        """Refuse new work, and return when everything accepted has its outcome."""
        self._is_closed = True
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                size = min(len(self._waiting), self._batch_limit)
                await self._write_one([self._waiting.popleft() for _ in range(size)])
        finally:
            self._writing = None
            # Anything is left only when the loop is being torn down.
            for _, future in self._waiting:
                _refuse(future, StoreUnavailable("the store was torn down"))
            self._waiting.clear()

    async def _write_one(self, batch: list[tuple[Work, asyncio.Future[Result]]]) -> None:
        try:
            outcomes = await self._write([work for work, _ in batch])
        except StoreUnavailable as failure:
            for _, future in batch:
                # One exception object each: a shared one would gather the tracebacks of all callers.
                _refuse(future, type(failure)(*failure.args))
            return
        except BaseException as failure:
            # Our bug, or the loop is being torn down: nobody may be left waiting for ever.
            for _, future in batch:
                _refuse(future, StoreUnavailable(f"the batch was given up: {failure!r}"))
            if not isinstance(failure, Exception):
                raise
            self._loop.call_exception_handler(
                {"message": "writing a batch failed", "exception": failure, "task": asyncio.current_task()}
            )
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                _refuse(future, outcome)
            elif not future.done():
                future.set_result(outcome)


def _refuse(future: asyncio.Future[Result], refusal: Exception) -> None:
    # Done before its time: the caller went away.
    if not future.done():
        future.set_exception(refusal)
