"""The one writer of this process: takes the queued writes of all callers and keeps each batch in one transaction."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import asyncpg

from paydue.domain.errors import BrokenFact, StoreUnavailable
from paydue.storage.group_commit import QUEUE_LIMIT, GroupCommit
from paydue.storage.postgres.batch import Batch, keep_alone
from paydue.storage.postgres.changes import arrays
from paydue.storage.postgres.sessions import (
    CANNOT_WRITE,
    FAILURES,
    LOST_RACE,
    REFUSED_VALUES,
    Session,
    connect,
    unavailable,
)
from paydue.storage.postgres.statements import EVERYBODY
from paydue.storage.postgres.works import Hand, Keep, OneOfMany, Small, Work
from paydue.storage.refusals import REFUSALS
from paydue.storage.rows import Row
from paydue.storage.vault import Vault
from paydue.usecases.ports import Change, Clock, Showing

_TRIES: Final = 4
_LONGEST_PAUSE_SECONDS: Final = 0.05
_WARM_SECONDS: Final = 1.0
_BATCHES_TO_LOCK: Final = 64
_MERCHANTS_KNOWN: Final = 10_000


class Writer:
    """Group commit on a connection of its own, which is made anew whenever it is lost."""

    def __init__(self, url: str, vault: Vault, showing: Showing, clock: Clock, queue_limit: int = QUEUE_LIMIT) -> None:
        self._url = url
        self._vault = vault
        self._showing = showing
        self._clock = clock
        self._session: Session | None = None
        # The counters of merchants as this writer left them, while nobody else is known to have changed them.
        self._known: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, tuple[int, int]] | None = None
        self._batches_to_lock = 0
        self._written_at = float("-inf")
        self._queue: GroupCommit[Work, Any] = GroupCommit(self._write, queue_limit=queue_limit)

    def keep(self, merchant_id: str, change: Change) -> asyncio.Future[Any]:
        """Queue a change; the invoice as stored, or its refusal, is set once the transaction is durable."""
        return self._queue.submit(Keep(merchant_id, change))

    def small(
        self, merchants: tuple[str, ...], write: Callable[[Hand], Awaitable[Any]], *, locks: bool = True
    ) -> asyncio.Future[Any]:
        """
        Queue a write of another kind, which may be done more than once until it is kept.

        It reaches rows of these merchants alone, and with none those of everybody; `locks` makes it wait for whoever
        else changes anything of them. When it raises, nothing of it stays.
        """
        return self._queue.submit(Small(merchants, write, locks))

    def one_of_many(self, merchant_id: str, statement: str, row: Row) -> asyncio.Future[None]:
        """Queue a row of that merchant's for a statement that takes many; the future ends once it is durable."""
        return self._queue.submit(OneOfMany(merchant_id, statement, row))

    async def close(self) -> None:
        """Finish what was accepted, then let go of the connection."""
        await self._queue.close()
        if self._session is not None:
            await self._session.close()

    async def _write(self, works: Sequence[Work]) -> list[Any]:
        for is_last in (*[False] * (_TRIES - 1), True):
            try:
                return await self._try(works)
            except LOST_RACE as lost:
                if is_last:
                    raise unavailable(lost) from lost
            # Whoever lost at once would meet again at once.
            await asyncio.sleep(random.uniform(0.1, 1) * _LONGEST_PAUSE_SECONDS)  # noqa: S311 - a pause is no secret
        raise AssertionError

    async def _try(self, works: Sequence[Work]) -> list[Any]:
        outcomes = await self._at_once(works)
        if outcomes is None:
            outcomes = await self._in_turn(works)
        self._written_at = asyncio.get_running_loop().time()
        return outcomes

    async def _at_once(self, works: Sequence[Work]) -> list[Any] | None:
        """
        Keep a batch of changes in a single round trip, on the assumption that nobody else has written since this did.

        Returns None, with nothing written, when that cannot be assumed, or was wrong, or something is to be refused
        that only the database can tell.
        """
        session = self._session
        if self._batches_to_lock:
            # Another node is at work on the same merchants: for a while it would be wrong each time.
            self._batches_to_lock -= 1
            return None
        # In quiet times the server may have gone: then it is better to begin with something that may be lost.
        is_warm = asyncio.get_running_loop().time() < self._written_at + _WARM_SECONDS
        if session is None or not session.is_open or not is_warm:
            return None
        batch = Batch(session, self._vault, self._showing, self._clock, careful=False)
        if not batch.assume(works, self._known):
            return None
        try:
            outcomes = [_outcome(batch, work) for work in works if isinstance(work, Keep)]
        except Exception:  # noqa: BLE001 - whatever one caller's change runs into must not fail the others
            return None
        try:
            await batch.flush_alone()
        except asyncpg.DivisionByZeroError:
            self._known.clear()
            self._batches_to_lock = _BATCHES_TO_LOCK
            return None
        except (*REFUSED_VALUES, ValueError):
            # The driver refuses values too, as ValueError, before they leave.
            return None
        except LOST_RACE:
            raise
        except (*FAILURES, TimeoutError) as failure:
            self._known.clear()
            if not isinstance(failure, asyncpg.PostgresError) or isinstance(failure, CANNOT_WRITE):
                # The answer may still come, and would be taken for that of the next question.
                session.drop()
            raise unavailable(failure) from failure
        except BaseException:
            self._known.clear()
            session.drop()
            raise
        self._known.update(batch.counters())
        return outcomes

    async def _in_turn(self, works: Sequence[Work]) -> list[Any]:
        """Keep a batch behind the locks of its merchants."""
        session = await self._begin()
        try:
            outcomes = await self._together(session, works)
            if outcomes is None:
                self._seen = None
                await session.run("ROLLBACK")
                await session.run("BEGIN")
                outcomes = await self._one_by_one(session, works)
            # A transaction that a statement has spoiled is not refused here but rolled back, without an error.
            if (done := await session.run("COMMIT")) != "COMMIT":
                raise StoreUnavailable(f"PostgreSQL answered COMMIT with {done}")
            self._remember()
        except LOST_RACE:
            await _undo(session)
            raise
        except (*FAILURES, TimeoutError) as failure:
            self._known.clear()
            if isinstance(failure, CANNOT_WRITE):
                session.drop()
            await _undo(session)
            raise unavailable(failure) from failure
        except BaseException:
            self._known.clear()
            session.drop()
            raise
        return outcomes

    def _remember(self) -> None:
        """Take what the last batch left as what the next will find; when each change was kept alone, nothing."""
        if self._seen is None or len(self._known) > _MERCHANTS_KNOWN:
            self._known.clear()
        else:
            self._known.update(self._seen)

    async def _begin(self) -> Session:
        if self._session is not None and self._session.is_open:
            try:
                await self._session.run("BEGIN")
            except (*FAILURES, TimeoutError):
                # The server was restarted since the last batch. Nothing of this one was asked of it yet.
                self._session.drop()
            else:
                return self._session
        self._session = await connect(self._url)
        try:
            await self._session.run("BEGIN")
        except (*FAILURES, TimeoutError) as failure:
            self._session.drop()
            raise unavailable(failure) from failure
        return self._session

    async def _together(self, session: Session, works: Sequence[Work]) -> list[Any] | None:
        """Write all and return the outcomes; None when something unforeseen spoiled the transaction."""
        batch = Batch(session, self._vault, self._showing, self._clock, careful=False)
        outcomes: list[Any] = [None] * len(works)
        small = []
        rows: dict[str, list[OneOfMany]] = {}
        try:
            await batch.prepare(works)
            for place, work in enumerate(works):
                match work:
                    case Keep():
                        outcomes[place] = _outcome(batch, work)
                    case Small():
                        small.append((place, work))
                    case OneOfMany():
                        rows.setdefault(work.statement, []).append(work)
            await batch.flush()
            for many in rows.values():
                await _write_many(session, many)
            for place, each in small:
                outcomes[place] = await _write_small(session, each)
        except (*REFUSED_VALUES, ValueError):
            return None
        except (*FAILURES, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - see _at_once
            return None
        self._seen = batch.counters()
        return outcomes

    async def _one_by_one(self, session: Session, works: Sequence[Work]) -> list[Any]:
        """Write each in a savepoint of its own, so that what spoils one is undone and told to its caller alone."""
        outcomes: list[Any] = []
        outcome: Any
        for work in works:
            match work:
                case Keep():
                    keep = partial(keep_alone, session, work, self._vault, self._showing, self._clock)
                    outcome = await _alone(session, keep)
                case Small():
                    outcome = await _write_small(session, work)
                case OneOfMany():
                    outcome = await _alone(session, partial(_write_many, session, [work]))
            outcomes.append(outcome)
        return outcomes


def _outcome(batch: Batch, work: Keep) -> Any:
    """Gather a change and return the invoice as it will be stored, or its refusal."""
    try:
        return batch.keep(work.merchant_id, work.change)
    except REFUSALS as refusal:
        return refusal


async def _write_many(session: Session, many: Sequence[OneOfMany]) -> None:
    """Write the rows of one statement, within the merchants that they are of."""
    merchants = tuple(sorted({each.merchant_id for each in many}))
    await session.run(f"SET LOCAL paydue.merchants = {_literal(merchants)}")
    await session.fetch(many[0].statement, *arrays([[each.row for each in many]]))


async def _write_small(session: Session, work: Small) -> Any:
    async def write() -> Any:
        return await work.write(Hand(session))

    return await _alone(session, write, work.merchants or (EVERYBODY,))


async def _alone(
    session: Session, write: Callable[[], Awaitable[Any]], merchants: tuple[str, ...] | None = None
) -> Any:
    """Return what `write` returns, or the exception that refuses it, after which nothing of it stays."""
    await session.run("SAVEPOINT one" + (f"; SET LOCAL paydue.merchants = {_literal(merchants)}" if merchants else ""))
    outcome: Any
    try:
        outcome = await write()
    except (*REFUSED_VALUES, ValueError) as error:
        outcome = BrokenFact(f"no row can hold it: {error}")
    except (*FAILURES, TimeoutError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this caller's alone
        outcome = error
    await session.run("ROLLBACK TO one" if isinstance(outcome, Exception) else "RELEASE one")
    return outcome


def _literal(merchants: tuple[str, ...]) -> str:
    """Return the names as SET takes them: as text between quotes, for it knows no parameters."""
    quoted = "\n".join(merchants).replace("'", "''").replace("\\", "\\\\")
    return f" E'{quoted}'"


async def _undo(session: Session) -> None:
    if not session.is_open:
        return
    try:
        await session.run("ROLLBACK")
    except (*FAILURES, TimeoutError):
        session.drop()
