"""
One transaction's worth of changes.

What can be refused is decided at once, so that a refusal concerns its caller alone. Rows that can only succeed are
gathered and written together, table by table, which costs half of writing them in between.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from paydue.domain.errors import BrokenFact, DuplicateInvoiceNumber
from paydue.domain.invoice import Invoice
from paydue.storage import rows
from paydue.storage.message_ids import MessageIds
from paydue.storage.rows import INVOICE_COLUMNS, EventPlace, Row
from paydue.storage.sqlite import delivery_statements
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Engine
from paydue.storage.status_blocks import Moves
from paydue.storage.vault import Vault
from paydue.usecases.ports import (
    AlreadyReminded,
    Change,
    Clock,
    NoSuchMerchant,
    Receipt,
    ReceiptExists,
    Reminded,
    Showing,
    StaleVersion,
)

Value = TypeVar("Value")

_AMENDED: Final = tuple(INVOICE_COLUMNS.index(name) for name in sql.AMENDED_COLUMNS)
_LOOKS_IN_A_ROW: Final = 50


class _Counters:
    """A merchant's counters while a batch uses them."""

    __slots__ = ("is_changed", "last_serial", "next_number", "ordinal")

    def __init__(self, ordinal: int, last_serial: int, next_number: int) -> None:
        self.ordinal = ordinal
        self.last_serial = last_serial
        self.next_number = next_number
        self.is_changed = False


