"""The verifier: silent about what the store kept, and loud about each thing broken by hand."""

# ruff: noqa: S608 - the statements are written here

import asyncio
from contextlib import closing
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from builders import NOON, some_terms
from paydue.domain.lifecycle import Status
from paydue.domain.merchant_fields import FieldDefinition, FieldType, ReferenceType
from paydue.storage import rows, verify
from paydue.usecases.access_keys import AccessKey, KeyKind, new_shared_secret
from paydue.usecases.ports import Finding
from storing import a_change, a_token, cancel, create, everything, pay, publish, send


@pytest.fixture
async def books(sqlite: Any) -> Any:
    """Books with every kind of row in them; serial 1 is paid in part, 2 canceled, 3 sent, 4 a draft, 5 published."""
    acme = sqlite.store.of("acme")
    await pay(acme, await create(acme, sent=True), "100")
    await cancel(acme, await send(acme, await create(acme)))
    sent = await create(acme, sent=True)
    await create(acme, "own")
    await publish(acme, await create(acme))
    await asyncio.gather(*(create(acme) for _ in range(140)))
    moved = sent.amend(some_terms(email="new@example.com"), NOON, a_token())
    await acme.commit(a_change(sent, moved))
    await create(sqlite.store.of("zeta"), sent=True)
    await acme.add_field_definition(
        ReferenceType.INVOICE, FieldDefinition(field_type=FieldType.TEXT, label="l", data_index=1), 9, None
    )
    key = AccessKey(
        key_id="k-1", merchant_id="acme", kind=KeyKind.SHARED_SECRET, secret=new_shared_secret(), merchants=("acme",)
    )
    await sqlite.store.add_key(key, NOON)
    return sqlite


def break_by_hand(books: Any, *statements: str) -> None:
    with closing(apsw.Connection(str(books.path))) as connection:
        connection.set_busy_timeout(1000)
        for statement in statements:
            connection.execute(statement).fetchall()
            assert connection.changes() > 0 or not statement.startswith(("UPDATE", "DELETE", "INSERT")), statement


async def found(books: Any) -> list[Finding]:
    return await everything(books.store.verify())


async def test_good_books_have_no_finding(books: Any) -> None:
    assert await found(books) == []


