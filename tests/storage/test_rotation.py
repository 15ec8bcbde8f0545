"""A new data key comes over everything secret while processes go on, and a rotation that was killed goes on too."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from paydue.storage import rotation
from paydue.storage.errors import VaultError
from paydue.storage.postgres import rotation as postgres_rotation
from paydue.storage.postgres.rotation import sealed_rows_of_database
from paydue.storage.rotation import SEALED, rotate
from paydue.storage.sqlite import rotation as sqlite_rotation
from paydue.storage.sqlite.rotation import sealed_rows_of_file
from paydue.storage.vault import KeyFile
from storing import a_secret_key, assert_all_holds, create, pay

# Rotates one at a time, and does not wait: the test sees to it that everybody knows.
RUNNER = """
import asyncio, sys
from pathlib import Path
from datetime import datetime
from paydue.storage import rotation
from paydue.storage.postgres import rotation as postgres_rotation
from paydue.storage.sqlite import rotation as sqlite_rotation
from paydue.storage.vault import KeyFile
rotation.ANNOUNCED_SECONDS = rotation.LOOK_SECONDS = rotation._LAST_WRITES_SECONDS = 0
postgres_rotation._AT_ONCE = sqlite_rotation._AT_ONCE = 1
class Clock:
    def now(self):
        return datetime.fromisoformat(sys.argv[3])
async def main(place, key_path, now):
    opened = postgres_rotation.sealed_rows_of_database(place) if "://" in place else (
        sqlite_rotation.sealed_rows_of_file(Path(place)))
    async with opened as sealed:
        def tell(what, count):
            print(what, count, flush=True)
        await rotation.rotate(sealed, KeyFile.read(Path(key_path)), Clock(), tell)
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(rotation, "ANNOUNCED_SECONDS", 0.2)
    monkeypatch.setattr(rotation, "_LAST_WRITES_SECONDS", 0.2)
    for engine in (sqlite_rotation, postgres_rotation):
        monkeypatch.setattr(engine, "_AT_ONCE", 7)


def place_of(installation: Any) -> str:
    return installation.url if hasattr(installation, "url") else str(installation.path)


def sealed_rows(installation: Any) -> Any:
    if hasattr(installation, "url"):
        return sealed_rows_of_database(installation.url)
    return sealed_rows_of_file(installation.path)


async def rotated(installation: Any, **more: Any) -> tuple[int, int]:
    # Time goes on here, and so it does for the store beside.
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0.05)
        installation.clock.advance(seconds=seconds)

    async with sealed_rows(installation) as sealed:
        return await rotate(sealed, KeyFile.read(installation.key_path), installation.clock, sleep=sleep, **more)


async def under(installation: Any) -> dict[str, set[int]]:
    """Return for each table the data keys that its secrets are under."""
    found: dict[str, set[int]] = {}
    async with sealed_rows(installation) as sealed:
        for column in SEALED:
            async for batch in sealed.batches(column):
                names = {int.from_bytes(each.ciphertext[:4], "big") for each in batch}
                found[column.table] = found.get(column.table, set()) | names
    return found


@pytest.fixture
async def filled(installation: Any) -> AsyncIterator[Any]:
    """An installation with secrets of every kind, of two merchants, and rows that have none."""
    for merchant_id in ("acme", "zeta"):
        of_merchant = installation.store.of(merchant_id)
        await installation.store.add_key(a_secret_key(merchant_id=merchant_id), installation.clock.now())
        for each in range(20):
            await create(of_merchant, sent=each % 3 > 0)
    return installation


def test_a_rotation_knows_every_place_that_a_ciphertext_is_bound_to() -> None:
    room = Path(rotation.__file__).parent
    text = "\n".join(path.read_text(encoding="utf-8") for path in room.glob("*.py"))

    bound = re.findall(r'def _\w+_place\(.*\) -> Place:\n    return "(\w+)", "(\w+)", (\w+), merchant_id', text)

    assert set(bound) == {(each.table, each.column, each.row) for each in SEALED}


