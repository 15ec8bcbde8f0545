"""Take a payment back that is not there after all: a slip, a bounced cheque, a dispute that was lost."""

from datetime import datetime
from decimal import Decimal

from paydue.domain.errors import PaymentInFlight
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Action
from paydue.usecases.change_attempt import Books
from paydue.usecases.change_invoice import Decision, change_invoice
from paydue.usecases.ports import Actor, Receipt


async def reverse_payment(
    books: Books,
    number: str,
    transaction_id: str,
    amount: Decimal | None,
    *,
    at: datetime,
    actor: Actor,
    receipt: Receipt | None = None,
) -> Invoice:
    """
    Make (a part of) a payment due again, and return the invoice: PARTIAL, or what it was before anything was paid.

    No gateway is asked and no money moves. Raises NoSuchInvoice, NoSuchPayment, AmountAbovePayment, ActionNotAllowed,
    PaymentInFlight while a refund of that payment is under way.
    """
    attempt = await books.attempts.attempt_by_transaction(number, transaction_id)
    if attempt is not None and not all(refund.is_final for refund in attempt.refunds):
        raise PaymentInFlight(Action.TAKE_BACK_PART)

    def taken_back(invoice: Invoice) -> Decision:
        left = invoice.left_of(transaction_id)
        return Decision(invoice.take_back(transaction_id, left if amount is None else amount, at))

    return await change_invoice(books.store, number, taken_back, actor=actor, receipt=receipt)
