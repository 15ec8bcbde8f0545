"""The verifier's rules about attempts: each thing broken by hand is found, on every engine."""

from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from builders import NOON, a_payment, an_attempt, some_terms
from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.invoice import Invoice
from paydue.domain.reservations import Hold
from paydue.domain.unapplied import UnappliedMoney, WhyUnapplied
from paydue.usecases.attempt_ports import AttemptChange
from paydue.usecases.ports import Change
from storing import ACTOR, create, everything, publish

PARTS = some_terms("100", email=None, allows_partial_payments=True)


def an_open_attempt(attempt_id: str, state: AttemptState, **changed: Any) -> PaymentAttempt:
    look_at = None if state is AttemptState.SETTLED else NOON + timedelta(minutes=5)
    named = {"payer_key": attempt_id, "reference": f"7-{attempt_id}", "next_look_at": look_at, "amount": Decimal(20)}
    return an_attempt(state, attempt_id=attempt_id, **named | changed)


@pytest.fixture
async def books(installation: Any) -> Any:
    """Books with an invoice that is paid in part, refunded, taken back, held and being paid, each by an attempt."""
    acme, attempts = installation.store.of("acme"), installation.store.attempts_of("acme")
    invoice = await publish(acme, await create(acme, "7", terms=PARTS))

    async def keep(after: PaymentAttempt, changed: Invoice, **more: Any) -> Invoice:
        change = Change(before=invoice, after=changed, actor=ACTOR, **more.pop("change", {}))
        kept = await attempts.keep(AttemptChange(before=None, after=after, invoice=change, **more))
        return kept.invoice

    payment = a_payment("20", "T-1")
    settled = an_open_attempt("settled", AttemptState.SETTLED, charged=Decimal(20), transaction_id="T-1")
    invoice = await keep(settled, invoice.receive(payment, NOON), change={"payment": payment})
    invoice = await acme.commit(Change(before=invoice, after=invoice.refund("T-1", Decimal(5), NOON), actor=ACTOR))
    invoice = await acme.commit(Change(before=invoice, after=invoice.take_back("T-1", Decimal(3), NOON), actor=ACTOR))
    submitted = an_open_attempt("submitted", AttemptState.SUBMITTED)
    money = UnappliedMoney(
        gateway="sandbox",
        transaction_id="T-9",
        attempt_id="submitted",
        number="7",
        amount=Decimal(1),
        currency="USD",
        why=WhyUnapplied.TWICE,
        found_at=NOON,
    )
    invoice = await keep(
        submitted, invoice.reserve("submitted", Decimal(20), Hold.IN_FLIGHT), unapplied=money, event_id="e"
    )
    held = an_open_attempt("held", AttemptState.HELD, transaction_id="T-2")
    await keep(held, invoice.reserve("held", Decimal(20), Hold.IN_FLIGHT).hold("held", "T-2", NOON))
    return installation


def break_by_hand(books: Any, statement: str) -> None:
    if hasattr(books, "psql"):
        books.psql(statement)
        return
    with closing(apsw.Connection(str(books.path))) as connection:
        connection.set_busy_timeout(1000)
        connection.execute(statement).fetchall()
        assert connection.changes() > 0, statement


async def test_good_books_have_no_finding(books: Any) -> None:
    assert await everything(books.store.verify()) == []


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("balance", "UPDATE invoices SET paid = '20'"),
        ("balance", "UPDATE invoices SET refunded = '4'"),
        ("balance", "UPDATE invoices SET refunded = NULL"),
        ("balance", "UPDATE invoices SET refunded = 'x'"),
        ("balance", "UPDATE events SET data = 'x' WHERE what = 'REVERSAL'"),
        ("balance", "DELETE FROM events WHERE what = 'REVERSAL'"),
        ("document", "UPDATE invoices SET reservations = 'x'"),
        ("reservation", "UPDATE invoices SET reservations = NULL"),
        ("reservation", "UPDATE invoices SET reservations = replace(reservations, 'held\",\"am', 'gone\",\"am')"),
        ("reservation", "UPDATE invoices SET reservations = replace(reservations, '\"20\"', '\"19\"')"),
        ("reservation", "DELETE FROM attempts WHERE attempt_id = 'submitted'"),
        ("orphan", "DELETE FROM attempts WHERE attempt_id = 'submitted'"),
        ("attempt", "UPDATE attempts SET document = 'x' WHERE attempt_id = 'held'"),
        ("attempt", "UPDATE attempts SET state = 'open' WHERE attempt_id = 'held'"),
        ("attempt", "UPDATE attempts SET payer_key = 'other' WHERE attempt_id = 'held'"),
        ("attempt", "UPDATE attempts SET next_look_at = NULL WHERE attempt_id = 'held'"),
        ("attempt", "UPDATE attempts SET document = replace(document, '\"7\"', '\"8\"') WHERE attempt_id = 'held'"),
        ("attempt", "UPDATE attempts SET document = replace(document, '\"20\"', '\"9\"') WHERE attempt_id = 'settled'"),
        ("payment", "UPDATE attempts SET document = replace(document, 'T-1', 'T-7') WHERE attempt_id = 'settled'"),
        ("transaction", "UPDATE attempts SET document = replace(document, 'T-1', 'T-7') WHERE attempt_id = 'settled'"),
        ("transaction", "DELETE FROM gateway_transactions WHERE transaction_id = 'T-9'"),
        ("transaction", "UPDATE gateway_transactions SET attempt_id = 'held' WHERE transaction_id = 'T-1'"),
        ("unapplied", "UPDATE unapplied_money SET resolved_at = 'now'"),
        ("unapplied", "UPDATE unapplied_money SET document = '{}'"),
        ("orphan", "UPDATE attempts SET serial = 99 WHERE attempt_id = 'settled'"),
        ("orphan", "UPDATE gateway_notifications SET attempt_id = 'gone'"),
    ],
)  # fmt: skip
async def test_what_is_broken_by_hand_is_found(books: Any, rule: str, statement: str) -> None:
    break_by_hand(books, statement)

    assert rule in {finding.rule for finding in await everything(books.store.verify())}


async def test_an_attempt_that_nobody_will_look_at_is_found(books: Any) -> None:
    attempts = books.store.attempts_of("acme")
    submitted = await attempts.attempt("submitted")
    await attempts.keep(AttemptChange(before=submitted, after=replace(submitted, next_look_at=None)))

    (finding,) = await everything(books.store.verify())

    assert (finding.rule, finding.found) == ("attempt", "attempt submitted is submitted and nobody will look at it")


async def test_an_offer_that_had_to_yield_is_no_finding(books: Any) -> None:
    offered = an_open_attempt("offered", AttemptState.OPEN, reserves_from_begin=True)
    await books.store.attempts_of("acme").keep(AttemptChange(before=None, after=offered))

    assert await everything(books.store.verify()) == []
