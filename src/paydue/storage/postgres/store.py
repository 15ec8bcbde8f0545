"""One installation's data in one PostgreSQL database: `usecases.ports.Store`, as one of its nodes opens it."""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, Self

from paydue.domain.errors import StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.domain.settings import ProductType, Settings
from paydue.storage import rows
from paydue.storage.exports import StoredExports
from paydue.storage.group_commit import QUEUE_LIMIT
from paydue.storage.migrate import require_current
from paydue.storage.postgres import statements as sql
from paydue.storage.postgres import writes
from paydue.storage.postgres.attempts import PostgresAttempts, PostgresAttemptsToLookAt
from paydue.storage.postgres.bulk import PostgresBulk
from paydue.storage.postgres.clock import DatabaseClock
from paydue.storage.postgres.deliveries import PostgresDeliveries
from paydue.storage.postgres.exports import postgres_exports
from paydue.storage.postgres.gathered_reads import InvoiceReads
from paydue.storage.postgres.ledger import PostgresLedger, one_moment
from paydue.storage.postgres.mail_rules import PostgresMailCounts, PostgresSuppressions, SuppressionMemory
from paydue.storage.postgres.merchant_store import Installation, PostgresMerchantStore
from paydue.storage.postgres.outbox import PostgresOutbox
from paydue.storage.postgres.reminders import PostgresReminders
from paydue.storage.postgres.replica import Replica
from paydue.storage.postgres.schema import MIGRATIONS, require_server, schema_number
from paydue.storage.postgres.sessions import READERS, Readers
from paydue.storage.postgres.subscriptions import PostgresSubscriptions, SubscriptionMemory
from paydue.storage.postgres.used_values import UsedValues
from paydue.storage.postgres.works import Hand
from paydue.storage.postgres.writer import Writer
from paydue.storage.rotation import keep_learning
from paydue.storage.short_memory import ShortMemory
from paydue.storage.turns import Turns
from paydue.storage.vault import KeyFile, Vault, WrappedDataKey
from paydue.storage.verify import findings
from paydue.usecases.access_keys import AccessKey
from paydue.usecases.ports import NOT_SHOWN, Clock, Finding, KeyExists, MerchantExists, NoSuchMerchant, Showing

_log: Final = logging.getLogger(__name__)

_FORGOTTEN_AT_ONCE: Final = 500


