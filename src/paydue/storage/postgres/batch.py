"""
One transaction's worth of changes.

What can be refused is decided behind the locks of the merchants concerned, so that a refusal concerns its caller alone.
Then everything that is left is written at once.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from paydue.domain.errors import BrokenFact, DuplicateInvoiceNumber
from paydue.domain.invoice import Invoice
from paydue.storage import rows
from paydue.storage.message_ids import MessageIds
from paydue.storage.postgres import changes as sql
from paydue.storage.postgres.changes import Part
from paydue.storage.postgres.free_numbers import next_free
from paydue.storage.postgres.sessions import Session
from paydue.storage.postgres.works import Keep, Small, Work
from paydue.storage.rows import INVOICE_COLUMNS, EventPlace, Row
from paydue.storage.status_blocks import Moves
from paydue.storage.vault import Vault
from paydue.usecases.ports import AlreadyReminded, Change, Clock, NoSuchMerchant, ReceiptExists, Showing, StaleVersion

_AMENDED: Final = tuple(INVOICE_COLUMNS.index(name) for name in sql.AMENDED_COLUMNS)


class _Counters:
    """A merchant's counters while a batch uses them, and what they were before."""

    __slots__ = ("before", "last_serial", "next_number")

    def __init__(self, last_serial: int, next_number: int) -> None:
        self.before = (last_serial, next_number)
        self.last_serial = last_serial
        self.next_number = next_number

    @property
    def now(self) -> tuple[int, int]:
        return self.last_serial, self.next_number


