"""
Two nodes, two workers and their database under load, each killed and restarted meanwhile.

What is asserted holds for every moment at which a part may die: what was acknowledged is kept, no number is given
twice, each invoice is mailed and announced, and whoever was not served is told when to come again.
"""

import asyncio
import json
import random
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
import pytest

from client import INVOICES, Account, Client, an_invoice_body, prepared
from many_nodes import NODES, running_cluster
from receiver import Receiver, authority_file, receiving

CLIENTS = 8
PAYER = "tanya.lee@customer.example"
HOOKS = "/notification-subscriptions/v1/webhooks"
SEND = "invoicing.customer.invoice.send"
# How long a node may be left alone by nginx after it was away, and a moment for what is under way.
AFTERWARDS_SECONDS = 3.0


class Load:
    """Clients that create, send and read, and ask again what was not answered well, until it is."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._stopping = asyncio.Event()
        self.numbers: dict[str, str] = {}
        self.sent: set[str] = set()
        self.refusals: list[tuple[float, int, str | None]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            clients = [asyncio.create_task(self._work(http)) for _ in range(CLIENTS)]
            try:
                yield
            finally:
                self._stopping.set()
                await asyncio.gather(*clients)

    async def _work(self, http: httpx.AsyncClient) -> None:
        while not self._stopping.is_set():
            wish = str(uuid.uuid4())
            is_sent = random.random() < 0.2
            body = an_invoice_body(send=is_sent, email=PAYER)
            created = await self._asked(http, "POST", INVOICES, body, wish)
            assert created.status_code == 201, created.text
            number = created.json()["id"]
            assert wish not in self.numbers
            self.numbers[wish] = number
            if is_sent:
                self.sent.add(number)
            found = await self._asked(http, "GET", f"{INVOICES}/{number}", None, wish)
            assert found.status_code == 200, found.text

    async def _asked(self, http: httpx.AsyncClient, method: str, target: str, body: Any, wish: str) -> httpx.Response:
        """Ask until it is answered, under the same idempotency key."""
        headers = {"idempotency-key": wish} if method == "POST" else {}
        while True:
            answer = await http.send(prepared(self._account, method, target, body, headers))
            if answer.status_code < 500:
                return answer
            self.refusals.append((time.monotonic(), answer.status_code, answer.headers.get("retry-after")))
            await asyncio.sleep(0.1)


class Outages:
    """When something was away, as far as clients may notice."""

    def __init__(self, cluster: Any, url: str) -> None:
        self._cluster = cluster
        self._url = url
        self.windows: list[tuple[float, float]] = []

    async def kill(self, part: str, how: signal.Signals) -> None:
        """End a part the hard way, and start it again a moment later."""
        began = time.monotonic()
        await asyncio.to_thread(self._cluster.stop, part, how)
        await asyncio.sleep(random.uniform(0.2, 1))
        await asyncio.to_thread(self._cluster.start, part)
        await self._await_nodes()
        self.windows.append((began, time.monotonic() + AFTERWARDS_SECONDS))
        # So that each outage is seen by itself.
        await asyncio.sleep(AFTERWARDS_SECONDS / 2)

    async def restart(self, part: str) -> None:
        """Stop a part as an operator does, and start it again: no outage."""
        await asyncio.to_thread(self._cluster.stop, part)
        await asyncio.to_thread(self._cluster.start, part)

    def explains(self, at: float) -> bool:
        return any(began <= at <= ended for began, ended in self.windows)

    async def _await_nodes(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            for node in NODES:
                url = self._cluster.url_of(node) + "/health/ready"
                while (await http.get(url)).status_code != 200:  # noqa: ASYNC110 - nobody tells when it is
                    await asyncio.sleep(0.05)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.nightly)])
async def test_nothing_acknowledged_is_lost_while_nodes_workers_and_the_database_die(
    certificates: Path, rounds: int
) -> None:
    async with receiving(certificates) as receiver:
        settings = {
            "PAYDUE_EGRESS_NETWORKS": "127.0.0.0/8",
            "PAYDUE_EGRESS_PORTS": str(receiver.port),
            "PAYDUE_EGRESS_CA_FILE": str(authority_file(certificates)),
            "PAYDUE_WEBHOOK_DEFAULT_POLICY": "resilient",
        }
        starting = running_cluster(**settings)
        cluster = await asyncio.to_thread(starting.__enter__)
        try:
            account = await asyncio.to_thread(a_merchant, cluster)
            await asyncio.to_thread(subscribe, cluster, account, receiver)
            load, outages = Load(account), Outages(cluster, account.url)
            async with load.running():
                for _ in range(rounds):
                    await outages.kill("node 1", signal.SIGKILL)
                    await outages.kill("worker 1", signal.SIGKILL)
                    await outages.restart("node 2")
                    # PostgreSQL: fast, and as in a crash.
                    await outages.kill("database", signal.SIGINT)
                    await outages.kill("database", signal.SIGQUIT)
            assert len(load.numbers) > 100
            await asyncio.to_thread(let_leases_run_out, cluster)
            await delivered(cluster)
            check(cluster, load, outages, receiver)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


def a_merchant(cluster: Any) -> Account:
    cluster.paydue("merchant", "add", "--id", "acme", "--name", "Acme", "--json")
    key = cluster.paydue("key", "add", "--merchant", "acme", "--json")
    return Account(url=cluster.url, merchant_id="acme", key_id=key["key_id"], shared_secret=key["shared_secret"])


def subscribe(cluster: Any, account: Account, receiver: Receiver) -> None:
    """Have the receiver told of what is sent."""
    node = Account(
        url=cluster.url_of("node 1"), merchant_id=account.merchant_id, key_id=account.key_id,
        shared_secret=account.shared_secret,
    )  # fmt: skip
    with Client(node) as client:
        wish = {"clientRequestAction": "CREATE", "keyInformation": {"keyType": "sharedSecret"}}
        client.call("POST", "/kms/egress/v2/keys-sym", wish).expect(201)
        wanted = {"productId": "customerInvoicing", "eventTypes": [SEND], "webhookUrl": receiver.url("/ok")}
        webhook_id = client.call("POST", HOOKS, {"name": "Books"} | wanted).expect(201).json["webhookId"]
        client.call("PUT", f"{HOOKS}/{webhook_id}/status", {"status": "ACTIVE"}).expect(200)
    # The other node may not have noticed yet.
    time.sleep(5)


def let_leases_run_out(cluster: Any) -> None:
    """Do what five minutes do: what a killed worker had at hand may be taken by another."""
    cluster.psql(
        "UPDATE outbox SET lease_until = '2020-01-01T00:00:00.000000+00:00'"
        " WHERE (merchant_id, message_id) IN (SELECT merchant_id, message_id FROM outbox"
        # Those that are locked are being settled by a worker that lives.
        " WHERE state = 'pending' AND lease IS NOT NULL FOR UPDATE SKIP LOCKED)"
    )


async def delivered(cluster: Any) -> None:
    """Return when nothing waits in the outbox."""
    async with asyncio.timeout(120):
        waiting = "SELECT count(*) FROM outbox WHERE state = 'pending'"
        while await asyncio.to_thread(cluster.psql, waiting) != "0":  # noqa: ASYNC110 - nobody tells when it is
            await asyncio.sleep(0.2)


def check(cluster: Any, load: Load, outages: Outages, receiver: Receiver) -> None:
    numbers = list(load.numbers.values())
    assert len(set(numbers)) == len(numbers), "a number was given twice"
    kept = cluster.psql("SELECT number FROM invoices ORDER BY serial").splitlines()
    assert sorted(kept) == sorted(numbers), "each wish was acknowledged once, however often it was asked"
    unexplained = [each for each in load.refusals if not outages.explains(each[0])]
    assert unexplained == [], "refused while nothing was away"
    assert {status for _, status, _ in load.refusals} <= {502, 503}
    assert all(retry_after is not None for _, _, retry_after in load.refusals)
    told = {json.loads(each.body)["payload"]["data"]["invoiceNumber"] for each in receiver.received}
    assert load.sent <= told, "a notification is missing"
    mails = dict(line.split("|") for line in cluster.psql(
        "SELECT number, message_id FROM outbox WHERE channel = 'mail'"
    ).splitlines())  # fmt: skip
    assert load.sent <= set(mails)
    assert {mails[number] for number in load.sent} <= set(mailed(cluster.mailbox)), "a mail is missing"
    assert cluster.paydue("verify", "--json")["findings"] == []


def mailed(mailbox: Path) -> Iterator[str]:
    """Return the ids of the messages that were mailed, as PostgreSQL prints them."""
    for file in mailbox.glob("*.eml"):
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        yield "\\x" + mail["Message-ID"].strip("<>").partition("@")[0].replace("-", "")
