"""
What tests of paying stand on: books in memory that keep the store's promises, and a processor with a ledger of its own.

Both can be killed at any step: `Steps.die_at` counts every call in and every answer out.
"""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from builders import NOON
from paydue.domain.attempts import AttemptState, MaskedAccount, PaymentAttempt
from paydue.domain.errors import NoSuchInvoice
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.domain.refunds import Refund, RefundState
from paydue.domain.settings import Settings
from paydue.domain.unapplied import UnappliedMoney
from paydue.usecases.attempt_ports import AttemptChange, AttemptExists, Kept, NotificationSeen, TransactionTaken
from paydue.usecases.change_attempt import Books
from paydue.usecases.gateway_ports import (
    Capabilities,
    Checkout,
    CheckoutRequest,
    Health,
    Kind,
    Notification,
    Outcome,
    Reason,
)
from paydue.usecases.pay_invoice import PaymentWish, begin_payment, charge_payment
from paydue.usecases.ports import Actor, Change, Message, StaleVersion
from paydue.usecases.reconcile_payments import reconcile_payments

PAYER = Actor("payer", "c-1")


class Killed(BaseException):
    """The process is gone."""


class Steps:
    """Counts calls in and answers out, and kills the process at one of them."""

    def __init__(self) -> None:
        self.taken = 0
        self.die_at: int | None = None

    def step(self) -> None:
        self.taken += 1
        if self.taken == self.die_at:
            raise Killed

    @contextlib.asynccontextmanager
    async def around(self):
        self.step()
        await asyncio.sleep(0)
        yield
        await asyncio.sleep(0)
        self.step()


class Mortal:
    """Stands before a store or its attempts, and lets the process die before or after any call that writes or reads."""

    def __init__(self, real: Any, steps: Steps) -> None:
        self._real = real
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in ("invoice", "commit", "attempt", "keep", "attempt_by_payer_key", "unapplied"):
            return found

        async def stepping(*arguments: Any, **named: Any) -> Any:
            self._steps.step()
            answer = await found(*arguments, **named)
            self._steps.step()
            return answer

        return stepping


class MovedClock:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def nanoseconds(self) -> int:
        return int(self.at.timestamp()) * 1_000_000_000

    def attempt_id(self) -> str:
        return str(uuid.uuid4())


