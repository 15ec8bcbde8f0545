"""The Stripe gateway against a stand-in over HTTP: pages, their ends, refunds, notifications, and lost answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from builders import NOON
from paydue.domain.attempts import MaskedAccount, PaymentAttempt
from paydue.domain.refunds import Refund, RefundState
from paydue.domain.settings import LANGUAGES
from paydue.gateways.sending import Reply
from paydue.usecases.gateway_ports import Checkout, CheckoutRequest, Kind, Outcome, Reason
from processing import attempt_at
from stripe_fake import KEY, PATIENCE, StripeServing, send, stripe_serving

PAGE = "https://pay.example"


@pytest.fixture
async def serving() -> AsyncIterator[StripeServing]:
    async with stripe_serving() as served:
        yield served


def redirected(amount: str = "293.5", number: int = 1, **changed: object) -> PaymentAttempt:
    return attempt_at(amount, number, gateway="stripe", reserves_from_begin=True, **changed)


def asked_for(attempt: PaymentAttempt, **changed: object) -> CheckoutRequest:
    request = CheckoutRequest(
        attempt=attempt, page_origin=PAGE, return_url=f"{PAGE}/return", cancel_url=f"{PAGE}/cancel"
    )
    return replace(request, **changed)


async def opened(serving: StripeServing, attempt: PaymentAttempt | None = None) -> PaymentAttempt:
    attempt = attempt or redirected()
    checkout = await serving.gateway.begin(asked_for(attempt))
    assert isinstance(checkout, Checkout), checkout
    return replace(attempt, session=checkout.session)


async def paid(serving: StripeServing, attempt: PaymentAttempt | None = None) -> PaymentAttempt:
    attempt = await opened(serving, attempt)
    assert serving.fake.pay(f"{attempt.session}")
    outcome = await serving.gateway.look_up(attempt)
    return replace(attempt, transaction_id=outcome.transaction_id, charged=outcome.amount)


def a_refund(amount: str = "93.5", number: int = 1, **changed: object) -> Refund:
    refund = Refund(
        refund_id=f"11111111-1111-4111-8111-{number:012}",
        amount=Decimal(amount),
        is_due_again=False,
        state=RefundState.SUBMITTED,
        asked_at=NOON,
    )
    return replace(refund, **changed)


async def test_a_page_is_opened_for_the_attempt_and_says_what_is_paid(serving: StripeServing) -> None:
    attempt = redirected(payer_email="payer@example.com")
    request = asked_for(attempt, locale="de-DE", wants_authentication=True, requests_phone=True, requests_shipping=True)
    checkout = await serving.gateway.begin(request)
    assert isinstance(checkout, Checkout)
    assert checkout.redirect_url == f"{serving.fake.origin}/c/pay/{checkout.session}"
    assert checkout.expires_at == attempt.expires_at
    ((_, _, headers, params),) = serving.fake.seen
    assert headers["idempotency-key"] == attempt.attempt_id
    assert (params["line_items[0][price_data][unit_amount]"], params["line_items[0][price_data][currency]"]) == (
        "29350", "usd",
    )  # fmt: skip
    assert params["line_items[0][price_data][product_data][name]"] == "Rechnung 7"
    assert params["client_reference_id"] == params["payment_intent_data[metadata][reference]"] == attempt.reference
    assert params["metadata[attempt]"] == attempt.attempt_id
    assert (params["success_url"], params["cancel_url"]) == (f"{PAGE}/return", f"{PAGE}/cancel")
    assert params["customer_email"] == "payer@example.com"
    assert params["payment_method_options[card][request_three_d_secure]"] == "any"
    assert params["phone_number_collection[enabled]"] == "true"
    assert "DE" in {value for name, value in params.items() if name.startswith("shipping_address_collection")}
    assert params["adaptive_pricing[enabled]"] == "false"


async def test_nothing_of_the_machine_or_its_user_is_told(serving: StripeServing) -> None:
    for _ in range(2):
        await serving.gateway.check()
    for _, _, headers, _ in serving.fake.seen:
        assert "x-stripe-client-telemetry" not in headers
        assert set(json.loads(headers["x-stripe-client-user-agent"])) - {"ai_agent"} == {
            "bindings_version", "lang", "httplib", "lang_version",
        }  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_language_of_ours_is_one_of_the_page(serving: StripeServing, language: str) -> None:
    assert isinstance(await serving.gateway.begin(asked_for(redirected(), locale=language)), Checkout)


async def test_asked_for_twice_or_at_once_there_is_one_page(serving: StripeServing) -> None:
    request = asked_for(redirected())
    pages = await asyncio.gather(*(serving.gateway.begin(request) for _ in range(4)))
    assert {page.session for page in pages if isinstance(page, Checkout)} == set(serving.fake.sessions)
    assert len(serving.fake.sessions) == 1
    attempt = replace(request.attempt, session=next(iter(serving.fake.sessions)))
    again = await serving.gateway.begin(asked_for(attempt, locale="fr-FR"))
    assert isinstance(again, Checkout)
    assert again.session == attempt.session


async def test_asked_for_as_late_as_can_be_the_page_still_opens(serving: StripeServing) -> None:
    attempt = redirected(begun_at=NOON, expires_at=NOON + timedelta(minutes=30))
    serving.clock.at = NOON + timedelta(minutes=29, seconds=59)
    assert isinstance(await serving.gateway.begin(asked_for(attempt)), Checkout)


async def test_a_page_that_was_paid_on_meanwhile_is_told_instead_of_opened(serving: StripeServing) -> None:
    attempt = await opened(serving)
    serving.fake.pay(f"{attempt.session}")
    outcome = await serving.gateway.begin(asked_for(attempt))
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.amount) == (Kind.CHARGED, Decimal("293.5"))


@pytest.mark.parametrize("mode", ["drop before", "drop after", "slow", "409", "429", "500", "503"])
async def test_a_page_whose_answer_was_lost_once_is_had_by_asking_again(serving: StripeServing, mode: str) -> None:
    serving.fake.fail_next(mode)
    assert isinstance(await serving.gateway.begin(asked_for(redirected())), Checkout)
    assert len(serving.fake.sessions) == 1


@pytest.mark.parametrize("mode", ["drop before", "drop after", "409", "429", "500", "500 after"])
async def test_without_an_answer_there_is_no_page_and_nobody_was_charged(serving: StripeServing, mode: str) -> None:
    serving.fake.fail_next(mode, times=3)
    outcome = await serving.gateway.begin(asked_for(redirected()))
    assert isinstance(outcome, Outcome)
    assert (outcome.kind, outcome.reason) == (Kind.UNAVAILABLE, Reason.TRY_LATER)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"payer_email": "not an address"}, Kind.INVALID),
        ({"amount": Decimal(9_000_000)}, Kind.INVALID),
        ({"amount": Decimal("1.234"), "currency": "KWD"}, Kind.INVALID),
        ({"amount": Decimal("0.5"), "currency": "MGA"}, Kind.INVALID),
        ({"expires_at": NOON + timedelta(days=2)}, Kind.MISCONFIGURED),
    ],
)
async def test_what_cannot_be_paid_has_no_page(serving: StripeServing, changed: dict[str, object], kind: Kind) -> None:
    outcome = await serving.gateway.begin(asked_for(replace(redirected(), **changed)))
    assert isinstance(outcome, Outcome)
    assert outcome.kind is kind
    assert serving.fake.sessions == {}


async def test_a_wrong_key_is_a_wrong_setting_and_nothing_is_charged(serving: StripeServing) -> None:
    gateway = serving.reached_by(send, secret_key="sk_test_wrong")
    outcome = await gateway.begin(asked_for(redirected()))
    assert isinstance(outcome, Outcome)
    assert outcome.kind is Kind.MISCONFIGURED
    assert not (await gateway.check()).is_up
    assert KEY not in repr(serving.account)


async def test_a_page_of_somebody_else_is_never_handed_on(serving: StripeServing) -> None:
    attempt = await opened(serving)
    other = replace(redirected(number=2), session=attempt.session)
    outcome = await serving.gateway.begin(asked_for(other))
    assert isinstance(outcome, Outcome)
    assert outcome.kind is Kind.MISCONFIGURED


async def test_how_a_page_stands_is_looked_up(serving: StripeServing) -> None:
    attempt = await opened(serving)
    session = f"{attempt.session}"
    waiting = await serving.gateway.look_up(attempt)
    assert (waiting.kind, waiting.reference) == (Kind.WAITING_FOR_PAYER, attempt.reference)
    serving.fake.pay(session, "insufficient_funds")
    assert (await serving.gateway.look_up(attempt)).kind is Kind.WAITING_FOR_PAYER
    serving.fake.pay(session)
    charged = await serving.gateway.look_up(attempt)
    assert (charged.kind, charged.amount, charged.currency) == (Kind.CHARGED, Decimal("293.5"), "USD")
    assert charged.account == MaskedAccount(brand="Visa", last4="4242", expires="04/2031")
    assert await serving.gateway.charge(attempt, "whatever a browser says") == charged


async def test_a_slow_method_is_held_until_it_has_come_or_failed(serving: StripeServing) -> None:
    for number, decline, kind in ((1, None, Kind.CHARGED), (2, "insufficient_funds", Kind.DECLINED)):
        attempt = await opened(serving, redirected(number=number))
        serving.fake.pay(f"{attempt.session}", "slow")
        held = await serving.gateway.look_up(attempt)
        assert (held.kind, held.amount) == (Kind.HELD, 0)
        serving.fake.finish(f"{attempt.session}", decline)
        found = await serving.gateway.review(attempt, accepts=True)
        assert (found.kind, found.transaction_id) == (kind, held.transaction_id)
        assert found.reason is (Reason.FUNDS if decline else None)


async def test_a_closed_page_takes_no_money_and_says_who_was_faster(serving: StripeServing) -> None:
    attempt = await opened(serving)
    assert (await serving.gateway.close(attempt)).kind is Kind.CANCELED
    assert not serving.fake.pay(f"{attempt.session}")
    assert (await serving.gateway.close(attempt)).kind is Kind.EXPIRED
    assert (await serving.gateway.look_up(attempt)).kind is Kind.EXPIRED

    faster = await paid(serving, redirected(number=2))
    assert (await serving.gateway.close(faster)).kind is Kind.CHARGED
    assert (await serving.gateway.void(faster)).kind is Kind.NOT_VOIDABLE

    slow = await opened(serving, redirected(number=3))
    serving.fake.pay(f"{slow.session}", "slow")
    assert (await serving.gateway.close(slow)).kind is Kind.HELD

    assert (await serving.gateway.close(redirected(number=4))).kind is Kind.CANCELED
    assert (await serving.gateway.look_up(redirected(number=4))).kind is Kind.NOT_FOUND


@pytest.mark.parametrize("mode", ["drop after", "slow", "500 after"])
async def test_a_close_whose_answer_was_lost_is_answered_the_second_time(serving: StripeServing, mode: str) -> None:
    attempt = await opened(serving)
    serving.fake.fail_next(mode, "/expire")
    assert (await serving.gateway.close(attempt)).kind is Kind.CANCELED


async def test_voiding_ends_an_open_page_for_good(serving: StripeServing) -> None:
    attempt = await opened(serving)
    assert (await serving.gateway.void(attempt)).kind is Kind.VOIDED
    assert (await serving.gateway.void(attempt)).kind is Kind.VOIDED
    assert (await serving.gateway.void(redirected(number=2))).kind is Kind.NOT_FOUND


@pytest.mark.parametrize("call", ["look_up", "close", "void", "charge"])
@pytest.mark.parametrize("mode", ["drop before", "drop after", "500", "409"])
async def test_where_the_answer_stays_out_nothing_is_known(serving: StripeServing, call: str, mode: str) -> None:
    attempt = await paid(serving)
    serving.fake.fail_next(mode, times=3)
    ask = getattr(serving.gateway, call)
    outcome = await (ask(attempt, "") if call == "charge" else ask(attempt))
    assert (outcome.kind, outcome.reason) == (Kind.UNKNOWN, Reason.CONFIRMING)


async def test_not_being_told_after_the_payers_return_is_never_a_refusal(serving: StripeServing) -> None:
    attempt = await paid(serving)
    serving.fake.fail_next("429", times=3)
    assert (await serving.gateway.charge(attempt, "")).kind is Kind.UNKNOWN
    gateway = serving.reached_by(send, api_url="http://127.0.0.1:1")
    assert (await gateway.charge(attempt, "")).kind is Kind.UNKNOWN
    assert (await gateway.look_up(attempt)).kind is Kind.UNAVAILABLE


async def test_a_page_of_another_account_is_asked_for_until_nobody_can_pay_on_it(serving: StripeServing) -> None:
    attempt = replace(redirected(), session="cs_test_elsewhere")
    assert (await serving.gateway.look_up(attempt)).kind is Kind.MISCONFIGURED
    assert (await serving.gateway.close(attempt)).kind is Kind.MISCONFIGURED
    serving.clock.at = attempt.expires_at + timedelta(minutes=36)
    assert (await serving.gateway.close(attempt)).kind is Kind.NOT_FOUND


async def test_what_may_have_arrived_before_a_refusal_is_not_taken_for_refused(serving: StripeServing) -> None:
    answers: list[Reply] = [Reply(status=None), Reply(status=None, was_sent=False), Reply(status=429)]

    async def send_badly(
        method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, seconds: float
    ) -> Reply:
        return answers.pop(0)

    attempt = replace(redirected(), transaction_id="pi_1", charged=Decimal("293.5"))
    assert (await serving.reached_by(send_badly).refund(attempt, a_refund())).kind is Kind.UNKNOWN
    answers += [Reply(status=429)] * 3
    assert (await serving.reached_by(send_badly).refund(attempt, a_refund())).kind is Kind.UNAVAILABLE
    answers += [Reply(status=None, was_sent=False)] * 3
    assert (await serving.reached_by(send_badly).refund(attempt, a_refund())).kind is Kind.UNAVAILABLE


async def test_money_goes_back_in_parts_and_not_more_than_came(serving: StripeServing) -> None:
    attempt = await paid(serving)
    first = await serving.gateway.refund(attempt, a_refund("93.5"))
    again = await serving.gateway.refund(attempt, a_refund("93.5"))
    rest = await serving.gateway.refund(attempt, a_refund("200", 2))
    assert (first.kind, again.transaction_id, rest.kind) == (Kind.REFUNDED, first.transaction_id, Kind.REFUNDED)
    assert serving.fake.net == 0
    assert (await serving.gateway.refund(attempt, a_refund("1", 3))).kind is Kind.REFUND_FAILED
    assert (await serving.gateway.look_up_refund(attempt, a_refund("200", 2))).transaction_id == rest.transaction_id


@pytest.mark.parametrize(
    ("becomes", "kind"),
    [
        ("pending", Kind.REFUND_PENDING),
        ("requires_action", Kind.REFUND_PENDING),
        ("failed", Kind.REFUND_FAILED),
        ("canceled", Kind.REFUND_FAILED),
        ("something new", Kind.UNKNOWN),
    ],
)
async def test_each_state_of_a_refund_has_its_meaning(serving: StripeServing, becomes: str, kind: Kind) -> None:
    attempt = await paid(serving)
    serving.fake.refunds_become = becomes
    outcome = await serving.gateway.refund(attempt, a_refund())
    assert outcome.kind is kind
    serving.fake.finish_refund(f"{outcome.transaction_id}", "succeeded")
    known = a_refund(transaction_id=outcome.transaction_id)
    assert (await serving.gateway.look_up_refund(attempt, known)).kind is Kind.REFUNDED
    assert (await serving.gateway.look_up_refund(attempt, a_refund())).kind is Kind.REFUNDED


@pytest.mark.parametrize("mode", ["drop before", "drop after", "slow", "409", "500 after"])
async def test_a_refund_whose_answer_stays_out_is_found_or_done_once(serving: StripeServing, mode: str) -> None:
    attempt = await paid(serving)
    serving.fake.fail_next(mode, "/refunds", times=3)
    assert (await serving.gateway.refund(attempt, a_refund())).kind is Kind.UNKNOWN
    if mode == "slow":
        await asyncio.sleep(2 * PATIENCE)
    for _ in range(2):
        assert (await serving.gateway.look_up_refund(attempt, a_refund())).kind is Kind.REFUNDED
    assert serving.fake.net == Decimal(200)


async def test_a_refund_is_not_ordered_again_when_its_key_may_be_forgotten(serving: StripeServing) -> None:
    attempt = await paid(serving)
    serving.clock.at = NOON + timedelta(hours=23)
    assert (await serving.gateway.look_up_refund(attempt, a_refund())).kind is Kind.NOT_FOUND
    assert serving.fake.refunds == {}


async def test_a_refund_is_found_among_many(serving: StripeServing) -> None:
    attempt = await paid(serving)
    for number in range(60):
        await serving.gateway.refund(attempt, a_refund("0.01", number))
    serving.clock.at = NOON + timedelta(days=2)
    assert (await serving.gateway.look_up_refund(attempt, a_refund("0.01", 0))).kind is Kind.REFUNDED
    assert (await serving.gateway.look_up_refund(attempt, a_refund("0.01", 60))).kind is Kind.NOT_FOUND


async def test_nothing_charged_is_nothing_to_give_back(serving: StripeServing) -> None:
    assert (await serving.gateway.refund(redirected(), a_refund())).kind is Kind.REFUND_FAILED
    missing = redirected(transaction_id="pi_missing")
    assert (await serving.gateway.refund(missing, a_refund())).kind is Kind.REFUND_FAILED
    assert (await serving.gateway.look_up_refund(redirected(), a_refund())).kind is Kind.NOT_FOUND


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [("2500", "JPY", 2500), ("293.5", "USD", 29350), ("12.34", "EUR", 1234), ("7.89", "KWD", 7890), ("5", "ISK", 500)],
)
async def test_amounts_arrive_with_the_decimals_of_their_currency(
    serving: StripeServing, amount: str, currency: str, units: int
) -> None:
    attempt = await paid(serving, redirected(amount, currency=currency))
    outcome = await serving.gateway.look_up(attempt)
    assert (str(outcome.amount), outcome.currency) == (amount, currency)
    assert [each["amount"] for each in serving.fake.intents.values()] == [units]
    part = await serving.gateway.refund(attempt, a_refund("1"))
    assert (part.kind, serving.fake.net) == (Kind.REFUNDED, Decimal(amount) - 1)


async def test_its_health_is_asked_for_without_charging(serving: StripeServing) -> None:
    health = await serving.gateway.check()
    assert (health.is_up, health.detail) == (True, "key accepted, test mode, no money moves")
    assert "no webhook secret" in (await serving.reached_by(send, webhook_secrets=()).check()).detail
    assert not (await serving.reached_by(send, api_url="http://127.0.0.1:1").check()).is_up
    assert serving.fake.sessions == {}


async def test_it_says_what_it_can(serving: StripeServing) -> None:
    able = serving.gateway.capabilities
    assert (able.name, able.redirects, able.is_test, able.can_review) == ("stripe", True, True, False)
    assert {"USD", "JPY", "KWD", "ISK"} <= (able.currencies or set())
    assert not {"CLF", "IQD"} & (able.currencies or set())
    assert not serving.reached_by(send, secret_key="rk_live_1").capabilities.is_test
    assert serving.gateway.content_sources() == {"form-action": (serving.fake.origin,)}
