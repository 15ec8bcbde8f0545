"""The parts of the example as processes of this machine, on free ports of the loopback address, in one folder."""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAYDUE = Path(sys.executable).with_name("paydue")
NODES = ("node 1", "node 2")
WORKERS = ("worker 1", "worker 2")
# As the files beside this one name them; each run takes free ones instead.
PORTS = {"nginx": 8080, "node 1": 8081, "node 2": 8082, "database": 5432}

_READY_WITHIN_SECONDS = 60
_STOPPED_WITHIN_SECONDS = 30


class Cluster:
    """Two nodes, two workers, a database and nginx: each may be started, stopped and killed by its name."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "paydue"
        self.mailbox = self.data / "mailbox"
        self._environment = {**os.environ, **(environment or {})}
        self._ports = {name: _free_port() for name in PORTS}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._user = _plain_user()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['nginx']}"

    def url_of(self, node: str) -> str:
        return f"http://127.0.0.1:{self._ports[node]}"

    def make(self) -> None:
        """Make the folder, the database and the installation, and start everything."""
        self.folder.chmod(0o711)
        self._make_database()
        self.data.mkdir(mode=0o700)
        (self.data / "paydue.toml").write_text(self._with_ports("paydue.toml"))
        self.paydue("init")
        for name in (*NODES, *WORKERS):
            self.start(name)
        nginx = self.folder / "nginx"
        nginx.mkdir()
        (nginx / "nginx.conf").write_text(self._with_ports("nginx.conf"))
        self._hand_over(nginx)
        self.start("nginx")

    def start(self, name: str) -> None:
        """Start a part, and return when it is ready."""
        match name.split(" "):
            case ["database"]:
                self._run(name, [_postgres("postgres"), "-D", self.folder / "database"], plain_user=True)
                self._await(name, self._database_answers)
            case ["nginx"]:
                folder = self.folder / "nginx"
                command = ["/usr/sbin/nginx", "-p", folder, "-e", "error.log", "-c", "nginx.conf", "-g", "daemon off;"]
                self._run(name, command, plain_user=True)
                self._await(name, lambda: _listens(self._ports["nginx"]))
            case [kind, _]:
                ready = self.folder / f"{name}.json"
                ready.unlink(missing_ok=True)
                port = ["--port", str(self._ports[name])] if kind == "node" else []
                command = [PAYDUE, "serve" if kind == "node" else "worker", "--data", self.data, *port]
                self._run(name, [*command, "--ready-file", ready])
                self._await(name, ready.exists)

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop a part in its own way, or as `how` says, and return when it has ended."""
        process = self._running.pop(name)
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(_STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def stop_all(self) -> None:
        """Stop what runs, those first who call others."""
        for name in ("nginx", *NODES, *WORKERS, "database"):
            if name in self._running:
                # PostgreSQL: end now, do not wait for others to go.
                self.stop(name, signal.SIGINT if name == "database" else signal.SIGTERM)

    def log_of(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def paydue(self, *arguments: str) -> Any:
        """Run a command of Paydue's to its end; return the JSON that it prints, or None. Raises CalledProcessError."""
        done = subprocess.run(
            [PAYDUE, *arguments, "--data", self.data], check=True, capture_output=True, env=self._environment
        )
        return json.loads(done.stdout) if "--json" in arguments else None

    def psql(self, statement: str, database: str = "paydue") -> str:
        """Run a statement as the database's superuser and return what it prints."""
        url = f"postgresql://postgres@127.0.0.1:{self._ports['database']}/{database}"
        command = [_postgres("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement, url]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _make_database(self) -> None:
        folder = self.folder / "database"
        folder.mkdir(mode=0o700)
        self._hand_over(folder)
        command = [_postgres("initdb"), "-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._as_plain_user())
        with (folder / "postgresql.conf").open("a") as file:
            file.write(self._with_ports("postgresql.conf") + f"unix_socket_directories = '{folder}'\n")
        self.start("database")
        self.psql("CREATE ROLE paydue LOGIN", "postgres")
        self.psql("CREATE DATABASE paydue OWNER paydue", "postgres")

    def _with_ports(self, name: str) -> str:
        """Return one of the files beside this one, with the ports of this run."""
        text = (HERE / name).read_text()
        for part, usual in PORTS.items():
            text = re.sub(rf"\b{usual}\b", str(self._ports[part]), text)
        return text

    def _run(self, name: str, command: Sequence[object], *, plain_user: bool = False) -> None:
        user = self._as_plain_user() if plain_user else {}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self._environment, **user,
            )  # fmt: skip

    def _await(self, name: str, is_ready: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + _READY_WITHIN_SECONDS
        while not is_ready():
            if self._running[name].poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError(f"{name} does not start:\n{self.log_of(name)[-2000:]}")
            time.sleep(0.02)

    def _database_answers(self) -> bool:
        command = [_postgres("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._ports["database"])]
        return subprocess.run(command, check=False).returncode == 0

    def _hand_over(self, folder: Path) -> None:
        if self._user is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _as_plain_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": [], "cwd": "/"}


def _plain_user() -> pwd.struct_passwd | None:
    """Return whom to run as what refuses to run as root, or need not: PostgreSQL and nginx. None: as whoever we are."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def _postgres(program: str) -> str:
    """Return one of PostgreSQL's programs, of the newest version there is."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    path = str(found[-1]) if found else shutil.which(program)
    if path is None:
        sys.exit(f"{program} is missing: install postgresql (Debian: apt-get install postgresql nginx-light)")
    return path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
