"""A whole installation with its test processor served beside it, and payers who pay there over real HTTP."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from builders import some_terms
from client import Account, Answer, checked, prepared
from paydue.bootstrap import Service, make_store, open_service
from paydue.bootstrap.paying import SandboxPlace
from paydue.config import Config
from paydue.domain.attempts import PaymentAttempt
from paydue.domain.invoice import Invoice
from paydue.domain.merchant import Merchant
from paydue.usecases.access_keys import AccessKey, KeyKind, new_shared_secret
from paydue.usecases.pay_invoice import Begun, PaymentWish, begin_payment, charge_payment
from paydue.usecases.ports import Actor
from storing import a_change, a_token

PAYER = Actor("payer", "c-1")
VISA = "4111111111111111"
_PAGE = "http://127.0.0.1:1"


class Shop:
    """What a test does with a running installation: the merchant acme bills, payers pay."""

    def __init__(self, service: Service, sandbox_url: str) -> None:
        self.service = service
        self.desk = service.desk
        self.sandbox_url = sandbox_url
        self.books = service.desk.books_of("acme")
        self.gateway: Any = service.desk.current_gateway("acme")

    async def bill(self, total: str = "293.5", **changed: Any) -> Invoice:
        """Send an invoice."""
        at = self.desk.clock.now()
        draft = Invoice.draft(some_terms(total, **changed), at)
        return await self.books.store.commit(a_change(None, draft.send(at, a_token())))

    async def begin(
        self, invoice: Invoice, amount: str | None = None, key: str | None = None, email: str | None = None
    ) -> Begun:
        wish = PaymentWish(
            number=invoice.number,
            amount=Decimal(amount) if amount is not None else invoice.balance,
            payer_key=key or str(uuid.uuid4()),
            page_origin=_PAGE,
            return_url=_PAGE,
            cancel_url=_PAGE,
            payer_email=email,
        )
        desk = self.desk
        return await begin_payment(
            self.books, self.gateway, wish, clock=desk.clock, ids=desk.ids, actor=PAYER, limits=desk.limits
        )

    async def typed(self, begun: Begun, card: str = VISA) -> str:
        """Type a card into the form that was opened, and return what it hands over."""
        assert begun.checkout is not None
        typed = {"number": card, "month": "12", "year": "2039", "code": "123"}
        async with httpx.AsyncClient() as browser:
            form = f"{self.sandbox_url}/form/{begun.checkout.session}/token"
            answer = await browser.post(form, content=json.dumps(typed))
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["token"]
        return token

    async def charge(self, begun: Begun, token: str) -> PaymentAttempt:
        attempt = begun.attempt
        return await charge_payment(
            self.books, self.gateway, attempt.number, attempt.attempt_id, token, clock=self.desk.clock, actor=PAYER
        )

    async def pay(
        self, invoice: Invoice, amount: str | None = None, card: str = VISA, email: str | None = None
    ) -> PaymentAttempt:
        begun = await self.begin(invoice, amount, email=email)
        return await self.charge(begun, await self.typed(begun, card))

    async def invoice(self, number: str) -> Invoice:
        found = await self.books.store.invoice(number)
        assert found is not None
        return found


@asynccontextmanager
async def a_shop(folder: Path, **settings: Any) -> AsyncIterator[Shop]:
    """Open the installation in that folder, made if there is none, with its test processor on a free port."""
    config = Config(data=folder / "data", **{"gateway": "sandbox", "rate_limit": 0} | settings)
    await make_store(config)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    service = await open_service(
        config,
        portal_url=_PAGE,
        tls_host="localhost",
        is_demo=True,
        with_worker=True,
        sandbox=SandboxPlace(url, _PAGE),
    )
    assert service.sandbox is not None
    server = uvicorn.Server(
        uvicorn.Config(service.sandbox, log_level="critical", loop="none", lifespan="off", timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.005)
    try:
        if not await service.store.merchants():
            await service.store.add_merchant(Merchant(merchant_id="acme", name="Acme", email="owner@acme.example"))
        yield Shop(service, url)
    finally:
        server.should_exit = True
        await serving
        listening.close()
        await service.close()


class Caller:
    """The merchant's program: signs each call, and holds each answer against the OpenAPI document."""

    def __init__(self, shop: Shop, account: Account) -> None:
        self.account = account
        self._shop = shop

    @classmethod
    async def of(cls, shop: Shop, merchant_id: str = "acme") -> "Caller":
        secret = new_shared_secret()
        key = AccessKey(
            key_id=str(uuid.uuid4()),
            merchant_id=merchant_id,
            kind=KeyKind.SHARED_SECRET,
            secret=secret,
            merchants=(merchant_id,),
        )
        await shop.service.store.add_key(key, shop.desk.clock.now())
        account = Account(
            url="http://127.0.0.1", merchant_id=merchant_id, key_id=key.key_id, shared_secret=secret.reveal()
        )
        return cls(shop, account)

    async def call(self, method: str, target: str, body: Any = None, *, key: str | None = None) -> Answer:
        headers = {"Idempotency-Key": key} if key is not None else {}
        request = prepared(self.account, method, target, body, headers)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self._shop.service.app)) as program:
            response = await program.send(request)
        return checked(request, Answer(response.status_code, response.headers, response.content))
