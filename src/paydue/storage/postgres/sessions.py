"""
Connections to PostgreSQL: how one is made, the pool that reads, and what a failure of the database means to a caller.

asyncpg's own pool is not used: it asks the server to forget everything after each use, which costs more than most
reads. Nothing here needs forgetting, because what a statement says about whose rows it may see ends with it.
"""

import asyncio
from collections import deque
from typing import Any, Final

import asyncpg

from paydue.domain.errors import StoreBusy, StoreUnavailable
from paydue.storage.postgres.hosts import connect_to_any
from paydue.storage.rows import Row

READERS: Final = 8
_WAITING_READERS: Final = 4096
_WAIT_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = 5.0
# Longer than the server's own limit, for a server that does not even say that it gave up.
_ANSWER_SECONDS: Final = 12.0

_LIMITS: Final = {
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
}
# Every statement of ours reaches its rows by a key. Said once here, so that a table without statistics, or one that was
# empty when the statement was prepared, is not read from end to end; and nothing is planned twice.
_BY_KEY: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
}
_PATIENT: Final = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
    "paydue.merchants": "*",
}

# What tells that a statement was refused for what it says, while the connection is well.
REFUSED_VALUES: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
# A transaction that lost against another: nothing of it was kept, the same once more may succeed.
LOST_RACE: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
# The server was made a standby, or was one all along: another one is to be asked.
CANNOT_WRITE: Final = (asyncpg.ReadOnlySQLTransactionError,)
# Whatever the driver, the server or the network may raise.
FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)


# After so many statements a session plans anew: ten times as many each time, and in the end each hundred thousand. On
# an empty table all indexes are as good, and what was planned there would walk through all that a merchant has later.
_FIRST_PLANS_END: Final = 100
_LAST_PLANS_END: Final = 100_000


class Session:
    """One connection with its prepared statements, for one user at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._statements: dict[str, Any] = {}
        self._last: Any = None
        self._uses = 0
        self._plans_end = _FIRST_PLANS_END

    @property
    def is_open(self) -> bool:
        return not self._connection.is_closed()

    async def fetch(self, statement: str, *values: Any) -> list[Row]:
        """Run a statement and return its rows. Raises what asyncpg raises."""
        self._uses += 1
        if self._uses == self._plans_end:
            self._plans_end = min(self._uses * 10, self._uses + _LAST_PLANS_END)
            await self._connection.execute("DISCARD PLANS")
        prepared = self._statements.get(statement)
        if prepared is None:
            # Without a name it would be parsed and planned anew each time.
            name = f"paydue_{len(self._statements)}"
            prepared = self._statements[statement] = await self._connection.prepare(statement, name=name)
        self._last = prepared
        rows: list[Row] = await prepared.fetch(*values)
        return rows

    def touched_rows(self) -> int:
        """Return how many rows the last fetched statement wrote or gave."""
        return int(self._last.get_statusmsg().rpartition(" ")[2])

    async def run(self, script: str) -> str:
        """Run statements without values, such as BEGIN, and return what the last one says it did."""
        done: str = await self._connection.execute(script)
        return done

    async def close(self) -> None:
        """Say goodbye, or hang up when the server does not answer."""
        try:
            await self._connection.close(timeout=1)
        except (*FAILURES, TimeoutError):
            self._connection.terminate()

    def drop(self) -> None:
        """Hang up at once."""
        self._connection.terminate()


async def connect(url: str, *, patient: bool = False) -> Session:
    """
    Return a new session, which sees nobody's rows until a statement names whose. Raises StoreUnavailable.

    Of several servers in `url` it is the one that can be written.

    A `patient` one is for what goes through whole tables: it sees everybody's rows, and may take its time.
    """
    settings = {"application_name": "paydue", **_LIMITS, **(_PATIENT if patient else _BY_KEY)}
    try:
        connection = await connect_to_any(
            url,
            timeout=_CONNECT_SECONDS,
            command_timeout=None if patient else _ANSWER_SECONDS,
            # Sessions keep their own prepared statements.
            statement_cache_size=0,
            server_settings=settings,
        )
        # Answers are given for what is on disk. Stricter choices of the operator stay.
        await connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    except (*FAILURES, TimeoutError, ValueError) as failure:
        raise unavailable(failure) from failure
    return Session(connection)


def unavailable(failure: BaseException) -> StoreUnavailable:
    """Return what a caller is told of a failure; the server's words go to the log and never to a client."""
    return StoreUnavailable(f"PostgreSQL: {failure}" if str(failure) else f"PostgreSQL: {type(failure).__name__}")


