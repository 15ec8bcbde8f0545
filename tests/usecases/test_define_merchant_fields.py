"""Defining merchant-defined fields: ids, indexes, the limit, and what a replacement may not change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from paydue.domain.errors import (
    MerchantFieldChanged,
    MerchantFieldIndexTaken,
    NoSuchMerchantField,
    TooManyMerchantFields,
)
from paydue.domain.merchant_fields import FieldDefinition, FieldType, ReferenceType
from paydue.usecases.define_merchant_fields import (
    MAXIMUM_DEFINITIONS,
    MerchantFieldTypeFixed,
    add_field_definition,
    delete_field_definition,
    list_field_definitions,
    replace_field_definition,
)

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
INVOICE = ReferenceType.INVOICE


def a_text_field(index: int = 1, **changed: Any) -> FieldDefinition:
    field = FieldDefinition(
        field_type=FieldType.TEXT, label="Cup", text_minimum_length=0, text_maximum_length=100, data_index=index
    )
    return replace(field, **changed)


async def test_a_new_definition_has_an_id_and_is_listed(store):
    added = await add_field_definition(store, INVOICE, a_text_field(), at=NOON)

    assert added.definition_id > 0
    assert added == a_text_field(definition_id=added.definition_id, changed_at=NOON)
    assert list(await list_field_definitions(store, INVOICE)) == [added]


async def test_each_reference_type_has_definitions_of_its_own(store):
    await add_field_definition(store, INVOICE, a_text_field(), at=NOON)
    donation = await add_field_definition(store, ReferenceType.DONATION, a_text_field(), at=NOON)

    assert list(await list_field_definitions(store, ReferenceType.DONATION)) == [donation]


async def test_an_index_belongs_to_one_definition(store):
    await add_field_definition(store, INVOICE, a_text_field(7), at=NOON)

    with pytest.raises(MerchantFieldIndexTaken) as refused:
        await add_field_definition(store, INVOICE, a_text_field(7, label="Mug"), at=NOON)

    assert refused.value.index == 7


async def test_there_are_twenty_definitions_at_most_and_room_again_when_one_goes(store):
    for index in range(1, MAXIMUM_DEFINITIONS + 1):
        last = await add_field_definition(store, INVOICE, a_text_field(index), at=NOON)

    with pytest.raises(TooManyMerchantFields) as refused:
        await add_field_definition(store, INVOICE, a_text_field(50), at=NOON)
    assert (refused.value.reference_type, refused.value.limit) == ("Invoice", 20)

    await delete_field_definition(store, INVOICE, last.definition_id)
    again = await add_field_definition(store, INVOICE, a_text_field(50), at=NOON)
    assert again.definition_id != last.definition_id


async def test_a_replacement_keeps_the_id_and_nothing_else(store):
    added = await add_field_definition(store, INVOICE, a_text_field(), at=NOON)
    wanted = a_text_field(9, label="Mug", is_read_only=True, text_maximum_length=5)

    replaced = await replace_field_definition(store, INVOICE, added.definition_id, wanted, at=LATER)

    assert replaced == replace(wanted, definition_id=added.definition_id, changed_at=LATER)
    assert list(await list_field_definitions(store, INVOICE)) == [replaced]


async def test_a_replacement_cannot_change_the_type(store):
    added = await add_field_definition(store, INVOICE, a_text_field(), at=NOON)
    select = FieldDefinition(
        field_type=FieldType.SELECT, label="Size", is_customer_visible=True, possible_values=("a", "b"), data_index=1
    )

    with pytest.raises(MerchantFieldTypeFixed) as refused:
        await replace_field_definition(store, INVOICE, added.definition_id, select, at=LATER)

    assert refused.value.field_type is FieldType.TEXT
    assert list(await list_field_definitions(store, INVOICE)) == [added]


async def test_a_replacement_cannot_take_the_index_of_another(store):
    await add_field_definition(store, INVOICE, a_text_field(1), at=NOON)
    second = await add_field_definition(store, INVOICE, a_text_field(2), at=NOON)

    with pytest.raises(MerchantFieldIndexTaken):
        await replace_field_definition(store, INVOICE, second.definition_id, a_text_field(1), at=LATER)

    assert second in await list_field_definitions(store, INVOICE)


@pytest.mark.parametrize("definition_id", [0, 1515, 10**17])
async def test_what_is_not_there_can_be_neither_replaced_nor_deleted(store, definition_id):
    with pytest.raises(MerchantFieldChanged):
        await replace_field_definition(store, INVOICE, definition_id, a_text_field(), at=NOON)
    with pytest.raises(NoSuchMerchantField):
        await delete_field_definition(store, INVOICE, definition_id)


async def test_a_definition_is_reached_through_its_own_reference_type_only(store):
    added = await add_field_definition(store, INVOICE, a_text_field(), at=NOON)

    with pytest.raises(MerchantFieldChanged):
        await replace_field_definition(store, ReferenceType.PURCHASE, added.definition_id, a_text_field(), at=NOON)
    with pytest.raises(NoSuchMerchantField):
        await delete_field_definition(store, ReferenceType.PURCHASE, added.definition_id)

    assert list(await list_field_definitions(store, INVOICE)) == [added]


async def test_a_deleted_definition_is_gone(store):
    added = await add_field_definition(store, INVOICE, a_text_field(), at=NOON)

    await delete_field_definition(store, INVOICE, added.definition_id)

    assert list(await list_field_definitions(store, INVOICE)) == []
    with pytest.raises(NoSuchMerchantField):
        await delete_field_definition(store, INVOICE, added.definition_id)
