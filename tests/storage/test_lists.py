"""Lists: every offset, limit and filter agrees with a naive model, whatever happened before."""

import asyncio
import random
from datetime import UTC, date, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from builders import NOON, some_terms
from paydue.domain.errors import DuplicateInvoiceNumber
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.terms import Customer
from paydue.storage import status_blocks
from paydue.storage.rows import time_text
from paydue.usecases.ports import InvoiceSummary, MerchantStore, Page, Store
from storing import a_change, a_token, assert_all_holds, create, pay, publish, send

FILTERS = (None, *Status)


def page_of(model: list[Invoice], offset: int, limit: int, status: Status | None) -> Page:
    """Return what a list should show, by looking at everything."""
    matching = [invoice for invoice in reversed(model) if status is None or invoice.status is status]
    return Page(len(matching), [summary_of(invoice) for invoice in matching[offset : offset + limit]])


def summary_of(invoice: Invoice) -> InvoiceSummary:
    terms, customer = invoice.terms, invoice.terms.customer
    return InvoiceSummary(
        number=invoice.number,
        status=invoice.status,
        created_at=time_text(invoice.created_at),
        due_date=terms.due_date.isoformat(),
        expiration_date=terms.expiration_date.isoformat() if terms.expiration_date else None,
        total=str(terms.total),
        currency=terms.currency,
        customer_name=customer.name if customer else None,
        merchant_customer_id=customer.merchant_customer_id if customer else None,
        payment_token=invoice.payment_token if invoice.has_payment_link else None,
    )


async def test_a_list_shows_the_columns_of_each_invoice(acme: MerchantStore) -> None:
    full = some_terms(
        "0.001",
        currency="KWD",
        expiration_date=date(2026, 12, 24),
        customer=Customer(name="Ünal", email="u@example.com", merchant_customer_id="c-1"),
    )
    bare = some_terms(email=None, customer=None)
    kept = [await create(acme, terms=full, sent=True), await create(acme, terms=bare)]
    at = NOON.astimezone(UTC) + timedelta(microseconds=1)
    kept.append(await acme.commit(a_change(None, Invoice.draft(bare, at.replace(microsecond=0), "x"))))

    page = await acme.page(0, 10, None)

    assert page == page_of(kept, 0, 10, None)


async def test_an_offset_beyond_the_end_shows_nothing_and_the_total(acme: MerchantStore) -> None:
    await create(acme, sent=True)
    for status in (None, Status.SENT):
        for offset in (1, 2, 127, 128, 129, 2**31, 2**62):
            assert await acme.page(offset, 10, status) == Page(1, [])
        assert (await acme.page(0, 1000, status)).total == 1
    assert await acme.page(0, 10, Status.PAID) == Page(0, [])


async def test_every_offset_and_filter_agrees_with_a_look_at_everything(store: Store, acme: MerchantStore) -> None:
    """Across more than two small blocks, with statuses in runs, alone and absent."""
    chance = random.Random(20260505)
    model = list(await asyncio.gather(*(create(acme, sent=wish % 100 < 70) for wish in range(450))))
    for index in chance.sample(range(450), 120):
        invoice = model[index]
        if invoice.status is Status.DRAFT:
            model[index] = await publish(acme, invoice)
        else:
            model[index] = await pay(acme, invoice, chance.choice(("10", "293.5")))

    for status in FILTERS:
        for offset in range(0, 460, 1 if status in (None, Status.SENT, Status.PAID) else 7):
            limit = chance.choice((1, 5, 20, 200))
            assert await acme.page(offset, limit, status) == page_of(model, offset, limit, status)
    await assert_all_holds(store)


