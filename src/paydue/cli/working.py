"""`paydue worker`: delivers for an installation whose API is served by another process, until it is told to stop."""

import asyncio
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import uvloop

from paydue import bootstrap
from paydue.cli.logs import start_logging
from paydue.cli.options import read_config, told_plainly
from paydue.cli.production import warn_of_mail
from paydue.cli.serving import write_ready_file
from paydue.config import Config

# About a twentieth of a core that somebody else could use all of.
_NICENESS: Final = 13

_log = logging.getLogger("paydue.worker")


def run_worker(*, config_file: Path | None, ready_file: Path | None, **options: Any) -> None:
    """Deliver until told to stop."""
    config = read_config(config_file, **options)
    start_logging(config.log_level, config.log_format)
    if config.worker_priority == "low":
        _go_last()
    if ready_file is not None:
        ready_file = ready_file.absolute()
        ready_file.unlink(missing_ok=True)
    with told_plainly(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(config, ready_file))


def _go_last() -> None:
    """Leave the processor to a server beside: who waits for an answer goes first, and deliveries take what is left."""
    os.nice(_NICENESS)
    # Linux weighs sessions against each other first, and niceness within each: a service is a session of its own.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(f"{_NICENESS}", encoding="ascii")


async def _work(config: Config, ready_file: Path | None) -> None:
    delivery = await bootstrap.open_delivery(config)
    try:
        warn_of_mail(config)
        if config.public_url is None:
            _log.warning("no_public_url", extra={"effect": "payment links in mails lead to this machine"})
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, delivery.post_office.stop)
        if ready_file is not None:
            write_ready_file(ready_file, {})
        await delivery.post_office.run()
    finally:
        await delivery.close()
