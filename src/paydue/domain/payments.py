"""Money received for an invoice."""

from datetime import datetime
from decimal import Decimal

import msgspec


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    Money that has arrived, in the invoice's currency.

    `method` says how (a word of the merchant's: bank transfer, cash), `reference` is what the merchant finds it
    again by, `paid_at` when it arrived, which may be before it was recorded.
    """

    amount: Decimal
    method: str
    reference: str
    paid_at: datetime
