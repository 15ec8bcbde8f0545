"""The Cybersource gateway against the sandbox's part of its API: tokens, tampering, and answers of every kind."""

import json
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from msgspec.structs import replace

from paydue.gateways import signed_json
from paydue.gateways.cybersource_answers import failure_of, payment_of, refund_of, reversal_of
from paydue.gateways.sending import Reply
from paydue.usecases.gateway_ports import Kind, NotificationRefused, Reason
from processing import Processing, attempt_at


async def test_a_session_carries_the_library_to_load_and_ends_in_a_quarter_of_an_hour(processor: Processing) -> None:
    checkout = await processor.opened(attempt_at(), processor.cybersource)
    assert checkout.script_url == f"{processor.origin}/form/{checkout.session}"
    assert checkout.client_token is not None
    assert checkout.client_token.count(".") == 2
    assert (checkout.expires_at - processor.clock.now()).total_seconds() <= 15 * 60
    assert set(processor.cybersource.content_sources()) == {"connect-src", "frame-src", "child-src", "script-src"}


async def test_a_token_is_charged_once(processor: Processing) -> None:
    attempt = attempt_at()
    token = await processor.token(attempt)
    first = await processor.cybersource.charge(attempt, token)
    second = await processor.cybersource.charge(attempt, token)
    assert (first.kind, second.kind) == (Kind.CHARGED, Kind.MISCONFIGURED)
    assert len(processor.ledger.transactions) == 1


async def test_a_token_of_another_attempt_or_amount_never_reaches_the_money(processor: Processing) -> None:
    token = await processor.token(attempt_at("1"))
    for attempt in (attempt_at("293.5"), attempt_at("1", 2), attempt_at("1", currency="EUR")):
        assert (await processor.cybersource.charge(attempt, token)).kind is Kind.MISCONFIGURED
    assert processor.ledger.transactions == {}


async def test_what_the_processor_has_not_signed_is_refused_before_it_is_asked(processor: Processing) -> None:
    attempt = attempt_at()
    good = await processor.token(attempt)
    header, payload, signature = good.split(".")
    another_key = signed_json.write({"jti": "X", "type": "gda-1", "iss": "Flex/00", "exp": 1 << 33}, "nobody", _key())
    known = signed_json.read(good).key_name
    same_name = signed_json.write({"jti": "X", "type": "gda-1", "iss": "Flex/00", "exp": 1 << 33}, known, _key())
    session = (await processor.opened(attempt, processor.cybersource)).client_token
    for tampered in (
        "", "x", good[:-4] + "AAAA", f"{header}.{payload}.", f"{header}.{payload}", good + ".x", "é.é.é", "a" * 20_000,
        f"eyJhbGciOiJub25lIn0.{payload}.{signature}", f"{header}.{payload[:-2]}xx.{signature}",
        another_key, same_name, session, f"eyL_.{payload}.{signature}", f"eyJhIjoi_yJ9.{payload}.{signature}",
    ):  # fmt: skip
        assert (await processor.cybersource.charge(attempt, tampered)).kind is Kind.INVALID, tampered[:40]
    assert processor.ledger.transactions == {}


async def test_a_token_that_has_ended_is_refused(processor: Processing) -> None:
    attempt = attempt_at()
    token = await processor.token(attempt)
    processor.clock.at = processor.clock.at.replace(hour=13)
    assert (await processor.cybersource.charge(attempt, token)).kind is Kind.INVALID


async def test_a_lost_charge_is_voided_by_our_own_id_and_what_is_not_there_is_not_found(processor: Processing) -> None:
    lost = attempt_at("9998")
    assert (await processor.cybersource.charge(lost, await processor.token(lost))).kind is Kind.UNKNOWN
    assert (await processor.cybersource.void(lost)).kind is Kind.VOIDED
    assert (await processor.cybersource.look_up(lost)).kind is Kind.VOIDED
    assert (await processor.cybersource.void(attempt_at("1", 2))).kind is Kind.NOT_FOUND


async def test_a_second_charge_under_one_reference_comes_to_light(processor: Processing) -> None:
    attempt = attempt_at()
    tokens = [await processor.token(attempt) for _ in range(2)]
    first, second = [await processor.cybersource.charge(attempt, token) for token in tokens]
    found = await processor.cybersource.look_up(replace(attempt, transaction_id=first.transaction_id))
    assert found.transaction_id == second.transaction_id


@pytest.mark.parametrize(("currency", "written"), [("JPY", "2500"), ("USD", "2500.00"), ("KWD", "2500.000")])
async def test_an_amount_has_the_decimals_of_its_currency(processor: Processing, currency: str, written: str) -> None:
    attempt = attempt_at("2500", currency=currency)
    outcome = await processor.cybersource.charge(attempt, await processor.token(attempt))
    assert (outcome.kind, outcome.amount, outcome.currency) == (Kind.CHARGED, Decimal(2500), currency)
    (payment,) = processor.ledger.transactions.values()
    assert f"{payment.amount}" == written