class MemoryBooks:
    """A merchant's invoices and attempts: store, attempts and what is to be looked at, in one."""

    merchant_id = "acme"

    def __init__(self, steps: Steps | None = None) -> None:
        self.steps = steps or Steps()
        self.invoices: dict[str, Invoice] = {}
        self.attempts: dict[str, PaymentAttempt] = {}
        self.money: dict[tuple[str, str], UnappliedMoney] = {}
        self.event_ids: set[tuple[str, str]] = set()
        self.messages: list[Message] = []
        self.merchant_email: str | None = "owner@acme.example"
        self._turns: dict[str, asyncio.Lock] = {}

    def put(self, invoice: Invoice) -> Invoice:
        self.invoices[invoice.number] = invoice = replace(invoice, serial=1, version=1)
        return invoice

    def restarted(self) -> None:
        """Forget what only the process knew."""
        self._turns = {}
        self.steps.die_at = None

    def topics(self) -> Counter[str]:
        return Counter(message.topic for message in self.messages)

    async def merchant(self) -> Merchant:
        return Merchant(merchant_id="acme", name="Acme", email=self.merchant_email)

    async def settings(self, product: object) -> Settings:
        return Settings()

    async def webhooks_for(self, event_type: str) -> Sequence[str]:
        return ("hook",)

    def turn(self, number: str) -> asyncio.Lock:
        return self._turns.setdefault(number, asyncio.Lock())

    async def invoice(self, number: str) -> Invoice | None:
        async with self.steps.around():
            return self.invoices.get(number)

    async def commit(self, change: Change) -> Invoice:
        async with self.steps.around():
            self._check(change)
            return self._write(change)

    async def attempt(self, attempt_id: str) -> PaymentAttempt | None:
        async with self.steps.around():
            return self.attempts.get(attempt_id)

    async def attempt_by_payer_key(self, number: str, payer_key: str) -> PaymentAttempt | None:
        return self._find(number=number, payer_key=payer_key)

    async def attempt_by_reference(self, gateway: str, reference: str) -> PaymentAttempt | None:
        return self._find(gateway=gateway, reference=reference)

    async def attempt_by_session(self, gateway: str, session: str) -> PaymentAttempt | None:
        return self._find(gateway=gateway, session=session)

    async def attempt_by_transaction(self, number: str, transaction_id: str) -> PaymentAttempt | None:
        return self._find(number=number, transaction_id=transaction_id)

    async def attempts_of(self, number: str, limit: int = 100) -> Sequence[PaymentAttempt]:
        return [each for each in reversed(self.attempts.values()) if each.number == number][:limit]

    async def attempts_with_money(self, number: str) -> Sequence[PaymentAttempt]:
        wanted = (AttemptState.SETTLED, AttemptState.HELD)
        return [each for each in await self.attempts_of(number) if each.state in wanted]

    async def unapplied(self, transaction_id: str, gateway: str) -> UnappliedMoney | None:
        return self.money.get((gateway, transaction_id))

    async def unapplied_money(self, *, resolved: bool, limit: int = 100) -> Sequence[UnappliedMoney]:
        return [each for each in self.money.values() if (each.resolved_at is not None) is resolved][:limit]

    async def keep(self, change: AttemptChange) -> Kept:
        async with self.steps.around():
            stored, after = self.attempts.get(change.after.attempt_id), change.after
            if (stored.version if stored else 0) != (change.before.version if change.before else 0):
                raise StaleVersion
            if change.event_id is not None and (after.gateway, change.event_id) in self.event_ids:
                raise NotificationSeen
            for other in self.attempts.values():
                if other.attempt_id == after.attempt_id:
                    continue
                if (other.number, other.payer_key) == (after.number, after.payer_key):
                    raise AttemptExists
                if after.transaction_id and other.transaction_id == after.transaction_id:
                    raise TransactionTaken
            after.assert_facts()
            if change.invoice is not None:
                self._check(change.invoice)
            invoice = self._write(change.invoice) if change.invoice is not None else None
            if change.unapplied is not None:
                self.money[change.unapplied.gateway, change.unapplied.transaction_id] = change.unapplied
            if change.event_id is not None:
                self.event_ids.add((after.gateway, change.event_id))
            self.messages += change.messages
            self.attempts[after.attempt_id] = after = replace(after, version=after.version + 1)
            return Kept(after, invoice)

    async def due(self, at: datetime, limit: int) -> Sequence[tuple[str, str]]:
        waiting = [each for each in self.attempts.values() if each.next_look_at and each.next_look_at <= at]
        return [("acme", each.attempt_id) for each in waiting][:limit]

    async def unfinished(self, after: tuple[str, str] | None, limit: int) -> Sequence[tuple[str, str]]:
        waiting = sorted(("acme", each.attempt_id) for each in self.attempts.values() if each.next_look_at)
        return [each for each in waiting if after is None or each > after][:limit]

    async def next_look(self) -> datetime | None:
        return min((each.next_look_at for each in self.attempts.values() if each.next_look_at), default=None)

    def _find(self, **wanted: str) -> PaymentAttempt | None:
        self.steps.step()
        for each in self.attempts.values():
            if all(getattr(each, name) == value for name, value in wanted.items()):
                return each
        return None

    def _check(self, change: Change) -> None:
        assert change.before is not None
        stored = self.invoices.get(change.after.number)
        if stored is None:
            raise NoSuchInvoice(change.after.number)
        if stored.version != change.before.version:
            raise StaleVersion
        change.after.assert_facts()

    def _write(self, change: Change) -> Invoice:
        self.messages += change.messages
        after = replace(change.after, version=change.after.version + 1)
        self.invoices[after.number] = after
        return after


