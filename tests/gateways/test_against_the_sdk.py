"""Our client sends what the vendor's own client sends: the same addresses, bodies, digests and signatures."""

import asyncio
import base64
import hashlib
import json
import re
import secrets
import subprocess
import threading
from collections.abc import Sequence
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from builders import NOON
from paydue.gateways.cybersource import CybersourceGateway
from paydue.gateways.cybersource_client import CybersourceClient
from paydue.gateways.http_signing import Account, signature_of, string_to_sign
from paydue.gateways.sending import Reply
from paydue.usecases.gateway_ports import CheckoutRequest
from paying import MovedClock
from processing import attempt_at

ROOT = Path(__file__).parents[2]
SECRET = base64.b64encode(secrets.token_bytes(32)).decode()
PAYMENT_ID = "7000000000000000000001"
TOKEN = "eyJ0.eyJ0.eyJ0"


class Sent(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def ours() -> dict[str, Sent]:
    return asyncio.run(our_calls())


@pytest.fixture(scope="module")
def theirs(ours: dict[str, Sent]) -> dict[str, Sent]:
    python = ROOT / ".venv-sdk" / "bin" / "python"
    assert python.exists(), f"there is no {python}: `make test` sets it up"
    sent: list[Sent] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            sent.append(Sent(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(201)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST  # noqa: N815 - the name that the standard library calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    order = {
        "address": f"http://127.0.0.1:{server.server_port}",
        "merchant_id": "acme",
        "key_id": "key-1",
        "shared_secret": SECRET,
        "reference": "7-1",
        "transaction_id": attempt_at().attempt_id,
        "payment_id": PAYMENT_ID,
        "amount": "293.50",
        "currency": "USD",
        "token": TOKEN,
        "session": in_snake_case(json.loads(ours["session"].body)),
        "search": json.loads(ours["search"].body),
        "decision": in_snake_case(json.loads(ours["review"].body)),
    }
    calls = Path(__file__).with_name("sdk_calls.py")
    ran = subprocess.run(
        [str(python), "-W", "ignore", str(calls), json.dumps(order)], capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    server.shutdown()
    server.server_close()
    assert len(sent) == len(ours), ran.stderr
    return dict(zip(ours, sent, strict=True))


async def our_calls() -> dict[str, Sent]:
    """Return what our client sends for each call, in the order in which the vendor's makes them."""
    sent: list[Sent] = []

    async def record(
        method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, seconds: float
    ) -> Reply:
        named = {name.lower(): value for name, value in headers}
        sent.append(Sent(method, url.removeprefix("https://api.example"), named, body))
        return Reply(status=None)

    account = Account(api_url="https://api.example", merchant_id="acme", key_id="key-1", shared_secret=SECRET)
    client = CybersourceClient(account, record, MovedClock())
    attempt = attempt_at()
    page = "https://pay.example"
    request = CheckoutRequest(
        attempt=attempt, page_origin=page, return_url=page, cancel_url=page, wants_authentication=True
    )
    ids = {"reference": attempt.reference, "transaction_id": attempt.attempt_id}
    money = {"amount": Decimal("293.5"), "currency": "USD"}
    await CybersourceGateway(client, MovedClock()).begin(request)
    await client.charge(**ids, token=TOKEN, **money)
    await client.refund(PAYMENT_ID, **ids, **money)
    await client.void(PAYMENT_ID, reference=attempt.reference)
    await client.timeout_void(**ids)
    await client.search(attempt.reference)
    await client.transaction(PAYMENT_ID)
    await client.decide(PAYMENT_ID, "ACCEPT")
    names = ("session", "charge", "refund", "void", "timeout void", "search", "transaction", "review")
    return dict(zip(names, sent, strict=True))


CALLS = ["session", "charge", "refund", "void", "timeout void", "search", "transaction", "review"]


@pytest.mark.parametrize("name", CALLS)
def test_the_same_call_goes_to_the_same_address_with_the_same_body(
    ours: dict[str, Sent], theirs: dict[str, Sent], name: str
) -> None:
    our, their = ours[name], theirs[name]
    assert (our.method, our.target) == (their.method, their.target)
    assert body_of(our) == body_of(their)


@pytest.mark.parametrize("name", CALLS)
def test_what_the_vendor_signs_we_sign_alike(ours: dict[str, Sent], theirs: dict[str, Sent], name: str) -> None:
    our, their = signature_parts(ours[name]), signature_parts(theirs[name])
    assert our.keys() == their.keys()
    for part in ("keyid", "algorithm", "headers"):
        assert our[part] == their[part]
    sent = theirs[name]
    digest = sent.headers.get("digest")
    lines = string_to_sign(sent.method, sent.target, sent.headers["host"], "acme", sent.headers["date"], digest)
    assert signature_of(lines, SECRET) == their["signature"]


@pytest.mark.parametrize("name", CALLS)
def test_digest_and_merchant_are_as_the_vendor_sends_them(
    ours: dict[str, Sent], theirs: dict[str, Sent], name: str
) -> None:
    for sent in (ours[name], theirs[name]):
        assert sent.headers["v-c-merchant-id"] == "acme"
        if sent.method == "POST":
            digest = base64.b64encode(hashlib.sha256(sent.body).digest()).decode()
            assert sent.headers["digest"] == f"SHA-256={digest}"
            assert sent.headers["content-type"].startswith("application/json")
    assert ours[name].headers["date"] == f"{NOON:%a, %d %b %Y %H:%M:%S} GMT"


def signature_parts(sent: Sent) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', sent.headers["signature"]))


def body_of(sent: Sent) -> Any:
    """Return the body as values, without the name by which the vendor's client tells of itself."""
    if not sent.body:
        return None
    body = json.loads(sent.body)
    body.get("clientReferenceInformation", {}).pop("partner", None)
    return body


def in_snake_case(value: Any) -> Any:
    """Return the same with the names that the vendor's client wants to be given."""
    if isinstance(value, dict):
        return {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): in_snake_case(each) for name, each in value.items()}
    return [in_snake_case(each) for each in value] if isinstance(value, list) else value
