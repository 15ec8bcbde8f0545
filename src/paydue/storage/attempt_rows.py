"""
Payment attempts, their transactions and unapplied money: domain value <-> table row, for every engine.

An attempt is kept as one document; its other columns repeat what is looked for or has to be unique.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final, Self

import msgspec
from msgspec.structs import replace

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.unapplied import UnappliedMoney
from paydue.storage.rows import Row, time_text
from paydue.usecases.attempt_ports import AttemptChange
from paydue.usecases.ports import Change, Message

_encode: Final = msgspec.json.Encoder().encode
_read_attempt: Final = msgspec.json.Decoder(PaymentAttempt).decode
_read_unapplied: Final = msgspec.json.Decoder(UnappliedMoney).decode

ATTEMPT_COLUMNS: Final = (
    "merchant_id", "attempt_id", "serial", "version", "payer_key", "gateway", "reference", "session", "state",
    "begun_at", "next_look_at", "document"
)  # fmt: skip
# What an update of an attempt may change, in the order in which `AttemptWrites.amended` gives it.
AMENDED_COLUMNS: Final = ("version", "session", "state", "next_look_at", "document")
# What is read of each, in order.
READ_COLUMNS: Final = ("version", "document")
# A payment that came, or may still come once somebody has decided.
STATES_WITH_MONEY: Final = (AttemptState.SETTLED.value, AttemptState.HELD.value)
UNAPPLIED_COLUMNS: Final = (
    "merchant_id", "gateway", "transaction_id", "attempt_id", "found_at", "resolved_at", "document"
)  # fmt: skip


def write_attempt(merchant_id: str, serial: int, attempt: PaymentAttempt) -> Row:
    """Return the values of `ATTEMPT_COLUMNS`. Raises BrokenFact when the attempt's facts do not hold."""
    attempt.assert_facts()
    look_at = attempt.next_look_at
    return (
        merchant_id,
        attempt.attempt_id,
        serial,
        attempt.version,
        attempt.payer_key,
        attempt.gateway,
        attempt.reference,
        attempt.session,
        attempt.state.value,
        time_text(attempt.begun_at),
        time_text(look_at) if look_at is not None else None,
        # Said once, in its column: a document then tells the attempt alone.
        _encode(replace(attempt, version=0)).decode(),
    )


def read_attempt(row: Row) -> PaymentAttempt:
    """Return the attempt of a row of `READ_COLUMNS`. Raises BrokenFact when its facts do not hold."""
    version, document = row
    attempt = replace(_read_attempt(document), version=version)
    attempt.assert_facts()
    return attempt


def own_of(found: Iterable[Row], transaction_id: str) -> PaymentAttempt | None:
    """Return which of these attempts was charged by that transaction: others have it as unapplied money."""
    return next((each for each in map(read_attempt, found) if each.transaction_id == transaction_id), None)


def write_unapplied(merchant_id: str, money: UnappliedMoney) -> Row:
    """Return the values of `UNAPPLIED_COLUMNS`."""
    resolved_at = money.resolved_at
    return (
        merchant_id,
        money.gateway,
        money.transaction_id,
        money.attempt_id,
        time_text(money.found_at),
        time_text(resolved_at) if resolved_at is not None else None,
        _encode(money).decode(),
    )


def read_unapplied(document: str) -> UnappliedMoney:
    return _read_unapplied(document)


class AttemptWrites(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a change of an attempt writes, ready for any engine's statements.

    `messages` are those of an event that is kept already: a change of the invoice without an event has given up its
    own, so that `invoice` is one that brings messages of its own events only.
    """

    stored: PaymentAttempt
    row: Row
    # Merchant, gateway, transaction and attempt of each transaction that has to be this attempt's alone.
    claims: tuple[Row, ...]
    unapplied: Row | None
    notification: Row | None
    invoice: Change | None
    messages: tuple[Message, ...]

    @classmethod
    def of(cls, merchant_id: str, serial: int, change: AttemptChange, at: datetime) -> Self:
        """Return what is written at that time for an attempt at the invoice of that serial. Raises BrokenFact."""
        before, money, invoice = change.before, change.unapplied, change.invoice
        messages = change.messages
        if invoice is not None and not invoice.events:
            messages, invoice = invoice.messages, replace(invoice, messages=())
        stored = replace(change.after, version=before.version + 1 if before is not None else 1)
        key = (merchant_id, stored.gateway)
        return cls(
            stored=stored,
            row=write_attempt(merchant_id, serial, stored),
            claims=tuple((*key, transaction_id, stored.attempt_id) for transaction_id in _transactions(change)),
            unapplied=write_unapplied(merchant_id, money) if money is not None else None,
            notification=(*key, change.event_id, stored.attempt_id, time_text(at))
            if change.event_id is not None
            else None,
            invoice=invoice,
            messages=messages,
        )

    @property
    def amended(self) -> Row:
        """The values of `AMENDED_COLUMNS`."""
        return tuple(self.column(name) for name in AMENDED_COLUMNS)

    def column(self, name: str) -> Any:
        return self.row[ATTEMPT_COLUMNS.index(name)]


def _transactions(change: AttemptChange) -> Iterator[str]:
    """Yield the transactions that this change is the first to name."""
    known = change.before.transaction_id if change.before is not None else None
    if change.after.transaction_id not in (None, known):
        yield change.after.transaction_id
    if change.unapplied is not None:
        yield change.unapplied.transaction_id
