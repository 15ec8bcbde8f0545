"""Money that a gateway took and no invoice can hold: kept and shown until somebody decides, never lost."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class WhyUnapplied(StrEnum):
    """Why the money found no place. The merchant reads it beside the offer to give the money back."""

    TOO_LATE = "too late"
    TOO_MUCH = "more than is due"
    TWICE = "charged twice"
    DIFFERENT = "not the amount or currency that was asked for"


class UnappliedMoney(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Money at the merchant's gateway that counts towards no invoice. Gateway and transaction id are unique together.

    `number` and `attempt_id` say through which invoice's page it came. `resolved_at` is set once it was given back.
    """

    gateway: str
    transaction_id: str
    attempt_id: str
    number: str
    amount: Decimal
    currency: str
    why: WhyUnapplied
    found_at: datetime
    resolved_at: datetime | None = None
    refund_id: str | None = None
