"""The commands as a person or a script uses them: in processes of their own, judged by what they print and leave."""

import json
import shutil
import signal
import socket
import ssl
import stat
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import apsw
import click
import pytest

from client import Account, Client, an_invoice_body
from paydue.cli.commands import program
from paydue.cli.http_protocol import LARGEST_HEAD_BYTES
from running import Failed, Server, paydue, run_paydue, running_demo, running_server
from signing import sign_http, sign_jwt_p12

READY_KEYS = {
    "api_url", "tls_url", "ca_file", "merchant_id", "key_id", "shared_secret", "p12_file", "p12_password",
    "console_url", "console_user", "console_password", "mailbox_dir", "sandbox_url", "pid",
}  # fmt: skip


def account_of(ready: Any, **changed: str) -> Account:
    known = {name: ready[name] for name in ("merchant_id", "key_id", "shared_secret") if name in ready}
    return Account(**{"url": ready["api_url"]} | known | changed)


def accepts(account: Account) -> bool:
    try:
        socket.create_connection(("127.0.0.1", urlsplit(account.url).port or 0)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("made") / "data"
    paydue("init", "--data", str(data))
    paydue("merchant", "add", "--data", str(data), "--id", "acme", "--name", "Acme Ltd")
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """Return a data folder of the test's own that `paydue init` made, with the merchant acme."""
    return Path(shutil.copytree(made, tmp_path / "data"))


# --- demo ---


def test_the_ready_file_of_the_demo_says_everything_that_the_contract_names(demo: Server):
    assert set(demo.ready) == READY_KEYS
    assert demo.ready["pid"] == demo.process.pid
    assert all(isinstance(value, str) and value for name, value in demo.ready.items() if name != "pid")
    assert urlsplit(demo.ready["api_url"]).hostname == "127.0.0.1"
    assert Path(demo.ready["mailbox_dir"]).is_dir()


def test_the_demo_prints_what_a_person_needs(demo: Server):
    printed = demo.log.read_text()

    for name in ("api_url", "console_url", "console_password", "merchant_id", "key_id", "shared_secret"):
        assert f"{name}: {demo.ready[name]}" in printed
    assert "Ctrl+C stops" in printed


def test_the_demo_answers_by_https_with_a_certificate_of_its_own_authority(demo: Server):
    trusting = ssl.create_default_context(cafile=demo.ready["ca_file"])
    with Client(account_of(demo.ready, url=demo.ready["tls_url"]), verify=trusting) as client:
        assert client.create(an_invoice_body())["status"] == "DRAFT"


def test_the_p12_file_of_the_demo_opens_the_same_books(demo: Server):
    p12, target = Path(demo.ready["p12_file"]).read_bytes(), "/invoicing/v2/invoices?limit=1"
    account = account_of(demo.ready)
    headers = sign_jwt_p12("GET", target, account.host, account.merchant_id, p12, demo.ready["p12_password"])
    with Client(account) as client:
        client.call("GET", target, headers=headers, signed=False).expect(200)


def test_the_files_of_the_demo_are_for_its_owner_alone(demo: Server):
    assert stat.S_IMODE(demo.data.stat().st_mode) == 0o700
    files = [path for path in demo.data.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path.name for path in files if path.stat().st_mode & 0o077] == []


def test_a_second_start_on_the_same_data_keeps_merchant_keys_and_invoices(tmp_path):
    with running_demo(tmp_path / "demo") as server, Client(account_of(server.ready)) as client:
        first = dict(server.ready)
        number = client.create(an_invoice_body(send=True))["id"]
    with running_demo(tmp_path / "demo") as server, Client(account_of(server.ready)) as client:
        moving = {"api_url", "tls_url", "console_url", "sandbox_url", "pid"}
        assert {name: server.ready[name] for name in READY_KEYS - moving} == {
            name: first[name] for name in READY_KEYS - moving
        }
        assert client.get(number)["status"] == "CREATED"


def test_a_start_that_was_cut_short_is_made_good_by_the_next(tmp_path):
    data = tmp_path / "demo"
    with running_demo(data) as server:
        ready = dict(server.ready)
    for lost in ("paydue.db", "demo.p12", "tls/server.pem"):
        (data / lost).unlink()
    with running_demo(data) as server, Client(account_of(ready, url=server.ready["api_url"])) as client:
        assert client.list()["totalInvoices"] == 0
        assert Path(server.ready["p12_file"]).is_file()
        trusting = ssl.create_default_context(cafile=ready["ca_file"])
        with Client(account_of(server.ready, url=server.ready["tls_url"]), verify=trusting) as by_tls:
            by_tls.list()


def test_the_demo_does_not_touch_a_folder_that_init_made(data):
    done = run_paydue("demo", "--port", "0", "--data", str(data))

    assert done.returncode == 1
    assert "was made by `paydue init`, not by the demo" in done.stderr


def test_two_processes_cannot_serve_from_one_folder(demo: Server):
    done = run_paydue("demo", "--port", "0", "--data", str(demo.data))

    assert done.returncode == 1
    assert "Another Paydue process serves" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_ready_file_of_an_earlier_start_is_gone_before_the_next_one_is_ready(tmp_path):
    ready_file = tmp_path / "ready.json"
    ready_file.write_text("{}", encoding="utf-8")
    run_paydue(
        "demo", "--port", "0", "--data", str(tmp_path / "demo"), "--ready-file", str(ready_file), PAYDUE_BURST="x"
    )
    assert ready_file.exists(), "refused before anything was touched"
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        done = run_paydue("demo", "--port", port, "--data", str(tmp_path / "demo"), "--ready-file", str(ready_file))

    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}: it is in use" in done.stderr
    assert not ready_file.exists()


