"""A payer pays on Stripe's page, over real HTTP: whatever goes wrong on the way, our books say what its ledger says."""

import asyncio
import itertools
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from builders import an_invoice, some_terms
from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import Refusal
from paydue.domain.lifecycle import Status
from paydue.usecases.gateway_ports import NotificationRefused
from paydue.usecases.pay_invoice import Begun, abandon_payment
from paydue.usecases.reconcile_payments import look_at_attempt, take_hint
from paydue.usecases.refund_payment import RefundWish, refund_payment
from paying import PAYER, Killed, Shop, Steps
from stripe_fake import StripeFake, StripeServing, served, stripe_serving

IN_PARTS = some_terms("100", allows_partial_payments=True)


class Stepping:
    """The gateway, where the process can be killed before each of its answers and after it."""

    def __init__(self, gateway: object, steps: Steps) -> None:
        self._gateway = gateway
        self._steps = steps

    def __getattr__(self, name: str) -> object:
        found = getattr(self._gateway, name)
        if name in ("capabilities", "notifications", "content_sources"):
            return found

        async def stepping(*given: object, **named: object) -> object:
            async with self._steps.around():
                return await found(*given, **named)

        return stepping


class StripeShop(Shop):
    """A shop whose payers pay on the stand-in's page. One stand-in can serve many shops, one after the other."""

    def __init__(self, serving: StripeServing) -> None:
        super().__init__()
        self.fake: StripeFake = serving.fake
        self.clock = serving.clock
        self.processor = Stepping(serving.gateway, self.steps)
        self._net_before = self.fake.net

    def pays(self, begun: Begun, how: str = "ok") -> bool:
        """Do what the payer does on the page, if the payer was sent to one."""
        return begun.checkout is not None and self.fake.pay(begun.checkout.session, how)

    async def come_back(self, attempt: PaymentAttempt) -> PaymentAttempt | None:
        """Do what is done when the payer's browser comes back, whatever it brings along."""
        return await look_at_attempt(
            self.books, lambda _merchant, _name: self.processor, attempt.attempt_id, clock=self.clock, actor=PAYER
        )

    async def give_up(self, attempt: PaymentAttempt) -> PaymentAttempt:
        return await abandon_payment(self.books, self.processor, attempt.attempt_id, clock=self.clock, actor=PAYER)

    async def refund(self, attempt: PaymentAttempt, amount: str | None = None, number: int = 1) -> PaymentAttempt:
        wish = RefundWish(
            attempt_id=attempt.attempt_id,
            refund_id=str(uuid.uuid5(uuid.UUID(attempt.attempt_id), f"{number}")),
            amount=Decimal(amount) if amount is not None else None,
        )
        return await refund_payment(self.books, self.processor, wish, clock=self.clock, actor=PAYER)

    def attempt(self, attempt: PaymentAttempt) -> PaymentAttempt:
        return self.memory.attempts[attempt.attempt_id]

    def assert_books_agree(self) -> None:
        self.invoice.assert_facts()
        net = self.fake.net - self._net_before
        assert self.invoice.paid - self.invoice.refunded + self.unapplied == net
        assert not any(each.is_in_flight for each in self.memory.attempts.values())
        assert self.invoice.reservations == ()

    def hears(self) -> Starlette:
        """Return the endpoint for notifications."""

        async def hear(request: Request) -> Response:
            try:
                hints = self.processor.notifications(request.headers, await request.body())
            except NotificationRefused:
                return Response(status_code=400)
            for hint in hints:
                await take_hint(self.books, "stripe", hint, at=self.clock.now(), actor=PAYER)
            return Response(status_code=204)

        return Starlette(routes=[Route("/", hear, methods=["POST"])])


@pytest.fixture
async def serving() -> AsyncIterator[StripeServing]:
    async with stripe_serving() as served_fake:
        yield served_fake


def a_shop(serving: StripeServing, amount: str = "100") -> StripeShop:
    shop = StripeShop(serving)
    shop.memory.put(an_invoice(Status.SENT, some_terms(amount, allows_partial_payments=True)))
    return shop


