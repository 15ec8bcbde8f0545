"""Payments as a merchant's program meets them: listed, given back, taken back, decided, over the real books."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from client import a_payment_body
from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.domain.unapplied import UnappliedMoney
from paydue.usecases.attempt_ports import AttemptChange
from paydue.usecases.settle_payment import settle_payment
from storing import assert_all_holds
from taking_payments import PAYER, Caller, Shop, a_shop

PENDING_REFUND = "4000000000007726"
FAILING_REFUND = "4000000000005126"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(tmp_path) as shop:
        yield shop


@pytest.fixture
async def acme(shop: Shop) -> Caller:
    return await Caller.of(shop)


def payments_of(invoice: Invoice, *path: str) -> str:
    return "/".join((f"/paydue/v1/invoices/{invoice.number}/payments", *path))


async def status_of(acme: Caller, invoice: Invoice) -> tuple[str, Decimal]:
    answer = (await acme.call("GET", f"/invoicing/v2/invoices/{invoice.number}")).expect(200).json
    return answer["status"], answer["orderInformation"]["amountDetails"]["balanceAmount"]


async def listed(acme: Caller, invoice: Invoice) -> list[Any]:
    found: list[Any] = (await acme.call("GET", payments_of(invoice))).expect(200).json["payments"]
    return found


async def paid(shop: Shop, card: str = "4111111111111111", total: str = "100") -> tuple[Invoice, str]:
    """Return an invoice that was paid by card, and the transaction."""
    invoice = await shop.bill(total, allows_partial_payments=True)
    attempt = await shop.pay(invoice, card=card)
    assert attempt.state is AttemptState.SETTLED
    return invoice, f"{attempt.transaction_id}"


# Listing


async def test_recorded_and_charged_payments_are_listed_with_what_became_of_them(shop: Shop, acme: Caller) -> None:
    invoice = await shop.bill("100", allows_partial_payments=True)
    assert await listed(acme, invoice) == []
    recorded = a_payment_body("40", "SEPA 1/2")
    (await acme.call("POST", payments_of(invoice), recorded)).expect(201)
    attempt = await shop.pay(await shop.invoice(invoice.number))
    (await acme.call("POST", payments_of(invoice, "SEPA%201%2F2", "reversal"), {"amount": "10"})).expect(201)

    by_transfer, by_card = await listed(acme, invoice)

    assert by_transfer | {"recordedAt": "", "paidAt": ""} == {
        "transactionId": "SEPA 1/2", "status": "RECEIVED", "amount": 40, "currency": "USD", "method": "bank transfer",
        "recordedAt": "", "paidAt": "", "refundedAmount": 0, "reversedAmount": 10, "leftAmount": 30,
    }  # fmt: skip
    assert (by_card["transactionId"], by_card["amount"], by_card["gateway"]) == (attempt.transaction_id, 60, "sandbox")
    assert (by_card["attemptId"], by_card["card"]) == (
        attempt.attempt_id,
        {"brand": "Visa", "last4": "1111", "expires": "12/2039"},
    )
    await assert_all_holds(shop.service.store)


async def test_two_payments_of_one_reference_are_one(shop: Shop, acme: Caller) -> None:
    invoice = await shop.bill("100")
    for _ in range(2):
        (await acme.call("POST", payments_of(invoice), a_payment_body("30", "same"))).expect(201)

    (one,) = await listed(acme, invoice)
    assert (one["amount"], one["leftAmount"]) == (60, 60)


async def test_tries_are_listed_newest_first_with_their_log(shop: Shop, acme: Caller) -> None:
    invoice = await shop.bill("100")
    await shop.pay(invoice, card="4000000000009995")
    await shop.begin(invoice)
    target = f"/paydue/v1/invoices/{invoice.number}/attempts"

    opened, declined = (await acme.call("GET", target)).expect(200).json["attempts"]

    assert (opened["status"], declined["status"], declined["reason"]) == ("OPEN", "FAILED", "funds")
    assert [entry["status"] for entry in declined["log"]] == ["BEGUN", "OPEN", "SUBMITTED", "FAILED"]
    assert "1111" not in str(declined["log"])


@pytest.mark.parametrize("what", ["payments", "attempts"])
async def test_what_is_not_there_is_not_listed(acme: Caller, what: str) -> None:
    answer = (await acme.call("GET", f"/paydue/v1/invoices/4711/{what}")).expect(404)
    assert answer.json["message"] == "Invoice does not exist."


# Refunds


async def test_a_part_is_given_back_and_the_debt_stays_settled(shop: Shop, acme: Caller) -> None:
    invoice, transaction = await paid(shop)
    body = {"amount": "30"}
    refund = (await acme.call("POST", payments_of(invoice, transaction, "refunds"), body)).expect(201).json

    assert (refund["status"], refund["amount"], refund["dueAgain"]) == ("DONE", 30, False)
    assert await status_of(acme, invoice) == ("PAID", 0)
    (payment,) = await listed(acme, invoice)
    assert (payment["refundedAmount"], payment["leftAmount"], payment["refunds"]) == (30, 70, [refund])
    # Without a body: all that is left.
    rest = (await acme.call("POST", payments_of(invoice, transaction, "refunds"))).expect(201).json
    assert rest["amount"] == 70
    await assert_all_holds(shop.service.store)


async def test_given_back_and_due_again_the_balance_rises(shop: Shop, acme: Caller) -> None:
    invoice, transaction = await paid(shop)
    again = {"amount": 30, "dueAgain": True}
    (await acme.call("POST", payments_of(invoice, transaction, "refunds"), again)).expect(201)
    assert await status_of(acme, invoice) == ("PARTIAL", 30)
    (await acme.call("POST", payments_of(invoice, transaction, "refunds"), {"dueAgain": True})).expect(201)
    assert await status_of(acme, invoice) == ("SENT", 100)
    await assert_all_holds(shop.service.store)


async def test_a_refund_repeated_with_its_key_is_one_refund(shop: Shop, acme: Caller) -> None:
    invoice, transaction = await paid(shop)
    target = payments_of(invoice, transaction, "refunds")
    first = (await acme.call("POST", target, {"amount": "30"}, key="k-1")).expect(201)
    for _ in range(3):
        assert (await acme.call("POST", target, {"amount": "30"}, key="k-1")).expect(201).json == first.json
    (await acme.call("POST", target, {"amount": "31"}, key="k-1")).expect(422)
    (await acme.call("POST", target, {"amount": "30", "dueAgain": True}, key="k-1")).expect(422)
    (payment,) = await listed(acme, invoice)
    assert payment["refundedAmount"] == 30
    other = (await acme.call("POST", target, {"amount": "30"}, key="k-2")).expect(201)
    assert other.json["id"] != first.json["id"]


async def test_many_refunds_at_once_never_give_back_more_than_came(shop: Shop, acme: Caller) -> None:
    invoice, transaction = await paid(shop)
    target = payments_of(invoice, transaction, "refunds")
    answers = await asyncio.gather(*(acme.call("POST", target, {"amount": "30"}) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [201] * 3 + [400] * 5
    (payment,) = await listed(acme, invoice)
    assert (payment["refundedAmount"], payment["leftAmount"]) == (90, 10)
    await assert_all_holds(shop.service.store)


async def test_a_refund_that_fails_or_takes_its_time_says_so(shop: Shop, acme: Caller) -> None:
    invoice, transaction = await paid(shop, FAILING_REFUND)
    refused = (await acme.call("POST", payments_of(invoice, transaction, "refunds"))).expect(502)
    assert refused.json["reason"] == "GATEWAY_REFUSED"
    (payment,) = await listed(acme, invoice)
    assert (payment["refunds"][0]["status"], payment["leftAmount"]) == ("FAILED", 100)

    invoice, transaction = await paid(shop, PENDING_REFUND)
    refund = (await acme.call("POST", payments_of(invoice, transaction, "refunds"))).expect(202).json
    assert refund["status"] == "PENDING"
    (payment,) = await listed(acme, invoice)
    assert (payment["refundedAmount"], payment["leftAmount"]) == (0, 0)
    # While it is on its way, the payment cannot be taken back as well.
    reversal = (await acme.call("POST", payments_of(invoice, transaction, "reversal"))).expect(400)
    assert reversal.json["reason"] == "ACTION_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"amount": "100.01"}, 400, "amount"),
        ({"amount": "0"}, 400, "amount"),
        ({"amount": "-1"}, 400, "amount"),
        ({"amount": "NaN"}, 400, "amount"),
        ({"amount": 1e400}, 400, None),
        ({"dueAgain": "perhaps"}, 400, "dueAgain"),
        ([], 400, None),
        (b"{", 400, None),
    ],
)
async def test_a_refund_that_cannot_be_changes_nothing(
    shop: Shop, acme: Caller, body: Any, status: int, field: str | None
) -> None:
    invoice, transaction = await paid(shop)
    answer = (await acme.call("POST", payments_of(invoice, transaction, "refunds"), body)).expect(status)
    assert field is None or field in answer.faults
    (payment,) = await listed(acme, invoice)
    assert (payment["leftAmount"], "refunds" in payment) == (100, False)


async def test_a_recorded_payment_is_reversed_and_not_refunded(shop: Shop, acme: Caller) -> None:
    invoice = await shop.bill("100")
    (await acme.call("POST", payments_of(invoice), a_payment_body("100", "SEPA"))).expect(201)
    refused = (await acme.call("POST", payments_of(invoice, "SEPA", "refunds"))).expect(400)
    assert "can be reversed" in refused.json["message"]
    for action in ("acceptance", "rejection"):
        (await acme.call("POST", payments_of(invoice, "SEPA", action), {})).expect(400)

    reversed_ = (await acme.call("POST", payments_of(invoice, "SEPA", "reversal"), key="once")).expect(201)
    again = (await acme.call("POST", payments_of(invoice, "SEPA", "reversal"), key="once")).expect(201)

    assert reversed_.json == again.json
    assert again.headers["idempotent-replayed"] == "true"
    assert await status_of(acme, invoice) == ("SENT", 100)
    assert reversed_.json["invoiceHistory"][0]["event"] == "UNKNOWN"
    (await acme.call("POST", payments_of(invoice, "SEPA", "reversal"))).expect(400)
    await assert_all_holds(shop.service.store)


@pytest.mark.parametrize("action", ["refunds", "reversal", "acceptance", "rejection"])
async def test_a_payment_that_is_not_there_is_not_found(shop: Shop, acme: Caller, action: str) -> None:
    invoice, transaction = await paid(shop)
    for target in (
        payments_of(invoice, "another", action),
        f"/paydue/v1/invoices/4711/payments/{transaction}/{action}",
    ):
        (await acme.call("POST", target, {})).expect(404)
        (await acme.call("POST", target, b"{")).expect(404 if "4711" in target else 400)


async def test_payments_of_another_merchant_are_not_there(shop: Shop, acme: Caller) -> None:
    await shop.service.store.add_merchant(Merchant(merchant_id="zeta", name="Zeta"))
    zeta = await Caller.of(shop, "zeta")
    invoice, transaction = await paid(shop)
    assert (await zeta.call("GET", payments_of(invoice))).status == 404
    for action in ("refunds", "reversal", "acceptance", "rejection"):
        (await zeta.call("POST", payments_of(invoice, transaction, action), {})).expect(404)
    assert await status_of(acme, invoice) == ("PAID", 0)


# Reviews


@pytest.mark.parametrize(
    ("action", "other", "status", "balance"),
    [("acceptance", "rejection", "PAID", 0), ("rejection", "acceptance", "SENT", 9995)],
)
async def test_a_held_payment_is_decided_once(
    shop: Shop, acme: Caller, action: str, other: str, status: str, balance: int
) -> None:
    invoice = await shop.bill("9995")
    attempt = await shop.pay(invoice)
    assert attempt.state is AttemptState.HELD
    (held,) = await listed(acme, invoice)
    assert (held["status"], held["transactionId"], "leftAmount" in held) == ("PENDING", attempt.transaction_id, False)
    assert (await status_of(acme, invoice))[0] == "PENDING"
    target = payments_of(invoice, f"{attempt.transaction_id}")
    (await acme.call("POST", f"{target}/refunds")).expect(400)

    decided = (await acme.call("POST", f"{target}/{action}", {})).expect(200).json
    again = (await acme.call("POST", f"{target}/{action}")).expect(200).json

    assert (decided["status"], again["status"]) == (status, status)
    assert await status_of(acme, invoice) == (status, balance)
    (await acme.call("POST", f"{target}/{other}", {})).expect(400)
    await assert_all_holds(shop.service.store)


async def test_a_payment_that_was_never_held_cannot_be_accepted(shop: Shop, acme: Caller) -> None:
    invoice, transaction = await paid(shop)
    (await acme.call("POST", payments_of(invoice, transaction, "acceptance"), {})).expect(400)


# Money that no invoice holds


async def unapplied(shop: Shop) -> tuple[Invoice, UnappliedMoney]:
    """Have the test processor charge an attempt a second time, and the books find out."""
    invoice = await shop.bill("100")
    begun = await shop.begin(invoice)
    first, second = await shop.typed(begun), await shop.typed(begun)
    settled: PaymentAttempt = await shop.charge(begun, first)
    outcome = await shop.gateway.charge(settled, second)
    await settle_payment(shop.books, settled.attempt_id, outcome, at=shop.desk.clock.now(), actor=PAYER)
    (money,) = await shop.books.attempts.unapplied_money(resolved=False)
    return invoice, money


async def test_money_that_no_invoice_holds_is_listed_and_given_back_once(shop: Shop, acme: Caller) -> None:
    assert (await acme.call("GET", "/paydue/v1/unapplied-money")).expect(200).json == {"unappliedMoney": []}
    invoice, money = await unapplied(shop)
    (shown,) = (await acme.call("GET", "/paydue/v1/unapplied-money")).expect(200).json["unappliedMoney"]
    assert (shown["transactionId"], shown["amount"], shown["reason"]) == (money.transaction_id, 100, "CHARGED_TWICE")
    target = f"/paydue/v1/unapplied-money/sandbox/{money.transaction_id}/refunds"

    refund = (await acme.call("POST", target, {}, key="back")).expect(201).json
    assert (refund["status"], refund["amount"]) == ("DONE", 100)
    assert (await acme.call("POST", target, {}, key="back")).expect(201).json == refund

    (await acme.call("POST", target, {})).expect(400)
    assert (await acme.call("GET", "/paydue/v1/unapplied-money")).json == {"unappliedMoney": []}
    (resolved,) = (await acme.call("GET", "/paydue/v1/unapplied-money?resolved=true")).json["unappliedMoney"]
    assert resolved["refundId"] == refund["id"]
    # The payment that counts is untouched, and cannot be given back by the name of the other.
    (payment,) = await listed(acme, invoice)
    assert (payment["leftAmount"], "refunds" in payment) == (100, False)
    (await acme.call("POST", payments_of(invoice, money.transaction_id, "refunds"))).expect(404)
    await assert_all_holds(shop.service.store)


async def test_unapplied_money_that_is_not_there_is_not_found(acme: Caller) -> None:
    for gateway in ("sandbox", "nowhere"):
        (await acme.call("POST", f"/paydue/v1/unapplied-money/{gateway}/T-1/refunds", {})).expect(404)
    (await acme.call("GET", "/paydue/v1/unapplied-money?resolved=perhaps")).expect(400)


async def test_a_gateway_that_is_not_configured_any_more_is_told(shop: Shop, acme: Caller) -> None:
    invoice, transaction = await paid(shop)
    attempt = await shop.books.attempts.attempt_by_transaction(invoice.number, transaction)
    assert attempt is not None
    gone = replace(
        attempt, gateway="gone", attempt_id="other", reference="other", payer_key="other", transaction_id="T-9"
    )
    await shop.books.attempts.keep(AttemptChange(before=None, after=replace(gone, version=0)))
    refused = (await acme.call("POST", payments_of(invoice, "T-9", "refunds"))).expect(502)
    assert "not configured" in refused.json["message"]
