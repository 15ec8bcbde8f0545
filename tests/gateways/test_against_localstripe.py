"""
The Stripe gateway against localstripe, somebody else's stand-in, for what that can do: refunds, payments, signatures.

It runs as a process of its own. It knows no payment pages, so payments are made here as a shop of another kind would
make them: a customer, a card, a payment that is confirmed at once.
"""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from paydue.domain.attempts import PaymentAttempt
from paydue.domain.refunds import Refund, RefundState
from paydue.gateways.stripe_answers import payment_of
from paydue.gateways.stripe_client import StripeAccount, StripeClient
from paydue.gateways.stripe_gateway import StripeGateway
from paydue.gateways.stripe_notifications import read_notifications
from paydue.gateways.stripe_objects import Intent, Session
from paydue.usecases.gateway_ports import Kind, NotificationRefused, Reason
from processing import attempt_at, send
from stripe_fake import served

ROOT = Path(__file__).parents[2]
KEY = "sk_test_localstripe"
ASKED = Refund(
    refund_id="11111111-1111-4111-8111-111111111111",
    amount=Decimal(40),
    is_due_again=False,
    state=RefundState.SUBMITTED,
    asked_at=datetime.now(UTC),
)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def nanoseconds(self) -> int:
        return time.time_ns()


@pytest.fixture(scope="module")
def localstripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the origin of a localstripe that starts with nothing in it."""
    python = ROOT / ".venv-peer" / "bin" / "python"
    assert python.exists(), f"there is no {python}: `make test` sets it up"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("localstripe") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(python), "-m", "localstripe", "--port", f"{port}", "--from-scratch"], stdout=output, stderr=output
        )
    try:
        for _ in range(300):
            assert process.poll() is None, log.read_text()
            with socket.socket() as knocking:
                if knocking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def gateway(localstripe: str) -> StripeGateway:
    return a_gateway(localstripe)


def a_gateway(origin: str, secret_key: str = KEY) -> StripeGateway:
    account = StripeAccount(secret_key=secret_key, webhook_secrets=("whsec_1",), api_url=origin)
    return StripeGateway(StripeClient(account, send, pauses=()), SystemClock())


async def post(origin: str, path: str, **form: str) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False, auth=(KEY, "")) as client:
        answer = await client.post(f"{origin}/v1/{path}", data=form)
    return answer.json()


async def pays(origin: str, number: str = "4242424242424242", units: str = "10000") -> dict[str, Any]:
    """Let a customer pay so much with that test card, and return what became of the payment."""
    customer = await post(origin, "customers", email="payer@example.com")
    card = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
    method = await post(
        origin, "payment_methods", type="card", **{f"card[{name}]": value for name, value in card.items()}
    )
    await post(origin, f"payment_methods/{method['id']}/attach", customer=customer["id"])
    intent = await post(
        origin, "payment_intents", customer=customer["id"], payment_method=method["id"], amount=units, currency="usd"
    )
    await post(origin, f"payment_intents/{intent['id']}/confirm")
    async with httpx.AsyncClient(trust_env=False, auth=(KEY, "")) as client:
        return (await client.get(f"{origin}/v1/payment_intents/{intent['id']}")).json()


async def charged(origin: str) -> PaymentAttempt:
    intent = await pays(origin)
    assert intent["status"] == "succeeded"
    return attempt_at("100", transaction_id=intent["id"], charged=Decimal(100))


async def test_money_goes_back_in_parts_and_each_part_is_found_again(localstripe: str, gateway: StripeGateway) -> None:
    attempt = await charged(localstripe)
    rest = replace(ASKED, refund_id="11111111-1111-4111-8111-111111111112", amount=Decimal(60))
    part = await gateway.refund(attempt, ASKED)
    assert part.kind is Kind.REFUNDED
    assert (await gateway.refund(attempt, rest)).kind is Kind.REFUNDED
    assert (await gateway.look_up_refund(attempt, ASKED)).transaction_id == part.transaction_id
    by_name = await gateway.look_up_refund(attempt, replace(ASKED, transaction_id=part.transaction_id))
    assert by_name == part


async def test_a_refund_that_never_arrived_is_ordered_by_looking_for_it(
    localstripe: str, gateway: StripeGateway
) -> None:
    attempt = await charged(localstripe)
    first = await gateway.look_up_refund(attempt, ASKED)
    assert (first.kind, (await gateway.look_up_refund(attempt, ASKED)).transaction_id) == (
        Kind.REFUNDED, first.transaction_id,
    )  # fmt: skip


async def test_what_was_never_paid_is_not_given_back(localstripe: str, gateway: StripeGateway) -> None:
    unpaid = await post(localstripe, "payment_intents", amount="10000", currency="usd")
    for intent in (unpaid["id"], "pi_missing"):
        outcome = await gateway.refund(attempt_at("100", transaction_id=intent), ASKED)
        assert outcome.kind is Kind.REFUND_FAILED


async def test_a_key_that_is_none_is_a_wrong_setting(localstripe: str) -> None:
    attempt = await charged(localstripe)
    assert (await a_gateway(localstripe, "nonsense").refund(attempt, ASKED)).kind is Kind.MISCONFIGURED


async def test_pages_are_not_known_there_and_the_gateway_says_so(gateway: StripeGateway) -> None:
    health = await gateway.check()
    assert (health.is_up, health.detail.startswith("misconfigured: HTTP 404")) == (False, True)


@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        ("4242424242424242", Kind.CHARGED, None),
        ("4000000000000341", Kind.DECLINED, Reason.BANK_SAYS_NO),
        ("4000002500003155", Kind.HELD, None),
    ],
)
async def test_payments_as_another_writes_them_are_understood(
    localstripe: str, number: str, kind: Kind, reason: Reason | None
) -> None:
    intent = await pays(localstripe, number)
    # It keeps no sum of what was received; Stripe does.
    intent["amount_received"] = intent["amount"] if intent["status"] == "succeeded" else 0
    payment = msgspec.convert(intent, Intent)
    outcome = payment_of(Session(id="cs_1", status="complete", client_reference_id="7-1", payment_intent=payment))
    assert (outcome.kind, outcome.reason) == (kind, reason)
    if kind is Kind.CHARGED:
        assert (outcome.amount, outcome.currency, outcome.transaction_id) == (Decimal(100), "USD", intent["id"])


async def test_its_signed_notifications_are_believed_and_tampered_ones_are_not(localstripe: str) -> None:
    heard: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def hear(request: Request) -> Response:
        await heard.put(({**request.headers}, await request.body()))
        return Response(status_code=204)

    async with served(Starlette(routes=[Route("/", hear, methods=["POST"])])) as origin:
        async with httpx.AsyncClient(trust_env=False) as client:
            endpoint = {"url": f"{origin}/", "secret": "whsec_1"}
            assert (await client.post(f"{localstripe}/_config/webhooks/1", data=endpoint)).status_code == 200
        await pays(localstripe)
        async with asyncio.timeout(30):
            headers, body = await heard.get()
    at = datetime.now(UTC)
    # What it tells of is of no use to us, but it was told by whoever knows the secret.
    assert read_notifications(headers, body, ("whsec_2", "whsec_1"), at) == ()
    for secrets, told in ((("whsec_2",), body), (("whsec_1",), body + b" ")):
        with pytest.raises(NotificationRefused, match="signature is wrong"):
            read_notifications(headers, told, secrets, at)
