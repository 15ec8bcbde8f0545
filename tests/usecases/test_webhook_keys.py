"""Webhook keys: who signs when, for how long an old key goes on, and what is forgotten."""

import base64
from datetime import timedelta

import pytest
from msgspec.structs import replace

from paydue.domain.webhooks import OAuthConfig, TooManyWebhookKeys
from paydue.usecases.access_keys import Secret
from paydue.usecases.webhook_keys import (
    MAXIMUM_KEYS,
    MAXIMUM_SIGNING_KEYS,
    create_signing_key,
    jwt_signing_key,
    oauth_credentials,
    signing_keys,
    store_certificate,
    store_oauth_credentials,
)
from paydue.usecases.webhook_ports import WebhookKey, WebhookKeyKind
from webhook_builders import ACTOR, MERCHANT, NOON, MemorySubscriptions, a_signing_key

HOUR = timedelta(hours=1)
CONFIG = OAuthConfig(token_url="https://idp.example/token")


def ids(keys: tuple[WebhookKey, ...]) -> list[str]:
    return [key.key_id for key in keys]


OLD = a_signing_key(key_id="old", created_at=NOON - 1000 * HOUR)
NEW = a_signing_key(key_id="new", created_at=NOON)


@pytest.mark.parametrize(
    "at, expected",
    [
        (NOON - HOUR, ["new", "old"]),
        (NOON, ["new", "old"]),
        (NOON + 24 * HOUR - timedelta(seconds=1), ["new", "old"]),
        (NOON + 24 * HOUR, ["new"]),
    ],
)
def test_an_old_key_goes_on_signing_for_a_day_after_a_newer_one(at, expected):
    assert ids(signing_keys([OLD, NEW], at)) == expected
    assert ids(signing_keys([NEW, OLD], at)) == expected


def test_the_overlap_is_the_operators_choice():
    assert ids(signing_keys([OLD, NEW], NOON + 47 * HOUR, overlap=timedelta(hours=48))) == ["new", "old"]


def test_an_expired_key_signs_nothing():
    over = replace(NEW, expires_at=NOON + HOUR)

    assert ids(signing_keys([over], NOON + HOUR)) == []
    assert ids(signing_keys([OLD, over], NOON + HOUR)) == ["old"]


def test_other_kinds_of_keys_do_not_sign():
    assert signing_keys([replace(NEW, kind=WebhookKeyKind.OAUTH_CREDENTIALS)], NOON) == ()


async def test_a_new_signing_key_is_thirty_two_random_bytes_and_takes_over_at_once():
    kept = MemorySubscriptions()
    first = await create_signing_key(kept, at=NOON, actor=ACTOR)
    second = await create_signing_key(kept, days=30, at=NOON + HOUR, actor=ACTOR)

    assert first.secret is not None
    assert second.secret is not None
    assert len(base64.b64decode(first.secret.reveal(), validate=True)) == 32
    assert first.secret != second.secret
    assert first.organization_id == MERCHANT
    assert (first.expires_at, second.expires_at) == (NOON + timedelta(days=365), NOON + HOUR + timedelta(days=30))
    assert signing_keys(await kept.keys(), NOON + 2 * HOUR) == (second, first)


async def test_keys_that_are_of_no_use_any_more_are_forgotten():
    kept = MemorySubscriptions()
    first = await create_signing_key(kept, at=NOON, actor=ACTOR)
    await create_signing_key(kept, at=NOON + HOUR, actor=ACTOR)
    await store_oauth_credentials(kept, "us", Secret("password"), days=1, at=NOON, actor=ACTOR)
    third = await create_signing_key(kept, at=NOON + 26 * HOUR, actor=ACTOR)

    assert first.key_id not in kept.kept_keys
    assert {key.kind for key in await kept.keys()} == {WebhookKeyKind.SIGNING}
    assert third.key_id in kept.kept_keys
    assert len(kept.kept_keys) == 2


async def test_a_merchant_who_makes_signing_keys_all_day_is_never_refused_one():
    kept = MemorySubscriptions()
    made = [
        await create_signing_key(kept, at=NOON + number * timedelta(minutes=1), actor=ACTOR)
        for number in range(2 * MAXIMUM_KEYS)
    ]

    # A header with many signatures would be refused by receivers before it is read.
    assert ids(signing_keys(await kept.keys(), NOON + HOUR)) == ids(tuple(reversed(made[-MAXIMUM_SIGNING_KEYS:])))
    assert len(kept.kept_keys) == MAXIMUM_SIGNING_KEYS


async def test_a_merchant_has_no_more_keys_in_use_than_the_limit():
    kept = MemorySubscriptions()
    for number in range(MAXIMUM_KEYS):
        await store_oauth_credentials(kept, f"us {number}", Secret("password"), days=1, at=NOON, actor=ACTOR)

    with pytest.raises(TooManyWebhookKeys):
        await create_signing_key(kept, at=NOON, actor=ACTOR)
    await create_signing_key(kept, at=NOON + 25 * HOUR, actor=ACTOR)


async def test_credentials_are_chosen_by_name_or_else_the_newest():
    kept = MemorySubscriptions()
    first = await store_oauth_credentials(kept, "us", Secret("one"), at=NOON, actor=ACTOR)
    second = await store_oauth_credentials(kept, "us", Secret("two"), days=1, at=NOON + HOUR, actor=ACTOR)
    keys = await kept.keys()

    assert oauth_credentials(keys, CONFIG, NOON + 2 * HOUR) == second
    assert oauth_credentials(keys, replace(CONFIG, key_id=first.key_id), NOON + 2 * HOUR) == first
    assert oauth_credentials(keys, replace(CONFIG, key_id="elsewhere"), NOON + 2 * HOUR) == second
    assert oauth_credentials(keys, CONFIG, NOON + 26 * HOUR) == first
    assert oauth_credentials(keys, CONFIG, NOON + timedelta(days=400)) is None


async def test_only_a_certificate_that_came_with_its_private_key_signs_jwts():
    kept = MemorySubscriptions()
    await store_certificate(kept, b"der", None, expires_at=NOON + 9 * HOUR, at=NOON + HOUR, actor=ACTOR)
    assert jwt_signing_key(await kept.keys(), CONFIG, NOON) is None

    with_key = await store_certificate(kept, b"der", Secret("cGs4"), expires_at=NOON + 9 * HOUR, at=NOON, actor=ACTOR)
    assert jwt_signing_key(await kept.keys(), CONFIG, NOON + HOUR) == with_key


def test_a_key_shows_its_secret_to_nobody():
    assert "u3qg" not in repr(a_signing_key())