class Processor:
    """
    A processor as a ledger: what it holds is the truth that the books are compared with.

    What is handed over says what happens: "ok", "decline", "held", "challenge", "lost before", "lost after",
    "half", "other currency", "unavailable", "down".
    """

    def __init__(self, steps: Steps, *, redirects: bool = False) -> None:
        self.steps = steps
        self.capabilities = Capabilities(name="ledger", redirects=redirects, can_review=True, is_test=True)
        self.charges: dict[str, Outcome] = {}
        self.asked: Counter[str] = Counter()
        self.refunds: dict[str, Outcome] = {}
        self.closed: set[str] = set()
        self.refund_with = "ok"
        self.is_deaf = False
        self._numbers = iter(range(1, 1_000_000))

    @property
    def net(self) -> Decimal:
        """What the processor has taken and not given back."""
        taken = (each.amount for each in self.charges.values() if each.kind is Kind.CHARGED)
        given = (each.amount for each in self.refunds.values() if each.kind is Kind.REFUNDED)
        return sum(taken, Decimal(0)) - sum(given, Decimal(0))

    async def begin(self, request: CheckoutRequest) -> Checkout | Outcome:
        async with self.steps.around():
            attempt = request.attempt
            return Checkout(session=f"session {attempt.attempt_id}", expires_at=attempt.expires_at, frame_url="x")

    async def charge(self, attempt: PaymentAttempt, handed_over: str) -> Outcome:
        async with self.steps.around():
            self.asked[attempt.reference] += 1
            return self.pay(attempt, handed_over)

    def pay(self, attempt: PaymentAttempt, handed_over: str) -> Outcome:
        """Do what a payer's click does, on whosever page it is."""
        found = Outcome(
            kind=Kind.CHARGED,
            amount=attempt.amount,
            currency=attempt.currency,
            reference=attempt.reference,
            transaction_id=f"T{next(self._numbers)}",
            account=MaskedAccount(brand="Visa", last4="1111"),
            raw="AUTHORIZED",
        )
        match handed_over:
            case "decline":
                found = replace(found, kind=Kind.DECLINED, reason=Reason.FUNDS, raw="INSUFFICIENT_FUND")
            case "held":
                found = replace(found, kind=Kind.HELD)
            case "challenge":
                found = replace(found, kind=Kind.WAITING_FOR_PAYER, next_url="https://bank.example/")
            case "half":
                found = replace(found, amount=attempt.amount / 2)
            case "other currency":
                found = replace(found, currency="EUR")
            case "unavailable":
                return Outcome(kind=Kind.UNAVAILABLE, reason=Reason.TRY_LATER)
            case "lost before":
                return Outcome(kind=Kind.UNKNOWN, raw="connection dropped")
        self.charges[attempt.reference] = found
        return Outcome(kind=Kind.UNKNOWN, raw="connection dropped") if handed_over == "lost after" else found

    async def look_up(self, attempt: PaymentAttempt) -> Outcome:
        async with self.steps.around():
            if self.is_deaf:
                return Outcome(kind=Kind.UNAVAILABLE)
            return self.charges.get(attempt.reference, Outcome(kind=Kind.NOT_FOUND))

    async def void(self, attempt: PaymentAttempt) -> Outcome:
        async with self.steps.around():
            found = self.charges.get(attempt.reference)
            if found is None:
                return Outcome(kind=Kind.NOT_FOUND)
            self.charges[attempt.reference] = replace(found, kind=Kind.VOIDED)
            return self.charges[attempt.reference]

    async def close(self, attempt: PaymentAttempt) -> Outcome:
        async with self.steps.around():
            self.closed.add(attempt.reference)
            return self.charges.get(attempt.reference, Outcome(kind=Kind.CANCELED))

    async def refund(self, attempt: PaymentAttempt, refund: Refund) -> Outcome:
        async with self.steps.around():
            self.asked[refund.refund_id] += 1
            kind = {"pending": Kind.REFUND_PENDING, "fails": Kind.REFUND_FAILED}.get(self.refund_with, Kind.REFUNDED)
            done = Outcome(kind=kind, amount=refund.amount, transaction_id=f"R{next(self._numbers)}")
            if self.refund_with != "lost before":
                self.refunds[refund.refund_id] = done
            return done if not self.refund_with.startswith("lost") else Outcome(kind=Kind.UNKNOWN)

    async def look_up_refund(self, attempt: PaymentAttempt, refund: Refund) -> Outcome:
        async with self.steps.around():
            return self.refunds.get(refund.refund_id, Outcome(kind=Kind.NOT_FOUND))

    async def review(self, attempt: PaymentAttempt, *, accepts: bool) -> Outcome:
        async with self.steps.around():
            found = self.charges[attempt.reference]
            if found.kind is Kind.HELD:
                found = replace(found, kind=Kind.CHARGED if accepts else Kind.DECLINED)
                self.charges[attempt.reference] = found
            return found

    def notifications(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notification]:
        return ()

    def content_sources(self) -> Mapping[str, Sequence[str]]:
        return {}

    async def check(self) -> Health:
        return Health(is_up=True, detail="")


