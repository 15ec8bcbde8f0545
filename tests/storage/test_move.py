"""Moving between databases: everything arrives, is proved to, and nothing counts before."""

# ruff: noqa: S608 - the names put into statements are those that the schema itself gave.

import asyncio
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from paydue.bootstrap import SystemSecrets
from paydue.bootstrap.moving import move_store
from paydue.cli.sample_books import SampleBooks
from paydue.config import Config
from paydue.storage.errors import DatabaseInUse, DatabaseMissing, SchemaMismatch, VaultError
from paydue.storage.move import LEFT_OUT, OWN_COLUMNS, CannotMove, MovedTable
from paydue.storage.postgres.schema import MIGRATIONS as POSTGRES_MIGRATIONS
from paydue.storage.postgres.schema import migrate_database
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.postgres.tables import PostgresTables, source_database
from paydue.storage.sqlite.schema import MIGRATIONS, migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.sqlite.tables import source_file
from paydue.storage.vault import KeyFile, create_key_file
from postgres_server import PostgresServer, name_of
from storing import FixedClock, assert_all_holds, create

COUNT = 600
SOMETHING = {"INTEGER": 1, "TEXT": "naïve\u2028é", "BLOB": b"\x00\xff"}


@pytest.fixture
async def filled(sqlite: Any) -> Any:
    """A SQLite installation with a row in every table, closed."""
    bulk = await sqlite.store.open_bulk()
    for merchant_id in ("zeta", "acme"):
        books = SampleBooks(COUNT, seed=7, now=datetime(2026, 5, 5, tzinfo=UTC), secrets=SystemSecrets())
        await bulk.keep(merchant_id, list(books.lives()))
    await bulk.close()
    await sqlite.store.close()
    fill_what_is_empty(sqlite.path)
    yield sqlite
    await sqlite.open()


