"""How much a payer may pay now, and whether a payer may try at all."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import ActionNotAllowed, AmountNotPayable, LinkExpired, PaymentInFlight, TooManyTries
from paydue.domain.expiry import is_link_expired
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Action, allows
from paydue.domain.money import ZERO, smallest_unit


class Payable(msgspec.Struct, frozen=True):
    """The limits of what may be paid now: from `least` to `most`. Both zero: nothing may be paid at this moment."""

    least: Decimal
    most: Decimal

    @property
    def is_choice(self) -> bool:
        return self.least < self.most


class TryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    After so many declined tries in a while, and so many of any end in an hour, payers of that invoice have to wait:
    that is how stolen card numbers are tried out. An `in_an_hour` of 0 is no limit.
    """

    in_a_while: int = 5
    while_lasts: timedelta = timedelta(minutes=15)
    in_a_day: int = 20
    in_an_hour: int = 10


TRY_LIMITS: Final = TryLimits()
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
# As many attempts of an invoice, newest first, are enough to count by: forms are limited too, and most are never sent.
TRIES_LOOKED_AT: Final = 500


def payable_now(invoice: Invoice) -> Payable:
    """
    Return what a payer may pay now: the balance, less what others are just paying.

    Without partial payments it is all or nothing: while anybody pays, nobody else can. With them, each part is at
    least the minimum, save the last one: where less than the minimum is left, exactly that may be paid.
    """
    if not allows(invoice.status, Action.PAY_IN_PART):
        return Payable(ZERO, ZERO)
    most = invoice.balance - invoice.reserved
    terms = invoice.terms
    if most <= ZERO or (not terms.allows_partial_payments and invoice.reserved):
        return Payable(ZERO, ZERO)
    if not terms.allows_partial_payments:
        return Payable(most, most)
    return Payable(min(terms.minimum_partial_amount or smallest_unit(terms.currency), most), most)


def check_payable(invoice: Invoice, amount: Decimal, at: datetime) -> Payable:
    """
    Return the limits that `amount` lies in.

    Refuses in this order: a status in which nobody pays, a link that has ended, a balance that others are just
    paying, an amount outside the limits. Raises ActionNotAllowed, LinkExpired, PaymentInFlight, AmountNotPayable.
    """
    if not allows(invoice.status, Action.PAY_IN_PART):
        raise ActionNotAllowed(Action.PAY_IN_PART, invoice.status)
    if is_link_expired(invoice, at):
        raise LinkExpired(invoice.number)
    limits = payable_now(invoice)
    if not limits.most:
        raise PaymentInFlight(Action.PAY_IN_PART)
    if not limits.least <= amount <= limits.most:
        raise AmountNotPayable(amount, limits.least, limits.most, invoice.terms.currency)
    return limits


def check_tries(attempts: Iterable[PaymentAttempt], at: datetime, limits: TryLimits = TRY_LIMITS) -> None:
    """
    Raises TooManyTries, with the time from which to try again, when too many tries of this invoice were declined, or
    came to a charge at all.
    """
    declined, charged = [], []
    for each in attempts:
        if each.state is AttemptState.FAILED and each.is_declined:
            declined.append(each.ended_at)
        # A page of the gateway's charges whenever the payer wants: to be sent there is the try.
        submitted_at = each.begun_at if each.reserves_from_begin else each.submitted_at
        if submitted_at is not None:
            charged.append(submitted_at)
    waits = [
        recent[-count] + lasts
        for tries, count, lasts in (
            (declined, limits.in_a_while, limits.while_lasts),
            (declined, limits.in_a_day, _DAY),
            (charged, limits.in_an_hour, _HOUR),
        )
        if count and len(recent := sorted(when for when in tries if when > at - lasts)) >= count
    ]
    if waits:
        raise TooManyTries(max(waits))
