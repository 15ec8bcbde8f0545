"""The write-ahead log of SQLite stays short while commits go on, whoever reads meanwhile and whatever the disk says."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import apsw
import pytest

from paydue.storage.sqlite import checkpoints
from paydue.storage.sqlite.checkpoints import Checkpoints
from storing import assert_all_holds, create

PAGE = 8192
FRAME = PAGE + 24


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "GROWN_PAGES", 20)
    monkeypatch.setattr(checkpoints, "_LONGEST_PAGES", 160)


def log_pages(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size // FRAME


async def fill(store: Any, count: int) -> None:
    """One commit each."""
    for _ in range(count):
        await create(store.of("acme"), sent=True)


@pytest.mark.usefixtures("small")
async def test_the_log_begins_anew_while_commits_go_on(sqlite: Any) -> None:
    await sqlite.reopen()
    await fill(sqlite.store, 60)
    # The file never shrinks before the end: what it has grown to is the longest that it ever was.
    assert log_pages(sqlite.path) < 300, "some ten pages a commit: without copying it would be more than 500"
    await assert_all_holds(sqlite.store)


@pytest.mark.usefixtures("small")
async def test_commits_that_never_pause_wait_for_a_copy_in_the_end(
    sqlite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The thread finds nothing to do, as if it never caught up.
    monkeypatch.setattr(Checkpoints, "_run", lambda self: None)
    await sqlite.reopen()
    await fill(sqlite.store, 60)
    assert log_pages(sqlite.path) < 300


@pytest.mark.usefixtures("small")
async def test_somebody_who_reads_for_long_keeps_nobody_waiting(sqlite: Any) -> None:
    await sqlite.reopen()
    await fill(sqlite.store, 3)
    with sqlite.store._engine.snapshot() as snapshot:
        before = snapshot.read("SELECT count(*) FROM invoices")
        await asyncio.wait_for(fill(sqlite.store, 40), 30)
        assert snapshot.read("SELECT count(*) FROM invoices") == before
    grown = log_pages(sqlite.path)
    await fill(sqlite.store, 60)
    assert log_pages(sqlite.path) < grown + 200, "once nobody reads what is old, the log begins anew"
    await assert_all_holds(sqlite.store)


async def test_what_was_kept_is_whole_after_the_end(sqlite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "GROWN_PAGES", 1)
    await sqlite.reopen()
    await asyncio.gather(*(create(sqlite.store.of("acme"), sent=True) for _ in range(50)))
    await sqlite.reopen()
    assert (await sqlite.store.of("acme").page(0, 1, None)).total == 50
    await assert_all_holds(sqlite.store)


class Failing:
    """A connection to a disk that has no room for the pages."""

    def __init__(self, failure: apsw.Error) -> None:
        self.failure = failure

    def wal_checkpoint(self, **_: Any) -> tuple[int, int]:
        raise self.failure


@pytest.mark.parametrize(("failure", "told"), [(apsw.FullError("disk full"), True), (apsw.BusyError("busy"), False)])
async def test_a_copy_that_fails_is_told_and_fails_no_commit(
    sqlite: Any, caplog: pytest.LogCaptureFixture, failure: apsw.Error, told: bool
) -> None:
    await sqlite.reopen()
    with caplog.at_level(logging.WARNING):
        assert sqlite.store._engine._checkpoints._copy(Failing(failure)) is False
    assert ("checkpoint_failed" in caplog.text) is told
    await fill(sqlite.store, 1)
