"""
What Stripe answers with, as far as we read it: members that nobody here asks about are let go, whatever they are.

Amounts are in Stripe's units, and currencies in small letters.
"""

import msgspec


class Card(msgspec.Struct, frozen=True):
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None


class MethodDetails(msgspec.Struct, frozen=True):
    type: str = "card"
    card: Card | None = None


class Charge(msgspec.Struct, frozen=True):
    id: str
    payment_method_details: MethodDetails | None = None


class Decline(msgspec.Struct, frozen=True):
    code: str | None = None
    decline_code: str | None = None


class Intent(msgspec.Struct, frozen=True):
    """What the payer is asked for, and what came of it."""

    id: str
    status: str
    currency: str
    amount_received: int = 0
    last_payment_error: Decline | None = None
    latest_charge: Charge | str | None = None


class Session(msgspec.Struct, frozen=True):
    """A payment page: `url` while it is open, `payment_intent` once the payer has tried."""

    id: str
    status: str | None = None
    url: str | None = None
    client_reference_id: str | None = None
    payment_intent: Intent | str | None = None


class StripeRefund(msgspec.Struct, frozen=True):
    id: str
    status: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None
