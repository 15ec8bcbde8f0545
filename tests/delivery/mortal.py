"""
Runs `paydue worker` in children that kill themselves at a step of a delivery, or come to their end.

A script of its own, which imports Paydue once and forks each child, because starting Python anew costs ten times as
much. It reads one order a line: `environment` and `arguments` of the worker, at which step to die (or none), for how
many minutes the child's clock is ahead, and the file to name each step in before it is taken.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from dying import Steps
from paydue import bootstrap
from paydue.cli.commands import main
from paydue.delivery import mailbox, post_office, scheduler, smtp, worker
from paydue.storage.postgres import outbox as postgres_outbox
from paydue.storage.sqlite import outbox as sqlite_outbox

IMPORTED = (mailbox, post_office, smtp, worker)


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
        steps = Steps(order["steps"])
        steps.begin(order["die_at"])
        steps.count()
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
