"""Publish a draft: make it payable without writing to anybody."""

from datetime import datetime

from paydue.domain.invoice import Invoice
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.ports import Actor, MerchantStore, Receipt, Secrets


async def publish_invoice(
    store: MerchantStore, number: str, *, at: datetime, secrets: Secrets, actor: Actor, receipt: Receipt | None = None
) -> Invoice:
    """Turn a draft into a payable invoice with a link. Raises NoSuchInvoice, ActionNotAllowed."""
    token = secrets.payment_token()
    return await change_invoice(
        store, number, lambda invoice: Decision(invoice.publish(at, token)), actor=actor, receipt=receipt
    )
