"""An installation that delivers, with a real database and a clock that tests move: say only what the test is about."""

import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from builders import NOON, a_payment, some_terms
from paydue.delivery.egress import Egress
from paydue.delivery.mail_documents import MailDocuments
from paydue.delivery.mail_transport import Fate, Handed, MailTransport, Posting
from paydue.delivery.post_office import Books, PostOffice, PostOptions
from paydue.delivery.webhook_messenger import WebhookMessenger
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.domain.settings import ProductType, Settings
from paydue.domain.webhooks import ProductEvents, Subscription
from paydue.storage.postgres.schema import migrate_database
from paydue.storage.postgres.store import PostgresStore
from paydue.storage.sqlite.schema import migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.create_invoice import CreateInvoice, create_invoice
from paydue.usecases.delivery_ports import DeliveryFilter, Job, Try
from paydue.usecases.webhook_keys import create_signing_key
from paydue.wire.notification_json import write_notification, write_snapshot
from paydue.wire.write_invoice import payment_link
from storing import ACTOR, FixedClock, a_token
from webhook_builders import a_subscription

EVENTS = tuple(
    f"invoicing.customer.invoice.{name}"
    for name in ("send", "cancel", "paid", "partial-payment", "partial-resend", "reminder", "overdue-reminder")
)
PORTAL = "https://pay.example"
ACME = "acme"
PAYER = "tanya.lee@my-email.world"
DAY = timedelta(days=1)


class Recorder:
    """A transport that takes every mail, or answers as it is told: for `refused`, then `answers`, then `usual`."""

    def __init__(self) -> None:
        self.posted: list[Posting] = []
        self.refused: set[str] = set()
        self.answers: list[Handed | Exception] = []
        self.usual = Handed(fate=Fate.TAKEN, outcome="accepted, 250", status=250)

    async def hand_over(self, posting: Posting) -> Handed:
        self.posted.append(posting)
        if posting.recipient in self.refused:
            return Handed(fate=Fate.NEVER, outcome="recipient refused, 550", status=550)
        answer = self.answers.pop(0) if self.answers else self.usual
        if isinstance(answer, Exception):
            raise answer
        return answer

    def to(self, recipient: str) -> int:
        """Return how many mails it was handed for that address."""
        return sum(posting.recipient == recipient for posting in self.posted)

    async def close(self) -> None:
        """Nothing is open."""


class Secrets:
    def payment_token(self) -> str:
        return a_token()


