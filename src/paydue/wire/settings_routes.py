"""The operations on invoice settings: read, use case, write; nothing else."""

from typing import Final

from paydue.domain.settings import ProductType, Settings
from paydue.usecases.change_settings import LogoCleaner, change_settings
from paydue.usecases.ports import Answer
from paydue.wire.query import parse_query
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.settings_json import read_product_type, read_settings, write_settings

# A logo of 1 MB in base64, and everything else.
_LARGEST_SETTINGS: Final = 2 * 1024 * 1024


class SettingsRoutes:
    """`allows_plain_http` lets redirect addresses be http, for integrators at their own machine."""

    def __init__(self, *, cleaner: LogoCleaner, allows_plain_http: bool) -> None:
        self._cleaner = cleaner
        self._allows_plain_http = allows_plain_http

    def routes(self) -> tuple[Route, ...]:
        settings = "/invoicing/v2/invoiceSettings"
        return (
            Route("GET", settings, self.get, 64 * 1024),
            Route("PUT", settings, self.update, _LARGEST_SETTINGS),
        )

    async def get(self, request: Request) -> Answer:
        product = read_product_type(parse_query(request.query))
        settings = await request.store.settings(product)
        return await self._answer(request, settings, await self._logo(request, product, settings))

    async def update(self, request: Request) -> Answer:
        product = read_product_type(parse_query(request.query))
        change = read_settings(request.document(), allows_plain_http=self._allows_plain_http)
        settings, logo = await change_settings(request.store, product, change, cleaner=self._cleaner, at=request.at)
        return await self._answer(request, settings, logo)

    async def _logo(self, request: Request, product: ProductType, settings: Settings) -> bytes | None:
        return await request.store.logo(product) if settings.logo_format is not None else None

    async def _answer(self, request: Request, settings: Settings, logo: bytes | None) -> Answer:
        merchant = await request.store.merchant()
        return Answer(200, write_settings(settings, logo, merchant, request.submit_time))
