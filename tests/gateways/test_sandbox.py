"""The test processor and its gateway, over real HTTP: every card, every amount, and what it refuses."""

import asyncio
import html
import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from msgspec.structs import replace

from paydue.domain.attempts import MaskedAccount
from paydue.domain.refunds import Refund, RefundState
from paydue.domain.settings import LANGUAGES
from paydue.gateways.sandbox.api import _language
from paydue.gateways.sandbox.app import SandboxInProduction, create_sandbox
from paydue.gateways.sandbox.forms import SandboxSettings
from paydue.gateways.sandbox.ledger import Ledger
from paydue.gateways.sandbox.scenarios import AMOUNTS, CARDS, CardRefused, Scenario, Trigger, read_card
from paydue.gateways.sandbox_gateway import SIGNATURE_HEADER, notification_body, notification_signature
from paydue.language.amounts import format_amount
from paydue.language.words import words_of
from paydue.usecases.gateway_ports import Checkout, CheckoutRequest, Kind, NotificationRefused, Outcome, Reason
from paying import MovedClock
from processing import PAGE, SECRET, Processing, attempt_at, processing

EXPECTED = {
    Scenario.APPROVE: Kind.CHARGED,
    Scenario.FRICTIONLESS: Kind.CHARGED,
    Scenario.CHALLENGE: Kind.WAITING_FOR_PAYER,
    Scenario.CHALLENGE_THEN_DECLINE: Kind.WAITING_FOR_PAYER,
    Scenario.AUTHENTICATION_FAILS: Kind.DECLINED,
    Scenario.DECLINE: Kind.DECLINED,
    Scenario.PROCESSING_ERROR: Kind.MISCONFIGURED,
    Scenario.REFUND_FAILS: Kind.CHARGED,
    Scenario.REFUND_TAKES_TIME: Kind.CHARGED,
}
REASONS = {
    "4000000000000002": Reason.BANK_SAYS_NO,
    "4000000000009995": Reason.FUNDS,
    "4000000000009987": Reason.BANK_SAYS_NO,
    "4000000000000069": Reason.EXPIRED,
    "4000000000000127": Reason.CHECK_DETAILS,
    "4000000000002925": Reason.AUTHENTICATION,
}
# Looks like somebody's card and passes every check of a card number.
REAL_LOOKING = "4539" + "578763621486"


@pytest.mark.parametrize("number", CARDS)
async def test_every_test_card_does_what_its_table_says(processor: Processing, number: str) -> None:
    attempt = attempt_at()
    token = await processor.token(attempt, number)
    outcome = await processor.sandbox.charge(attempt, token)
    assert outcome.kind is EXPECTED[CARDS[number].scenario]
    assert outcome.reason is REASONS.get(number, outcome.reason)
    if outcome.kind is Kind.CHARGED:
        assert (outcome.amount, outcome.currency, outcome.reference) == (Decimal("293.50"), "USD", attempt.reference)
        assert outcome.account == MaskedAccount(brand=outcome.account.brand, last4=number[-4:], expires="12/2029")
        assert (await processor.sandbox.look_up(attempt)).transaction_id == outcome.transaction_id


@pytest.mark.parametrize(
    ("amount", "kind", "then"),
    [
        ("2501", Kind.DECLINED, Kind.DECLINED),
        ("2502", Kind.DECLINED, Kind.DECLINED),
        ("9995", Kind.HELD, Kind.HELD),
        ("9996", Kind.UNKNOWN, Kind.CHARGED),
        ("9997", Kind.UNKNOWN, Kind.NOT_FOUND),
        ("9998", Kind.UNKNOWN, Kind.CHARGED),
        ("9999", Kind.UNKNOWN, Kind.NOT_FOUND),
    ],
)
async def test_an_amount_makes_the_trouble_that_its_table_says(
    processor: Processing, amount: str, kind: Kind, then: Kind
) -> None:
    attempt = attempt_at(amount)
    assert (await processor.sandbox.charge(attempt, await processor.token(attempt))).kind is kind
    assert (await processor.sandbox.look_up(attempt)).kind is then
    assert len(processor.ledger.transactions) == (then is not Kind.NOT_FOUND)


