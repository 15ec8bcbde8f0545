"""The store's promise about reminders: who may need one is found, and who had one never gets it again."""

import asyncio
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from builders import NOON, some_terms
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.settings import ProductType, Settings
from paydue.usecases.announcements import announcements
from paydue.usecases.ports import AlreadyReminded, Change, MerchantStore, Reminded, StaleVersion, Store
from storing import ACTOR, assert_all_holds, cancel, create, pay, publish

DUE = date(2026, 6, 30)
OTHER_DUE = date(2026, 7, 1)
SOON = Reminded("reminder", DUE)
OVERDUE = Reminded("overdue-reminder", DUE)


@pytest.fixture
def reminders(installation: Any) -> Any:
    return installation.store.reminders


async def remind(store: MerchantStore, invoice: Invoice, reminded: Reminded = SOON) -> Invoice:
    after = invoice.remind(NOON)
    messages = announcements(invoice, after, reminded=reminded)
    return await store.commit(Change(before=invoice, after=after, messages=messages, reminded=reminded, actor=ACTOR))


# Once


async def test_a_payer_is_reminded_once_of_each_due_date_and_kind(
    store: Store, reminders: Any, acme: MerchantStore
) -> None:
    sent = await create(acme, sent=True)
    assert not await reminders.was_reminded("acme", sent.serial, "reminder", DUE)

    reminded = await remind(acme, sent)
    with pytest.raises(AlreadyReminded):
        await remind(acme, reminded)
    for other in (OVERDUE, Reminded("reminder", OTHER_DUE)):
        reminded = await remind(acme, reminded, other)

    assert await reminders.was_reminded("acme", sent.serial, "reminder", DUE)
    assert not await reminders.was_reminded("acme", sent.serial, "overdue-reminder", OTHER_DUE)
    assert not await reminders.was_reminded("zeta", sent.serial, "reminder", DUE)
    assert await acme.invoice("1") == reminded
    await assert_all_holds(store)


async def test_of_a_second_reminder_nothing_is_kept_and_others_are_not_disturbed(
    store: Store, acme: MerchantStore, installation: Any
) -> None:
    first, second = await create(acme, sent=True), await create(acme, sent=True)
    reminded = await remind(acme, first)

    outcomes = await asyncio.gather(
        create(acme),
        remind(acme, first),
        remind(acme, reminded),
        remind(acme, second),
        remind(acme, second),
        create(acme),
        return_exceptions=True,
    )

    names = [type(outcome).__name__ for outcome in outcomes]
    assert names == ["Invoice", "AlreadyReminded", "AlreadyReminded", "Invoice", "AlreadyReminded", "Invoice"]
    assert await acme.invoice("1") == reminded
    await assert_all_holds(store)


async def test_a_reminder_decided_on_an_old_version_is_not_kept_and_may_be_tried_again(
    store: Store, reminders: Any, acme: MerchantStore
) -> None:
    sent = await create(acme, sent=True)
    partly_paid = await pay(acme, sent, "100")

    with pytest.raises(StaleVersion):
        await remind(acme, sent)

    assert not await reminders.was_reminded("acme", sent.serial, "reminder", DUE)
    assert (await remind(acme, partly_paid)).status is Status.PARTIAL
    await assert_all_holds(store)


# Whom


async def test_open_invoices_due_on_a_day_are_found_in_the_order_of_their_serials(
    reminders: Any, acme: MerchantStore, zeta: MerchantStore
) -> None:
    await create(acme, "draft")
    await create(acme, "sent", sent=True)
    await publish(acme, await create(acme, "published"))
    await pay(acme, await create(acme, "partial", sent=True), "100")
    await pay(acme, await create(acme, "paid", sent=True), "293.5")
    await cancel(acme, await create(acme, "canceled", sent=True))
    await create(acme, "later", sent=True, terms=some_terms(due_date=OTHER_DUE))
    await create(zeta, "theirs", sent=True)
    await create(acme, "sent too", sent=True)

    found = await reminders.due_on("acme", DUE, 0, 9)

    assert [invoice.number for invoice in found] == ["sent", "partial", "sent too"]
    assert found[0] == await acme.invoice("sent")
    assert [invoice.number for invoice in await reminders.due_on("acme", OTHER_DUE, 0, 9)] == ["later"]
    assert list(await reminders.due_on("nobody", DUE, 0, 9)) == []


async def test_due_invoices_are_found_page_by_page(reminders: Any, acme: MerchantStore) -> None:
    await asyncio.gather(*(create(acme, sent=own % 3 == 0) for own in range(30)))

    found, last = [], 0
    while page := await reminders.due_on("acme", DUE, last, 4):
        assert len(page) <= 4
        found += page
        last = page[-1].serial

    serials = [invoice.serial for invoice in found]
    assert serials == sorted(set(serials))
    assert len(serials) == 10


async def test_an_invoice_is_found_where_it_now_belongs(reminders: Any, acme: MerchantStore) -> None:
    sent = await create(acme, sent=True)
    moved = sent.amend(some_terms(due_date=OTHER_DUE), NOON, "t" * 64)
    await acme.commit(Change(before=sent, after=moved, actor=ACTOR))

    assert list(await reminders.due_on("acme", DUE, 0, 9)) == []
    assert len(await reminders.due_on("acme", OTHER_DUE, 0, 9)) == 1


async def test_merchants_remind_who_ask_for_it_in_their_invoicing_settings(
    store: Store, reminders: Any, acme: MerchantStore, zeta: MerchantStore
) -> None:
    asked, not_asked = Settings(sends_reminders=True), Settings(font_color="#123456")
    assert list(await reminders.merchants_who_remind()) == []
    await acme.save_settings(ProductType.INVOICING, Settings(), asked, None)
    await zeta.save_settings(ProductType.INVOICING, Settings(), not_asked, None)
    await zeta.save_settings(ProductType.PAY_BY_LINK, Settings(), asked, None)
    assert list(await reminders.merchants_who_remind()) == ["acme"]

    kept = await acme.settings(ProductType.INVOICING)
    await acme.save_settings(ProductType.INVOICING, kept, replace(kept, sends_reminders=False), None)

    assert list(await reminders.merchants_who_remind()) == []
