"""The verifier on PostgreSQL: its rules are those of `test_verify.py`; here is shown that it reads all their tables."""

# ruff: noqa: S608 - the statements are written here

import asyncio
from typing import Any

import pytest

from builders import NOON
from paydue.domain.lifecycle import Status
from paydue.domain.merchant_fields import FieldDefinition, FieldType, ReferenceType
from paydue.usecases.access_keys import AccessKey, KeyKind, new_shared_secret
from paydue.usecases.ports import Finding
from storing import cancel, create, everything, pay, send

FIRST = "merchant_id = 'acme' AND serial = 1"
THIRD = "merchant_id = 'acme' AND serial = 3"


@pytest.fixture
async def books(postgres: Any) -> Any:
    """Books in which serial 1 is paid in part, 2 canceled, 3 sent, 4 a draft."""
    acme = postgres.store.of("acme")
    await pay(acme, await create(acme, sent=True), "100")
    await cancel(acme, await send(acme, await create(acme)))
    await create(acme, sent=True)
    await create(acme, "own")
    definition = FieldDefinition(field_type=FieldType.TEXT, label="l", data_index=1)
    await acme.add_field_definition(ReferenceType.INVOICE, definition, 9, None)
    key = AccessKey(
        key_id="k-1", merchant_id="acme", kind=KeyKind.SHARED_SECRET, secret=new_shared_secret(), merchants=("acme",)
    )
    await postgres.store.add_key(key, NOON)
    return postgres


async def test_good_books_have_no_finding(books: Any) -> None:
    assert await everything(books.store.verify()) == []


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("balance", f"UPDATE invoices SET paid = '99' WHERE {FIRST}"),
        ("balance", f"UPDATE payments SET amount = 'NaN' WHERE {FIRST}"),
        ("balance", f"DELETE FROM payments WHERE {FIRST}"),
        ("payment", f"UPDATE payments SET currency = 'EUR' WHERE {FIRST}"),
        ("facts", f"UPDATE invoices SET status = 'PAID' WHERE {FIRST}"),
        ("facts", f"UPDATE invoices SET payment_token = NULL WHERE {THIRD}"),
        ("status", f"UPDATE invoices SET status = 'CREATED' WHERE {THIRD}"),
        ("document", f"UPDATE invoices SET total = '293.50' WHERE {THIRD}"),
        ("document", f"UPDATE invoices SET document = '{{' WHERE {THIRD}"),
        ("key", "UPDATE access_keys SET secret = decode(repeat('00', 80), 'hex')"),
        ("history", f"UPDATE events SET what = 'SEND' WHERE {FIRST} AND position = 0"),
        ("history", f"DELETE FROM events WHERE {FIRST} AND position = 0"),
        ("serial", f"UPDATE invoices SET serial = 33 WHERE {THIRD}"),
        ("counter", "UPDATE merchants SET last_serial = last_serial + 1 WHERE merchant_id = 'acme'"),
        ("counter", "UPDATE merchants SET next_number = next_number + 5 WHERE merchant_id = 'acme'"),
        ("counter", "UPDATE merchants SET last_definition_id = 0 WHERE merchant_id = 'acme'"),
        ("counter", f"UPDATE status_blocks SET count = count + 1 WHERE status = 'SENT' AND size = {1 << 62}"),
        ("block", "UPDATE status_blocks SET count = count + 1 WHERE status = 'DRAFT' AND size = 16384"),
        ("block", "INSERT INTO status_blocks VALUES ('acme', 'LOST', 128, 0, 1)"),
        ("link", f"UPDATE payment_links SET serial = 4 WHERE {FIRST}"),
        ("orphan", "INSERT INTO payment_links VALUES ('12345678', decode(repeat('00', 32), 'hex'), 'acme', 4)"),
        ("outbox", f"DELETE FROM outbox WHERE {FIRST}"),
        ("orphan", "UPDATE events SET serial = 9999 WHERE merchant_id = 'acme' AND serial = 4"),
        ("orphan", f"DELETE FROM invoices WHERE {THIRD}"),
        ("orphan", "INSERT INTO receipts VALUES ('nobody', 'k', '', 201, '', '2026')"),
        ("orphan", "INSERT INTO reminders VALUES ('acme', 99, 'due', '2026-06-30')"),
        ("orphan", "INSERT INTO renderings VALUES ('acme', decode(repeat('00', 16), 'hex'), '')"),
        ("orphan", "INSERT INTO actions VALUES ('nobody', '', '2026', 'a', 'c', 'w', 's')"),
    ],
)
async def test_what_is_broken_by_hand_is_found(books: Any, rule: str, statement: str) -> None:
    books.psql(statement)

    findings = await everything(books.store.verify())

    assert rule in {finding.rule for finding in findings}, findings


async def test_a_number_that_two_invoices_have_is_found(books: Any) -> None:
    books.psql("DROP INDEX invoices_by_number", f"UPDATE invoices SET number = 'own' WHERE {FIRST}")

    assert Finding("number", "acme, invoice own", "2 invoices have it") in await everything(books.store.verify())


async def test_an_index_that_was_never_finished_is_found(books: Any) -> None:
    books.psql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'invoices_by_status'::regclass")

    findings = await everything(books.store.verify())

    assert Finding("database", "file", "index invoices_by_status is not valid") in findings


async def test_verifying_sees_one_moment_while_others_write(books: Any) -> None:
    acme = books.store.of("acme")
    verifying = asyncio.ensure_future(everything(books.store.verify()))
    while not verifying.done():
        await create(acme, sent=True)

    assert verifying.result() == []
    assert (await acme.page(0, 1, Status.SENT)).total > 1