class PostgresStore:
    """The store of one database, for the event loop that opened it. Any number of processes may have it open."""

    def __init__(
        self,
        url: str,
        readers: Readers,
        vault: Vault,
        clock: Clock,
        *,
        replica: Replica | None = None,
        queue_limit: int = QUEUE_LIMIT,
        showing: Showing = NOT_SHOWN,
    ) -> None:
        self._url = url
        self._readers = readers
        self._replica = replica
        self._vault = vault
        self._showing = showing
        self._writer = Writer(url, vault, showing, clock, queue_limit)
        # On a connection of its own, which is made when there is something to deliver: leases and what becomes of them
        # would otherwise stand between changes, which are kept faster among themselves.
        self._delivering = Writer(url, vault, showing, clock, queue_limit)
        self._keys: ShortMemory[str | bytes, AccessKey] = ShortMemory()
        merchants: ShortMemory[str, Merchant] = ShortMemory()
        settings: ShortMemory[tuple[str, ProductType], Settings] = ShortMemory()
        self.clock: Final = clock
        self.replay_guard: Final = UsedValues(readers, self._writer, clock)
        self._agreeing: asyncio.Task[None] | None = None
        self._learning: asyncio.Task[None] | None = None
        self._subscriptions = SubscriptionMemory(readers)
        self.outbox: Final = PostgresOutbox(readers, self._delivering)
        self.reminders: Final = PostgresReminders(readers, self._writer, vault)
        self.attempts_to_look_at: Final = PostgresAttemptsToLookAt(readers, self._writer)
        self.mail_counts: Final = PostgresMailCounts(self._writer)
        self._suppressions = SuppressionMemory(readers)
        self._wake: Callable[[], None] = lambda: None
        self._installation = Installation(
            readers,
            replica or readers,
            InvoiceReads(readers, sql.INVOICE, sql.INVOICES),
            InvoiceReads(readers, sql.SHOWN, sql.SHOWN_MANY),
            self._writer,
            vault,
            showing,
            clock,
            merchants,
            settings,
            self._subscriptions,
            self._suppressions,
            Turns(),
            on_messages=self._tell_of_messages,
        )

    @classmethod
    async def open(
        cls,
        url: str,
        key_file: KeyFile,
        clock: Clock,
        *,
        agrees: bool = False,
        replica_url: str | None = None,
        replica_lag_seconds: float = 0,
        readers: int = READERS,
        queue_limit: int = QUEUE_LIMIT,
        showing: Showing = NOT_SHOWN,
    ) -> Self:
        """
        Open the database at `url`, with up to that many connections that read beside the one that writes. No more
        than `queue_limit` changes wait. `showing` says what is kept beside each invoice to be shown. When it `agrees`,
        the store lives by the database's time, told by `clock` put right.
        Lists are read from the standby at `replica_url`, if it is no more than `replica_lag_seconds` behind.

        Raises CannotOpenStore: it is of another schema, on a server that is too old, or made with another key file;
        and StoreUnavailable when it does not answer.
        """
        pool = Readers(url, readers)
        try:
            require_server(await pool.read(sql.SERVER))
            require_current(await schema_number(pool), len(MIGRATIONS))
            if not (await pool.read(sql.WALL_BINDS))[0][0]:
                _log.warning(
                    "the database role is a superuser or has BYPASSRLS: use an ordinary one,"
                    " or the second wall between merchants does not stand"
                )
            if agrees:
                clock = DatabaseClock(clock)
                await clock.agree(pool)
            vault = await _open_vault(pool, key_file, clock)
        except BaseException:
            await pool.close()
            raise
        replica = Replica(replica_url, pool, replica_lag_seconds) if replica_url is not None else None
        store = cls(url, pool, vault, clock, replica=replica, queue_limit=queue_limit, showing=showing)
        if isinstance(clock, DatabaseClock):
            store._agreeing = asyncio.get_running_loop().create_task(clock.keep_agreeing(pool))
        learning = keep_learning(vault, lambda: _data_keys(pool), clock)
        store._learning = asyncio.get_running_loop().create_task(learning)
        return store

    def of(self, merchant_id: str) -> PostgresMerchantStore:
        """Return the store opened for that merchant, known or not."""
        return PostgresMerchantStore(merchant_id, self._installation)

    def on_messages(self, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever a change here has put messages into the outbox, once they are durable."""
        self._wake = wake

    def subscriptions_of(self, merchant_id: str) -> PostgresSubscriptions:
        """Return the webhook subscriptions and keys of that merchant, known or not."""
        return PostgresSubscriptions(
            merchant_id, self._readers, self._writer, self._vault, self.clock, self._subscriptions
        )

    def suppressions_of(self, merchant_id: str) -> PostgresSuppressions:
        """Return the addresses that no mail of that merchant goes to, known or not."""
        return PostgresSuppressions(merchant_id, self._readers, self._writer, self._suppressions)

    def deliveries_of(self, merchant_id: str) -> PostgresDeliveries:
        """Return the messages of that merchant, known or not."""
        return PostgresDeliveries(merchant_id, self._readers, self._writer)

    def exports_of(self, merchant_id: str) -> StoredExports:
        """Return the exports of that merchant, known or not."""
        return postgres_exports(self._place_of_exports, merchant_id)

    def attempts_of(self, merchant_id: str) -> PostgresAttempts:
        """Return the payment attempts of that merchant, known or not."""
        return PostgresAttempts(merchant_id, self._installation)

    async def find_by_payment_token(self, token: str) -> tuple[str, Invoice] | None:
        """Return the merchant id and the invoice that the token belongs to."""
        found = await self._readers.read(sql.INVOICE_BY_LINK, *rows.link_key(token))
        if not found:
            return None
        merchant_id, *row = found[0]
        invoice = rows.read_invoice(merchant_id, tuple(row), self._vault)
        stored = invoice.payment_token or ""
        return (merchant_id, invoice) if hmac.compare_digest(stored.encode(), token.encode()) else None

    async def add_merchant(self, merchant: Merchant) -> None:
        """Keep a new merchant with fresh counters. Raises MerchantExists."""
        document = rows.write_document(merchant)

        async def add(hand: Hand) -> None:
            if not await hand.write(writes.ADD_MERCHANT, merchant.merchant_id, document):
                raise MerchantExists(merchant.merchant_id)

        await self._write_small(add)

    async def merchants(self) -> Sequence[Merchant]:
        """Return all merchants, in the order of their making."""
        return [rows.read_merchant(document) for (document,) in await self._readers.read(sql.MERCHANTS, sql.EVERYBODY)]

    async def add_key(self, key: AccessKey, at: datetime) -> None:
        """Keep a new key. Raises NoSuchMerchant for a merchant it belongs to or may act for, KeyExists."""
        row = rows.write_key(key, at, self._vault)

        async def add(hand: Hand) -> None:
            for merchant_id in (key.merchant_id, *key.merchants):
                if not await hand.read(writes.HAS_MERCHANT, merchant_id):
                    raise NoSuchMerchant(merchant_id)
            if not await hand.write(writes.ADD_KEY, *row):
                raise KeyExists(key.key_id)

        await self._write_small(add)

    async def keys(self, merchant_id: str) -> Sequence[AccessKey]:
        """Return the keys that belong to the merchant, revoked ones too, oldest first."""
        found = await self._readers.read(sql.KEYS_OF_MERCHANT, merchant_id)
        return [rows.read_key(row, self._vault) for row in found]

    async def find(self, key_id: str) -> AccessKey | None:
        """Return the key as it was five seconds ago at most."""
        return await self._find_key(sql.KEY, key_id)

    async def find_certificate(self, sha256_of_der: bytes) -> AccessKey | None:
        """Return the key with that certificate, as it was five seconds ago at most."""
        return await self._find_key(sql.KEY_BY_CERTIFICATE, sha256_of_der)

    async def revoke_key(self, key_id: str, at: datetime) -> bool:
        """Make a key stop working; tell whether it worked until now."""

        async def revoke(hand: Hand) -> bool:
            return await hand.write(writes.REVOKE_KEY, rows.time_text(at), key_id) > 0

        revoked: bool = await self._write_small(revoke)
        self._keys.clear()
        return revoked

    async def forget_answers(self, before: datetime) -> int:
        """Drop answers kept before that time, and return how many."""

        async def forget(hand: Hand) -> int:
            return await hand.write(writes.FORGET_RECEIPTS, rows.time_text(before), _FORGOTTEN_AT_ONCE)

        forgotten = 0
        while True:
            dropped: int = await self._write_small(forget)
            forgotten += dropped
            if dropped < _FORGOTTEN_AT_ONCE:
                return forgotten

    async def verify(self) -> AsyncIterator[Finding]:
        """Go through everything as it is now, and yield what does not agree."""
        async with one_moment(self._url) as session:
            async for finding in findings(PostgresLedger(session), self._vault, self._showing):
                yield finding

    async def open_bulk(self) -> PostgresBulk:
        """Return what fills the database in bulk, to be closed by whoever asked. Raises StoreUnavailable."""
        return await PostgresBulk.open(self._url, self._vault, self._showing)

    async def is_ready(self) -> bool:
        """
        Tell whether the database answers and has a schema that this release can work with.

        A newer release may have migrated it already: its steps let this one go on until its nodes are replaced.
        """
        try:
            return await schema_number(self._readers) >= len(MIGRATIONS)
        except StoreUnavailable:
            return False

    async def close(self) -> None:
        """Finish what was accepted, then let go of the database."""
        for task in (self._agreeing, self._learning):
            if task is not None:
                task.cancel()
        await self.replay_guard.close()
        await self._delivering.close()
        await self._writer.close()
        if self._replica is not None:
            await self._replica.close()
        await self._readers.close()

    async def _place_of_exports(self) -> str:
        return await self._replica.place(self._url) if self._replica is not None else self._url

    def _tell_of_messages(self) -> None:
        self._wake()

    async def _find_key(self, statement: str, name: str | bytes) -> AccessKey | None:
        known = self._keys.get(name)
        if known is None:
            found = await self._readers.read(statement, sql.EVERYBODY, name)
            if not found:
                return None
            known = rows.read_key(found[0], self._vault)
            self._keys.keep(name, known)
        return known

    async def _write_small(self, write: Callable[[Hand], Awaitable[Any]]) -> Any:
        return await self._writer.small((), write)


async def _open_vault(readers: Readers, key_file: KeyFile, clock: Clock) -> Vault:
    """Open the vault, giving a new database its first data key. Raises VaultError."""
    wrapped = await _data_keys(readers)
    if not wrapped:
        first = key_file.new_data_key(1)
        await readers.read(sql.ADD_DATA_KEY, first.number, first.wrapped_by, first.ciphertext, first.used_from)
        wrapped = await _data_keys(readers)
    return Vault(key_file, wrapped, rows.time_text(clock.now()))


async def _data_keys(readers: Readers) -> list[WrappedDataKey]:
    return [WrappedDataKey(*row) for row in await readers.read(sql.DATA_KEYS)]
