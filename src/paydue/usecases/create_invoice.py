"""Create an invoice: a draft, or published at once with or without a mail."""

from datetime import datetime

import msgspec

from paydue.domain.invoice import Invoice
from paydue.domain.terms import DeliveryMode, Terms
from paydue.usecases.announcements import owed
from paydue.usecases.ports import Actor, Change, MerchantStore, Receipt, Secrets


class CreateInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """`number` is empty when the next free one shall be taken; `publish_now` makes it payable at once."""

    terms: Terms
    number: str = ""
    publish_now: bool = False


async def create_invoice(
    store: MerchantStore,
    wish: CreateInvoice,
    *,
    at: datetime,
    secrets: Secrets,
    actor: Actor,
    receipt: Receipt | None = None,
) -> Invoice:
    """
    Keep a new invoice and return it: DRAFT, CREATED (no mail) or SENT (a mail is owed in the same transaction).

    Raises DuplicateInvoiceNumber when the merchant has used the number before.
    """
    invoice = Invoice.draft(wish.terms, at, wish.number)
    if wish.publish_now:
        token = secrets.payment_token()
        by_mail = wish.terms.delivery_mode is DeliveryMode.EMAIL
        invoice = invoice.send(at, token) if by_mail else invoice.publish(at, token)
    messages = await owed(store, None, invoice)
    return await store.commit(Change(before=None, after=invoice, messages=messages, actor=actor, receipt=receipt))
