"""The pages over a real store, asked through HTTP without a socket."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from builders import TOKEN
from paydue.documents.press import Press
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.domain.settings import ProductType, Settings
from paydue.pages.desk import Payments
from paydue.pages.page_options import FaceOf, PageOptions, no_gateway
from paydue.pages.site import Site
from paydue.storage.sqlite.schema import migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.ports import Actor, Change

LINK = f"/ebc2/invoicing/payInvoice/{TOKEN}?version=v2.1"
ACTOR = Actor("test", "test")


class MovableClock:
    at = datetime(2026, 5, 6, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def nanoseconds(self) -> int:
        return int(self.at.timestamp()) * 1_000_000_000


class Books:
    """A store with one merchant, and a client that opens its pages."""

    def __init__(
        self, store: SqliteStore, clock: MovableClock, site: Site, client: httpx.AsyncClient, press: Press
    ) -> None:
        self.press = press
        self.store = store
        self.clock = clock
        self.site = site
        self.client = client

    async def keep(self, invoice: Invoice) -> Invoice:
        new = replace(invoice, number="")
        return await self.store.of("acme").commit(Change(before=None, after=new, actor=ACTOR))

    async def change(self, before: Invoice, after: Invoice) -> Invoice:
        return await self.store.of("acme").commit(Change(before=before, after=after, actor=ACTOR))

    async def set(self, **values: Any) -> None:
        store = self.store.of("acme")
        before = await store.settings(ProductType.INVOICING)
        await store.save_settings(ProductType.INVOICING, before, Settings(**values), None)

    async def open(self, path: str = LINK, method: str = "GET") -> httpx.Response:
        return await self.client.request(method, path)


OpenBooks = Callable[..., Any]


@pytest.fixture
async def open_books(tmp_path: Path) -> AsyncIterator[OpenBooks]:
    """Return how to open books for a merchant that is described by keywords."""
    stores: list[SqliteStore] = []
    clients: list[httpx.AsyncClient] = []

    presses: list[Press] = []

    async def open_for(
        *,
        count_miss: Callable[[str], float] = lambda _: 0.0,
        payments: Callable[[SqliteStore], Payments] | None = None,
        face_of: FaceOf = no_gateway,
        **merchant: Any,
    ) -> Books:
        press = Press(warms_up=False)
        presses.append(press)
        folder = tmp_path / f"{len(stores)}"
        folder.mkdir()
        create_key_file(folder / "key")
        await migrate_file(folder / "paydue.db")
        clock = MovableClock()
        store = await SqliteStore.open(folder / "paydue.db", KeyFile.read(folder / "key"), clock, serves=True)
        await store.add_merchant(Merchant(**{"merchant_id": "acme", "name": "Harbour Lane Provisions"} | merchant))
        site = Site(
            store=store,
            reminders=store.reminders,
            clock=clock,
            openapi=lambda: b"{}",
            tls_host="localhost:8443",
            pages=PageOptions(
                count_miss=count_miss,
                link_of=lambda token: f"https://pay.example.com/ebc2/invoicing/payInvoice/{token}?version=v2.1",
                secret=b"a secret of the tests",
                face_of=face_of,
            ),
            press=press,
            new_correlation_id=lambda: "the-correlation-id",
            payments=payments(store) if payments is not None else None,
        )
        transport = httpx.ASGITransport(app=site, client=("192.0.2.7", 1234))
        client = httpx.AsyncClient(transport=transport, base_url="http://test")
        stores.append(store)
        clients.append(client)
        return Books(store, clock, site, client, press)

    yield open_for
    for client in clients:
        await client.aclose()
    for press in presses:
        await press.aclose()
    for store in stores:
        await store.close()


@pytest.fixture
async def books(open_books: OpenBooks) -> Books:
    books: Books = await open_books()
    return books