@pytest.fixture
def shop(serving: StripeServing) -> StripeShop:
    return a_shop(serving)


async def nothing(shop: StripeShop, begun: Begun) -> None:
    """The payer looks at the page and does nothing."""


async def paying(shop: StripeShop, begun: Begun) -> None:
    shop.pays(begun)


async def paying_slowly(shop: StripeShop, begun: Begun) -> None:
    shop.pays(begun, "slow")


async def paying_slowly_and_it_comes(shop: StripeShop, begun: Begun) -> None:
    shop.pays(begun, "slow")
    shop.fake.finish(f"{begun.attempt.session}")


async def paying_slowly_and_it_fails(shop: StripeShop, begun: Begun) -> None:
    shop.pays(begun, "slow")
    shop.fake.finish(f"{begun.attempt.session}", "insufficient_funds")


async def being_declined_and_paying_by_another_card(shop: StripeShop, begun: Begun) -> None:
    shop.pays(begun, "insufficient_funds")
    shop.pays(begun)


async def being_declined(shop: StripeShop, begun: Begun) -> None:
    shop.pays(begun, "stolen_card")


async def coming_too_late(shop: StripeShop, begun: Begun) -> None:
    shop.clock.at += timedelta(minutes=66)
    assert not shop.pays(begun)


OUTCOMES = [
    (nothing, AttemptState.OPEN, Status.SENT),
    (paying, AttemptState.SETTLED, Status.PAID),
    (paying_slowly, AttemptState.HELD, Status.PENDING),
    (paying_slowly_and_it_comes, AttemptState.SETTLED, Status.PAID),
    (paying_slowly_and_it_fails, AttemptState.FAILED, Status.SENT),
    (being_declined_and_paying_by_another_card, AttemptState.SETTLED, Status.PAID),
    (being_declined, AttemptState.OPEN, Status.SENT),
    (coming_too_late, AttemptState.EXPIRED, Status.SENT),
]


@pytest.mark.parametrize("told_by", ["return", "notification"])
@pytest.mark.parametrize(("act", "state", "status"), OUTCOMES)
async def test_what_a_payer_does_counts_by_the_return_and_by_a_notification_alike(
    shop: StripeShop,
    told_by: str,
    act: Callable[[StripeShop, Begun], Awaitable[None]],
    state: AttemptState,
    status: Status,
) -> None:
    begun = await shop.begin("100")
    assert begun.checkout is not None
    assert shop.invoice.reserved == Decimal(100)
    await act(shop, begun)
    if told_by == "return":
        await shop.come_back(begun.attempt)
    else:
        async with served(shop.hears()) as origin:
            assert set(await shop.fake.deliver(origin)) <= {204}
        await shop.reconcile()
    assert (shop.attempt(begun.attempt).state, shop.invoice.status) == (state, status)
    if status is Status.PAID:
        assert shop.attempt(begun.attempt).account is not None
        assert shop.memory.topics()["paid"] == 1
    for session in [each for each in shop.fake.sessions.values() if each["status"] == "complete"]:
        shop.fake.finish(session["id"], None if status is Status.PAID else "expired_card")
    await shop.wait()
    shop.assert_books_agree()


async def test_notified_twice_out_of_order_and_late_it_counts_once(shop: StripeShop) -> None:
    begun = await shop.begin("100")
    shop.pays(begun, "slow")
    shop.fake.finish(f"{begun.attempt.session}")
    events = list(shop.fake.events)
    async with served(shop.hears()) as origin:
        await shop.fake.deliver(origin, [*reversed(events), *events, events[0]])
        await shop.reconcile()
        paid = shop.invoice
        assert paid.status is Status.PAID
        await shop.fake.deliver(origin, events)
        await shop.reconcile()
    assert replace(shop.invoice, version=paid.version) == paid
    assert shop.memory.topics()["paid"] == 1
    shop.assert_books_agree()


