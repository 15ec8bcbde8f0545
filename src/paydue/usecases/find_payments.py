"""What is known of an invoice's payments: each with what became of its money, for whoever lists them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import BrokenFact, NoSuchInvoice
from paydue.domain.events import Event, What
from paydue.domain.invoice import Invoice
from paydue.domain.money import ZERO
from paydue.domain.payments import Payment
from paydue.usecases.change_attempt import Books

_GIVEN_BACK: Final = frozenset((What.PAYMENT_REFUNDED, What.PAYMENT_REVERSED))


class KnownPayment(msgspec.Struct, frozen=True, kw_only=True):
    """
    One transaction's money for an invoice. `attempt` is there when it came through a gateway.

    One that is held for review has no `paid_at` yet. Payments that were recorded with the same reference cannot be
    told apart by what went back, and are one here: `amount` is their sum.
    """

    transaction_id: str
    amount: Decimal
    currency: str
    method: str
    recorded_at: datetime
    paid_at: datetime | None = None
    refunded: Decimal = ZERO
    reversed: Decimal = ZERO
    attempt: PaymentAttempt | None = None

    @property
    def left(self) -> Decimal:
        """What neither went back nor is on its way back."""
        if self.paid_at is None:
            return ZERO
        left = self.amount - self.refunded - self.reversed
        return left if self.attempt is None else min(left, self.attempt.refundable)


async def find_payments(books: Books, number: str) -> Sequence[KnownPayment]:
    """Return an invoice's payments, oldest first, those that are held last. Raises NoSuchInvoice."""
    invoice = await books.store.invoice(number)
    if invoice is None:
        raise NoSuchInvoice(number)
    received = [event for event in invoice.history if event.what is What.PAYMENT_RECEIVED]
    was_held = any(event.what is What.PAYMENT_HELD for event in invoice.history)
    if not received and not was_held:
        return ()
    # Both lists only grow: what was read later may have more at its end than the invoice has.
    kept = (await books.attempts.payments_of(number))[: len(received)]
    if len(kept) != len(received):
        raise BrokenFact(f"invoice {number!r}: {len(received)} payments in its history, {len(kept)} kept")
    attempts = {each.transaction_id or "": each for each in await books.attempts.attempts_with_money(number)}
    known: dict[str, KnownPayment] = {}
    for event, payment in zip(received, kept, strict=True):
        found = _received(invoice, event, payment, attempts)
        if (earlier := known.get(found.transaction_id)) is not None:
            found = replace(earlier, amount=earlier.amount + found.amount)
        known[found.transaction_id] = found
    held = [_held(each) for each in attempts.values() if each.state is AttemptState.HELD]
    return (*known.values(), *held)


def _received(invoice: Invoice, event: Event, payment: Payment, attempts: Mapping[str, PaymentAttempt]) -> KnownPayment:
    name = payment.reference
    back = [each for each in invoice.history if each.transaction_id == name and each.what in _GIVEN_BACK]
    return KnownPayment(
        transaction_id=name,
        amount=payment.amount,
        currency=invoice.terms.currency,
        method=payment.method,
        recorded_at=event.at,
        paid_at=payment.paid_at,
        refunded=sum((each.amount or ZERO for each in back if each.what is What.PAYMENT_REFUNDED), ZERO),
        reversed=sum((each.amount or ZERO for each in back if each.what is What.PAYMENT_REVERSED), ZERO),
        attempt=attempts.get(name),
    )


def _held(attempt: PaymentAttempt) -> KnownPayment:
    return KnownPayment(
        transaction_id=f"{attempt.transaction_id}",
        amount=attempt.amount,
        currency=attempt.currency,
        method=attempt.method,
        recorded_at=attempt.ended_at,
        attempt=attempt,
    )
