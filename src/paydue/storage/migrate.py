"""
Schema migrations: numbered, forward only, each in a transaction of its own; and the refusal of any other schema.

An engine keeps its files in its folder `migrations/` as `NNNN_title.sql`, and tells and changes the schema's number.
"""

import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Final, Protocol

import msgspec

from paydue.storage.errors import SchemaMismatch

_FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    number: int
    title: str
    sql: str


class Schema(Protocol):
    """A database's schema, as an engine gives access to it."""

    async def number(self) -> int:
        """Return the number of the last migration applied, 0 for an empty database."""
        ...

    async def apply(self, migration: Migration) -> None:
        """
        Apply a migration and record its number, both or none. Does nothing when another process has done it already.
        """
        ...


def migrations_of(package: str) -> tuple[Migration, ...]:
    """Return the migrations in the folder `migrations` of that package, in order. Raises ValueError on a gap."""
    found = []
    for file in resources.files(package).joinpath("migrations").iterdir():
        match = _FILE_NAME.fullmatch(file.name)
        if match is not None:
            found.append(Migration(int(match[1]), match[2].replace("_", " "), file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"The migrations of {package} are not numbered 1, 2, 3, ...")
    return tuple(found)


async def migrate(
    schema: Schema, migrations: Sequence[Migration], progress: Callable[[Migration], None] = lambda _: None
) -> int:
    """
    Apply what is missing, calling `progress` before each, and return how many that were.

    Each migration is kept whole or not at all, and those before a failing one stay. Raises SchemaMismatch when the
    schema is newer than this release.
    """
    found = await schema.number()
    _refuse_newer(found, len(migrations))
    for migration in migrations[found:]:
        progress(migration)
        await schema.apply(migration)
    return len(migrations) - found


def require_current(found: int, known: int) -> None:
    """Raise SchemaMismatch unless the schema has exactly the number that this release knows."""
    _refuse_newer(found, known)
    if found < known:
        raise SchemaMismatch(
            f"The database has schema {found}, this release works with {known}: run `paydue migrate` first."
        )


def _refuse_newer(found: int, known: int) -> None:
    if found > known:
        raise SchemaMismatch(
            f"The database has schema {found}, this release knows {known} at most: install the newer release."
        )
