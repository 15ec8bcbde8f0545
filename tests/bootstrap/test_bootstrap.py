"""What is put together here and nowhere else: secrets, the front door, whom a proxy speaks for."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from paydue.bootstrap import Service, SystemClock, SystemSecrets, make_store, open_service, own_hosts
from paydue.config import Config

MISSING = "/ebc2/invoicing/payInvoice/" + "b" * 64


async def service_in(folder: Path, **settings: Any) -> Service:
    config = Config(data=folder / "data", **settings)
    await make_store(config)
    return await open_service(config, portal_url="https://pay.example.com", tls_host="pay.example.com")


def client_of(service: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=service.app, client=("192.0.2.1", 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def test_payment_tokens_are_64_letters_and_digits_and_none_is_favoured():
    tokens = [SystemSecrets().payment_token() for _ in range(2000)]
    # The first eight tell the time.
    letters = Counter("".join(token[8:] for token in tokens))

    assert {len(token) for token in tokens} == {64}
    assert len({token[8:] for token in tokens}) == len(tokens)
    assert all(token.isascii() and token.isalnum() for token in tokens)
    # 1,806 of each are expected, give or take 42: eight of those away, nothing is chance.
    assert len(letters) == 62
    assert all(1470 < count < 2140 for count in letters.values())


def test_payment_tokens_rise_with_the_time(monkeypatch):
    secrets = SystemSecrets()
    starts = []
    for milliseconds in (1, 61, 62, 1_795_300_000_000, 1_795_300_000_001, 62**8 - 1):
        monkeypatch.setattr("time.time_ns", lambda now=milliseconds: now * 1_000_000)
        starts.append(secrets.payment_token()[:8])

    assert starts == sorted(starts)
    assert starts[:3] == ["00000001", "0000000z", "00000010"]


def test_a_token_is_whole_even_when_most_bytes_are_dropped(monkeypatch):
    monkeypatch.setattr("os.urandom", lambda count: bytes(range(count % 256, 256)) + b"\0")

    assert len(SystemSecrets().payment_token()) == 64


def test_the_clock_tells_the_same_time_both_ways():
    clock = SystemClock()
    now, nanoseconds = clock.now(), clock.nanoseconds()

    assert now.tzinfo is UTC
    assert abs(datetime.fromtimestamp(nanoseconds / 1e9, UTC) - now) < timedelta(seconds=10)


async def test_the_api_and_the_pages_are_behind_one_door(tmp_path):
    service = await service_in(tmp_path)
    async with client_of(service) as client:
        assert (await client.get("/invoicing/v2/invoices")).status_code == 401
        assert (await client.get("/invoicing/v2/nothing")).status_code == 401
        assert (await client.get("/paydue/v1/nothing")).status_code == 401
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/docs")).status_code == 200
        document = (await client.get("/openapi.json")).json()
        assert document["servers"][0]["url"] == "https://pay.example.com"
        missing = await client.get(MISSING)
        assert missing.status_code == 404
        assert missing.headers["strict-transport-security"] == "max-age=31536000"
    await service.close()


async def test_a_rate_limit_of_0_switches_off_the_limit_on_misses_too(tmp_path):
    for folder, rate_limit, answer in (("limited", 100, 429), ("free", 0, 404)):
        service = await service_in(tmp_path / folder, rate_limit=rate_limit)
        async with client_of(service) as client:
            answers = [(await client.get(MISSING)).status_code for _ in range(31)]
        await service.close()
        assert answers == [404] * 30 + [answer]


@pytest.mark.parametrize(
    ("behind_proxy", "written", "counted_together"),
    [
        (False, "{n}", True),
        (True, "{n}", False),
        (True, "198.51.100.{n}, 203.0.113.7", True),
        (True, "203.0.113.7, 198.51.100.{n}", False),
    ],
)
async def test_only_the_address_that_the_nearest_proxy_wrote_down_counts(
    tmp_path, behind_proxy, written, counted_together
):
    service = await service_in(tmp_path, behind_proxy=behind_proxy)
    async with client_of(service) as client:
        answers = [
            (await client.get(MISSING, headers={"X-Forwarded-For": written.format(n=n)})).status_code for n in range(31)
        ]
    await service.close()

    assert answers[-1] == (429 if counted_together else 404)


async def test_behind_two_proxies_the_second_from_the_end_counts(tmp_path):
    service = await service_in(tmp_path, behind_proxy=True, trusted_proxies=2)
    async with client_of(service) as client:
        for n in range(30):
            await client.get(MISSING, headers={"X-Forwarded-For": f"192.0.2.{n}, 203.0.113.7, 10.0.0.1"})
        same = await client.get(MISSING, headers={"X-Forwarded-For": "203.0.113.7, 10.0.0.2"})
        other = await client.get(MISSING, headers={"X-Forwarded-For": "203.0.113.8, 10.0.0.1"})
    await service.close()

    assert (same.status_code, other.status_code) == (429, 404)


def test_requests_may_be_signed_for_every_name_the_server_goes_by():
    config = Config(
        data=Path("/nowhere"), host="::1", public_url="https://pay.example.com", allowed_hosts=("api.example.com",)
    )

    names = set(own_hosts(config, "http://127.0.0.1:8080"))
    assert names >= {"localhost", "[::1]", "pay.example.com", "api.example.com", "127.0.0.1:8080"}
