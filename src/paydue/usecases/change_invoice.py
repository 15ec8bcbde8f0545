"""How every change of a stored invoice goes: read, decide, keep; and again from the reading when it was overtaken."""

from collections.abc import Callable
from typing import NamedTuple

from paydue.domain.errors import NoSuchInvoice, StoreBusy
from paydue.domain.invoice import Invoice
from paydue.domain.payments import Payment
from paydue.usecases.announcements import owed
from paydue.usecases.ports import Actor, Change, MerchantStore, Receipt, StaleVersion

_TRIES = 16


class Decision(NamedTuple):
    """What an invoice shall become, and the money that made it so, if any."""

    after: Invoice
    payment: Payment | None = None


async def change_invoice(
    store: MerchantStore,
    number: str,
    decide: Callable[[Invoice], Decision],
    *,
    actor: Actor,
    receipt: Receipt | None = None,
) -> Invoice:
    """
    Keep what `decide` makes of the invoice, with its events and messages, and return it as stored.

    A decision that returns the invoice itself changes nothing. Raises NoSuchInvoice, and whatever `decide` refuses.
    """
    async with store.turn(number):
        for _ in range(_TRIES):
            before = await store.invoice(number)
            if before is None:
                raise NoSuchInvoice(number)
            after, payment = decide(before)
            if after is before:
                return before
            try:
                return await store.commit(
                    Change(
                        before=before,
                        after=after,
                        messages=await owed(store, before, after, payment=payment),
                        payment=payment,
                        actor=actor,
                        receipt=receipt,
                    )
                )
            except StaleVersion:
                # Another node was first.
                continue
    raise StoreBusy(f"invoice {number} changed {_TRIES} times while one change was decided")
