"""One merchant's webhook subscriptions and keys: every statement here names its merchant."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from paydue.domain.notifications import EVENT_KINDS, DeliveryStatus, ReplaySelection
from paydue.domain.webhooks import NoSuchSubscription, ReplayRunning, Subscription, TooManySubscriptions
from paydue.storage import rows
from paydue.storage.access import Access, Hand, Reads, record
from paydue.storage.outbox_rows import HIGHEST_ID, LOWEST_ID, highest_id, lowest_id, position
from paydue.storage.resending import in_state, make_all_due
from paydue.storage.rows import Row
from paydue.storage.short_memory import ShortMemory
from paydue.storage.vault import Vault
from paydue.storage.webhook_rows import (
    KnownSubscriptions,
    read_subscription,
    read_webhook_key,
    write_subscription,
    write_webhook_key,
)
from paydue.usecases.delivery_ports import JobState
from paydue.usecases.ports import Actor, Clock, NoSuchMerchant, Receipt, StaleVersion
from paydue.usecases.webhook_ports import WebhookKey

_FATES: Final = {DeliveryStatus.FAILED: JobState.PARKED, DeliveryStatus.RETRY: JobState.PENDING}
_RECIPIENT: Final = position("recipient")
_TOPIC: Final = position("topic")
_TRIES: Final = position("tries")


class SubscriptionMemory:
    """The subscriptions of merchants as they were five seconds ago at most: every change of an invoice asks."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self.remembered: Final[ShortMemory[str, KnownSubscriptions]] = ShortMemory()

    async def of(self, merchant_id: str) -> KnownSubscriptions:
        """Return the merchant's subscriptions that are not deleted, oldest first."""
        known = self.remembered.get(merchant_id)
        if known is None:
            found = await self._reads.read(self._reads.sql.SUBSCRIPTIONS, merchant_id)
            known = KnownSubscriptions.of([read_subscription(row) for row in found])
            self.remembered.keep(merchant_id, known)
        return known

    def forget(self, merchant_id: str) -> None:
        self.remembered.forget(merchant_id)


