"""
Indexes that are built beside the writers, outside of any transaction: what a migration of nothing else asks for.

An index built in a transaction keeps every writer of its table waiting. One built beside them does not, but may be left
unfinished, by a runner or a server that died: then it is found here, dropped, and built again.
"""

import asyncio
import re
from contextlib import suppress
from typing import Final

import asyncpg
import msgspec

from paydue.storage.postgres.sessions import Session

_COMMENT: Final = re.compile(r"--[^\n]*")
_CREATE: Final = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+) ON [^;]+")
_DROP: Final = re.compile(r"DROP INDEX CONCURRENTLY IF EXISTS (\w+)")

# Whether an index of this schema is finished, and whether somebody is building it.
_STATE: Final = (
    "SELECT known.indisvalid, EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS running"
    " WHERE running.datname = current_database() AND running.index_relid = known.indexrelid)"
    " FROM pg_catalog.pg_index AS known JOIN pg_catalog.pg_class AS named ON named.oid = known.indexrelid"
    " JOIN pg_catalog.pg_namespace AS space ON space.oid = named.relnamespace"
    " WHERE space.nspname = current_schema() AND named.relname = $1"
)
_LOOK_AGAIN_SECONDS: Final = 0.2


class IndexStep(msgspec.Struct, frozen=True):
    """A statement about one index; it makes it unless it drops it."""

    name: str
    sql: str
    drops: bool = False


def index_steps(migration: str) -> list[IndexStep]:
    """
    Return the steps of a migration that has to run outside of a transaction; none for any other.

    Raises ValueError for one that does both: half of it could not be taken back.
    """
    text = _COMMENT.sub("", migration)
    if "CONCURRENTLY" not in text.upper():
        return []
    steps = []
    for statement in filter(None, (" ".join(part.split()) for part in text.split(";"))):
        if (made := _CREATE.fullmatch(statement)) is not None:
            steps.append(IndexStep(made[1], statement))
        elif (dropped := _DROP.fullmatch(statement)) is not None:
            steps.append(IndexStep(dropped[1], statement, drops=True))
        else:
            raise ValueError(f"Beside CONCURRENTLY a migration may have nothing else: {statement[:80]}")
    return steps


async def take(session: Session, steps: list[IndexStep]) -> None:
    """Take the steps, leaving out those that were taken. Waits for as long as old transactions last."""
    # Whoever waits here keeps nobody else waiting.
    await session.run("SET lock_timeout = 0")
    try:
        for step in steps:
            if step.drops:
                await session.run(step.sql)
            else:
                await _build(session, step)
    finally:
        if session.is_open:
            await session.run("RESET lock_timeout")


async def _build(session: Session, step: IndexStep) -> None:
    while True:
        found = await session.fetch(_STATE, step.name)
        is_finished, is_being_built = found[0] if found else (False, False)
        if is_finished:
            return
        if is_being_built:
            # By another runner, or for one that died: the server goes on without it.
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            continue
        # Of two who begin at once each waits for the other, until the server refuses one of them; or one finds that
        # the other was a moment earlier.
        with suppress(asyncpg.DeadlockDetectedError, asyncpg.DuplicateTableError):
            if found:
                await session.run(f"DROP INDEX CONCURRENTLY IF EXISTS {step.name}")
            await session.run(step.sql)