class Readers:
    """Up to `READERS` sessions that read; the one used last is used next, so that few are busy in quiet times."""

    def __init__(self, url: str, size: int = READERS) -> None:
        self._url = url
        self._idle: list[Session] = []
        self._free_places = size
        self._waiting: deque[asyncio.Future[Session | None]] = deque()
        self._is_closed = False

    async def read(self, statement: str, *values: Any) -> list[Row]:
        """
        Return the rows of one statement as last committed. Raises StoreUnavailable, StoreBusy.

        Values that no row can hold (a NUL, half a surrogate pair) find nothing.
        """
        session = self._idle.pop() if self._idle else await self._another()
        tries_again = True
        while True:
            try:
                rows = await session.fetch(statement, *values)
            except (asyncpg.DataError, ValueError):
                self._give_back(session)
                return []
            except FAILURES as failure:
                if session.is_open or not tries_again or self._is_closed:
                    self._give_back(session)
                    raise unavailable(failure) from failure
                # The server was restarted since: a read may be asked again of the one that is there now.
                tries_again = False
                session = await self._fresh()
            except BaseException as failure:
                # It went away or waited too long in the middle: what it is about to receive belongs to nobody.
                session.drop()
                self._give_back(session)
                if isinstance(failure, TimeoutError):
                    # A server that hears nothing on one connection hears nothing on the others.
                    self._drop_idle()
                    raise unavailable(failure) from failure
                raise
            else:
                self._give_back(session)
                return rows

    async def close(self) -> None:
        """Let go of all sessions; those that are reading are dropped by their readers."""
        self._is_closed = True
        while self._waiting:
            _wake(self._waiting.popleft(), None)
        idle, self._idle = self._idle, []
        for session in idle:
            await session.close()

    def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for session in idle:
            session.drop()
            self._free_place()

    async def _another(self) -> Session:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        if self._free_places:
            self._free_places -= 1
            return await self._fresh()
        if len(self._waiting) >= _WAITING_READERS:
            raise StoreBusy(f"{_WAITING_READERS} reads are waiting")
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Session | None] = loop.create_future()
        self._waiting.append(waiting)
        giving_up = loop.call_later(_WAIT_SECONDS, _give_up, waiting)
        try:
            session = await waiting
        except asyncio.CancelledError:
            if not waiting.cancelled() and (given := waiting.result()) is not None:
                self._give_back(given)
            raise
        finally:
            giving_up.cancel()
        return session if session is not None else await self._another()

    async def _fresh(self) -> Session:
        """Connect for a place that is already taken."""
        try:
            # In a task of its own: a call that is answered at once has none, and the driver measures its time by one.
            return await asyncio.create_task(connect(self._url))
        except BaseException:
            self._free_place()
            raise

    def _give_back(self, session: Session) -> None:
        if self._is_closed:
            session.drop()
        elif not session.is_open:
            self._free_place()
        elif (waiting := self._next_waiting()) is not None:
            _wake(waiting, session)
        else:
            self._idle.append(session)

    def _free_place(self) -> None:
        self._free_places += 1
        # Those who wait were promised a session: one of them may make a new one in this place.
        if (waiting := self._next_waiting()) is not None:
            _wake(waiting, None)

    def _next_waiting(self) -> asyncio.Future[Session | None] | None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                return waiting
        return None


def _wake(waiting: asyncio.Future[Session | None], session: Session | None) -> None:
    if not waiting.done():
        waiting.set_result(session)


def _give_up(waiting: asyncio.Future[Session | None]) -> None:
    if not waiting.done():
        waiting.set_exception(StoreBusy("all connections were busy for too long"))
