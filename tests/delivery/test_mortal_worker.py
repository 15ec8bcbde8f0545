"""
A real worker, killed between any two steps of a delivery and started again, on both engines.

Nothing is lost. A second copy comes only after a death in the one gap that the protocols leave, between handing a
message over and writing down that it was taken; and then it is the same message under the same id.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from builders import a_payment, some_terms
from mail_server import mail_server
from paydue.bootstrap import SystemClock, SystemSecrets, make_store, open_store
from paydue.config import Config
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.domain.webhooks import ProductEvents
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.create_invoice import CreateInvoice, create_invoice
from paydue.usecases.delivery_ports import DeliveryFilter, JobState
from paydue.usecases.webhook_keys import create_signing_key
from postgres_server import PostgresServer
from receiver import authority_file, receiving
from running import clean, in_a_thread
from storing import ACTOR, assert_all_holds
from webhook_builders import a_subscription

ACME = "acme"
PAYER = "tanya.lee@customer.example"
MOST_STEPS = 100
LEASE_MINUTES = 10


class Worker:
    """A worker on one installation, as `mortal.py` runs it."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, order: Mapping[str, Any]) -> None:
        self._process = process
        self._order = order
        self._log = folder / "worker.log"
        self._steps = folder / "worker.steps"

    def live(self, *, die_at: int | None = None, minutes: int = 0) -> list[str] | None:
        """Deliver what is due; return the steps that were taken if it died on the way, and None if it did not."""
        files = {"log": str(self._log), "steps": str(self._steps)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**self._order, **files, "die_at": die_at, "minutes": minutes}) + "\n")
        self._process.stdin.flush()
        end = json.loads(self._process.stdout.readline())
        if end["died"]:
            return self._steps.read_text().splitlines()
        assert end["exit_code"] == 0, self._log.read_text()[-3000:]
        return None


@contextmanager
def a_mortal(folder: Path, config: Config, **environment: str) -> Iterator[Worker]:
    place = ["--data", str(config.data), *(("--database", config.database) if config.database else ())]
    order = {"environment": environment, "arguments": ["worker", *place, "--public-url", "https://pay.example"]}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("mortal.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean({"PYTHONPATH": str(Path(__file__).parents[1])}),
    ) as process:
        yield Worker(process, folder, order)
        assert process.stdin is not None
        process.stdin.close()


@dataclass
class Installation:
    config: Config
    store: Any

    async def send(self) -> Invoice:
        """Send an invoice: one mail is owed."""
        return await self._create(some_terms(email=PAYER))

    async def receive(self) -> Invoice:
        """Take a payment of an invoice that nobody is mailed about: one notification is owed."""
        invoice = await self._create(some_terms(email=None))
        payment, at = a_payment("293.5"), SystemClock().now()
        return await change_invoice(
            self.store.of(ACME), invoice.number, lambda each: Decision(each.receive(payment, at), payment), actor=ACTOR
        )

    async def subscribe(self, url: str) -> None:
        subscriptions = self.store.subscriptions_of(ACME)
        await create_signing_key(subscriptions, at=SystemClock().now(), actor=ACTOR)
        paid = ProductEvents(product_id="customerInvoicing", event_types=("invoicing.customer.invoice.paid",))
        wanted = a_subscription(url=url, organization_id=ACME, products=(paid,))
        await subscriptions.add_subscription(wanted, 20, ACTOR, None)

    async def message_id(self, invoice: Invoice) -> str:
        """Return the id of the invoice's one message, which is through after a single try that was written down."""
        deliveries = self.store.deliveries_of(ACME)
        (job,) = await deliveries.deliveries(DeliveryFilter(number=invoice.number), None, 10)
        _, tries = await deliveries.delivery(job.message_id)
        assert (job.state, [tried.is_taken for tried in tries]) == (JobState.DONE, [True])
        return str(job.message_id)

    async def _create(self, terms: Any) -> Invoice:
        wish = CreateInvoice(terms=terms, publish_now=True)
        at = SystemClock().now()
        return await create_invoice(self.store.of(ACME), wish, at=at, secrets=SystemSecrets(), actor=ACTOR)