class Batch:
    """
    The changes of one transaction: `prepare` once, `keep` each, `flush` once.

    Or, without a transaction being open, `assume` instead of `prepare` and `flush_alone` instead of `flush`.

    That a generated number is in use, or a version stale, is found out only when they are written, and spoils the
    transaction. A `careful` batch looks before; it is for trying again, one change at a time.
    """

    def __init__(self, session: Session, vault: Vault, showing: Showing, clock: Clock, *, careful: bool) -> None:
        self._session = session
        self._vault = vault
        self._showing = showing
        self._clock = clock
        self._is_careful = careful
        self._counters: dict[str, _Counters] = {}
        self._taken_numbers: set[tuple[str, str]] = set()
        self._taken_keys: set[tuple[str, str]] = set()
        self._amended: set[tuple[str, int]] = set()
        self._reminded: set[tuple[str, int, str, str]] = set()
        self._message_ids = MessageIds()
        self._moves = Moves()
        self._rows: dict[Part, list[Row]] = {}

    async def prepare(self, works: Sequence[Work]) -> None:
        """Lock the merchants of these works, and learn what has to be known to decide on them."""
        concerned = {work.merchant_id for work in works if isinstance(work, Keep)}
        concerned.update(name for work in works if isinstance(work, Small) and work.locks for name in work.merchants)
        if not concerned:
            return
        for merchant_id, last_serial, next_number in await self._session.fetch(
            sql.LOCK_COUNTERS, "\n".join(sorted(concerned))
        ):
            self._counters[merchant_id] = _Counters(last_serial, next_number)
        keeps = [work for work in works if isinstance(work, Keep)]
        numbers = [(who, change.after.number) for who, change in keeps if change.before is None and change.after.number]
        keys = [(who, change.receipt.key) for who, change in keeps if change.receipt is not None]
        if numbers or keys:
            names = *_columns(numbers), *_columns(keys)
            for kind, merchant_id, name in await self._session.fetch(sql.USED_NAMES, *names):
                (self._taken_numbers if kind == "number" else self._taken_keys).add((merchant_id, name))
        reminders = [_reminder(who, change) for who, change in keeps if change.reminded is not None]
        if reminders:
            self._reminded.update(
                tuple(row) for row in await self._session.fetch(sql.REMINDED, *sql.arrays([reminders]))
            )
        if self._is_careful:
            await self._look_closer(keeps)

    def assume(self, works: Sequence[Work], known: Mapping[str, tuple[int, int]]) -> bool:
        """Take counters for what they were when they were last seen; tell whether all that is needed is known."""
        for work in works:
            if not isinstance(work, Keep) or work.merchant_id not in known:
                return False
            if work.merchant_id not in self._counters:
                self._counters[work.merchant_id] = _Counters(*known[work.merchant_id])
        return True

    def counters(self) -> dict[str, tuple[int, int]]:
        """Return the counters of the merchants concerned as this batch leaves them."""
        return {merchant_id: counters.now for merchant_id, counters in self._counters.items()}

    def keep(self, merchant_id: str, change: Change) -> Invoice:
        """
        Gather a change and return the invoice as it will be stored.

        Raises NoSuchMerchant, ReceiptExists, AlreadyReminded, DuplicateInvoiceNumber or StaleVersion with nothing of it
        gathered. After any other exception the transaction has to be rolled back.
        """
        counters = self._counters.get(merchant_id)
        if counters is None:
            raise NoSuchMerchant(merchant_id)
        receipt = change.receipt
        if receipt is not None and (merchant_id, receipt.key) in self._taken_keys:
            raise ReceiptExists(receipt.key)
        if change.before is None:
            invoice = self._add(merchant_id, change.after, counters)
        elif change.reminded is not None:
            if (reminder := _reminder(merchant_id, change)) in self._reminded:
                raise AlreadyReminded(change.before.number)
            invoice = self._amend(merchant_id, change.before, change.after)
            self._reminded.add(reminder)
            self._gather(sql.ADD_REMINDERS, reminder)
        else:
            invoice = self._amend(merchant_id, change.before, change.after)
        self._follow(merchant_id, change, invoice)
        if receipt is not None:
            self._taken_keys.add((merchant_id, receipt.key))
            answer = receipt.answer(invoice)
            kept_at = rows.time_text(self._clock.now())
            row = (merchant_id, receipt.key, receipt.fingerprint, answer.status, answer.body, kept_at)
            self._gather(sql.ADD_RECEIPTS, row)
        return invoice

    async def flush(self) -> None:
        """
        Write what was gathered.

        Raises asyncpg.IntegrityConstraintViolationError when a generated number is in use, BrokenFact when an invoice
        or a count is no longer what it was.
        """
        self._gather_counts(only_changed=True)
        if not self._rows:
            return
        parts = self._parts()
        joined, values = sql.values_of(parts, [self._rows[part] for part in parts])
        (met,) = await self._session.fetch(sql.statement(parts, joined=joined), *values)
        for part, found in zip((part for part in parts if part.meets_rows), met, strict=False):
            if found != len(self._rows[part]):
                raise BrokenFact(f"{part.name}: {found} of {len(self._rows[part])} rows are as they were")

    async def flush_alone(self) -> None:
        """
        Write what was gathered in one round trip that is its own transaction, if all is as it was assumed.

        Raises asyncpg.DivisionByZeroError when it is not, and what `flush` raises; then nothing is written.
        """
        # The counters of all, also where they stay: this is what locks the merchants, in a fixed order.
        self._gather_counts(only_changed=False)
        parts = self._parts()
        expected = [len(self._rows[part]) for part in parts if part.meets_rows]
        joined, values = sql.values_of(parts, [self._rows[part] for part in parts])
        await self._session.fetch(
            sql.statement(parts, alone=True, joined=joined), "\n".join(sorted(self._counters)), *values, *expected
        )

    def _gather_counts(self, *, only_changed: bool) -> None:
        for merchant_id, counters in sorted(self._counters.items()):
            if not only_changed or counters.now != counters.before:
                self._gather(sql.SET_COUNTERS, (merchant_id, *counters.now, *counters.before))
        for difference in self._moves.differences():
            self._gather(sql.RAISE_COUNTS if difference[-1] > 0 else sql.LOWER_COUNTS, difference)

    def _parts(self) -> tuple[Part, ...]:
        return tuple(part for part in sql.PARTS if part in self._rows)

    async def _look_closer(self, keeps: Sequence[Keep]) -> None:
        """Find out what would spoil the transaction: a number to give that is in use, a version that is stale."""
        for merchant_id, change in keeps:
            counters = self._counters.get(merchant_id)
            if counters is None:
                continue
            if change.before is not None:
                found = await self._session.fetch(sql.VERSIONS, [merchant_id], [change.before.serial])
                if not found or found[0][2] != change.before.version:
                    self._amended.add((merchant_id, change.before.serial))
            elif not change.after.number:
                counters.next_number = await next_free(self._session, merchant_id, counters.next_number)

    def _add(self, merchant_id: str, after: Invoice, counters: _Counters) -> Invoice:
        number = after.number
        if not number:
            while (merchant_id, number := str(counters.next_number)) in self._taken_numbers:
                counters.next_number += 1
        elif (merchant_id, number) in self._taken_numbers:
            raise DuplicateInvoiceNumber(number)
        serial = counters.last_serial + 1
        invoice = replace(after, number=number, serial=serial, version=1)
        self._gather(sql.ADD_INVOICES, rows.write_invoice(merchant_id, invoice, self._vault, self._showing))
        self._taken_numbers.add((merchant_id, number))
        if number == str(counters.next_number):
            counters.next_number += 1
        counters.last_serial = serial
        self._moves.enter(merchant_id, invoice.status.value, serial)
        return invoice

    def _amend(self, merchant_id: str, before: Invoice, after: Invoice) -> Invoice:
        serial = before.serial
        if (merchant_id, serial) in self._amended:
            # Whatever was decided on the version before this batch came second.
            raise StaleVersion(before.number)
        invoice = replace(after, number=before.number, serial=serial, version=before.version + 1)
        row = rows.write_invoice(merchant_id, invoice, self._vault, self._showing)
        self._amended.add((merchant_id, serial))
        self._gather(sql.AMEND_INVOICES, (merchant_id, serial, before.version, *(row[column] for column in _AMENDED)))
        if invoice.status is not before.status:
            self._moves.leave(merchant_id, before.status.value, serial)
            self._moves.enter(merchant_id, invoice.status.value, serial)
        return invoice

    def _follow(self, merchant_id: str, change: Change, invoice: Invoice) -> None:
        before, serial = change.before, invoice.serial
        known = len(before.history) if before is not None else 0
        for position, event in enumerate(change.events, known):
            self._gather(sql.ADD_EVENTS, rows.write_event(merchant_id, serial, position, event, change.actor))
        # Messages and a payment belong to what happened last.
        position = len(invoice.history) - 1
        if change.payment is not None:
            currency = invoice.terms.currency
            self._gather(sql.ADD_PAYMENTS, rows.write_payment(merchant_id, serial, position, change.payment, currency))
        if change.messages:
            place = EventPlace(merchant_id, serial, invoice.number, position)
            for row in rows.write_messages(place, change.messages, invoice.history[-1].at, self._message_ids):
                self._gather(sql.ADD_MESSAGES, row)
        old, new = before.payment_token if before is not None else None, invoice.payment_token
        if old != new:
            if old is not None:
                self._gather(sql.DROP_LINKS, rows.link_key(old))
            if new is not None:
                self._gather(sql.ADD_LINKS, (*rows.link_key(new), merchant_id, serial))

    def _gather(self, part: Part, row: Row) -> None:
        gathered = self._rows.get(part)
        if gathered is None:
            self._rows[part] = [row]
        else:
            gathered.append(row)


async def keep_alone(session: Session, work: Keep, vault: Vault, showing: Showing, clock: Clock) -> Invoice:
    """Write one change, looking before, and return the invoice as stored. Raises what `prepare` to `flush` raise."""
    batch = Batch(session, vault, showing, clock, careful=True)
    await batch.prepare([work])
    invoice = batch.keep(work.merchant_id, work.change)
    await batch.flush()
    return invoice


def _reminder(merchant_id: str, change: Change) -> tuple[str, int, str, str]:
    """Return the row that makes a second reminder impossible."""
    assert change.before is not None
    assert change.reminded is not None
    return merchant_id, change.before.serial, change.reminded.kind, change.reminded.due.isoformat()


def _columns(pairs: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [first for first, _ in pairs], [second for _, second in pairs]
