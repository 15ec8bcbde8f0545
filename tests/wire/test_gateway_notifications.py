"""What processors tell is a hint: forged, repeated, late or about another amount, it changes nothing by itself."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.lifecycle import Status
from paydue.gateways.sandbox_gateway import SIGNATURE_HEADER, notification_body, notification_signature
from paydue.usecases.reconcile_payments import reconcile_payments
from paydue.usecases.settle_payment import settle_payment
from storing import assert_all_holds
from taking_payments import PAYER, Shop, a_shop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(tmp_path) as shop:
        yield shop


async def told(
    shop: Shop,
    reference: str,
    event: str = "e-1",
    *,
    merchant: str = "acme",
    gateway: str = "sandbox",
    method: str = "POST",
    age: int = 0,
    secret: str | None = None,
    body: bytes | None = None,
) -> httpx.Response:
    """Tell as the test processor does, or as somebody who would like to be taken for it."""
    written = notification_body(reference, event)
    own = shop.gateway._client.account.shared_secret
    signature = notification_signature(int(time.time()) - age, written, secret or own)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=shop.service.app), base_url="http://p") as sender:
        return await sender.request(
            method,
            f"/gateway-notifications/{gateway}/{merchant}",
            content=written if body is None else body,
            headers={SIGNATURE_HEADER: signature},
        )


async def reconcile(shop: Shop) -> None:
    desk = shop.desk
    await reconcile_payments(desk.looking, desk.books_of, desk.gateway_of, clock=desk.clock, correlation_id="r")


async def stored(shop: Shop, attempt: PaymentAttempt) -> PaymentAttempt:
    found = await shop.books.attempts.attempt(attempt.attempt_id)
    assert found is not None
    return found


async def test_a_hint_has_the_truth_asked_for(shop: Shop) -> None:
    invoice = await shop.bill("9998")
    attempt = await shop.pay(invoice)
    assert attempt.state is AttemptState.UNKNOWN

    answer = await told(shop, attempt.reference)

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await stored(shop, attempt)).state is AttemptState.UNKNOWN, "nothing was believed"
    await reconcile(shop)
    assert (await shop.invoice(invoice.number)).status is Status.PAID
    await assert_all_holds(shop.service.store)


async def test_a_payment_that_the_processor_does_not_have_is_not_made_by_telling_of_it(shop: Shop) -> None:
    invoice = await shop.bill("9997")
    attempt = await shop.pay(invoice)
    for event in ("e-1", "e-2", "e-3"):
        assert (await told(shop, attempt.reference, event)).status_code == 204
        await reconcile(shop)

    assert (await stored(shop, attempt)).state is AttemptState.UNKNOWN
    assert (await shop.invoice(invoice.number)).paid == 0


async def test_repeats_and_what_comes_late_or_out_of_order_change_nothing(shop: Shop) -> None:
    invoice = await shop.bill("100")
    attempt = await shop.pay(invoice)
    settled = await stored(shop, attempt)
    for event in ("e-2", "e-1", "e-2", "e-2", "e-1"):
        assert (await told(shop, attempt.reference, event)).status_code == 204
        await reconcile(shop)
    after = await stored(shop, attempt)

    assert (after.state, after.charged, after.transaction_id) == (
        settled.state,
        settled.charged,
        settled.transaction_id,
    )
    assert [event.what for event in (await shop.invoice(invoice.number)).history].count("PAYMENT") == 1
    assert after.next_look_at is None
    await assert_all_holds(shop.service.store)


async def test_a_repeat_is_known_by_its_event(shop: Shop) -> None:
    attempt = (await shop.begin(await shop.bill())).attempt
    await told(shop, attempt.reference, "same")
    first = await stored(shop, attempt)
    await told(shop, attempt.reference, "same")

    assert (await stored(shop, attempt)).version == first.version


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"secret": "c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgMzIgYnl0ZXM="}, 400),
        ({"age": 301}, 400),
        ({"age": -301}, 400),
        ({"body": b"{}"}, 400),
        ({"body": b""}, 400),
        ({"body": b"\xff" * 1000}, 400),
        ({"body": b"x" * 300_000}, 413),
        ({"gateway": "nobody"}, 404),
        ({"gateway": "cybersource"}, 404),
        ({"gateway": "%2e%2e"}, 404),
        ({"method": "GET"}, 405),
        ({"method": "PUT"}, 405),
    ],
)
async def test_what_is_forged_late_or_no_notification_is_refused(
    shop: Shop, changed: dict[str, Any], status: int
) -> None:
    attempt = (await shop.begin(await shop.bill())).attempt

    answer = await told(shop, attempt.reference, **changed)

    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "v-c-correlation-id" in answer.headers
    assert await stored(shop, attempt) == attempt


@pytest.mark.parametrize("reference", ["", "no such", "7-%00", "x" * 5000, "'; DROP TABLE attempts"])
async def test_a_hint_about_nothing_of_ours_is_taken_and_does_nothing(shop: Shop, reference: str) -> None:
    answer = await told(shop, reference)
    assert answer.status_code in (204, 400)
    assert (await told(shop, "x", merchant="nobody")).status_code == 204


async def test_another_merchants_attempt_is_not_reached(shop: Shop) -> None:
    attempt = (await shop.begin(await shop.bill())).attempt
    assert (await told(shop, attempt.reference, merchant="zeta")).status_code == 204
    assert await stored(shop, attempt) == attempt


async def test_money_of_another_amount_than_was_asked_for_makes_nothing_paid(shop: Shop) -> None:
    invoice = await shop.bill("100")
    begun = await shop.begin(invoice)
    outcome = await shop.gateway.charge(begun.attempt, await shop.typed(begun))
    other = type(outcome)(
        kind=outcome.kind,
        amount=outcome.amount / 2,
        currency=outcome.currency,
        reference=outcome.reference,
        transaction_id=outcome.transaction_id,
    )
    await settle_payment(shop.books, begun.attempt.attempt_id, other, at=shop.desk.clock.now(), actor=PAYER)

    assert (await shop.invoice(invoice.number)).status is Status.SENT
    (money,) = await shop.books.attempts.unapplied_money(resolved=False)
    assert (money.amount, money.why) == (50, "not the amount or currency that was asked for")
    await assert_all_holds(shop.service.store)


async def test_who_is_refused_too_often_has_to_wait(tmp_path: Path) -> None:
    async with a_shop(tmp_path, rate_limit=100) as shop:
        answers = [(await told(shop, "x", age=999)).status_code for _ in range(31)]
        assert answers == [400] * 30 + [429]
        assert (await told(shop, "x")).status_code == 204, "those who prove who they are never wait"
