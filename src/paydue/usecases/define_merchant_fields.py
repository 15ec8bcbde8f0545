"""List, add, replace and delete the definitions of a merchant's own fields."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from paydue.domain.errors import MerchantFieldChanged, MerchantFieldRefusal
from paydue.domain.merchant_fields import FieldDefinition, FieldType, ReferenceType
from paydue.usecases.ports import MerchantStore, Receipt

MAXIMUM_DEFINITIONS: Final = 20
"""How many definitions a merchant may have for one reference type."""


class MerchantFieldTypeFixed(MerchantFieldRefusal):
    """A text field was to become a select field or the reverse: the values that invoices carry would not fit."""

    def __init__(self, definition_id: int, field_type: FieldType) -> None:
        super().__init__(f"{definition_id}: {field_type}")
        self.definition_id = definition_id
        self.field_type = field_type


async def list_field_definitions(store: MerchantStore, reference_type: ReferenceType) -> Sequence[FieldDefinition]:
    """Return the merchant's definitions for that reference type, oldest first."""
    return await store.field_definitions(reference_type)


async def add_field_definition(
    store: MerchantStore,
    reference_type: ReferenceType,
    wanted: FieldDefinition,
    *,
    at: datetime,
    receipt: Receipt | None = None,
) -> FieldDefinition:
    """Keep a new definition and return it with its id. Raises MerchantFieldIndexTaken, TooManyMerchantFields."""
    return await store.add_field_definition(
        reference_type, replace(wanted, changed_at=at), MAXIMUM_DEFINITIONS, receipt
    )


async def replace_field_definition(
    store: MerchantStore, reference_type: ReferenceType, definition_id: int, wanted: FieldDefinition, *, at: datetime
) -> FieldDefinition:
    """
    Keep `wanted` in the place of a definition, whose id stays, and return it. Values on invoices stay as they are.

    Raises MerchantFieldChanged when it is not there, MerchantFieldTypeFixed when it is of the other type,
    MerchantFieldIndexTaken when another one has the index.
    """
    stored = await _find(store, reference_type, definition_id)
    if stored.field_type is not wanted.field_type:
        raise MerchantFieldTypeFixed(definition_id, stored.field_type)
    after = replace(wanted, definition_id=definition_id, changed_at=at)
    await store.replace_field_definition(reference_type, after)
    return after


async def delete_field_definition(store: MerchantStore, reference_type: ReferenceType, definition_id: int) -> None:
    """Drop a definition. Values on invoices stay. Raises NoSuchMerchantField."""
    await store.delete_field_definition(reference_type, definition_id)


async def _find(store: MerchantStore, reference_type: ReferenceType, definition_id: int) -> FieldDefinition:
    for definition in await store.field_definitions(reference_type):
        if definition.definition_id == definition_id:
            return definition
    raise MerchantFieldChanged(definition_id)