class Subscriptions:
    """`usecases.webhook_ports.Subscriptions` on any engine."""

    def __init__(
        self, merchant_id: str, access: Access, vault: Vault, clock: Clock, memory: SubscriptionMemory
    ) -> None:
        self._merchant_id = merchant_id
        self._access = access
        self._vault = vault
        self._clock = clock
        self._memory = memory

    @property
    def merchant_id(self) -> str:
        return self._merchant_id

    async def subscriptions(self) -> Sequence[Subscription]:
        """Return all that are not deleted, oldest first, as they were five seconds ago at most."""
        return (await self._memory.of(self._merchant_id)).subscriptions

    async def subscription(self, webhook_id: str) -> Subscription | None:
        """Return the subscription, as it was five seconds ago at most."""
        return (await self._memory.of(self._merchant_id)).by_id.get(webhook_id)

    async def add_subscription(
        self, subscription: Subscription, limit: int, actor: Actor, receipt: Receipt | None
    ) -> Subscription:
        """Keep it and return it with its version. Raises ReceiptExists, NoSuchMerchant, TooManySubscriptions."""
        stored: Subscription = await self._write(lambda hand: self._add(hand, subscription, limit, actor, receipt))
        return stored

    async def save_subscription(self, before: Subscription, after: Subscription, actor: Actor) -> Subscription:
        """Keep what was decided on `before` and return it with its next version. Raises StaleVersion."""
        webhook_id, document = before.webhook_id, write_subscription(after)

        async def save(hand: Hand) -> None:
            key = (self._merchant_id, webhook_id, before.version)
            if not await hand.write(hand.sql.AMEND_SUBSCRIPTION, *key, after.status.value, document):
                raise StaleVersion(webhook_id)
            await self._record(hand, actor, "change subscription", webhook_id)

        await self._write(save)
        return replace(after, version=before.version + 1)

    async def delete_subscription(self, webhook_id: str, actor: Actor) -> None:
        """Forget it; what was sent to it stays on record. Raises NoSuchSubscription."""
        # Asked first because a text from a caller may be one that no statement can be given.
        if not await self._access.read(self._access.sql.HAS_SUBSCRIPTION, self._merchant_id, webhook_id):
            raise NoSuchSubscription(webhook_id)
        deleted_at = rows.time_text(self._clock.now())

        async def delete(hand: Hand) -> None:
            if not await hand.write(hand.sql.DELETE_SUBSCRIPTION, self._merchant_id, webhook_id, deleted_at):
                raise NoSuchSubscription(webhook_id)
            await self._record(hand, actor, "delete subscription", webhook_id)

        await self._write(delete)

    async def replay(self, webhook_id: str, selection: ReplaySelection, at: datetime, actor: Actor) -> int:
        """
        Make the notifications selected due again, each to start anew under the id it had; return how many they are.

        FAILED are those that were given up, RETRY those that failed and are tried again; the window is that of their
        making. Raises ReplayRunning while anything of the merchant's last replay is still to be delivered.
        """

        async def begin(hand: Hand) -> None:
            if await hand.read(hand.sql.IS_REPLAYING, self._merchant_id):
                raise ReplayRunning
            await record(hand, self._merchant_id, at, actor, "replay", webhook_id)

        await self._access.write((self._merchant_id,), begin)
        topics = _topics(selection)

        def is_wanted(row: Row) -> bool:
            return (
                row[_RECIPIENT] == webhook_id
                and (topics is None or row[_TOPIC] in topics)
                and (selection.status is not DeliveryStatus.RETRY or row[_TRIES] > 0)
            )

        return await make_all_due(
            self._access, self._merchant_id, self._selected(selection), at, is_wanted, is_replay=True
        )

    async def keys(self) -> Sequence[WebhookKey]:
        """Return every webhook key that is kept, oldest first."""
        found = await self._access.read(self._access.sql.WEBHOOK_KEYS, self._merchant_id)
        return [read_webhook_key(row, self._vault) for row in found]

    async def add_key(self, key: WebhookKey, forget: Sequence[str], actor: Actor) -> None:
        """Keep a key, its secret encrypted, and drop those of the ids in `forget`: both or neither."""
        added = write_webhook_key(self._merchant_id, key, self._vault)

        async def add(hand: Hand) -> None:
            await self._refuse_stranger(hand)
            await hand.write(hand.sql.ADD_WEBHOOK_KEY, *added)
            for key_id in forget:
                await hand.write(hand.sql.DROP_WEBHOOK_KEY, self._merchant_id, key_id)
            await self._record(hand, actor, "add webhook key", key.key_id)

        await self._access.write((self._merchant_id,), add)

    async def forget_keys(self, key_ids: Sequence[str], actor: Actor) -> None:
        """Drop the keys of these ids."""

        async def forget(hand: Hand) -> None:
            for key_id in key_ids:
                await hand.write(hand.sql.DROP_WEBHOOK_KEY, self._merchant_id, key_id)
                await self._record(hand, actor, "forget webhook key", key_id)

        await self._access.write((self._merchant_id,), forget)

    async def _add(
        self, hand: Hand, subscription: Subscription, limit: int, actor: Actor, receipt: Receipt | None
    ) -> Subscription:
        merchant_id = self._merchant_id
        await self._refuse_stranger(hand)
        if receipt is not None:
            await hand.refuse_repeat(merchant_id, receipt)
        ((count,),) = await hand.read(hand.sql.SUBSCRIPTION_COUNT, merchant_id)
        if count >= limit:
            raise TooManySubscriptions(limit)
        stored = replace(subscription, version=1)
        created_at, document = rows.time_text(subscription.created_at), write_subscription(subscription)
        row = (merchant_id, subscription.webhook_id, subscription.status.value, created_at, document)
        await hand.write(hand.sql.ADD_SUBSCRIPTION, *row)
        await self._record(hand, actor, "subscribe", subscription.webhook_id)
        if receipt is not None:
            await hand.add_receipt(merchant_id, receipt, stored, self._clock.now())
        return stored

    async def _selected(self, selection: ReplaySelection) -> AsyncIterator[Sequence[Row]]:
        if selection.status is None:
            yield await self._traced(selection.trace_ids)
            return
        after = lowest_id(selection.from_at) if selection.from_at is not None else LOWEST_ID
        until = highest_id(selection.until_at) if selection.until_at is not None else HIGHEST_ID
        async for page in in_state(self._access, self._merchant_id, _FATES[selection.status], after, until):
            yield page

    async def _traced(self, trace_ids: Sequence[str]) -> Sequence[Row]:
        """Return the messages that these attempts belong to, each once."""
        keys = [
            key
            for each in trace_ids
            for (key,) in await self._access.read(self._access.sql.TRACED, self._merchant_id, each)
        ]
        return [
            row
            for key in dict.fromkeys(keys)
            for row in await self._access.read(self._access.sql.BY_MESSAGE, self._merchant_id, key)
        ]

    async def _refuse_stranger(self, hand: Hand) -> None:
        if not await hand.read(hand.sql.HAS_MERCHANT, self._merchant_id):
            raise NoSuchMerchant(self._merchant_id)

    async def _record(self, hand: Hand, actor: Actor, what: str, subject: str) -> None:
        await record(hand, self._merchant_id, self._clock.now(), actor, what, subject)

    async def _write(self, write: Callable[[Hand], Awaitable[Any]]) -> Any:
        try:
            return await self._access.write((self._merchant_id,), write)
        finally:
            # Also after a refusal: what is remembered here is what was overtaken.
            self._memory.forget(self._merchant_id)


def _topics(selection: ReplaySelection) -> frozenset[str] | None:
    """Return the event types selected; None: all."""
    if selection.event_type is not None:
        return frozenset({selection.event_type})
    if selection.product_id is not None:
        return frozenset(
            name for name, (product, _) in EVENT_KINDS.items() if product.product_id == selection.product_id
        )
    return None
