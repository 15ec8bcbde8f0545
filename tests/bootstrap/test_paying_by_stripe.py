"""A whole installation whose payers pay by Stripe, as it is put together: over HTTP, into the real books."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from msgspec.structs import replace

from paydue.bootstrap.gateway_check import check_gateway
from paydue.bootstrap.system import SystemClock
from paydue.config import Config
from paydue.domain.attempts import AttemptState
from paydue.domain.lifecycle import Status
from paydue.usecases.access_keys import Secret
from paydue.usecases.reconcile_payments import look_at_attempt, reconcile_payments
from storing import assert_all_holds
from stripe_fake import KEY, WEBHOOK_SECRETS, StripeFake, served, stripe_serving
from taking_payments import PAYER, Shop, a_shop


@asynccontextmanager
async def a_stripe_shop(folder: Path) -> AsyncIterator[tuple[Shop, StripeFake]]:
    async with stripe_serving(SystemClock()) as serving:
        settings = {
            "stripe_secret_key": Secret(KEY),
            "stripe_webhook_secrets": tuple(Secret(each) for each in WEBHOOK_SECRETS),
            "stripe_url": serving.fake.origin,
        }
        async with a_shop(folder, gateway="stripe", **settings) as shop:
            yield shop, serving.fake


async def test_a_payer_goes_to_stripes_page_pays_and_comes_back(tmp_path: Path) -> None:
    async with a_stripe_shop(tmp_path) as (shop, fake):
        invoice = await shop.bill()
        begun = await shop.begin(invoice)
        assert begun.checkout is not None
        assert fake.pay(begun.checkout.session)
        settled = await look_at_attempt(
            shop.books, shop.desk.gateway_of, begun.attempt.attempt_id, clock=shop.desk.clock, actor=PAYER
        )
        assert settled is not None
        assert (settled.state, settled.gateway) == (AttemptState.SETTLED, "stripe")
        assert (await shop.invoice(invoice.number)).status is Status.PAID
        await assert_all_holds(shop.service.store)


async def test_a_payer_who_never_came_back_is_found_by_the_worker_of_the_next_start(tmp_path: Path) -> None:
    async with a_stripe_shop(tmp_path) as (shop, fake):
        invoice = await shop.bill()
        begun = await shop.begin(invoice)
        assert begun.checkout is not None
        fake.pay(begun.checkout.session)
        assert shop.service.post_office is not None
        async with shop.service.post_office.at_work(), asyncio.timeout(20):
            while (await shop.invoice(invoice.number)).status is not Status.PAID:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.02)
        await assert_all_holds(shop.service.store)


async def test_stripe_tells_of_a_payment_and_it_counts_once_however_often_it_tells(tmp_path: Path) -> None:
    async with a_stripe_shop(tmp_path) as (shop, fake):
        invoice = await shop.bill()
        begun = await shop.begin(invoice)
        assert begun.checkout is not None
        fake.pay(begun.checkout.session, "slow")
        fake.finish(begun.checkout.session)
        async with served(shop.service.app) as origin:
            url = f"{origin}/gateway-notifications/stripe/acme"
            assert set(await fake.deliver(url, [*reversed(fake.events), *fake.events])) == {204}
            forged = fake.notification(fake.events[0], secret="whsec_of_somebody_else")
            async with httpx.AsyncClient(trust_env=False) as stranger:
                assert (await stranger.post(url, headers=forged[0], content=forged[1])).status_code == 400
        desk = shop.desk
        await reconcile_payments(desk.looking, desk.books_of, desk.gateway_of, clock=desk.clock, correlation_id="r")
        paid = await shop.invoice(invoice.number)
        assert (paid.status, paid.paid) == (Status.PAID, invoice.balance)
        await assert_all_holds(shop.service.store)


async def test_its_page_may_be_where_the_payer_is_sent(tmp_path: Path) -> None:
    async with a_stripe_shop(tmp_path) as (shop, _):
        assert shop.gateway.content_sources() == {"form-action": ("https://checkout.stripe.com",)}
        assert shop.gateway.capabilities.is_test
        assert (await shop.gateway.check()).is_up


async def test_the_check_of_the_gateway_tells_of_key_and_mode_and_opens_no_page(tmp_path: Path) -> None:
    async with stripe_serving(SystemClock()) as serving:
        right = Config(
            data=tmp_path, gateway="stripe", development=True, stripe_secret_key=Secret(KEY),
            stripe_url=serving.fake.origin,
        )  # fmt: skip
        checked = await check_gateway(right, page_origin="https://pay.example")
        assert [(each.tried, each.is_well) for each in checked] == [("settings", True), ("credentials", True)]
        assert "no webhook secret" in checked[1].result
        wrong = replace(right, stripe_secret_key=Secret("sk_test_of_somebody_else"))
        *_, failed = await check_gateway(wrong, page_origin="https://pay.example")
        assert (failed.is_well, failed.result) == (False, "misconfigured: HTTP 401")
        assert serving.fake.sessions == {}
