"""Create an invoice: a draft, or published at once with or without a mail."""

from datetime import datetime

import msgspec

from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.terms import DeliveryMode, Terms
from paydue.usecases.announcements import owed
from paydue.usecases.ports import Actor, Change, MerchantStore, Receipt, Secrets
from paydue.usecases.reachable import is_reachable


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

    One that was to be mailed and cannot be stays a draft, as `stayed_draft` tells.

    Raises DuplicateInvoiceNumber when the merchant has used the number before.
    """
    invoice = Invoice.draft(wish.terms, at, wish.number)
    if wish.publish_now:
        token = secrets.payment_token()
        by_mail = wish.terms.delivery_mode is DeliveryMode.EMAIL
        if not by_mail:
            invoice = invoice.publish(at, token)
        elif await is_reachable(store, wish.terms):
            invoice = invoice.send(at, token)
    messages = await owed(store, None, invoice)
    return await store.commit(Change(before=None, after=invoice, messages=messages, actor=actor, receipt=receipt))


def stayed_draft(wish: CreateInvoice, invoice: Invoice) -> bool:
    """Tell whether the invoice was to be mailed, and could not be."""
    return wish.publish_now and invoice.status is Status.DRAFT
