"""Merchant-defined fields: a merchant's own definitions, and the values an invoice carries for them."""

from datetime import datetime
from enum import StrEnum

import msgspec


class ReferenceType(StrEnum):
    """What a definition belongs to. Only invoices carry values here; the others are kept for the sister product."""

    INVOICE = "Invoice"
    PURCHASE = "Purchase"
    DONATION = "Donation"


class FieldType(StrEnum):
    TEXT = "Text"
    SELECT = "Select"


class FieldDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    One field of a merchant's checkout page.

    Text fields have length limits (characters) and perhaps a default; select fields have `possible_values`, are
    always visible to the customer and never read-only. `data_index` is the slot number handed to the processor,
    unique per merchant and reference type. `definition_id` is 0 until the store has given one.
    """

    definition_id: int = 0
    field_type: FieldType
    label: str
    is_customer_visible: bool = False
    is_read_only: bool = False
    text_minimum_length: int | None = None
    text_maximum_length: int | None = None
    text_default_value: str | None = None
    possible_values: tuple[str, ...] = ()
    data_index: int
    changed_at: datetime | None = None


class FieldValue(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A value, with its definition as it stood when the value was given: later changes do not reach it."""

    definition: FieldDefinition
    value: str


def fault_in_value(definition: FieldDefinition, value: str) -> str | None:
    """Return what is wrong with `value` for that field, or None."""
    if definition.field_type is FieldType.SELECT:
        if value not in definition.possible_values:
            return f"must be one of: {', '.join(definition.possible_values)}"
        return None
    least, most = definition.text_minimum_length or 0, definition.text_maximum_length
    if len(value) < least or (most is not None and len(value) > most):
        return (
            f"must have {least} to {most} characters" if most is not None else f"must have {least} characters or more"
        )
    return None
