"""What the verifier needs of an engine: everything kept, as of one moment, in stretches that fit in memory."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from paydue.storage.rows import Row


class MerchantCounters(msgspec.Struct, frozen=True):
    """A merchant's counters, and the highest that its field definitions and invoices really have."""

    merchant_id: str
    last_serial: int
    next_number: int
    last_definition_id: int
    highest_definition_id: int
    highest_serial: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows there are in all, whoever they belong to."""

    invoices: int
    events: int
    payments: int
    messages: int
    links: int


class Ledger(Protocol):
    """An engine's rows as of one moment. Stretches of serials include both ends."""

    async def damage(self) -> Sequence[str]:
        """Return what the database itself finds wrong with its file or tables."""
        ...

    async def merchants(self) -> Sequence[MerchantCounters]: ...

    async def totals(self) -> Totals: ...

    async def invoices(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        """Return `INVOICE_COLUMNS` behind the serial that the row is found by, in the order of serials."""
        ...

    async def events(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        """Return serial, position, what, at, data, in order."""
        ...

    async def payments(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        """Return serial, position, amount, currency, in order."""
        ...

    async def messages(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        """Return serial, position, part, channel, topic, recipient, state, lease of outbox rows, in order."""
        ...

    async def reminders(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        """Return serial, kind, due date."""
        ...

    async def attempts(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        """Return `ATTEMPT_COLUMNS` behind the serial of the invoice, in the order of serials."""
        ...

    async def webhook_ids(self, merchant_id: str) -> Sequence[str]:
        """Return the ids of all subscriptions there ever were."""
        ...

    async def links(self, keys: Sequence[tuple[str, bytes]]) -> Sequence[Row]:
        """Return token start, token digest, merchant id and serial of those payment links that are known."""
        ...

    async def block_counts(self, merchant_id: str, size: int, block: int) -> Mapping[str, int]:
        """Return the counts of a block by status."""
        ...

    async def block_sums(self, merchant_id: str) -> Mapping[int, int]:
        """Return the sum of all counts of each block size."""
        ...

    async def repeated_numbers(self) -> Sequence[Row]:
        """Return merchant id, number and how often it is there, for numbers that are there more than once."""
        ...

    async def repeated_messages(self) -> Sequence[Row]:
        """Return merchant id, message id and how often it is there, for ids that are there more than once."""
        ...

    async def has_number(self, merchant_id: str, number: str) -> bool: ...

    async def keys(self) -> Sequence[Row]:
        """Return `KEY_COLUMNS` of all access keys."""
        ...

    async def subscriptions(self) -> Sequence[Row]:
        """Return merchant id, `SUBSCRIPTION_COLUMNS`, webhook id, status of all subscriptions there ever were."""
        ...

    async def webhook_keys(self) -> Sequence[Row]:
        """Return `WEBHOOK_KEY_COLUMNS` of all webhook keys."""
        ...

    async def unapplied_money(self) -> Sequence[Row]:
        """Return `UNAPPLIED_COLUMNS` of all money that no invoice holds."""
        ...

    async def transaction_owners(
        self, merchant_id: str, transactions: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], str]:
        """Return, by gateway and transaction, the id of the attempt that it is kept as belonging to, if to any."""
        ...

    async def strays(self) -> Sequence[Row]:
        """Return table and place of rows whose merchant or invoice is not there; some of them, if there are many."""
        ...
