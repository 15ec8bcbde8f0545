"""Payment attempts on PostgreSQL: one merchant's, and which of all merchants' are to be looked at."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from paydue.domain.attempts import PaymentAttempt
from paydue.domain.errors import BrokenFact
from paydue.domain.invoice import Invoice
from paydue.domain.payments import Payment
from paydue.domain.unapplied import UnappliedMoney
from paydue.storage import rows
from paydue.storage.attempt_rows import AttemptWrites, own_of, read_attempt, read_unapplied
from paydue.storage.message_ids import MessageIds
from paydue.storage.postgres import attempt_statements as sql
from paydue.storage.postgres import changes
from paydue.storage.postgres.batch import keep_alone
from paydue.storage.postgres.merchant_store import Installation
from paydue.storage.postgres.sessions import Readers
from paydue.storage.postgres.statements import EVERYBODY
from paydue.storage.postgres.works import Hand, Keep
from paydue.storage.postgres.writer import Writer
from paydue.storage.rows import EventPlace
from paydue.usecases.attempt_ports import AttemptChange, AttemptExists, Kept, NotificationSeen, TransactionTaken
from paydue.usecases.ports import StaleVersion


class PostgresAttempts:
    """`usecases.attempt_ports.Attempts` on PostgreSQL."""

    def __init__(self, merchant_id: str, installation: Installation) -> None:
        self._merchant_id = merchant_id
        self._installation = installation
        self._read = installation.readers.read

    @property
    def merchant_id(self) -> str:
        return self._merchant_id

    async def attempt(self, attempt_id: str) -> PaymentAttempt | None:
        """Return the attempt of that id."""
        return await self._first(sql.ATTEMPT, attempt_id)

    async def attempt_by_payer_key(self, number: str, payer_key: str) -> PaymentAttempt | None:
        """Return the attempt at that invoice that the payer's form began."""
        return await self._first(sql.ATTEMPT_BY_PAYER_KEY, number, payer_key)

    async def attempt_by_reference(self, gateway: str, reference: str) -> PaymentAttempt | None:
        """Return the attempt that the gateway knows by that reference."""
        return await self._first(sql.ATTEMPT_BY_REFERENCE, gateway, reference)

    async def attempt_by_session(self, gateway: str, session: str) -> PaymentAttempt | None:
        """Return the attempt whose form has that session at the gateway."""
        return await self._first(sql.ATTEMPT_BY_SESSION, gateway, session)

    async def attempt_by_transaction(self, number: str, transaction_id: str) -> PaymentAttempt | None:
        """Return the attempt at that invoice whose own transaction it is."""
        found = await self._read(sql.ATTEMPTS_BY_TRANSACTION, self._merchant_id, number, transaction_id)
        return own_of(found, transaction_id)

    async def attempts_of(self, number: str, limit: int = 100) -> Sequence[PaymentAttempt]:
        """Return an invoice's attempts, newest first."""
        found = await self._read(sql.ATTEMPTS_OF_INVOICE, self._merchant_id, number, limit)
        return [read_attempt(row) for row in found]

    async def attempts_with_money(self, number: str) -> Sequence[PaymentAttempt]:
        """Return an invoice's attempts that are settled or held, newest first."""
        found = await self._read(sql.ATTEMPTS_WITH_MONEY, self._merchant_id, number)
        return [read_attempt(row) for row in found]

    async def payments_of(self, number: str) -> Sequence[Payment]:
        """Return the money received for an invoice, oldest first."""
        found = await self._read(sql.PAYMENTS_OF_INVOICE, self._merchant_id, number)
        return [rows.read_payment(row) for row in found]

    async def keep(self, change: AttemptChange) -> Kept:
        """Keep a change durably, whole, and return what was stored. Refuses as `Attempts.keep` says."""
        kept: Kept = await self._installation.writer.small((self._merchant_id,), lambda hand: self._keep(hand, change))
        if change.messages or (change.invoice is not None and change.invoice.messages):
            self._installation.on_messages()
        return kept

    async def unapplied(self, transaction_id: str, gateway: str) -> UnappliedMoney | None:
        """Return the unapplied money of that transaction."""
        found = await self._read(sql.UNAPPLIED, self._merchant_id, gateway, transaction_id)
        return read_unapplied(found[0][0]) if found else None

    async def unapplied_money(self, *, resolved: bool, limit: int = 100) -> Sequence[UnappliedMoney]:
        """Return money that no invoice holds, newest first."""
        found = await self._read(sql.UNAPPLIED_MONEY, self._merchant_id, resolved, limit)
        return [read_unapplied(document) for (document,) in found]

    async def _first(self, statement: str, *values: Any) -> PaymentAttempt | None:
        found = await self._read(statement, self._merchant_id, *values)
        return read_attempt(found[0]) if found else None

    async def _keep(self, hand: Hand, change: AttemptChange) -> Kept:
        merchant_id, after = self._merchant_id, change.after
        installation = self._installation
        found = await hand.read(sql.SERIAL, merchant_id, after.number)
        if not found:
            raise BrokenFact(f"attempt {after.attempt_id} pays invoice {after.number!r}, which is not there")
        ((serial,),) = found
        at = installation.clock.now()
        writes = AttemptWrites.of(merchant_id, serial, change, at)
        if change.before is None:
            await self._add(hand, serial, writes)
        elif not await hand.write(
            sql.AMEND_ATTEMPT, merchant_id, after.attempt_id, change.before.version, *writes.amended
        ):
            raise StaleVersion(after.attempt_id)
        if writes.notification is not None and not await hand.write(sql.ADD_NOTIFICATION, *writes.notification):
            raise NotificationSeen(change.event_id)
        for claim in writes.claims:
            if not await hand.write(sql.CLAIM_TRANSACTION, *claim):
                raise TransactionTaken(claim)
        if writes.unapplied is not None:
            await hand.write(sql.KEEP_UNAPPLIED, *writes.unapplied)
        if writes.messages:
            ((position, part),) = await hand.read(sql.FREE_PLACE, merchant_id, serial)
            event = EventPlace(merchant_id, serial, after.number, position, part)
            messages = rows.write_messages(event, writes.messages, at, MessageIds())
            await hand.read(changes.statement((changes.ADD_MESSAGES,)), *changes.arrays([messages]))
        invoice: Invoice | None = None
        if writes.invoice is not None:
            work = Keep(merchant_id, writes.invoice)
            invoice = await keep_alone(hand.session, work, installation.vault, installation.showing, installation.clock)
        return Kept(writes.stored, invoice)

    async def _add(self, hand: Hand, serial: int, writes: AttemptWrites) -> None:
        if await hand.write(sql.ADD_ATTEMPT, *writes.row):
            return
        stored = writes.stored
        same = await hand.read(sql.SAME_ATTEMPT, self._merchant_id, stored.attempt_id, serial, stored.payer_key)
        if (stored.attempt_id,) in [tuple(row) for row in same]:
            raise StaleVersion(stored.attempt_id)
        if same:
            raise AttemptExists(stored.payer_key)
        raise BrokenFact(f"attempt {stored.attempt_id}: another one has the reference {stored.reference!r}")