def fill_what_is_empty(path: Path) -> None:
    """Put a row into every table that has none, of whatever its columns take: a new table is met here too."""
    with closing(apsw.Connection(str(path))) as connection:
        for table in tables_of(connection):
            if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall():
                continue
            columns = connection.execute("SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,))
            values = {name: SOMETHING[type_] for name, type_ in columns}
            values |= {name: "acme" for name in values if name == "merchant_id"}
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def tables_of(connection: apsw.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()]


def configs(installation: Any, *databases: str) -> list[Config]:
    """Return the configurations of one installation on these databases."""
    return [
        Config(data=installation.key_path.parent, key_file=installation.key_path, database=database)
        for database in databases
    ]


def of_file(path: Path) -> str:
    return f"sqlite:///{path}"


async def moved(source: Config, target: Config) -> list[MovedTable]:
    return await move_store(source, target, lambda *_: None)


async def test_everything_goes_to_postgresql_and_back_and_is_the_same(
    filled: Any, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url, back = postgres_server.new_database(), tmp_path / "back.db"
    before = filled.path.read_bytes()
    here, there, again = configs(filled, of_file(filled.path), url, of_file(back))

    sent = await moved(here, there)
    returned = await moved(there, again)

    assert sorted(sent, key=str) == sorted(returned, key=str)
    assert filled.path.read_bytes() == before
    assert dump(back) == dump(filled.path)
    assert back.stat().st_mode & 0o077 == 0
    store = await PostgresStore.open(url, KeyFile.read(filled.key_path), FixedClock())
    assert [merchant.merchant_id for merchant in await store.merchants()] == ["acme", "zeta"]
    await store.close()


def dump(path: Path) -> dict[str, list[Any]]:
    """Return every row of every table, but for when migrations were applied."""
    with closing(apsw.Connection(str(path))) as connection:
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for name in tables_of(connection)
            if name != "schema_migrations"
        }


async def test_no_table_and_no_column_is_forgotten(filled: Any, postgres_server: PostgresServer) -> None:
    """A table that a migration adds is moved without a word; one that is not has to be named with its reason."""
    url = postgres_server.new_database()
    sent = {table.name: table.rows for table in await moved(*configs(filled, of_file(filled.path), url))}

    with closing(apsw.Connection(str(filled.path))) as connection:
        ours = {name: connection.execute(f"SELECT count(*) FROM {name}").get for name in tables_of(connection)}
    assert min(ours.values()) > 0, "the test has to have a row in every table"
    assert {name: rows for name, rows in ours.items() if name not in LEFT_OUT} == sent
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    theirs = postgres_server.psql(name_of(url), tables)
    assert set(theirs.split()) - LEFT_OUT == set(sent)
    async with source_file(filled.path) as left, source_database(url) as right:
        shapes = {shape.name: shape.columns for shape in await left.shapes()}
        assert shapes == {shape.name: shape.columns for shape in await right.shapes() if shape.name in shapes}
    own = {table for table, _ in OWN_COLUMNS}
    assert own == {"invoices", "merchants", "outbox"}


async def test_what_was_moved_works_on(filled: Any, postgres_server: PostgresServer, tmp_path: Path) -> None:
    url, back = postgres_server.new_database(), tmp_path / "back.db"
    # What was put in by hand so that no table is empty belongs to nothing.
    unfill(filled.path)
    await moved(*configs(filled, of_file(filled.path), url))
    key_file, clock = KeyFile.read(filled.key_path), FixedClock()

    there = await PostgresStore.open(url, key_file, clock)
    await assert_all_holds(there)
    assert (await create(there.of("acme"), sent=True)).serial == COUNT + 1
    await there.close()
    await moved(*configs(filled, url, of_file(back)))
    here = await SqliteStore.open(back, key_file, clock, serves=True)
    await assert_all_holds(here)
    assert (await create(here.of("acme"), sent=True)).serial == COUNT + 2
    assert (await here.of("zeta").invoice("17")) is not None
    await here.close()


def unfill(path: Path) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        for name in tables_of(connection):
            if connection.execute(f"SELECT count(*) FROM {name}").get == 1 and name != "data_keys":
                connection.execute(f"DELETE FROM {name}")


async def test_a_move_that_is_killed_leaves_nothing_and_is_begun_again(
    filled: Any, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url, back = postgres_server.new_database(), tmp_path / "back.db"
    for source, target in ((of_file(filled.path), url), (url, of_file(back))):
        here, there = configs(filled, source, target)
        for batches in (3, 9):
            killed = await asyncio.to_thread(killed_move, filled.key_path, source, target, batches)
            assert killed == -signal.SIGKILL
            assert not back.exists()
        assert await moved(here, there)
    assert files_of(back) == {"back.db", "back.db.lock"}
    assert dump(back) == dump(filled.path)


def files_of(path: Path) -> set[str]:
    """Return the names of a database's file and of all that stand beside it because of it."""
    return {each.name for each in path.parent.glob(f"{path.stem}*")}


def killed_move(key_path: Path, source: str, target: str, batches: int) -> int:
    """Begin a move that is killed after so many batches, and return how its process ended."""
    command = [sys.executable, "-c", KILLED, str(key_path), source, target, str(batches)]
    return subprocess.run(command, check=False).returncode


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from paydue.bootstrap.moving import move_store
from paydue.config import Config

key, source, target, batches = sys.argv[1:]
here, there = (Config(data=Path(key).parent, key_file=Path(key), database=url) for url in (source, target))
told = []

def tell(step, table, done, total):
    told.append(table)
    if len(told) > int(batches):
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(move_store(here, there, tell))
"""


async def test_a_source_that_is_served_is_refused(filled: Any, postgres_server: PostgresServer, tmp_path: Path) -> None:
    url, new = postgres_server.new_database(), tmp_path / "new.db"
    await moved(*configs(filled, of_file(filled.path), url))

    serving = await filled.open()
    with pytest.raises(DatabaseInUse, match="stop that one first"):
        await moved(*configs(filled, of_file(filled.path), of_file(new)))
    await serving.close()
    serving = await PostgresStore.open(url, KeyFile.read(filled.key_path), FixedClock())
    with pytest.raises(DatabaseInUse, match="stop every server and worker"):
        await moved(*configs(filled, url, of_file(new)))
    await serving.close()

    assert files_of(new) == set()


async def test_nobody_writes_into_a_source_while_it_is_read(filled: Any, postgres_server: PostgresServer) -> None:
    async with source_file(filled.path):
        with closing(apsw.Connection(str(filled.path))) as beside, pytest.raises(apsw.BusyError):
            beside.execute("BEGIN IMMEDIATE")
    url = postgres_server.new_database()
    await moved(*configs(filled, of_file(filled.path), url))
    async with source_database(url):
        writing = "SET lock_timeout = '100ms'; SET paydue.merchants = '*'; UPDATE merchants SET next_number = 9"
        with pytest.raises(AssertionError, match="lock timeout"):
            await asyncio.to_thread(postgres_server.psql, name_of(url), writing)


async def test_a_target_with_anything_in_it_is_refused_and_left_alone(
    filled: Any, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url, copy = postgres_server.new_database(), tmp_path / "copy.db"
    copy.write_bytes(filled.path.read_bytes())
    await migrate_database(url)
    postgres_server.psql(name_of(url), "INSERT INTO merchants (merchant_id, document) VALUES ('mine', '{}')")

    for target in (url, of_file(copy)):
        with pytest.raises(CannotMove, match=r"not empty: \w+ has rows"):
            await moved(*configs(filled, of_file(filled.path), target))
    with pytest.raises(CannotMove, match="same database"):
        await moved(*configs(filled, of_file(copy), of_file(copy)))

    assert postgres_server.psql(name_of(url), "SELECT merchant_id FROM merchants") == "mine"
    assert copy.read_bytes() == filled.path.read_bytes()


async def test_a_target_that_was_only_made_is_taken(
    filled: Any, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url, made = postgres_server.new_database(), tmp_path / "made.db"
    await migrate_database(url)
    await (await PostgresStore.open(url, KeyFile.read(filled.key_path), FixedClock())).close()
    await migrate_file(made)

    await moved(*configs(filled, of_file(filled.path), url))
    await moved(*configs(filled, url, of_file(made)))

    assert dump(made) == dump(filled.path)


async def test_another_schema_on_either_side_is_refused(
    filled: Any, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    old_url, old_path = postgres_server.new_database(), tmp_path / "old.db"
    await migrate_database(old_url, migrations=POSTGRES_MIGRATIONS[:-1])
    await migrate_file(old_path, migrations=MIGRATIONS[:-1])
    new = of_file(tmp_path / "new.db")

    for source, target in ((old_url, new), (of_file(old_path), new), (of_file(filled.path), of_file(old_path))):
        with pytest.raises(SchemaMismatch, match="paydue migrate"):
            await moved(*configs(filled, source, target))
    with pytest.raises(DatabaseMissing):
        await moved(*configs(filled, of_file(tmp_path / "nowhere.db"), new))


async def test_secrets_of_another_key_file_are_refused_before_anything_is_moved(filled: Any, tmp_path: Path) -> None:
    create_key_file(tmp_path / "other.key")
    here, there = configs(filled, of_file(filled.path), of_file(tmp_path / "new.db"))
    here = Config(data=here.data, key_file=tmp_path / "other.key", database=here.database)

    with pytest.raises(VaultError, match="this database needs key"):
        await moved(here, there)


async def test_what_arrives_damaged_is_found_by_its_checksum_and_not_kept(
    filled: Any, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, add = postgres_server.new_database(), PostgresTables.add

    async def lose(self: PostgresTables, shape: Any, rows: Any) -> None:
        if shape.name == "payments":
            place = shape.columns.index("amount")
            rows = [(*row[:place], "0.01", *row[place + 1 :]) if n == 5 else row for n, row in enumerate(rows)]
        await add(self, shape, rows)

    monkeypatch.setattr(PostgresTables, "add", lose)
    with pytest.raises(CannotMove, match=r"payments: .* Nothing was kept"):
        await moved(*configs(filled, of_file(filled.path), url))

    assert postgres_server.psql(name_of(url), "SELECT count(*) FROM invoices") == "0"