async def test_a_forged_notification_is_refused_and_a_true_one_is_not_believed_but_asked_about(
    shop: StripeShop,
) -> None:
    begun = await shop.begin("100")
    told = {"object": "checkout.session", "id": begun.attempt.session, "payment_status": "paid", "status": "complete"}
    event = {"id": "evt_forged", "object": "event", "type": "checkout.session.completed", "data": {"object": told}}
    headers, body = shop.fake.notification(event, secret="whsec_of_somebody_else")
    with pytest.raises(NotificationRefused):
        shop.processor.notifications(headers, body)
    async with served(shop.hears()) as origin:
        assert await shop.fake.deliver(origin, [event]) == [204]
    await shop.reconcile()
    assert (shop.attempt(begun.attempt).state, shop.invoice.paid) == (AttemptState.OPEN, 0)


async def test_the_same_click_twice_opens_one_page_and_pays_once(shop: StripeShop) -> None:
    first, second = await asyncio.gather(shop.begin("100"), shop.begin("100"))
    pages = {each.checkout.redirect_url for each in (first, second) if each.checkout is not None}
    assert len(pages) == len(shop.fake.sessions) == 1
    assert [shop.fake.pay(f"{first.attempt.session or second.attempt.session}") for _ in range(2)] == [True, False]
    again = await shop.begin("100")
    assert (again.checkout, again.attempt.state) == (None, AttemptState.SETTLED)
    shop.assert_books_agree()


@pytest.mark.parametrize("mode", ["drop before", "drop after", "429", "500", "401"])
async def test_a_reload_that_gets_no_page_leaves_alone_who_is_on_the_page_already(shop: StripeShop, mode: str) -> None:
    begun = await shop.begin("100")
    shop.fake.fail_next(mode, times=1 if mode == "401" else 3)
    again = await shop.begin("100")
    assert (again.checkout, again.attempt.state) == (None, AttemptState.OPEN)
    assert shop.invoice.reserved == Decimal(100)
    assert shop.pays(begun)
    await shop.come_back(begun.attempt)
    assert shop.invoice.status is Status.PAID


@pytest.mark.parametrize("mode", ["drop before", "drop after", "500 after", "429", "401"])
async def test_a_page_that_cannot_be_had_frees_the_balance_for_the_next(shop: StripeShop, mode: str) -> None:
    shop.fake.fail_next(mode, times=1 if mode == "401" else 3)
    begun = await shop.begin("100")
    assert (begun.checkout, begun.attempt.state, shop.invoice.reserved) == (None, AttemptState.FAILED, 0)
    assert shop.pays(await shop.begin("100", "k2"))
    await shop.wait()
    assert shop.invoice.status is Status.PAID
    shop.assert_books_agree()


@pytest.mark.parametrize("mode", ["drop before", "drop after", "500 after", "429"])
@pytest.mark.parametrize("act", [paying, nothing])
async def test_lost_answers_are_asked_for_until_they_come(
    shop: StripeShop, mode: str, act: Callable[[StripeShop, Begun], Awaitable[None]]
) -> None:
    begun = await shop.begin("100")
    await act(shop, begun)
    shop.fake.fail_next(mode, times=6)
    await shop.come_back(begun.attempt)
    assert shop.invoice.paid + shop.invoice.reserved == Decimal(100)
    assert await shop.give_up(begun.attempt) == shop.attempt(begun.attempt)
    assert shop.invoice.paid + shop.invoice.reserved == Decimal(100)
    await shop.wait()
    assert shop.invoice.status is (Status.PAID if act is paying else Status.SENT)
    shop.assert_books_agree()


async def test_who_goes_back_frees_the_balance_at_once_and_the_page_takes_nothing_any_more(shop: StripeShop) -> None:
    begun = await shop.begin("100")
    assert (await shop.give_up(begun.attempt)).state is AttemptState.CANCELED
    assert not shop.pays(begun)
    assert shop.pays(await shop.begin("100", "k2"))
    await shop.wait()
    assert shop.invoice.status is Status.PAID
    shop.assert_books_agree()


async def test_who_goes_back_after_paying_has_paid(shop: StripeShop) -> None:
    begun = await shop.begin("100")
    shop.pays(begun)
    assert (await shop.give_up(begun.attempt)).state is AttemptState.SETTLED
    shop.assert_books_agree()


