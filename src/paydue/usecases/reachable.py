"""Can a mail about an invoice be sent at all? What is known before anything is owed; the rest the mail server tells."""

from paydue.domain.mail_address import can_be_mailed
from paydue.domain.terms import Terms
from paydue.usecases.ports import MerchantStore


async def is_reachable(store: MerchantStore, terms: Terms) -> bool:
    """Tell whether the customer's address takes mail, as far as is known: not one whose mails come back."""
    address = terms.email
    if address is None or not can_be_mailed(address):
        return False
    suppression = await store.suppression(address)
    return suppression is None or not suppression.stops(is_reminder=False)
