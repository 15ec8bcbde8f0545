"""
Runs `paydue worker` in children that kill themselves at a step of a delivery, or come to their end.

A step is whatever reaches beyond the process: beginning and ending a transaction, writing a row on PostgreSQL, speaking
to the mail server and hearing from it, connecting to a receiver, sending and reading, writing a file to disk and
renaming it. They are counted here, around what makes them: the program that dies knows nothing of it.

A script of its own, which imports Paydue once and forks each child, because starting Python anew costs ten times as
much. It reads one order a line: `environment` and `arguments` of the worker, at which step to die (or none), for how
many minutes the child's clock is ahead, and the file to name each step in before it is taken.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosmtplib.protocol

from paydue import bootstrap
from paydue.cli.commands import main
from paydue.delivery import mailbox, post_office, scheduler, smtp, worker
from paydue.storage.postgres import outbox as postgres_outbox
from paydue.storage.postgres import sessions
from paydue.storage.sqlite import engine
from paydue.storage.sqlite import outbox as sqlite_outbox

IMPORTED = (mailbox, post_office, smtp, worker)
# What is waited for, and what is not.
AWAITED = (
    (engine.Engine, "begin"),
    (engine.Engine, "commit"),
    (sessions.Session, "run"),
    (sessions.Session, "fetch"),
    (aiosmtplib.protocol.SMTPProtocol, "read_response"),
    (asyncio, "open_connection"),
    (asyncio.StreamReader, "read"),
)
CALLED = (
    (aiosmtplib.protocol.SMTPProtocol, "write"),
    (asyncio.StreamWriter, "write"),
    (os, "fsync"),
    (Path, "rename"),
)


def serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            live(order)
        _, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        exit_code = None if died else os.waitstatus_to_exitcode(status)
        sys.stdout.write(json.dumps({"died": died, "exit_code": exit_code}) + "\n")
        sys.stdout.flush()


def live(order: dict[str, Any]) -> None:
    """Deliver what is due and end, or die on the way. Never returns."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (0, 1, 2):
        os.dup2(log, stream)
    code = 1
    try:
        os.environ.update(order["environment"])
        Steps(order["steps"], order["die_at"]).count()
        ahead = timedelta(minutes=order["minutes"])
        bootstrap.SystemClock.now = lambda _: datetime.now(UTC) + ahead  # type: ignore[method-assign]
        deliver_only()
        sys.argv = ["paydue", *order["arguments"]]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, the test shows it
        traceback.print_exc()
    finally:
        os._exit(code)


class Steps:
    def __init__(self, file: str, die_at: int | None) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._left = die_at

    def count(self) -> None:
        """Have every step counted from now on."""
        for place, name in AWAITED:
            self._wrap(place, name, awaits=True)
        for place, name in CALLED:
            self._wrap(place, name, awaits=False)

    def take(self, step: str) -> None:
        """Name a step that is about to be taken, or die instead."""
        os.write(self._file, step.encode() + b"\n")
        if self._left is not None:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    def _wrap(self, place: Any, name: str, *, awaits: bool) -> None:
        call: Callable[..., Any] = getattr(place, name)

        async def awaited(*values: Any, **more: Any) -> Any:
            if step := step_of(name, values):
                self.take(step)
            return await call(*values, **more)

        def called(*values: Any, **more: Any) -> Any:
            if step := step_of(name, values):
                self.take(step)
            return call(*values, **more)

        setattr(place, name, awaited if awaits else called)


def step_of(name: str, values: tuple[Any, ...]) -> str | None:
    """Return the step's name with its first words, or None for what only reads from the database."""
    if name == "rename" and not str(values[0]).endswith(".part"):
        return None
    said = values[1] if len(values) > 1 else ""
    words = (said.decode("latin-1") if isinstance(said, bytes) else str(said)).split()
    if name == "fetch" and words[0] not in ("INSERT", "UPDATE", "DELETE"):
        return None
    return " ".join((name, *words[:2])) if name in ("run", "fetch", "write") else name


def deliver_only() -> None:
    """Let nothing happen beside deliveries, and have the process told to stop once there is nothing to deliver."""

    async def do_nothing(self: scheduler.Scheduler, duty: scheduler.Duty) -> None:
        pass

    scheduler.Scheduler._repeat = do_nothing  # type: ignore[method-assign]
    for outbox in (sqlite_outbox.SqliteOutbox, postgres_outbox.PostgresOutbox):
        ask = outbox.next_due

        async def next_due(self: Any, ask: Callable[..., Any] = ask) -> datetime | None:
            due: datetime | None = await ask(self)
            if due is None:
                os.kill(os.getpid(), signal.SIGTERM)
            return due

        outbox.next_due = next_due  # type: ignore[method-assign]


if __name__ == "__main__":
    serve()
