"""
Wakes things at their time: each duty is run again and again, with a rest between, until told to stop.

Duties ask for what is owed at their moment and remember nothing, so one that was missed or run twice does no harm.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from paydue.domain.errors import StoreUnavailable
from paydue.usecases.ports import Clock

_AFTER_A_FAILURE_SECONDS: Final = 5.0
_FINISH_SECONDS: Final = 5.0

_log = logging.getLogger("paydue.scheduler")


class Duty(msgspec.Struct, frozen=True):
    """What to do every so many seconds. `run` is given the present."""

    name: str
    every_seconds: float
    run: Callable[[datetime], Awaitable[object]]


class Scheduler:
    """Runs duties beside each other; one that takes long delays no other."""

    def __init__(self, duties: Sequence[Duty], clock: Clock) -> None:
        self._duties = duties
        self._clock = clock
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End `run` as soon as what is being done is done, and within seconds."""
        self._stopping.set()

    async def run(self) -> None:
        """Do all duties until stopped. What takes too long to end is broken off: it is done again at the next start."""
        running = [asyncio.create_task(self._repeat(duty)) for duty in self._duties]
        await self._stopping.wait()
        _, late = await asyncio.wait(running, timeout=_FINISH_SECONDS)
        for each in late:
            each.cancel()
        if late:
            await asyncio.wait(late)

    async def _repeat(self, duty: Duty) -> None:
        while not self._stopping.is_set():
            rest = duty.every_seconds
            try:
                await duty.run(self._clock.now())
            except StoreUnavailable as failure:
                _log.warning("duty_put_off", extra={"duty": duty.name, "reason": str(failure)})
                rest = min(rest, _AFTER_A_FAILURE_SECONDS)
            except Exception:  # noqa: BLE001 - a duty that fails is tried again, and no other is kept from its time
                _log.exception("duty_failed", extra={"duty": duty.name})
            try:
                async with asyncio.timeout(rest):
                    await self._stopping.wait()
            except TimeoutError:
                pass