def test_every_trigger_has_its_amount() -> None:
    assert {found.trigger for found in AMOUNTS.values()} == set(Trigger)


async def test_half_an_approval_is_kept_or_let_go_as_the_invoice_has_it(processor: Processing) -> None:
    in_parts = attempt_at("9994", least=Decimal(10))
    outcome = await processor.sandbox.charge(in_parts, await processor.token(in_parts))
    assert (outcome.kind, outcome.amount) == (Kind.CHARGED, Decimal(4997))

    whole = attempt_at("9994", 2)
    outcome = await processor.sandbox.charge(whole, await processor.token(whole))
    assert (outcome.kind, outcome.reason) == (Kind.DECLINED, Reason.FUNDS)
    (payment,) = processor.ledger.by_code(whole.reference)
    assert payment.status == "VOIDED"


@pytest.mark.parametrize(
    ("number", "result", "kind"),
    [
        ("4000000000002503", "succeed", Kind.CHARGED),
        ("4000000000002503", "fail", Kind.DECLINED),
        ("4000000000002503", "cancel", Kind.DECLINED),
        ("4000008400001629", "succeed", Kind.DECLINED),
    ],
)
async def test_a_challenge_decides(processor: Processing, number: str, result: str, kind: Kind) -> None:
    attempt = attempt_at()
    waiting = await processor.sandbox.charge(attempt, await processor.token(attempt, number))
    assert (await processor.sandbox.look_up(attempt)).kind is Kind.WAITING_FOR_PAYER
    path = waiting.next_url.removeprefix(processor.origin)
    status, page = await processor.get(path)
    assert (status, "Test mode" in page) == (200, True)
    await processor.post(path, f"result={result}".encode())
    decided = await processor.sandbox.look_up(attempt)
    assert decided.kind is kind
    # A second answer changes nothing.
    await processor.post(path, b"result=succeed")
    assert await processor.sandbox.look_up(attempt) == decided


async def test_a_challenge_that_was_voided_meanwhile_charges_nothing(processor: Processing) -> None:
    attempt = attempt_at()
    waiting = await processor.sandbox.charge(attempt, await processor.token(attempt, "4000000000002503"))
    assert (await processor.sandbox.void(attempt)).kind is Kind.VOIDED
    await processor.post(waiting.next_url.removeprefix(processor.origin), b"result=succeed")
    assert (await processor.sandbox.look_up(attempt)).kind is Kind.VOIDED


@pytest.mark.parametrize("accepts", [True, False])
async def test_a_held_payment_is_decided_by_us_or_in_the_console(processor: Processing, accepts: bool) -> None:
    decision = Kind.CHARGED if accepts else Kind.DECLINED
    ours, theirs = attempt_at("9995", 1), attempt_at("9995", 2)
    held = [await processor.sandbox.charge(each, await processor.token(each)) for each in (ours, theirs)]
    decided = await processor.sandbox.review(replace(ours, transaction_id=held[0].transaction_id), accepts=accepts)
    assert decided.kind is decision
    _, page = await processor.get("/console")
    assert page.count("Accept") == 1
    choice = b"decision=accept" if accepts else b"decision=reject"
    await processor.post(f"/console/{held[1].transaction_id}", choice)
    assert (await processor.sandbox.look_up(theirs)).kind is decision


