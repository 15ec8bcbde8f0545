"""Send a fresh payment link to the address on file, because a payer came with one that has expired."""

from datetime import datetime

from paydue.domain.expiry import is_link_expired
from paydue.domain.invoice import Invoice
from paydue.domain.settings import ProductType
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.ports import Actor, MerchantStore, Secrets


async def renew_link(store: MerchantStore, number: str, *, at: datetime, secrets: Secrets, actor: Actor) -> Invoice:
    """
    Put a fresh link in the place of the expired one and owe the customer a mail with it; return the invoice.

    Nothing changes, and nothing tells the payer so, where there is no address, where the merchant does not want it,
    and where the link works. Raises NoSuchInvoice, ActionNotAllowed, PaymentInFlight.
    """
    offered = (await store.settings(ProductType.INVOICING)).offers_fresh_links

    def renewed(invoice: Invoice) -> Decision:
        if not offered or invoice.terms.email is None or not is_link_expired(invoice, at):
            return Decision(invoice)
        return Decision(invoice.renew_link(at, secrets.payment_token()))

    return await change_invoice(store, number, renewed, actor=actor)
