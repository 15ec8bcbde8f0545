"""Row-level security: the second wall between merchants, which stands where a statement forgets the first."""

# ruff: noqa: S608 - the statements are written here

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from paydue.storage.postgres import sessions, statements
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.vault import KeyFile, create_key_file
from postgres_server import PostgresServer, name_of
from storing import FixedClock, assert_all_holds, create, everything


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    create_key_file(tmp_path / "other.key")
    return KeyFile.read(tmp_path / "other.key")


async def opened(url: str, key_file: KeyFile, **more: Any) -> PostgresStore:
    return await PostgresStore.open(url, key_file, FixedClock(), **more)


async def test_a_session_sees_only_the_merchants_that_it_named(postgres: Any) -> None:
    store = postgres.store
    for name in ("acme", "zeta"):
        await create(store.of(name), sent=True)
    session = await sessions.connect(postgres.url)
    walled = [
        name
        for (name,) in await session.fetch(
            "SELECT table_name FROM information_schema.columns"
            " WHERE column_name = 'merchant_id' AND table_schema = current_schema() ORDER BY 1"
        )
    ]
    assert {"invoices", "events", "outbox", "merchants", "payment_links", "access_keys"} < set(walled)
    for table in walled:
        count = f"SELECT count(*) FROM {table} WHERE merchant_id = 'zeta'"
        await session.run("SET paydue.merchants = 'acme'")
        assert (await session.fetch(count))[0][0] == 0, table
        await session.run("RESET paydue.merchants")
        assert (await session.fetch(f"SELECT count(*) FROM {table}"))[0][0] == 0, table
    await session.run("SET paydue.merchants = 'acme'")
    assert (await session.fetch("SELECT count(*) FROM invoices"))[0][0] == 1
    for statement in (
        "INSERT INTO events VALUES ('zeta', 1, 9, 'x', 'x', 'x', 'x', NULL)",
        "UPDATE invoices SET merchant_id = 'zeta', serial = 7",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await session.run(statement)
    await session.run("UPDATE invoices SET customer_name = 'Mallory' WHERE merchant_id = 'zeta'")
    await session.run("DELETE FROM invoices WHERE merchant_id = 'zeta'")
    await session.run("RESET paydue.merchants")
    await session.close()
    assert (await store.of("zeta").invoice("1")).terms.customer.name == "Tanya Lee"
    await assert_all_holds(store)


async def test_a_statement_that_forgets_the_merchant_is_stopped_by_the_wall(postgres: Any) -> None:
    store = postgres.store
    await create(store.of("acme"), "1")
    await create(store.of("zeta"), "1")
    forgetful = statements.INVOICE.replace("merchant_id = wall.merchant_id AND", "wall.merchant_id <> '' AND")
    assert forgetful != statements.INVOICE

    assert len(await store._readers.read(forgetful, "acme", "1")) == 1
    assert len(await store._readers.read(forgetful, "*", "1")) == 2
    assert await store._readers.read("SELECT 1 FROM invoices") == [], "the wall fell with the statement"


async def test_a_role_that_walls_do_not_bind_is_warned_of(
    postgres: Any, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres_server.url(name_of(postgres.url), "postgres")

    await (await opened(url, KeyFile.read(postgres.key_path))).close()

    assert "BYPASSRLS" in caplog.text


async def test_a_wall_that_somebody_took_down_is_found(postgres: Any) -> None:
    postgres.psql("ALTER TABLE payments NO FORCE ROW LEVEL SECURITY")

    findings = await everything(postgres.store.verify())

    assert [(finding.rule, finding.found) for finding in findings] == [
        ("database", "row-level security of payments is switched off")
    ]
