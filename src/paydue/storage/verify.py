"""
Does everything kept agree? The rules, for any engine, over rows streamed in blocks of serials.

What is kept twice (for speed, or as a trail) is held together here, so that a wrong number is found before it is
believed. Memory does not grow with the invoices.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, Final

import msgspec

from paydue.domain.errors import BrokenFact
from paydue.domain.events import Event, What
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.money import ZERO
from paydue.storage import rows, verify_delivery, verify_payments
from paydue.storage.ledger import Ledger, MerchantCounters
from paydue.storage.rows import INVOICE_COLUMNS, READ_COLUMNS, SHOWN_COLUMNS, Row
from paydue.storage.status_blocks import SIZES, SMALL, WHOLE
from paydue.storage.vault import Vault
from paydue.usecases.ports import Finding, Showing

# The status that an event leaves behind. Those not named here leave what was, or may.
_LEAVES: Final[Mapping[What, frozenset[Status]]] = {
    What.INVOICE_DRAFTED: frozenset({Status.DRAFT}),
    What.INVOICE_CREATED: frozenset({Status.CREATED}),
    What.INVOICE_SENT: frozenset({Status.SENT}),
    What.INVOICE_RESENT: frozenset({Status.SENT, Status.PARTIAL}),
    # PENDING while another payment is under review.
    What.PAYMENT_RECEIVED: frozenset({Status.PARTIAL, Status.PAID, Status.PENDING}),
    What.PAYMENT_REVERSED: frozenset({Status.PARTIAL, Status.SENT, Status.CREATED, Status.PENDING}),
    What.INVOICE_CANCELED: frozenset({Status.CANCELED}),
    What.PAYMENT_HELD: frozenset({Status.PENDING}),
}
_COLUMN: Final = {name: position for position, name in enumerate(INVOICE_COLUMNS)}
_READ: Final = tuple(_COLUMN[name] for name in READ_COLUMNS)
_SHOWN: Final = tuple(_COLUMN[name] for name in SHOWN_COLUMNS)
# What the columns repeat of the document. The ciphertext differs at each writing.
_REPEATED: Final = tuple(
    name for name in INVOICE_COLUMNS if name not in {"payment_token", "document", "history", "shown"}
)


async def findings(ledger: Ledger, vault: Vault, showing: Showing) -> AsyncIterator[Finding]:
    """Yield everything that does not agree, as it is found."""
    for damage in await ledger.damage():
        yield Finding("database", "file", damage)
    seen: Counter[str] = Counter()
    for counters in await ledger.merchants():
        async for finding in _MerchantCheck(ledger, vault, showing, counters, seen).findings():
            yield finding
    for merchant_id, number, count in await ledger.repeated_numbers():
        yield Finding("number", _place(merchant_id, number), f"{count} invoices have it")
    for row in await ledger.keys():
        try:
            rows.read_key(row, vault)
        except (BrokenFact, ValueError) as error:
            yield Finding("key", f"{row[1]}, key {row[0]}", str(error))
    async for finding in verify_delivery.findings(ledger, vault):
        yield finding
    async for finding in verify_payments.findings(ledger):
        yield finding
    totals = await ledger.totals()
    for name in totals.__struct_fields__:
        if getattr(totals, name) != seen[name]:
            yield Finding("orphan", name, f"{getattr(totals, name)} rows, {seen[name]} belong to an invoice")
    for table, place in await ledger.strays():
        yield Finding("orphan", table, place)


class _MerchantCheck:
    """One merchant's rows, block by block."""

    def __init__(
        self, ledger: Ledger, vault: Vault, showing: Showing, counters: MerchantCounters, seen: Counter[str]
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._showing = showing
        self._counters = counters
        self._merchant_id = counters.merchant_id
        self._seen = seen
        self._counts: dict[int, Counter[str]] = {size: Counter() for size in SIZES}
        self._webhook_ids: frozenset[str] = frozenset()

    async def findings(self) -> AsyncIterator[Finding]:
        counters = self._counters
        self._webhook_ids = frozenset(await self._ledger.webhook_ids(self._merchant_id))
        last = max(counters.last_serial, counters.highest_serial)
        for block in range(last // SMALL + 1):
            async for finding in self._block(block):
                yield finding
            async for finding in self._full_blocks(block, is_last=block == last // SMALL):
                yield finding
            # A long check must not keep a server from its work.
            await asyncio.sleep(0)
        if counters.highest_serial != counters.last_serial:
            yield self._finding(
                "counter", f"the last serial is {counters.last_serial}, but {counters.highest_serial} in the invoices"
            )
        last_id, highest_id = counters.last_definition_id, counters.highest_definition_id
        if highest_id > last_id:
            yield self._finding("counter", f"the last field definition is {last_id}, but there is {highest_id}")
        last_used = str(counters.next_number - 1)
        if counters.next_number > 1 and not await self._ledger.has_number(self._merchant_id, last_used):
            yield self._finding("counter", f"the next number is {counters.next_number}, but {last_used} is not in use")

    async def _block(self, block: int) -> AsyncIterator[Finding]:
        stretch = (self._merchant_id, block * SMALL, block * SMALL + SMALL - 1)
        events = _by_serial(await self._ledger.events(*stretch))
        payments = _by_serial(await self._ledger.payments(*stretch))
        messages = _by_serial(await self._ledger.messages(*stretch))
        reminders = _by_serial(await self._ledger.reminders(*stretch))
        attempts = _by_serial(await self._ledger.attempts(*stretch))
        owners = await verify_payments.transaction_owners(self._ledger, self._merchant_id, chain(*attempts.values()))
        expected_serial = max(stretch[1], 1)
        read: list[tuple[str, Invoice]] = []
        for found_by, *row in await self._ledger.invoices(*stretch):
            if found_by != expected_serial:
                yield self._finding("serial", f"{expected_serial} is missing before {found_by}")
            expected_serial = found_by + 1
            columns = tuple(row)
            status = columns[_COLUMN["status"]]
            for counts in self._counts.values():
                counts[status] += 1
            own_events, own_payments, own_messages = (found.pop(found_by, []) for found in (events, payments, messages))
            self._seen.update(
                invoices=1, events=len(own_events), payments=len(own_payments), messages=len(own_messages)
            )
            place = _place(self._merchant_id, columns[_COLUMN["number"]])
            owner, serial = columns[_COLUMN["merchant_id"]], columns[_COLUMN["serial"]]
            if (owner, serial) != (self._merchant_id, found_by):
                yield Finding("serial", place, f"found as serial {found_by}, but it says {serial} of {owner}")
            for rule, what in _money(columns, own_payments, own_events):
                yield Finding(rule, place, what)
            try:
                invoice = rows.read_invoice(self._merchant_id, tuple(columns[i] for i in _READ), self._vault)
            except BrokenFact as broken:
                yield Finding("facts", place, str(broken))
            except (ValueError, ArithmeticError, KeyError, msgspec.MsgspecError) as error:
                yield Finding("document", place, f"cannot be read: {error!r}")
            else:
                reminded = len(reminders.get(found_by, ()))
                for rule, what in chain(
                    _agreement(self._merchant_id, columns, invoice, own_events, own_payments),
                    verify_delivery.disagreements(invoice, own_messages, reminded, self._webhook_ids),
                    self._shown(columns, invoice),
                    verify_payments.disagreements(self._merchant_id, invoice, attempts.get(found_by, ()), owners),
                ):
                    yield Finding(rule, place, what)
                read.append((place, invoice))
        async for finding in self._links(read):
            yield finding

    def _shown(self, columns: Row, invoice: Invoice) -> list[tuple[str, str]]:
        row = tuple(columns[i] for i in _SHOWN)
        text = rows.read_shown(self._merchant_id, row, self._vault, self._showing).text
        if not text or text == self._showing.write(invoice):
            return []
        return [("shown", "what is shown of it is not what it says")]

    async def _links(self, read: Sequence[tuple[str, Invoice]]) -> AsyncIterator[Finding]:
        """Look all their payment links up at once."""
        linked = [(place, invoice) for place, invoice in read if invoice.payment_token is not None]
        keys = [rows.link_key(invoice.payment_token or "") for _, invoice in linked]
        found = {(start, digest): (owner, serial) for start, digest, owner, serial in await self._ledger.links(keys)}
        for key, (place, invoice) in zip(keys, linked, strict=True):
            if key not in found:
                yield Finding("link", place, "the payment link is not known")
                continue
            self._seen["links"] += 1
            owner, serial = found[key]
            if (owner, serial) != (self._merchant_id, invoice.serial):
                yield Finding("link", place, f"the payment link leads to serial {serial} of {owner}")

    async def _full_blocks(self, block: int, *, is_last: bool) -> AsyncIterator[Finding]:
        """Compare the counts of each block that ends with this small one, and start anew."""
        end = (block + 1) * SMALL
        for size in SIZES:
            if end % size and not is_last:
                continue
            number = block * SMALL // size
            kept = await self._ledger.block_counts(self._merchant_id, size, number)
            counted = self._counts[size]
            for status in {*kept, *counted}:
                if kept.get(status, 0) != counted[status]:
                    rule, name = ("counter", status) if size == WHOLE else ("block", f"{status} in {number} of {size}")
                    yield self._finding(rule, f"{name}: {kept.get(status, 0)} kept, {counted[status]} counted")
            if size == WHOLE:
                sums = await self._ledger.block_sums(self._merchant_id)
                for each in SIZES:
                    if sums.get(each, 0) != counted.total():
                        yield self._finding(
                            "block", f"blocks of {each} hold {sums.get(each, 0)}, there are {counted.total()} invoices"
                        )
            self._counts[size] = Counter()

    def _finding(self, rule: str, found: str) -> Finding:
        return Finding(rule, self._merchant_id, found)


def _money(columns: Row, payments: Sequence[Row], events: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """
    Hold the balance, the payments and what went back together, by the columns and the trail alone: also when the
    document cannot be read.
    """
    currency = columns[_COLUMN["currency"]]
    try:
        total, paid = Decimal(columns[_COLUMN["total"]]), Decimal(columns[_COLUMN["paid"]])
        refunded = Decimal(columns[_COLUMN["refunded"]] or 0)
        received = sum((Decimal(amount) for _, amount, _ in payments), ZERO)
        reversed_, given_back = (
            rows.amounts_of(events, what) for what in (What.PAYMENT_REVERSED, What.PAYMENT_REFUNDED)
        )
    except (ArithmeticError, ValueError):
        yield "balance", "an amount is not a number"
        return
    if received - reversed_ != paid:
        less = f" less {reversed_} taken back" if reversed_ else ""
        yield "balance", f"{paid} counted as paid, payments of {received}{less}"
    if refunded != given_back:
        yield "balance", f"{refunded} counted as refunded, refunds of {given_back}"
    if not ZERO <= paid <= total:
        yield "balance", f"{paid} of {total} paid"
    for position, _, paid_in in payments:
        if paid_in != currency:
            yield "payment", f"payment {position} is in {paid_in}, the invoice in {currency}"


def _agreement(
    merchant_id: str,
    columns: Row,
    invoice: Invoice,
    events: Sequence[Row],
    payments: Sequence[Row],
) -> Iterator[tuple[str, str]]:
    """Hold an invoice and everything that repeats it or follows from it together."""
    expected = rows.repeated_columns(merchant_id, invoice)
    for name in _REPEATED:
        if columns[_COLUMN[name]] != expected[name]:
            yield "document", f"{name} is {columns[_COLUMN[name]]!r}, the document says {expected[name]!r}"
    history = [
        (position, event.what.value, rows.time_text(event.at), rows.event_data(event))
        for position, event in enumerate(invoice.history)
    ]
    if history != [tuple(event) for event in events]:
        yield "history", f"{len(history)} events in the invoice and {len(events)} in the trail do not agree"
    allowed = _status_by(invoice.history)
    if allowed is not None and invoice.status not in allowed:
        yield "status", f"{invoice.status}, but its history ends with {'or '.join(sorted(allowed))}"
    received = [(position, event.amount) for position, event in enumerate(invoice.history) if _is_payment(event)]
    if received != [(position, Decimal(amount)) for position, amount, _ in payments]:
        yield "payment", f"{len(received)} in the history and {len(payments)} kept do not agree"


def _status_by(history: Iterable[Event]) -> frozenset[Status] | None:
    allowed = None
    for event in history:
        # After a rejected payment the invoice is what it was before the payment was held.
        allowed = None if event.what is What.PAYMENT_REJECTED else _LEAVES.get(event.what, allowed)
    return allowed


def _is_payment(event: Event) -> bool:
    return event.what is What.PAYMENT_RECEIVED


def _by_serial(found: Sequence[Row]) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = {}
    for serial, *rest in found:
        grouped.setdefault(serial, []).append(tuple(rest))
    return grouped


def _place(merchant_id: Any, number: Any) -> str:
    return f"{merchant_id}, invoice {number}"
