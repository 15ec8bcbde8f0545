"""Replace the terms of an invoice."""

from collections.abc import Callable
from datetime import datetime

from paydue.domain.errors import ActionNotAllowed
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Action, allows
from paydue.domain.terms import Terms
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.ports import Actor, MerchantStore, Secrets


async def update_invoice(
    store: MerchantStore,
    number: str,
    terms_for: Callable[[Invoice], Terms],
    *,
    at: datetime,
    secrets: Secrets,
    actor: Actor,
) -> Invoice:
    """
    Keep the invoice with the terms that `terms_for` makes for it; nobody is written to.

    Terms depend on the stored invoice (what is left out keeps or loses its value), so they are asked for only after
    the status is known to allow an update. Raises NoSuchInvoice, ActionNotAllowed, InvalidFields.
    """

    def amended(invoice: Invoice) -> Decision:
        if not allows(invoice.status, Action.UPDATE):
            raise ActionNotAllowed(Action.UPDATE, invoice.status)
        return Decision(invoice.amend(terms_for(invoice), at, secrets.payment_token()))

    return await change_invoice(store, number, amended, actor=actor)
