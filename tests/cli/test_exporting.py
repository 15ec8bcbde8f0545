"""`paydue export` and its twin over HTTP: the same bytes, from either engine, beside a server that goes on."""

import hashlib
import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from client import Account, Client, an_invoice_body, prepared
from raw_http import signed_request
from running import Server, paydue, run_paydue, running_demo

EXPORTS = "/paydue/v1/exports"
# More than the buffers between two programs hold.
COUNT = 9000


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("export") / "demo"
    paydue("bench", "seed", "--data", str(data), "--count", str(COUNT), "--json")
    with running_demo(data) as demo:
        yield demo


@pytest.fixture
def client(books: Server) -> Iterator[Client]:
    with Client(Account.demo(books)) as client:
        yield client


def exported(books: Server, *options: str) -> str:
    text: str = paydue("export", *options, "--data", str(books.data), "--merchant", "paydue_demo")
    return text


def test_the_command_and_the_api_give_the_same_bytes(books: Server, client: Client) -> None:
    for what in ("invoices", "payments"):
        for file_format in ("csv", "jsonl"):
            answer = client.call("GET", f"{EXPORTS}/{what}?format={file_format}").expect(200)
            done = run_paydue(
                "export", what, "--format", file_format, "--data", str(books.data), "--merchant", "paydue_demo",
                "--output", str(target := books.data / f"{what}.{file_format}"),
            )  # fmt: skip
            assert done.returncode == 0
            assert target.read_bytes() == answer.body
            assert f"SHA-256 {hashlib.sha256(answer.body).hexdigest()}" in done.stderr
            assert done.stdout == ""
            assert answer.headers["content-disposition"] == f'attachment; filename="{what}.{file_format}"'


def test_everything_is_there_and_filters_leave_out_the_rest(books: Server, client: Client) -> None:
    listed = [
        each["id"]
        for offset in range(0, COUNT, 1000)
        for each in client.list(f"?limit=1000&offset={offset}")["invoices"]
    ]
    told = [json.loads(line) for line in exported(books, "--format", "jsonl").splitlines()]

    assert [each["invoiceId"] for each in told] == listed[::-1]
    paid = [json.loads(line) for line in exported(books, "--format", "jsonl", "--status", "paid").splitlines()]
    assert len(paid) == client.list("?status=PAID")["totalInvoices"] > 0
    assert {each["status"] for each in paid} == {"PAID"}
    middle = told[350]["createdAt"]
    since = client.call("GET", f"{EXPORTS}/invoices?format=jsonl&since={middle}").expect(200).body
    until = client.call("GET", f"{EXPORTS}/invoices?format=jsonl&until={middle}").expect(200).body
    assert (until + since).splitlines() == exported(books, "--format", "jsonl").encode().splitlines()


def test_a_file_is_private_never_replaced_unasked_and_told_of_to_scripts(books: Server, tmp_path: Path) -> None:
    target = tmp_path / "books.csv"
    place = ("--data", str(books.data), "--merchant", "paydue_demo", "--output", str(target))

    told = paydue("export", *place, "--json")

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    written = target.read_bytes()
    assert told == {"records": COUNT, "bytes": len(written), "sha256": hashlib.sha256(written).hexdigest()}
    refused = run_paydue("export", *place)
    assert (refused.returncode, target.read_bytes()) == (1, written)
    assert "is there already" in refused.stderr
    assert paydue("export", *place, "--force", "--json") == told
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--merchant", "nobody"), "there is no merchant nobody"),
        (("payments", "--merchant", "paydue_demo", "--status", "PAID"), "--status is for invoices"),
        (("--merchant", "paydue_demo", "--json"), "--output"),
        (("--merchant", "paydue_demo", "--output", "/nowhere/at/all"), "No such file"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(books: Server, options: Any, says: str) -> None:
    done = run_paydue("export", *options, "--data", str(books.data))

    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_wrong_parameters_are_all_named(client: Client) -> None:
    answer = client.call("GET", f"{EXPORTS}/invoices?format=xls&status=open&since=soon&until=later").expect(400)

    assert set(answer.faults) == {"format", "status", "since", "until"}


def test_an_encoded_path_is_the_same_export(client: Client) -> None:
    plain = client.call("GET", f"{EXPORTS}/invoices").expect(200)
    request = prepared(client.account, "GET", "/paydue/v1/%65xports/invoices")

    with httpx.Client(trust_env=False) as http:
        assert http.send(request).content == plain.body


def test_who_does_not_read_holds_up_nobody_and_too_many_are_told_to_come_again(books: Server, client: Client) -> None:
    account = Account.demo(books)
    host, port = account.host.split(":")
    waiting = []
    try:
        while len(waiting) < 2:
            # A window so small that the answer cannot leave.
            opened = socket.socket()
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            opened.connect((host, int(port)))
            opened.sendall(signed_request(account, "GET", f"{EXPORTS}/invoices?format=jsonl"))
            opened.recv(1)
            waiting.append(opened)
        busy = client.call("GET", f"{EXPORTS}/invoices").expect(503)
        assert busy.headers["retry-after"]
        client.create(an_invoice_body())
    finally:
        for opened in waiting:
            opened.close()
    for _ in range(100):
        if client.call("GET", f"{EXPORTS}/payments").status == 200:
            break
    else:
        raise AssertionError("a client that left still counts")
