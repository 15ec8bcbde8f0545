"""
What a payment link opens: the invoice as its payer sees it, in every state.

Opening it changes nothing, however often mail scanners do it. Unknown, malformed, replaced and draft links get one
answer, so that nobody learns from it whether there is an invoice. Answered without a framework because it is the page
that many open at once.
"""

import logging
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final

import msgspec

from paydue.domain.errors import StoreUnavailable
from paydue.domain.settings import ProductType
from paydue.pages.answers import Answer, Header, Scope
from paydue.pages.invoice_view import State, contact_of, view_of
from paydue.pages.rendering import Templates
from paydue.usecases.ports import Clock, Store

LINK_PATH: Final = "/ebc2/invoicing/payInvoice/"

_TOKEN: Final = re.compile(r"[A-Za-z0-9]{64}")
_HTML: Final[Header] = (b"content-type", b"text/html; charset=utf-8")
# The address of the page is a secret: nobody may keep it, index it or learn it from a Referer.
_HEADERS: Final[tuple[Header, ...]] = (
    _HTML,
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"cross-origin-opener-policy", b"same-origin-allow-popups"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_log = logging.getLogger("paydue.pages")


class PaymentPage:
    """
    Answers payment links.

    `count_miss` counts a link that opens nothing against an address, and returns 0 or, above the limit, the seconds
    to wait. A link that does open is never refused: many payers may share an address with one who guesses.
    """

    def __init__(self, store: Store, clock: Clock, templates: Templates, count_miss: Callable[[str], float]) -> None:
        self._store = store
        self._clock = clock
        self._templates = templates
        self._count_miss = count_miss
        self._not_found = self._message(404, "This link does not work.", "Ask the sender for a new one.")

    async def answer(self, scope: Scope) -> Answer:
        """Return the page of the link that was asked for."""
        if scope["method"] not in ("GET", "HEAD"):
            return Answer(405, b"Method Not Allowed", (*_HEADERS[1:], _PLAIN, (b"allow", b"GET, HEAD")))
        token = scope["path"].removeprefix(LINK_PATH)
        if not _TOKEN.fullmatch(token):
            return self._miss(scope, "malformed")
        try:
            page = await self._page(token)
        except StoreUnavailable as failure:
            _log.error("store_unavailable", exc_info=failure)
            return self._unavailable()
        if page is None:
            return self._miss(scope, sha256(token.encode()).hexdigest()[:6])
        return Answer(200, page, _HEADERS)

    async def _page(self, token: str) -> bytes | None:
        found = await self._store.find_by_payment_token(token)
        if found is None:
            return None
        merchant_id, invoice = found
        store = self._store.of(merchant_id)
        merchant, settings = await store.merchant(), await store.settings(ProductType.INVOICING)
        view = view_of(invoice, merchant, settings, self._clock.now())
        if view is None:
            return None
        contact = contact_of(merchant, settings)
        name = contact.merchant
        tone, glyph, message = _LOOKS[view.state]
        values = msgspec.structs.asdict(view) | msgspec.structs.asdict(contact) | {"tone": tone, "glyph": glyph}
        if message is None:
            return self._templates.render_strictly(
                "invoice.html", values | {"title": f"Invoice {view.number} \u2013 {name}"}
            )
        heading, text = message
        words = {"title": f"{heading} \u2013 {name}", "heading": heading, "text": text.format(merchant=name)}
        return self._templates.render_strictly("message.html", values | words)

    def _miss(self, scope: Scope, digest: str) -> Answer:
        client = scope.get("client")
        address = client[0] if client else ""
        _log.info("payment_link_missed", extra={"token_digest": digest, "client": address})
        if (wait := self._count_miss(address)) > 0:
            return self._message(
                429,
                "Too many tries.",
                "Wait a minute, then open the link from your invoice again.",
                strip="Paused",
                headers=((b"retry-after", str(max(1, round(wait))).encode()),),
            )
        return self._not_found

    def _unavailable(self) -> Answer:
        return self._message(
            503,
            "This page cannot be shown right now.",
            "Nothing was charged. Try again in a few minutes.",
            strip="Out of order",
            headers=((b"retry-after", b"5"),),
        )

    def _message(
        self, status: int, heading: str, text: str, *, strip: str = "", headers: tuple[Header, ...] = ()
    ) -> Answer:
        body = self._templates.message(heading, text, strip=strip)
        return Answer(status, body, (*_HEADERS, *headers))


_PLAIN: Final[Header] = (b"content-type", b"text/plain; charset=utf-8")

# State -> colour of the strip, its icon, and the heading and text of the one message that stands for the invoice.
_LOOKS: Final[Mapping[State, tuple[str, str, tuple[str, str] | None]]] = {
    State.PAYABLE: ("", "clock", None),
    State.OVERDUE: ("bad", "alert", None),
    State.PARTLY_PAID: ("", "clock", None),
    State.IN_REVIEW: ("wait", "clock", None),
    State.PAID: ("good", "check", None),
    State.CANCELED: (
        "", "slash", ("Nothing is due.", "{merchant} canceled this invoice. You do not need to pay it.")
    ),
    State.EXPIRED: ("wait", "clock", ("This link has expired.", "Ask {merchant} for a new one.")),
}  # fmt: skip
