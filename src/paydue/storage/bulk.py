"""
Filling the books in bulk: whole lives of invoices become rows at once, for sample data and benchmarks.

Shared by the engines. What a life leaves behind is what its changes would have left one by one, except that all its
messages count as delivered long ago: filling a database must never make a worker write to anybody.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from paydue.domain.attempts import PaymentAttempt
from paydue.domain.invoice import Invoice
from paydue.storage import rows
from paydue.storage.attempt_rows import write_attempt
from paydue.storage.message_ids import MessageIds
from paydue.storage.outbox_rows import TRY_COLUMNS, write_try
from paydue.storage.rows import EventPlace, Row
from paydue.storage.status_blocks import Moves
from paydue.storage.vault import Vault
from paydue.usecases.delivery_ports import JobState, Try
from paydue.usecases.ports import Change, Showing

# What `Sheaf.messages` and `Sheaf.tries` hold: those of a new message, and how it went.
DELIVERED_COLUMNS: Final = (
    "merchant_id", "serial", "position", "part", "message_id", "number", "channel", "topic", "recipient", "facts",
    "due_at", "state", "tries", "last_outcome"
)  # fmt: skip
LOGGED_COLUMNS: Final = ("merchant_id", "message_id", "number", *TRY_COLUMNS)

_DELIVERED_AFTER: Final = timedelta(milliseconds=180)
_OUTCOME: Final = "accepted, 250"


class Life(NamedTuple):
    """
    All changes of one invoice, oldest first, and the attempts at it as they stand.

    The first change has nothing before it. Nothing in a life has a number yet.
    """

    changes: tuple[Change, ...]
    attempts: tuple[PaymentAttempt, ...] = ()


class Bulk(Protocol):
    """An engine's way to keep many lives at once."""

    async def keep(self, merchant_id: str, lives: Sequence[Life]) -> None:
        """
        Keep these lives in one transaction, numbered by the merchant's counters.

        Raises NoSuchMerchant, StoreUnavailable.
        """
        ...

    async def close(self) -> None:
        """Let go of the database."""
        ...


class Counters(NamedTuple):
    """What a merchant's next invoice gets."""

    last_serial: int
    next_number: int


class Sheaf:
    """The rows of many lives, table by table, in the order of the columns that the engines write."""

    def __init__(self, merchant_id: str, vault: Vault, showing: Showing, ids: MessageIds) -> None:
        self._merchant_id = merchant_id
        self._vault = vault
        self._showing = showing
        self._ids = ids
        self.invoices: list[Row] = []
        self.events: list[Row] = []
        self.payments: list[Row] = []
        self.messages: list[Row] = []
        self.tries: list[Row] = []
        self.links: list[Row] = []
        self.reminders: list[Row] = []
        self.attempts: list[Row] = []
        self.transactions: list[Row] = []
        self.moves: Final = Moves()

    def add(self, life: Life, number: str, serial: int) -> None:
        """Gather the rows of a life. Raises BrokenFact when the invoice's facts do not hold."""
        last = life.changes[-1].after
        invoice = replace(last, number=number, serial=serial, version=len(life.changes))
        self.invoices.append(rows.write_invoice(self._merchant_id, invoice, self._vault, self._showing))
        self.moves.enter(self._merchant_id, invoice.status.value, serial)
        for change in life.changes:
            self._follow(change, invoice)
        if invoice.payment_token is not None:
            self.links.append((*rows.link_key(invoice.payment_token), self._merchant_id, serial))
        for attempt in life.attempts:
            self.attempts.append(write_attempt(self._merchant_id, serial, replace(attempt, number=number)))
            if attempt.transaction_id is not None:
                self.transactions.append(
                    (self._merchant_id, attempt.gateway, attempt.transaction_id, attempt.attempt_id)
                )

    def _follow(self, change: Change, invoice: Invoice) -> None:
        merchant_id, serial = self._merchant_id, invoice.serial
        position = len(change.after.history) - 1
        for place, event in enumerate(change.events, position + 1 - len(change.events)):
            self.events.append(rows.write_event(merchant_id, serial, place, event, change.actor))
        if change.payment is not None:
            currency = invoice.terms.currency
            self.payments.append(rows.write_payment(merchant_id, serial, position, change.payment, currency))
        if change.reminded is not None:
            self.reminders.append((merchant_id, serial, change.reminded.kind, change.reminded.due.isoformat()))
        if change.messages:
            at = change.after.history[-1].at
            tried = Try(at=at + _DELIVERED_AFTER, milliseconds=42, is_taken=True, outcome=_OUTCOME, status=250)
            logged = write_try(tried)
            caused_by = EventPlace(merchant_id, serial, invoice.number, position)
            for row in rows.write_messages(caused_by, change.messages, at, self._ids):
                self.messages.append((*row, JobState.DONE.value, 1, _OUTCOME))
                self.tries.append((merchant_id, row[_MESSAGE_ID], 1, *logged))


_MESSAGE_ID: Final = DELIVERED_COLUMNS.index("message_id")


async def bind(
    sheaf: Sheaf, lives: Sequence[Life], counters: Counters, taken: Callable[[list[str]], Awaitable[set[str]]]
) -> Counters:
    """Number the lives, gather their rows and return the counters that follow; `taken` tells which numbers are used."""
    serial, next_number = counters
    numbers: list[str] = []
    while len(numbers) < len(lives):
        wanted = [str(number) for number in range(next_number, next_number + len(lives) - len(numbers))]
        used = await taken(wanted)
        numbers += [number for number in wanted if number not in used]
        next_number += len(wanted)
    for serial, (life, number) in enumerate(zip(lives, numbers, strict=True), counters.last_serial + 1):
        sheaf.add(life, number, serial)
    return Counters(serial, next_number)


def column_types(columns: Sequence[str], odd: Mapping[str, str]) -> tuple[str, ...]:
    """Return the columns' types as PostgreSQL names them: text, unless `odd` says otherwise."""
    return tuple(odd.get(name, "text") for name in columns)