# --- the end ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_exit_code_0(data, number):
    with running_server(data) as server:
        server.process.send_signal(number)
        assert server.wait() == 0


def test_a_request_that_was_accepted_before_the_end_is_still_answered(tmp_path):
    body = json.dumps(an_invoice_body(send=True)).encode()
    with running_demo(tmp_path / "demo") as server:
        account = account_of(server.ready)
        headers = sign_http(
            "POST",
            "/invoicing/v2/invoices",
            account.host,
            account.merchant_id,
            account.key_id,
            account.shared_secret,
            body,
        )
        lines = [f"{name}: {value}" for name, value in headers.items()] + [f"Content-Length: {len(body)}"]
        head = "\r\n".join(["POST /invoicing/v2/invoices HTTP/1.1", *lines, "", ""]).encode()
        with socket.create_connection(("127.0.0.1", urlsplit(account.url).port or 0)) as connection:
            connection.sendall(head + body[:20])
            # An answer on another connection: the half request has been read by then.
            with Client(account) as client:
                client.list()
            server.process.send_signal(signal.SIGTERM)
            while accepts(account):
                time.sleep(0.01)
            connection.sendall(body[20:])
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        assert server.wait() == 0
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"connection: close" in answer
    with running_demo(tmp_path / "demo") as server, Client(account_of(server.ready)) as client:
        assert client.list()["totalInvoices"] == 1


# --- production ---


def test_an_installation_made_by_commands_serves(data):
    key = paydue("key", "add", "--data", str(data), "--merchant", "acme", "--json")
    with running_server(data, "--with-worker", "--public-url", "https://pay.example.com") as server:
        assert {"api_url", "pid"} <= set(server.ready)
        with Client(
            account_of(server.ready, merchant_id="acme", **{n: key[n] for n in ("key_id", "shared_secret")})
        ) as client:
            invoice = client.create(an_invoice_body(send=True))
        events = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert invoice["invoiceInformation"]["paymentLink"].startswith("https://pay.example.com/ebc2/")
    told = [event["event"] for event in events]
    assert told[0] == "no_mail_server"
    assert {"worker_started", "serving"} <= set(told)