@pytest.mark.parametrize("number", [REAL_LOOKING, "4111111111111112", "", "x" * 64, "4" * 30, "4111-1111-1111-1112"])
async def test_any_other_number_is_refused_and_leaves_no_trace(
    processor: Processing, number: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    checkout = await processor.opened(attempt_at())
    status, answer = await processor.typed(checkout.session, number)
    assert (status, answer["message"]) == (400, "Test numbers only. This is none of them.")
    assert processor.ledger.tokens == {}
    assert not number or number not in caplog.text


@pytest.mark.parametrize(
    "changed", [{"month": "13"}, {"month": "x"}, {"year": "x"}, {"year": "1"}, {"code": "12"}, {"code": "12a"}]
)
def test_a_card_that_cannot_be_is_refused(changed: dict[str, str]) -> None:
    typed = {"number": "4111 1111-1111 1111", "month": "12", "year": "29", "code": "123"} | changed
    with pytest.raises(CardRefused):
        read_card(**typed, today=date(2026, 5, 5))


async def test_a_card_that_has_ended_is_declined(processor: Processing) -> None:
    attempt = attempt_at()
    outcome = await processor.sandbox.charge(attempt, await processor.token(attempt, month="04", year="26"))
    assert (outcome.kind, outcome.reason) == (Kind.DECLINED, Reason.EXPIRED)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_form_refusal_and_the_banks_page_speak_the_language_of_the_page_around_them(
    processor: Processing, language: str
) -> None:
    say = words_of(language).say
    attempt = attempt_at("1234.5")
    request = CheckoutRequest(attempt=attempt, page_origin=PAGE, return_url=PAGE, cancel_url=PAGE, locale=language)
    opened = await processor.sandbox.begin(request)
    assert isinstance(opened, Checkout)
    _, form = await processor.get(f"/form/{opened.session}")
    assert f'<html lang="{language}">' in form
    assert f'<label for="number">{html.escape(say("Card number"))}</label>' in form
    _, refused = await processor.typed(opened.session, "4111111111111112")
    assert refused == {"message": say("Test numbers only. This is none of them."), "field": "number"}
    _, typed = await processor.typed(opened.session, "4000000000002503")
    outcome = await processor.sandbox.charge(attempt, typed["token"])
    assert outcome.next_url is not None
    _, asked = await processor.get(urlsplit(outcome.next_url).path)
    assert f'<html lang="{language}">' in asked
    assert html.escape(say("Yes, it is me")) in asked
    assert format_amount(Decimal("1234.5"), "USD", language) in asked


@pytest.mark.parametrize("locale", ["", "xx", "de", "../../etc", 7])
def test_a_language_that_is_not_spoken_is_english(locale: object) -> None:
    assert _language({"locale": locale}) == "en-US"


async def test_the_form_can_be_embedded_by_its_page_alone_and_says_that_it_is_a_test(processor: Processing) -> None:
    checkout = await processor.opened(attempt_at())
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(checkout.frame_url)
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors http://127.0.0.1:1" in policy
    assert "default-src 'none'" in policy
    assert "Test mode" in answer.text
    processor.clock.at = checkout.expires_at + timedelta(seconds=1)
    assert (await processor.get(f"/form/{checkout.session}"))[0] == 404


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("4111111111111111", Kind.REFUNDED),
        ("4000000000005126", Kind.REFUND_FAILED),
        ("4000000000007726", Kind.REFUND_PENDING),
    ],
)
async def test_refunds_in_parts_and_never_more_than_was_paid(processor: Processing, number: str, kind: Kind) -> None:
    attempt = attempt_at("100")
    charged = await processor.sandbox.charge(attempt, await processor.token(attempt, number))
    settled = replace(attempt, transaction_id=charged.transaction_id)
    refund = a_refund("60")
    assert (await processor.sandbox.refund(settled, refund)).kind is kind
    assert (await processor.sandbox.look_up_refund(settled, refund)).kind is kind
    assert (await processor.sandbox.look_up_refund(settled, a_refund("1", 9))).kind is Kind.NOT_FOUND
    more = await processor.sandbox.refund(settled, a_refund("41", 2))
    assert more.kind is (Kind.REFUND_FAILED)
    if kind is Kind.REFUND_PENDING:
        (slow,) = processor.ledger.by_code(f"R-{refund.refund_id.replace('-', '')}")
        await processor.post(f"/console/{slow.transaction_id}", b"decision=settle")
        assert (await processor.sandbox.look_up_refund(settled, refund)).kind is Kind.REFUNDED


