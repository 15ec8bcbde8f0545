"""Send an invoice by its delivery mode."""

from datetime import datetime, timedelta
from typing import Final

from paydue.domain.errors import TooManyResends, UnreachableAddress
from paydue.domain.events import What
from paydue.domain.invoice import Invoice
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.ports import Actor, MerchantStore, Receipt, Secrets
from paydue.usecases.reachable import is_reachable

_A_DAY: Final = timedelta(days=1)


async def send_invoice(
    store: MerchantStore,
    number: str,
    *,
    at: datetime,
    secrets: Secrets,
    actor: Actor,
    receipt: Receipt | None = None,
    resends_a_day: int = 0,
) -> Invoice:
    """
    Make the invoice payable; with delivery mode Email a mail to the payer is owed, again when it was sent before.

    `resends_a_day` is how often it may be resent in 24 hours; 0: any number. Raises NoSuchInvoice, ActionNotAllowed,
    TooManyResends, UnreachableAddress.
    """
    token = secrets.payment_token()
    before = await store.invoice(number)
    # Found out before the decision, which waits for nothing, and refused after it: the status counts first.
    unreachable = before.terms.email if before is not None and not await is_reachable(store, before.terms) else None

    def decide(invoice: Invoice) -> Decision:
        after = invoice.send(at, token)
        if after is not invoice and after.history[-1].what in (What.INVOICE_SENT, What.INVOICE_RESENT):
            resent = sum(event.what is What.INVOICE_RESENT and event.at > at - _A_DAY for event in invoice.history)
            if after.history[-1].what is What.INVOICE_RESENT and 0 < resends_a_day <= resent:
                raise TooManyResends(resends_a_day)
            if unreachable is not None and invoice.terms.email == unreachable:
                raise UnreachableAddress(unreachable)
        return Decision(after)

    return await change_invoice(store, number, decide, actor=actor, receipt=receipt)