def test_a_new_key_works_in_a_running_server_at_once_and_a_revoked_one_is_refused(data):
    with running_server(data) as server:
        key = paydue("key", "add", "--data", str(data), "--merchant", "acme", "--json")
        account = account_of(server.ready, merchant_id="acme", key_id=key["key_id"], shared_secret=key["shared_secret"])
        with Client(account) as client:
            client.list()
            revoked = paydue("key", "revoke", "--data", str(data), key["key_id"], "--json")
            assert revoked == {"key_id": key["key_id"], "is_revoked": True}
    with running_server(data) as server, Client(replace(account, url=server.ready["api_url"])) as client:
        client.call("GET", "/invoicing/v2/invoices").expect(401)
    listed = paydue("key", "list", "--data", str(data), "--merchant", "acme", "--json")
    assert [(each["key_id"], each["is_revoked"]) for each in listed] == [(key["key_id"], True)]
    assert key["shared_secret"] not in json.dumps(listed)
    assert run_paydue("key", "revoke", "--data", str(data), key["key_id"]).returncode == 1


def test_a_meta_key_acts_for_the_merchants_it_covers_and_for_no_other(data):
    paydue("merchant", "add", "--data", str(data), "--id", "rent", "--name", "Acme Rent")
    paydue("merchant", "add", "--data", str(data), "--id", "other", "--name", "Somebody Else")
    meta = paydue(
        "key", "add", "--data", str(data), "--portfolio", "group", "--covers", "acme", "--covers", "rent", "--json"
    )
    assert meta["merchants"] == ["acme", "rent"]
    assert meta["portfolio_id"] == "group"
    target = "/invoicing/v2/invoices?limit=1"
    with running_server(data) as server:
        account = account_of(
            server.ready, merchant_id="acme", key_id=meta["key_id"], shared_secret=meta["shared_secret"]
        )
        with Client(account) as client:
            for merchant, status in (("acme", 200), ("rent", 200), ("other", 401)):
                headers = sign_http(
                    "GET", target, account.host, merchant, account.key_id, account.shared_secret, portfolio="group"
                )
                client.call("GET", target, headers=headers, signed=False).expect(status)


def test_an_issued_p12_file_and_a_registered_certificate_sign_in(data, tmp_path):
    p12 = tmp_path / "acme.p12"
    issued = paydue("key", "add", "--data", str(data), "--merchant", "acme", "--p12", str(p12), "--json")
    assert issued["p12_file"] == str(p12)
    assert stat.S_IMODE(p12.stat().st_mode) == 0o600
    again = run_paydue("key", "add", "--data", str(data), "--merchant", "acme", "--p12", str(p12))
    assert (again.returncode, again.stderr) == (1, f"paydue: {p12} is there already; it is not overwritten.\n")
    target = "/invoicing/v2/invoices"
    with running_server(data) as server:
        account = account_of(server.ready, merchant_id="acme", key_id="", shared_secret="")
        headers = sign_jwt_p12("GET", target, account.host, "acme", p12.read_bytes(), issued["p12_password"])
        with Client(account) as client:
            client.call("GET", target, headers=headers, signed=False).expect(200)


def test_a_p12_file_for_a_merchant_who_is_not_there_is_not_left_behind(data, tmp_path):
    p12 = tmp_path / "nobody.p12"
    done = run_paydue("key", "add", "--data", str(data), "--merchant", "nobody", "--p12", str(p12))

    assert done.returncode == 1
    assert "there is no merchant nobody" in done.stderr
    assert not p12.exists()