async def test_after_half_an_hour_the_page_is_ended_and_not_before(shop: StripeShop) -> None:
    begun = await shop.begin("100")
    await shop.wait(timedelta(minutes=29))
    assert shop.fake.sessions[f"{begun.attempt.session}"]["status"] == "open"
    await shop.wait(timedelta(minutes=2))
    assert shop.fake.sessions[f"{begun.attempt.session}"]["status"] == "expired"
    assert (shop.attempt(begun.attempt).state, shop.invoice.reserved) == (AttemptState.EXPIRED, 0)


@pytest.mark.parametrize("seed", range(20))
async def test_the_end_of_a_page_and_the_payment_on_it_race_and_the_books_agree(shop: StripeShop, seed: int) -> None:
    chance = random.Random(seed)
    begun = await shop.begin("100")
    shop.clock.at += timedelta(minutes=30)

    async def pay() -> None:
        await asyncio.sleep(chance.random() * 0.02)
        shop.pays(begun)

    await asyncio.gather(pay(), shop.reconcile(), shop.give_up(begun.attempt), shop.come_back(begun.attempt))
    await shop.wait()
    assert shop.invoice.status in (Status.PAID, Status.SENT)
    shop.assert_books_agree()


async def test_money_for_an_invoice_that_was_canceled_meanwhile_is_kept_apart_and_given_back(shop: StripeShop) -> None:
    begun = await shop.begin("100")
    shop.memory.put(shop.invoice.cancel(shop.clock.now()))
    shop.pays(begun)
    await shop.come_back(begun.attempt)
    (money,) = shop.memory.money.values()
    wish = RefundWish(
        attempt_id=begun.attempt.attempt_id, refund_id="11111111-1111-4111-8111-111111111111",
        unapplied=money.transaction_id,
    )  # fmt: skip
    await refund_payment(shop.books, shop.processor, wish, clock=shop.clock, actor=PAYER)
    assert (shop.fake.net, shop.unapplied) == (0, 0)
    await shop.wait()
    shop.assert_books_agree()


@pytest.mark.parametrize("mode", [None, "drop before", "drop after", "500 after", "409"])
@pytest.mark.parametrize("amount", [None, "40"])
async def test_a_refund_is_done_once_whatever_becomes_of_its_answer(
    shop: StripeShop, mode: str | None, amount: str | None
) -> None:
    begun = await shop.begin("100")
    shop.pays(begun)
    await shop.come_back(begun.attempt)
    if mode is not None:
        shop.fake.fail_next(mode, "/refunds", times=3)
    for _ in range(2):
        await shop.refund(begun.attempt, amount)
    await shop.wait()
    assert (shop.invoice.refunded, len(shop.fake.refunds)) == (Decimal(amount or 100), 1)
    shop.assert_books_agree()


@pytest.mark.parametrize("end", ["succeeded", "failed"])
async def test_a_refund_that_takes_its_time_is_told_of_by_notification(shop: StripeShop, end: str) -> None:
    begun = await shop.begin("100")
    shop.pays(begun)
    await shop.come_back(begun.attempt)
    shop.fake.refunds_become = "pending"
    await shop.refund(begun.attempt)
    assert shop.invoice.refunded == 0
    (refund_id,) = shop.fake.refunds
    shop.fake.finish_refund(refund_id, end)
    async with served(shop.hears()) as origin:
        await shop.fake.deliver(origin)
    await shop.reconcile()
    assert shop.invoice.refunded == (Decimal(100) if end == "succeeded" else 0)
    await shop.wait()
    shop.assert_books_agree()


async def test_a_refund_that_stripe_refuses_has_failed_and_the_merchant_is_told(shop: StripeShop) -> None:
    begun = await shop.begin("100")
    shop.pays(begun)
    await shop.come_back(begun.attempt)
    (payment,) = shop.fake.intents.values()
    payment["amount_received"] = 0
    await shop.refund(begun.attempt)
    assert (shop.invoice.refunded, shop.memory.topics()["needs-attention"]) == (0, 1)


