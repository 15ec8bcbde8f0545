"""
Remind payers of invoices that are due soon or one day overdue: found by query, a page at a time, and kept once each.

Nothing remembers what is still to be reminded of: the question is asked anew each time, so a due date that moved, a
payment or a night without power change the answer and need no care.
"""

import asyncio
import zoneinfo
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from paydue.domain.events import What
from paydue.domain.invoice import Invoice
from paydue.domain.reminders import ReminderKind, due_dates, is_owed, moment
from paydue.domain.settings import ProductType
from paydue.usecases.announcements import owed
from paydue.usecases.delivery_ports import Reminders
from paydue.usecases.ports import Actor, AlreadyReminded, Change, MerchantStore, Reminded, StaleVersion, Store

ACTOR: Final = "reminders"

_PAGE: Final = 100
_TRIES: Final = 4
_AGAIN_AFTER: Final = timedelta(hours=1)


class Rounds:
    """
    Which due dates were gone through lately, so that a day's invoices are not read again each minute.

    Only a convenience of one process: what it forgets is asked about once more. An invoice that becomes open again, or
    whose due date moves here, is found within the hour.
    """

    def __init__(self) -> None:
        self._done: dict[tuple[str, ReminderKind, date], datetime] = {}

    def is_open(self, merchant_id: str, kind: ReminderKind, due: date, at: datetime) -> bool:
        """Tell whether that due date is to be gone through now."""
        done_at = self._done.get((merchant_id, kind, due))
        return done_at is None or not done_at <= at < done_at + _AGAIN_AFTER

    def close(self, merchant_id: str, kind: ReminderKind, due: date, at: datetime) -> None:
        """Remember that it was gone through to its end."""
        self._done = {each: done_at for each, done_at in self._done.items() if at < done_at + _AGAIN_AFTER}
        self._done[merchant_id, kind, due] = at


async def remind_payers(
    store: Store, reminders: Reminders, *, at: datetime, correlation_id: str, rounds: Rounds | None = None
) -> int:
    """Keep every reminder that is owed now, each with its mail and its notifications; return how many they are."""
    rounds = rounds or Rounds()
    actor = Actor(ACTOR, correlation_id)
    count = 0
    for merchant_id in await reminders.merchants_who_remind():
        merchant_store = store.of(merchant_id)
        zone = zone_named((await merchant_store.merchant()).time_zone)
        for kind in ReminderKind:
            for due in due_dates(kind, at, zone):
                if rounds.is_open(merchant_id, kind, due, at):
                    count += await _remind_of(merchant_store, reminders, kind, due, at, zone, actor)
                    rounds.close(merchant_id, kind, due, at)
    return count


def zone_named(name: str) -> tzinfo:
    """Return the time zone of that name; UTC when this machine knows none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


async def _remind_of(
    store: MerchantStore,
    reminders: Reminders,
    kind: ReminderKind,
    due: date,
    at: datetime,
    zone: tzinfo,
    actor: Actor,
) -> int:
    settings = await store.settings(ProductType.INVOICING)
    goes_out = moment(kind, due, zone)
    assert goes_out is not None
    count = last = 0
    while page := await reminders.due_on(store.merchant_id, due, last, _PAGE):
        last = page[-1].serial
        # Reading does not wait for anything: let others have their turn.
        await asyncio.sleep(0)
        for invoice in page:
            if _shows_it(invoice, goes_out) or not is_owed(kind, invoice, at, zone, settings.reminders_since):
                continue
            if await reminders.was_reminded(store.merchant_id, invoice.serial, kind.value, due):
                continue
            if await reminders.stopped_at(store.merchant_id, invoice.serial) is not None:
                continue
            count += await _remind(store, invoice, kind, due, at, zone, actor)
    return count


def _shows_it(invoice: Invoice, goes_out: datetime) -> bool:
    """Tell by its history that the reminder of this morning went out: most that are asked about have had it."""
    return any(event.what is What.PAYER_REMINDED and event.at >= goes_out for event in invoice.history)


async def _remind(
    store: MerchantStore,
    invoice: Invoice,
    kind: ReminderKind,
    due: date,
    at: datetime,
    zone: tzinfo,
    actor: Actor,
) -> bool:
    reminded = Reminded(kind.value, due)
    for _ in range(_TRIES):
        after = invoice.remind(at)
        messages = await owed(store, invoice, after, reminded=reminded)
        try:
            await store.commit(Change(before=invoice, after=after, messages=messages, reminded=reminded, actor=actor))
        except AlreadyReminded:
            return False
        except StaleVersion:
            # Paid, canceled or moved meanwhile, perhaps: asked again from the beginning.
            found = await store.invoice(invoice.number)
            if found is None or found.terms.due_date != due or not is_owed(kind, found, at, zone):
                return False
            invoice = found
        else:
            return True
    return False
