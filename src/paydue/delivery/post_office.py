"""
Everything that delivers, joined: one worker on the outbox, and the duties that make work for it or tidy up after it.

Apart from `bootstrap/`, which hands over what is real, so that a test can join the same parts around others.
"""

import asyncio
import hmac
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from paydue.delivery.egress import Egress
from paydue.delivery.health_checks import HealthChecks
from paydue.delivery.mail_delivery import MailDelivery
from paydue.delivery.mail_documents import MailDocuments
from paydue.delivery.mail_limits import DailyLimit, MailsADay
from paydue.delivery.mail_transport import MailTransport
from paydue.delivery.mail_writer import MailWriter
from paydue.delivery.notices import Notices
from paydue.delivery.pace import Pace
from paydue.delivery.returned_mail import ReturnedMail
from paydue.delivery.scheduler import Duty, Scheduler
from paydue.delivery.sealed import Seal
from paydue.delivery.subscription_moves import SubscriptionMoves
from paydue.delivery.troubled_mail import TroubledMail
from paydue.delivery.webhook_delivery import WebhookDelivery
from paydue.delivery.webhook_messenger import WebhookMessenger
from paydue.delivery.worker import Worker
from paydue.domain.invoice import Invoice
from paydue.domain.retry_policy import DEFAULTS, DefaultPolicy
from paydue.usecases.delivery_ports import Deliveries, MailCounts, Outbox, Reminders, Suppressions
from paydue.usecases.forget_old import forget_old
from paydue.usecases.park_held import HoldLimits, park_held
from paydue.usecases.ports import Channel, Clock, Store
from paydue.usecases.remind_payers import Rounds, remind_payers
from paydue.usecases.reminder_links import ReminderLinks
from paydue.usecases.webhook_ports import Subscriptions

_REMINDERS_SECONDS: Final = 60.0
_HEALTH_SECONDS: Final = 5.0
_HELD_SECONDS: Final = 300.0
_BOUNCES_SECONDS: Final = 10.0
_FORGET_SECONDS: Final = 3600.0


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept, as delivering needs it."""

    store: Store
    outbox: Outbox
    reminders: Reminders
    subscriptions_of: Callable[[str], Subscriptions]
    deliveries_of: Callable[[str], Deliveries]
    suppressions_of: Callable[[str], Suppressions]
    mail_counts: MailCounts


class PostOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    The operator's choices. `mail_domain` is what mails come from, `link_of` makes a payment link of its token,
    `receipt_of` the address of a receipt of merchant id, invoice and transaction id. `reminders_url` is what links
    that stop reminders begin with.

    `secret` is what lies outside of the database: it seals what is written, and proves what we gave out.
    """

    mail_domain: str
    link_of: Callable[[str], str]
    reminders_url: str
    console_url: str
    secret: bytes
    receipt_of: Callable[[str, Invoice, str], str] | None = None
    mails_a_day: MailsADay = MailsADay()
    hold_limits: HoldLimits = HoldLimits()
    give_up_after: timedelta | None = None
    bounce_dir: Path | None = None
    default_policy: DefaultPolicy = DefaultPolicy.COMPATIBLE
    idle_seconds: float = 1.0


