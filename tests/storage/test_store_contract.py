"""The store's promise about invoices, kept by every engine: whole or not at all, each caller for himself."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from builders import NOON, a_line_item, some_terms
from paydue.domain.errors import BrokenFact, DuplicateInvoiceNumber, StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.usecases.ports import MerchantStore, NoSuchMerchant, StaleVersion, Store
from storing import a_change, a_token, assert_all_holds, cancel, create, pay, publish, send

# Creating and reading


async def test_what_was_kept_is_read_back_the_same(store: Store, acme: MerchantStore) -> None:
    terms = some_terms("0.1", line_items=(a_line_item(), a_line_item("0.001")), description="Zürich ✓\n\u2028")

    kept = await create(acme, "INV-1", sent=True, terms=terms)

    assert await acme.invoice("INV-1") == kept
    assert (kept.serial, kept.version, kept.status) == (1, 1, Status.SENT)
    assert kept.payment_token is not None
    assert await store.find_by_payment_token(kept.payment_token) == ("acme", kept)


async def test_an_unknown_number_and_an_unknown_token_find_nothing(store: Store, acme: MerchantStore) -> None:
    await create(acme, "INV-1", sent=True)

    assert await acme.invoice("INV-2") is None
    assert await acme.invoice("inv-1") is None
    for odd in ("", "short", "ü" * 64, "\ud800" * 64, "a\0b", "x" * 100_000):
        assert await store.find_by_payment_token(odd) is None
        assert await acme.invoice(odd) is None
        assert await acme.recorded_answer(odd) is None
        assert await store.find(odd) is None
    assert await store.find_by_payment_token(a_token()) is None


async def test_an_unknown_merchant_has_nothing_and_cannot_keep_anything(store: Store) -> None:
    nobody = store.of("nobody")

    assert await nobody.invoice("1") is None
    assert (await nobody.page(0, 10, None)).total == 0
    with pytest.raises(NoSuchMerchant):
        await create(nobody)
    with pytest.raises(NoSuchMerchant):
        await nobody.merchant()


async def test_merchants_share_nothing(store: Store, acme: MerchantStore, zeta: MerchantStore) -> None:
    ours = await create(acme, "17", sent=True)
    theirs = await create(zeta, "17")

    assert (ours.serial, theirs.serial) == (1, 1)
    assert await acme.invoice("17") == ours
    assert await zeta.invoice("17") == theirs
    assert (await zeta.page(0, 10, Status.SENT)).total == 0
    assert [summary.status for summary in (await zeta.page(0, 10, None)).invoices] == [Status.DRAFT]
    await assert_all_holds(store)


async def test_a_state_that_must_not_exist_is_not_kept(store: Store, acme: MerchantStore) -> None:
    paid_without_money = replace(Invoice.draft(some_terms(), NOON, "1"), status=Status.PAID, payment_token=a_token())

    with pytest.raises(BrokenFact):
        await acme.commit(a_change(None, paid_without_money))

    assert await acme.invoice("1") is None
    await assert_all_holds(store)


# Numbers


async def test_generated_numbers_count_up_from_one(acme: MerchantStore, zeta: MerchantStore) -> None:
    numbers = [(await create(acme)).number for _ in range(12)]

    assert numbers == [str(number) for number in range(1, 13)]
    assert (await create(zeta)).number == "1"


async def test_own_numbers_are_skipped_by_the_generator(store: Store, acme: MerchantStore) -> None:
    for number in ("2", "3", "5", "A-1", "007"):
        await create(acme, number)

    assert [(await create(acme)).number for _ in range(4)] == ["1", "4", "6", "7"]
    await assert_all_holds(store)


async def test_a_long_run_of_own_numbers_is_skipped_too(store: Store, acme: MerchantStore) -> None:
    await asyncio.gather(*(create(acme, str(number)) for number in reversed(range(1, 501))))

    assert [(await create(acme)).number for _ in range(2)] == ["501", "502"]
    await assert_all_holds(store)


async def test_a_used_number_is_refused_to_its_caller_alone(store: Store, acme: MerchantStore) -> None:
    await create(acme, "INV-1", sent=True)

    outcomes = await asyncio.gather(
        create(acme, sent=True),
        create(acme, "INV-1", sent=True),
        create(acme, "INV-2", sent=True),
        create(acme, "INV-2", sent=True),
        create(acme, sent=True),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [
        Invoice, DuplicateInvoiceNumber, Invoice, DuplicateInvoiceNumber, Invoice
    ]  # fmt: skip
    assert [outcome.serial for outcome in outcomes if isinstance(outcome, Invoice)] == [2, 3, 4]
    assert (await acme.page(0, 10, Status.SENT)).total == 4
    await assert_all_holds(store)


async def test_own_numbers_that_get_in_the_way_of_generated_ones_at_once_disturb_nobody(
    store: Store, acme: MerchantStore
) -> None:
    """A generated number and an own one may meet within one commit."""
    wishes = ["", "2", "", "3", "1", "", "4", "", "2"]

    outcomes = await asyncio.gather(*(create(acme, wish) for wish in wishes), return_exceptions=True)

    kept = [outcome.number for outcome in outcomes if isinstance(outcome, Invoice)]
    assert len(set(kept)) == len(kept)
    for wish, outcome in zip(wishes, outcomes, strict=True):
        if wish:
            assert isinstance(outcome, DuplicateInvoiceNumber) or outcome.number == wish
        else:
            assert isinstance(outcome, Invoice)
    assert sum(isinstance(outcome, DuplicateInvoiceNumber) for outcome in outcomes) >= 2
    await assert_all_holds(store)


@pytest.mark.parametrize("time", [1, *(pytest.param(time, marks=pytest.mark.nightly) for time in range(2, 22))])
async def test_2000_parallel_creates_get_distinct_numbers_and_dense_serials(
    store: Store, acme: MerchantStore, zeta: MerchantStore, time: int
) -> None:
    outcomes = await asyncio.gather(
        *(create(acme, sent=wish % 3 == 0) for wish in range(1000)),
        *(create(acme, f"own-{wish}") for wish in range(500)),
        *(create(zeta) for _ in range(500)),
    )

    ours, theirs = outcomes[:1500], outcomes[1500:]
    assert {invoice.serial for invoice in ours} == set(range(1, 1501))
    assert {invoice.serial for invoice in theirs} == set(range(1, 501))
    assert {invoice.number for invoice in ours[:1000]} == {str(number) for number in range(1, 1001)}
    assert len({invoice.number for invoice in ours}) == 1500
    assert (await acme.page(0, 1, None)).total == 1500
    assert (await acme.page(0, 1, Status.SENT)).total == 334
    assert (await acme.page(0, 1, Status.DRAFT)).total == 1166
    await assert_all_holds(store)


# Changing


async def test_an_invoice_goes_its_whole_way(store: Store, acme: MerchantStore) -> None:
    invoice = await create(acme, "INV-1")
    for step in (
        await send(acme, invoice),
        await pay(acme, await acme.invoice("INV-1"), "100"),  # type: ignore[arg-type]
        await pay(acme, await acme.invoice("INV-1"), "193.5"),  # type: ignore[arg-type]
    ):
        assert step.version == invoice.version + 1
        invoice = step

    assert invoice.status is Status.PAID
    assert await acme.invoice("INV-1") == invoice
    assert [(await acme.page(0, 9, status)).total for status in (Status.DRAFT, Status.SENT, Status.PAID)] == [0, 0, 1]
    await assert_all_holds(store)


async def test_a_change_decided_on_an_old_version_is_refused_whole(store: Store, acme: MerchantStore) -> None:
    old = await create(acme, "INV-1")
    sent = await send(acme, old)

    with pytest.raises(StaleVersion):
        await cancel(acme, old)

    assert await acme.invoice("INV-1") == sent
    await assert_all_holds(store)


async def test_of_many_changes_decided_on_the_same_version_one_is_kept(store: Store, acme: MerchantStore) -> None:
    sent = await create(acme, "INV-1", sent=True)

    outcomes = await asyncio.gather(*(pay(acme, sent, "10") for _ in range(20)), create(acme), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Invoice, *[StaleVersion] * 19, Invoice]
    assert (await acme.invoice("INV-1")).balance == sent.balance - 10  # type: ignore[union-attr]
    await assert_all_holds(store)


async def test_a_change_that_spoils_the_transaction_fails_alone(store: Store, acme: MerchantStore) -> None:
    """A message without its event's row, twice the same token: what only the schema can refuse."""
    first = await create(acme, "INV-1", sent=True)
    clash = Invoice.draft(some_terms(), NOON, "INV-2").send(NOON, first.payment_token or "")

    outcomes = await asyncio.gather(
        create(acme), acme.commit(a_change(None, clash)), send(acme, first), create(acme), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [Invoice, BrokenFact, Invoice, Invoice]
    assert await acme.invoice("INV-2") is None
    assert [outcome.serial for outcome in outcomes if isinstance(outcome, Invoice)] == [2, 1, 3]
    await assert_all_holds(store)


async def test_a_new_token_opens_the_invoice_and_the_old_one_dies(store: Store, acme: MerchantStore) -> None:
    sent = await create(acme, "INV-1", sent=True)
    moved = sent.amend(some_terms(email="new@example.com"), NOON, a_token())

    kept = await acme.commit(a_change(sent, moved))

    assert kept.payment_token != sent.payment_token
    assert await store.find_by_payment_token(kept.payment_token or "") == ("acme", kept)
    assert await store.find_by_payment_token(sent.payment_token or "") is None
    await assert_all_holds(store)


async def test_a_canceled_invoice_keeps_its_token_to_itself_in_lists(store: Store, acme: MerchantStore) -> None:
    published = await publish(acme, await create(acme, "INV-1"))
    assert (await acme.page(0, 1, None)).invoices[0].payment_token == published.payment_token

    canceled = await cancel(acme, published)

    assert (await acme.page(0, 1, None)).invoices[0].payment_token is None
    assert await store.find_by_payment_token(published.payment_token or "") == ("acme", canceled)
    await assert_all_holds(store)


# Closing


async def test_everything_is_there_after_a_restart(installation: Any, acme: MerchantStore) -> None:
    sent = await create(acme, "INV-1", sent=True)
    paid = await pay(acme, sent, "293.5")
    await create(acme)

    store = await installation.reopen()

    assert await store.of("acme").invoice("INV-1") == paid
    assert await store.find_by_payment_token(paid.payment_token) == ("acme", paid)
    assert (await create(store.of("acme"))).number == "2"
    assert await store.is_ready()
    await assert_all_holds(store)


async def test_closing_finishes_what_was_accepted_and_takes_no_more(installation: Any, acme: MerchantStore) -> None:
    accepted = [asyncio.ensure_future(create(acme)) for _ in range(300)]
    await asyncio.sleep(0)

    await installation.store.close()

    assert {(await one).serial for one in accepted} == set(range(1, 301))
    with pytest.raises(StoreUnavailable):
        await create(acme)
    with pytest.raises(StoreUnavailable):
        await acme.invoice("1")
    assert not await installation.store.is_ready()
    store = await installation.open()
    assert (await store.of("acme").page(0, 1, None)).total == 300
    await assert_all_holds(store)


async def test_a_caller_who_goes_away_breaks_nothing(store: Store, acme: MerchantStore) -> None:
    staying, leaving = asyncio.ensure_future(create(acme)), asyncio.ensure_future(create(acme))
    await asyncio.sleep(0)
    leaving.cancel()

    assert (await staying).serial == 1
    assert (await create(acme)).serial == 3
    await assert_all_holds(store)
