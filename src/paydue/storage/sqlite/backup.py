"""
A copy of a SQLite file as of one moment, taken while others write, and looked at before it counts.

Pages are copied and not rows: what is damaged in the one would be in the other, so the copy is checked from end to end.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw
import msgspec

from paydue.domain.errors import StoreUnavailable
from paydue.storage.errors import CannotOpenStore
from paydue.storage.migrate import require_current
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Engine, connect
from paydue.storage.sqlite.schema import MIGRATIONS, schema_number

_PAGES_AT_ONCE: Final = 2048

Told = Callable[[int, int], None]


class CannotBackUp(CannotOpenStore):
    """No backup was made; the text says why and what to do."""


class Backup(msgspec.Struct, frozen=True):
    """A file that is a whole database: so many bytes, of that schema."""

    bytes: int
    schema: int


def back_up_file(path: Path, target: Path, tell: Told = lambda *_: None, *, replaces: bool = False) -> Backup:
    """
    Copy the database at `path` to `target`, where it appears whole, durable, and readable by this user alone.

    A server that has it open goes on. `tell` hears how many pages have been copied, of how many. Raises CannotBackUp
    when there is a file already, unless the copy `replaces` it, and when the copy is damaged; SchemaMismatch for a
    database of another release; DatabaseMissing; StoreUnavailable; OSError.
    """
    if target.exists() and not replaces:
        raise CannotBackUp(f"{target} is there already: name another file, or add --force to replace it")
    if target.exists() and target.samefile(path):
        raise CannotBackUp(f"{target} is the database itself: name another file")
    schema = _schema_of(path)
    made = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        try:
            _copy(path, made, tell)
            _check(made, path)
        except apsw.Error as error:
            raise StoreUnavailable(f"{path}: {error}") from error
        size = made.stat().st_size
        _make_durable(made)
        made.replace(target)
        _make_durable(target.absolute().parent)
    finally:
        for suffix in ("", "-wal", "-shm"):
            made.with_name(made.name + suffix).unlink(missing_ok=True)
    return Backup(size, schema)


def _schema_of(path: Path) -> int:
    engine = Engine(path, serves=False)
    try:
        number = schema_number(engine)
    finally:
        engine.close()
    require_current(number, len(MIGRATIONS))
    return number


def _copy(path: Path, made: Path, tell: Told) -> None:
    source, copy = connect(path), apsw.Connection(os.fspath(made))
    try:
        # One moment for all pages: without it, each write of another process would begin the copy anew.
        source.execute("BEGIN")
        source.execute(sql.HAS_SCHEMA).fetchall()
        with copy.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(_PAGES_AT_ONCE)
                tell(backup.page_count - backup.remaining, backup.page_count)
    finally:
        copy.close()
        source.close(True)


def _check(made: Path, path: Path) -> None:
    copy = connect(made)
    try:
        faults = [line for (text,) in copy.execute(sql.INTEGRITY) for line in text.splitlines() if line != "ok"]
    finally:
        copy.close()
    if faults:
        raise CannotBackUp(
            f"{path} is damaged, and no backup was made of it: {faults[-1]}, one of {len(faults)} faults or more; keep"
            " it, and restore the last backup that is well"
        )


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
