"""The store, opened for one merchant: every statement run here carries its id."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from paydue.domain.errors import (
    BrokenFact,
    MerchantFieldChanged,
    MerchantFieldIndexTaken,
    NoSuchMerchantField,
    TooManyMerchantFields,
)
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.mail_address import Suppression
from paydue.domain.merchant import Merchant
from paydue.domain.merchant_fields import FieldDefinition, ReferenceType
from paydue.domain.settings import ProductType, Settings
from paydue.storage import rows
from paydue.storage.short_memory import ShortMemory
from paydue.storage.sqlite import statements as sql
from paydue.storage.sqlite.batch import Batch
from paydue.storage.sqlite.engine import Engine
from paydue.storage.sqlite.mail_rules import SuppressionMemory
from paydue.storage.sqlite.pages import Pages
from paydue.storage.sqlite.subscriptions import SubscriptionMemory
from paydue.storage.sqlite.writer import Writer
from paydue.storage.turns import Turns
from paydue.storage.vault import Vault
from paydue.usecases.ports import (
    Answer,
    Change,
    Clock,
    NoSuchMerchant,
    Page,
    Receipt,
    RecordedAnswer,
    Showing,
    ShownInvoice,
    StaleVersion,
)


class Installation(msgspec.Struct, frozen=True):
    """What the stores of all merchants share. `on_messages` is called after messages were put into the outbox."""

    engine: Engine
    writer: Writer
    vault: Vault
    showing: Showing
    clock: Clock
    merchants: ShortMemory[str, Merchant]
    settings: ShortMemory[tuple[str, ProductType], Settings]
    subscriptions: SubscriptionMemory
    suppressions: SuppressionMemory
    turns: Turns
    pages: Pages
    on_messages: Callable[[], None]


class SqliteMerchantStore:
    """One merchant's invoices, settings and field definitions: `usecases.ports.MerchantStore` on SQLite."""

    def __init__(self, merchant_id: str, installation: Installation) -> None:
        self._merchant_id = merchant_id
        self._installation = installation
        self._engine = installation.engine
        self._vault = installation.vault

    @property
    def merchant_id(self) -> str:
        return self._merchant_id

    async def merchant(self) -> Merchant:
        """Return the merchant, as it was five seconds ago at most. Raises NoSuchMerchant."""
        known = self._installation.merchants.get(self._merchant_id)
        if known is None:
            found = self._engine.read(sql.MERCHANT, (self._merchant_id,))
            if not found:
                raise NoSuchMerchant(self._merchant_id)
            known = rows.read_merchant(found[0][0])
            self._installation.merchants.keep(self._merchant_id, known)
        return known

    async def invoice(self, number: str) -> Invoice | None:
        """Return the invoice of that number."""
        found = self._engine.read(sql.INVOICE, (self._merchant_id, number))
        return rows.read_invoice(self._merchant_id, found[0], self._vault) if found else None

    async def shown(self, number: str) -> ShownInvoice | None:
        """Return what was written of the invoice of that number to be shown."""
        found = self._engine.read(sql.SHOWN, (self._merchant_id, number))
        return rows.read_shown(self._merchant_id, found[0], self._vault, self._installation.showing) if found else None

    def turn(self, number: str) -> asyncio.Lock:
        """Return the lock under which changes of that invoice are decided."""
        return self._installation.turns.of((self._merchant_id, number))

    async def page(self, offset: int, limit: int, status: Status | None) -> Page:
        """Return the invoices from `offset` on, newest first, and how many match in all."""
        return self._installation.pages.find(self._merchant_id, offset, limit, status)

    async def commit(self, change: Change) -> Invoice:
        """Keep a change durably, whole, and return the invoice as stored. Refuses as `MerchantStore.commit` says."""
        merchant_id = self._merchant_id
        invoice: Invoice = await self._installation.writer.submit(lambda batch: batch.keep(merchant_id, change))
        if change.messages:
            self._installation.on_messages()
        return invoice

    async def webhooks_for(self, event_type: str) -> tuple[str, ...]:
        """Return the subscriptions that listen to that event, as they were five seconds ago at most."""
        return (await self._installation.subscriptions.of(self._merchant_id)).listening.get(event_type, ())

    async def suppression(self, address: str) -> Suppression | None:
        """Return whether and why no mail goes to that address; that there are none is five seconds old at most."""
        return await self._installation.suppressions.find(self._merchant_id, address)

    async def recorded_answer(self, key: str) -> RecordedAnswer | None:
        """Return what was answered first under that idempotency key."""
        found = self._engine.read(sql.RECEIPT, (self._merchant_id, key))
        if not found:
            return None
        fingerprint, status, body = found[0]
        return RecordedAnswer(fingerprint, Answer(status, body))

    async def settings(self, product: ProductType) -> Settings:
        """Return the settings as they were five seconds ago at most; the defaults when none were saved."""
        known = self._installation.settings.get((self._merchant_id, product))
        if known is None:
            found = self._engine.read(sql.SETTINGS, (self._merchant_id, product.value))
            known = rows.read_settings(*found[0]) if found else Settings()
            self._installation.settings.keep((self._merchant_id, product), known)
        return known

    async def logo(self, product: ProductType) -> bytes | None:
        """Return the logo's bytes."""
        found = self._engine.read(sql.LOGO, (self._merchant_id, product.value))
        return found[0][0] if found else None

    async def save_settings(self, product: ProductType, before: Settings, after: Settings, logo: bytes | None) -> None:
        """Keep settings and logo. Raises StaleVersion when they are no longer as in `before`."""
        try:
            await self._write_small(lambda batch: self._save_settings(batch, product, before, after, logo))
        finally:
            # Also after a refusal: what is remembered here is what was overtaken.
            self._installation.settings.forget((self._merchant_id, product))

    async def field_definitions(self, reference_type: ReferenceType) -> Sequence[FieldDefinition]:
        """Return the definitions for that reference type, oldest first."""
        found = self._engine.read(sql.DEFINITIONS, (self._merchant_id, reference_type.value))
        return [rows.read_definition(*row) for row in found]

    async def add_field_definition(
        self, reference_type: ReferenceType, definition: FieldDefinition, limit: int, receipt: Receipt | None
    ) -> FieldDefinition:
        """
        Keep a new definition and return it with its id.

        Raises MerchantFieldIndexTaken, TooManyMerchantFields, ReceiptExists, NoSuchMerchant.
        """
        stored: FieldDefinition = await self._write_small(
            lambda batch: self._add_definition(batch, reference_type, definition, limit, receipt)
        )
        return stored

    async def replace_field_definition(self, reference_type: ReferenceType, definition: FieldDefinition) -> None:
        """Raises MerchantFieldChanged when it is not there, MerchantFieldIndexTaken."""
        await self._write_small(lambda batch: self._replace_definition(batch, reference_type, definition))

    async def delete_field_definition(self, reference_type: ReferenceType, definition_id: int) -> None:
        """Raises NoSuchMerchantField."""
        await self._write_small(lambda batch: self._delete_definition(batch, reference_type, definition_id))

    async def _write_small(self, write: Any) -> Any:
        return await self._installation.writer.submit(lambda batch: batch.whole(lambda: write(batch)))

    def _save_settings(
        self, batch: Batch, product: ProductType, before: Settings, after: Settings, logo: bytes | None
    ) -> None:
        key = (self._merchant_id, product.value)
        document = rows.write_document(replace(after, version=0))
        if before.version == 0:
            kept = batch.write(sql.ADD_SETTINGS, (*key, document))
        else:
            kept = batch.write(sql.AMEND_SETTINGS, (document, *key, before.version))
        if not kept:
            raise StaleVersion(f"settings {product}")
        if after.logo_format is None:
            batch.write(sql.DROP_LOGO, key)
        elif logo is not None:
            batch.write(sql.SET_LOGO, (*key, logo))
        elif after.logo_format is not before.logo_format:
            raise BrokenFact(f"a logo of format {after.logo_format} without its bytes")

    def _add_definition(
        self,
        batch: Batch,
        reference_type: ReferenceType,
        definition: FieldDefinition,
        limit: int,
        receipt: Receipt | None,
    ) -> FieldDefinition:
        merchant_id = self._merchant_id
        if receipt is not None:
            batch.refuse_repeat(merchant_id, receipt)
        if batch.read(sql.DEFINITION_COUNT, (merchant_id, reference_type.value))[0][0] >= limit:
            raise TooManyMerchantFields(reference_type, limit)
        next_id = batch.read(sql.NEXT_DEFINITION_ID, (merchant_id,))
        if not next_id:
            raise NoSuchMerchant(merchant_id)
        stored = replace(definition, definition_id=next_id[0][0])
        document = rows.write_document(replace(definition, definition_id=0))
        if not batch.write(
            sql.ADD_DEFINITION,
            (merchant_id, stored.definition_id, reference_type.value, definition.data_index, document),
        ):
            raise MerchantFieldIndexTaken(definition.data_index)
        if receipt is not None:
            batch.keep_receipt(merchant_id, receipt, stored)
        return stored

    def _replace_definition(self, batch: Batch, reference_type: ReferenceType, definition: FieldDefinition) -> None:
        key = (self._merchant_id, reference_type.value, definition.definition_id)
        document = rows.write_document(replace(definition, definition_id=0))
        if batch.write(sql.AMEND_DEFINITION, (definition.data_index, document, *key)):
            return
        if batch.read(sql.HAS_DEFINITION, key):
            raise MerchantFieldIndexTaken(definition.data_index)
        raise MerchantFieldChanged(definition.definition_id)

    def _delete_definition(self, batch: Batch, reference_type: ReferenceType, definition_id: int) -> None:
        if not batch.write(sql.DROP_DEFINITION, (self._merchant_id, reference_type.value, definition_id)):
            raise NoSuchMerchantField(definition_id)
