"""
Make and keep the keys that webhooks are sent with, and choose among them.

Most are for all subscriptions of an organization; a subscription may have signing keys and a client certificate of its
own. Keys are never changed: a newer one takes over at once, and the one before still signs for a day in the header that
can carry several signatures, so that receivers may change over without losing anything.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from paydue.domain.webhooks import OAuthConfig, TooManyWebhookKeys
from paydue.usecases.access_keys import Secret, new_key_id, new_shared_secret
from paydue.usecases.change_subscription import find_subscription
from paydue.usecases.ports import Actor
from paydue.usecases.webhook_ports import Subscriptions, WebhookKey, WebhookKeyKind

OVERLAP: Final = timedelta(hours=24)
DEFAULT_DAYS: Final = 365
MAXIMUM_KEYS: Final = 20
"""How many keys a merchant may have that are of use; the others are forgotten."""
MAXIMUM_SIGNING_KEYS: Final = 5
"""How many signing keys sign at the same time, each for itself; whoever makes more forgets the oldest."""


async def create_signing_key(
    subscriptions: Subscriptions,
    webhook_id: str | None = None,
    *,
    days: int = DEFAULT_DAYS,
    at: datetime,
    actor: Actor,
) -> WebhookKey:
    """
    Keep a fresh signing key, which takes over at once, and return it: for all subscriptions, or for one alone.

    Raises TooManyWebhookKeys, NoSuchSubscription.
    """
    if webhook_id is not None:
        await find_subscription(subscriptions, webhook_id)
    key = WebhookKey(
        key_id=new_key_id(),
        organization_id=subscriptions.merchant_id,
        kind=WebhookKeyKind.SIGNING,
        secret=new_shared_secret(),
        created_at=at,
        expires_at=at + timedelta(days=days),
        webhook_id=webhook_id,
    )
    return await _keep(subscriptions, key, at, actor)


async def store_oauth_credentials(
    subscriptions: Subscriptions,
    client_id: str,
    secret: Secret,
    *,
    days: int = DEFAULT_DAYS,
    at: datetime,
    actor: Actor,
) -> WebhookKey:
    """Keep what we prove ourselves with where tokens are fetched, and return it. Raises TooManyWebhookKeys."""
    key = WebhookKey(
        key_id=new_key_id(),
        organization_id=subscriptions.merchant_id,
        kind=WebhookKeyKind.OAUTH_CREDENTIALS,
        client_id=client_id,
        secret=secret,
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    return await _keep(subscriptions, key, at, actor)


async def store_certificate(
    subscriptions: Subscriptions,
    certificate_der: bytes,
    private_key: Secret | None,
    *,
    expires_at: datetime,
    at: datetime,
    actor: Actor,
) -> WebhookKey:
    """
    Keep a certificate, with the private key that signs our JWTs if one came along, and return it.

    It expires when the certificate does. Raises TooManyWebhookKeys.
    """
    key = WebhookKey(
        key_id=new_key_id(),
        organization_id=subscriptions.merchant_id,
        kind=WebhookKeyKind.CERTIFICATE,
        certificate_der=certificate_der,
        secret=private_key,
        created_at=at,
        expires_at=expires_at,
    )
    return await _keep(subscriptions, key, at, actor)


async def store_client_certificate(
    subscriptions: Subscriptions,
    webhook_id: str,
    certificate_der: bytes,
    identity: Secret,
    *,
    expires_at: datetime,
    at: datetime,
    actor: Actor,
) -> WebhookKey:
    """
    Keep what that subscription's receiver knows us by, in the place of what was kept for it, and return it.

    `identity` is the private key and the chain, in PEM. Raises NoSuchSubscription.
    """
    await find_subscription(subscriptions, webhook_id)
    key = WebhookKey(
        key_id=new_key_id(),
        organization_id=subscriptions.merchant_id,
        kind=WebhookKeyKind.CLIENT_CERTIFICATE,
        certificate_der=certificate_der,
        secret=identity,
        created_at=at,
        expires_at=expires_at,
        webhook_id=webhook_id,
    )
    earlier = await own_keys(subscriptions, webhook_id, WebhookKeyKind.CLIENT_CERTIFICATE)
    await subscriptions.add_key(key, [each.key_id for each in earlier], actor)
    return key


async def own_keys(subscriptions: Subscriptions, webhook_id: str, kind: WebhookKeyKind) -> Sequence[WebhookKey]:
    """Return the subscription's own keys of that kind, the newest first. Raises NoSuchSubscription."""
    await find_subscription(subscriptions, webhook_id)
    return _newest_first([key for key in await subscriptions.keys() if key.webhook_id == webhook_id], kind)


