"""Sending: what cannot be mailed is not sent, and nobody is mailed the same invoice all day."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from builders import NOON, some_terms
from paydue.domain.errors import ActionNotAllowed, TooManyResends, UnreachableAddress
from paydue.domain.lifecycle import Status
from paydue.domain.mail_address import Suppression, SuppressionReason
from paydue.domain.merchant import Merchant
from paydue.domain.terms import DeliveryMode
from paydue.storage.sqlite.schema import migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.create_invoice import CreateInvoice, create_invoice, stayed_draft
from paydue.usecases.ports import MerchantStore
from paydue.usecases.send_invoice import send_invoice
from posting import PAYER, Secrets
from storing import ACTOR, FixedClock, cancel

HOUR = timedelta(hours=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    create_key_file(tmp_path / "key")
    await migrate_file(tmp_path / "paydue.db")
    store = await SqliteStore.open(tmp_path / "paydue.db", KeyFile.read(tmp_path / "key"), FixedClock(), serves=True)
    await store.add_merchant(Merchant(merchant_id="acme", name="Acme"))
    yield store
    await store.close()


@pytest.fixture
def acme(store: SqliteStore) -> MerchantStore:
    return store.of("acme")


def a_wish(email: str | None = PAYER, mode: DeliveryMode = DeliveryMode.EMAIL) -> CreateInvoice:
    return CreateInvoice(terms=some_terms(email=email, delivery_mode=mode), number="7", publish_now=True)


async def suppress(store: SqliteStore, reason: SuppressionReason = SuppressionReason.BOUNCED) -> None:
    said = Suppression(address=PAYER, reason=reason, said="550", message_id=None, at=NOON)
    await store.suppressions_of("acme").suppress(said, ACTOR)


async def create(acme: MerchantStore, wish: CreateInvoice):
    return await create_invoice(acme, wish, at=NOON, secrets=Secrets(), actor=ACTOR)


async def send(acme: MerchantStore, at=NOON, **more):
    return await send_invoice(acme, "7", at=at, secrets=Secrets(), actor=ACTOR, **more)


async def test_an_invoice_whose_mails_come_back_stays_a_draft(store: SqliteStore, acme: MerchantStore) -> None:
    await suppress(store)
    wish = a_wish(PAYER.upper())
    invoice = await create(acme, wish)
    assert invoice.status is Status.DRAFT
    assert stayed_draft(wish, invoice)
    assert await store.outbox.next_due() is None


async def test_an_address_that_no_server_takes_leaves_a_draft(acme: MerchantStore) -> None:
    wish = a_wish("täter@my-email.world")
    assert stayed_draft(wish, await create(acme, wish))


async def test_whoever_complained_still_gets_invoices(store: SqliteStore, acme: MerchantStore) -> None:
    await suppress(store, SuppressionReason.COMPLAINED)
    assert (await create(acme, a_wish())).status is Status.SENT


async def test_without_mail_an_address_does_not_matter(store: SqliteStore, acme: MerchantStore) -> None:
    await suppress(store)
    assert (await create(acme, a_wish(mode=DeliveryMode.NONE))).status is Status.CREATED
    assert (await send(acme)).status is Status.CREATED


async def test_sending_is_refused_until_the_address_is_lifted(store: SqliteStore, acme: MerchantStore) -> None:
    await suppress(store)
    await create(acme, a_wish())
    with pytest.raises(UnreachableAddress):
        await send(acme)
    await store.suppressions_of("acme").lift(PAYER, NOON, ACTOR)
    assert (await send(acme)).status is Status.SENT


async def test_the_status_counts_before_the_address(store: SqliteStore, acme: MerchantStore) -> None:
    invoice = await create(acme, a_wish())
    await suppress(store)
    await cancel(acme, invoice)
    with pytest.raises(ActionNotAllowed):
        await send(acme)


async def test_an_invoice_is_resent_only_so_often_in_a_day(acme: MerchantStore) -> None:
    await create(acme, a_wish())
    for hour in range(3):
        await send(acme, NOON + hour * HOUR, resends_a_day=3)
    with pytest.raises(TooManyResends):
        await send(acme, NOON + 23 * HOUR, resends_a_day=3)
    await send(acme, NOON + 24 * HOUR, resends_a_day=3)
    # 0 is no limit.
    for _ in range(5):
        await send(acme, NOON + 25 * HOUR)
