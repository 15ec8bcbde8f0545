"""
Paying through the payment page: what a payer's clicks are answered, with a script in the page or without.

Below a payment link stand its attempts. A browser with our script begins one, hands over what the gateway's frame gave,
and asks how it stands; one without sends the form and goes where it is sent. Whatever is answered, the truth is in the
attempt: its address can be opened again and again.
"""

import logging
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from msgspec.structs import replace

from paydue.domain.attempts import AttemptState, PaymentAttempt
from paydue.domain.errors import (
    AmountNotPayable,
    AttemptNotOpen,
    GatewayRefusal,
    NoSuchAttempt,
    PaymentInFlight,
    Refusal,
    StoreBusy,
    StoreUnavailable,
    TooManyTries,
)
from paydue.pages import slip as form
from paydue.pages.answers import Answer, Header, Receive, Scope
from paydue.pages.attempt_answers import json_answer, opened_json, see_other, slip_of, state_json, way_on
from paydue.pages.cashier import AnotherAmount, Cashier, NoCard, Visit, WrongForm
from paydue.pages.desk import Payments
from paydue.pages.form_bodies import FormRefused, check_same_origin, origin_of, read_form
from paydue.pages.links import Links
from paydue.pages.page_headers import PRIVATE
from paydue.pages.pay_form import Typed, read_typed
from paydue.pages.payment_page import LINK_PATH, Found
from paydue.pages.slip import Fault, Headline, Slip, Way, Wrong
from paydue.usecases.ports import Actor, Clock

_BELOW: Final = re.compile(r"attempts/([0-9a-f-]{36})(?:/(charge|challenge|abandon))?", re.ASCII)
_ATTEMPTS: Final = "attempts"
_ATTEMPT_ID: Final = re.compile(r"[0-9a-f-]{36}", re.ASCII)
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9-]{2,12}", re.ASCII)
_HANDED_OVER: Final = "token"

_log = logging.getLogger("paydue.pages")