@pytest.mark.parametrize("seed", [1, 2, 3, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(4, 64))])
async def test_500_random_steps_agree_with_a_naive_model(
    store: Store, acme: MerchantStore, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Own numbers, every change of status, and lists in between; with small blocks, so that many borders are met."""
    small_blocks(monkeypatch)
    chance = random.Random(seed)
    model: list[Invoice] = []
    for _ in range(500):
        step = chance.random()
        if step < 0.45 or not model:
            await _create_some(acme, model, chance)
        elif step < 0.75:
            await _change_one(acme, model, chance)
        else:
            offset, limit, status = chance.randrange(len(model) + 5), chance.randrange(1, 25), chance.choice(FILTERS)
            assert await acme.page(offset, limit, status) == page_of(model, offset, limit, status)
            some = chance.choice(model)
            assert await acme.invoice(some.number) == some
    assert [invoice.serial for invoice in model] == list(range(1, len(model) + 1))
    assert len({invoice.number for invoice in model}) == len(model)
    await assert_all_holds(store)


def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (4, 32, status_blocks.WHOLE)
    for module in ("status_blocks", "verify", "sqlite.pages", "postgres.pages"):
        for name, value in (("SMALL", sizes[0]), ("LARGE", sizes[1]), ("SIZES", sizes), ("_FEW", 3)):
            monkeypatch.setattr(f"paydue.storage.{module}.{name}", value, raising=False)


async def _create_some(acme: MerchantStore, model: list[Invoice], chance: random.Random) -> None:
    wishes = [str(chance.randrange(1, 400)) if chance.random() < 0.2 else "" for _ in range(chance.randrange(1, 6))]
    known = {invoice.number for invoice in model}
    outcomes = await asyncio.gather(
        *(create(acme, wish, sent=chance.random() < 0.5) for wish in wishes), return_exceptions=True
    )
    for wish, outcome in zip(wishes, outcomes, strict=True):
        if isinstance(outcome, DuplicateInvoiceNumber):
            assert wish in known | {invoice.number for invoice in model} | {*wishes}
        else:
            assert isinstance(outcome, Invoice)
            assert outcome.number == wish or not wish
            assert outcome.number not in known
            model.append(outcome)
    model.sort(key=lambda invoice: invoice.serial)


async def _change_one(acme: MerchantStore, model: list[Invoice], chance: random.Random) -> None:
    index = chance.randrange(len(model))
    invoice = model[index]
    match invoice.status, chance.random():
        case Status.DRAFT, luck if luck < 0.5:
            changed = await send(acme, invoice)
        case Status.DRAFT, _:
            changed = await publish(acme, invoice)
        case ((Status.CREATED | Status.SENT), luck) if luck < 0.3:
            changed = await acme.commit(a_change(invoice, invoice.cancel(NOON)))
        case ((Status.CREATED | Status.SENT), luck) if luck < 0.5:
            terms = replace(some_terms(email=f"p{luck}@example.com"), description=str(luck))
            changed = await acme.commit(a_change(invoice, invoice.amend(terms, NOON, a_token())))
        case ((Status.CREATED | Status.SENT | Status.PARTIAL), luck):
            changed = await pay(acme, invoice, "1.25" if luck < 0.8 else str(invoice.balance))
        case _:
            return
    model[index] = changed


async def test_what_another_process_changes_is_listed_at_once(sqlite: Any) -> None:
    acme, beside = sqlite.store.of("acme"), await sqlite.beside()
    model = [await create(acme, sent=wish == 1) for wish in range(3)]
    for status in FILTERS:
        assert await acme.page(0, 5, status) == page_of(model, 0, 5, status)
    model[0] = await publish(beside.of("acme"), model[0])
    model[1] = await pay(beside.of("acme"), model[1], "10")
    for status in FILTERS:
        assert await acme.page(0, 5, status) == page_of(model, 0, 5, status)
    await beside.close()


async def test_more_may_be_listed_than_is_remembered(sqlite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paydue.storage.sqlite.pages._REMEMBERED", 7)
    acme = sqlite.store.of("acme")
    model = [await create(acme) for _ in range(20)]
    for offset in [*range(0, 20, 3), *range(18, 0, -5)]:
        assert await acme.page(offset, 5, None) == page_of(model, offset, 5, None)
    assert await acme.page(0, 20, None) == page_of(model, 0, 20, None)