@pytest.mark.parametrize("seed", range(10))
async def test_of_sixteen_payers_at_once_exactly_the_payable_amount_is_taken(serving: StripeServing, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        shop = a_shop(serving)
        counter = itertools.count()

        async def payer(shop: StripeShop = shop, counter: "itertools.count[int]" = counter) -> None:
            begun = await shop.begin(chance.choice(["100", "60", "40", "10", "33.33"]), f"k{next(counter)}")
            await asyncio.sleep(chance.random() * 0.01)
            how = chance.choices(["ok", "slow", "generic_decline", "leaves"], [6, 1, 1, 1])[0]
            if how != "leaves":
                shop.pays(begun, how)
            ways = [shop.come_back, shop.give_up]
            await asyncio.gather(*(chance.choice(ways)(begun.attempt) for _ in range(chance.choice([0, 1, 2]))))

        answers = await asyncio.gather(*(payer() for _ in range(16)), return_exceptions=True)
        assert [each for each in answers if isinstance(each, BaseException) and not isinstance(each, Refusal)] == []
        assert shop.invoice.paid + shop.invoice.reserved <= Decimal(100)
        for session in [each for each in shop.fake.sessions.values() if each["status"] == "complete"]:
            if shop.fake.intents[session["payment_intent"]]["status"] == "processing":
                shop.fake.finish(session["id"], chance.choice([None, "insufficient_funds"]))
        await shop.wait()
        shop.assert_books_agree()
        # Whoever comes last finds exactly what is left, to the cent.
        if shop.invoice.balance:
            shop.pays(await shop.begin(f"{shop.invoice.balance}", "last"))
            await shop.wait()
        assert (shop.invoice.status, shop.invoice.paid, shop.unapplied) == (Status.PAID, Decimal(100), 0)


async def going_and_coming_back(shop: StripeShop) -> None:
    begun = await shop.begin("100")
    shop.pays(begun)
    await shop.come_back(begun.attempt)


async def going_and_giving_up(shop: StripeShop) -> None:
    await shop.give_up((await shop.begin("40")).attempt)


async def paying_without_coming_back(shop: StripeShop) -> None:
    begun = await shop.begin("100")
    shop.pays(begun)
    await take_hint_of(shop)
    await shop.reconcile()


async def paying_by_a_slow_method(shop: StripeShop) -> None:
    begun = await shop.begin("60")
    shop.pays(begun, "slow")
    await shop.come_back(begun.attempt)
    shop.fake.finish(f"{begun.attempt.session}")
    await shop.reconcile(everything=True)


async def paying_and_being_given_a_part_back(shop: StripeShop) -> None:
    await going_and_coming_back(shop)
    (attempt,) = shop.memory.attempts.values()
    await shop.refund(attempt, "30")


async def take_hint_of(shop: StripeShop) -> None:
    for event in list(shop.fake.events):
        for hint in shop.processor.notifications(*shop.fake.notification(event)):
            await take_hint(shop.books, "stripe", hint, at=shop.clock.now(), actor=PAYER)


@pytest.mark.parametrize(
    "walk",
    [
        going_and_coming_back,
        going_and_giving_up,
        paying_without_coming_back,
        paying_by_a_slow_method,
        paying_and_being_given_a_part_back,
    ],
)
async def test_killed_at_any_step_the_books_agree_after_reconciliation(
    serving: StripeServing, walk: Callable[[StripeShop], Awaitable[None]]
) -> None:
    whole = a_shop(serving)
    await walk(whole)
    assert whole.steps.taken > 10
    for die_at in range(1, whole.steps.taken + 1):
        shop = a_shop(serving)
        shop.fake.events.clear()
        shop.steps.die_at = die_at
        with pytest.raises(Killed):
            await walk(shop)
        shop.memory.restarted()
        await shop.reconcile(everything=True)
        # Until it is known, nobody else can pay the part that may have been paid.
        assert shop.invoice.paid + shop.invoice.reserved <= Decimal(100)
        for attempt in shop.memory.attempts.values():
            session = shop.fake.sessions.get(f"{attempt.session}", {})
            if session.get("status") == "complete" and session["payment_status"] == "unpaid":
                shop.fake.finish(session["id"])
        await shop.wait()
        shop.assert_books_agree()
