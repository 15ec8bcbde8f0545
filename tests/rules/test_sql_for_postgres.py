"""
The PostgreSQL engine's SQL keeps the road to engines open that spread a database over many servers.

They speak PostgreSQL but refuse, or make slow, what is forbidden here; and they need keys that start with the tenant.
"""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOM: Final = Path(__file__).parents[2] / "src" / "paydue" / "storage" / "postgres"
MIGRATIONS: Final = sorted((ROOM / "migrations").glob("*.sql"))
MODULES: Final = sorted(ROOM.glob("*.py"))

FORBIDDEN: Final = {
    "a sequence of the whole installation":
        r"\b(big|small)serial\b|\bserial\s+PRIMARY\b|\bSEQUENCE\b|\bnextval\b|AS IDENTITY",
    "LISTEN and NOTIFY": r"\b(UN)?LISTEN\s+\w+|\bNOTIFY\b|pg_notify",
    "advisory locks": r"pg_(try_)?advisory",
    "triggers": r"\bTRIGGER\b",
    "temporary tables": r"\bTEMP(ORARY)?\b",
    "procedures in the database": r"\bCREATE\s+(OR\s+REPLACE\s+)?(FUNCTION|PROCEDURE)\b|\bDO\s+\$\$",
    "a place of a row on disk": r"\bctid\b|\bxmin\b",
    "extensions": r"\bEXTENSION\b",
    "a float": r"\b(real|double precision|float\d?)\b",
}  # fmt: skip

# Found before the merchant is known, or of the installation itself.
WITHOUT_MERCHANT_FIRST: Final = {"schema_migrations", "data_keys", "access_keys", "payment_links"}


def sql_of(path: Path) -> str:
    """Return a migration without its comments, or the texts of a module that are no docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        return re.sub(r"--.*", "", text)
    tree = ast.parse(text)
    described = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, described) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return "\n".join(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    )


@pytest.mark.parametrize("path", [*MIGRATIONS, *MODULES], ids=lambda path: path.name)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_statement_uses_what_sharded_engines_refuse(path: Path, what: str) -> None:
    found = re.search(FORBIDDEN[what], sql_of(path), re.IGNORECASE)

    assert found is None, f"{path.name} uses {what}: {found[0] if found else ''}"


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("a sequence of the whole installation", "CREATE TABLE a (id BIGSERIAL PRIMARY KEY)"),
        ("a sequence of the whole installation", "id bigint GENERATED ALWAYS AS IDENTITY"),
        ("a sequence of the whole installation", "SELECT nextval('a')"),
        ("LISTEN and NOTIFY", "LISTEN jobs"),
        ("LISTEN and NOTIFY", "SELECT pg_notify('jobs', '')"),
        ("advisory locks", "SELECT pg_try_advisory_xact_lock(1)"),
        ("triggers", "CREATE TRIGGER a"),
        ("temporary tables", "CREATE TEMP TABLE a"),
        ("procedures in the database", "CREATE OR REPLACE FUNCTION a()"),
        ("a place of a row on disk", "DELETE FROM a WHERE ctid IN"),
        ("a float", "amount DOUBLE PRECISION"),
    ],
)
def test_the_search_finds_what_it_looks_for(what: str, statement: str) -> None:
    assert re.search(FORBIDDEN[what], statement, re.IGNORECASE)


def tables() -> dict[str, str]:
    """Return the definition of each table that the migrations make."""
    schema = "\n".join(sql_of(path) for path in MIGRATIONS)
    return dict(re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)[^;]*;", schema, re.DOTALL))


def test_every_key_starts_with_the_merchant() -> None:
    keys = {}
    for table, definition in tables().items():
        keys[table] = [
            *re.findall(r"^\s*(\w+) [^,\n]*PRIMARY KEY", definition, re.MULTILINE),
            *re.findall(r"^\s*(?:PRIMARY KEY|UNIQUE) \((\w+)", definition, re.MULTILINE),
        ]
    assert set(keys) >= {"invoices", "outbox", "subscriptions", *WITHOUT_MERCHANT_FIRST}
    for table, first_columns in keys.items():
        assert first_columns, table
        if table not in WITHOUT_MERCHANT_FIRST:
            assert set(first_columns) == {"merchant_id"}, table


def test_every_table_with_a_merchant_stands_behind_the_wall() -> None:
    schema = "\n".join(sql_of(path) for path in MIGRATIONS)
    for table, definition in tables().items():
        if re.search(r"^\s*merchant_id ", definition, re.MULTILINE):
            for step in ("ENABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY"):
                assert f"ALTER TABLE {table} {step};" in schema, table
            assert f"CREATE POLICY named_merchants ON {table} USING" in schema, table
        else:
            assert table in {"schema_migrations", "data_keys"}
