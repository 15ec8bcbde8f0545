"""`paydue backup`: a copy that restores, made while the server writes; and what PostgreSQL's own tools need."""

import os
import shutil
import sqlite3
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from client import Account, Client, an_invoice_body
from postgres_server import PostgresServer, name_of, program
from running import paydue, run_paydue, running_demo


def seeded(folder: Path, count: int = 300) -> Path:
    data = folder / "demo"
    paydue("bench", "seed", "--data", str(data), "--count", str(count), "--json")
    return data


def test_a_backup_made_under_load_restores_and_everything_holds(tmp_path: Path) -> None:
    data, copy = seeded(tmp_path, 3000), tmp_path / "copy.db"
    stopping = threading.Event()
    made: list[str] = []

    def keep_creating(account: Account) -> None:
        with Client(account) as client:
            while not stopping.is_set():
                made.append(client.create(an_invoice_body(send=True))["id"])

    with running_demo(data) as demo:
        creating = threading.Thread(target=keep_creating, args=(Account.demo(demo),))
        creating.start()
        while len(made) < 20:
            stopping.wait(0.01)
        before = len(made)
        told = paydue("backup", str(copy), "--data", str(data), "--json")
        stopping.set()
        creating.join()

    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert (told["file"], told["bytes"]) == (str(copy), copy.stat().st_size)
    assert [each.name for each in tmp_path.iterdir() if "copy" in each.name] == ["copy.db"]
    restored = tmp_path / "restored"
    restored.mkdir(mode=0o700)
    shutil.copy(copy, restored / "paydue.db")
    shutil.copy(data / "paydue.key", restored / "paydue.key")
    assert paydue("verify", "--data", str(restored), "--json")["holds"]
    books = paydue("export", "--data", str(restored), "--merchant", "paydue_demo")
    for number in made[:before]:
        assert f'\n"{number}",' in books


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    data, copy = seeded(tmp_path), tmp_path / "copy.db"
    copy.write_text("precious")

    refused = run_paydue("backup", str(copy), "--data", str(data))

    assert (refused.returncode, copy.read_text()) == (1, "precious")
    assert "--force" in refused.stderr
    paydue("backup", str(copy), "--data", str(data), "--force")
    assert copy.read_bytes()[:6] == b"SQLite"
    itself = run_paydue("backup", str(data / "paydue.db"), "--data", str(data), "--force")
    assert itself.returncode == 1
    assert "the database itself" in itself.stderr


def test_a_damaged_database_gives_no_backup(tmp_path: Path) -> None:
    data, copy = seeded(tmp_path), tmp_path / "copy.db"
    damaged = sqlite3.connect(data / "paydue.db")
    ((page,),) = damaged.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'invoices_by_number'")
    damaged.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged.close()
    with (data / "paydue.db").open("r+b") as file:
        file.seek((page - 1) * 8192 + 8)
        file.write(os.urandom(4000))

    done = run_paydue("backup", str(copy), "--data", str(data))

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert not copy.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize("place", ["nowhere/copy.db", "demo"])
def test_a_place_that_takes_no_file_is_said_in_one_line(tmp_path: Path, place: str) -> None:
    data = seeded(tmp_path, 1)

    done = run_paydue("backup", str(tmp_path / place), "--data", str(data), "--force")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_on_postgresql_its_own_tools_are_named_and_their_dump_restores(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.new_database()
    place = ("--data", str(tmp_path / "data"), "--database", url)
    paydue("init", *place)
    paydue("merchant", "add", *place, "--id", "paydue_demo", "--name", "Acme")
    paydue("bench", "seed", *place, "--count", "50", "--json")

    refused = run_paydue("backup", str(tmp_path / "copy"), *place)
    assert refused.returncode == 1
    assert "pg_dump" in refused.stderr
    assert "docs/howto/back-up.md" in refused.stderr

    dump, restored = tmp_path / "paydue.dump", postgres_server.new_database()
    environment = {**os.environ, "PGOPTIONS": "-c paydue.merchants=*"}
    subprocess.run(
        [program("pg_dump"), "--format=custom", "--enable-row-security", f"--file={dump}", url],
        check=True, env=environment,
    )  # fmt: skip
    subprocess.run(
        [program("pg_restore"), "--no-owner", "--exit-on-error", f"--dbname={restored}", str(dump)],
        check=True, env=environment,
    )  # fmt: skip
    kept = (*place[:2], "--database", restored)
    assert paydue("verify", *kept, "--json")["holds"]
    books = ("--merchant", "paydue_demo")
    assert paydue("export", *kept, *books) == paydue("export", *place, *books)
    assert name_of(restored) != name_of(url)
