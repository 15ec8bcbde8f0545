"""The rows of a SQLite file as the verifier wants them."""

import asyncio
from collections.abc import Mapping, Sequence

from paydue.storage.ledger import MerchantCounters, Totals
from paydue.storage.rows import Row
from paydue.storage.sqlite import attempt_statements
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.engine import Snapshot


class SqliteLedger:
    """`storage.ledger.Ledger` over one moment of a SQLite file. What reads whole tables does so in a thread."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._read = snapshot.read
        self._ordinals: dict[str, int] = {}

    async def damage(self) -> Sequence[str]:
        return [line for (line,) in await asyncio.to_thread(self._read, sql.INTEGRITY) if line != "ok"]

    async def merchants(self) -> Sequence[MerchantCounters]:
        found = []
        for ordinal, merchant_id, serial, number, definition_id, highest_definition_id in self._read(sql.ALL_COUNTERS):
            self._ordinals[merchant_id] = ordinal
            lowest, beyond = sql.invoice_id(ordinal, 0), sql.invoice_id(ordinal + 1, 0)
            ((highest_id,),) = self._read(sql.HIGHEST_ID, (lowest, beyond - 1))
            highest_serial = 0 if highest_id is None else highest_id - lowest
            found.append(
                MerchantCounters(merchant_id, serial, number, definition_id, highest_definition_id, highest_serial)
            )
        return found

    async def totals(self) -> Totals:
        invoices, events, payments, messages, links = (await asyncio.to_thread(self._read, sql.TOTALS))[0]
        return Totals(invoices=invoices, events=events, payments=payments, messages=messages, links=links)

    async def invoices(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        lowest = sql.invoice_id(self._ordinals[merchant_id], 0)
        return self._read(sql.INVOICE_STRETCH, (lowest, lowest + first, lowest + last))

    async def events(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return self._read(sql.EVENT_STRETCH, (merchant_id, first, last))

    async def payments(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return self._read(sql.PAYMENT_STRETCH, (merchant_id, first, last))

    async def messages(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return self._read(sql.MESSAGE_STRETCH, (merchant_id, first, last))

    async def reminders(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return self._read(sql.REMINDER_STRETCH, (merchant_id, first, last))

    async def attempts(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return self._read(attempt_statements.ATTEMPT_STRETCH, (merchant_id, first, last))

    async def webhook_ids(self, merchant_id: str) -> Sequence[str]:
        return [webhook_id for (webhook_id,) in self._read(sql.WEBHOOK_IDS, (merchant_id,))]

    async def links(self, keys: Sequence[tuple[str, bytes]]) -> Sequence[Row]:
        return [(*key, *found) for key in keys for found in self._read(sql.LINK, key)]

    async def block_counts(self, merchant_id: str, size: int, block: int) -> Mapping[str, int]:
        return dict(self._read(sql.COUNTS_OF_BLOCK, (merchant_id, size, block)))

    async def block_sums(self, merchant_id: str) -> Mapping[int, int]:
        return dict(self._read(sql.BLOCK_SUMS, (merchant_id,)))

    async def repeated_numbers(self) -> Sequence[Row]:
        return await asyncio.to_thread(self._read, sql.REPEATED_NUMBERS)

    async def repeated_messages(self) -> Sequence[Row]:
        return await asyncio.to_thread(self._read, sql.REPEATED_MESSAGES)

    async def has_number(self, merchant_id: str, number: str) -> bool:
        return bool(self._read(sql.HAS_NUMBER, (merchant_id, number)))

    async def keys(self) -> Sequence[Row]:
        return self._read(sql.ALL_KEYS)

    async def subscriptions(self) -> Sequence[Row]:
        return self._read(sql.ALL_SUBSCRIPTIONS)

    async def webhook_keys(self) -> Sequence[Row]:
        return self._read(sql.ALL_WEBHOOK_KEYS)

    async def unapplied_money(self) -> Sequence[Row]:
        return await asyncio.to_thread(self._read, attempt_statements.ALL_UNAPPLIED)

    async def transaction_owners(
        self, merchant_id: str, transactions: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], str]:
        return {
            each: owner
            for each in transactions
            for (owner,) in self._read(attempt_statements.OWNER, (merchant_id, *each))
        }

    async def strays(self) -> Sequence[Row]:
        return [stray for statement in sql.STRAYS for stray in await asyncio.to_thread(self._read, statement)]