@pytest.fixture(params=["sqlite", "postgresql"])
async def installation(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    database = None
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        database = server.new_database()
    config = Config(data=tmp_path / "data", database=database)
    await make_store(config)
    # The server goes on serving beside the workers that die.
    store = await open_store(config, serves=True)
    await store.add_merchant(Merchant(merchant_id=ACME, name="Acme Ltd"))
    yield Installation(config, store)
    await assert_all_holds(store)
    await store.close()


class Death(NamedTuple):
    """What was done of a delivery before the worker died, what was not any more, and the message after the restart."""

    done: list[str]
    next_step: str
    message_id: str
    copies: list[bytes]

    @property
    def commits(self) -> int:
        return len([step for step in self.done if step in ("commit", "run COMMIT")])

    def possible_copies(self, hand_over: str) -> tuple[int, ...]:
        """Return how many copies this death excuses; `hand_over` begins the step that lets the message out."""
        # Three transactions: the lease, what was written, and what became of it.
        if not any(step.startswith(hand_over) for step in self.done) or self.commits == 3:
            return (1,)
        # Nobody can tell whether what was let go of had left the process.
        return (1, 2) if self.next_step.startswith("read") else (2,)


async def every_death(
    installation: Installation,
    worker: Worker,
    happen: Callable[[], Awaitable[Invoice]],
    copies: Callable[[], list[bytes]],
) -> list[Death]:
    """Have one message owed for each step of its delivery, kill the worker there, and start it again."""
    deaths: list[Death] = []
    for die_at in range(1, MOST_STEPS):
        invoice = await happen()
        steps = await asyncio.to_thread(worker.live, die_at=die_at)
        if steps is None:
            await installation.message_id(invoice)
            assert len(copies()) == 1
            return deaths
        again = await asyncio.to_thread(worker.live, minutes=LEASE_MINUTES)
        assert again is None
        deaths.append(Death(steps[:-1], steps[-1], await installation.message_id(invoice), copies()))
    raise AssertionError(f"a delivery has more than {MOST_STEPS} steps")


async def test_a_mail_over_smtp(installation: Installation, tmp_path: Path) -> None:
    def taken() -> list[bytes]:
        mails, server.taken = server.taken, []
        return [mail.content for mail in mails]

    with in_a_thread(mail_server()) as server:
        place = {"PAYDUE_SMTP_HOST": "127.0.0.1", "PAYDUE_SMTP_PORT": str(server.port), "PAYDUE_SMTP_SECURITY": "none"}
        with a_mortal(tmp_path, installation.config, **place) as worker:
            deaths = await every_death(installation, worker, installation.send, taken)
    for death in deaths:
        assert len(death.copies) in death.possible_copies("write From:"), death
        assert {a_message_id(mail) for mail in death.copies} == {f"<{death.message_id}@pay.example>"}, death
        assert len(set(death.copies)) == 1, death
    assert {1, 2} == {len(death.copies) for death in deaths}
    assert {"write DATA", "write QUIT"} <= {death.next_step for death in deaths}


async def test_a_mail_into_a_folder(installation: Installation, tmp_path: Path) -> None:
    box = tmp_path / "box"
    seen: set[Path] = set()

    def written() -> list[bytes]:
        new = set(box.iterdir()) - seen
        seen.update(new)
        return [file.read_bytes() for file in new]

    with a_mortal(tmp_path, installation.config, PAYDUE_MAILBOX_DIR=str(box)) as worker:
        deaths = await every_death(installation, worker, installation.send, written)
    for death in deaths:
        # A mail that is written again takes its own place, and leaves nothing beside it.
        assert [a_message_id(mail) for mail in death.copies] == [f"<{death.message_id}@pay.example>"], death
    assert {"fsync", "rename"} <= {death.next_step for death in deaths}


async def test_a_notification_over_https(installation: Installation, tmp_path: Path) -> None:
    def received() -> list[bytes]:
        calls, receiver.received = receiver.received, []
        assert all(call.headers("webhook-id") == [json.loads(call.body)["notificationId"]] for call in calls)
        return [call.body for call in calls]

    with in_a_thread(receiving(tmp_path)) as receiver:
        await installation.subscribe(receiver.url("/ok", "127.0.0.1"))
        rules = {
            "PAYDUE_EGRESS_PORTS": str(receiver.port),
            "PAYDUE_EGRESS_NETWORKS": "127.0.0.0/8",
            "PAYDUE_EGRESS_CA_FILE": str(authority_file(tmp_path)),
        }
        with a_mortal(tmp_path, installation.config, **rules) as worker:
            deaths = await every_death(installation, worker, installation.receive, received)
    for death in deaths:
        bodies = [json.loads(body) for body in death.copies]
        assert len(bodies) in death.possible_copies("write POST"), death
        assert {body["notificationId"] for body in bodies} == {death.message_id}, death
        assert len({json.dumps(body["payload"]) for body in bodies}) == 1, death
    assert {1, 2} == {len(death.copies) for death in deaths}
    assert {"open_connection", "read"} <= {death.next_step for death in deaths}


def a_message_id(mail: bytes) -> str:
    return str(message_from_bytes(mail)["Message-ID"])