def a_refund(amount: str, number: int = 1) -> Refund:
    return Refund(
        refund_id=f"00000000-0000-4000-9000-{number:012}",
        amount=Decimal(amount),
        is_due_again=False,
        state=RefundState.SUBMITTED,
        asked_at=datetime(2026, 5, 5, tzinfo=UTC),
    )


async def test_notifications_tell_the_reference_three_times_and_out_of_order(processor: Processing) -> None:
    attempt = attempt_at("9993")
    outcome = await processor.sandbox.charge(attempt, await processor.token(attempt))
    for _ in range(100):
        await asyncio.sleep(0)
    name = outcome.transaction_id
    assert processor.notified == [
        (attempt.reference, f"{name}-2"), (attempt.reference, f"{name}-1"), (attempt.reference, f"{name}-2"),
    ]  # fmt: skip


async def test_a_notification_is_taken_when_signed_fresh_and_whole_and_refused_otherwise(
    processor: Processing,
) -> None:
    now = int(processor.clock.now().timestamp())
    body = notification_body("7-1", "e1")
    (told,) = processor.sandbox.notifications(
        {SIGNATURE_HEADER.upper(): notification_signature(now, body, SECRET)}, body
    )
    assert (told.reference, told.event_id) == ("7-1", "e1")
    other = "b3RoZXI="
    forged = [
        ({}, body),
        ({SIGNATURE_HEADER: "x"}, body),
        ({SIGNATURE_HEADER: notification_signature(now, body, other)}, body),
        ({SIGNATURE_HEADER: notification_signature(now, body, SECRET)}, body + b" "),
        ({SIGNATURE_HEADER: notification_signature(now - 301, body, SECRET)}, body),
        ({SIGNATURE_HEADER: notification_signature(now, b"\xff", SECRET)}, b"\xff"),
        ({SIGNATURE_HEADER: notification_signature(now, b"[" * 4000, SECRET)}, b"[" * 4000),
    ]
    for headers, content in forged:
        with pytest.raises(NotificationRefused):
            processor.sandbox.notifications(headers, content)


async def test_with_a_file_payments_are_there_again_after_a_restart(tmp_path: Path) -> None:
    attempt = attempt_at("9998")
    async with processing(Ledger(tmp_path / "sandbox.db")) as before:
        assert (await before.sandbox.charge(attempt, await before.token(attempt))).kind is Kind.UNKNOWN
    content = (tmp_path / "sandbox.db").read_bytes()
    assert b"4111111111111111" not in content
    async with processing(Ledger(tmp_path / "sandbox.db")) as after:
        assert (await after.sandbox.look_up(attempt)).kind is Kind.CHARGED


def test_it_refuses_to_run_in_production() -> None:
    settings = SandboxSettings(origin="https://x.example", shared_secret=SECRET, is_production=True)
    with pytest.raises(SandboxInProduction):
        create_sandbox(settings, Ledger(), MovedClock())
    assert SECRET not in repr(settings)


async def test_a_gateway_that_is_not_there_has_charged_nothing(processor: Processing) -> None:
    attempt = attempt_at()
    token = await processor.token(attempt)
    health = await processor.sandbox.check()
    assert health.is_up
    processor.client.account = replace(processor.client.account, api_url="http://127.0.0.1:1")
    assert (await processor.sandbox.charge(attempt, token)).kind is Kind.UNAVAILABLE
    assert not (await processor.sandbox.check()).is_up


async def test_wrong_credentials_are_told_from_a_refusal(processor: Processing) -> None:
    attempt = attempt_at()
    token = await processor.token(attempt)
    processor.client.account = replace(processor.client.account, shared_secret="b3RoZXI=")
    outcome = await processor.sandbox.charge(attempt, token)
    assert isinstance(outcome, Outcome)
    # The public key is known to nobody else either, so the token is good; the charge is not.
    assert outcome.kind in (Kind.MISCONFIGURED, Kind.INVALID)
    health = await processor.sandbox.check()
    assert (health.is_up, health.detail) == (False, "misconfigured: HTTP 401")
    assert processor.ledger.transactions == {}
