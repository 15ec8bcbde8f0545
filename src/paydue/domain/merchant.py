"""The merchant: the tenant of this installation, whose name and address stand on invoices."""

from datetime import datetime

import msgspec


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    postal_code: str | None = None


class Merchant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    `merchant_id` is what callers sign with; `time_zone` (an IANA name) rules what "today" means in reminders.

    `created_at` is unknown of merchants who have been here since before it was written down.
    """

    merchant_id: str
    name: str
    phone: str | None = None
    email: str | None = None
    address: Address | None = None
    time_zone: str = "UTC"
    created_at: datetime | None = None