class Batch:
    """
    The changes of one open transaction. `flush` has to follow the last of them.

    A generated number that is in use is found out only when it is written, and spoils the transaction. A `careful`
    batch looks before; it is for trying again.
    """

    def __init__(self, engine: Engine, vault: Vault, showing: Showing, clock: Clock, *, careful: bool) -> None:
        self._engine = engine
        self._cursor = engine.write
        self._vault = vault
        self._showing = showing
        self._clock = clock
        self._is_careful = careful
        self._counters: dict[str, _Counters] = {}
        self._own_numbers: set[tuple[str, str]] = set()
        self._message_ids = MessageIds()
        self._moves = Moves()
        self._invoices: list[Row] = []
        self._events: list[Row] = []
        self._payments: list[Row] = []
        self._messages: list[Row] = []
        self._new_links: list[Row] = []
        self._old_links: list[Row] = []

    def keep(self, merchant_id: str, change: Change) -> Invoice:
        """
        Write a change and return the invoice as stored.

        Raises NoSuchMerchant, ReceiptExists, AlreadyReminded, DuplicateInvoiceNumber or StaleVersion with nothing of
        it written. After any other exception the transaction has to be rolled back.
        """
        counters = self._counters_of(merchant_id)
        receipt = change.receipt
        if receipt is not None:
            self.refuse_repeat(merchant_id, receipt)
        if change.before is None:
            invoice = self._add(merchant_id, change.after, counters)
        elif change.reminded is None:
            invoice = self._amend(merchant_id, change.before, change.after, counters)
        else:
            invoice = self._remind(merchant_id, change.before, change.after, change.reminded, counters)
        self._follow(merchant_id, change, invoice)
        if receipt is not None:
            self.keep_receipt(merchant_id, receipt, invoice)
        return invoice

    def whole(self, write: Callable[[], Value]) -> Value:
        """Run a small write of another kind; when it raises, nothing of it stays."""
        self._cursor.execute("SAVEPOINT whole")
        try:
            return write()
        except BaseException:
            self._cursor.execute("ROLLBACK TO whole")
            raise
        finally:
            self._cursor.execute("RELEASE whole")

    def write(self, statement: str, bindings: Row) -> int:
        """Run a statement and return how many rows it touched."""
        self._cursor.execute(statement, bindings)
        return self._engine.changed_rows()

    def read(self, statement: str, bindings: Row) -> list[Row]:
        """Return all rows of a statement as this transaction sees them."""
        return self._cursor.execute(statement, bindings).fetchall()

    def each(self, statement: str, bindings: Row) -> Iterator[Row]:
        """Yield the rows of a statement one by one, before any other is run. Whoever stops early pays for no more."""
        try:
            # Not `yield from`: stopping early would close the cursor.
            for row in self._cursor.execute(statement, bindings):  # noqa: UP028
                yield row
        finally:
            # A statement left halfway would keep SQLite from clearing its log.
            self._cursor.execute("")

    def write_each(self, statement: str, bindings: Sequence[Row]) -> None:
        """Run a statement once for each of these bindings."""
        if bindings:
            self._cursor.executemany(statement, bindings)

    def refuse_repeat(self, merchant_id: str, receipt: Receipt) -> None:
        """Raise ReceiptExists when the idempotency key has its answer."""
        if self.read(sql.HAS_RECEIPT, (merchant_id, receipt.key)):
            raise ReceiptExists(receipt.key)

    def keep_receipt(self, merchant_id: str, receipt: Receipt, stored: object) -> None:
        """Keep the answer that is given from what was stored."""
        answer = receipt.answer(stored)
        kept_at = rows.time_text(self._clock.now())
        self.write(
            sql.ADD_RECEIPT, (merchant_id, receipt.key, receipt.fingerprint, answer.status, answer.body, kept_at)
        )

    def flush(self) -> None:
        """Write what was gathered. Raises apsw.ConstraintError when a generated number is in use."""
        for statement, gathered in (
            (sql.ADD_INVOICE, self._invoices),
            (sql.ADD_EVENT, self._events),
            (sql.ADD_PAYMENT, self._payments),
            (sql.ADD_MESSAGE, self._messages),
            (sql.DROP_LINK, self._old_links),
            (sql.ADD_LINK, self._new_links),
        ):
            if gathered:
                self._cursor.executemany(statement, gathered)
        for counters in self._counters.values():
            if counters.is_changed:
                self.write(sql.SET_COUNTERS, (counters.last_serial, counters.next_number, counters.ordinal))
        for merchant_id, status, size, block, difference in self._moves.differences():
            if difference > 0:
                self.write(sql.RAISE_COUNT, (merchant_id, status, size, block, difference))
            elif not self.write(sql.LOWER_COUNT, (difference, merchant_id, status, size, block)):
                raise BrokenFact(f"{merchant_id}: no count of {status} in block {block} of {size}")

    def _counters_of(self, merchant_id: str) -> _Counters:
        known = self._counters.get(merchant_id)
        if known is None:
            found = self.read(sql.COUNTERS, (merchant_id,))
            if not found:
                raise NoSuchMerchant(merchant_id)
            known = self._counters[merchant_id] = _Counters(*found[0])
        return known

    def _add(self, merchant_id: str, after: Invoice, counters: _Counters) -> Invoice:
        serial = counters.last_serial + 1
        number = after.number
        next_number = str(counters.next_number)
        if number:
            if (merchant_id, number) in self._own_numbers or self._has_number(merchant_id, number):
                raise DuplicateInvoiceNumber(number)
            self._own_numbers.add((merchant_id, number))
        else:
            number = next_number
            if self._is_careful and self._has_number(merchant_id, number):
                counters.next_number = self._next_free(merchant_id, counters.next_number)
                number = next_number = str(counters.next_number)
        invoice = replace(after, number=number, serial=serial, version=1)
        row = rows.write_invoice(merchant_id, invoice, self._vault, self._showing)
        self._invoices.append((sql.invoice_id(counters.ordinal, serial), *row))
        if number == next_number:
            counters.next_number += 1
        counters.last_serial = serial
        counters.is_changed = True
        self._moves.enter(merchant_id, invoice.status.value, serial)
        return invoice

    def _next_free(self, merchant_id: str, taken: int) -> int:
        """
        Return the next free number; after many in a row in use, one that is free while the one before it is not.

        Then it is searched in growing steps and between the last two: a merchant who brought a million numbers of
        his own must not make everybody wait for a million looks.
        """
        for number in range(taken + 1, taken + _LOOKS_IN_A_ROW):
            if not self._has_number(merchant_id, str(number)):
                return number
        taken += _LOOKS_IN_A_ROW - 1
        step = 1
        while self._has_number(merchant_id, str(taken + step)):
            taken += step
            step *= 2
        free = taken + step
        while free - taken > 1:
            middle = (taken + free) // 2
            if self._has_number(merchant_id, str(middle)):
                taken = middle
            else:
                free = middle
        return free

    def _has_number(self, merchant_id: str, number: str) -> bool:
        return bool(self.read(sql.HAS_NUMBER, (merchant_id, number)))

    def _amend(self, merchant_id: str, before: Invoice, after: Invoice, counters: _Counters) -> Invoice:
        serial = before.serial
        invoice = replace(after, number=before.number, serial=serial, version=before.version + 1)
        row = rows.write_invoice(merchant_id, invoice, self._vault, self._showing)
        amended = [row[column] for column in _AMENDED]
        row_id = sql.invoice_id(counters.ordinal, serial)
        if not self.write(sql.AMEND_INVOICE, (*amended, row_id, before.version)):
            raise StaleVersion(before.number)
        if invoice.status is not before.status:
            self._moves.leave(merchant_id, before.status.value, serial)
            self._moves.enter(merchant_id, invoice.status.value, serial)
        return invoice

    def _remind(
        self, merchant_id: str, before: Invoice, after: Invoice, reminded: Reminded, counters: _Counters
    ) -> Invoice:
        reminder = (merchant_id, before.serial, reminded.kind, reminded.due.isoformat())
        if self.read(delivery_statements.HAS_REMINDER, reminder):
            raise AlreadyReminded(before.number)
        invoice = self._amend(merchant_id, before, after, counters)
        self.write(delivery_statements.ADD_REMINDER, reminder)
        return invoice

    def _follow(self, merchant_id: str, change: Change, invoice: Invoice) -> None:
        before, serial = change.before, invoice.serial
        known = len(before.history) if before is not None else 0
        for position, event in enumerate(change.events, known):
            self._events.append(rows.write_event(merchant_id, serial, position, event, change.actor))
        # Messages and a payment belong to what happened last.
        position = len(invoice.history) - 1
        if change.payment is not None:
            currency = invoice.terms.currency
            self._payments.append(rows.write_payment(merchant_id, serial, position, change.payment, currency))
        if change.messages:
            place = EventPlace(merchant_id, serial, invoice.number, position)
            at = invoice.history[-1].at
            self._messages += rows.write_messages(place, change.messages, at, self._message_ids)
        old, new = before.payment_token if before is not None else None, invoice.payment_token
        if old != new:
            if old is not None:
                self._old_links.append(rows.link_key(old))
            if new is not None:
                self._new_links.append((*rows.link_key(new), merchant_id, serial))


# A write as callers queue it; what it returns is its caller's result.
Write = Callable[[Batch], Any]