class Paying:
    """Answers payment links and everything below them."""

    def __init__(
        self,
        links: Links,
        payments: Payments,
        clock: Clock,
        new_correlation_id: Callable[[], str],
    ) -> None:
        self._links = links
        self._page = links.page
        self._payments = payments
        self._cashier = Cashier(payments, clock)
        self._new_correlation_id = new_correlation_id

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Return the answer to a request for a payment link, or for anything below one."""
        token, _, below = scope["path"].removeprefix(LINK_PATH).partition("/")
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        reads = scope["method"] in ("GET", "HEAD")
        is_about_attempts = below.startswith(_ATTEMPTS) or (not below and query.keys() & {"attempt", "key"})
        if not is_about_attempts and (reads or below):
            return await self._links.answer(scope)
        try:
            found = await self._page.find(token)
            if found is None:
                return self._page.miss({**scope, "path": LINK_PATH + token})
            visit = await self._visit(scope, found, query)
            if reads:
                return await (self._below(visit, below, None) if below else self._attempt_page(visit, query))
            if scope["method"] != "POST":
                return _plainly(405, (b"allow", b"GET, HEAD, POST"))
            check_same_origin(scope)
            fields = await read_form(scope, receive)
            return await (self._below(visit, below, fields) if below else self._form(visit, fields))
        except FormRefused as refusal:
            return _plainly(refusal.status)
        except StoreUnavailable as failure:
            if not isinstance(failure, StoreBusy):
                _log.error("store_unavailable", exc_info=failure)
            wait: Header = (b"retry-after", b"5")
            return json_answer(503, {"state": "down"}, wait) if below else self._page.unavailable(scope)

    # The form, and what browsers without a script see

    async def _form(self, visit: Visit, fields: Mapping[str, str]) -> Answer:
        if form.NEW_LINK in fields:
            # One answer, whether somebody is written to or not.
            await self._cashier.renew_link(visit)
            return self._page.page(visit.found, visit.language, replace(visit.fresh, new_link_asked=True))
        typed = read_typed(fields, visit.found)
        slip = typed.on(visit.fresh)
        try:
            checked = self._cashier.check(visit, typed)
            if visit.gateway is None or visit.fresh.gateway.way is not Way.REDIRECT:
                # The gateway's frame cannot be without a script, and the page says so where it would be.
                await self._cashier.check_tries(visit)
                return self._page.page(visit.found, visit.language, slip)
            begun = await self._cashier.begin(visit, visit.gateway, typed, checked)
        except WrongForm as refusal:
            return self._faulty(visit, slip, refusal.faults)
        except Refusal as refusal:
            return await self._refused(visit, slip, refusal)
        if begun.checkout is not None and begun.checkout.redirect_url is not None:
            return see_other(begun.checkout.redirect_url)
        return see_other(visit.page_of(begun.attempt))

    async def _attempt_page(self, visit: Visit, query: Mapping[str, str]) -> Answer:
        """Return how an attempt stands, as a page; a gateway's own page sends payers back here by their key."""
        attempt = None
        if _ATTEMPT_ID.fullmatch(query.get("attempt", "")):
            attempt = await visit.books.attempts.attempt(query["attempt"])
        elif _KEY.fullmatch(query.get("key", "")):
            attempt = await visit.books.attempts.attempt_by_payer_key(visit.number, query["key"])
        if attempt is None or attempt.number != visit.number:
            return self._page.page(visit.found, visit.language, visit.fresh)
        settings = visit.found.settings
        if "key" in query:
            back = await self._came_back(visit, attempt, canceled=query.get("back") == "canceled")
            return see_other(way_on(back, settings, visit.page_of(back)))
        if attempt.state is AttemptState.SETTLED:
            receipt = self._page.receipt_path(visit.found, f"{attempt.transaction_id}", visit.named_language)
            return see_other(settings.redirect_accepted or receipt)
        return self._page.page(visit.found, visit.language, slip_of(attempt, visit.found, visit.fresh, visit.language))

    async def _came_back(self, visit: Visit, attempt: PaymentAttempt, *, canceled: bool) -> PaymentAttempt:
        """Find out what became of an attempt on the gateway's own page: what a browser says of it is a hint."""
        try:
            return await (self._cashier.leave if canceled else self._cashier.look_at)(visit, attempt)
        except Refusal as refusal:
            _log.warning("return_not_looked_at", extra={"attempt": attempt.attempt_id, "reason": repr(refusal)})
            return attempt

    def _faulty(self, visit: Visit, slip: Slip, faults: tuple[Fault, ...]) -> Answer:
        page = self._page.page(visit.found, visit.language, replace(slip, faults=faults))
        return replace(page, status=422)

    async def _refused(self, visit: Visit, slip: Slip, refusal: Refusal) -> Answer:
        """Tell why it cannot be, on the page of the invoice as it is by now."""
        found = await self._page.find(visit.found.token) or visit.found
        match refusal:
            case TooManyTries():
                paused = replace(slip, headline=Headline.TOO_MANY_TRIES, again_at=refusal.until)
                return self._page.page(found, visit.language, paused)
            case AmountNotPayable():
                limits = {"least": refusal.least, "most": refusal.most}
                changed = Fault(form.AMOUNT, Wrong.AMOUNT_CHANGED, limits)
                return self._faulty(replace(visit, found=found), slip, (changed,))
            case PaymentInFlight():
                return self._page.page(found, visit.language, replace(slip, headline=Headline.BUSY))
            case GatewayRefusal():
                return self._page.page(found, visit.language, replace(slip, headline=Headline.GATEWAY_DOWN))
        return see_other(visit.link())

    # What the page's script asks

    async def _below(self, visit: Visit, below: str, fields: Mapping[str, str] | None) -> Answer:
        """Answer what stands below a link; `fields` of None: it is only read."""
        match = _BELOW.fullmatch(below)
        typed = read_typed(fields or {}, visit.found)
        try:
            if below == _ATTEMPTS and fields is not None:
                return await self._begin(visit, typed)
            if match is None:
                return json_answer(404, {"state": "unknown"})
            attempt = await self._cashier.attempt(visit, match[1])
            if (match[2] is None) != (fields is None):
                return json_answer(
                    405, {"state": "unknown"}, (b"allow", b"GET, HEAD" if fields is not None else b"POST")
                )
            if match[2] == "challenge":
                attempt = await self._cashier.look_at(visit, attempt)
            elif match[2] == "abandon":
                attempt = await self._cashier.leave(visit, attempt)
            elif fields is not None:
                attempt = await self._cashier.charge(visit, attempt, typed, fields.get(_HANDED_OVER, ""))
        except WrongForm as refusal:
            return self._faulty(visit, typed.on(visit.fresh), refusal.faults)
        except AnotherAmount:
            return json_answer(409, {"state": "another amount"})
        except NoCard:
            return json_answer(422, {"state": "no card"})
        except Refusal as refusal:
            return await self._refused_script(visit, typed.on(visit.fresh), refusal)
        return json_answer(200, state_json(attempt, visit.found.settings, visit.page_of(attempt)))

    async def _begin(self, visit: Visit, typed: Typed) -> Answer:
        gateway = visit.gateway
        if gateway is None:
            return json_answer(409, {"state": "changed", "page": visit.link()})
        # Only who leaves for the gateway's own page has said by then who they are.
        checked = self._cashier.check(visit, typed, knows_payer=gateway.capabilities.redirects)
        begun = await self._cashier.begin(visit, gateway, typed, checked)
        page = visit.page_of(begun.attempt)
        if begun.checkout is None:
            return json_answer(200, state_json(begun.attempt, visit.found.settings, page))
        return json_answer(201, opened_json(begun.attempt, begun.checkout, page, self._cashier.seconds_left(begun)))

    async def _refused_script(self, visit: Visit, slip: Slip, refusal: Refusal) -> Answer:
        """Tell the script: by the page as it is now, or by `changed`, which asks it to load that anew."""
        match refusal:
            case NoSuchAttempt() | AttemptNotOpen():
                return json_answer(404, {"state": "unknown"})
            case TooManyTries() | AmountNotPayable() | PaymentInFlight() | GatewayRefusal():
                return await self._refused(visit, slip, refusal)
        return json_answer(409, {"state": "changed", "page": visit.link()})

    async def _visit(self, scope: Scope, found: Found, query: Mapping[str, str]) -> Visit:
        merchant_id = found.merchant.merchant_id
        client = scope.get("client")
        named = query.get("lang", "")
        return Visit(
            found=found,
            language=self._page.language_of(scope, found.settings),
            named_language=named if _LANGUAGE.fullmatch(named) else None,
            address=client[0] if client else "",
            origin=origin_of(scope) or self._payments.portal_url,
            books=self._payments.desk.books_of(merchant_id),
            gateway=self._payments.desk.current_gateway(merchant_id),
            fresh=await self._page.fresh_slip(found),
            actor=Actor("payer", self._new_correlation_id()),
        )


def _plainly(status: int, *headers: Header) -> Answer:
    """Answer what no browser sends from our page."""
    plain: Header = (b"content-type", b"text/plain; charset=utf-8")
    return Answer(status, HTTPStatus(status).phrase.encode(), (*PRIVATE, plain, *headers))