async def test_everything_comes_under_the_new_key_and_stays_what_it_was(filled: Any) -> None:
    key = a_secret_key("k", "acme")
    await filled.store.add_key(key, filled.clock.now())
    before = [await filled.store.of("acme").invoice(str(each)) for each in range(1, 21)]
    assert await under(filled) == {"access_keys": {1}, "invoices": {1}}

    assert await rotated(filled) == (2, 29)

    assert await under(filled) == {"access_keys": {2}, "invoices": {2}}
    again = await filled.reopen()
    assert [await again.of("acme").invoice(str(each)) for each in range(1, 21)] == before
    assert await again.find("k") == key
    token = next(each.payment_token for each in before if each.payment_token)
    assert (await again.find_by_payment_token(token))[0] == "acme"
    await assert_all_holds(again)
    assert await rotated(filled) == (3, 29)


async def test_a_store_that_is_open_goes_on_writes_with_the_new_key_and_reads_both(filled: Any) -> None:
    acme = filled.store.of("acme")
    stopping = asyncio.Event()
    paid = 0

    async def keep_working() -> int:
        nonlocal paid
        while not stopping.is_set():
            invoice = await create(acme, sent=True)
            paid += (await pay(acme, invoice, "10")).payment_token == invoice.payment_token
            assert await acme.invoice(invoice.number) is not None
            await asyncio.sleep(0.005)
        return paid

    working = asyncio.create_task(keep_working())
    number, rewritten = await rotated(filled)
    stopping.set()
    assert await working > 5

    assert (number, rewritten > 29) == (2, True)
    assert await under(filled) == {"access_keys": {2}, "invoices": {2}}
    await assert_all_holds(filled.store)


async def test_a_new_key_is_known_to_all_before_anybody_writes_with_it(filled: Any) -> None:
    other = await filled.beside()
    key_file = KeyFile.read(filled.key_path)
    soon = "2026-05-05T13:00:00.000000Z"
    async with sealed_rows(filled) as sealed:
        fresh = key_file.new_data_key(2)
        await sealed.add_data_key(type(fresh)(fresh.number, fresh.wrapped_by, fresh.ciphertext, soon))
    await asyncio.sleep(0.2)

    await create(filled.store.of("acme"), "before", sent=True)
    assert (await under(filled))["invoices"] == {1}
    filled.clock.advance(hours=2)
    await asyncio.sleep(0.2)
    after = await create(filled.store.of("acme"), "after", sent=True)

    assert (await under(filled))["invoices"] == {1, 2}
    assert await other.of("acme").invoice("after") == after
    await other.close()


async def test_a_rotation_that_was_killed_in_the_middle_goes_on_where_it_was(filled: Any) -> None:
    runner = subprocess.Popen(  # noqa: ASYNC220 - it is killed
        [sys.executable, "-c", RUNNER, place_of(filled), str(filled.key_path), filled.clock.now().isoformat()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert runner.stdout is not None
    for line in runner.stdout:
        if line == "rewritten 10\n":
            break
    runner.kill()
    runner.wait()
    runner.stdout.close()
    assert (await under(filled))["invoices"] == {1, 2}
    # It announced nothing, to be quick.
    await asyncio.sleep(0.3)
    invoice = await filled.store.of("acme").invoice("2")
    assert invoice is not None
    assert invoice.payment_token
    await create(filled.store.of("acme"), sent=True)
    await assert_all_holds(filled.store)

    number, rewritten = await rotated(filled)

    assert number == 2
    assert 0 < rewritten < 29
    assert await under(filled) == {"access_keys": {2}, "invoices": {2}}
    await assert_all_holds(filled.store)


async def test_who_still_writes_with_the_old_key_is_told_of(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # With a single round nobody can tell that the first left nothing behind.
    monkeypatch.setattr(rotation, "_ROUNDS", 1)

    with pytest.raises(VaultError, match="earlier release"):
        await rotated(filled)
