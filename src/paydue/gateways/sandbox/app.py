"""The test processor as a program: its JSON API, and the pages for payers and for whoever plays the bank."""

import contextlib
import secrets
from collections.abc import AsyncIterator

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from paydue.gateways.sandbox import forms
from paydue.gateways.sandbox.api import Notify, SandboxApi
from paydue.gateways.sandbox.card_form import card_form, said_of
from paydue.gateways.sandbox.forms import Keys, SandboxSettings
from paydue.gateways.sandbox.ledger import Ledger, Session
from paydue.gateways.sandbox.messages import answer_json, read_body
from paydue.gateways.sandbox.scenarios import CardFault, CardRefused, read_card
from paydue.language.locales import SOURCE_LANGUAGE
from paydue.language.words import words_of
from paydue.usecases.ports import Clock


class SandboxInProduction(Exception):
    """The test processor takes no money, so it has no place where money is meant."""


class _Typed(msgspec.Struct, frozen=True):
    number: str
    month: str
    year: str
    code: str


_read_typed = msgspec.json.Decoder(_Typed).decode
_LONGEST_FIELD = 64


def create_sandbox(
    settings: SandboxSettings,
    ledger: Ledger,
    clock: Clock,
    *,
    notify: Notify | None = None,
    keys: Keys | None = None,
) -> Starlette:
    """
    Return the ASGI application of the test processor, to be served on an origin of its own.

    `notify` is called with a merchant's id, a payment's reference and an event's id. Without `keys` a signing key is
    made, once it is needed. Raises SandboxInProduction.
    """
    if settings.is_production:
        raise SandboxInProduction("The test processor does not run in production: configure a real gateway.")
    keys = keys or Keys()
    pages = _Pages(ledger, keys, clock)
    api = SandboxApi(ledger, keys, settings, clock, notify)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        ledger.close()

    return Starlette(routes=[*api.routes(), *pages.routes()], lifespan=lifespan)


class _Pages:
    def __init__(self, ledger: Ledger, keys: Keys, clock: Clock) -> None:
        self._ledger = ledger
        self._keys = keys
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route("/form/{session}", self._form, methods=["GET"]),
            Route("/form/{session}/token", self._token, methods=["POST"]),
            Route("/challenge/{id}", self._challenge, methods=["GET", "POST"]),
            Route("/console", self._console, methods=["GET"]),
            Route("/console/{id}", self._decide, methods=["POST"]),
        ]

    async def _form(self, request: Request) -> Response:
        session = self._ledger.sessions.get(request.path_params["session"])
        if session is None or session.ends_at <= self._clock.now():
            return Response(_ended(session), 404, media_type="text/plain")
        nonce = secrets.token_urlsafe(16)
        return _html(card_form(session, nonce), nonce, embedded_by=session.origin)

    async def _token(self, request: Request) -> Response:
        session = self._ledger.sessions.get(request.path_params["session"])
        if session is None or session.ends_at <= self._clock.now():
            return answer_json(404, {"message": _ended(session)})
        body = await read_body(request)
        try:
            typed = _read_typed(body or b"")
            if any(len(each) > _LONGEST_FIELD for each in msgspec.structs.astuple(typed)):
                raise CardRefused(CardFault.NUMBER)
            card = read_card(typed.number, typed.month, typed.year, typed.code, self._clock.now().date())
        except CardRefused as refusal:
            return answer_json(400, {"message": said_of(refusal.fault, session.language), "field": refusal.fault.value})
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            # Said without what was typed: it may have been a number.
            return answer_json(400, {"message": "The form was not sent as it stands."})
        name = self._ledger.make_token(session, card)
        token = self._keys.transient_token(name, self._ledger.tokens[name], self._clock.now())
        return answer_json(200, {"token": token})

    async def _challenge(self, request: Request) -> Response:
        payment = self._ledger.transactions.get(request.path_params["id"])
        if payment is None:
            return Response("There is no such check.", 404, media_type="text/plain")
        if request.method == "POST":
            result = await _field(request, "result")
            payment = self._ledger.finish_challenge(payment, succeeds=result == "succeed")
        nonce = secrets.token_urlsafe(16)
        return _html(forms.challenge(payment, nonce), nonce, embedded_by=payment.origin)

    async def _console(self, request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        newest = list(reversed(self._ledger.transactions.values()))[:100]
        return _html(forms.console(newest, nonce), nonce)

    async def _decide(self, request: Request) -> Response:
        payment = self._ledger.transactions.get(request.path_params["id"])
        # Another site's page cannot decide: browsers say where a form comes from.
        if payment is None or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return Response("There is nothing to decide.", 404, media_type="text/plain")
        match await _field(request, "decision"):
            case "accept":
                self._ledger.decide(payment, accepts=True)
            case "reject":
                self._ledger.decide(payment, accepts=False)
            case "settle":
                self._ledger.settle_refund(payment)
        return RedirectResponse("/console", 303)


def _ended(session: Session | None) -> str:
    return words_of(session.language if session is not None else SOURCE_LANGUAGE).say("This form has ended.")


async def _field(request: Request, name: str) -> str:
    """Return a field of a form of our own, which never needs more than letters."""
    for pair in ((await read_body(request)) or b"").decode("ascii", "replace").split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            return value
    return ""


def _html(page: str, nonce: str, *, embedded_by: str = "") -> Response:
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {embedded_by or chr(39) + 'none' + chr(39)}"
    )
    headers = {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return Response(page, media_type="text/html", headers=headers)