def test_the_certificate_that_tls_create_makes_is_served_and_verified(data):
    made = paydue("tls", "create", "--data", str(data), "--name", "localhost", "--address", "127.0.0.1", "--json")
    renewed = paydue("tls", "create", "--data", str(data), "--name", "localhost", "--json")
    assert made == renewed
    options = ("--tls-certificate", made["tls_certificate"], "--tls-key", made["tls_key"])
    with running_server(data, *options) as server:
        trusting = ssl.create_default_context(cafile=made["ca_file"])
        port = urlsplit(server.ready["tls_url"]).port
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            trusting.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert secure.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_the_settings_for_client_libraries_are_printed_with_the_certificate(data):
    printed = paydue("tls", "create", "--data", str(data), "--name", "pay.example.com")

    assert '"run_environment": "pay.example.com:8443"' in printed
    assert "runEnvironment: 'pay.example.com:8443'" in printed
    assert str(data / "tls" / "ca.pem") in printed


def test_init_again_changes_nothing(data):
    before = {path: path.read_bytes() for path in data.iterdir()}

    assert paydue("init", "--data", str(data), "--json") == {"data": str(data), "made": []}
    assert {path: path.read_bytes() for path in data.iterdir()} == before


def test_a_database_without_its_key_file_gets_no_new_one(data):
    (data / "paydue.key").unlink()
    for command in ("init", "serve", "verify"):
        done = run_paydue(command, "--data", str(data))
        assert done.returncode == 1
        assert "paydue.key" in done.stderr
        assert "is missing" in done.stderr
    assert not (data / "paydue.key").exists()


# --- refusals: one line that says what to do ---


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["serve"], {}, "There is no Paydue in"),
        (["merchant", "list"], {}, "run `paydue init --data"),
        (["migrate"], {}, "there is no database in"),
        (["serve", "--port", "70000"], {}, "port (--port) is 70000: expected a port number"),
        (
            ["demo"],
            {"PAYDUE_RATE_LIMIT": "many"},
            "rate_limit (PAYDUE_RATE_LIMIT) is 'many': expected requests a second",
        ),
        (["serve", "--host", "192.0.2.1"], {}, "plain http can be read and changed on the way"),
        (["serve", "--database", "postgresql://me@db/paydue"], {}, "run `paydue init --data"),
        (["init", "--database", "postgresql://me@127.0.0.1:1/paydue"], {}, "the database does not answer"),
        (["serve", "--config", "/nowhere.toml"], {}, "the configuration file /nowhere.toml cannot be read"),
        (["init", "--data", "/proc/nowhere"], {}, "/proc/nowhere"),
        (["tls", "create", "--name", "localhost"], {}, "there is no folder"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(tmp_path, arguments, environment, words):
    data = [] if "--data" in arguments else ["--data", str(tmp_path / "data")]
    done = run_paydue(*arguments, *data, **environment)

    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--colour"],
        ["merchant", "add", "--id", "x"],
        ["key", "add"],
        ["key", "add", "--portfolio", "x"],
        ["key", "add", "--merchant", "x", "--p12", "a", "--certificate", "b"],
        ["tls", "create"],
        ["fly"],
    ],
)
def test_a_command_that_was_not_understood_ends_with_exit_code_2(tmp_path, arguments):
    done = run_paydue(*arguments, PAYDUE_DATA=str(tmp_path))

    assert done.returncode == 2
    assert "Usage:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--id", "acme", "--name", "Again"], "there is a merchant acme already"),
        (["--id", "a b", "--name", "x"], "--id is 'a b': expected"),
        (["--id", "b", "--name", "line\nbreak"], "--name is"),
        (["--id", "b", "--name", "x", "--city", "\x1b[2J"], "--city is"),
        (["--id", "b", "--name", "x", "--time-zone", "Moon/Crater"], "--time-zone is 'Moon/Crater'"),
    ],
)
def test_a_merchant_that_cannot_be_is_refused(data, options, words):
    done = run_paydue("merchant", "add", "--data", str(data), *options)

    assert done.returncode == 1
    assert words in done.stderr
    assert [each["merchant_id"] for each in paydue("merchant", "list", "--data", str(data), "--json")] == ["acme"]


