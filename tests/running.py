"""Paydue as a person starts it: child processes of this Python, on free ports, told apart by their ready files."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

READY_WITHIN_SECONDS = 30
STOPPED_WITHIN_SECONDS = 20
COMMAND = (sys.executable, "-c", "from paydue.cli.commands import main; main()")

R = TypeVar("R")


class Failed(AssertionError):
    """A command did not do what it was started for; the message ends with what it said."""


@dataclass(frozen=True)
class Server:
    """A running server: what its ready file says, and where its data and its log are."""

    process: subprocess.Popen[bytes]
    data: Path
    log: Path
    ready: Mapping[str, Any] = field(repr=False)

    def stop(self) -> int:
        """Send SIGTERM, unless it has ended, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def wait(self) -> int:
        try:
            return self.process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"no end within {STOPPED_WITHIN_SECONDS} s of being told to\n{self.log.read_text()}") from None


def paydue(*arguments: str, exit_code: int = 0, **environment: str) -> Any:
    """Run a command to its end and return the JSON, or else the text, that it prints."""
    done = run_paydue(*arguments, **environment)
    if done.returncode != exit_code:
        raise Failed(f"exit code {done.returncode} of paydue {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def run_paydue(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, however that is."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60, env=clean(environment)
    )


@contextmanager
def running_demo(data: Path, *options: str, **environment: str) -> Iterator[Server]:
    """Serve the demo from that folder, on free ports, for the length of a `with` block."""
    with _running("demo", data, options, environment) as server:
        yield server


@contextmanager
def running_server(data: Path, *options: str, **environment: str) -> Iterator[Server]:
    """Run `paydue serve` from a folder that `paydue init` made, on free ports, for the length of a `with` block."""
    with _running("serve", data, options, environment) as server:
        yield server


@contextmanager
def running_worker(data: Path, *options: str, **environment: str) -> Iterator[Server]:
    """Run `paydue worker` beside a server, or without one, for the length of a `with` block."""
    with _running("worker", data, options, environment) as worker:
        yield worker


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without settings of Paydue's but these; limits are off unless they say more."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PAYDUE_")}
    return inherited | {"PAYDUE_RATE_LIMIT": "0"} | dict(environment)


@contextmanager
def in_a_thread(serving: AbstractAsyncContextManager[R]) -> Iterator[R]:
    """Serve in a thread of its own, as a program beside the server would."""
    loop = asyncio.new_event_loop()
    made: list[R] = []
    is_there, is_over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving as served:
            made.append(served)
            is_there.set()
            await is_over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    is_there.wait()
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()
        loop.close()


@contextmanager
def _running(command: str, data: Path, options: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[Server]:
    folder = data.parent
    name = data.name if command != "worker" else f"{data.name}.worker"
    ready_file, log = folder / f"{name}.ready.json", folder / f"{name}.log"
    ready_file.unlink(missing_ok=True)
    # A worker answers nobody.
    port = () if command == "worker" else ("--port", "0")
    arguments = [command, *port, "--data", str(data), "--ready-file", str(ready_file), *options]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=clean(environment)
        )
    server = None
    try:
        server = Server(process, data, log, _await_ready(process, ready_file, log))
        yield server
    finally:
        if server is not None:
            server.stop()
        else:
            process.kill()
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> dict[str, Any]:
    give_up_at = time.monotonic() + READY_WITHIN_SECONDS
    while not ready_file.exists():
        if process.poll() is not None:
            raise Failed(f"exit code {process.returncode} before it was ready\n{log.read_text()}")
        if time.monotonic() > give_up_at:
            raise Failed(f"not ready within {READY_WITHIN_SECONDS} s\n{log.read_text()}")
        time.sleep(0.005)
    ready: dict[str, Any] = json.loads(ready_file.read_bytes())
    return ready
