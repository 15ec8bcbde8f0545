"""
The nearest peer that anybody can run beside: localstripe, a stateful double of another invoicing API.

It keeps everything in one process's memory and writes all of it into a file at each change, so that it asks less of
itself than Paydue: no signatures, no database. What is measured is what both can: create an invoice, get one, list 20.
"""

import base64
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from bench.client import Answer, request_bytes, send
from bench.comparison import PEER, Subject
from bench.lanes import LISTED, TARGET_CONNECTIONS, Lane
from bench.processes import Ready, RunningServer, ServerFailed, clean_environment, free_port, on_cores

# Each create writes everything anew: with many more there would be nothing left to measure.
INVOICES = 250
_READY_WITHIN_SECONDS = 20.0
# Without its access log, and with its file in a folder of ours instead of the one name in /tmp that it always takes.
_LAUNCHER = """
import logging, sys
logging.disable(logging.CRITICAL)
from localstripe import resources, server
resources.open = lambda path, mode: open(sys.argv[1], mode)
sys.argv = ["localstripe", "--from-scratch", "--port", sys.argv[2]]
server.start()
"""


@contextmanager
def running_peer(python: Path, *, folder: Path, core: int) -> Iterator[Subject]:
    """Serve localstripe with some invoices for the length of a `with` block; raises ServerFailed."""
    port = free_port()
    with on_cores({core}):
        process = subprocess.Popen(
            [str(python), "-c", _LAUNCHER, str(folder / "localstripe.pickle"), str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment({}),
            cwd=folder,
            start_new_session=True,
        )
    try:
        client = _Client(port)
        client.wait(process)
        customer, subscription = client.subscribe()
        create = {"customer": customer, "subscription": subscription}
        numbers = [client.post("invoices", create) for _ in range(INVOICES)]

        def requests(lane: Lane) -> list[bytes]:
            match lane.name:
                case "create":
                    return [client.request("POST", "invoices", create)]
                case "get":
                    return [client.request("GET", f"invoices/{number}") for number in numbers]
            return [client.request("GET", f"invoices?limit={LISTED}")]

        server = RunningServer(
            name=PEER, ready=Ready(api_url=f"http://127.0.0.1:{port}", pid=process.pid), seconds_to_ready=0.0
        )
        yield Subject(
            name=PEER,
            invoices=INVOICES,
            servers=(server,),
            requests=requests,
            lanes=("create", "get", "list"),
            connections=(TARGET_CONNECTIONS,),
            # Some of its answers take longer than a whole measurement of the others.
            patience=6.0,
        )
    finally:
        process.kill()
        process.wait()


class _Client:
    """Requests of the other API: a form and a key in the clear."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._key = base64.b64encode(b"sk_test_12345:").decode()

    def request(self, method: str, path: str, form: dict[str, str] | None = None) -> bytes:
        headers = {"Host": f"127.0.0.1:{self._port}", "Authorization": f"Basic {self._key}"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return request_bytes(method, f"/v1/{path}", headers, urlencode(form).encode() if form is not None else None)

    def post(self, path: str, form: dict[str, str]) -> str:
        """Make something and answer its id."""
        answer: Answer = send("127.0.0.1", self._port, self.request("POST", path, form), expect=200)
        made: dict[str, str] = msgspec.json.decode(answer.body)
        return made["id"]

    def subscribe(self) -> tuple[str, str]:
        """Answer a customer with a subscription: nothing else can be billed there."""
        self.post("products", {"id": "consulting", "name": "Consulting", "type": "service"})
        plan = {"id": "hourly", "product": "consulting", "amount": "24100", "currency": "usd", "interval": "month"}
        self.post("plans", plan)
        customer = self.post("customers", {"email": "payer@customer.example"})
        items = {"customer": customer, "items[0][plan]": "hourly", "trial_period_days": "30"}
        return customer, self.post("subscriptions", items)

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        give_up_at = time.monotonic() + _READY_WITHIN_SECONDS
        while True:
            try:
                send("127.0.0.1", self._port, self.request("GET", "invoices"), expect=200)
            except OSError:
                if process.poll() is not None or time.monotonic() > give_up_at:
                    raise ServerFailed("localstripe does not start; remove .venv-peer and let make set it up") from None
                time.sleep(0.05)
            else:
                return
