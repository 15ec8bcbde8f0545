"""
Empties an outbox with the product's own worker and deliverers that do nothing, and prints how long it took.

A program of its own, so that it has a core to itself: `python -m bench.null_worker --data DIR --jobs N`.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

from paydue.bootstrap import SystemClock, open_store
from paydue.config import Config
from paydue.delivery.worker import Settlement, Worker
from paydue.usecases.delivery_ports import Job, JobState, Try
from paydue.usecases.ports import Channel

# As long as the head of a mail, which is what is logged of one.
_LOGGED = "Subject: an invoice\n" * 25


class Nobody:
    """Takes every job at once, until there were so many."""

    def __init__(self, jobs: int) -> None:
        self._left = jobs
        self._clock = SystemClock()
        self.is_through = asyncio.Event()

    async def deliver(self, job: Job) -> Settlement:
        """Say that it was taken."""
        self._left -= 1
        if not self._left:
            self.is_through.set()
        at = self._clock.now()
        taken = Try(at=at, milliseconds=0, is_taken=True, outcome="accepted, 250", status=250, request=_LOGGED)
        return Settlement(state=JobState.DONE, due_at=at, tried=taken)


async def main() -> None:
    """Empty the outbox that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--database")
    options = parser.parse_args()
    store = await open_store(Config(data=options.data, database=options.database), serves=False)
    try:
        nobody = Nobody(options.jobs)
        worker = Worker(store.outbox, dict.fromkeys(Channel, nobody), SystemClock(), name="bench")
        began_at, cpu = time.perf_counter(), time.process_time()
        running = asyncio.create_task(worker.run())
        await nobody.is_through.wait()
        # The last ones are settled before it ends.
        worker.stop()
        await running
        took = {"seconds": time.perf_counter() - began_at, "cpu_seconds": time.process_time() - cpu}
    finally:
        await store.close()
    sys.stdout.write(json.dumps(took))


if __name__ == "__main__":
    uvloop.run(main())
