"""The verifier about what is to be delivered: silent about what the store kept, loud about what is broken by hand."""

# ruff: noqa: S608 - the statements are written here

from contextlib import closing
from typing import Any

import apsw
import pytest

from builders import NOON
from delivering import FAILED, HOOK, a_webhook, happens, lease
from paydue.storage import verify_delivery
from paydue.usecases.announcements import ANNOUNCEMENTS, announcements
from paydue.usecases.delivery_ports import JobState
from paydue.usecases.ports import Change, Finding, Reminded
from storing import ACTOR, create, everything
from webhook_builders import a_signing_key, a_subscription


@pytest.fixture
async def books(sqlite: Any) -> Any:
    """Serial 1 was sent and reminded, 2 told a subscription, 3 one that was deleted; 1 and 2 were tried in vain."""
    store = sqlite.store
    acme, subscriptions = store.of("acme"), store.subscriptions_of("acme")
    for webhook_id in (HOOK, "deleted"):
        await subscriptions.add_subscription(a_subscription(webhook_id=webhook_id), 9, ACTOR, None)
    await subscriptions.add_key(a_signing_key(), (), ACTOR)
    sent = await create(acme, sent=True)
    reminded = Reminded("reminder", sent.terms.due_date)
    after = sent.remind(NOON)
    messages = announcements(sent, after, reminded=reminded)
    await acme.commit(Change(before=sent, after=after, messages=messages, reminded=reminded, actor=ACTOR))
    await happens(acme, a_webhook(), a_webhook())
    for job in await lease(store.outbox):
        await store.outbox.keep_rendered(job, b"as it was")
        await store.outbox.settle(job, JobState.PARKED, NOON, FAILED)
    await happens(acme, a_webhook("deleted"))
    await subscriptions.delete_subscription("deleted", ACTOR)
    return sqlite


def break_by_hand(books: Any, statement: str) -> None:
    with closing(apsw.Connection(str(books.path))) as connection:
        connection.set_busy_timeout(1000)
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement)
        assert connection.changes() > 0, statement


async def found(books: Any) -> list[Finding]:
    return await everything(books.store.verify())


async def test_good_books_have_no_finding(books: Any) -> None:
    assert await found(books) == []


FIRST = "merchant_id = 'acme' AND serial = 1"
SECOND = "merchant_id = 'acme' AND serial = 2"


ANOTHER_ID = "(SELECT min(message_id) FROM outbox WHERE serial <> 3)"


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        # Messages
        ("outbox", f"DELETE FROM outbox WHERE {FIRST} AND position = 1"),
        ("outbox", f"DELETE FROM outbox WHERE {FIRST} AND position = 2"),
        ("outbox", f"UPDATE outbox SET topic = 'payment-received' WHERE {FIRST} AND position = 2"),
        ("outbox", f"UPDATE outbox SET position = 9 WHERE {SECOND}"),
        ("outbox", f"UPDATE outbox SET part = part + 1 WHERE {SECOND} AND part = 1"),
        ("outbox", f"UPDATE outbox SET recipient = 'never there' WHERE {SECOND} AND part = 1"),
        ("outbox", "DELETE FROM subscriptions WHERE webhook_id = 'deleted'"),
        ("outbox", f"UPDATE outbox SET state = 'lost' WHERE {SECOND} AND part = 0"),
        ("outbox", f"UPDATE outbox SET lease = 'w1' WHERE {SECOND} AND part = 0"),
        (
            "outbox",
            "UPDATE outbox SET message_id = (SELECT min(message_id) FROM outbox WHERE serial <> 3) WHERE serial = 3",
        ),
        # Reminders
        ("reminder", f"DELETE FROM reminders WHERE {FIRST}"),
        ("reminder", "INSERT INTO reminders VALUES ('acme', 1, 'overdue-reminder', '2026-06-30')"),
        ("reminder", "INSERT INTO reminders VALUES ('acme', 2, 'reminder', '2026-06-30')"),
        # Subscriptions and keys
        ("subscription", f"UPDATE subscriptions SET status = 'BLOCKED' WHERE webhook_id = '{HOOK}'"),
        ("subscription", f"UPDATE subscriptions SET webhook_id = 'other' WHERE webhook_id = '{HOOK}'"),
        ("subscription", f"UPDATE subscriptions SET document = '{{}}' WHERE webhook_id = '{HOOK}'"),
        ("subscription", "UPDATE subscriptions SET document = '{' WHERE webhook_id = 'deleted'"),
        ("key", "UPDATE webhook_keys SET secret = zeroblob(80)"),
        ("key", "UPDATE webhook_keys SET kind = 'house key'"),
        # Rows that belong to nothing
        ("orphan", "UPDATE reminders SET serial = 99"),
        ("orphan", "UPDATE delivery_tries SET message_id = zeroblob(16), number = rowid"),
        ("orphan", "UPDATE renderings SET merchant_id = 'zeta'"),
        ("orphan", f"UPDATE subscriptions SET merchant_id = 'nobody' WHERE webhook_id = '{HOOK}'"),
        ("orphan", "UPDATE webhook_keys SET merchant_id = 'nobody'"),
        ("orphan", "UPDATE actions SET merchant_id = 'nobody'"),
    ],
)
async def test_what_is_broken_by_hand_is_found(books: Any, rule: str, statement: str) -> None:
    break_by_hand(books, statement)

    findings = await found(books)

    assert rule in {finding.rule for finding in findings}, findings


async def test_a_notification_to_nobody_is_of_the_first_release_and_no_finding(books: Any) -> None:
    break_by_hand(books, "UPDATE outbox SET recipient = NULL, state = 'pending' WHERE serial = 3")

    assert await found(books) == []


async def test_a_finding_names_its_place(books: Any) -> None:
    break_by_hand(books, f"UPDATE outbox SET recipient = 'never there' WHERE {SECOND} AND part = 1")

    assert await found(books) == [
        Finding("outbox", "acme, invoice 2", "part 1 of event 0 goes to never there, which never was a subscription")
    ]


def test_every_event_that_is_mailed_is_one_whose_mail_is_asked_for() -> None:
    mailed = {what for (what, _), (mail, _) in ANNOUNCEMENTS.items() if mail is not None}

    assert mailed <= verify_delivery._ALWAYS_MAILED | {
        verify_delivery.What.PAYMENT_RECEIVED,
        verify_delivery.What.INVOICE_CANCELED,
    }
