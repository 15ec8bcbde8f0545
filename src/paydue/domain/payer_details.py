"""What a payer is asked for besides money, and what was answered: kept with the attempt, for the merchant."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from paydue.domain.merchant_fields import FieldDefinition, FieldValue
from paydue.domain.settings import Settings
from paydue.domain.terms import Terms

_PHONE: Final = re.compile(r"\+?[0-9 ()./-]{6,30}", re.ASCII)
_NOT_DIGITS: Final = re.compile(r"[^0-9]+", re.ASCII)


class ShippingAddress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where to deliver. `country` is an ISO 3166 code; countries differ in what they have besides a street."""

    country: str
    street: str
    name: str | None = None
    more: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None


class PayerDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a payer wrote: each answer with the question as it stood."""

    phone: str | None = None
    shipping: ShippingAddress | None = None
    fields: tuple[FieldValue, ...] = ()


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays, as far as they had to say it. Without an `email` the receipt goes to the invoice's own address."""

    email: str | None = None
    details: PayerDetails | None = None


NOBODY: Final = Payer()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the payer of an invoice is asked for.

    An e-mail address is always asked for, and `needs_email` where none is known. `fields` are the merchant's own, with
    what they hold so far.
    """

    needs_email: bool
    phone: bool
    shipping: bool
    fields: tuple[FieldValue, ...] = ()


def asked_of_payer(terms: Terms, settings: Settings, definitions: Iterable[FieldDefinition] = ()) -> Asked:
    """
    Return what to ask for: what the invoice says itself, and where it says nothing what the settings say.

    Of merchant-defined fields, those that a payer may see and change: with the invoice's value, or the definition's
    default where the invoice has none.
    """
    on_invoice = {value.definition.definition_id: value for value in terms.field_values}
    others = (
        FieldValue(definition=each, value=each.text_default_value or "")
        for each in definitions
        if each.definition_id not in on_invoice
    )
    return Asked(
        needs_email=terms.email is None,
        phone=settings.asks_for_phone if terms.requests_phone is None else terms.requests_phone,
        shipping=settings.asks_for_shipping if terms.requests_shipping is None else terms.requests_shipping,
        fields=tuple(
            value
            for value in (*on_invoice.values(), *others)
            if value.definition.is_customer_visible and not value.definition.is_read_only
        ),
    )


def is_phone(text: str) -> bool:
    """Whether this can be dialled from anywhere: 6 to 15 digits, with the signs that people put between them."""
    return _PHONE.fullmatch(text) is not None and 6 <= len(_NOT_DIGITS.sub("", text)) <= 15
