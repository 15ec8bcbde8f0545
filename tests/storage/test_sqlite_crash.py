"""Kill -9 while invoices are created: whatever was acknowledged is there, and the books agree."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paydue.domain.lifecycle import Status
from storing import assert_all_holds, create

KILLS = 52
CREATING = """
import asyncio, sys
from pathlib import Path
from storing import FixedClock, create, pay
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile

async def main(folder):
    store = await SqliteStore.open(folder / "paydue.db", KeyFile.read(folder / "paydue.key"), FixedClock(), serves=True)
    acme = store.of("acme")

    async def create_for_ever(own):
        count = 0
        while True:
            count += 1
            invoice = await create(acme, f"{own}-{count}-{sys.argv[2]}" if own % 4 == 0 else "", sent=own % 2 == 0)
            if own % 4 == 2:
                invoice = await pay(acme, invoice, "93.5")
            # One write, so that no line is ever torn.
            sys.stdout.write(f"{invoice.number} {invoice.status} {invoice.version}\\n")
            sys.stdout.flush()

    await asyncio.gather(*(create_for_ever(own) for own in range(16)))

asyncio.run(main(Path(sys.argv[1])))
"""


def create_until_killed(folder: Path, round_: int, acknowledgements: int) -> list[tuple[str, str, int]]:
    """Let a child create invoices, kill it after that many acknowledgements, and return what it had acknowledged."""
    tests = Path(__file__).parent.parent
    path = os.pathsep.join((str(tests), str(tests.parent / "src")))
    with subprocess.Popen(
        [sys.executable, "-c", CREATING, str(folder), str(round_)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as child:
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            lines.append(line)
            if len(lines) == acknowledgements:
                child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    kept = [line.split() for line in lines if line.endswith("\n")]
    return [(number, status, int(version)) for number, status, version in kept]


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(2, 12))])
async def test_nothing_acknowledged_is_lost_by_a_kill(sqlite: Any, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: list[tuple[str, str, int]] = []
    for round_ in range(KILLS):
        await sqlite.store.close()
        child = asyncio.to_thread(create_until_killed, sqlite.path.parent, round_, chance.randrange(1, 400))
        acknowledged += await child

        acme = (await sqlite.open()).of("acme")
        for number, status, version in acknowledged:
            invoice = await acme.invoice(number)
            assert invoice is not None, f"{number} was acknowledged and is lost"
            assert (invoice.status, invoice.version) == (status, version)
        await assert_all_holds(sqlite.store)

    total = (await acme.page(0, 1, None)).total
    assert total >= len({number for number, _, _ in acknowledged}) >= KILLS
    assert (await acme.page(0, 1, Status.PARTIAL)).total > 0
    assert (await create(acme)).serial == total + 1
