"""Changes as use cases make them, for tests that talk to the store itself."""

import secrets
import string
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from builders import NOON, a_payment, some_terms
from paydue.domain.invoice import Invoice
from paydue.domain.payments import Payment
from paydue.domain.terms import Terms
from paydue.usecases.access_keys import AccessKey, KeyKind, new_key_id, new_shared_secret
from paydue.usecases.announcements import announcements
from paydue.usecases.ports import Actor, Change, Finding, MerchantStore, Receipt, Store

ACTOR = Actor("key-1", "0123456789abcdef01234567")


class FixedClock:
    """Time moves only when a test moves it."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def nanoseconds(self) -> int:
        return int(self.at.timestamp()) * 1_000_000_000

    def advance(self, **span: float) -> None:
        self.at += timedelta(**span)


def a_secret_key(key_id: str = "", merchant_id: str = "acme", **changed: Any) -> AccessKey:
    values = {"merchants": (merchant_id,), "secret": new_shared_secret(), **changed}
    return AccessKey(key_id=key_id or new_key_id(), merchant_id=merchant_id, kind=KeyKind.SHARED_SECRET, **values)


def a_token() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(64))


def a_change(before: Invoice | None, after: Invoice, **more: object) -> Change:
    """Return the change from one to the other, with the messages that are owed for it."""
    return Change(before=before, after=after, messages=announcements(before, after), actor=ACTOR, **more)  # type: ignore[arg-type]


async def create(
    store: MerchantStore,
    number: str = "",
    *,
    sent: bool = False,
    terms: Terms | None = None,
    receipt: Receipt | None = None,
) -> Invoice:
    """Keep a new draft, or a sent invoice, and return it as stored."""
    invoice = Invoice.draft(terms or some_terms(), NOON, number)
    if sent:
        invoice = invoice.send(NOON, a_token())
    return await store.commit(a_change(None, invoice, receipt=receipt))


async def send(store: MerchantStore, invoice: Invoice, receipt: Receipt | None = None) -> Invoice:
    return await store.commit(a_change(invoice, invoice.send(NOON, a_token()), receipt=receipt))


async def publish(store: MerchantStore, invoice: Invoice) -> Invoice:
    return await store.commit(a_change(invoice, invoice.publish(NOON, a_token())))


async def cancel(store: MerchantStore, invoice: Invoice) -> Invoice:
    return await store.commit(a_change(invoice, invoice.cancel(NOON)))


async def pay(store: MerchantStore, invoice: Invoice, amount: str) -> Invoice:
    payment: Payment = a_payment(amount)
    return await store.commit(a_change(invoice, invoice.receive(payment, NOON), payment=payment))


async def everything(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]


async def assert_all_holds(store: Store) -> None:
    assert await everything(store.verify()) == []
