"""Where payers' money is taken, as it is put together: by the test processor, over real HTTP, into the real books."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from paydue.bootstrap import make_store, open_delivery, open_service
from paydue.bootstrap.paying import GATEWAYS, sandbox_port
from paydue.config import Config, WrongSetting
from paydue.domain.attempts import AttemptState
from paydue.domain.lifecycle import Status
from paydue.gateways.cybersource import CybersourceGateway
from paydue.usecases.access_keys import Secret
from storing import assert_all_holds
from taking_payments import Shop, a_shop

SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(tmp_path) as shop:
        yield shop


async def test_a_payer_pays_and_the_books_agree(shop: Shop) -> None:
    invoice = await shop.bill()
    attempt = await shop.pay(invoice)

    assert (attempt.state, attempt.gateway) == (AttemptState.SETTLED, "sandbox")
    assert (await shop.invoice(invoice.number)).status is Status.PAID
    await assert_all_holds(shop.service.store)


async def test_the_worker_finds_out_what_became_of_a_lost_answer(shop: Shop) -> None:
    invoice = await shop.bill("9998")
    attempt = await shop.pay(invoice)
    assert attempt.state is AttemptState.UNKNOWN
    assert shop.service.post_office is not None

    async with shop.service.post_office.at_work(), asyncio.timeout(20):
        while (await shop.invoice(invoice.number)).status is not Status.PAID:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)

    settled = await shop.books.attempts.attempt(attempt.attempt_id)
    assert settled is not None
    assert settled.state is AttemptState.SETTLED
    await assert_all_holds(shop.service.store)


async def test_a_port_where_nobody_answers_has_charged_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = {"cybersource_url": url, "cybersource_merchant_id": "m", "cybersource_key_id": "k"}
        async with a_shop(tmp_path, gateway="cybersource", cybersource_secret=Secret(SECRET), **settings) as shop:
            assert isinstance(shop.gateway, CybersourceGateway)
            begun = await shop.begin(await shop.bill())
    assert (begun.attempt.state, begun.checkout, begun.attempt.reason) == (AttemptState.FAILED, None, "try_later")


async def test_attempts_are_settled_by_the_gateway_they_were_begun_with(tmp_path: Path) -> None:
    async with a_shop(tmp_path, gateway="none") as shop:
        assert shop.desk.current_gateway("acme") is None
        assert shop.desk.gateway_of("acme", "sandbox") is not None
        assert shop.desk.gateway_of("acme", "cybersource") is None
        assert shop.desk.gateway_of("acme", "no such gateway") is None
        assert shop.desk.gateway_of("acme", "sandbox") is shop.desk.gateway_of("acme", "sandbox")


async def test_the_test_processor_is_refused_where_money_is_meant(tmp_path: Path) -> None:
    config = Config(data=tmp_path / "data", gateway="sandbox")
    await make_store(config)

    with pytest.raises(WrongSetting, match="gateway is sandbox, which moves no money"):
        await open_service(config, portal_url="https://pay.example", tls_host="pay.example")
    with pytest.raises(WrongSetting, match="gateway is sandbox"):
        await open_delivery(config)


async def test_a_worker_for_trials_reaches_the_servers_test_processor(tmp_path: Path) -> None:
    config = Config(data=tmp_path / "data", gateway="sandbox", development=True, port=8080)
    await make_store(config)
    delivery = await open_delivery(config)
    await delivery.close()

    assert sandbox_port(config) == 8082
    assert sandbox_port(Config(data=tmp_path, port=0)) == 0
    assert sandbox_port(Config(data=tmp_path, port=0, sandbox_port=9)) == 9


def test_every_gateway_that_can_be_chosen_can_be_made() -> None:
    from typing import get_args, get_type_hints

    assert set(get_args(get_type_hints(Config)["gateway"])) == {"none", *GATEWAYS}
