"""An index is built beside the writers, and a runner that was killed in the middle costs nothing but another run."""

# ruff: noqa: S608 - the statements are written here

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from paydue.storage.migrate import Migration
from paydue.storage.postgres.index_builds import IndexStep, index_steps
from paydue.storage.postgres.schema import MIGRATIONS, migrate_database
from storing import create

NUMBER = len(MIGRATIONS) + 1
SQL = """
-- What lists by customer will look for; a comment; with a semicolon.
CREATE INDEX CONCURRENTLY invoices_by_customer ON invoices (merchant_id, merchant_customer_id, serial)
    WHERE merchant_customer_id IS NOT NULL;
"""
BUILDING = Migration(NUMBER, "by customer", SQL)
STEPS = [*MIGRATIONS, BUILDING]
IS_FINISHED = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'invoices_by_customer'::regclass"
APPLIED = f"SELECT count(*) FROM schema_migrations WHERE number = {NUMBER}"
BUILDER = "SELECT pid FROM pg_stat_progress_create_index"
RUNNER = f"""
import asyncio, sys
from paydue.storage.migrate import Migration
from paydue.storage.postgres.schema import MIGRATIONS, migrate_database
step = Migration({NUMBER}, "by customer", {SQL!r})
asyncio.run(migrate_database(sys.argv[1], migrations=[*MIGRATIONS, step]))
"""


@asynccontextmanager
async def an_old_transaction(postgres: Any) -> AsyncIterator[None]:
    """Keep a view of the table open, which every build has to wait for: so each stays in its middle."""
    holding = await asyncpg.connect(postgres.server.url(postgres.url.rpartition("/")[2], "postgres"))
    try:
        await holding.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await holding.fetch("SELECT count(*) FROM invoices")
        yield
    finally:
        await holding.close()


async def building(postgres: Any) -> str:
    """Return the server process that builds, once it has begun and waits."""
    async with asyncio.timeout(20):
        while not (pid := await asyncio.to_thread(postgres.psql, BUILDER + " WHERE phase LIKE 'waiting%'")):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    return str(pid)


async def test_writers_go_on_while_an_index_is_built(postgres: Any) -> None:
    acme = postgres.store.of("acme")
    await create(acme)
    async with an_old_transaction(postgres):
        migrating = asyncio.create_task(migrate_database(postgres.url, migrations=STEPS))
        await building(postgres)

        for _ in range(50):
            await create(acme, sent=True)
        # Longer than any other step waits for a table.
        assert not (await asyncio.wait((migrating,), timeout=3.5))[0]
        assert (await create(acme)).number == "52"
        assert postgres.psql(APPLIED) == "0"

    assert await migrating == 1
    assert (postgres.psql(IS_FINISHED), postgres.psql(APPLIED)) == ("t", "1")


async def test_a_build_that_the_server_goes_on_with_is_waited_for(postgres: Any) -> None:
    command = (sys.executable, "-c", RUNNER, postgres.url)
    async with an_old_transaction(postgres):
        runner = await asyncio.create_subprocess_exec(*command)
        await building(postgres)
        made = postgres.psql("SELECT 'invoices_by_customer'::regclass::oid")
        runner.kill()
        await runner.wait()
        again = asyncio.create_task(migrate_database(postgres.url, migrations=STEPS))
        assert not (await asyncio.wait((again,), timeout=1))[0]

    assert await again == 1
    assert postgres.psql("SELECT 'invoices_by_customer'::regclass::oid") == made
    assert (postgres.psql(IS_FINISHED), postgres.psql(APPLIED)) == ("t", "1")


async def test_an_index_that_was_left_unfinished_is_dropped_and_built_again(postgres: Any) -> None:
    command = (sys.executable, "-c", RUNNER, postgres.url)
    async with an_old_transaction(postgres):
        runner = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
        postgres.psql(f"SELECT pg_terminate_backend({await building(postgres)})")
        assert await runner.wait() != 0
        left = postgres.psql("SELECT 'invoices_by_customer'::regclass::oid")
        assert (postgres.psql(IS_FINISHED), postgres.psql(APPLIED)) == ("f", "0")

    assert await migrate_database(postgres.url, migrations=STEPS) == 1
    assert postgres.psql("SELECT 'invoices_by_customer'::regclass::oid") != left
    assert (postgres.psql(IS_FINISHED), postgres.psql(APPLIED)) == ("t", "1")


async def test_four_who_build_at_once_end_with_one_index(postgres: Any) -> None:
    await create(postgres.store.of("acme"))

    await asyncio.gather(*(migrate_database(postgres.url, migrations=STEPS) for _ in range(4)))

    assert (postgres.psql(IS_FINISHED), postgres.psql(APPLIED)) == ("t", "1")
    assert postgres.psql("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0"


async def test_an_index_is_dropped_beside_the_writers_too(postgres: Any) -> None:
    dropping = Migration(NUMBER + 1, "drop", "DROP INDEX CONCURRENTLY IF EXISTS invoices_by_customer;")

    assert await migrate_database(postgres.url, migrations=[*STEPS, dropping]) == 2

    assert postgres.psql("SELECT to_regclass('invoices_by_customer') IS NULL") == "t"


def test_a_migration_is_either_of_index_builds_or_a_transaction() -> None:
    (step,) = index_steps(SQL)
    assert step == IndexStep("invoices_by_customer", step.sql)
    assert index_steps("CREATE TABLE more (a TEXT); -- not CONCURRENTLY\nCREATE INDEX more_by_a ON more (a);") == []
    for other in ("CREATE TABLE more (a TEXT)", "INSERT INTO merchants VALUES (1)", "DROP INDEX CONCURRENTLY more"):
        with pytest.raises(ValueError, match="nothing else"):
            index_steps(f"{SQL}\n{other};")


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda each: each.title)
def test_every_migration_can_be_taken(migration: Migration) -> None:
    index_steps(migration.sql)