def test_a_merchant_is_kept_with_everything_that_was_said_of_it(data):
    paydue(
        "merchant", "add", "--data", str(data), "--id", "lane", "--name", "Harbour Lane", "--email", "a@lane.example",
        "--phone", "+1 207 555 0142", "--address1", "14 Harbour Lane", "--city", "Portland", "--state", "ME",
        "--postal-code", "04101", "--country", "US", "--time-zone", "America/New_York",
    )  # fmt: skip
    with closing(apsw.Connection(str(data / "paydue.db"))) as database:
        [(document,)] = database.execute("SELECT document FROM merchants WHERE merchant_id = 'lane'")
    assert all(word in str(document) for word in ("a@lane.example", "14 Harbour Lane", "04101", "America/New_York"))


@pytest.mark.parametrize(("number", "words"), [(0, "run `paydue migrate` first"), (99, "install the newer release")])
def test_another_schema_is_refused_by_serve(data, number, words):
    with closing(apsw.Connection(str(data / "paydue.db"))) as database:
        database.execute(
            "UPDATE schema_migrations SET number = ? WHERE number = 1" if number else "DELETE FROM schema_migrations",
            (number,) * bool(number),
        )
    with pytest.raises(Failed) as failed, running_server(data):
        pass
    assert words in str(failed.value)
    assert "Traceback" not in str(failed.value)


def test_migrate_on_the_schema_of_this_release_does_nothing(data):
    assert paydue("migrate", "--data", str(data), "--json") == {"applied": 0}


def test_verify_holds_while_a_server_serves_and_finds_a_row_that_was_tampered_with(tmp_path):
    data = tmp_path / "demo"
    with running_demo(data) as server, Client(account_of(server.ready)) as client:
        number = client.create(an_invoice_body(send=True))["id"]
        client.pay(number, "100")
        assert paydue("verify", "--data", str(data), "--json") == {"holds": True, "count": 0, "findings": []}
    with closing(apsw.Connection(str(data / "paydue.db"))) as database:
        database.execute("UPDATE invoices SET status = 'PAID'")
    found = paydue("verify", "--data", str(data), "--json", exit_code=1)

    assert found["holds"] is False
    assert found["count"] == len(found["findings"]) > 0
    assert {"rule", "place", "found"} <= set(found["findings"][0])
    assert "findings. Keep a copy" in run_paydue("verify", "--data", str(data)).stdout


def test_a_setting_that_is_not_known_brings_a_warning_and_not_a_refusal(data):
    with running_server(data, PAYDUE_COLOUR="red") as server:
        events = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {"event": "unknown_setting", "variable": "PAYDUE_COLOUR"}.items() <= events[-2].items()


# --- what is no request ---


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HELLO\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"a" * 40_000 + b"\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"a" * 4 * LARGEST_HEAD_BYTES, 431),
        (b"GET /" + b"a" * 4 * LARGEST_HEAD_BYTES, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
def test_what_is_no_request_is_refused_with_the_headers_of_every_answer(demo: Server, sent, status):
    with socket.create_connection(("127.0.0.1", urlsplit(demo.ready["api_url"]).port or 0), timeout=10) as connection:
        connection.sendall(sent)
        answer = b""
        while b"\r\n\r\n" not in answer and (chunk := connection.recv(65536)):
            answer += chunk
    head = answer.partition(b"\r\n\r\n")[0].decode()
    assert head.startswith(f"HTTP/1.1 {status or ''}")
    assert "v-c-correlation-id: " in head
    assert "x-content-type-options: nosniff" in head
    assert "\nserver:" not in head.lower()


# --- help ---


def commands_below(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(name, command)]
    return [found for each in command.commands.items() for found in commands_below(each[1], f"{name} {each[0]}")]


@pytest.mark.parametrize(("name", "command"), commands_below(program, "paydue"))
def test_every_command_explains_itself_with_an_example(name: str, command: click.Command):
    context = click.Context(command, info_name=name)
    told = command.get_help(context)

    assert f"\n    {name} " in told
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []
