"""
Do the attempts agree with their invoices? The rules about reservations, charges and money that no invoice holds.

Apart from `verify.py`, which walks the invoices and asks here about each.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import BrokenFact
from paydue.domain.events import What
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.reservations import Hold, Reservation, any_held
from paydue.storage.attempt_rows import (
    ATTEMPT_COLUMNS,
    READ_COLUMNS,
    UNAPPLIED_COLUMNS,
    read_attempt,
    read_unapplied,
    write_attempt,
    write_unapplied,
)
from paydue.storage.ledger import Ledger
from paydue.storage.rows import Row
from paydue.usecases.ports import Finding

_READ: Final = tuple(ATTEMPT_COLUMNS.index(name) for name in READ_COLUMNS)
_NAME: Final = ATTEMPT_COLUMNS.index("attempt_id")
_UNREADABLE: Final = (ValueError, ArithmeticError, msgspec.MsgspecError)


async def findings(ledger: Ledger) -> AsyncIterator[Finding]:
    """Yield unapplied money that does not agree with itself, or with whose transaction it is."""
    for row in await ledger.unapplied_money():
        merchant_id, gateway, transaction_id, attempt_id, *_, document = row
        place = f"{merchant_id}, {gateway} transaction {transaction_id}"
        try:
            expected = write_unapplied(merchant_id, read_unapplied(document))
        except _UNREADABLE as error:
            yield Finding("unapplied", place, f"cannot be read: {error!r}")
            continue
        for name, kept, said in zip(UNAPPLIED_COLUMNS, row, expected, strict=True):
            if kept != said and name != "document":
                yield Finding("unapplied", place, f"{name} is {kept!r}, the document says {said!r}")
        owners = await ledger.transaction_owners(merchant_id, [(gateway, transaction_id)])
        owner = owners.get((gateway, transaction_id))
        if owner != attempt_id:
            yield Finding("transaction", place, f"belongs to {_named(attempt_id)}, kept as that of {_named(owner)}")


async def transaction_owners(
    ledger: Ledger, merchant_id: str, attempts: Iterable[Row]
) -> Mapping[tuple[str, str], str]:
    """Return whose the transactions are that these attempts (`ATTEMPT_COLUMNS`) name, looked up all at once."""
    named = []
    for row in attempts:
        # What cannot be read is found later, with the invoice that it belongs to.
        with suppress(BrokenFact, *_UNREADABLE):
            attempt = read_attempt(tuple(row[index] for index in _READ))
            if attempt.transaction_id is not None:
                named.append((attempt.gateway, attempt.transaction_id))
    return await ledger.transaction_owners(merchant_id, named) if named else {}


def disagreements(
    merchant_id: str, invoice: Invoice, attempts: Sequence[Row], owners: Mapping[tuple[str, str], str]
) -> Iterator[tuple[str, str]]:
    """
    Yield, as rule and finding, what does not agree between an invoice and its attempts (`ATTEMPT_COLUMNS`).

    `owners` are those of the transactions that the attempts name.
    """
    if any_held(invoice.reservations) != (invoice.status is Status.PENDING):
        yield "reservation", f"{invoice.status} with {len(invoice.reservations)} reservations"
    unowned = {each.attempt_id: each for each in invoice.reservations}
    for row in attempts:
        name = _named(row[_NAME])
        try:
            attempt = read_attempt(tuple(row[index] for index in _READ))
        except BrokenFact as broken:
            yield "attempt", str(broken)
            continue
        except _UNREADABLE as error:
            yield "attempt", f"{name} cannot be read: {error!r}"
            continue
        for rule, found in _by_itself(merchant_id, invoice, attempt, row):
            yield rule, f"{name} {found}"
        if attempt.transaction_id is not None:
            owner = owners.get((attempt.gateway, attempt.transaction_id))
            if owner != attempt.attempt_id:
                yield "transaction", f"{attempt.transaction_id} of {name} is kept as that of {_named(owner)}"
        reservation = unowned.pop(attempt.attempt_id, None)
        if not _may_hold(attempt, reservation):
            held = "nothing" if reservation is None else f"{reservation.amount} {reservation.hold}"
            yield "reservation", f"{name} is {attempt.state} at {attempt.amount} and has reserved {held}"
    for each in unowned.values():
        yield "reservation", f"{each.amount} {each.hold} for {_named(each.attempt_id)}, which is not there"


def _by_itself(merchant_id: str, invoice: Invoice, attempt: PaymentAttempt, row: Row) -> Iterator[tuple[str, str]]:
    """Yield what does not agree between an attempt, its row and its invoice's history."""
    for column, kept, said in zip(
        ATTEMPT_COLUMNS, row, write_attempt(merchant_id, invoice.serial, attempt), strict=True
    ):
        if kept != said and column != "document":
            yield "attempt", f"has {column} {kept!r}, the document says {said!r}"
    if attempt.number != invoice.number:
        yield "attempt", f"pays invoice {attempt.number!r}"
    if not attempt.is_final and attempt.next_look_at is None:
        yield "attempt", f"is {attempt.state} and nobody will look at it"
    if not _has_its_payment(attempt, invoice):
        yield "payment", f"is settled with {attempt.charged}, which the history does not have"


def _named(attempt_id: str | None) -> str:
    return "no attempt" if attempt_id is None else f"attempt {attempt_id}"


def _has_its_payment(attempt: PaymentAttempt, invoice: Invoice) -> bool:
    if attempt.state is not AttemptState.SETTLED:
        return True
    return any(
        event.what is What.PAYMENT_RECEIVED
        and event.transaction_id == attempt.transaction_id
        and event.amount == attempt.charged
        for event in invoice.history
    )


def _may_hold(attempt: PaymentAttempt, reservation: Reservation | None) -> bool:
    """Tell whether an attempt in that state may have this reservation, or none."""
    if reservation is None:
        # What was only offered has to yield to money that arrived, and so may be gone.
        has_yielded = attempt.reserves_from_begin and attempt.state is not AttemptState.HELD
        return has_yielded or not attempt.holds_money
    if reservation.amount != attempt.amount or not attempt.holds_money:
        return False
    return (reservation.hold is Hold.HELD) == (attempt.state is AttemptState.HELD)
