"""Record money that reached the merchant elsewhere: by bank transfer, in cash, by another system."""

from collections.abc import Callable
from datetime import datetime

from paydue.domain.errors import ActionNotAllowed
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Action, allows
from paydue.domain.payments import Payment
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.ports import Actor, MerchantStore, Receipt


async def record_payment(
    store: MerchantStore,
    number: str,
    payment_for: Callable[[Invoice], Payment],
    *,
    at: datetime,
    actor: Actor,
    receipt: Receipt | None = None,
) -> Invoice:
    """
    Keep the payment and return the invoice, PARTIAL or PAID.

    Whatever the invoice says about partial payments, money that has arrived is recorded; only more than the balance
    is refused. Raises NoSuchInvoice, ActionNotAllowed, InvalidFields, AmountAboveBalance.
    """

    def received(invoice: Invoice) -> Decision:
        if not allows(invoice.status, Action.PAY_IN_PART):
            raise ActionNotAllowed(Action.PAY_IN_PART, invoice.status)
        payment = payment_for(invoice)
        return Decision(invoice.receive(payment, at), payment)

    return await change_invoice(store, number, received, actor=actor, receipt=receipt)
