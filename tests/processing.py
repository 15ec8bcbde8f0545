"""The test processor, served on a port of its own, and gateways that reach it over real HTTP."""

import asyncio
import base64
import json
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import uvicorn

from builders import NOON, an_attempt
from paydue.delivery.egress import Egress, EgressLimits
from paydue.delivery.egress_answers import Answered
from paydue.delivery.egress_rules import EgressRules
from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.gateways.cybersource import CybersourceGateway
from paydue.gateways.cybersource_client import CybersourceClient
from paydue.gateways.http_signing import Account
from paydue.gateways.sandbox.app import create_sandbox
from paydue.gateways.sandbox.forms import Keys, SandboxSettings
from paydue.gateways.sandbox.ledger import Ledger
from paydue.gateways.sandbox_gateway import SandboxGateway
from paydue.gateways.sending import Reply
from paydue.usecases.gateway_ports import Checkout, CheckoutRequest
from paying import MovedClock

SECRET = base64.b64encode(secrets.token_bytes(32)).decode()
PAGE = "http://127.0.0.1:1"


async def send(method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, seconds: float) -> Reply:
    """Send through the one module that calls others, as the running service does."""
    egress = Egress(EgressRules(is_development=True), limits=EgressLimits(total_seconds=min(seconds, 2)))
    answer = await egress.send(method, url, headers, body)
    if isinstance(answer, Answered):
        return Reply(status=answer.status, body=answer.body)
    return Reply(status=None, was_sent=answer.was_sent)


@cache
def _keys() -> Keys:
    """Return the same signing key for all tests: making one takes longer than most of them."""
    return Keys()


class Processing:
    """A served test processor with what a payer's browser, and its console, would do to it."""

    def __init__(self, origin: str, ledger: Ledger, clock: MovedClock, notified: list[tuple[str, str]]) -> None:
        self.origin = origin
        self.ledger = ledger
        self.clock = clock
        self.notified = notified
        account = Account(api_url=origin, merchant_id="acme", key_id="key-1", shared_secret=SECRET)
        self.client = CybersourceClient(account, send, clock)
        self.cybersource = CybersourceGateway(self.client, clock)
        self.sandbox = SandboxGateway(self.client, clock)

    async def opened(self, attempt: PaymentAttempt, gateway: CybersourceGateway | None = None) -> Checkout:
        request = CheckoutRequest(attempt=attempt, page_origin=PAGE, return_url=PAGE, cancel_url=PAGE)
        opened = await (gateway or self.sandbox).begin(request)
        assert isinstance(opened, Checkout), opened
        return opened

    async def typed(self, session: str, number: str, **changed: str) -> tuple[int, dict[str, Any]]:
        """Type a card into the form of a session and send it."""
        card = {"number": number, "month": "12", "year": "2029", "code": "123"} | changed
        if number.startswith("37"):
            card = card | {"code": "1234"}
        return await self.post(f"/form/{session}/token", json.dumps(card).encode())

    async def token(self, attempt: PaymentAttempt, number: str = "4111111111111111", **changed: str) -> str:
        """Return what the form hands over for that card."""
        checkout = await self.opened(attempt)
        status, answer = await self.typed(checkout.session, number, **changed)
        assert status == 200, answer
        return answer["token"]

    async def post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        reply = await send("POST", self.origin + path, (), body, seconds=2)
        found = json.loads(reply.body) if reply.body.startswith(b"{") else {}
        return reply.status or 0, found

    async def get(self, path: str) -> tuple[int, str]:
        reply = await send("GET", self.origin + path, (), b"", seconds=2)
        return reply.status or 0, reply.body.decode()


def attempt_at(amount: str = "293.5", number: int = 1, **changed: object) -> PaymentAttempt:
    """Return a submitted attempt with an id of its own."""
    name = f"00000000-0000-4000-8000-{number:012}"
    return an_attempt(
        AttemptState.SUBMITTED,
        attempt_id=name,
        reference=f"7-{number}",
        amount=Decimal(amount),
        **{"least": Decimal(amount), "expires_at": NOON + timedelta(hours=1), **changed},
    )


@asynccontextmanager
async def processing(
    ledger: Ledger | None = None, *, port: int = 0, clock: MovedClock | None = None
) -> AsyncIterator[Processing]:
    """Serve the test processor on a free port."""
    clock = clock or MovedClock()
    ledger = ledger or Ledger()
    notified: list[tuple[str, str]] = []

    async def notify(_merchant_id: str, code: str, event_id: str) -> None:
        notified.append((code, event_id))

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", port))
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = SandboxSettings(origin=origin, shared_secret=SECRET, is_production=False, slow_seconds=3)
    app = create_sandbox(settings, ledger, clock, notify=notify, keys=_keys())
    config = uvicorn.Config(app, log_level="critical", loop="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.005)
    try:
        yield Processing(origin, ledger, clock, notified)
    finally:
        server.should_exit = True
        await serving
        listening.close()
