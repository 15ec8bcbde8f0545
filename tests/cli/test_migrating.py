"""A database of another schema: every command says so in one line, and which command mends it."""

import asyncio
from pathlib import Path

import apsw
import pytest

from paydue.storage.postgres.schema import MIGRATIONS as POSTGRES_MIGRATIONS
from paydue.storage.postgres.schema import migrate_database
from paydue.storage.sqlite.schema import MIGRATIONS, migrate_file
from postgres_server import PostgresServer, name_of
from running import paydue, run_paydue

COMMANDS = (("serve", "--port", "0"), ("verify",))


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_an_older_schema_is_refused_by_all_and_mended_with_progress(
    engine: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    where = a_place(engine, tmp_path, postgres_server)
    paydue("init", *where)
    make_older(engine, where)

    for command in COMMANDS:
        refused = run_paydue(*command, *where)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
        assert "run `paydue migrate` first" in refused.stderr

    mended = run_paydue("migrate", *where)
    assert mended.stdout == "1 migrations applied.\n"
    assert mended.stderr.startswith(f"migration {len(MIGRATIONS)}: ")
    assert paydue("migrate", *where, "--json") == {"applied": 0}
    assert paydue("verify", *where, "--json")["holds"]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_newer_schema_is_refused_by_all_also_by_migrate(
    engine: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    where = a_place(engine, tmp_path, postgres_server)
    paydue("init", *where)
    change(
        engine, where, "INSERT INTO schema_migrations (number, title, applied_at) VALUES (999, 'later', '2030-01-01')"
    )

    for command in (*COMMANDS, ("migrate",)):
        refused = run_paydue(*command, *where)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
        assert "install the newer release" in refused.stderr


def a_place(engine: str, folder: Path, server: PostgresServer) -> list[str]:
    database = ["--database", server.new_database()] if engine == "postgresql" else []
    return ["--data", str(folder / "data"), *database]


def make_older(engine: str, where: list[str]) -> None:
    """Put a database in its place that the release before this one has made."""
    if engine == "postgresql":
        change(engine, where, "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION paydue")
        asyncio.run(migrate_database(where[-1], migrations=POSTGRES_MIGRATIONS[:-1]))
    else:
        path = Path(where[1]) / "paydue.db"
        path.unlink()
        asyncio.run(migrate_file(path, migrations=MIGRATIONS[:-1]))


def change(engine: str, where: list[str], statement: str) -> None:
    if engine == "sqlite":
        connection = apsw.Connection(str(Path(where[1]) / "paydue.db"))
        connection.execute(statement)
        connection.close()
        return
    _, _, port_and_name = where[-1].rpartition(":")
    server = PostgresServer(Path("/"))
    server.port = int(port_and_name.partition("/")[0])
    server.psql(name_of(where[-1]), statement)