class Shop:
    """Books, processor and clock, and the walks that tests take through them."""

    def __init__(self, *, redirects: bool = False) -> None:
        self.steps = Steps()
        self.memory = MemoryBooks(self.steps)
        self.books = Books(self.memory, self.memory)
        self.processor = Processor(self.steps, redirects=redirects)
        self.clock = MovedClock()

    @property
    def invoice(self) -> Invoice:
        return self.memory.invoices["7"]

    @property
    def unapplied(self) -> Decimal:
        held = [each.amount for each in self.memory.money.values() if each.resolved_at is None]
        return sum(held, Decimal(0))

    def wish(self, amount: str, payer_key: str) -> PaymentWish:
        page = "https://pay.example/"
        return PaymentWish(
            number="7",
            amount=Decimal(amount),
            payer_key=payer_key,
            page_origin="https://pay.example",
            return_url=page,
            cancel_url=page,
        )

    async def begin(self, amount: str, payer_key: str = "k1", **changed):
        wish = replace(self.wish(amount, payer_key), **changed)
        return await begin_payment(self.books, self.processor, wish, clock=self.clock, ids=self.clock, actor=PAYER)

    async def charge(self, attempt: PaymentAttempt, handed_over: str = "ok") -> PaymentAttempt:
        return await charge_payment(
            self.books, self.processor, attempt.number, attempt.attempt_id, handed_over, clock=self.clock, actor=PAYER
        )

    async def pay(self, amount: str, handed_over: str = "ok", payer_key: str = "k1", **changed) -> PaymentAttempt:
        return await self.charge((await self.begin(amount, payer_key, **changed)).attempt, handed_over)

    async def reconcile(self, *, everything: bool = False) -> int:
        return await reconcile_payments(
            self.memory,
            lambda _: self.books,
            lambda _merchant, _name: self.processor,
            clock=self.clock,
            correlation_id="r",
            everything=everything,
        )

    async def wait(self, longest: timedelta = timedelta(hours=26)) -> None:
        """Let so much time pass, from look to look."""
        end = self.clock.at + longest
        while (look_at := await self.memory.next_look()) is not None and look_at <= end:
            self.clock.at = max(self.clock.at, look_at)
            await self.reconcile()
        self.clock.at = end

    def assert_books_agree(self) -> None:
        """The invoice and what no invoice holds say what the processor's ledger says, and nothing is open."""
        invoice = self.invoice
        invoice.assert_facts()
        assert invoice.paid - invoice.refunded + self.unapplied == self.processor.net
        attempts = self.memory.attempts.values()
        due_again = [
            each.amount
            for attempt in attempts
            for each in attempt.refunds
            if each.is_due_again and each.state is RefundState.DONE
        ]
        assert sum((each.charged for each in attempts), Decimal(0)) - sum(due_again, Decimal(0)) == invoice.paid
        assert not any(each.is_in_flight for each in attempts)
        assert invoice.reservations == ()
        assert all(count == 1 for count in self.processor.asked.values())
