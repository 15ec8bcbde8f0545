"""Schemas: built by numbered steps, each whole, and refused when they are not this release's."""

import asyncio
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest

from paydue.domain.errors import StoreUnavailable
from paydue.storage.errors import DatabaseInUse, DatabaseMissing, SchemaMismatch, VaultError
from paydue.storage.migrate import Migration, migrate, migrations_of, require_current
from paydue.storage.sqlite import engine
from paydue.storage.sqlite.schema import MIGRATIONS, migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from storing import FixedClock

GOOD = Migration(len(MIGRATIONS) + 1, "good", "CREATE TABLE more (a TEXT) STRICT; INSERT INTO more VALUES ('b');")
BAD = Migration(len(MIGRATIONS) + 2, "bad", "CREATE TABLE worse (a TEXT) STRICT; INSERT INTO no_such_table VALUES (1);")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "paydue.db"


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    create_key_file(tmp_path / "key")
    return KeyFile.read(tmp_path / "key")


async def opened(path: Path, key_file: KeyFile, *, serves: bool = False) -> SqliteStore:
    return await SqliteStore.open(path, key_file, FixedClock(), serves=serves)


def make_empty(path: Path) -> None:
    path.touch(mode=0o600)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files(folder: Path) -> set[Path]:
    return set(folder.iterdir())


def tables(path: Path) -> set[str]:
    connection = apsw.Connection(str(path))
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    finally:
        connection.close()


async def test_migrating_tells_of_each_step_and_a_second_time_does_nothing(path: Path) -> None:
    told: list[str] = []

    applied = await migrate_file(path, lambda migration: told.append(f"{migration.number} {migration.title}"))

    assert applied == len(MIGRATIONS)
    assert told[0] == "1 first"
    assert await migrate_file(path, lambda _: told.append("again")) == 0
    assert "again" not in told


async def test_the_file_is_for_its_owner_alone_and_can_be_read_while_it_is_written(path: Path) -> None:
    old_mask = os.umask(0)
    try:
        await migrate_file(path)
    finally:
        os.umask(old_mask)

    assert mode(path) == 0o600
    connection = apsw.Connection(str(path))
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("page_size") == 8192
    connection.close()


async def test_a_file_whose_maker_died_at_once_is_made_all_the_same(path: Path) -> None:
    make_empty(path)

    await migrate_file(path)

    connection = apsw.Connection(str(path))
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("page_size") == 8192
    connection.close()


async def test_a_failing_step_leaves_nothing_and_those_before_it_stay(path: Path) -> None:
    with pytest.raises(apsw.SQLError):
        await migrate_file(path, migrations=[*MIGRATIONS, GOOD, BAD])

    assert "more" in tables(path)
    assert "worse" not in tables(path)
    assert await migrate_file(path, migrations=[*MIGRATIONS, GOOD]) == 0


async def test_two_who_migrate_at_once_apply_each_step_once(path: Path) -> None:
    migrations = [*MIGRATIONS, GOOD]
    await asyncio.gather(*(migrate_file(path, migrations=migrations) for _ in range(4)))

    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT count(*) FROM more").get == 1
    assert connection.execute("SELECT count(*) FROM schema_migrations").get == len(migrations)
    connection.close()


async def test_a_file_that_stays_locked_is_told_of_and_may_be_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_LOCK_WAIT_SECONDS", 0.05)
    await migrate_file(path)
    holding = apsw.Connection(str(path))
    holding.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="stayed locked"):
        await migrate_file(path, migrations=[*MIGRATIONS, GOOD])
    holding.close()

    assert await migrate_file(path, migrations=[*MIGRATIONS, GOOD]) == 1


async def test_a_server_of_the_previous_release_goes_on_when_the_schema_is_newer(path: Path, key_file: KeyFile) -> None:
    await migrate_file(path)
    serving = await opened(path, key_file, serves=True)

    await migrate_file(path, migrations=[*MIGRATIONS, GOOD])

    assert await serving.is_ready()
    await serving.close()


async def test_an_older_schema_is_refused_and_the_command_named(path: Path, key_file: KeyFile) -> None:
    await migrate_file(path, migrations=[])

    with pytest.raises(SchemaMismatch, match="run `paydue migrate` first"):
        await opened(path, key_file)


async def test_a_newer_schema_is_refused_by_opening_and_by_migrating(path: Path, key_file: KeyFile) -> None:
    await migrate_file(path, migrations=[*MIGRATIONS, GOOD])

    for wish in (opened(path, key_file), migrate_file(path)):
        with pytest.raises(SchemaMismatch, match="install the newer release"):
            await wish


async def test_a_missing_database_is_refused_and_not_made(path: Path, key_file: KeyFile, tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing, match="run `paydue init` first"):
        await opened(path, key_file)
    assert tmp_path.joinpath("paydue.db") not in files(tmp_path)


async def test_a_file_can_be_served_once_while_commands_work_beside(path: Path, key_file: KeyFile) -> None:
    await migrate_file(path)
    serving = await opened(path, key_file, serves=True)
    beside = await opened(path, key_file)

    with pytest.raises(DatabaseInUse, match="Another Paydue process serves"):
        await opened(path, key_file, serves=True)

    assert await beside.is_ready()
    await beside.close()
    await serving.close()
    await (await opened(path, key_file, serves=True)).close()


async def test_a_database_refuses_another_key_file(path: Path, key_file: KeyFile, tmp_path: Path) -> None:
    await migrate_file(path)
    await (await opened(path, key_file)).close()
    create_key_file(tmp_path / "other")

    with pytest.raises(VaultError, match="this database needs key"):
        await opened(path, KeyFile.read(tmp_path / "other"))
    await (await opened(path, key_file, serves=True)).close()


async def test_two_first_openings_at_once_agree_on_one_data_key(path: Path, key_file: KeyFile) -> None:
    await migrate_file(path)

    stores = await asyncio.gather(*(opened(path, key_file) for _ in range(4)))

    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT count(*) FROM data_keys").get == 1
    connection.close()
    for store in stores:
        await store.close()


def test_migrations_are_numbered_without_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name in ("0001_one.sql", "0003_three.sql", "notes.txt"):
        (folder / name).write_text("SELECT 1;")
    monkeypatch.setattr("paydue.storage.migrate.resources", SimpleNamespace(files=lambda _: tmp_path))

    with pytest.raises(ValueError, match="not numbered"):
        migrations_of("any")
    (folder / "0002_two_more.sql").write_text("SELECT 2;")
    assert [migration.title for migration in migrations_of("any")] == ["one", "two more", "three"]


async def test_an_engine_is_asked_for_its_number_and_given_only_what_is_missing() -> None:
    applied: list[int] = []

    class Schema:
        async def number(self) -> int:
            return 1

        async def apply(self, migration: Migration) -> None:
            applied.append(migration.number)

    migrations = [Migration(number, "", "") for number in (1, 2, 3)]

    assert await migrate(Schema(), migrations) == 2
    assert applied == [2, 3]
    require_current(3, 3)
