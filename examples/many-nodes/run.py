"""
Two nodes, two workers, one PostgreSQL, behind nginx: started, put under load while the nodes are restarted, stopped.

    .venv/bin/python examples/many-nodes/run.py --seconds 20

It needs PostgreSQL and nginx (Debian: `apt-get install postgresql nginx-light`), takes free ports of the loopback
address, keeps everything in a folder of its own that is gone afterwards, and ends only what it has started.
"""

import argparse
import http.client
import json
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

from cluster import NODES, Cluster

sys.path.append(str(Path(__file__).parents[1]))

from signing_client import signed_headers

INVOICES = "/invoicing/v2/invoices"
INVOICE = {
    "customerInformation": {"name": "Tanya Lee", "email": "tanya.lee@customer.example"},
    "invoiceInformation": {
        "description": "Consulting",
        "dueDate": "2030-12-31",
        "deliveryMode": "email",
    },
    "orderInformation": {"amountDetails": {"totalAmount": "293.50", "currency": "USD"}},
}


class Load:
    """Clients that create an invoice, read it, send every tenth, and begin again, each over one connection."""

    def __init__(self, url: str, key: dict[str, str], clients: int) -> None:
        self._address = urlsplit(url).netloc
        self._key = key
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(clients)]
        self.created: list[str] = []
        self.sent: list[str] = []
        self.milliseconds: list[float] = []
        self.failures: Counter[str] = Counter()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        while not self._stopping.is_set():
            answer = self._ask(connection, "POST", INVOICES, json.dumps(INVOICE).encode())
            if answer is None:
                continue
            number = answer["id"]
            self.created.append(number)
            self._ask(connection, "GET", f"{INVOICES}/{number}")
            if len(self.created) % 10 == 0 and self._ask(connection, "POST", f"{INVOICES}/{number}/delivery", b"{}"):
                self.sent.append(number)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, method: str, target: str, body: bytes | None = None) -> Any:
        """Return the answer's JSON, or None when the request failed, which is counted."""
        headers = signed_headers(method, target, self._address, *self._key.values(), body)
        if method == "POST":
            # Whoever hears no answer may ask again with the same one. Here nobody has to.
            headers["idempotency-key"] = str(uuid.uuid4())
        began = time.perf_counter()
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as failure:
            connection.close()
            self.failures[type(failure).__name__] += 1
            return None
        if answer.status >= 400:
            self.failures[f"{method} {answer.status}"] += 1
            return None
        self.milliseconds.append((time.perf_counter() - began) * 1000)
        return json.loads(content)


def main() -> int:
    """Run the example and return 0 when nothing failed and nothing was lost."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=20, help="how long the load lasts at least (20)")
    options.add_argument("--clients", type=int, default=8, help="how many call at the same time (8)")
    options.add_argument("--keep", action="store_true", help="leave everything running until Enter is pressed")
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="paydue-many-nodes-"))
    # The load comes from one key, faster than one is usually allowed to call.
    cluster = Cluster(folder, {"PAYDUE_RATE_LIMIT": "0"})
    try:
        cluster.make()
        print("running  ", cluster.url, "in", folder)
        is_well = under_load(cluster, chosen.seconds, chosen.clients)
        if chosen.keep:
            input("running until you press Enter ")
    finally:
        cluster.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_well else 1


def under_load(cluster: Cluster, seconds: float, clients: int) -> bool:
    """Put the nodes under load, restart each meanwhile, and tell whether all went well."""
    cluster.paydue("merchant", "add", "--id", "acme", "--name", "Acme Ltd", "--json")
    made = cluster.paydue("key", "add", "--merchant", "acme", "--json")
    key = {"merchant_id": "acme", "key_id": made["key_id"], "shared_secret": made["shared_secret"]}
    load = Load(cluster.url, key, clients)
    began = time.perf_counter()
    load.start()
    for node in NODES:
        time.sleep(seconds / 3)
        cluster.stop(node)
        cluster.start(node)
        print("restarted", node)
    time.sleep(seconds / 3)
    load.stop()
    elapsed = time.perf_counter() - began
    await_mails(cluster, len(load.sent))

    requests, created = len(load.milliseconds), len(set(load.created))
    found = cluster.paydue("verify", "--json")["findings"]
    mails = len(list(cluster.mailbox.glob("*.eml")))
    stored = int(cluster.psql("SELECT count(*) FROM invoices"))
    print(f"answered  {requests} requests in {elapsed:.0f} s, {requests / elapsed:.0f} a second")
    print(f"took      {quantiles(load.milliseconds, n=100)[49]:.1f} ms half of them,", end=" ")
    print(f"{quantiles(load.milliseconds, n=100)[98]:.1f} ms 99 of 100")
    print(f"failed    {load.failures.total()}", dict(load.failures) or "")
    print(f"invoices  {created} acknowledged, {stored} kept; {len(load.sent)} sent, {mails} mails")
    print(f"verified  {found or 'everything agrees'}")
    return not load.failures and created == len(load.created) == stored and mails == len(load.sent) and not found


def await_mails(cluster: Cluster, count: int) -> None:
    """Wait until the workers have written that many mails, or have written none for ten seconds."""
    seen, since = -1, time.monotonic()
    while seen < count and time.monotonic() < since + 10:
        now = len(list(cluster.mailbox.glob("*.eml")))
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