class PostOffice:
    """One process's share in delivering. Without a `transport` mails wait in the outbox until there is one."""

    def __init__(
        self,
        books: Books,
        *,
        transport: MailTransport | None,
        egress: Egress,
        messenger: WebhookMessenger,
        clock: Clock,
        options: PostOptions,
        duties: Sequence[Duty] = (),
        documents: MailDocuments | None = None,
        pace: Pace | None = None,
    ) -> None:
        """
        `duties` are done beside those of delivering. With `documents`, mails have PDFs attached. `pace` gives way to
        others on the same event loop.
        """
        self._books = books
        self._transport = transport
        self._options = options
        self._rounds = Rounds()
        seal = Seal(_derived(options.secret, b"paydue renderings"))
        links = ReminderLinks(options.secret)
        writer = MailWriter(
            store=books.store,
            deliveries_of=books.deliveries_of,
            reminders=books.reminders,
            stop_link_of=lambda reminded: options.reminders_url + links.ticket(reminded),
            link_of=options.link_of,
            console_url=options.console_url,
            domain=options.mail_domain,
            receipt_of=options.receipt_of,
            documents=documents,
        )
        notices = Notices(books.store, books.outbox)
        trouble = TroubledMail(books.outbox, notices, books.suppressions_of)
        self._returned = ReturnedMail(books.outbox, trouble, bounce_key(options.secret))
        moves = SubscriptionMoves(books.subscriptions_of, notices, give_up_after=options.give_up_after)
        mails = MailDelivery(
            store=books.store,
            outbox=books.outbox,
            writer=writer,
            notices=notices,
            trouble=trouble,
            transport=transport,
            domain=options.mail_domain,
            bounce_key=bounce_key(options.secret),
            seal=seal,
            limit=DailyLimit(books.mail_counts, options.mails_a_day),
            clock=clock,
        )
        webhooks = WebhookDelivery(
            outbox=books.outbox,
            subscriptions_of=books.subscriptions_of,
            writer=writer,
            messenger=messenger,
            moves=moves,
            seal=seal,
            default_policy=DEFAULTS[options.default_policy],
            clock=clock,
        )
        self.worker = Worker(
            books.outbox,
            {Channel.MAIL: mails, Channel.WEBHOOK: webhooks},
            clock,
            name=str(uuid.uuid4()),
            idle_seconds=options.idle_seconds,
            pace=pace,
        )
        self.health_checks = HealthChecks(
            store=books.store,
            outbox=books.outbox,
            subscriptions_of=books.subscriptions_of,
            deliveries_of=books.deliveries_of,
            egress=egress,
            moves=moves,
        )
        self._scheduler = Scheduler(
            (
                Duty("remind payers", _REMINDERS_SECONDS, self._remind),
                Duty("check receivers", _HEALTH_SECONDS, self.health_checks.run),
                Duty("enter what came back", _BOUNCES_SECONDS, self._enter_bounces),
                Duty("park what is held too long", _HELD_SECONDS, self._park_held),
                Duty("forget what is old", _FORGET_SECONDS, self._forget),
                *duties,
            ),
            clock,
        )

    def wake(self) -> None:
        """Have the outbox looked at now."""
        self.worker.wake()

    def stop(self) -> None:
        """Begin no more; `run` ends when what was begun is through."""
        self.worker.stop()
        self._scheduler.stop()

    async def run(self) -> None:
        """Deliver until stopped."""
        try:
            async with asyncio.TaskGroup() as running:
                running.create_task(self.worker.run())
                running.create_task(self._scheduler.run())
        finally:
            if self._transport is not None:
                await self._transport.close()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Deliver for the length of a `with` block."""
        running = asyncio.create_task(self.run())
        try:
            yield
        finally:
            self.stop()
            await running

    async def _remind(self, at: datetime) -> None:
        books, correlation_id = self._books, str(uuid.uuid4())
        if await remind_payers(books.store, books.reminders, at=at, correlation_id=correlation_id, rounds=self._rounds):
            self.wake()

    async def _forget(self, at: datetime) -> None:
        await forget_old(self._books.store, self._books.outbox, self._books.mail_counts, at=at)

    async def _enter_bounces(self, at: datetime) -> None:
        if self._options.bounce_dir is not None and await self._returned.empty(self._options.bounce_dir, at):
            self.wake()

    async def _park_held(self, at: datetime) -> None:
        await park_held(self._books.outbox, self._options.hold_limits, at=at)


def bounce_key(secret: bytes) -> bytes:
    """Return the key of the envelope senders that we give out."""
    return _derived(secret, b"paydue bounces")


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, purpose, "sha256")
