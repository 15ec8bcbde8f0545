"""
The front of everything that is not the API: payment links, health, documentation, static files.

It is light, and imports template and web framework on first use or when told to warm up: a server shall be ready
before anybody looks at a page.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from paydue.pages.answers import Answer, Header, Receive, Scope, Send
from paydue.usecases.delivery_ports import Reminders
from paydue.usecases.ports import Clock, Store
from paydue.usecases.reminder_links import REMINDERS_PATH

if TYPE_CHECKING:
    from paydue.documents.press import Press
    from paydue.pages.desk import Payments
    from paydue.pages.links import Links
    from paydue.pages.page_options import PageOptions
    from paydue.pages.reminder_page import ReminderPage

LINKS: Final = "/ebc2/invoicing/payInvoice/"
_LOGOS: Final = "/logos/"
_HEALTH: Final = "/health/"
_NOSNIFF: Final[Header] = (b"x-content-type-options", b"nosniff")
_TRANSPORT: Final[Header] = (b"strict-transport-security", b"max-age=31536000")
_HEALTH_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_log = logging.getLogger("paydue.pages")

Framework = Callable[[Scope, Receive, Send], Awaitable[None]]
LinkAnswering = Callable[[Scope, Receive], Awaitable[Answer]]


class Site:
    """
    An ASGI application. What other rooms make is handed in: the OpenAPI document, correlation ids, the limit on misses.

    `tls_host` is what the documentation tells SDKs to call.
    `is_public_tls` says that people reach this server by https under a public name, so that browsers may be told to
    come by nothing else; for a name like localhost that would lock them out of everything else on this machine.
    `press` draws PDFs; whoever made it ends it. `payments` is what it takes to be paid; without it
    payment links are for reading.
    """

    def __init__(
        self,
        *,
        store: Store,
        reminders: Reminders,
        clock: Clock,
        openapi: Callable[[], bytes],
        tls_host: str,
        pages: "PageOptions",
        press: "Press",
        new_correlation_id: Callable[[], str],
        is_public_tls: bool = False,
        payments: "Payments | None" = None,
    ) -> None:
        self._store = store
        self._reminders = reminders
        self._clock = clock
        self._openapi = openapi
        self._tls_host = tls_host
        self._pages = pages
        self._press = press
        self._payments = payments
        self._new_correlation_id = new_correlation_id
        self._common: tuple[Header, ...] = (_NOSNIFF, _TRANSPORT) if is_public_tls else (_NOSNIFF,)
        self._loaded: tuple[Links, LinkAnswering, ReminderPage, Framework] | None = None
        self._loading = asyncio.Lock()
        self._is_leaving = False

    async def answer_link(self, scope: Scope, receive: Receive) -> Answer:
        """Return the whole answer to a request for something below a payment link; nothing makes this raise."""
        correlation_id = self._new_correlation_id()
        try:
            _, answer, _, _ = self._loaded or await self._load()
            given = await answer(scope, receive)
        except Exception:  # noqa: BLE001 - the outermost layer
            # Never the path of a payment link: it is a secret.
            _log.exception("request_failed", extra={"correlation_id": correlation_id, "path": LINKS + "..."})
            given = _apology(correlation_id)
        marked = (b"v-c-correlation-id", correlation_id.encode())
        return Answer(given.status, given.body, (marked, *self._common, *given.headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; nothing that is asked makes this raise."""
        path: str = scope["path"]
        if path.startswith(LINKS):
            return await _Answering(scope, send).give(await self.answer_link(scope, receive))
        correlation_id = self._new_correlation_id()
        answering = _Answering(scope, send, ((b"v-c-correlation-id", correlation_id.encode()), *self._common))
        try:
            if path.startswith(_HEALTH):
                return await answering.give(await self._health(path))
            links, _, reminder_page, framework = self._loaded or await self._load()
            if path.startswith(_LOGOS):
                return await answering.give(await links.logo(scope))
            if path.startswith(REMINDERS_PATH):
                return await answering.give(await reminder_page.answer(scope, receive, correlation_id))
            await framework(scope, receive, answering.send)
        except Exception:  # noqa: BLE001 - the outermost layer
            # Never the path of a link: it is a secret.
            shown = REMINDERS_PATH + "..." if path.startswith(REMINDERS_PATH) else path
            _log.exception("request_failed", extra={"correlation_id": correlation_id, "path": shown})
            if not answering.has_begun:
                await answering.give(_apology(correlation_id))

    async def warm_up(self) -> None:
        """Have everything imported and every template compiled, off the event loop."""
        await self._load()

    def leave(self) -> None:
        """Be ready no more: everything is answered still, but whoever spreads the load shall turn to others."""
        self._is_leaving = True

    async def _load(self) -> "tuple[Links, LinkAnswering, ReminderPage, Framework]":
        async with self._loading:
            if self._loaded is None:
                self._loaded = await asyncio.to_thread(self._import_pages)
        return self._loaded

    def _import_pages(self) -> "tuple[Links, LinkAnswering, ReminderPage, Framework]":
        # Imported here because together they take longer than the rest of the start.
        from paydue.pages.documents import documents  # noqa: PLC0415
        from paydue.pages.links import Links  # noqa: PLC0415
        from paydue.pages.payer_templates import PayerTemplates  # noqa: PLC0415
        from paydue.pages.payment_page import PaymentPage  # noqa: PLC0415
        from paydue.pages.reminder_page import ReminderPage  # noqa: PLC0415
        from paydue.pages.rendering import StaticFiles, Templates  # noqa: PLC0415

        static = StaticFiles()
        templates, payer_templates = Templates(static), PayerTemplates(static.shared())
        framework: Any = documents(templates, payer_templates, static, self._openapi, self._tls_host)
        page = PaymentPage(self._store, self._clock, payer_templates, self._pages)
        links = Links(page, self._store, self._clock, self._press)
        reminder_page = ReminderPage(page, self._store, self._reminders, self._clock, payer_templates, self._pages)
        if self._payments is None:
            return links, lambda scope, _: links.answer(scope), reminder_page, framework
        from paydue.pages.paying import Paying  # noqa: PLC0415

        paying = Paying(links, self._payments, self._clock, self._new_correlation_id)
        return links, paying.answer, reminder_page, framework

    async def _health(self, path: str) -> Answer:
        match path.removeprefix(_HEALTH):
            case "live":
                return Answer(200, b'{"status":"live"}', _HEALTH_HEADERS)
            case "ready" if not self._is_leaving and await self._store.is_ready():
                return Answer(200, b'{"status":"ready"}', _HEALTH_HEADERS)
            case "ready":
                return Answer(503, b'{"status":"not ready"}', (*_HEALTH_HEADERS, (b"retry-after", b"5")))
        return Answer(404, b'{"status":"unknown"}', _HEALTH_HEADERS)


class _Answering:
    """One answer on its way out, with the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send, common: tuple[Header, ...] = ()) -> None:
        self._is_head = scope["method"] == "HEAD"
        self._send = send
        self._common = common
        self.has_begun = False

    async def give(self, answer: Answer) -> None:
        headers = [*self._common, *answer.headers, (b"content-length", str(len(answer.body)).encode())]
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if self._is_head else answer.body})

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass on what the framework answers."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            message["headers"] = [*self._common, *message.get("headers", ())]
        await self._send(message)


def _apology(correlation_id: str) -> Answer:
    text = f"Something went wrong on our side. If it stays so, report it with this number: {correlation_id}\n"
    headers = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
    )
    return Answer(500, text.encode(), headers)
