"""
The payment form: what a payer typed, what is wrong with it, and what is kept of it.

Apart from `paying.py`, which acts on it, because every way of sending the form, with a script or without, is read and
checked here and nowhere else.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from paydue.domain.attempts import PaymentAttempt
from paydue.domain.card_numbers import holds_card_number
from paydue.domain.email_addresses import is_email
from paydue.domain.merchant_fields import FieldDefinition, FieldType, FieldValue
from paydue.domain.money import exponent
from paydue.domain.payable import Payable
from paydue.domain.payer_details import Payer, PayerDetails, ShippingAddress, asked_of_payer, is_phone
from paydue.language.amounts import format_figures
from paydue.language.countries import country_names
from paydue.language.locales import SOURCE_LANGUAGE
from paydue.language.typed_amounts import Misread, read_typed_amount
from paydue.pages import slip as form
from paydue.pages.payment_page import Found
from paydue.pages.slip import Fault, ShipTo, Slip, Wrong

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_OWN_KEY: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LONGEST_TEXT: Final = 255
_LONGEST_ADDRESS_LINE: Final = 100
_SHIP_PREFIX: Final = "ship_"
# Where a street is enough: these are cities themselves.
_CITIES: Final = frozenset(("GI", "HK", "MC", "MO", "SG", "VA"))


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """A form as it was sent, nothing of it believed. An `email` of None was left as the page had it."""

    payer_key: str
    pays_balance: bool
    amount: str
    email: str | None
    phone: str
    ship_to: ShipTo
    custom: Mapping[int, str]

    def on(self, slip: Slip) -> Slip:
        """Return the slip with everything as it was typed, save card numbers; its payer key stays the slip's."""
        return replace(
            slip,
            pays_balance=self.pays_balance,
            amount=_shown_again(self.amount),
            email=_shown_again(self.email) if self.email is not None else None,
            phone=_shown_again(self.phone),
            ship_to=ShipTo(
                **{name: _shown_again(value) for name, value in msgspec.structs.asdict(self.ship_to).items()}
            ),
            custom={each: _shown_again(value) for each, value in self.custom.items()},
        )


def read_typed(fields: Mapping[str, str], found: Found) -> Typed:
    """Return what was typed into the form of that page."""
    email = fields.get(form.EMAIL, "")
    wanted = {each.definition_id for each in found.fields}
    return Typed(
        payer_key=fields.get(form.PAYER_KEY, ""),
        pays_balance=fields.get(form.CHOICE, form.THE_BALANCE) != form.ANOTHER_AMOUNT,
        amount=fields.get(form.AMOUNT, ""),
        # Untouched it is empty, or the masked form of the address that we have.
        email=None if not email or "\u2022" in email else email,
        phone=fields.get(form.PHONE, ""),
        ship_to=ShipTo(**{name.removeprefix(_SHIP_PREFIX): fields.get(name, "") for name in form.SHIP_FIELDS}),
        custom={each: fields.get(f"{form.CUSTOM_FIELD}{each}", "") for each in wanted},
    )


def typed_before(attempt: PaymentAttempt, found: Found, language: str) -> Typed:
    """Return the form as it was when that attempt was made, to be shown again."""
    details = attempt.details or PayerDetails()
    shipping = details.shipping
    pays_balance = attempt.amount >= found.invoice.balance
    return Typed(
        payer_key=attempt.payer_key,
        pays_balance=pays_balance,
        amount="" if pays_balance else format_figures(attempt.amount, attempt.currency, language),
        email=attempt.payer_email,
        phone=details.phone or "",
        ship_to=ShipTo()
        if shipping is None
        else ShipTo(
            country=shipping.country,
            name=shipping.name or "",
            street=shipping.street,
            extra=shipping.more or "",
            city=shipping.city or "",
            region=shipping.region or "",
            postal_code=shipping.postal_code or "",
        ),
        custom={each.definition.definition_id: each.value for each in details.fields},
    )


def check_key(payer_key: str) -> tuple[Fault, ...]:
    """Return what is wrong with the name of a wish: only programs, and pages of another release, get it wrong."""
    # Of those that we make, one in some ten thousand would look like a card number by chance.
    is_right = _OWN_KEY.fullmatch(payer_key) or (_KEY.fullmatch(payer_key) and not holds_card_number(payer_key))
    return () if is_right else (Fault("", Wrong.FORM_OLD),)


