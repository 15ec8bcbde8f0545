"""
A private PostgreSQL on this machine: made in a folder of its own, on a free loopback port, and gone after the tests.

PostgreSQL refuses to run as root, so then it runs as a user without rights.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

ROLE = "paydue"


class PostgresServer:
    """One running server; the role in the addresses of its databases is an ordinary one that owns them."""

    def __init__(self, folder: Path, *, settings: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        # A crash of the server is survived without fsync, only one of the machine is not.
        self._settings = {"fsync": "off", "full_page_writes": "off", "max_connections": "200", **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)

    def make(self) -> None:
        """Make the server's files and start it."""
        hand_over(self.folder)
        run(
            program("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        self.start()
        self.psql("postgres", f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS")

    def make_standby(self, primary: "PostgresServer") -> None:
        """Make it a standby of that server, by streaming replication, and start it."""
        hand_over(self.folder)
        follow = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
        # -R writes down whom to follow.
        run(program("pg_basebackup"), "-D", self.data, "-d", follow, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        self.start()

    def promote(self) -> None:
        """Make a standby a primary, and return when it can be written."""
        assert self.psql("postgres", "SELECT pg_promote(true, 60)") == "t"

    @property
    def pid(self) -> int:
        """The process that all others of the server descend from."""
        assert self._process is not None
        return self._process.pid

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder)]
        options += [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("postgres"), "-D", str(self.data), *options], stdout=log, stderr=log, **as_nobody_special()
            )
        deadline = time.monotonic() + 60
        while subprocess.run(
            [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, *, hard: bool = False) -> None:
        """Stop it and break all connections; `hard` is the way of a crash, after which it recovers from its log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if hard else signal.SIGINT)
            self._process.wait(60)
            self._process = None

    def new_database(self, template: str = "template1") -> str:
        """Return the address of a new database like `template`, which nobody may be connected to."""
        name = f"paydue_{next(self._names)}"
        self.psql("postgres", f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def url(self, database: str, role: str = ROLE) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def psql(self, database: str, *statements: str, role: str = "postgres") -> str:
        """Run statements as a superuser (or another role), and return what they print."""
        wishes = [part for statement in statements for part in ("-c", statement)]
        return run(program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url(database, role), *wishes)


@contextmanager
def running_postgres(**settings: str) -> Iterator[PostgresServer]:
    """Lend a server of one's own, with these settings."""
    folder = Path(tempfile.mkdtemp(prefix="paydue-postgres-"))
    server = PostgresServer(folder, settings=settings)
    try:
        server.make()
        yield server
    finally:
        server.stop(hard=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Lend a standby of that server."""
    folder = Path(tempfile.mkdtemp(prefix="paydue-standby-"))
    server = PostgresServer(folder)
    try:
        server.make_standby(primary)
        yield server
    finally:
        server.stop(hard=True)
        shutil.rmtree(folder, ignore_errors=True)


def name_of(url: str) -> str:
    """Return the name of the database in an address."""
    return url.rpartition("/")[2]


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs, of the newest version on this machine."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda folder: int(folder.name), reverse=True)
    found = next((folder / "bin" / name for folder in versions if (folder / "bin" / name).exists()), None)
    path = str(found) if found is not None else shutil.which(name)
    assert path is not None, f"{name} is missing: tests/machine/setup.sh installs PostgreSQL"
    return path


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **as_nobody_special()
    )
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
    return done.stdout.strip()


def as_nobody_special() -> dict[str, Any]:
    """Return what makes a subprocess run as a user that PostgreSQL accepts."""
    if os.geteuid() != 0:
        return {"cwd": "/"}
    user = _user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}


def hand_over(folder: Path) -> None:
    """Give a folder to the user that the server runs as."""
    if os.geteuid() == 0:
        os.chown(folder, _user().pw_uid, _user().pw_gid)


def _user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("there is no user that PostgreSQL could run as")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
