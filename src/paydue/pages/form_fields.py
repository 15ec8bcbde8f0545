"""The fields of the payment form beside the amount: address of the receipt, phone, shipping, the merchant's own."""

import html
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from paydue.domain.merchant_fields import FieldDefinition, FieldType
from paydue.domain.payer_details import Asked
from paydue.language.amounts import format_number
from paydue.language.countries import country_names
from paydue.pages.invoice_view import InvoiceWriter
from paydue.pages.payer_templates import Rendered, icon
from paydue.pages.slip import CUSTOM_FIELD, EMAIL, PHONE, Slip, masked

_NOTHING: Final = Rendered("")


class Field(NamedTuple):
    """One field of the form. `options` are those of a select; without them it is typed into."""

    name: str
    label: str
    value: str
    kind: str = "text"
    autocomplete: str = "off"
    picture: Rendered = _NOTHING
    hint: str = ""
    fault: str = ""
    options: Rendered = _NOTHING
    longest: int = 200
    is_required: bool = True


class Group(NamedTuple):
    """Fields that belong together; a legend names them."""

    legend: str
    fields: list[Field]


class FieldWriter:
    """Writes the fields that a payer is asked for, with what was typed into them. `faults` are sentences by field."""

    def __init__(self, writer: InvoiceWriter, slip: Slip, asked: Asked, faults: Mapping[str, str]) -> None:
        self._writer = writer
        self._slip = slip
        self._asked = asked
        self._faults = faults

    def groups(self) -> list[Group]:
        """Return the fields in their order."""
        say, asked, slip = self._writer.look.words.say, self._asked, self._slip
        groups = [Group("", [self._email()])]
        if asked.phone:
            hint = say("For questions about this invoice")
            groups.append(
                Group("", [self._field(PHONE, say("Phone"), slip.phone, "tel", "tel", icon("phone"), hint, longest=30)])
            )
        if asked.shipping:
            groups.append(Group(say("Shipping address"), self._shipping()))
        return groups + [Group("", [self._custom(value.definition, value.value)]) for value in asked.fields]

    def _email(self) -> Field:
        say, slip, known = self._writer.look.words.say, self._slip, self._writer.invoice.terms.email
        label = say("Email for your receipt")
        if known is not None and slip.email is None:
            # A masked address would be refused by a field of the kind "email".
            hint = say("Kept from the invoice. Type a new one to change it.")
            return self._field(EMAIL, label, masked(known), "text", "email", icon("mail"), hint, longest=254)
        return self._field(EMAIL, label, slip.email or "", "email", "email", icon("mail"), longest=254)

    def _shipping(self) -> list[Field]:
        say, typed, merchant = self._writer.look.words.say, self._slip.ship_to, self._writer.look.merchant
        chosen = typed.country or (merchant.address.country if merchant.address is not None else None) or ""
        options = _country_options(self._writer.look.language, chosen)
        field = self._field
        return [
            field("ship_country", say("Country"), chosen, "select", "shipping country", options=options),
            field("ship_name", say("Full name"), typed.name, autocomplete="shipping name"),
            field("ship_street", say("Street and number"), typed.street, autocomplete="shipping address-line1"),
            field("ship_extra", say("Building, floor (optional)"), typed.extra,
                  autocomplete="shipping address-line2", is_required=False),
            field("ship_city", say("City"), typed.city, autocomplete="shipping address-level2", is_required=False),
            field("ship_region", say("State or province"), typed.region,
                  autocomplete="shipping address-level1", is_required=False),
            field("ship_postal_code", say("Postal code"), typed.postal_code,
                  autocomplete="shipping postal-code", longest=20, is_required=False),
        ]  # fmt: skip

    def _custom(self, definition: FieldDefinition, held: str) -> Field:
        words = self._writer.look.words
        say, name = words.say, f"{CUSTOM_FIELD}{definition.definition_id}"
        value = self._slip.custom.get(definition.definition_id, held)
        asker = say("Asked by {merchant}", merchant=self._writer.look.name)
        if definition.field_type is FieldType.SELECT:
            options = _options([("", say("Choose")), *((each, each) for each in definition.possible_values)], value)
            return self._field(name, definition.label, value, "select", hint=asker, options=options)
        least, most = definition.text_minimum_length or 0, definition.text_maximum_length
        if most is not None:
            length = say("{least} to {most} characters", least=self._count(least), most=self._count(most))
            asker = say("{label}: {value}", label=asker, value=length)
        return self._field(name, definition.label, value, hint=asker, longest=most or 2000, is_required=least > 0)

    def _field(
        self,
        name: str,
        label: str,
        value: str,
        kind: str = "text",
        autocomplete: str = "off",
        picture: Rendered = _NOTHING,
        hint: str = "",
        *,
        options: Rendered = _NOTHING,
        longest: int = 200,
        is_required: bool = True,
    ) -> Field:
        fault = self._faults.get(name, "")
        return Field(name, label, value, kind, autocomplete, picture, hint, fault, options, longest, is_required)

    def _count(self, count: int) -> str:
        return format_number(count, self._writer.look.language)


@lru_cache(maxsize=512)
def _country_options(language: str, chosen: str) -> Rendered:
    return _options([("", ""), *country_names(language).items()], chosen)


def _options(values: Sequence[tuple[str, str]], chosen: str) -> Rendered:
    """Return the options of a select."""
    return Rendered(
        "".join(
            f'<option value="{html.escape(value)}"{" selected" * (value == chosen)}>{html.escape(shown)}</option>'
            for value, shown in values
        )
    )