class PostgresAttemptsToLookAt:
    """`usecases.attempt_ports.AttemptsToLookAt` on PostgreSQL."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._read = readers.read
        self._writer = writer

    async def due(self, at: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return merchant id and attempt id of attempts whose `next_look_at` is not after `at`, oldest first."""
        found = await self._read(sql.DUE, EVERYBODY, rows.time_text(at), limit)
        return [(merchant_id, name) for merchant_id, name in found]

    async def unfinished(self, after: tuple[str, str] | None, limit: int) -> Sequence[tuple[str, str]]:
        """Return, in the order of merchant id and attempt id, all that have a `next_look_at`."""
        found = await self._read(sql.UNFINISHED, EVERYBODY, *(after or ("", "")), limit)
        return [(merchant_id, name) for merchant_id, name in found]

    async def next_look(self) -> datetime | None:
        """Return when the first attempt is to be looked at."""
        ((look_at,),) = await self._read(sql.NEXT_LOOK, EVERYBODY)
        return rows.read_time(look_at) if look_at is not None else None

    async def forget_notifications(self, before: datetime, limit: int) -> int:
        """Drop up to `limit` notifications taken in before that time, and return how many."""

        async def forget(hand: Hand) -> int:
            return await hand.write(sql.FORGET_NOTIFICATIONS, rows.time_text(before), limit)

        forgotten: int = await self._writer.small((), forget)
        return forgotten