def check_amount(typed: Typed, limits: Payable, currency: str, language: str) -> Decimal | Fault:
    """Return the amount that is to be paid, or what is wrong with it."""
    if typed.pays_balance or not limits.is_choice:
        return limits.most
    amount = read_typed_amount(typed.amount, currency, language)
    match amount:
        case Misread.MISSING:
            return Fault(form.AMOUNT, Wrong.AMOUNT_MISSING, _range(limits))
        case Misread.NOT_AN_AMOUNT:
            return Fault(form.AMOUNT, Wrong.AMOUNT_UNREADABLE, _range(limits))
        case Misread.TOO_MANY_DECIMALS:
            return Fault(form.AMOUNT, Wrong.AMOUNT_DECIMALS, {**_range(limits), "decimals": exponent(currency)})
    if not limits.least <= amount <= limits.most:
        return Fault(form.AMOUNT, Wrong.AMOUNT_RANGE, _range(limits))
    return amount


def check_payer(typed: Typed, found: Found) -> Payer | tuple[Fault, ...]:
    """Return who pays, or everything that is wrong with what they said, in the order of the form."""
    asked = asked_of_payer(found.invoice.terms, found.settings)
    faults: list[Fault] = []
    if asked.needs_email and typed.email is None:
        faults.append(Fault(form.EMAIL, Wrong.EMAIL_MISSING))
    elif typed.email is not None and holds_card_number(typed.email):
        faults.append(Fault(form.EMAIL, Wrong.CARD_NUMBER))
    elif typed.email is not None and not is_email(typed.email):
        faults.append(Fault(form.EMAIL, Wrong.EMAIL_WRONG))
    if asked.phone:
        faults += _phone_faults(typed.phone)
    if asked.shipping:
        faults += _ship_faults(typed.ship_to)
    for definition in found.fields:
        faults += _field_faults(definition, typed.custom.get(definition.definition_id, ""))
    if faults:
        return tuple(faults)
    details = PayerDetails(
        phone=typed.phone if asked.phone else None,
        shipping=_shipping(typed.ship_to) if asked.shipping else None,
        fields=tuple(
            FieldValue(definition=each, value=typed.custom[each.definition_id])
            for each in found.fields
            if typed.custom.get(each.definition_id)
        ),
    )
    return Payer(email=typed.email, details=details if details != PayerDetails() else None)


def _shown_again(text: str) -> str:
    return "" if holds_card_number(text) else text


def _range(limits: Payable) -> dict[str, Decimal | int]:
    return {"least": limits.least, "most": limits.most}


def _phone_faults(phone: str) -> list[Fault]:
    if not phone:
        return [Fault(form.PHONE, Wrong.PHONE_MISSING)]
    if holds_card_number(phone):
        return [Fault(form.PHONE, Wrong.CARD_NUMBER)]
    return [] if is_phone(phone) else [Fault(form.PHONE, Wrong.PHONE_WRONG)]


def _ship_faults(ship_to: ShipTo) -> list[Fault]:
    faults = []
    for name in form.SHIP_FIELDS:
        part = name.removeprefix(_SHIP_PREFIX)
        value = getattr(ship_to, part)
        if not value:
            if part in ("country", "street") or (part == "city" and ship_to.country not in _CITIES):
                faults.append(Fault(name, Wrong.ADDRESS_MISSING))
        elif part == "country" and value not in country_names(SOURCE_LANGUAGE):
            faults.append(Fault(name, Wrong.COUNTRY_UNKNOWN))
        elif len(value) > _LONGEST_ADDRESS_LINE:
            faults.append(Fault(name, Wrong.TEXT_LONG, {"most": _LONGEST_ADDRESS_LINE}))
        elif holds_card_number(value):
            faults.append(Fault(name, Wrong.CARD_NUMBER))
    return faults


def _field_faults(definition: FieldDefinition, value: str) -> list[Fault]:
    name = f"{form.CUSTOM_FIELD}{definition.definition_id}"
    if definition.field_type is FieldType.SELECT:
        return [Fault(name, Wrong.NOT_A_CHOICE)] if value and value not in definition.possible_values else []
    least, most = definition.text_minimum_length or 0, definition.text_maximum_length
    longest = most or _LONGEST_TEXT
    if holds_card_number(value):
        return [Fault(name, Wrong.CARD_NUMBER)]
    if least <= len(value) <= longest:
        return []
    if least and most:
        return [Fault(name, Wrong.TEXT_LENGTH, {"least": least, "most": most})]
    if len(value) < least:
        return [Fault(name, Wrong.TEXT_SHORT, {"least": least})]
    return [Fault(name, Wrong.TEXT_LONG, {"most": longest})]


def _shipping(ship_to: ShipTo) -> ShippingAddress:
    return ShippingAddress(
        country=ship_to.country,
        street=ship_to.street,
        name=ship_to.name or None,
        more=ship_to.extra or None,
        city=ship_to.city or None,
        region=ship_to.region or None,
        postal_code=ship_to.postal_code or None,
    )
