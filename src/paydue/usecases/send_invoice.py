"""Send an invoice by its delivery mode."""

from datetime import datetime

from paydue.domain.invoice import Invoice
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.ports import Actor, MerchantStore, Receipt, Secrets


async def send_invoice(
    store: MerchantStore, number: str, *, at: datetime, secrets: Secrets, actor: Actor, receipt: Receipt | None = None
) -> Invoice:
    """
    Make the invoice payable; with delivery mode Email a mail to the payer is owed, again when it was sent before.

    Raises NoSuchInvoice, ActionNotAllowed.
    """
    token = secrets.payment_token()
    return await change_invoice(
        store, number, lambda invoice: Decision(invoice.send(at, token)), actor=actor, receipt=receipt
    )
