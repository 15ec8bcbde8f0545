"""What a merchant chooses for the payment page beyond the compatible settings: ours, for these have no place for it."""

from typing import Any, Final

import msgspec

from paydue.domain.settings import ProductType, Settings, SettingsChange
from paydue.usecases.change_settings import LogoCleaner, change_settings
from paydue.usecases.ports import Answer
from paydue.wire.fields import Faults, Reader
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.settings_json import Members, Value, page_url, read_member, several_lines

_LARGEST: Final = 64 * 1024
_LONGEST_WAYS: Final = 1000


class _PageSettings(msgspec.Struct, rename="camel", omit_defaults=True):
    offers_fresh_links: bool = msgspec.field()
    other_ways_to_pay: str | None = None
    terms_url: str | None = None
    privacy_url: str | None = None
    accessibility_url: str | None = None


_encode = msgspec.json.Encoder().encode


class PageSettingsRoutes:
    """`allows_plain_http` lets addresses be http, for integrators at their own machine."""

    def __init__(self, *, cleaner: LogoCleaner, allows_plain_http: bool) -> None:
        self._cleaner = cleaner
        self._members = _members(allows_plain_http)

    def routes(self) -> tuple[Route, ...]:
        settings = "/paydue/v1/payment-page-settings"
        return (Route("GET", settings, self.get, _LARGEST), Route("PUT", settings, self.update, _LARGEST))

    async def get(self, request: Request) -> Answer:
        return _written(await request.store.settings(ProductType.INVOICING))

    async def update(self, request: Request) -> Answer:
        change = _read(request.document(), self._members)
        settings, _ = await change_settings(
            request.store, ProductType.INVOICING, change, cleaner=self._cleaner, at=request.at
        )
        return _written(settings)


def _members(allows_plain_http: bool) -> Members:
    url = page_url(allows_plain_http)
    return {
        "offersFreshLinks": ("offers_fresh_links", Reader.flag),
        "otherWaysToPay": ("other_ways", several_lines(_LONGEST_WAYS)),
        "termsUrl": ("terms_url", url),
        "privacyUrl": ("privacy_url", url),
        "accessibilityUrl": ("accessibility_url", url),
    }


def _read(document: dict[str, Any], members: Members) -> SettingsChange:
    """Read a change: what is not sent stays, what is sent without a value goes back to its default."""
    faults = Faults()
    reader = Reader(document, "", faults)
    values: dict[str, Value] = {}
    for name, value in document.items():
        values |= read_member(reader, name, value, members)
    faults.raise_if_any()
    return SettingsChange(values=values)


def _written(settings: Settings) -> Answer:
    return Answer(
        200,
        _encode(
            _PageSettings(
                offers_fresh_links=settings.offers_fresh_links,
                other_ways_to_pay=settings.other_ways,
                terms_url=settings.terms_url,
                privacy_url=settings.privacy_url,
                accessibility_url=settings.accessibility_url,
            )
        ),
    )
