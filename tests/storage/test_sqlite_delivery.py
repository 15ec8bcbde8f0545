"""Delivery on SQLite: what lies in the file, which index is used, several processes, and books of the first release."""

import asyncio
import base64
import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from msgspec.structs import replace

from builders import NOON, some_terms
from delivering import FAILED, PAYER, a_mail, a_webhook, happens, lease, settle
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.domain.notifications import ReplaySelection
from paydue.domain.webhooks import SubscriptionStatus
from paydue.storage.message_ids import MessageIds
from paydue.storage.short_memory import SECONDS
from paydue.storage.sqlite import delivery_statements as sql
from paydue.storage.sqlite import lanes
from paydue.storage.sqlite.schema import MIGRATIONS, migrate_file
from paydue.storage.vault import create_key_file
from paydue.usecases.access_keys import Secret
from paydue.usecases.delivery_ports import DeliveryFilter, JobState
from paydue.usecases.ports import Channel, StaleVersion
from paydue.usecases.webhook_ports import WebhookKey, WebhookKeyKind
from storing import ACTOR, assert_all_holds, everything
from webhook_builders import SECRET, a_signing_key, a_subscription

HOUR = timedelta(hours=1)
NOON_TEXT = "2026-05-05T12:00:00.123456Z"


def connect(path: Path) -> Any:
    return closing(apsw.Connection(str(path)))


def all_bytes(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


# Secrets


async def test_no_secret_of_a_webhook_key_can_be_read_in_the_file(sqlite: Any) -> None:
    subscriptions = sqlite.store.subscriptions_of("acme")
    password = WebhookKey(
        key_id="credentials-1",
        organization_id="acme",
        kind=WebhookKeyKind.OAUTH_CREDENTIALS,
        secret=Secret("a password nobody reads"),
        client_id="client-to-be-read",
        created_at=NOON,
        expires_at=NOON + HOUR,
    )
    await subscriptions.add_key(a_signing_key(), (), ACTOR)
    await subscriptions.add_key(password, (), ACTOR)

    in_log = all_bytes(sqlite.path)
    await sqlite.reopen()
    in_file = all_bytes(sqlite.path)

    for written in (in_log, in_file):
        assert b"client-to-be-read" in written, "this test can see what is in the clear"
        for secret in (b"a password nobody reads", SECRET.encode(), base64.b64decode(SECRET)):
            assert secret not in written


async def test_a_secret_moved_to_another_row_cannot_be_read_there(sqlite: Any) -> None:
    for merchant_id, key_id in (("acme", "k-1"), ("acme", "k-2"), ("zeta", "k-1")):
        await sqlite.store.subscriptions_of(merchant_id).add_key(
            a_signing_key(f"secret of {key_id} of {merchant_id}", key_id), (), ACTOR
        )
    with connect(sqlite.path) as connection:
        connection.execute(
            "UPDATE webhook_keys SET secret = (SELECT secret FROM webhook_keys WHERE merchant_id = 'acme'"
            " AND key_id = 'k-1')"
        )

    findings = await everything(sqlite.store.verify())

    assert [(finding.rule, finding.place) for finding in findings] == [
        ("key", "acme, webhook key k-2"),
        ("key", "zeta, webhook key k-1"),
    ]


# Cost


async def test_no_statement_of_the_queue_or_the_log_reads_or_sorts_a_whole_table(sqlite: Any) -> None:
    every_state = tuple(JobState)
    hot = (
        sql.LANES, sql.WAITING, sql.LEASE, sql.PUT_OFF, sql.GIVE_BACK, sql.SETTLE, sql.ADD_TRY, sql.MARK_RENDERED,
        sql.RENDERING, sql.ADD_CONSEQUENCE, sql.MAKE_DUE, sql.BRING_FORWARD, sql.HELD, sql.IN_STATE, sql.IS_REPLAYING,
        sql.TRACED, sql.BY_MESSAGE, sql.TRIES, sql.newest(every_state), sql.newest(every_state[:1]),
        sql.AMEND_SUBSCRIPTION, sql.DELETE_SUBSCRIPTION, sql.HAS_SUBSCRIPTION, sql.HAS_REMINDER, sql.DUE_ON,
    )  # fmt: skip
    with connect(sqlite.path) as connection:
        for statement in hot:
            steps = [step for *_, step in explained(connection, statement)]
            assert steps, statement
            # The lanes are a list of their own, one step each.
            assert not [
                step for step in steps if "TEMP B-TREE" in step or (step.startswith("SCAN") and step != "SCAN lanes")
            ], (statement, steps)


def explained(connection: Any, statement: str) -> Any:
    numbered = [int(number) for number in re.findall(r"\?(\d+)", statement)]
    count = max(numbered, default=0) + statement.count("?") - len(numbered)
    return connection.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * count)


