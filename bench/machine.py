"""What the figures were measured on: a speed means little without its processor, its disk and its libraries."""

import os
import platform
import time
from importlib.metadata import distributions
from pathlib import Path

import apsw
import msgspec

from bench.figures import Latency, latency_of

_FSYNCS = 300
_LIBRARIES = {"paydue", "uvicorn", "uvloop", "httptools", "starlette", "msgspec", "apsw", "asyncpg", "jinja2"}
_IN_MEMORY = {"tmpfs", "ramfs"}


class NoDisk(Exception):
    """The folder for the data lies in memory, where a durable write costs nothing and proves nothing."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine of a run."""

    processor: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    libraries: dict[str, str]
    file_system: str
    fsync: Latency
    """Of a small append to a file in the data folder."""
    load_average: float
    """Processes that wanted a core in the minute before the run: much above zero means company."""


def machine_with(folder: Path) -> Machine:
    """Answer what this machine is, with the latency of fsync in `folder`."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        kernel=platform.release(),
        python=platform.python_version(),
        libraries=_library_versions(),
        file_system=file_system_of(folder),
        fsync=_fsync_latency(folder),
        load_average=os.getloadavg()[0],
    )


def refuse_memory(folder: Path) -> None:
    """Raise NoDisk when `folder` does not lie on a disk."""
    file_system = file_system_of(folder)
    if file_system in _IN_MEMORY:
        raise NoDisk(f"{folder} is on {file_system}, in memory; name a folder on a disk with --data-under")


def file_system_of(folder: Path) -> str:
    """Answer the kind of file system that holds `folder`, for example ext4."""
    resolved = folder.resolve()
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    # The longest mount point above the folder holds it; of two on the same point the later one covers the earlier.
    holding = [(len(point), kind) for _, point, kind, *_ in mounts if resolved.is_relative_to(point)]
    return max(enumerate(holding), key=lambda numbered: (numbered[1][0], numbered[0]))[1][1] if holding else "unknown"


def _fsync_latency(folder: Path) -> Latency:
    path = folder / "fsync.probe"
    nanoseconds = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_FSYNCS):
            file.write(b"x" * 4096)
            began_at = time.perf_counter_ns()
            os.fsync(file.fileno())
            nanoseconds.append(time.perf_counter_ns() - began_at)
    path.unlink()
    return latency_of(nanoseconds)


def _library_versions() -> dict[str, str]:
    installed = {found.name.lower(): found.version for found in distributions()}
    versions = {name: installed[name] for name in sorted(_LIBRARIES & installed.keys())}
    return versions | {"sqlite": apsw.sqlite_lib_version()}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
