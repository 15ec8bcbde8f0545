"""Several nodes on one database, as an operator runs them: what one is told the others know, and nothing is lost."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from client import INVOICES, SETTINGS, Account, an_invoice_body, prepared
from many_nodes import EXAMPLE, NODES, running_cluster
from signing import sign_jwt_shared


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Return the example's cluster, with nothing in its books."""
    with running_cluster() as running:
        yield running


@pytest.fixture
def account(cluster: Any) -> Account:
    """Return a merchant with a key of its own, seen through nginx."""
    merchant_id = f"merchant{time.monotonic_ns()}"
    cluster.paydue("merchant", "add", "--id", merchant_id, "--name", "Acme", "--json")
    key = cluster.paydue("key", "add", "--merchant", merchant_id, "--json")
    return Account(url=cluster.url, merchant_id=merchant_id, key_id=key["key_id"], shared_secret=key["shared_secret"])


@pytest.fixture
def nodes(cluster: Any, account: Account) -> list[Account]:
    """Return the same merchant, seen through each node."""
    return [
        Account(url=cluster.url_of(node), merchant_id=account.merchant_id, key_id=account.key_id,
                shared_secret=account.shared_secret)
        for node in NODES
    ]  # fmt: skip


def call(account: Account, method: str, target: str, body: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.Client(trust_env=False) as client:
        return client.send(prepared(account, method, target, body, named))


def eventually(is_so: Any) -> None:
    """Return as soon as it is so, within the five seconds that a node may remember and a moment for the call."""
    give_up_at = time.monotonic() + 6
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_a_key_that_is_revoked_stops_working_at_every_node_within_five_seconds(
    cluster: Any, nodes: list[Account]
) -> None:
    for node in nodes:
        assert call(node, "GET", INVOICES).status_code == 200

    cluster.paydue("key", "revoke", nodes[0].key_id)

    for node in nodes:
        eventually(lambda node=node: call(node, "GET", INVOICES).status_code == 401)


def test_settings_that_are_changed_at_one_node_are_the_others_within_five_seconds(nodes: list[Account]) -> None:
    here, beside = nodes

    def colour_of(node: Account) -> str:
        colour: str = call(node, "GET", SETTINGS).json()["invoiceSettingsInformation"]["headerStyle"]["fontColor"]
        return colour

    assert colour_of(beside) == "#000000"
    changed = {"invoiceSettingsInformation": {"headerStyle": {"fontColor": "#123456"}}}
    assert call(here, "PUT", SETTINGS, changed).status_code == 200

    eventually(lambda: colour_of(beside) == "#123456")


def test_a_token_that_was_used_at_one_node_is_refused_by_the_other(nodes: list[Account]) -> None:
    here, beside = nodes
    signed = sign_jwt_shared("GET", INVOICES, "127.0.0.1", here.merchant_id, here.key_id, here.shared_secret)
    statuses = [
        httpx.get(node.url + INVOICES, headers=signed, trust_env=False).status_code for node in (here, beside, here)
    ]
    assert statuses == [200, 401, 401]


def test_a_post_that_is_repeated_at_the_other_node_is_done_once(nodes: list[Account]) -> None:
    here, beside = nodes
    first = call(here, "POST", INVOICES, an_invoice_body(), idempotency_key="one")
    second = call(beside, "POST", INVOICES, an_invoice_body(), idempotency_key="one")

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["idempotent-replayed"] == "true"
    assert first.json() == second.json()
    assert call(here, "GET", INVOICES).json()["totalInvoices"] == 1


def test_when_no_node_answers_nginx_tells_when_to_come_again(cluster: Any, account: Account) -> None:
    for node in NODES:
        cluster.stop(node)

    refused = call(account, "POST", INVOICES, an_invoice_body())

    assert refused.status_code == 502
    assert refused.headers["retry-after"] == "1"
    assert refused.json() == {"response": {"rmsg": "Bad Gateway"}}
    for node in NODES:
        cluster.start(node)
    eventually(lambda: call(account, "GET", INVOICES).status_code == 200)


def test_a_rolling_restart_under_load_fails_no_request(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE / "run.py", "--seconds", "2", "--clients", "4"],
        capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed    0" in done.stdout
    assert "everything agrees" in done.stdout