FIRST = "merchant_id = 'acme' AND serial = 1"
THIRD = "merchant_id = 'acme' AND serial = 3"


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        # Balance and payments
        ("balance", f"UPDATE invoices SET paid = '99' WHERE {FIRST}"),
        ("balance", f"UPDATE invoices SET paid = '294' WHERE {FIRST}"),
        ("balance", f"UPDATE invoices SET paid = 'x' WHERE {FIRST}"),
        ("balance", f"UPDATE payments SET amount = '100.01' WHERE {FIRST}"),
        ("balance", f"UPDATE payments SET amount = 'NaN' WHERE {FIRST}"),
        ("payment", f"UPDATE payments SET currency = 'EUR' WHERE {FIRST}"),
        ("payment", f"UPDATE payments SET position = 1 WHERE {FIRST}"),
        ("balance", f"DELETE FROM payments WHERE {FIRST}"),
        ("payment", f"INSERT INTO payments VALUES ('acme', 3, 1, '0', 'USD', 'cash', 'r', 'now')"),  # noqa: F541
        # Facts and status
        ("facts", f"UPDATE invoices SET status = 'PAID' WHERE {FIRST}"),
        ("facts", f"UPDATE invoices SET paid = '5' WHERE {THIRD}"),
        ("facts", f"UPDATE invoices SET payment_token = NULL WHERE {THIRD}"),
        ("status", f"UPDATE invoices SET status = 'CREATED' WHERE {THIRD}"),
        ("status", "UPDATE invoices SET status = 'DRAFT' WHERE merchant_id = 'acme' AND serial = 2"),
        # The document, the columns that repeat it, and the ciphertext
        ("document", f"UPDATE invoices SET total = '293.50' WHERE {THIRD}"),
        ("document", f"UPDATE invoices SET due_date = '2026-07-01' WHERE {THIRD}"),
        ("document", f"UPDATE invoices SET customer_name = NULL WHERE {THIRD}"),
        ("document", f"UPDATE invoices SET document = replace(document, 'USD', 'EUR') WHERE {THIRD}"),
        ("document", f"UPDATE invoices SET document = '{{' WHERE {THIRD}"),
        ("document", f"UPDATE invoices SET history = '[]]' WHERE {THIRD}"),
        ("document", f"UPDATE invoices SET created_at = 'yesterday' WHERE {THIRD}"),
        ("facts", f"UPDATE invoices SET payment_token = zeroblob(96) WHERE {THIRD}"),
        (
            "facts",
            f"UPDATE invoices SET payment_token = (SELECT payment_token FROM invoices WHERE {FIRST}) WHERE {THIRD}",
        ),
        ("key", "UPDATE access_keys SET secret = zeroblob(80)"),
        # History
        ("history", f"UPDATE events SET what = 'SEND' WHERE {FIRST} AND position = 0"),
        ("history", f"UPDATE events SET at = '2026-05-05T12:00:00.123457Z' WHERE {FIRST} AND position = 0"),
        ("history", f"UPDATE events SET data = replace(data, '100', '10') WHERE {FIRST} AND position = 2"),
        ("history", f"DELETE FROM events WHERE {FIRST} AND position = 0"),
        ("history", "INSERT INTO events VALUES ('acme', 4, 1, 'CREATE', '2026', 'a', 'c', NULL)"),
        ("history", f"UPDATE invoices SET history = '[]' WHERE {FIRST}"),
        # Serials, numbers, counters, blocks
        ("serial", f"UPDATE invoices SET id = id + 1000 WHERE {THIRD}"),
        ("serial", f"UPDATE invoices SET serial = 33 WHERE {THIRD}"),
        ("serial", f"UPDATE invoices SET merchant_id = 'zeta', number = 'own' WHERE {THIRD}"),
        ("counter", "UPDATE merchants SET last_serial = last_serial + 1 WHERE merchant_id = 'acme'"),
        ("counter", "UPDATE merchants SET last_serial = 0 WHERE merchant_id = 'acme'"),
        ("counter", "UPDATE merchants SET next_number = next_number + 5 WHERE merchant_id = 'acme'"),
        ("counter", "UPDATE merchants SET last_definition_id = 0 WHERE merchant_id = 'acme'"),
        ("counter", f"UPDATE status_blocks SET count = count + 1 WHERE status = 'SENT' AND size = {1 << 62}"),
        ("block", "UPDATE status_blocks SET count = count + 1 WHERE status = 'DRAFT' AND size = 16384"),
        ("block", "UPDATE status_blocks SET count = count - 1 WHERE status = 'DRAFT' AND size = 128 AND block = 1"),
        ("block", "DELETE FROM status_blocks WHERE status = 'DRAFT' AND size = 128 AND block = 0"),
        ("block", "INSERT INTO status_blocks VALUES ('acme', 'DRAFT', 128, 9, 1)"),
        ("block", "INSERT INTO status_blocks VALUES ('acme', 'LOST', 128, 0, 1)"),
        # Links
        ("link", "UPDATE payment_links SET token_digest = zeroblob(32) WHERE serial = 1 AND merchant_id = 'acme'"),
        ("link", "UPDATE payment_links SET serial = 4 WHERE serial = 1 AND merchant_id = 'acme'"),
        ("link", "UPDATE payment_links SET merchant_id = 'zeta' WHERE serial = 1 AND merchant_id = 'acme'"),
        ("orphan", "INSERT INTO payment_links VALUES ('12345678', zeroblob(32), 'acme', 4)"),
        # Outbox
        ("outbox", f"DELETE FROM outbox WHERE {FIRST} AND position = 1"),
        ("outbox", f"UPDATE outbox SET channel = 'webhook' WHERE {FIRST} AND position = 2"),
        ("outbox", "DELETE FROM outbox WHERE merchant_id = 'acme' AND serial = 2 AND position = 2"),
        ("outbox", f"UPDATE outbox SET position = 9 WHERE {FIRST} AND position = 1"),
        # Rows that belong to nothing
        ("orphan", "UPDATE events SET serial = 9999 WHERE merchant_id = 'acme' AND serial = 4"),
        ("orphan", "UPDATE events SET merchant_id = 'nobody' WHERE merchant_id = 'acme' AND serial = 4"),
        ("orphan", f"UPDATE payments SET serial = 9999 WHERE {FIRST}"),
        ("orphan", f"UPDATE outbox SET merchant_id = 'nobody' WHERE {THIRD}"),
        ("orphan", f"DELETE FROM invoices WHERE {THIRD}"),
        ("orphan", "INSERT INTO status_blocks VALUES ('nobody', 'DRAFT', 128, 0, 1)"),
        ("orphan", "INSERT INTO receipts VALUES ('nobody', 'k', x'00', 201, x'00', '2026')"),
        ("orphan", "INSERT INTO settings VALUES ('nobody', 'INVOICING', 1, '{}')"),
    ],
)
async def test_what_is_broken_by_hand_is_found(books: Any, rule: str, statement: str) -> None:
    break_by_hand(books, "PRAGMA foreign_keys = OFF", statement)

    findings = await found(books)

    assert rule in {finding.rule for finding in findings}, findings


async def test_a_number_that_two_invoices_have_is_found(books: Any) -> None:
    break_by_hand(
        books,
        "DROP INDEX invoices_by_number",
        "UPDATE invoices SET number = 'own' WHERE merchant_id = 'acme' AND serial = 1",
    )

    assert Finding("number", "acme, invoice own", "2 invoices have it") in await found(books)


async def test_a_damaged_index_is_found(books: Any) -> None:
    break_by_hand(
        books,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX invoices_by_status ON invoices (merchant_id, number)'"
        " WHERE name = 'invoices_by_status'",
    )
    await books.reopen()

    assert "database" in {finding.rule for finding in await found(books)}


async def test_a_finding_names_its_place_and_both_sides(books: Any) -> None:
    break_by_hand(books, f"UPDATE invoices SET paid = '99' WHERE {FIRST}")

    assert await found(books) == [Finding("balance", "acme, invoice 1", "99 counted as paid, payments of 100")]


async def test_verifying_sees_one_moment_while_others_write(books: Any) -> None:
    acme = books.store.of("acme")
    verifying = asyncio.ensure_future(found(books))
    while not verifying.done():
        await create(acme, sent=True)

    assert verifying.result() == []
    assert (await acme.page(0, 1, Status.SENT)).total > 1


async def test_every_status_has_an_event_that_leads_to_it() -> None:
    assert frozenset(Status) == frozenset().union(*verify._LEAVES.values())


def test_columns_are_compared_with_the_document_one_by_one() -> None:
    assert set(verify._REPEATED) == set(rows.INVOICE_COLUMNS) - {"payment_token", "document", "history", "shown"}


async def test_a_rejected_payment_leaves_any_status_possible(books: Any) -> None:
    invoice = await books.store.of("acme").invoice("3")
    rejected = replace(invoice.history[0], what=verify.What.PAYMENT_REJECTED)

    assert verify._status_by((*invoice.history, rejected)) is None
