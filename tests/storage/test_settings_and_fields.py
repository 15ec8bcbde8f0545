"""The store's promise about settings, logos and merchant-defined fields."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from builders import NOON
from paydue.domain.errors import (
    MerchantFieldChanged,
    MerchantFieldIndexTaken,
    NoSuchMerchantField,
    TooManyMerchantFields,
)
from paydue.domain.merchant import Address, Merchant
from paydue.domain.merchant_fields import FieldDefinition, FieldType, ReferenceType
from paydue.domain.settings import Label, LogoFormat, ProductType, Settings
from paydue.usecases.ports import Answer, MerchantExists, MerchantStore, Receipt, ReceiptExists, StaleVersion, Store
from storing import assert_all_holds

INVOICING, BY_LINK = ProductType.INVOICING, ProductType.PAY_BY_LINK


def a_definition(index: int = 1, **changed: Any) -> FieldDefinition:
    definition = FieldDefinition(field_type=FieldType.TEXT, label="Cost centre", data_index=index, changed_at=NOON)
    return replace(definition, **changed)


# Merchants


async def test_merchants_are_read_back_as_they_were_added(store: Store) -> None:
    full = Merchant(
        merchant_id="full", name="Full & Söhne", phone="1", email="f@example.com", address=Address(city="Köln"),
        time_zone="Europe/Berlin",
    )  # fmt: skip

    await store.add_merchant(full)

    assert [merchant.merchant_id for merchant in await store.merchants()] == ["acme", "zeta", "full"]
    assert await store.of("full").merchant() == full
    with pytest.raises(MerchantExists):
        await store.add_merchant(replace(full, name="Other"))
    assert (await store.of("full").merchant()).name == "Full & Söhne"


# Settings


async def test_settings_are_the_defaults_until_they_are_saved(acme: MerchantStore) -> None:
    assert await acme.settings(INVOICING) == Settings()
    assert await acme.logo(INVOICING) is None


async def test_saved_settings_are_kept_per_merchant_and_product(
    installation: Any, acme: MerchantStore, zeta: MerchantStore
) -> None:
    wanted = Settings(font_color="#123456", labels=(Label(key="invoice", value="Bill", hidden=False),))

    await acme.save_settings(INVOICING, Settings(), wanted, None)

    assert await acme.settings(INVOICING) == replace(wanted, version=1)
    assert await acme.settings(BY_LINK) == Settings()
    assert await zeta.settings(INVOICING) == Settings()
    store = await installation.reopen()
    assert await store.of("acme").settings(INVOICING) == replace(wanted, version=1)


async def test_settings_decided_on_an_old_version_are_refused(acme: MerchantStore) -> None:
    await acme.save_settings(INVOICING, Settings(), Settings(font_color="#111111"), None)
    first = await acme.settings(INVOICING)
    await acme.save_settings(INVOICING, first, replace(first, font_color="#222222"), None)

    for old in (Settings(), first):
        with pytest.raises(StaleVersion):
            await acme.save_settings(INVOICING, old, replace(old, font_color="#333333"), b"logo")

    assert (await acme.settings(INVOICING)).font_color == "#222222"
    assert await acme.logo(INVOICING) is None


async def test_of_many_first_savings_one_is_kept(store: Store, acme: MerchantStore) -> None:
    outcomes = await asyncio.gather(
        *(acme.save_settings(INVOICING, Settings(), Settings(font_color=f"#{n:06}"), None) for n in range(10)),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [type(None), *[StaleVersion] * 9]
    assert (await acme.settings(INVOICING)).font_color == "#000000"
    await assert_all_holds(store)


async def test_a_logo_comes_stays_is_replaced_and_goes(acme: MerchantStore) -> None:
    async def save(logo_format: LogoFormat | None, logo: bytes | None) -> bytes | None:
        before = await acme.settings(INVOICING)
        await acme.save_settings(INVOICING, before, replace(before, logo_format=logo_format), logo)
        return await acme.logo(INVOICING)

    assert await save(LogoFormat.PNG, b"first") == b"first"
    assert await save(LogoFormat.PNG, None) == b"first"
    assert await save(LogoFormat.JPEG, b"second\0") == b"second\0"
    assert await acme.logo(BY_LINK) is None
    assert await save(None, None) is None


# Merchant-defined fields


async def test_definitions_get_ids_and_are_listed_oldest_first(acme: MerchantStore, zeta: MerchantStore) -> None:
    wanted = [a_definition(7), a_definition(3, label="Ünit", possible_values=("a", "b"), field_type=FieldType.SELECT)]

    kept = [await acme.add_field_definition(ReferenceType.INVOICE, one, 20, None) for one in wanted]

    assert [one.definition_id for one in kept] == [1, 2]
    assert [replace(one, definition_id=0) for one in kept] == wanted
    assert await acme.field_definitions(ReferenceType.INVOICE) == kept
    assert await acme.field_definitions(ReferenceType.PURCHASE) == []
    assert await zeta.field_definitions(ReferenceType.INVOICE) == []


async def test_an_index_is_taken_once_per_reference_type(acme: MerchantStore, zeta: MerchantStore) -> None:
    await acme.add_field_definition(ReferenceType.INVOICE, a_definition(1), 20, None)

    with pytest.raises(MerchantFieldIndexTaken):
        await acme.add_field_definition(ReferenceType.INVOICE, a_definition(1), 20, None)

    other = await acme.add_field_definition(ReferenceType.DONATION, a_definition(1), 20, None)
    assert other.definition_id == 2
    assert (await zeta.add_field_definition(ReferenceType.INVOICE, a_definition(1), 20, None)).definition_id == 1


async def test_no_more_definitions_than_the_limit_are_kept_at_once(store: Store, acme: MerchantStore) -> None:
    outcomes = await asyncio.gather(
        *(acme.add_field_definition(ReferenceType.INVOICE, a_definition(n), 3, None) for n in range(1, 6)),
        return_exceptions=True,
    )

    assert [type(one) for one in outcomes] == [*[FieldDefinition] * 3, *[TooManyMerchantFields] * 2]
    await acme.delete_field_definition(ReferenceType.INVOICE, 1)
    again = await acme.add_field_definition(ReferenceType.INVOICE, a_definition(9), 3, None)
    assert again.definition_id == 4, "an id is never given twice"
    await assert_all_holds(store)


async def test_a_definition_is_replaced_and_deleted_by_its_merchant_only(
    acme: MerchantStore, zeta: MerchantStore
) -> None:
    one = await acme.add_field_definition(ReferenceType.INVOICE, a_definition(1), 20, None)
    two = await acme.add_field_definition(ReferenceType.INVOICE, a_definition(2), 20, None)

    await acme.replace_field_definition(ReferenceType.INVOICE, replace(one, label="New", data_index=5))
    for store, reference_type in ((zeta, ReferenceType.INVOICE), (acme, ReferenceType.PURCHASE)):
        with pytest.raises(MerchantFieldChanged):
            await store.replace_field_definition(reference_type, two)
        with pytest.raises(NoSuchMerchantField):
            await store.delete_field_definition(reference_type, two.definition_id)
    with pytest.raises(MerchantFieldIndexTaken):
        await acme.replace_field_definition(ReferenceType.INVOICE, replace(two, data_index=5))
    await acme.delete_field_definition(ReferenceType.INVOICE, two.definition_id)

    assert await acme.field_definitions(ReferenceType.INVOICE) == [replace(one, label="New", data_index=5)]
    with pytest.raises(NoSuchMerchantField):
        await acme.delete_field_definition(ReferenceType.INVOICE, two.definition_id)


async def test_a_definition_asked_for_twice_with_one_key_is_made_once(acme: MerchantStore) -> None:
    receipt = Receipt("k", b"f", lambda stored: Answer(201, str(stored.definition_id).encode()))

    outcomes = await asyncio.gather(
        *(acme.add_field_definition(ReferenceType.INVOICE, a_definition(n), 20, receipt) for n in (1, 2)),
        return_exceptions=True,
    )

    assert [type(one) for one in outcomes] == [FieldDefinition, ReceiptExists]
    recorded = await acme.recorded_answer("k")
    assert recorded is not None
    assert recorded.answer == Answer(201, b"1")