async def test_its_notifications_are_not_taken(processor: Processing) -> None:
    with pytest.raises(NotificationRefused):
        processor.cybersource.notifications({}, b"{}")


def test_a_request_that_is_in_no_table_is_doubtful() -> None:
    assert payment_of(answer(201, {"status": "SOMETHING_NEW"}), "USD").kind is Kind.UNKNOWN


def answer(status: int | None, members: Any = None, *, body: bytes | None = None, was_sent: bool = True) -> Reply:
    return Reply(status=status, body=json.dumps(members).encode() if body is None else body, was_sent=was_sent)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=None), Kind.UNKNOWN),
        (Reply(status=None, was_sent=False), Kind.UNAVAILABLE),
        (answer(401, {}), Kind.MISCONFIGURED),
        (answer(403, {}), Kind.MISCONFIGURED),
        (answer(404, {}), Kind.MISCONFIGURED),
        (answer(429, {}), Kind.UNAVAILABLE),
        (answer(502, {"status": "SERVER_ERROR"}), Kind.UNKNOWN),
        (answer(500, {}), Kind.UNKNOWN),
        (answer(302, {}), Kind.UNKNOWN),
        (answer(201, body=b"<html>"), Kind.UNKNOWN),
        (answer(201, body=b""), Kind.UNKNOWN),
        (answer(201, body=b'{"status":"\xff"}'), Kind.UNKNOWN),
        (answer(201, body=b"[" * 100_000), Kind.UNKNOWN),
        (answer(201, []), Kind.UNKNOWN),
        (answer(201, {"status": 7}), Kind.UNKNOWN),
        (answer(201, {"status": "DECLINED"}), Kind.DECLINED),
        (answer(201, {"status": "PENDING_REVIEW", "id": "1"}), Kind.HELD),
        (answer(201, {"status": "AUTHORIZED_PENDING_REVIEW", "id": "1"}), Kind.HELD),
        (answer(201, {"status": "AUTHORIZED_RISK_DECLINED", "id": "1"}), Kind.DECLINED),
        (answer(201, {"status": "PENDING_AUTHENTICATION"}), Kind.WAITING_FOR_PAYER),
        (answer(400, {"status": "INVALID_REQUEST", "reason": "INVALID_CARD"}), Kind.INVALID),
        (answer(201, {"status": "INVALID_REQUEST", "reason": "CARD_TYPE_NOT_ACCEPTED"}), Kind.INVALID),
        (answer(400, {"status": "INVALID_REQUEST", "reason": "MISSING_FIELD"}), Kind.MISCONFIGURED),
        (answer(400, {"status": "INVALID_REQUEST", "reason": "DUPLICATE_REQUEST"}), Kind.UNKNOWN),
    ],
)
def test_every_answer_to_a_charge_has_its_meaning(reply: Reply, kind: Kind) -> None:
    outcome = payment_of(reply, "USD")
    assert outcome.kind is kind
    assert outcome.amount == 0


@pytest.mark.parametrize("amount", ["NaN", "1e400000", "-1", "Infinity", "x", 5, None, {"a": 1}, "9" * 30])
def test_an_amount_that_is_none_is_never_counted(amount: object) -> None:
    details = {"amountDetails": {"totalAmount": amount, "currency": "USD"}}
    outcome = payment_of(answer(201, {"status": "AUTHORIZED", "id": "1", "orderInformation": details}), "USD")
    assert outcome.amount == 0


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("INSUFFICIENT_FUND", Reason.FUNDS),
        ("STOLEN_LOST_CARD", Reason.BANK_SAYS_NO),
        ("CVN_NOT_MATCH", Reason.CHECK_DETAILS),
        ("SCORE_EXCEEDS_THRESHOLD", Reason.BANK_SAYS_NO),
        ("CONSUMER_AUTHENTICATION_FAILED", Reason.AUTHENTICATION),
        ("ISSUER_UNAVAILABLE", Reason.TRY_LATER),
    ],
)
def test_payers_read_classes_and_never_codes(raw: str, reason: Reason) -> None:
    assert payment_of(answer(201, {"status": "DECLINED", "errorInformation": {"reason": raw}}), "USD").reason is reason


def test_voids_and_refunds_have_their_own_meanings() -> None:
    assert reversal_of(answer(201, {"status": "VOIDED"})).kind is Kind.VOIDED
    assert reversal_of(answer(400, {"status": "INVALID_REQUEST", "reason": "INVALID_DATA"})).kind is Kind.NOT_FOUND
    assert reversal_of(answer(400, {"status": "INVALID_REQUEST", "reason": "NOT_VOIDABLE"})).kind is Kind.NOT_VOIDABLE
    assert reversal_of(answer(502, {})).kind is Kind.UNKNOWN
    assert refund_of(answer(201, {"status": "PENDING"})).kind is Kind.REFUNDED
    assert refund_of(answer(201, {"status": "DECLINED"})).kind is Kind.REFUND_FAILED
    assert refund_of(answer(201, {})).kind is Kind.UNKNOWN
    assert failure_of(answer(200, {})) is None


def _key() -> Any:
    return generate_private_key(public_exponent=65537, key_size=2048)
