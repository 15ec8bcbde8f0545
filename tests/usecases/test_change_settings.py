"""Changing settings: what is kept, what happens to the logo, and that nobody's change is lost to another's."""

from collections.abc import Awaitable, Callable

import pytest

from builders import NOON
from paydue.domain.errors import InvalidImage, StoreBusy
from paydue.domain.settings import Label, Logo, LogoFormat, ProductType, Settings, SettingsChange
from paydue.usecases.change_settings import change_settings
from paydue.usecases.ports import MerchantStore

INVOICING = ProductType.INVOICING
SENT = b"a stranger's GIF"
CLEAN = Logo(format=LogoFormat.GIF, image=b"GIF89a, clean")


class Cleaner:
    """Knows one picture."""

    async def clean(self, image: bytes) -> Logo:
        if image != SENT:
            raise InvalidImage("no picture")
        return CLEAN


class Overtaken:
    """The store of a merchant where `other` changes the settings each time that somebody has read them."""

    def __init__(self, store: MerchantStore, other: Callable[[], Awaitable[object]], times: int) -> None:
        self._store = store
        self._other = other
        self._times = times
        self.merchant_id = store.merchant_id
        self.logo = store.logo
        self.save_settings = store.save_settings

    async def settings(self, product: ProductType) -> Settings:
        read = await self._store.settings(product)
        if self._times:
            self._times -= 1
            await self._other()
        return read


async def change(store: MerchantStore, wanted: SettingsChange) -> tuple[Settings, bytes | None]:
    return await change_settings(store, INVOICING, wanted, cleaner=Cleaner(), at=NOON)


async def test_what_is_changed_is_kept_and_the_rest_stays(store):
    await change(store, SettingsChange(values={"merchant_display_name": "Shop", "sends_reminders": True}))
    returned, logo = await change(store, SettingsChange(values={"sends_reminders": None}))

    kept = await store.settings(INVOICING)
    assert (kept.merchant_display_name, kept.sends_reminders) == ("Shop", False)
    assert (returned.merchant_display_name, returned.sends_reminders) == ("Shop", False)
    assert logo is None


async def test_each_product_has_settings_of_its_own(store):
    await change(store, SettingsChange(values={"merchant_display_name": "Shop"}, logo=SENT))

    assert await store.settings(ProductType.PAY_BY_LINK) == Settings()
    assert await store.logo(ProductType.PAY_BY_LINK) is None


async def test_a_logo_is_kept_cleaned_and_never_as_it_was_sent(store):
    settings, logo = await change(store, SettingsChange(logo=SENT))

    assert (settings.logo_format, logo) == (LogoFormat.GIF, CLEAN.image)
    assert (await store.settings(INVOICING)).logo_format is LogoFormat.GIF
    assert await store.logo(INVOICING) == CLEAN.image


async def test_a_change_of_something_else_keeps_and_returns_the_logo(store):
    await change(store, SettingsChange(logo=SENT))

    settings, logo = await change(store, SettingsChange(values={"sends_reminders": True}))

    assert (settings.logo_format, logo) == (LogoFormat.GIF, CLEAN.image)
    assert await store.logo(INVOICING) == CLEAN.image


async def test_a_logo_can_be_taken_away(store):
    await change(store, SettingsChange(logo=SENT))

    settings, logo = await change(store, SettingsChange(logo=None))

    assert (settings.logo_format, logo) == (None, None)
    assert await store.logo(INVOICING) is None


async def test_a_logo_that_is_no_picture_changes_nothing_at_all(store):
    with pytest.raises(InvalidImage):
        await change(store, SettingsChange(values={"merchant_display_name": "Shop"}, logo=b"<svg>"))

    assert await store.settings(INVOICING) == Settings()


@pytest.mark.parametrize("times", [1, 5])
async def test_a_change_that_was_overtaken_is_laid_over_the_other(store, times):
    async def other() -> None:
        await change(store, SettingsChange(values={"merchant_display_name": "Shop"}, labels=(LABEL_OF_OTHERS,)))

    label = Label(key="billTo", value="Payee")
    await change(Overtaken(store, other, times), SettingsChange(values={"sends_reminders": True}, labels=(label,)))

    kept = await store.settings(INVOICING)
    assert (kept.merchant_display_name, kept.sends_reminders) == ("Shop", True)
    assert kept.labels == (LABEL_OF_OTHERS, label)


LABEL_OF_OTHERS = Label(key="tax", value="VAT")


async def test_a_change_that_is_overtaken_without_end_gives_up(store):
    async def other() -> None:
        await change(store, SettingsChange(values={"merchant_display_name": "Shop"}))

    with pytest.raises(StoreBusy):
        await change(Overtaken(store, other, 1000), SettingsChange(values={"sends_reminders": True}))

    assert (await store.settings(INVOICING)).sends_reminders is False
