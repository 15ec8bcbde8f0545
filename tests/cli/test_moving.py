"""`paydue move`: one command there and one back, with what it did to be read and to be parsed."""

from pathlib import Path

from client import Account, Client
from postgres_server import PostgresServer
from running import paydue, run_paydue, running_demo


def test_a_demo_moves_to_postgresql_and_back_and_answers_as_before(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    data, url, back = tmp_path / "demo", postgres_server.new_database(), tmp_path / "back.db"
    paydue("bench", "seed", "--data", str(data), "--count", "150")
    with running_demo(data) as demo, Client(Account.demo(demo)) as client:
        before = client.get("7")
        served = run_paydue("move", "--data", str(data), "--to", url)
        assert (served.returncode, served.stderr.count("\n")) == (1, 1)
        assert "Another Paydue process serves" in served.stderr

    moved = paydue("move", "--data", str(data), "--to", url, "--json")

    assert moved["holds"]
    assert moved["to"] == url
    assert moved["tables"]["invoices"]["rows"] == 150
    with running_demo(data, "--database", url) as demo, Client(Account.demo(demo)) as client:
        after = client.get("7")
        assert after["orderInformation"] == before["orderInformation"]
        assert after["invoiceHistory"] == before["invoiceHistory"]
        assert client.list("?limit=1")["totalInvoices"] == 150
    returned = run_paydue("move", "--data", str(data), "--from", url, "--to", f"sqlite:///{back}")
    assert returned.returncode == 0
    assert f"{moved['tables']['invoices']['checksum']}\n" in returned.stdout
    assert f'database = "sqlite:///{back}"' in returned.stdout
    assert "copy invoices: 150 rows" in returned.stderr
    assert paydue("verify", "--data", str(data), "--database", f"sqlite:///{back}", "--json")["holds"]


def test_what_cannot_be_moved_is_told_in_one_line(tmp_path: Path, postgres_server: PostgresServer) -> None:
    data = tmp_path / "data"
    paydue("init", "--data", str(data))
    for options, words in (
        (("--to", "mysql://host/db"), "is 'mysql://host/db'"),
        (("--to", f"sqlite:///{data}/paydue.db"), "Both sides of the move are the same database"),
        (("--to", "postgresql://paydue@127.0.0.1:1/none"), "the database does not answer"),
        (
            ("--from", f"sqlite:///{tmp_path}/none.db", "--to", postgres_server.new_database()),
            "There is no database at",
        ),
    ):
        refused = run_paydue("move", "--data", str(data), *options)

        assert refused.returncode == 1
        assert words in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_a_password_in_an_address_is_not_printed(tmp_path: Path, postgres_server: PostgresServer) -> None:
    data = tmp_path / "data"
    paydue("init", "--data", str(data))
    url = postgres_server.new_database().replace("paydue@", "paydue:sesame@")

    moved = run_paydue("move", "--data", str(data), "--to", url)

    assert moved.returncode == 0
    assert "paydue:***@" in moved.stdout
    assert "sesame" not in moved.stdout + moved.stderr
