"""
Runs `paydue serve` in children that kill themselves at a step of a payer's request, and `paydue worker` that only looks
at payments.

A script of its own, which imports Paydue once and forks each child, because starting Python anew costs ten times as
much. It reads one order a line: `environment` and `arguments` of the command, for how many minutes the child's clock is
ahead, its log, and the file to name each step in. A request with the header `x-die-at` is where steps are counted from;
0 counts only. How a child has ended is written when it has.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

from dying import Steps
from paydue import bootstrap
from paydue.cli.commands import main
from paydue.delivery import payment_duties, post_office, scheduler, worker
from paydue.gateways import cybersource
from paydue.pages import links, paying, reminder_page
from paydue.storage.postgres import store as postgres_store
from paydue.storage.sqlite import store as sqlite_store

# Only for being there already in each child.
IMPORTED = (cybersource, links, post_office, postgres_store, reminder_page, sqlite_store, worker)


def serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            live(order)
        _tell({"pid": child})
        _, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        _tell({"died": died, "exit_code": None if died else os.waitstatus_to_exitcode(status)})


def live(order: dict[str, Any]) -> None:
    """Run the command to its end, or die on the way. Never returns."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (0, 1, 2):
        os.dup2(log, stream)
    code = 1
    try:
        os.environ.update(order["environment"])
        steps = Steps(order["steps"])
        steps.count()
        count_from_requests(steps)
        look_once()
        ahead = timedelta(minutes=order["minutes"])
        bootstrap.SystemClock.now = lambda _: datetime.now(UTC) + ahead  # type: ignore[method-assign]
        sys.argv = ["paydue", *order["arguments"]]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is, the test shows it
        traceback.print_exc()
    finally:
        os._exit(code)


def count_from_requests(steps: Steps) -> None:
    answer = paying.Paying.answer

    async def counting(self: paying.Paying, scope: Any, receive: Any) -> Any:
        die_at = next((value for name, value in scope["headers"] if name == b"x-die-at"), None)
        if die_at is not None:
            steps.begin(int(die_at) or None)
        answered = await answer(self, scope, receive)
        if die_at is not None:
            # One step more: all is done, and the payer does not hear of it.
            steps.take("answer")
            steps.rest()
        return answered

    paying.Paying.answer = counting  # type: ignore[method-assign]


def look_once() -> None:
    """Let a worker do nothing but look at payments, once, and stop."""

    async def repeat(self: scheduler.Scheduler, duty: scheduler.Duty) -> None:
        if duty.name == payment_duties.RECONCILE:
            try:
                await duty.run(self._clock.now())
            except BaseException:  # noqa: BLE001 - whatever it is, the test shows it
                traceback.print_exc()
                os._exit(3)
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)

    scheduler.Scheduler._repeat = repeat  # type: ignore[method-assign]


def _tell(end: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(end) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
