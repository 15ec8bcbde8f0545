"""
Server processes under measurement: started on a core of their own, watched through /proc, stopped by their pid.

Both servers of a comparison, the floor and the product, go through this one door, so that neither gets a better seat.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

READY_WITHIN_SECONDS = 60.0
STOPPED_WITHIN_SECONDS = 20.0
_LONGEST_LINE = 600
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ServerFailed(Exception):
    """A server did not start, or did not stop when asked; the message ends with the last lines of its log."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What a server writes into its ready file once it serves; other keys may stand beside these."""

    api_url: str = ""
    """Empty for what answers nobody."""
    pid: int


class RunningServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server that answers, and how long it took from its start to its ready file."""

    name: str
    ready: Ready
    seconds_to_ready: float

    @property
    def host(self) -> str:
        """The name or address to connect to."""
        return urlsplit(self.ready.api_url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """The port to connect to."""
        return urlsplit(self.ready.api_url).port or 80


@contextmanager
def running_server(
    name: str, command: Sequence[str], *, folder: Path, core: int, environment: Mapping[str, str]
) -> Iterator[RunningServer]:
    """
    Serve for the length of a `with` block: `command` runs on `core` alone and is stopped by SIGTERM at the end.

    The command is given `--ready-file` with a path inside `folder`, where its log stands too. Raises ServerFailed
    when it ends or stays silent instead of becoming ready, and when it outlives its SIGTERM.
    """
    ready_file = folder / f"{name}.ready.json"
    ready_file.unlink(missing_ok=True)
    log = folder / f"{name}.log"
    started_at = time.perf_counter()
    with log.open("ab") as output, on_cores({core}):
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready_file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            # A Ctrl-C is for the harness, which then stops its servers one by one.
            start_new_session=True,
        )
    try:
        ready = _await_ready(process, ready_file, started_at, name, log)
        seconds = time.perf_counter() - started_at
        yield RunningServer(name=name, ready=ready, seconds_to_ready=seconds)
    except Exception as failure:
        if log_end := _last_lines(log):
            failure.add_note(f"The log of {name} ends:\n{log_end}")
        raise
    finally:
        _stop(process, name, log)


def free_port() -> int:
    """Answer a port on loopback that nobody listens on just now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """
    Bind this thread, and what it starts meanwhile, to `cores` for the length of a `with` block.

    A child inherits its parent's cores at the fork, so no thread of a server can be born on the wrong one.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """
    Answer an environment that holds nothing of the caller's but what finding and running programs takes.

    A stray PAYDUE_ setting would measure another product, and PYTHONDONTWRITEBYTECODE would make every start compile.
    """
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ} | dict(extra)


def resident_bytes(pid: int) -> int:
    """Answer the resident memory of a process and its children, as the kernel counts it now."""
    total = 0
    for member in _family(pid):
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total


def cpu_seconds(pid: int) -> float:
    """Answer the processor time, user and system, that a process and its living children have used so far."""
    ticks = 0
    for member in _family(pid):
        try:
            stat = Path(f"/proc/{member}/stat").read_text()
        except FileNotFoundError:
            # PostgreSQL starts and ends processes at its own times.
            if member == pid:
                raise
            continue
        # The command's name stands in parentheses and may hold anything, so the fields are counted after the last one.
        fields = stat.rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_SECOND


def core_busy_seconds(cores: set[int]) -> float:
    """Answer the time that these cores have spent on anything at all since boot, time stolen by the host included."""
    busy_ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *counts = line.split()
        if name.startswith("cpu") and name != "cpu" and int(name[3:]) in cores:
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(count) for count in counts[:8])
            busy_ticks += user + nice + system + irq + softirq + steal
    return busy_ticks / _TICKS_PER_SECOND


def _family(pid: int) -> list[int]:
    members = [pid]
    for member in members:
        for children in Path(f"/proc/{member}/task").glob("*/children"):
            members += [int(child) for child in children.read_text().split()]
    return members


def _await_ready(process: subprocess.Popen[bytes], ready_file: Path, started_at: float, name: str, log: Path) -> Ready:
    while not ready_file.exists():
        if process.poll() is not None:
            raise ServerFailed(f"{name} ended with code {process.returncode} before it was ready")
        if time.perf_counter() - started_at > READY_WITHIN_SECONDS:
            raise ServerFailed(f"{name} was not ready within {READY_WITHIN_SECONDS:.0f} s")
        time.sleep(0.001)
    return msgspec.json.decode(ready_file.read_bytes(), type=Ready)


def _stop(process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    process.terminate()
    try:
        process.wait(STOPPED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise ServerFailed(
            f"{name} did not end within {STOPPED_WITHIN_SECONDS:.0f} s of SIGTERM and was killed.\n{_last_lines(log)}"
        ) from None


def _last_lines(log: Path, count: int = 8) -> str:
    # A line may hold a whole traceback.
    return "\n".join(line[:_LONGEST_LINE] for line in log.read_text(errors="replace").splitlines()[-count:])
