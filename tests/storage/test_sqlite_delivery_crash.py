"""Kill -9 while jobs are delivered: nothing is lost, and only what had not been settled comes again."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from delivering import HOOK, OTHER_HOOK, a_mail, a_webhook, happens
from paydue.usecases.delivery_ports import DeliveryFilter, JobState

JOBS = 900
KILLS = 8
DELIVERING = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from builders import NOON
from delivering import TAKEN
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile
from paydue.usecases.delivery_ports import JobState
from storing import FixedClock

async def main(folder, round_):
    store = await SqliteStore.open(
        folder / "paydue.db", KeyFile.read(folder / "paydue.key"), FixedClock(), serves=False
    )
    at = NOON + timedelta(hours=round_)

    async def deliver(job):
        # One write, so that no line is ever torn.
        sys.stdout.write(f"sent {job.message_id} {job.number} {job.recipient} {job.position}\\n")
        sys.stdout.flush()
        await store.outbox.settle(job, JobState.DONE, at, TAKEN)
        sys.stdout.write(f"settled {job.message_id}\\n")
        sys.stdout.flush()

    while jobs := await store.outbox.lease(f"w{round_}", at, at + timedelta(minutes=1), 12):
        await asyncio.gather(*(deliver(job) for job in jobs))
    await store.close()

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


class Said(NamedTuple):
    """What a child said before it died, and whether it came to an end by itself."""

    sent: list[str]
    settled: list[str]
    ended: bool


def deliver_until_killed(folder: Path, round_: int, lines_to_live: int | None) -> Said:
    tests = Path(__file__).parent.parent
    path = os.pathsep.join((str(tests), str(tests.parent / "src")))
    with subprocess.Popen(
        [sys.executable, "-c", DELIVERING, str(folder), str(round_)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as child:
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            lines.append(line)
            if len(lines) == lines_to_live:
                child.send_signal(signal.SIGKILL)
        code = child.wait()
    words = [line.split() for line in lines if line.endswith("\n")]
    return Said(
        [word[1] for word in words if word[0] == "sent"], [word[1] for word in words if word[0] == "settled"], code == 0
    )


@pytest.mark.parametrize("kills", [KILLS, pytest.param(100, marks=pytest.mark.nightly)])
async def test_a_killed_worker_loses_nothing_and_repeats_only_what_it_had_not_settled(sqlite: Any, kills: int) -> None:
    chance = random.Random(20260505)
    acme = sqlite.store.of("acme")
    jobs_of_each = (a_mail(), a_webhook(HOOK), a_webhook(OTHER_HOOK))
    await asyncio.gather(*(happens(acme, *jobs_of_each) for _ in range(JOBS // len(jobs_of_each))))
    sent: Counter[str] = Counter()
    settled: set[str] = set()
    killed = 0

    # The server goes on serving beside the workers that die.
    for round_ in range(kills + 1):
        lines = chance.randrange(1, 2 * JOBS // kills) if round_ < kills else None
        said = await asyncio.to_thread(deliver_until_killed, sqlite.path.parent, round_, lines)
        assert not settled & set(said.sent), "what was settled came again"
        assert max(Counter(said.sent).values(), default=0) <= 1
        sent.update(said.sent)
        settled.update(said.settled)
        killed += not said.ended

    assert said.ended
    assert killed > kills // 2, "a child that comes to its end shows nothing"
    deliveries = sqlite.store.deliveries_of("acme")
    jobs = await deliveries.deliveries(DeliveryFilter(), None, JOBS + 1)
    assert len(jobs) == JOBS
    assert {job.state for job in jobs} == {JobState.DONE}
    assert set(sent) == {job.message_id for job in jobs}
    assert await sqlite.store.outbox.next_due() is None
    for job in jobs:
        _, tries = await deliveries.delivery(job.message_id)
        assert len(tries) == 1, "one try was settled"
