"""What one process of an installation changes, the others notice: in time where they remember, at once elsewhere."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from builders import NOON
from paydue.domain.settings import LogoFormat, ProductType, Settings
from paydue.domain.webhooks import SubscriptionStatus
from paydue.storage import short_memory
from storing import ACTOR, a_secret_key, assert_all_holds, create
from webhook_builders import a_subscription

INVOICING = ProductType.INVOICING
PAID = "invoicing.customer.invoice.paid"
# Instead of five seconds.
REMEMBERED_SECONDS = 0.05


@pytest.fixture
async def other(installation: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return another process's store of the same data."""
    monkeypatch.setattr(short_memory, "SECONDS", REMEMBERED_SECONDS)
    store = await installation.beside()
    yield store
    await store.close()


async def five_seconds() -> None:
    await asyncio.sleep(2 * REMEMBERED_SECONDS)


async def test_a_key_that_is_revoked_beside_is_known_as_revoked_within_five_seconds(
    installation: Any, other: Any
) -> None:
    key = a_secret_key()
    await installation.store.add_key(key, NOON)
    assert await other.find(key.key_id) == key

    await installation.store.revoke_key(key.key_id, NOON)
    await five_seconds()

    assert (await other.find(key.key_id)).is_revoked


async def test_a_key_or_a_merchant_that_was_asked_for_too_early_is_found_as_soon_as_it_is_there(
    installation: Any, other: Any
) -> None:
    key = a_secret_key()
    assert await other.find(key.key_id) is None

    await installation.store.add_key(key, NOON)

    assert await other.find(key.key_id) == key


async def test_settings_and_a_logo_that_are_changed_beside_are_noticed_within_five_seconds(
    installation: Any, other: Any
) -> None:
    acme, beside = installation.store.of("acme"), other.of("acme")
    assert await beside.settings(INVOICING) == Settings()
    assert await beside.logo(INVOICING) is None

    with_logo = Settings(font_color="#123456", logo_format=LogoFormat.PNG)
    await acme.save_settings(INVOICING, Settings(), with_logo, b"logo")
    assert await beside.logo(INVOICING) == b"logo"
    await five_seconds()

    assert await beside.settings(INVOICING) == replace(with_logo, version=1)


async def test_subscriptions_that_are_made_changed_and_deleted_beside_are_noticed_within_five_seconds(
    installation: Any, other: Any
) -> None:
    here, beside = installation.store.subscriptions_of("acme"), other.subscriptions_of("acme")
    listening = other.of("acme").webhooks_for
    assert await beside.subscriptions() == ()
    assert await listening(PAID) == ()

    made = await here.add_subscription(a_subscription(), 10, ACTOR, None)
    await five_seconds()
    assert await beside.subscription(made.webhook_id) == made
    assert await listening(PAID) == (made.webhook_id,)

    off = await here.save_subscription(made, replace(made, status=SubscriptionStatus.INACTIVE), ACTOR)
    await five_seconds()
    assert await beside.subscription(made.webhook_id) == off

    await here.delete_subscription(made.webhook_id, ACTOR)
    await five_seconds()
    assert await beside.subscriptions() == ()
    assert await listening(PAID) == ()


async def test_two_processes_give_numbers_without_a_gap_and_none_twice(installation: Any, other: Any) -> None:
    stores = [installation.store.of("acme"), other.of("acme")]

    invoices = await asyncio.gather(*(create(stores[each % 2]) for each in range(200)))

    assert sorted(int(invoice.number) for invoice in invoices) == list(range(1, 201))
    assert sorted(invoice.serial for invoice in invoices) == list(range(1, 201))
    await assert_all_holds(other)
