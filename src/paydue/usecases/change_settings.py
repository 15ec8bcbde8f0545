"""Change a merchant's invoice settings, logo included."""

from datetime import datetime
from typing import Protocol

from paydue.domain.errors import StoreBusy
from paydue.domain.settings import Logo, ProductType, Settings, SettingsChange
from paydue.usecases.ports import MerchantStore, StaleVersion

_TRIES = 16


class LogoCleaner(Protocol):
    async def clean(self, image: bytes) -> Logo:
        """
        Return the picture written anew: what it shows, and nothing else of what was sent.

        Raises InvalidImage when it is not a PNG, JPEG or GIF within the limits.
        """
        ...


async def change_settings(
    store: MerchantStore, product: ProductType, change: SettingsChange, *, cleaner: LogoCleaner, at: datetime
) -> tuple[Settings, bytes | None]:
    """
    Keep the settings as `change` wants them and return them with their logo. Raises InvalidImage.

    A change says only what it changes, so one that was overtaken is laid over what stands then.
    """
    # Slow, and the same whatever is stored: done before anything is read.
    logo = await cleaner.clean(change.logo) if isinstance(change.logo, bytes) else None
    for _ in range(_TRIES):
        before = await store.settings(product)
        after = before.after(change, logo, at)
        try:
            await store.save_settings(product, before, after, logo.image if logo is not None else None)
        except StaleVersion:
            continue
        if logo is not None:
            return after, logo.image
        return after, await store.logo(product) if after.logo_format is not None else None
    raise StoreBusy(f"the settings of {store.merchant_id} changed {_TRIES} times while one change was decided")
