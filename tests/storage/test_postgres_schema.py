"""The schema on PostgreSQL: numbered steps, refused when it is not this release's, and found by keys."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from paydue.domain.errors import StoreUnavailable
from paydue.storage.errors import CannotOpenStore, SchemaMismatch, VaultError
from paydue.storage.migrate import Migration
from paydue.storage.postgres import changes, sessions, statements, writes
from paydue.storage.postgres.schema import MIGRATIONS, has_data_keys, migrate_database, require_server
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.sqlite.schema import MIGRATIONS as SQLITE_MIGRATIONS
from paydue.storage.vault import KeyFile, create_key_file
from postgres_server import PostgresServer, name_of
from storing import FixedClock, create

GOOD = Migration(len(MIGRATIONS) + 1, "good", "CREATE TABLE more (a TEXT); INSERT INTO more VALUES ('b');")
BAD = Migration(len(MIGRATIONS) + 2, "bad", "CREATE TABLE worse (a TEXT); INSERT INTO no_such_table VALUES (1);")


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    create_key_file(tmp_path / "other.key")
    return KeyFile.read(tmp_path / "other.key")


async def opened(url: str, key_file: KeyFile, **more: Any) -> PostgresStore:
    return await PostgresStore.open(url, key_file, FixedClock(), **more)


async def test_both_engines_have_the_same_steps() -> None:
    assert [(step.number, step.title) for step in MIGRATIONS] == [
        (step.number, step.title) for step in SQLITE_MIGRATIONS
    ]


async def test_migrating_tells_of_each_step_and_a_second_time_does_nothing(postgres_server: PostgresServer) -> None:
    url, told = postgres_server.new_database(), []

    assert await migrate_database(url, lambda step: told.append(step.number)) == len(MIGRATIONS)
    assert await migrate_database(url, lambda step: told.append(step.number)) == 0
    assert told == [step.number for step in MIGRATIONS]


async def test_four_who_migrate_at_once_apply_each_step_once(postgres_server: PostgresServer) -> None:
    url, steps = postgres_server.new_database(), [*MIGRATIONS, GOOD]

    await asyncio.gather(*(migrate_database(url, migrations=steps) for _ in range(4)))

    assert postgres_server.psql(name_of(url), "SELECT count(*) FROM more") == "1"
    assert postgres_server.psql(name_of(url), "SELECT count(*) FROM schema_migrations") == str(len(steps))


async def test_a_failing_step_leaves_nothing_and_those_before_it_stay(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()

    with pytest.raises(StoreUnavailable, match="no_such_table"):
        await migrate_database(url, migrations=[*MIGRATIONS, GOOD, BAD])

    tables = postgres_server.psql(name_of(url), "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r'")
    assert "more" in tables.split()
    assert "worse" not in tables.split()


async def test_a_step_does_not_wait_for_long_behind_a_locked_table_and_may_be_tried_again(
    postgres_server: PostgresServer,
) -> None:
    """Whoever waits for a table makes everybody else wait behind him: the nodes of the previous release above all."""
    url = postgres_server.new_database()
    await migrate_database(url)
    change = Migration(len(MIGRATIONS) + 1, "change", "ALTER TABLE invoices ADD COLUMN more TEXT")
    holding = await asyncpg.connect(postgres_server.url(name_of(url), "postgres"))
    await holding.execute("BEGIN; LOCK TABLE invoices IN ACCESS SHARE MODE")

    with pytest.raises(StoreUnavailable, match="stayed locked"):
        await migrate_database(url, migrations=[*MIGRATIONS, change])
    await holding.close()

    assert await migrate_database(url, migrations=[*MIGRATIONS, change]) == 1


async def test_nodes_of_the_previous_release_go_on_when_the_schema_is_newer(postgres: Any) -> None:
    more = Migration(len(MIGRATIONS) + 1, "more", "ALTER TABLE invoices ADD COLUMN more TEXT DEFAULT 'x'")

    await migrate_database(postgres.url, migrations=[*MIGRATIONS, more])

    assert await postgres.store.is_ready()
    invoice = await create(postgres.store.of("acme"), sent=True)
    assert await postgres.store.of("acme").invoice(invoice.number) == invoice


async def test_another_schema_is_refused_in_one_line(postgres_server: PostgresServer, key_file: KeyFile) -> None:
    url = postgres_server.new_database()
    with pytest.raises(SchemaMismatch, match="run `paydue migrate` first"):
        await opened(url, key_file)

    await migrate_database(url, migrations=[*MIGRATIONS, GOOD])

    for wish in (opened(url, key_file), migrate_database(url)):
        with pytest.raises(SchemaMismatch, match="install the newer release"):
            await wish


def test_an_older_server_is_refused() -> None:
    require_server([(150_000, "15.0")])
    with pytest.raises(CannotOpenStore, match=r"14\.9.*15 and newer"):
        require_server([(140_009, "14.9")])


async def test_a_database_refuses_another_key_file_and_is_known_to_need_its_own(
    postgres: Any, postgres_server: PostgresServer, key_file: KeyFile
) -> None:
    with pytest.raises(VaultError, match="this database needs key"):
        await opened(postgres.url, key_file)
    assert await has_data_keys(postgres.url)
    assert not await has_data_keys(postgres_server.new_database())


async def test_four_first_openings_at_once_agree_on_one_data_key(
    postgres_server: PostgresServer, postgres_template: str, key_file: KeyFile
) -> None:
    url = postgres_server.new_database(postgres_template)

    stores = await asyncio.gather(*(opened(url, key_file) for _ in range(4)))

    assert postgres_server.psql(name_of(url), "SELECT count(*) FROM data_keys") == "1"
    for store in stores:
        await store.close()


async def test_a_database_that_answers_before_it_is_safe_is_told_to_be_safe(
    postgres: Any, postgres_server: PostgresServer
) -> None:
    postgres_server.psql("postgres", f"ALTER DATABASE {name_of(postgres.url)} SET synchronous_commit = off")

    session = await sessions.connect(postgres.url)

    assert (await session.fetch("SHOW synchronous_commit"))[0][0] == "on"
    await session.close()


async def test_every_reading_statement_of_the_hot_path_uses_a_key(postgres: Any) -> None:
    """Their cost must not grow with the number of invoices: no scan of a table, and no sorting."""
    hot = {
        "invoice": (statements.INVOICE, "text, text"),
        "link": (statements.INVOICE_BY_LINK, "text, bytea"),
        "invoices": (statements.INVOICES, "text, text[], text[]"),
        "page": (statements.PAGE, "text, bigint, bigint"),
        "page_of_status": (statements.PAGE_OF_STATUS, "text, bigint, bigint, text"),
        "deep_page": (statements.DEEP_PAGE_OF_STATUS, "text, bigint, bigint, text, bigint, bigint"),
        "receipt": (statements.RECEIPT, "text, text"),
        "settings": (statements.SETTINGS, "text, text"),
        "key": (statements.KEY, "text, text"),
        "certificate": (statements.KEY_BY_CERTIFICATE, "text, bytea"),
        "counters": (changes.LOCK_COUNTERS, "text"),
        "names": (changes.USED_NAMES, "text[], text[], text[], text[]"),
        "has_receipt": (writes.HAS_RECEIPT, "text, text"),
    }
    session = await sessions.connect(postgres.url)
    for name, (statement, types) in hot.items():
        await session.run(f"PREPARE {name} ({types}) AS {statement}")
        nothing = ", ".join("NULL" for _ in types.split(","))
        plan = "\n".join(line for (line,) in await session.fetch(f"EXPLAIN EXECUTE {name} ({nothing})"))
        assert "Seq Scan" not in plan, plan
        if name != "counters":
            assert "Sort" not in plan, plan
    await session.close()
