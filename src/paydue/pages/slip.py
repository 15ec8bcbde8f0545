"""
What the slip beside an invoice shows: who takes the money, what the payer typed, what is wrong with it, how a try went.

Plain values between those who take a form and the one who draws it: neither needs to know how the other works.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

# The fields of the form, by the names under which they are sent. A merchant-defined field is `field_` and its id.
PAYER_KEY: Final = "payer_key"
CHOICE: Final = "choice"
AMOUNT: Final = "amount"
EMAIL: Final = "email"
PHONE: Final = "phone"
SHIP_FIELDS: Final = (
    "ship_country", "ship_name", "ship_street", "ship_extra", "ship_city", "ship_region", "ship_postal_code",
)  # fmt: skip
CUSTOM_FIELD: Final = "field_"
# What another form of the page sends instead of a payment: its button's name.
NEW_LINK: Final = "new_link"

THE_BALANCE: Final = "balance"
ANOTHER_AMOUNT: Final = "other"


class Way(StrEnum):
    """How a payer pays: in a frame on our page, on the gateway's own page, or by other means only."""

    EMBEDDED = "embedded"
    REDIRECT = "redirect"
    NONE = "none"


class GatewayFace(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a payer sees of a merchant's gateway. `name` is its display name.

    `sources` are the origins that the page has to allow for it, by directive of a content security policy.
    `test_hint` is what may be typed where no money moves, such as a card number: shown as it is.
    """

    name: str = ""
    way: Way = Way.NONE
    is_test: bool = False
    sources: Mapping[str, Sequence[str]] = {}
    test_hint: str = ""


NO_GATEWAY: Final = GatewayFace()


class Headline(StrEnum):
    """
    What the slip says of a try to pay, or of what keeps everybody from trying.

    DECLINED (with `Slip.reason`) and NOT_CHARGED leave the form there to try again. CONFIRMING: whether money moved
    is being found out. CHALLENGE: the payer's bank wants something of them. BUSY: somebody else is paying all of it.
    TOO_MANY_TRIES (with `Slip.again_at`), GATEWAY_DOWN: nobody can pay just now.
    """

    DECLINED = "declined"
    NOT_CHARGED = "not charged"
    CONFIRMING = "confirming"
    CHALLENGE = "challenge"
    BUSY = "busy"
    TOO_MANY_TRIES = "too many tries"
    GATEWAY_DOWN = "gateway down"


class Wrong(StrEnum):
    """
    What can be wrong with a field, or with the form (its `field` is then empty). Some need `Fault.values`.

    AMOUNT_RANGE: `least`, `most` (amounts). AMOUNT_DECIMALS: `decimals`. TEXT_LENGTH: `least`, `most` (counts).
    TEXT_SHORT: `least`. TEXT_LONG: `most`.
    """

    AMOUNT_MISSING = "amount missing"
    AMOUNT_UNREADABLE = "amount unreadable"
    AMOUNT_DECIMALS = "amount decimals"
    AMOUNT_RANGE = "amount range"
    AMOUNT_CHANGED = "amount changed"
    EMAIL_MISSING = "email missing"
    EMAIL_WRONG = "email wrong"
    PHONE_MISSING = "phone missing"
    PHONE_WRONG = "phone wrong"
    ADDRESS_MISSING = "address missing"
    COUNTRY_UNKNOWN = "country unknown"
    TEXT_LENGTH = "text length"
    TEXT_SHORT = "text short"
    TEXT_LONG = "text long"
    NOT_A_CHOICE = "not a choice"
    CARD_NUMBER = "card number"
    FORM_OLD = "form old"


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with one field of the form. Amounts among the values are Decimal, counts are int."""

    field: str
    wrong: Wrong
    values: Mapping[str, Decimal | int] = {}


class ShipTo(msgspec.Struct, frozen=True, kw_only=True):
    """A shipping address as it was typed; `country` is an ISO 3166 code of two letters."""

    country: str = ""
    name: str = ""
    street: str = ""
    extra: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""


class Slip(msgspec.Struct, frozen=True, kw_only=True):
    """
    The slip of one page: a fresh one, unless told otherwise.

    `payer_key` names the payer's wish: whoever draws the page makes one where it is empty. `amount`, `email`, `phone`,
    `ship_to` and `custom` (by definition id) are shown as they were typed; an `email` of None was not touched: the
    payer sees the invoice's own, masked. `reason` is a value of `gateway_ports.Reason`. `attempt_amount` and
    `attempt_email` are those of the try that the headline is about; `check_query` is what asks for it again
    (`attempt=...`), behind the page's own address.
    """

    gateway: GatewayFace = NO_GATEWAY
    payer_key: str = ""
    headline: Headline | None = None
    reason: str | None = None
    again_at: datetime | None = None
    attempt_amount: Decimal | None = None
    attempt_email: str | None = None
    check_query: str = ""
    challenge_url: str = ""
    pays_balance: bool = True
    amount: str = ""
    email: str | None = None
    phone: str = ""
    ship_to: ShipTo = ShipTo()
    custom: Mapping[int, str] = {}
    faults: tuple[Fault, ...] = ()
    new_link_asked: bool = False


FRESH: Final = Slip()


def masked(email: str) -> str:
    """
    Return what a payer may see of an address that the invoice has: `t•••@m•••.world`.

    Whoever holds the link sees it. Sent back as it is, it means the address that it stands for.
    """
    local, _, domain = email.rpartition("@")
    first, _, last = domain.rpartition(".")
    return f"{local[:1]}{_HIDDEN}@{first[:1]}{_HIDDEN}.{last}"


_HIDDEN: Final = "\u2022" * 3
