"""
What a payment link opens: the invoice as its payer sees it, in every state.

Opening it changes nothing, however often mail scanners do it. Unknown, malformed, replaced and draft links get one
answer, so that nobody learns from it whether there is an invoice. Answered without a framework because it is the page
that many open at once.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Final

import msgspec

from paydue.domain.errors import StoreUnavailable
from paydue.domain.invoice import Invoice
from paydue.domain.lifecycle import Status
from paydue.domain.merchant import Merchant
from paydue.domain.merchant_fields import FieldDefinition, ReferenceType
from paydue.domain.settings import ProductType, Settings
from paydue.language.locales import SOURCE_LANGUAGE
from paydue.pages.answers import Answer, Header, Scope
from paydue.pages.invoice_view import State, contact_of, view_of
from paydue.pages.rendering import Templates
from paydue.pages.slip import NO_GATEWAY, GatewayFace, Slip
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

FaceOf = Callable[[str], Awaitable[GatewayFace]]

_log = logging.getLogger("paydue.pages")


def token_of(scope: Scope) -> str:
    """Return what stands in a payment link's place for the token; it may be anything."""
    path: str = scope["path"]
    return path.removeprefix(LINK_PATH)


async def no_gateway(_merchant_id: str) -> GatewayFace:
    """Return that a merchant cannot be paid here."""
    return NO_GATEWAY


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a payment link opens. `fields` are those that the payer is asked to fill in."""

    token: str
    merchant: Merchant
    settings: Settings
    invoice: Invoice
    fields: tuple[FieldDefinition, ...] = ()


class PaymentPage:
    """
    Answers payment links.

    `count_miss` counts a link that opens nothing against an address, and returns 0 or, above the limit, the seconds
    to wait. A link that does open is never refused: many payers may share an address with one who guesses.
    `face_of` says what a payer sees of a merchant's gateway.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        templates: Templates,
        count_miss: Callable[[str], float],
        face_of: FaceOf = no_gateway,
    ) -> None:
        self._store = store
        self._clock = clock
        self._templates = templates
        self._count_miss = count_miss
        self._face_of = face_of
        self._not_found = self._message(404, "This link does not work.", "Ask the sender for a new one.")

    async def answer(self, scope: Scope) -> Answer:
        """Return the page of the link that was asked for, with a fresh slip."""
        if scope["method"] not in ("GET", "HEAD"):
            return Answer(405, b"Method Not Allowed", (*_HEADERS[1:], _PLAIN, (b"allow", b"GET, HEAD")))
        token = token_of(scope)
        try:
            found = await self.find(token)
            if found is None:
                return self.miss(scope)
            slip = Slip(gateway=await self._face_of(found.merchant.merchant_id))
        except StoreUnavailable as failure:
            _log.error("store_unavailable", exc_info=failure)
            return self.unavailable()
        return self.page(found, self.language_of(scope, found.settings), slip)

    async def find(self, token: str) -> Found | None:
        """Return what a link opens; None when it opens nothing, whatever the reason. Raises StoreUnavailable."""
        found = await self._store.find_by_payment_token(token) if _TOKEN.fullmatch(token) else None
        if found is None or found[1].status is Status.DRAFT:
            return None
        merchant_id, invoice = found
        store = self._store.of(merchant_id)
        merchant, settings = await store.merchant(), await store.settings(ProductType.INVOICING)
        definitions = await store.field_definitions(ReferenceType.INVOICE)
        asked = tuple(each for each in definitions if each.is_customer_visible and not each.is_read_only)
        return Found(token=token, merchant=merchant, settings=settings, invoice=invoice, fields=asked)

    def language_of(self, scope: Scope, settings: Settings) -> str:
        """Return the language to write to this reader in, one of the nine: asked for, the merchant's, the browser's."""
        return SOURCE_LANGUAGE

    def page(self, found: Found, language: str, slip: Slip) -> Answer:
        """Return the page with that slip, in whatever state the invoice is."""
        view = view_of(found.invoice, found.merchant, found.settings, self._clock.now())
        assert view is not None, "a draft is not found"
        contact = contact_of(found.merchant, found.settings)
        name = contact.merchant
        tone, glyph, message = _LOOKS[view.state]
        values = msgspec.structs.asdict(view) | msgspec.structs.asdict(contact) | {"tone": tone, "glyph": glyph}
        if message is None:
            words = {"title": f"Invoice {view.number} \u2013 {name}"}
            return Answer(200, self._templates.render_strictly("invoice.html", values | words), _HEADERS)
        heading, text = message
        words = {"title": f"{heading} \u2013 {name}", "heading": heading, "text": text.format(merchant=name)}
        return Answer(200, self._templates.render_strictly("message.html", values | words), _HEADERS)

    def miss(self, scope: Scope) -> Answer:
        """Return what a link that opens nothing gets, and count it."""
        token = token_of(scope)
        digest = sha256(token.encode()).hexdigest()[:6] if _TOKEN.fullmatch(token) else "malformed"
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

    def unavailable(self) -> Answer:
        """Return what everybody gets while the database does not answer."""
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
