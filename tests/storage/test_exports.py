"""A merchant's books, taken out as a whole: on every engine all is there once, exact, in order, of one moment."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from builders import NOON, a_line_item, some_terms
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.terms import Customer
from paydue.storage import exports
from paydue.usecases.export_books import ExportedInvoice, ExportedPayment, ExportFilter, Movement
from paydue.usecases.ports import MerchantStore
from storing import FixedClock, a_change, cancel, create, pay, send

EVERYTHING = ExportFilter()


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_STRETCH", 3)


async def invoices(store: Any, wanted: ExportFilter = EVERYTHING, merchant_id: str = "acme") -> list[ExportedInvoice]:
    return [each async for portion in store.exports_of(merchant_id).invoices(wanted) for each in portion.records]


async def payments(store: Any, wanted: ExportFilter = EVERYTHING) -> list[ExportedPayment]:
    return [each async for portion in store.exports_of("acme").payments(wanted) for each in portion.records]


async def numbers(store: Any, **wanted: Any) -> list[str]:
    return [each.invoice_id for each in await invoices(store, ExportFilter(**wanted))]


async def create_at(store: MerchantStore, clock: FixedClock) -> Invoice:
    return await store.commit(a_change(None, Invoice.draft(some_terms(), clock.now())))


async def test_all_of_a_merchants_invoices_come_once_and_in_the_order_of_their_making(store, acme, zeta):
    for each in range(10):
        await create(acme, "Last-made-first-named" if each == 9 else "")
        await create(zeta)

    assert await numbers(store) == [*map(str, range(1, 10)), "Last-made-first-named"]
    assert await invoices(store, merchant_id="nobody") == []


async def test_an_invoice_is_told_with_all_its_amounts_to_the_last_decimal(store, acme):
    terms = some_terms(
        "293.5",
        customer=Customer(name="Tanya Lee", email="t@my-email.world", company_name="Acme", merchant_customer_id="C1"),
        line_items=(a_line_item("241", tax_rate=Decimal("8.25")),),
        transaction_reference_number="R7",
    )
    await pay(acme, await create(acme, sent=True, terms=terms), "100")

    (told,) = await invoices(store)

    assert (told.invoice_id, told.status, told.created_at) == ("1", Status.PARTIAL, "2026-05-05T12:00:00.123456Z")
    amounts = (told.total_amount, told.paid_amount, told.refunded_amount, told.balance_amount)
    assert list(map(str, amounts)) == ["293.50", "100.00", "0.00", "193.50"]
    assert (told.currency, told.due_date, told.expiration_date) == ("USD", "2026-06-30", None)
    assert (told.customer_name, told.customer_email) == ("Tanya Lee", "t@my-email.world")
    assert (told.company_name, told.merchant_customer_id, told.reference_number) == ("Acme", "C1", "R7")
    (line,) = told.line_items
    assert (line.product_sku, line.quantity, str(line.unit_price), str(line.total_amount)) == (
        "P653727383", 20, "12.05", "241",
    )  # fmt: skip
    assert line.tax_rate == Decimal("8.25")


async def test_amounts_have_the_decimals_of_their_currency(store, acme):
    for total, currency in (("1200", "JPY"), ("5", "KWD"), ("0.1", "EUR"), ("999999999999999.99", "EUR")):
        await create(acme, terms=some_terms(total, currency=currency))

    assert [str(each.total_amount) for each in await invoices(store)] == ["1200", "5.000", "0.10", "999999999999999.99"]


async def test_only_the_wanted_status_and_time_come(store, acme, installation):
    clock = installation.clock
    for _ in range(4):
        await create_at(acme, clock)
        clock.advance(days=1)
    await cancel(acme, await create(acme))
    await send(acme, await create(acme))

    assert await numbers(store, status=Status.CANCELED) == ["5"]
    assert await numbers(store, status=Status.SENT) == ["6"]
    assert await numbers(store, status=Status.PAID) == []
    assert await numbers(store, since=NOON + timedelta(days=1), until=NOON + timedelta(days=3)) == ["2", "3"]
    assert await numbers(store, since=NOON + timedelta(days=1, microseconds=1)) == ["3", "4"]


async def test_payments_are_told_as_money_that_moved(store, acme):
    paid = await pay(acme, await create(acme, sent=True), "100")
    await create(acme)
    whole = await pay(acme, await create(acme, sent=True), "293.5")
    back = paid.take_back("TR-1", Decimal(40), NOON + timedelta(days=2))
    reversed_ = await acme.commit(a_change(paid, back))

    told = await payments(store)

    assert [(each.invoice_id, each.kind, str(each.amount)) for each in told] == [
        ("1", Movement.PAYMENT, "100.00"), ("1", Movement.REVERSAL, "-40.00"), ("3", Movement.PAYMENT, "293.50"),
    ]  # fmt: skip
    assert (told[0].method, told[0].transaction_id, told[0].paid_at) == (
        "bank transfer", "TR-1", "2026-05-05T12:00:00.123456Z",
    )  # fmt: skip
    assert (told[1].method, told[1].transaction_id, told[1].paid_at) == (None, "TR-1", None)
    assert sum(each.amount for each in told) == reversed_.paid + whole.paid
    later = ExportFilter(since=NOON + timedelta(days=1))
    assert [each.kind for each in await payments(store, later)] == [Movement.REVERSAL]


async def test_what_changes_meanwhile_changes_nothing(store, acme):
    made = [await create(acme) for _ in range(7)]
    running = store.exports_of("acme").invoices(EVERYTHING)
    first = await anext(running)

    await cancel(acme, made[6])
    await create(acme)
    rest = [portion async for portion in running]

    told = [each for portion in (first, *rest) for each in portion.records]
    assert [(each.invoice_id, each.status) for each in told] == [(str(each), Status.DRAFT) for each in range(1, 8)]
    assert [(portion.done, portion.total) for portion in (first, *rest)] == [(3, 7), (6, 7), (7, 7)]


async def test_who_stops_early_leaves_nothing_open(store, acme, installation):
    for _ in range(7):
        await create(acme)
    running = store.exports_of("acme").invoices(EVERYTHING)
    await anext(running)
    await running.aclose()

    if hasattr(installation, "psql"):
        assert installation.psql("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") == "0"
    assert len(await invoices(store)) == 7
