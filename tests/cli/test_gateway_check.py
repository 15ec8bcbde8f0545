"""`paydue gateway check`: whether payments would work, found out without one."""

import base64
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from paydue.bootstrap.gateway_check import check_gateway
from paydue.config import Config
from paydue.usecases.access_keys import Secret
from running import paydue, run_paydue
from taking_payments import Shop, a_shop

PAGE = "https://pay.example.com"
OTHER = base64.b64encode(b"somebody else's secret, 32 bytes").decode()


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(tmp_path) as shop:
        yield shop


def as_cybersource(tmp_path: Path, url: str, secret: str) -> Config:
    """Return a configuration that takes the test processor for the real one."""
    return Config(
        data=tmp_path / "data",
        gateway="cybersource",
        development=True,
        cybersource_url=url,
        cybersource_merchant_id="acme",
        cybersource_key_id="key-1",
        cybersource_secret=Secret(secret),
    )


async def test_a_gateway_that_works_is_told_to_work_and_nothing_is_charged(shop: Shop, tmp_path: Path) -> None:
    port = int(shop.sandbox_url.rpartition(":")[2])
    sandbox = Config(data=tmp_path / "data", gateway="sandbox", development=True, sandbox_port=port)
    secret: str = shop.gateway._client.account.shared_secret
    for config in (sandbox, as_cybersource(tmp_path, shop.sandbox_url, secret)):
        checked = await check_gateway(config, page_origin=PAGE)
        assert [(each.tried, each.is_well, each.advice) for each in checked] == [
            ("settings", True, ""),
            ("credentials", True, ""),
            (f"payment form for {PAGE}", True, ""),
        ]


async def test_a_wrong_secret_is_told_with_what_to_do(shop: Shop, tmp_path: Path) -> None:
    *_, failed = await check_gateway(as_cybersource(tmp_path, shop.sandbox_url, OTHER), page_origin=PAGE)

    assert (failed.tried, failed.is_well) == ("credentials", False)
    assert "compare account, key id and secret" in failed.advice
    assert OTHER not in str(failed)


async def test_a_processor_that_is_not_there_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        config = as_cybersource(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}", OTHER)
        *_, failed = await check_gateway(config, page_origin=PAGE)

    assert (failed.tried, failed.is_well) == ("credentials", False)
    assert "reaches it" in failed.advice


async def test_a_page_that_the_processor_would_not_stand_on_is_told(shop: Shop, tmp_path: Path) -> None:
    secret: str = shop.gateway._client.account.shared_secret
    *_, failed = await check_gateway(as_cybersource(tmp_path, shop.sandbox_url, secret), page_origin="no origin")

    assert (failed.tried, failed.is_well) == ("payment form for no origin", False)


def test_the_command_ends_with_what_it_found(tmp_path: Path) -> None:
    data = tmp_path / "data"
    paydue("init", "--data", str(data))
    found: Any = paydue("gateway", "check", "--data", str(data), "--json", exit_code=1)
    assert (found["works"], found["gateway"], len(found["checks"])) == (False, "none", 1)

    said = run_paydue(
        "gateway", "check", "--data", str(data), PAYDUE_GATEWAY="sandbox", PAYDUE_DEVELOPMENT="true", PAYDUE_PORT="0"
    )
    assert (said.returncode, said.stdout.startswith("FAILED  settings: sandbox cannot be reached")) == (1, True)
