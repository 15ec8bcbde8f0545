"""
Data keys that follow each other: how a process hears of a new one, and how old ciphertexts come under it.

A new key is announced before it is used, because a process that has not heard of it cannot read what another has
written with it. Which key a ciphertext is under stands in it: a rotation that was cut short goes on where it was.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol

import msgspec

from paydue.domain.errors import StoreUnavailable
from paydue.storage.errors import VaultError
from paydue.storage.rows import Row, read_time, time_text
from paydue.storage.vault import KeyFile, Vault, WrappedDataKey
from paydue.usecases.ports import Clock

# How often each process looks for new data keys, and for how long a new one is announced.
LOOK_SECONDS: Final = 2.0
ANNOUNCED_SECONDS: Final = 15.0
# What one statement may take, twice: whoever began to write with the old key before then has finished.
_LAST_WRITES_SECONDS: Final = 20.0
_ROUNDS: Final = 10

_log = logging.getLogger("paydue.storage")


class SealedColumn(msgspec.Struct, frozen=True):
    """A column of ciphertexts, and the one that with the merchant names its row in them."""

    table: str
    column: str
    row: str


SEALED: Final = (
    SealedColumn("access_keys", "secret", "key_id"),
    SealedColumn("webhook_keys", "secret", "key_id"),
    SealedColumn("invoices", "payment_token", "serial"),
)


class Sealed(msgspec.Struct, frozen=True):
    """A ciphertext where it lies. `key` is what its row is found by."""

    key: Row
    merchant_id: str
    row: str | int
    ciphertext: bytes


class SealedRows(Protocol):
    """An engine's ciphertexts, for whoever goes through all of them. Raises StoreUnavailable."""

    async def data_keys(self) -> Sequence[WrappedDataKey]: ...

    async def add_data_key(self, wrapped: WrappedDataKey) -> None:
        """Keep a data key, unless there is one of that number."""
        ...

    def batches(self, column: SealedColumn) -> AsyncIterator[Sequence[Sealed]]:
        """Yield all ciphertexts of a column, a few hundred at a time."""
        ...

    async def replace(self, column: SealedColumn, changes: Sequence[tuple[Sealed, bytes]]) -> int:
        """Put new ciphertexts in the place of those that are still there, durably; return how many were."""
        ...


Told = Callable[[str, int], None]


async def rotate(
    rows: SealedRows,
    key_file: KeyFile,
    clock: Clock,
    tell: Told = lambda *_: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> tuple[int, int]:
    """
    Bring every ciphertext under the newest data key, and return its number and how many were rewritten.

    The newest is a fresh one, unless there is anything that is not under it yet: then an earlier rotation was cut
    short, and is finished. `tell` hears what is done, and how many times by now. Raises VaultError, BrokenFact,
    StoreUnavailable: what was rewritten until then stays.
    """
    keys = await rows.data_keys()
    newest = keys[-1]
    if len(keys) == 1 or not await _any_under_another(rows, newest.number):
        used_from = time_text(clock.now() + timedelta(seconds=ANNOUNCED_SECONDS))
        fresh = key_file.new_data_key(newest.number + 1)
        await rows.add_data_key(msgspec.structs.replace(fresh, used_from=used_from))
        keys = await rows.data_keys()
        newest = keys[-1]
    await _wait(newest, clock, tell, sleep)
    vault = Vault(key_file, keys)
    rewritten = 0
    for _ in range(_ROUNDS):
        found = 0
        for column in SEALED:
            async for batch in rows.batches(column):
                changes = [
                    (each, _again(vault, column, each))
                    for each in batch
                    if not each.ciphertext.startswith(vault.current)
                ]
                if changes:
                    found += len(changes)
                    rewritten += await rows.replace(column, changes)
                    tell("rewritten", rewritten)
        # What was written with the old key while the first round went on is met in the next.
        if not found:
            return newest.number, rewritten
    raise VaultError(
        "something still writes with an old data key: a server or worker of an earlier release. Replace it, and run"
        " this again"
    )


async def keep_learning(vault: Vault, read: Callable[[], Awaitable[Sequence[WrappedDataKey]]], clock: Clock) -> None:
    """Have the vault hear of new data keys, and use them when their time has come, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            vault.learn(await read(), time_text(clock.now()))
        except StoreUnavailable:
            # Nothing can be read now, whatever it was written with.
            continue
        except VaultError as fault:
            _log.error("data_key_not_readable", extra={"reason": str(fault)})


async def _wait(newest: WrappedDataKey, clock: Clock, tell: Told, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Return when everybody writes with that key, and whoever began with the one before has finished."""
    if not newest.used_from:
        return
    ready_at = read_time(newest.used_from) + timedelta(seconds=LOOK_SECONDS + _LAST_WRITES_SECONDS)
    while (left := (ready_at - clock.now()).total_seconds()) > 0:
        tell("seconds until all servers know the new key", round(left))
        await sleep(min(left, 1.0))


async def _any_under_another(rows: SealedRows, number: int) -> bool:
    name = Vault.name_of(number)
    for column in SEALED:
        async for batch in rows.batches(column):
            if any(not each.ciphertext.startswith(name) for each in batch):
                return True
    return False


def _again(vault: Vault, column: SealedColumn, sealed: Sealed) -> bytes:
    place = (column.table, column.column, sealed.row, sealed.merchant_id)
    return vault.encrypt(vault.decrypt(sealed.ciphertext, place), place)
