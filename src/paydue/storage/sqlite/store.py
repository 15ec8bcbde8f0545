"""One installation's data in one SQLite file: `usecases.ports.Store`, opened and closed here."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import apsw

from paydue.domain.errors import StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.domain.settings import ProductType, Settings
from paydue.storage import rows
from paydue.storage.exports import StoredExports
from paydue.storage.group_commit import QUEUE_LIMIT
from paydue.storage.migrate import require_current
from paydue.storage.rotation import keep_learning
from paydue.storage.short_memory import ShortMemory
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.attempts import SqliteAttempts, SqliteAttemptsToLookAt
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.bulk import SqliteBulk
from paydue.storage.sqlite.deliveries import SqliteDeliveries
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.exports import sqlite_exports
from paydue.storage.sqlite.ledger import SqliteLedger
from paydue.storage.sqlite.mail_rules import SqliteMailCounts, SqliteSuppressions, SuppressionMemory
from paydue.storage.sqlite.merchant_store import Installation, SqliteMerchantStore
from paydue.storage.sqlite.outbox import SqliteOutbox
from paydue.storage.sqlite.pages import Pages
from paydue.storage.sqlite.reminders import SqliteReminders
from paydue.storage.sqlite.schema import MIGRATIONS, schema_number
from paydue.storage.sqlite.subscriptions import SqliteSubscriptions, SubscriptionMemory
from paydue.storage.sqlite.writer import Writer
from paydue.storage.turns import Turns
from paydue.storage.vault import KeyFile, Vault, WrappedDataKey
from paydue.storage.verify import findings
from paydue.usecases.access_keys import AccessKey
from paydue.usecases.ports import NOT_SHOWN, Clock, Finding, KeyExists, MerchantExists, NoSuchMerchant, Showing

_FORGOTTEN_AT_ONCE: Final = 500


class SqliteStore:
    """The store of one file, for the event loop that opened it."""

    def __init__(
        self,
        engine: Engine,
        vault: Vault,
        clock: Clock,
        queue_limit: int = QUEUE_LIMIT,
        showing: Showing = NOT_SHOWN,
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._showing = showing
        self._writer = Writer(engine, vault, showing, clock, queue_limit)
        self._keys: ShortMemory[str | bytes, AccessKey] = ShortMemory()
        self.clock: Final = clock
        # One process serves: what it remembers itself is all there is.
        self.replay_guard: Final = None
        self._subscriptions = SubscriptionMemory(engine)
        self.outbox: Final = SqliteOutbox(engine, self._writer)
        self.reminders: Final = SqliteReminders(engine, self._writer, vault)
        self.mail_counts: Final = SqliteMailCounts(self._writer)
        self._suppressions = SuppressionMemory(engine)
        merchants: ShortMemory[str, Merchant] = ShortMemory()
        settings: ShortMemory[tuple[str, ProductType], Settings] = ShortMemory()
        self.attempts_to_look_at: Final = SqliteAttemptsToLookAt(engine, self._writer)
        self._wake: Callable[[], None] = lambda: None
        self._learning: asyncio.Task[None] | None = None
        self._installation = Installation(
            engine,
            self._writer,
            vault,
            showing,
            clock,
            merchants,
            settings,
            self._subscriptions,
            self._suppressions,
            Turns(),
            Pages(engine, vault),
            on_messages=self._tell_of_messages,
        )

    @classmethod
    async def open(
        cls,
        path: Path,
        key_file: KeyFile,
        clock: Clock,
        *,
        serves: bool,
        queue_limit: int = QUEUE_LIMIT,
        showing: Showing = NOT_SHOWN,
    ) -> Self:
        """
        Open the database at `path`. `serves` claims it: one process may serve, short commands work beside it. No more
        than `queue_limit` changes wait. `showing` says what is kept beside each invoice to be shown.

        Raises CannotOpenStore: it is missing, in use, of another schema, or made with another key file; and
        StoreUnavailable when SQLite cannot read it.
        """
        engine = Engine(path, serves=serves)
        try:
            require_current(schema_number(engine), len(MIGRATIONS))
            vault = await _open_vault(engine, key_file, clock)
        except BaseException:
            engine.close()
            raise
        store = cls(engine, vault, clock, queue_limit, showing)
        learning = keep_learning(vault, lambda: _data_keys(engine), clock)
        store._learning = asyncio.get_running_loop().create_task(learning)
        return store

    def of(self, merchant_id: str) -> SqliteMerchantStore:
        """Return the store opened for that merchant, known or not."""
        return SqliteMerchantStore(merchant_id, self._installation)

    def on_messages(self, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever a change has put messages into the outbox, once they are durable."""
        self._wake = wake

    def subscriptions_of(self, merchant_id: str) -> SqliteSubscriptions:
        """Return the webhook subscriptions and keys of that merchant, known or not."""
        return SqliteSubscriptions(
            merchant_id, self._engine, self._writer, self._vault, self.clock, self._subscriptions
        )

    def suppressions_of(self, merchant_id: str) -> SqliteSuppressions:
        """Return the addresses that no mail of that merchant goes to, known or not."""
        return SqliteSuppressions(merchant_id, self._engine, self._writer, self._suppressions)

    def deliveries_of(self, merchant_id: str) -> SqliteDeliveries:
        """Return the messages of that merchant, known or not."""
        return SqliteDeliveries(merchant_id, self._engine, self._writer)

    def exports_of(self, merchant_id: str) -> StoredExports:
        """Return the exports of that merchant, known or not."""
        return sqlite_exports(self._engine, merchant_id)

    def attempts_of(self, merchant_id: str) -> SqliteAttempts:
        """Return the payment attempts of that merchant, known or not."""
        return SqliteAttempts(merchant_id, self._installation)

    async def find_by_payment_token(self, token: str) -> tuple[str, Invoice] | None:
        """Return the merchant id and the invoice that the token belongs to."""
        link = self._engine.read(sql.LINK, rows.link_key(token))
        if not link:
            return None
        merchant_id, serial = link[0]
        found = self._engine.read(sql.INVOICE_BY_SERIAL, (merchant_id, serial))
        invoice = rows.read_invoice(merchant_id, found[0], self._vault)
        # Between the two look-ups a commit may have given it another token: then this one is dead already.
        stored = invoice.payment_token or ""
        return (merchant_id, invoice) if hmac.compare_digest(stored.encode(), token.encode()) else None

    async def add_merchant(self, merchant: Merchant) -> None:
        """Keep a new merchant with fresh counters. Raises MerchantExists."""
        document = rows.write_document(merchant)

        def add(batch: Batch) -> None:
            if not batch.write(sql.ADD_MERCHANT, (merchant.merchant_id, document)):
                raise MerchantExists(merchant.merchant_id)

        await self._write_small(add)

    async def merchants(self) -> Sequence[Merchant]:
        """Return all merchants, in the order of their making."""
        return [rows.read_merchant(document) for (document,) in self._engine.read(sql.MERCHANTS)]

    async def add_key(self, key: AccessKey, at: datetime) -> None:
        """Keep a new key. Raises NoSuchMerchant for a merchant it belongs to or may act for, KeyExists."""
        row = rows.write_key(key, at, self._vault)

        def add(batch: Batch) -> None:
            for merchant_id in (key.merchant_id, *key.merchants):
                if not batch.read(sql.MERCHANT, (merchant_id,)):
                    raise NoSuchMerchant(merchant_id)
            if not batch.write(sql.ADD_KEY, row):
                raise KeyExists(key.key_id)

        await self._write_small(add)

    async def keys(self, merchant_id: str) -> Sequence[AccessKey]:
        """Return the keys that belong to the merchant, revoked ones too, oldest first."""
        return [rows.read_key(row, self._vault) for row in self._engine.read(sql.KEYS_OF_MERCHANT, (merchant_id,))]

    async def find(self, key_id: str) -> AccessKey | None:
        """Return the key as it was five seconds ago at most."""
        return self._find_key(sql.KEY, key_id)

    async def find_certificate(self, sha256_of_der: bytes) -> AccessKey | None:
        """Return the key with that certificate, as it was five seconds ago at most."""
        return self._find_key(sql.KEY_BY_CERTIFICATE, sha256_of_der)

    async def revoke_key(self, key_id: str, at: datetime) -> bool:
        """Make a key stop working; tell whether it worked until now."""
        revoked: bool = await self._write_small(
            lambda batch: batch.write(sql.REVOKE_KEY, (rows.time_text(at), key_id)) > 0
        )
        self._keys.clear()
        return revoked

    async def forget_answers(self, before: datetime) -> int:
        """Drop answers kept before that time, and return how many."""
        forgotten = 0
        while True:
            dropped: int = await self._write_small(
                lambda batch: batch.write(sql.FORGET_RECEIPTS, (rows.time_text(before), _FORGOTTEN_AT_ONCE))
            )
            forgotten += dropped
            if dropped < _FORGOTTEN_AT_ONCE:
                return forgotten

    async def verify(self) -> AsyncIterator[Finding]:
        """Go through everything as it is now, and yield what does not agree."""
        with self._engine.snapshot() as snapshot:
            async for finding in findings(SqliteLedger(snapshot), self._vault, self._showing):
                yield finding

    async def open_bulk(self) -> SqliteBulk:
        """Return what fills the file in bulk, to be closed by whoever asked."""
        return SqliteBulk(Engine(self._engine.path, serves=False), self._vault, self._showing)

    async def is_ready(self) -> bool:
        """Tell whether the database answers and has the schema of this release."""
        try:
            # A newer release may have migrated it already: its steps let this one go on until it is replaced.
            return schema_number(self._engine) >= len(MIGRATIONS)
        except (StoreUnavailable, apsw.Error):
            return False

    async def close(self) -> None:
        """Finish what was accepted, then let go of the file."""
        if self._learning is not None:
            self._learning.cancel()
        await self._writer.close()
        self._engine.close()

    def _tell_of_messages(self) -> None:
        self._wake()

    def _find_key(self, statement: str, name: str | bytes) -> AccessKey | None:
        known = self._keys.get(name)
        if known is None:
            found = self._engine.read(statement, (name,))
            if not found:
                return None
            known = rows.read_key(found[0], self._vault)
            self._keys.keep(name, known)
        return known

    async def _write_small(self, write: Callable[[Batch], Any]) -> Any:
        return await self._writer.submit(lambda batch: batch.whole(lambda: write(batch)))


async def _open_vault(engine: Engine, key_file: KeyFile, clock: Clock) -> Vault:
    """Open the vault, giving a new database its first data key. Raises VaultError."""
    wrapped = await _data_keys(engine)
    if not wrapped:
        try:
            await engine.begin()
            first = key_file.new_data_key(1)
            engine.write.execute(sql.ADD_DATA_KEY, (first.number, first.wrapped_by, first.ciphertext, first.used_from))
            await engine.commit()
        except apsw.ConstraintError:
            # Another process was a moment earlier; its key counts.
            engine.rollback()
        except apsw.Error as error:
            engine.rollback()
            raise StoreUnavailable(str(error)) from error
        wrapped = await _data_keys(engine)
    return Vault(key_file, wrapped, rows.time_text(clock.now()))


async def _data_keys(engine: Engine) -> list[WrappedDataKey]:
    return [WrappedDataKey(*row) for row in engine.read(sql.DATA_KEYS)]