class Installation:
    """One merchant, `acme`, whose mails go to `transport` and whose webhooks go through `egress`."""

    store: SqliteStore | PostgresStore
    office: PostOffice
    documents: Callable[[SqliteStore | PostgresStore], MailDocuments] | None = None

    def __init__(self, folder: Path, egress: Egress, transport: MailTransport, database: str | None = None) -> None:
        """The database is a SQLite file in `folder`, or `database`, the URL of an empty one on PostgreSQL."""
        self.folder = folder
        self.database = database
        self.egress = egress
        self.transport = transport
        self.clock = FixedClock(NOON)
        self.options = PostOptions(
            mail_domain="pay.example",
            link_of=lambda token: payment_link(PORTAL, token),
            reminders_url=f"{PORTAL}/reminders/",
            console_url=f"{PORTAL}/console",
            secret=b"secret",
            idle_seconds=0.05,
        )

    async def make(self, **merchant: Any) -> None:
        """Make the database, with the merchant in it, and open it."""
        create_key_file(self.folder / "paydue.key")
        if self.database is not None:
            await migrate_database(self.database)
        else:
            await migrate_file(self.folder / "paydue.db")
        await self.open()
        values = {"name": "Acme Ltd", "email": "owner@acme.example", **merchant}
        await self.store.add_merchant(Merchant(merchant_id=ACME, **values))

    async def open(self, **options: Any) -> None:
        key_file = KeyFile.read(self.folder / "paydue.key")
        if self.database is not None:
            self.store = await PostgresStore.open(self.database, key_file, self.clock)
        else:
            self.store = await SqliteStore.open(self.folder / "paydue.db", key_file, self.clock, serves=True)
        self.options = msgspec.structs.replace(self.options, **options)
        messenger = WebhookMessenger(
            subscriptions_of=self.store.subscriptions_of,
            egress=self.egress,
            write=write_notification,
            write_snapshot=write_snapshot,
            clock=self.clock,
        )
        books = Books(
            store=self.store,
            outbox=self.store.outbox,
            reminders=self.store.reminders,
            subscriptions_of=self.store.subscriptions_of,
            deliveries_of=self.store.deliveries_of,
            suppressions_of=self.store.suppressions_of,
            mail_counts=self.store.mail_counts,
        )
        self.office = PostOffice(
            books,
            transport=self.transport,
            egress=self.egress,
            messenger=messenger,
            clock=self.clock,
            options=self.options,
            documents=self.documents(self.store) if self.documents is not None else None,
        )

    async def reopen(self, **options: Any) -> None:
        """Close the database and open it again, as after a crash or with other choices."""
        await self.store.close()
        await self.open(**options)

    # What merchants do.

    async def send(self, number: str = "", **terms: Any) -> Invoice:
        wish = CreateInvoice(terms=some_terms(**terms), number=number, publish_now=True)
        return await create_invoice(self.store.of(ACME), wish, at=self.clock.now(), secrets=Secrets(), actor=ACTOR)

    async def change(self, number: str, change: Any) -> Invoice:
        return await change_invoice(self.store.of(ACME), number, lambda each: Decision(change(each)), actor=ACTOR)

    async def pay(self, number: str, amount: str) -> Invoice:
        payment = a_payment(amount)
        return await change_invoice(
            self.store.of(ACME),
            number,
            lambda each: Decision(each.receive(payment, self.clock.now()), payment),
            actor=ACTOR,
        )

    async def cancel(self, number: str) -> Invoice:
        return await self.change(number, lambda each: each.cancel(self.clock.now()))

    async def set(self, **values: Any) -> None:
        store = self.store.of(ACME)
        before = await store.settings(ProductType.INVOICING)
        await store.save_settings(ProductType.INVOICING, before, Settings(**values), None)

    async def subscribe(self, url: str, *, with_key: bool = True, **values: Any) -> Subscription:
        """Keep an active subscription to everything about invoices, and a key to sign with."""
        subscriptions = self.store.subscriptions_of(ACME)
        if with_key and not await subscriptions.keys():
            await self.add_key()
        everything = ProductEvents(product_id="customerInvoicing", event_types=EVENTS)
        values = {"webhook_id": str(uuid.uuid4()), "products": (everything,), **values}
        wanted = a_subscription(url=url, organization_id=ACME, **values)
        return await subscriptions.add_subscription(wanted, 20, ACTOR, None)

    async def add_key(self) -> None:
        await create_signing_key(self.store.subscriptions_of(ACME), at=self.clock.now(), actor=ACTOR)

    # What workers do, one round at a time.

    async def work(self) -> int:
        """Deliver everything that is due now, once; return how many goes that took."""
        at, goes = self.clock.now(), 0
        while jobs := await self.store.outbox.lease("a worker", at, at + timedelta(minutes=5), 100):
            for job in jobs:
                await self.go(job)
            goes += len(jobs)
        return goes

    async def go(self, job: Job) -> None:
        settlement = await self.office.worker.deliverers[job.channel].deliver(job)
        await self.store.outbox.settle(job, settlement.state, settlement.due_at, settlement.tried)

    async def jobs(self, **wanted: Any) -> Sequence[Job]:
        """Return the merchant's messages, oldest first."""
        found = await self.store.deliveries_of(ACME).deliveries(DeliveryFilter(**wanted), None, 1000)
        return list(reversed(found))

    async def tries(self, job: Job) -> Sequence[Try]:
        found = await self.store.deliveries_of(ACME).delivery(job.message_id)
        assert found is not None
        return found[1]

    async def until_next(self) -> None:
        """Move the clock to when the next job is due."""
        due = await self.store.outbox.next_due()
        assert due is not None
        self.clock.at = max(due, self.clock.at)