async def test_statements_with_a_limit_are_not_planned_anew_at_every_call(sqlite: Any) -> None:
    engine = sqlite.store._engine
    for connection in (engine._writer, engine._reader):
        assert connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) == 1


async def test_a_lease_that_looks_at_few_rows_leaves_no_statement_open(sqlite: Any) -> None:
    """An open one would keep other processes from clearing the log."""
    acme, outbox = sqlite.store.of("acme"), sqlite.store.outbox
    await asyncio.gather(*(happens(acme, a_mail()) for _ in range(40)))
    while await lease(outbox):
        pass
    assert await lease(outbox) == [], "the last look stops at the share"

    with connect(sqlite.path) as connection:
        connection.execute("CREATE TABLE meanwhile (a)")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        assert sqlite.path.with_name("paydue.db-wal").stat().st_size == 0


async def test_more_lanes_than_are_looked_at_in_one_go_all_have_their_turn(
    sqlite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_LANES_AT_ONCE", 3)
    acme, outbox = sqlite.store.of("acme"), sqlite.store.outbox
    for own in range(10):
        await happens(acme, a_webhook(f"hook-{own}"), at=NOON + timedelta(minutes=own))
    assert await outbox.next_due() == NOON

    taken = [job.recipient for _ in range(4) for job in await lease(outbox, NOON + HOUR)]

    assert sorted(recipient or "" for recipient in taken) == [f"hook-{own}" for own in range(10)]
    assert await outbox.next_due() == NOON + HOUR + timedelta(minutes=5)


# Several processes


async def test_a_worker_beside_a_busy_server_delivers_all(sqlite: Any) -> None:
    server, beside = sqlite.store.of("acme"), await sqlite.beside()
    writing = asyncio.gather(*(happens(server, a_mail(), a_webhook()) for _ in range(400)))

    done = 0
    while not writing.done() or await beside.outbox.next_due() is not None:
        jobs = await lease(beside.outbox)
        await asyncio.gather(*(settle(beside.outbox, job) for job in jobs))
        done += len(jobs)
        await asyncio.sleep(0)

    await beside.close()
    assert done == 800
    states = await sqlite.store.deliveries_of("acme").deliveries(DeliveryFilter(), None, 1000)
    assert {job.state for job in states} == {JobState.DONE}


async def test_a_subscription_made_by_another_process_is_heard_of_within_five_seconds(
    sqlite: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(sqlite.store._subscriptions.remembered, "_monotonic", lambda: now)
    acme, subscriptions = sqlite.store.of("acme"), sqlite.store.subscriptions_of("acme")
    (wanted,) = a_subscription().products[0].event_types
    assert await acme.webhooks_for(wanted) == ()
    beside = await sqlite.beside()
    theirs = beside.subscriptions_of("acme")

    stored = await theirs.add_subscription(a_subscription(), 9, ACTOR, None)
    assert await acme.webhooks_for(wanted) == ()
    now += SECONDS
    assert await acme.webhooks_for(wanted) == (stored.webhook_id,)

    suspended = await theirs.save_subscription(stored, replace(stored, status=SubscriptionStatus.BLOCKED), ACTOR)
    with pytest.raises(StaleVersion):
        await subscriptions.save_subscription(stored, replace(stored, name="too late"), ACTOR)
    assert await subscriptions.subscription(stored.webhook_id) == suspended, "a refusal makes it look again"
    await beside.close()


async def test_who_asked_for_what_is_written_down(sqlite: Any) -> None:
    subscriptions, deliveries = sqlite.store.subscriptions_of("acme"), sqlite.store.deliveries_of("acme")
    stored = await subscriptions.add_subscription(a_subscription(), 9, ACTOR, None)
    stored = await subscriptions.save_subscription(stored, replace(stored, name="other"), ACTOR)
    await subscriptions.add_key(a_signing_key(), (), ACTOR)
    await happens(sqlite.store.of("acme"), a_mail())
    (job,) = await lease(sqlite.store.outbox)
    await deliveries.resend(job.message_id, NOON, ACTOR)
    await deliveries.recover(NOON, NOON + HOUR, NOON, ACTOR)
    await subscriptions.replay(stored.webhook_id, ReplaySelection(trace_ids=("x",)), NOON, ACTOR)
    await subscriptions.delete_subscription(stored.webhook_id, ACTOR)

    with connect(sqlite.path) as connection:
        actions = connection.execute("SELECT what, subject FROM actions ORDER BY action_id").fetchall()
        askers = connection.execute("SELECT DISTINCT merchant_id, actor, correlation_id FROM actions").fetchall()
    assert {what for what, _ in actions} == {
        "subscribe", "change subscription", "add webhook key", "resend", "recover", "replay", "delete subscription"
    }  # fmt: skip
    assert ("resend", job.message_id) in actions
    assert ("replay", stored.webhook_id) in actions
    assert askers == [("acme", ACTOR.name, ACTOR.correlation_id)]


# Books of the first release


def make_first_books(path: Path) -> None:
    """Fill a database of the first schema as its release did: a draft, a mail, and a notification to nobody."""
    terms, history = some_terms(), Invoice.draft(some_terms(), NOON).history
    documents = [msgspec.json.encode(value).decode() for value in (terms, history)]
    merchant = msgspec.json.encode(Merchant(merchant_id="acme", name="Acme")).decode()
    with connect(path) as connection:
        connection.execute("INSERT INTO merchants VALUES (1, 'acme', ?, 1, 2, 0)", (merchant,))
        connection.execute(
            "INSERT INTO invoices VALUES ((1 << 40) | 1, 'acme', 1, '1', 1, 'DRAFT', ?, '2026-06-30', NULL, 'USD',"
            " '293.5', '0', 'Tanya Lee', NULL, NULL, ?, ?)",
            (NOON_TEXT, *documents),
        )
        connection.execute("INSERT INTO events VALUES ('acme', 1, 0, 'DRAFT', ?, 'key-1', 'c-1', NULL)", (NOON_TEXT,))
        for size in (128, 16_384, 1 << 62):
            connection.execute("INSERT INTO status_blocks VALUES ('acme', 'DRAFT', ?, 0, 1)", (size,))
        add_first_message(connection, 0, "mail", PAYER)
        add_first_message(connection, 1, "webhook", None)


def add_first_message(connection: Any, part: int, channel: str, recipient: str | None) -> None:
    (message_id,) = MessageIds().fresh(NOON, 1)
    connection.execute(
        "INSERT INTO outbox (merchant_id, serial, position, part, message_id, number, channel, topic, recipient, facts,"
        " due_at) VALUES ('acme', 1, 0, ?, ?, '1', ?, 'invoice', ?, '{\"total\":\"293.5\"}', ?)",
        (part, message_id, channel, recipient, NOON_TEXT),
    )


async def test_books_of_the_first_release_are_brought_over_and_what_it_still_writes_is_understood(
    unmade_sqlite: Any,
) -> None:
    await migrate_file(unmade_sqlite.path, migrations=MIGRATIONS[:1])
    make_first_books(unmade_sqlite.path)

    assert await migrate_file(unmade_sqlite.path) == len(MIGRATIONS) - 1
    with connect(unmade_sqlite.path) as connection:
        add_first_message(connection, 2, "webhook", None)
    create_key_file(unmade_sqlite.key_path)
    store = await unmade_sqlite.open()

    deliveries, outbox = store.deliveries_of("acme"), store.outbox
    assert [job.recipient for job in await deliveries.deliveries(DeliveryFilter(), None, 9)] == [PAYER]
    assert await outbox.next_due() == NOON
    (job,) = await lease(outbox, NOON + HOUR)
    assert (job.channel, job.recipient, job.facts) == (Channel.MAIL, PAYER, {"total": "293.5"})
    assert (job.created_at, job.due_at, job.tries) == (NOON.replace(microsecond=123_000), NOON, 0)
    await settle(outbox, job, JobState.PARKED, tried=FAILED)
    assert await lease(outbox, NOON + HOUR) == [], "what was for nobody is for nobody"
    assert await outbox.next_due() is None
    assert await deliveries.recover(NOON, NOON, NOON, ACTOR) == 1
    await assert_all_holds(store)
    await store.close()
