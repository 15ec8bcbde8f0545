"""The one writer: takes the queued writes of all callers and keeps each batch in one transaction."""

import asyncio
from collections.abc import Sequence
from typing import Any

import apsw

from paydue.domain.errors import BrokenFact, StoreUnavailable
from paydue.storage.group_commit import QUEUE_LIMIT, GroupCommit
from paydue.storage.refusals import REFUSALS
from paydue.storage.sqlite.batch import Batch, Write
from paydue.storage.sqlite.engine import Engine
from paydue.storage.vault import Vault
from paydue.usecases.ports import Clock, Showing


class Writer:
    """Group commit for one SQLite file."""

    def __init__(
        self, engine: Engine, vault: Vault, showing: Showing, clock: Clock, queue_limit: int = QUEUE_LIMIT
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._showing = showing
        self._clock = clock
        self._queue: GroupCommit[Write, Any] = GroupCommit(self._write, queue_limit=queue_limit)

    def submit(self, write: Write) -> asyncio.Future[Any]:
        """Queue a write; its result or refusal is set once the transaction is durable. Raises StoreUnavailable."""
        return self._queue.submit(write)

    async def close(self) -> None:
        """Finish what was accepted."""
        await self._queue.close()

    async def _write(self, writes: Sequence[Write]) -> list[Any]:
        engine = self._engine
        try:
            await engine.begin()
            try:
                outcomes = self._together(writes)
                if outcomes is None:
                    engine.rollback()
                    await engine.begin()
                    outcomes = self._one_by_one(writes)
                await engine.commit()
            except BaseException:
                engine.rollback()
                raise
        except apsw.Error as error:
            raise StoreUnavailable(str(error)) from error
        return outcomes

    def _together(self, writes: Sequence[Write]) -> list[Any] | None:
        """Write all and return the outcomes; None when something unforeseen spoiled the transaction."""
        batch = Batch(self._engine, self._vault, self._showing, self._clock, careful=False)
        outcomes: list[Any] = []
        try:
            for write in writes:
                try:
                    outcomes.append(write(batch))
                except REFUSALS as refusal:
                    outcomes.append(refusal)
            batch.flush()
        except apsw.ConstraintError:
            return None
        except apsw.Error:
            raise
        except Exception:  # noqa: BLE001 - whatever one caller's change runs into must not fail the others
            return None
        return outcomes

    def _one_by_one(self, writes: Sequence[Write]) -> list[Any]:
        """Write each in a savepoint of its own, so that what spoils one is undone and told to its caller alone."""
        cursor = self._engine.write
        outcomes: list[Any] = []
        for write in writes:
            cursor.execute("SAVEPOINT one")
            batch = Batch(self._engine, self._vault, self._showing, self._clock, careful=True)
            try:
                outcome = write(batch)
                batch.flush()
            except apsw.ConstraintError as error:
                outcome = BrokenFact(f"the schema refuses it: {error}")
            except apsw.Error:
                raise
            except Exception as error:  # noqa: BLE001 - see above
                outcome = error
            if isinstance(outcome, Exception):
                cursor.execute("ROLLBACK TO one")
            cursor.execute("RELEASE one")
            outcomes.append(outcome)
        return outcomes
