"""The rows of a PostgreSQL database as the verifier wants them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from paydue.storage.ledger import MerchantCounters, Totals
from paydue.storage.postgres import attempt_statements
from paydue.storage.postgres import ledger_statements as sql
from paydue.storage.postgres.sessions import FAILURES, Session, connect, unavailable
from paydue.storage.rows import Row


@asynccontextmanager
async def one_moment(url: str) -> AsyncIterator[Session]:
    """Lend a session whose statements all see everybody's rows as they are now. Raises StoreUnavailable."""
    session = await connect(url, patient=True)
    try:
        await session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield session
    except (*FAILURES, TimeoutError) as failure:
        raise unavailable(failure) from failure
    finally:
        await session.close()


class PostgresLedger:
    """`storage.ledger.Ledger` over one moment of a database."""

    def __init__(self, session: Session) -> None:
        self._read = session.fetch

    async def damage(self) -> Sequence[str]:
        return [line for (line,) in await self._read(sql.DAMAGE)]

    async def merchants(self) -> Sequence[MerchantCounters]:
        return [MerchantCounters(*row) for row in await self._read(sql.ALL_COUNTERS)]

    async def totals(self) -> Totals:
        ((invoices, events, payments, messages, links),) = await self._read(sql.TOTALS)
        return Totals(invoices=invoices, events=events, payments=payments, messages=messages, links=links)

    async def invoices(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return await self._read(sql.INVOICE_STRETCH, merchant_id, first, last)

    async def events(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return await self._read(sql.EVENT_STRETCH, merchant_id, first, last)

    async def payments(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return await self._read(sql.PAYMENT_STRETCH, merchant_id, first, last)

    async def messages(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return await self._read(sql.MESSAGE_STRETCH, merchant_id, first, last)

    async def reminders(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return await self._read(sql.REMINDER_STRETCH, merchant_id, first, last)

    async def attempts(self, merchant_id: str, first: int, last: int) -> Sequence[Row]:
        return await self._read(attempt_statements.ATTEMPT_STRETCH, merchant_id, first, last)

    async def webhook_ids(self, merchant_id: str) -> Sequence[str]:
        return [webhook_id for (webhook_id,) in await self._read(sql.WEBHOOK_IDS, merchant_id)]

    async def links(self, keys: Sequence[tuple[str, bytes]]) -> Sequence[Row]:
        return await self._read(sql.LINKS, [start for start, _ in keys], [digest for _, digest in keys])

    async def block_counts(self, merchant_id: str, size: int, block: int) -> Mapping[str, int]:
        return dict(await self._read(sql.COUNTS_OF_BLOCK, merchant_id, size, block))

    async def block_sums(self, merchant_id: str) -> Mapping[int, int]:
        return dict(await self._read(sql.BLOCK_SUMS, merchant_id))

    async def repeated_numbers(self) -> Sequence[Row]:
        return await self._read(sql.REPEATED_NUMBERS)

    async def repeated_messages(self) -> Sequence[Row]:
        return await self._read(sql.REPEATED_MESSAGES)

    async def has_number(self, merchant_id: str, number: str) -> bool:
        return bool(await self._read(sql.HAS_NUMBER, merchant_id, number))

    async def keys(self) -> Sequence[Row]:
        return await self._read(sql.ALL_KEYS)

    async def subscriptions(self) -> Sequence[Row]:
        return await self._read(sql.ALL_SUBSCRIPTIONS)

    async def webhook_keys(self) -> Sequence[Row]:
        return await self._read(sql.ALL_WEBHOOK_KEYS)

    async def unapplied_money(self) -> Sequence[Row]:
        return await self._read(attempt_statements.ALL_UNAPPLIED)

    async def transaction_owners(
        self, merchant_id: str, transactions: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], str]:
        gateways, names = [gateway for gateway, _ in transactions], [name for _, name in transactions]
        found = await self._read(attempt_statements.OWNERS, merchant_id, gateways, names)
        return {(gateway, name): owner for gateway, name, owner in found}

    async def strays(self) -> Sequence[Row]:
        return [stray for statement in sql.STRAYS for stray in await self._read(statement)]
