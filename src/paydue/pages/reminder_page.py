"""
What the link in a reminder opens: the question whether to stop them, and the way back.

Opening it changes nothing, for mail scanners open every link; a click does, and so does the one POST by which mail
programs unsubscribe (RFC 8058).
"""

import logging
import os
from collections.abc import Mapping
from typing import Final

from paydue.domain.errors import StoreUnavailable
from paydue.domain.settings import ProductType
from paydue.pages.answers import Answer, Header, Receive, Scope
from paydue.pages.form_bodies import FormRefused, read_form
from paydue.pages.look import Look, Looks
from paydue.pages.page_headers import PRIVATE
from paydue.pages.page_options import PageOptions
from paydue.pages.payer_templates import PayerTemplates, icon
from paydue.pages.payment_page import PaymentPage
from paydue.pages.reader_language import reader_language
from paydue.usecases.delivery_ports import Reminders
from paydue.usecases.ports import Actor, Clock, Store
from paydue.usecases.reminder_links import REMINDERS_PATH, RemindedInvoice, ReminderLinks

_START: Final = "start"
_PAYER: Final = "payer"
_PLAIN: Final[Header] = (b"content-type", b"text/plain; charset=utf-8")

_log = logging.getLogger("paydue.pages")


class ReminderPage:
    """Answers links of reminders. What opens nothing is answered as `page` answers a payment link of that kind."""

    def __init__(
        self,
        page: PaymentPage,
        store: Store,
        reminders: Reminders,
        clock: Clock,
        templates: PayerTemplates,
        options: PageOptions,
    ) -> None:
        self._page = page
        self._store = store
        self._reminders = reminders
        self._clock = clock
        self._templates = templates
        self._options = options
        self._looks = Looks(templates)
        self._links = ReminderLinks(options.secret)

    async def answer(self, scope: Scope, receive: Receive, correlation_id: str) -> Answer:
        """Return the page; a POST stops the reminders, or starts them again when it says so."""
        method = scope["method"]
        if method not in ("GET", "HEAD", "POST"):
            return Answer(405, b"Method Not Allowed", (*PRIVATE, _PLAIN, (b"allow", b"GET, HEAD, POST")))
        reminded = self._links.read(scope["path"].removeprefix(REMINDERS_PATH))
        if reminded is None:
            return self._page.miss(scope)
        try:
            if method == "POST":
                await self._change(reminded, await _fields(scope, receive), correlation_id)
            return await self._shown(scope, reminded)
        except FormRefused as refusal:
            return Answer(refusal.status, b"This is no form of ours.", (*PRIVATE, _PLAIN))
        except StoreUnavailable as failure:
            _log.error("store_unavailable", exc_info=failure)
            return self._page.unavailable(scope)

    async def _change(self, reminded: RemindedInvoice, fields: Mapping[str, str], correlation_id: str) -> None:
        at, actor = self._clock.now(), Actor(_PAYER, correlation_id)
        change = self._reminders.start if _START in fields else self._reminders.stop
        await change(reminded.merchant_id, reminded.serial, at, actor)

    async def _shown(self, scope: Scope, reminded: RemindedInvoice) -> Answer:
        store = self._store.of(reminded.merchant_id)
        invoice = await store.invoice(reminded.number)
        if invoice is None:
            return self._page.miss(scope)
        merchant, settings = await store.merchant(), await store.settings(ProductType.INVOICING)
        language = reader_language(scope, settings.delivery_language)
        look = self._looks.of(merchant, settings, await self._options.face_of(reminded.merchant_id), language)
        is_stopped = await self._reminders.stopped_at(reminded.merchant_id, reminded.serial) is not None
        nonce = os.urandom(16).hex()
        values = _words(look, reminded.number, is_stopped=is_stopped) | {
            "nonce": nonce,
            "style": look.style,
            "band": look.band,
            "contact": look.contact,
            "foot_links": look.foot_links,
            "address": scope["path"],
        }
        return Answer(200, self._templates.page("reminders.html", language, values), look.headers(nonce))


def _words(look: Look, number: str, *, is_stopped: bool) -> dict[str, object]:
    say, merchant = look.words.say, look.name
    if is_stopped:
        heading = say("Reminders are stopped.")
        text = say(
            "You get no more reminders of invoice {number} from {merchant}. What is due stays due.",
            number=number, merchant=merchant,
        )  # fmt: skip
    else:
        heading = say("Stop reminders for this invoice?")
        text = say(
            "{merchant} will not remind you of invoice {number} any more. What is due stays due.",
            merchant=merchant, number=number,
        )  # fmt: skip
    return {
        "title": f"{heading} \u2013 {merchant}",
        "tone": "good" if is_stopped else "wait",
        "glyph": icon("check-circle" if is_stopped else "clock"),
        "heading": heading,
        "text": text,
        "field": _START if is_stopped else "stop",
        "is_stopped": is_stopped,
        "button": say("Send reminders again") if is_stopped else say("Stop reminders"),
    }


async def _fields(scope: Scope, receive: Receive) -> Mapping[str, str]:
    """Return the fields of a form; mail programs may send theirs in a form of another kind, which says nothing more."""
    try:
        return await read_form(scope, receive)
    except FormRefused as refusal:
        if refusal.status != 415:
            raise
        return {}
