"""
What the webhook use cases need from outside: kept subscriptions and keys, the rules for addresses, one delivery now.

Apart from `ports.py` because invoices need none of it; the keys here prove us to others, not callers to us.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from paydue.domain.invoice import Invoice
from paydue.domain.notifications import Notification, ReplaySelection
from paydue.domain.webhooks import Subscription
from paydue.usecases.access_keys import Secret
from paydue.usecases.ports import Actor, Receipt


class WebhookKeyKind(StrEnum):
    """What a key is for; the values are the words of the key API, but the last, which is ours."""

    SIGNING = "sharedSecret"
    OAUTH_CREDENTIALS = "oAuthClientCredentials"
    CERTIFICATE = "publickey"
    CLIENT_CERTIFICATE = "clientCertificate"


class WebhookKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One key of an organization: never changed, only replaced by a newer one or forgotten.

    `secret` is the base64 text of a signing key, the client's password, or the private key (base64 of PKCS #8) that
    may come with a certificate, or a client certificate's private key and chain in PEM. `client_id` belongs to
    credentials, `certificate_der` to a certificate. With `webhook_id` it is for that subscription alone.
    """

    key_id: str
    organization_id: str
    kind: WebhookKeyKind
    secret: Secret | None = None
    client_id: str | None = None
    certificate_der: bytes | None = None
    created_at: datetime
    expires_at: datetime
    webhook_id: str | None = None


class Subscriptions(Protocol):
    """One merchant's subscriptions and webhook keys: nothing of another merchant can be reached through it."""

    @property
    def merchant_id(self) -> str: ...

    async def subscriptions(self) -> Sequence[Subscription]:
        """Return all that are not deleted, oldest first."""
        ...

    async def subscription(self, webhook_id: str) -> Subscription | None: ...

    async def add_subscription(
        self, subscription: Subscription, limit: int, actor: Actor, receipt: Receipt | None
    ) -> Subscription:
        """Keep it and return it with its version. Raises TooManySubscriptions, ReceiptExists."""
        ...

    async def save_subscription(self, before: Subscription, after: Subscription, actor: Actor) -> Subscription:
        """
        Keep what was decided on `before` and return it with its next version.

        Raises StaleVersion when another version, or none, is stored.
        """
        ...

    async def delete_subscription(self, webhook_id: str, actor: Actor) -> None:
        """Forget it; what was sent to it stays on record. Raises NoSuchSubscription."""
        ...

    async def replay(self, webhook_id: str, selection: ReplaySelection, at: datetime, actor: Actor) -> int:
        """
        Make the notifications selected due again, each under the id it had, and return how many they are.

        Raises ReplayRunning while an earlier replay of this merchant is not through.
        """
        ...

    async def keys(self) -> Sequence[WebhookKey]:
        """Return every webhook key that is kept, in any order."""
        ...

    async def add_key(self, key: WebhookKey, forget: Sequence[str], actor: Actor) -> None:
        """Keep a key, its secret encrypted, and drop those of the ids in `forget`: both or neither."""
        ...

    async def forget_keys(self, key_ids: Sequence[str], actor: Actor) -> None:
        """Drop the keys of these ids."""
        ...


class UrlRules(Protocol):
    """What addresses the installation may call at all. The same rules stand again at every call."""

    def fault_in(self, url: str) -> str | None:
        """Return what is wrong with its form, for whoever wrote it, or None."""
        ...

    async def admits(self, url: str) -> bool:
        """Tell whether the host leads where we may call. One that cannot be found now is let through for now."""
        ...


class Outcome(msgspec.Struct, frozen=True):
    """How one delivery went: whether the receiver took it, and why not in small words (`answered 503`)."""

    is_taken: bool
    words: str


class InvoiceExample(msgspec.Struct, frozen=True, kw_only=True):
    """A made-up invoice, and what a notification about it says, by the names in `domain.notifications.SLOTS`."""

    slots: dict[str, str]
    invoice: Invoice


class Messenger(Protocol):
    def example(self, event_type: str, at: datetime) -> InvoiceExample:
        """Return what a notification of that event might be about."""
        ...

    def snapshot(self, invoice: Invoice, at: datetime, link: str | None) -> bytes:
        """Return the invoice with its payment link as JSON, for subscribers who want it with each notification."""
        ...

    async def deliver(self, subscription: Subscription, notification: Notification) -> Outcome:
        """Send it once and now, with the headers and signatures of any other notification."""
        ...
