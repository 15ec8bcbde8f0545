"""Cancel an invoice on which nothing was paid."""

from datetime import datetime

from paydue.domain.invoice import Invoice
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.ports import Actor, MerchantStore, Receipt


async def cancel_invoice(
    store: MerchantStore, number: str, *, at: datetime, actor: Actor, receipt: Receipt | None = None
) -> Invoice:
    """Close the invoice; a payer who had been written to is owed a mail. Raises NoSuchInvoice, ActionNotAllowed."""
    return await change_invoice(
        store, number, lambda invoice: Decision(invoice.cancel(at)), actor=actor, receipt=receipt
    )