async def forget_own_keys(subscriptions: Subscriptions, webhook_id: str, kind: WebhookKeyKind, *, actor: Actor) -> None:
    """
    Forget the subscription's own keys of that kind: it is signed for with the organization's again, or goes without a
    client certificate.

    Raises NoSuchSubscription.
    """
    own = await own_keys(subscriptions, webhook_id, kind)
    if own:
        await subscriptions.forget_keys([key.key_id for key in own], actor)


def client_certificate(keys: Sequence[WebhookKey], webhook_id: str) -> WebhookKey | None:
    """Return what we show to that subscription's receiver, expired or not; None: nothing."""
    own = _newest_first([key for key in keys if key.webhook_id == webhook_id], WebhookKeyKind.CLIENT_CERTIFICATE)
    return own[0] if own else None


def signing_keys(
    keys: Sequence[WebhookKey], at: datetime, webhook_id: str | None = None, *, overlap: timedelta = OVERLAP
) -> tuple[WebhookKey, ...]:
    """
    Return the keys to sign with at that time, the newest first; none when nothing may be sent.

    A subscription that has keys of its own is signed for with these and no others, even when they have expired: its
    receiver knows no others. The first signs alone where there is room for one signature. Those after it were replaced
    less than `overlap` ago.
    """
    of_all, own = ([key for key in keys if key.webhook_id == owner] for owner in (None, webhook_id))
    if webhook_id is not None and any(key.kind is WebhookKeyKind.SIGNING for key in own):
        return _usable(own, at, overlap)
    return _usable(of_all, at, overlap)


def _usable(keys: Sequence[WebhookKey], at: datetime, overlap: timedelta) -> tuple[WebhookKey, ...]:
    usable: list[WebhookKey] = []
    replaced_at: datetime | None = None
    for key in _newest_first(keys, WebhookKeyKind.SIGNING):
        if key.expires_at > at and (not usable or replaced_at is None or at < replaced_at + overlap):
            usable.append(key)
        replaced_at = key.created_at
    return tuple(usable)


def oauth_credentials(keys: Sequence[WebhookKey], config: OAuthConfig, at: datetime) -> WebhookKey | None:
    """Return the credentials that `config` names, else the newest; None when none are good any more."""
    return _named_or_newest(_newest_first(keys, WebhookKeyKind.OAUTH_CREDENTIALS), config, at)


def jwt_signing_key(keys: Sequence[WebhookKey], config: OAuthConfig, at: datetime) -> WebhookKey | None:
    """Return the private key that `config` names, else the newest; None when there is none."""
    certificates = _newest_first(keys, WebhookKeyKind.CERTIFICATE)
    return _named_or_newest([key for key in certificates if key.secret is not None], config, at)


async def _keep(subscriptions: Subscriptions, key: WebhookKey, at: datetime, actor: Actor) -> WebhookKey:
    kept = [each for each in await subscriptions.keys() if each.webhook_id == key.webhook_id]
    signing = _usable(kept, at, OVERLAP)
    if key.kind is WebhookKeyKind.SIGNING:
        signing = signing[: MAXIMUM_SIGNING_KEYS - 1]
    useless = [
        each.key_id
        for each in kept
        if each.expires_at <= at or (each.kind is WebhookKeyKind.SIGNING and each not in signing)
    ]
    if len(kept) - len(useless) >= MAXIMUM_KEYS:
        raise TooManyWebhookKeys(MAXIMUM_KEYS)
    await subscriptions.add_key(key, useless, actor)
    return key


def _newest_first(keys: Sequence[WebhookKey], kind: WebhookKeyKind) -> list[WebhookKey]:
    # The id settles equal times, so that every node and every attempt chooses the same.
    return sorted((key for key in keys if key.kind is kind), key=lambda key: (key.created_at, key.key_id), reverse=True)


def _named_or_newest(newest_first: Sequence[WebhookKey], config: OAuthConfig, at: datetime) -> WebhookKey | None:
    usable = [key for key in newest_first if key.expires_at > at]
    named = (key for key in usable if key.key_id == config.key_id)
    return next(named, usable[0] if usable else None)
