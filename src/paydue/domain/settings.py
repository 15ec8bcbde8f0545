"""A merchant's invoice settings: what is shown, said and asked for on every invoice, per product type."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

LANGUAGES: Final = ("zh-CN", "zh-TW", "en-US", "fr-FR", "de-DE", "ja-JP", "pt-BR", "ru-RU", "es-419")

_HIDDEN: Final = frozenset({"hidden"})
_HIDDEN_SOMEWHERE: Final = frozenset({"hidden_for_invoice", "hidden_for_item"})

# The labels a merchant may rename, and which flags of `Label` each takes. The guide and the reference disagree about
# `hidden`: what either allows is allowed.
LABEL_FLAGS: Final[Mapping[str, frozenset[str]]] = {
    "billTo": frozenset(),
    "invoiceNumber": _HIDDEN,
    "customerId": _HIDDEN,
    "companyName": _HIDDEN,
    "description": _HIDDEN,
    "shipping": _HIDDEN,
    "partialPayment": _HIDDEN,
    "discount": _HIDDEN | _HIDDEN_SOMEWHERE,
    "tax": _HIDDEN_SOMEWHERE,
}


class ProductType(StrEnum):
    INVOICING = "INVOICING"
    PAY_BY_LINK = "PAYBYLINK"


class LogoFormat(StrEnum):
    """The formats a logo may have; the values are spelled as in the API's data URIs."""

    JPEG = "JPEG"
    PNG = "png"
    GIF = "gif"


class Logo(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that may be shown: written anew by us, without metadata."""

    format: LogoFormat
    image: bytes


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A renamed or hidden label. What is None was never set."""

    key: str
    value: str | None = None
    hidden: bool | None = None
    hidden_for_invoice: bool | None = None
    hidden_for_item: bool | None = None


class SettingsChange(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a merchant asks to change; everything else stays as it is.

    `values` are named like the fields of `Settings`; None takes a setting back to its default. `labels` are laid
    over those of the same key. `logo` is a picture as it was sent, None to have none, UNSET to keep what there is.
    """

    values: Mapping[str, str | bool | None] = {}
    labels: tuple[Label, ...] = ()
    logo: bytes | UnsetType | None = UNSET


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One merchant's settings for one product. `version` is 0 until they have been saved once.

    `reminders_since` is when reminders were last switched on: none is sent for a time before. `other_ways` tells payers
    how to pay by other means than the page.
    """

    version: int = 0
    logo_format: LogoFormat | None = None
    merchant_display_name: str | None = None
    custom_email_message: str | None = None
    sends_reminders: bool = False
    reminders_since: datetime | None = None
    font_color: str = "#000000"
    background_color: str = "#ffffff"
    delivery_language: str = "en-US"
    default_currency: str = "USD"
    authenticates_payers: bool = False
    shows_vat_number: bool = False
    vat_registration_number: str | None = None
    asks_for_shipping: bool = False
    asks_for_phone: bool = False
    notifies_merchant: bool = False
    merchant_email: str | None = None
    labels: tuple[Label, ...] = ()
    redirect_accepted: str | None = None
    redirect_rejected: str | None = None
    redirect_pending: str | None = None
    offers_fresh_links: bool = True
    other_ways: str | None = None
    terms_url: str | None = None
    privacy_url: str | None = None
    accessibility_url: str | None = None

    def after(self, change: SettingsChange, logo: Logo | None = None, at: datetime | None = None) -> Self:
        """
        Return the settings as `change` wants them at that time; `logo` is its picture made harmless.

        The version stays: the store gives the next one.
        """
        values: dict[str, Any] = {
            name: _DEFAULTS[name] if value is None else value for name, value in change.values.items()
        }
        if change.logo is not UNSET:
            values["logo_format"] = logo.format if logo is not None else None
        if values.get("sends_reminders") and not self.sends_reminders:
            values["reminders_since"] = at
        return replace(self, labels=merged(self.labels, change.labels), **values)

    def display_name(self, merchant_name: str) -> str:
        """Return the name to show payers: the merchant's own, until another is set."""
        return self.merchant_display_name or merchant_name


_DEFAULTS: Final = msgspec.structs.asdict(Settings())


def merged(labels: tuple[Label, ...], changes: Iterable[Label]) -> tuple[Label, ...]:
    """
    Return `labels` with each change laid over the one of its key, in the order in which they were first set.

    What a change leaves out stays; one that sets nothing changes nothing, and adds no label.
    """
    by_key = {label.key: label for label in labels}
    for change in changes:
        given = {name: value for name, value in _spread(change).items() if value is not None}
        if given:
            by_key[change.key] = replace(by_key.get(change.key, Label(key=change.key)), **given)
    return tuple(by_key.values())


def _spread(change: Label) -> dict[str, str | bool | None]:
    """Name what a change sets. To hide a label of two places is to hide it in both, unless one is spoken of itself."""
    properties = msgspec.structs.asdict(change)
    del properties["key"]
    if LABEL_FLAGS[change.key] >= _HIDDEN_SOMEWHERE:
        hidden = properties.pop("hidden")
        for name in _HIDDEN_SOMEWHERE:
            if properties[name] is None:
                properties[name] = hidden
    return properties


def logo_format(image: bytes) -> LogoFormat | None:
    """Tell by its first bytes which format a picture claims to have; None: none that a logo may have."""
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return LogoFormat.PNG
    if image.startswith(b"\xff\xd8\xff"):
        return LogoFormat.JPEG
    if image.startswith((b"GIF87a", b"GIF89a")):
        return LogoFormat.GIF
    return None
