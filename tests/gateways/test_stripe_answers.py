"""What Stripe's answers mean, one by one: faults, pages, reasons; and that junk never means anything."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from builders import NOON
from paydue.domain.refunds import Refund, RefundState
from paydue.gateways.sending import Reply
from paydue.gateways.stripe_answers import failure_of, not_opened, not_refunded, payment_of
from paydue.gateways.stripe_client import Fault, StripeAccount, StripeClient
from paydue.gateways.stripe_gateway import StripeGateway
from paydue.gateways.stripe_objects import Decline, Intent, Session
from paydue.usecases.gateway_ports import Kind, Outcome, Reason
from paying import MovedClock
from processing import attempt_at


@pytest.mark.parametrize(
    ("fault", "kind", "unopened", "unrefunded"),
    [
        (Fault(None), Kind.UNKNOWN, Kind.UNAVAILABLE, Kind.UNKNOWN),
        (Fault(None, was_sent=False), Kind.UNAVAILABLE, Kind.UNAVAILABLE, Kind.UNAVAILABLE),
        (Fault(200, code="unreadable"), Kind.UNKNOWN, Kind.UNAVAILABLE, Kind.UNKNOWN),
        (Fault(302), Kind.UNKNOWN, Kind.UNAVAILABLE, Kind.UNKNOWN),
        (Fault(400, code="amount_too_small"), Kind.INVALID, Kind.INVALID, Kind.REFUND_FAILED),
        (Fault(400, param="customer_email"), Kind.INVALID, Kind.INVALID, Kind.REFUND_FAILED),
        (Fault(400, param="locale"), Kind.MISCONFIGURED, Kind.MISCONFIGURED, Kind.REFUND_FAILED),
        (Fault(400, code="charge_already_refunded"), Kind.MISCONFIGURED, Kind.MISCONFIGURED, Kind.REFUND_FAILED),
        (Fault(400, is_other_request=True), Kind.UNKNOWN, Kind.UNAVAILABLE, Kind.UNKNOWN),
        (Fault(401), Kind.MISCONFIGURED, Kind.MISCONFIGURED, Kind.MISCONFIGURED),
        (Fault(402, decline_code="insufficient_funds"), Kind.DECLINED, Kind.DECLINED, Kind.REFUND_FAILED),
        (Fault(403), Kind.MISCONFIGURED, Kind.MISCONFIGURED, Kind.MISCONFIGURED),
        (Fault(404), Kind.MISCONFIGURED, Kind.MISCONFIGURED, Kind.REFUND_FAILED),
        (Fault(409), Kind.UNKNOWN, Kind.UNAVAILABLE, Kind.UNKNOWN),
        (Fault(429), Kind.UNAVAILABLE, Kind.UNAVAILABLE, Kind.UNAVAILABLE),
        (Fault(500), Kind.UNKNOWN, Kind.UNAVAILABLE, Kind.UNKNOWN),
        (Fault(503), Kind.UNKNOWN, Kind.UNAVAILABLE, Kind.UNKNOWN),
    ],
)
def test_every_fault_has_its_meaning(fault: Fault, kind: Kind, unopened: Kind, unrefunded: Kind) -> None:
    assert (failure_of(fault).kind, not_opened(fault).kind, not_refunded(fault).kind) == (kind, unopened, unrefunded)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("insufficient_funds", Reason.FUNDS),
        ("stolen_card", Reason.BANK_SAYS_NO),
        ("fraudulent", Reason.BANK_SAYS_NO),
        ("incorrect_cvc", Reason.CHECK_DETAILS),
        ("expired_card", Reason.EXPIRED),
        ("card_not_supported", Reason.NOT_ACCEPTED),
        ("authentication_required", Reason.AUTHENTICATION),
        ("issuer_not_available", Reason.TRY_LATER),
        ("a word of next year", Reason.BANK_SAYS_NO),
    ],
)
def test_payers_read_classes_and_never_codes(code: str, reason: Reason) -> None:
    assert failure_of(Fault(402, code="card_declined", decline_code=code)).reason is reason
    error = Decline(code="card_declined", decline_code=code)
    intent = Intent(id="pi_1", status="requires_payment_method", currency="usd", last_payment_error=error)
    outcome = payment_of(Session(id="cs_1", status="complete", payment_intent=intent))
    assert (outcome.kind, outcome.reason) == (Kind.DECLINED, reason)
    assert code in outcome.raw


@pytest.mark.parametrize(
    ("status", "intent", "kind"),
    [
        ("open", None, Kind.WAITING_FOR_PAYER),
        ("open", "requires_action", Kind.WAITING_FOR_PAYER),
        ("open", "requires_payment_method", Kind.WAITING_FOR_PAYER),
        ("open", "succeeded", Kind.CHARGED),
        ("expired", None, Kind.EXPIRED),
        ("expired", "canceled", Kind.EXPIRED),
        ("expired", "succeeded", Kind.CHARGED),
        ("complete", "succeeded", Kind.CHARGED),
        ("complete", "processing", Kind.HELD),
        ("complete", "requires_action", Kind.HELD),
        ("complete", "requires_capture", Kind.HELD),
        ("complete", "something new", Kind.HELD),
        ("complete", "requires_payment_method", Kind.DECLINED),
        ("complete", "canceled", Kind.VOIDED),
        ("complete", None, Kind.UNKNOWN),
        ("something new", None, Kind.UNKNOWN),
        (None, None, Kind.UNKNOWN),
    ],
)
def test_every_page_has_its_meaning(status: str | None, intent: str | None, kind: Kind) -> None:
    payment = Intent(id="pi_1", status=intent, currency="usd", amount_received=100) if intent is not None else None
    outcome = payment_of(Session(id="cs_1", status=status, client_reference_id="7-1", payment_intent=payment))
    assert (outcome.kind, outcome.reference) == (kind, "7-1")
    assert (outcome.amount > 0) is (kind is Kind.CHARGED)


def test_a_page_without_a_reference_is_nobodys() -> None:
    assert payment_of(Session(id="cs_1", status="open")).reference == "none"


_JUNK: list[bytes] = [
    b"", b"null", b"1", b'"x"', b"[]", b"[1]", b"{}", b"<html>", b"\xff\xfe", b"[" * 100_000, b'{"object":7}',
    b'{"object":"list","data":7}', b'{"object":"list"}', b'{"object":"refund","id":7}', b'{"object":{"a":1}}',
    b'{"id":"x","status":7}', b'{"error":7}', b'{"error":null}', b'{"error":{}}', b'{"error":"invalid_client"}',
    b'{"error":{"code":{"a":1},"message":[1]}}', b'{"error":{"code":"' + b"x" * 5000 + b'"}}',
    b'{"object":"checkout.session","id":"x","payment_intent":{"id":"p","status":"s","currency":"c","amount_received":1e99}}',
    b'{"object":"checkout.session","id":"x","payment_intent":7}',
]  # fmt: skip


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 402, 403, 404, 409, 418, 429, 500, 503])
async def test_junk_never_means_that_money_came_or_went(status: int) -> None:
    attempt = attempt_at(session="cs_1", transaction_id="pi_1")
    refund = Refund(
        refund_id="r", amount=attempt.amount, is_due_again=False, state=RefundState.SUBMITTED, asked_at=NOON
    )
    told = {Kind.CHARGED, Kind.HELD, Kind.CANCELED, Kind.EXPIRED, Kind.VOIDED, Kind.REFUNDED, Kind.REFUND_PENDING}
    for body in _JUNK:
        gateway = answering(Reply(status=status, body=body))
        outcomes: list[Outcome] = [
            await gateway.look_up(attempt), await gateway.close(attempt), await gateway.void(attempt),
            await gateway.charge(attempt, ""), await gateway.refund(attempt, refund),
            await gateway.look_up_refund(attempt, refund),
        ]  # fmt: skip
        assert told.isdisjoint(each.kind for each in outcomes), (body[:60], outcomes)
        assert all(len(each.raw) <= 200 for each in outcomes)
        if status == 200 or status >= 500:
            assert Kind.REFUND_FAILED not in {each.kind for each in outcomes[:5]}


async def test_the_members_of_an_answer_that_nobody_expected_do_not_matter() -> None:
    page: dict[str, Any] = {"object": "checkout.session", "id": "cs_1", "status": "open", "url": "https://x.example/"}
    page |= {"client_reference_id": "7-1", "presentment_details": {"new": [1, {"a": None}]}, "payment_intent": None}
    outcome = await answering(Reply(status=200, body=json.dumps(page).encode())).look_up(attempt_at(session="cs_1"))
    assert (outcome.kind, outcome.next_url) == (Kind.WAITING_FOR_PAYER, "https://x.example/")


def answering(reply: Reply) -> StripeGateway:
    """Return a gateway that is always answered so."""

    async def answer(
        method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, seconds: float
    ) -> Reply:
        return reply

    return StripeGateway(StripeClient(StripeAccount(secret_key="sk_test_1"), answer, pauses=()), MovedClock())
