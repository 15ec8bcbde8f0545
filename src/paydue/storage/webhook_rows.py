"""Subscriptions and webhook keys: domain value <-> table row, for every engine; and who wants which event."""

from collections.abc import Mapping, Sequence
from typing import Final, Self

import msgspec
from msgspec.structs import replace

from paydue.domain.notifications import EVENT_KINDS
from paydue.domain.webhooks import Subscription, SubscriptionStatus
from paydue.storage.rows import Row, read_time, time_text
from paydue.storage.vault import Place, Vault
from paydue.usecases.access_keys import Secret
from paydue.usecases.webhook_ports import WebhookKey, WebhookKeyKind

_encode: Final = msgspec.json.Encoder().encode
_read_document: Final = msgspec.json.Decoder(Subscription).decode

# For a suspended one messages are put down and held.
_LISTENING: Final = (SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED)


class KnownSubscriptions(msgspec.Struct, frozen=True):
    """A merchant's subscriptions as they were read, and the ids of those that want an event, by its type."""

    subscriptions: tuple[Subscription, ...]
    by_id: Mapping[str, Subscription]
    listening: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, subscriptions: Sequence[Subscription]) -> Self:
        listening: dict[str, tuple[str, ...]] = {}
        for each in subscriptions:
            if each.status in _LISTENING:
                for event_type in dict.fromkeys(name for product in each.products for name in product.event_types):
                    if _wants(each, event_type):
                        listening[event_type] = (*listening.get(event_type, ()), each.webhook_id)
        return cls(tuple(subscriptions), {each.webhook_id: each for each in subscriptions}, listening)


def _wants(subscription: Subscription, event_type: str) -> bool:
    kind = EVENT_KINDS.get(event_type)
    # Of a product that is not in the catalogue nothing can be told apart.
    return kind is None or subscription.wants(kind[0].product_id, event_type)


SUBSCRIPTION_COLUMNS: Final = ("document", "version")


def write_subscription(subscription: Subscription) -> str:
    """Return the subscription as JSON; the version has a column of its own."""
    return _encode(replace(subscription, version=0)).decode()


def read_subscription(row: Row) -> Subscription:
    """Return the subscription of a row of `SUBSCRIPTION_COLUMNS`."""
    document, version = row
    return replace(_read_document(document), version=version)


WEBHOOK_KEY_COLUMNS: Final = (
    "merchant_id", "key_id", "kind", "secret", "client_id", "certificate", "created_at", "expires_at",
    "webhook_id",
)  # fmt: skip


def write_webhook_key(merchant_id: str, key: WebhookKey, vault: Vault) -> Row:
    """Return the values of `WEBHOOK_KEY_COLUMNS`; the secret is encrypted and bound to its row."""
    secret = key.secret
    return (
        merchant_id,
        key.key_id,
        key.kind.value,
        vault.encrypt(secret.reveal(), _secret_place(merchant_id, key.key_id)) if secret is not None else None,
        key.client_id,
        key.certificate_der,
        time_text(key.created_at),
        time_text(key.expires_at),
        key.webhook_id,
    )


def read_webhook_key(row: Row, vault: Vault) -> WebhookKey:
    """Return the key of a row of `WEBHOOK_KEY_COLUMNS`. Raises BrokenFact when its secret was written elsewhere."""
    merchant_id, key_id, kind, secret, client_id, certificate, created_at, expires_at, webhook_id = row
    return WebhookKey(
        key_id=key_id,
        organization_id=merchant_id,
        kind=WebhookKeyKind(kind),
        secret=Secret(vault.decrypt(secret, _secret_place(merchant_id, key_id))) if secret is not None else None,
        client_id=client_id,
        certificate_der=certificate,
        created_at=read_time(created_at),
        expires_at=read_time(expires_at),
        webhook_id=webhook_id,
    )


def _secret_place(merchant_id: str, key_id: str) -> Place:
    return "webhook_keys", "secret", key_id, merchant_id
