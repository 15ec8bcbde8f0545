"""
A stand-in for the part of Stripe that the gateway speaks to: payment pages, payments, refunds, notifications.

It is served over real HTTP and keeps a ledger of its own, which is the truth that tests compare the books with. It
refuses what Stripe refuses (a page that would end too soon, a key that is used for another request, half a króna), and
it can be told to misbehave: `fail_next`.
"""

import asyncio
import json
import secrets
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import httpx
import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from paydue.delivery.egress import Egress, EgressLimits
from paydue.delivery.egress_answers import Answered
from paydue.delivery.egress_rules import EgressRules
from paydue.gateways.sandbox.messages import Dropped
from paydue.gateways.sending import Reply
from paydue.gateways.stripe_client import StripeAccount, StripeClient
from paydue.gateways.stripe_gateway import StripeGateway
from paydue.gateways.stripe_money import from_units
from paying import MovedClock

KEY = "sk_test_" + secrets.token_hex(12)
WEBHOOK_SECRETS = tuple("whsec_" + secrets.token_hex(16) for _ in range(2))
# So long does a test wait for an answer, and a slow one takes twice as long.
PATIENCE = 0.4
# Of the languages that Stripe's page speaks, those that have to do with ours.
_LOCALES = "auto de en en-GB es es-419 fr fr-CA ja ko pt pt-BR ru zh zh-HK zh-TW".split()


async def send(method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, seconds: float) -> Reply:
    """Send through the one module that calls others, as the running service does, with less patience."""
    egress = Egress(EgressRules(is_development=True), limits=EgressLimits(total_seconds=min(seconds, PATIENCE)))
    answer = await egress.send(method, url, headers, body)
    if isinstance(answer, Answered):
        return Reply(status=answer.status, body=answer.body)
    return Reply(status=None, was_sent=answer.was_sent)


class Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "", **more: str) -> None:
        super().__init__(message)
        kind = more.pop("type", "invalid_request_error")
        self.status = status
        self.body = {"error": {"type": kind, "code": code, "message": message, **more}}


class StripeFake:
    """The ledger, and what payers and banks do to it. `asked` counts the requests that were carried out."""

    def __init__(self, clock: MovedClock) -> None:
        self.clock = clock
        self.origin = ""
        self.sessions: dict[str, dict[str, Any]] = {}
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.seen: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.carried_out: Counter[str] = Counter()
        self.refunds_become = "succeeded"
        self._keys: dict[str, tuple[object, int, dict[str, Any]]] = {}
        self._busy: set[str] = set()
        self._faults: list[tuple[str, str]] = []

    # --- what tests say

    def fail_next(self, mode: str, path: str = "/v1/", times: int = 1) -> None:
        """
        Misbehave at the next requests whose path has `path` in it.

        "drop before", "drop after" and "slow" (either side of carrying it out), "500 after", or a status before.
        """
        self._faults += [(path, mode)] * times

    @property
    def net(self) -> Decimal:
        """What was taken and not given back, in major units, over all currencies."""
        taken = sum((_worth(each, "amount_received") for each in self.intents.values()), Decimal(0))
        gone = ("succeeded", "pending", "requires_action")
        given = sum((_worth(each, "amount") for each in self.refunds.values() if each["status"] in gone), Decimal(0))
        return taken - given

    def pay(self, session_id: str, how: str = "ok") -> bool:
        """
        Do what a payer does on the page, and say whether the page took it: it does not once it has ended.

        "ok", "slow" (a bank transfer that takes its time), or the code of a decline, after which the page stays open.
        """
        session = self._session(session_id)
        if session["status"] != "open":
            return False
        intent = self._intent_of(session)
        if how not in ("ok", "slow"):
            intent |= {"status": "requires_payment_method", "last_payment_error": _decline(how)}
            return True
        session |= {"status": "complete", "url": None}
        if how == "ok":
            self._receive(session, intent)
        else:
            intent["status"] = "processing"
        self._tell("checkout.session.completed", session)
        return True

    def finish(self, session_id: str, decline: str | None = None) -> None:
        """Let the slow method come to its end."""
        session = self.sessions[session_id]
        intent = self._intent_of(session)
        if decline is None:
            self._receive(session, intent)
            self._tell("checkout.session.async_payment_succeeded", session)
        else:
            intent |= {"status": "requires_payment_method", "last_payment_error": _decline(decline)}
            self._tell("checkout.session.async_payment_failed", session)

    def finish_refund(self, refund_id: str, status: str) -> None:
        self.refunds[refund_id]["status"] = status
        self._tell("refund.failed" if status == "failed" else "refund.updated", self.refunds[refund_id])

    def notification(self, event: dict[str, Any], secret: str = WEBHOOK_SECRETS[0]) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a notification, signed now by Stripe's own library."""
        body = json.dumps(event, indent=2)
        signed_at = int(self.clock.now().timestamp())
        signature = stripe.WebhookSignature.generate_signature_header(body, secret, signed_at)
        return {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}, body.encode()

    async def deliver(self, url: str, events: Sequence[dict[str, Any]] | None = None) -> list[int]:
        """Notify over HTTP, in the order given, and return how each was answered."""
        answers = []
        async with httpx.AsyncClient(trust_env=False) as client:
            for event in self.events if events is None else events:
                headers, body = self.notification(event)
                answers.append((await client.post(url, headers=headers, content=body)).status_code)
        return answers

    # --- what the gateway asks

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._serve, methods=["GET", "POST"])])

    async def _serve(self, request: Request) -> Response:
        mode = self._next_fault(request.url.path)
        if mode == "drop before":
            return Dropped()
        if mode.isdigit():
            return JSONResponse({"error": {"type": "api_error", "message": "told to"}}, int(mode))
        body = (await request.body()).decode()
        params = dict(parse_qsl(body or request.url.query, keep_blank_values=True))
        self.seen.append((request.method, request.url.path, {**request.headers}, params))
        status, answer = await self._once(request, params)
        if mode == "drop after":
            return Dropped()
        if mode == "500 after":
            return JSONResponse({"error": {"type": "api_error"}}, 500)
        if mode == "slow":
            await asyncio.sleep(2 * PATIENCE)
        return JSONResponse(answer, status)

    async def _once(self, request: Request, params: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Carry a request out once for its key, as Stripe does."""
        key = request.headers.get("idempotency-key", "")
        fingerprint = (request.url.path, params)
        if key in self._busy:
            return 409, Refused(409, "idempotency_key_in_use", type="idempotency_error").body
        if key and key in self._keys:
            known, status, answer = self._keys[key]
            if known != fingerprint:
                return 400, Refused(400, message="another request", type="idempotency_error").body
            return status, answer
        try:
            if request.headers.get("authorization") != f"Bearer {KEY}":
                raise Refused(401, message="no such key")
            self._busy.add(key)
            # Two with one key are to meet.
            await asyncio.sleep(0.005 if key else 0)
            found = json.loads(json.dumps(self._route(request.method, request.url.path, params)))
        except Refused as refusal:
            return refusal.status, refusal.body
        finally:
            self._busy.discard(key)
        if key:
            self._keys[key] = (fingerprint, 200, found)
        self.carried_out[f"{request.method} {request.url.path}"] += 1
        return 200, found

    def _route(self, method: str, path: str, params: dict[str, str]) -> dict[str, Any]:
        match method, path.removeprefix("/v1/").split("/"):
            case "POST", ["checkout", "sessions"]:
                return self._open(params)
            case "GET", ["checkout", "sessions"]:
                return {"object": "list", "data": [], "has_more": False}
            case "GET", ["checkout", "sessions", name]:
                return self._shown(self._session(name), params)
            case "POST", ["checkout", "sessions", name, "expire"]:
                session = self._session(name)
                if session["status"] != "open":
                    raise Refused(400, message=f"This Checkout Session has a status of `{session['status']}`.")
                self._expire(session)
                return self._shown(session, params)
            case "POST", ["refunds"]:
                return self._refund(params)
            case "GET", ["refunds"]:
                return self._refund_list(params)
            case "GET", ["refunds", name] if name in self.refunds:
                return self.refunds[name]
        raise Refused(404, "resource_missing", "no such object")

    def _open(self, params: dict[str, str]) -> dict[str, Any]:
        price = "line_items[0][price_data]"
        currency, units = params[f"{price}[currency]"], int(params[f"{price}[unit_amount]"])
        if not currency.islower() or units <= 0 or params["line_items[0][quantity]"] != "1":
            raise Refused(400, "parameter_invalid_integer", param="line_items[0][price_data][unit_amount]")
        if (currency in ("isk", "ugx") and units % 100) or (
            currency in ("bhd", "jod", "kwd", "omr", "tnd") and units % 10
        ):
            raise Refused(400, "invalid_charge_amount_no_decimal_compatible", param=f"{price}[unit_amount]")
        if units > 99_999_999:
            raise Refused(400, "amount_too_large")
        if "@" not in params.get("customer_email", "@"):
            raise Refused(400, "email_invalid", param="customer_email")
        if params["locale"] not in _LOCALES:
            raise Refused(400, param="locale")
        lasts = int(params["expires_at"]) - self.clock.now().timestamp()
        if not 30 * 60 <= lasts < 24 * 3600:
            raise Refused(400, message="30 minutes to 24 hours", param="expires_at")
        name = f"cs_test_{secrets.token_hex(8)}"
        self.sessions[name] = session = {
            "id": name,
            "object": "checkout.session",
            "status": "open",
            "payment_status": "unpaid",
            "url": f"{self.origin}/c/pay/{name}",
            "amount_total": units,
            "currency": currency,
            "client_reference_id": params["client_reference_id"],
            "metadata": _below(params, "metadata"),
            "expires_at": int(params["expires_at"]),
            "payment_intent": None,
            "intent_metadata": _below(params, "payment_intent_data[metadata]"),
        }
        return self._shown(session, params)

    def _session(self, name: str) -> dict[str, Any]:
        session = self.sessions.get(name)
        if session is None:
            raise Refused(404, "resource_missing", param="session")
        if session["status"] == "open" and self.clock.now().timestamp() >= session["expires_at"]:
            self._expire(session)
        return session

    def _expire(self, session: dict[str, Any]) -> None:
        session |= {"status": "expired", "url": None}
        if session["payment_intent"] is not None:
            self.intents[session["payment_intent"]]["status"] = "canceled"
        self._tell("checkout.session.expired", session)

    def _shown(self, session: dict[str, Any], params: dict[str, str]) -> dict[str, Any]:
        intent = session["payment_intent"]
        if intent is not None and "payment_intent.latest_charge" in params.values():
            intent = self.intents[intent]
        return {**session, "payment_intent": intent}

    def _intent_of(self, session: dict[str, Any]) -> dict[str, Any]:
        if session["payment_intent"] is None:
            name = f"pi_{secrets.token_hex(8)}"
            session["payment_intent"] = name
            self.intents[name] = {
                "id": name,
                "object": "payment_intent",
                "status": "requires_payment_method",
                "amount": session["amount_total"],
                "amount_received": 0,
                "currency": session["currency"],
                "metadata": session["intent_metadata"],
                "last_payment_error": None,
                "latest_charge": None,
            }
        return self.intents[session["payment_intent"]]

    def _receive(self, session: dict[str, Any], intent: dict[str, Any]) -> None:
        card = {"brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2031}
        session["payment_status"] = "paid"
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "latest_charge": {
                "id": f"ch_{secrets.token_hex(8)}",
                "object": "charge",
                "payment_method_details": {"type": "card", "card": card},
            },
        }

    def _refund(self, params: dict[str, str]) -> dict[str, Any]:
        intent = self.intents.get(params["payment_intent"])
        if intent is None:
            raise Refused(404, "resource_missing", param="payment_intent")
        before = [each for each in self.refunds.values() if each["payment_intent"] == intent["id"]]
        left = intent["amount_received"] - sum(each["amount"] for each in before if each["status"] != "failed")
        if int(params["amount"]) > left:
            raise Refused(400, "charge_already_refunded" if left == 0 else "", param="amount")
        name = f"re_{secrets.token_hex(8)}"
        self.refunds[name] = refund = {
            "id": name,
            "object": "refund",
            "status": self.refunds_become,
            "amount": int(params["amount"]),
            "currency": intent["currency"],
            "payment_intent": intent["id"],
            "metadata": _below(params, "metadata"),
        }
        self._tell("refund.created", refund)
        return refund

    def _refund_list(self, params: dict[str, str]) -> dict[str, Any]:
        found = [each for each in reversed(self.refunds.values()) if each["payment_intent"] == params["payment_intent"]]
        names = [each["id"] for each in found]
        start = names.index(params["starting_after"]) + 1 if "starting_after" in params else 0
        page = found[start : start + int(params["limit"])]
        return {"object": "list", "data": page, "has_more": start + len(page) < len(found)}

    def _next_fault(self, path: str) -> str:
        for place, (wanted, mode) in enumerate(self._faults):
            if wanted in path:
                del self._faults[place]
                return mode
        return ""

    def _tell(self, kind: str, subject: dict[str, Any]) -> None:
        self.events.append(
            {
                "id": f"evt_{secrets.token_hex(8)}",
                "object": "event",
                "type": kind,
                "created": int(self.clock.now().timestamp()),
                "data": {"object": json.loads(json.dumps(subject))},
            }
        )


class StripeServing:
    """A served stand-in, and a gateway that reaches it over HTTP."""

    def __init__(self, fake: StripeFake) -> None:
        self.fake = fake
        self.clock = fake.clock
        self.account = StripeAccount(
            secret_key=KEY, webhook_secrets=WEBHOOK_SECRETS, api_url=fake.origin, page_origins=(fake.origin,)
        )
        self.gateway = self.reached_by(send)

    def reached_by(self, sender: Any, **changed: Any) -> StripeGateway:
        account = StripeAccount(
            **{name: getattr(self.account, name) for name in self.account.__struct_fields__} | changed
        )
        return StripeGateway(StripeClient(account, sender, pauses=(0.02, 0.05)), self.clock)


@asynccontextmanager
async def stripe_serving(clock: MovedClock | None = None) -> AsyncIterator[StripeServing]:
    """Serve a stand-in on a free port."""
    fake = StripeFake(clock or MovedClock())
    async with served(fake.app()) as origin:
        fake.origin = origin
        yield StripeServing(fake)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an application on a free port of this machine, and return its origin."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, interface="asgi3", log_level="critical", loop="none", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


def _worth(subject: dict[str, Any], name: str) -> Decimal:
    return from_units(subject[name], subject["currency"].upper())


def _decline(code: str) -> dict[str, str]:
    return {"type": "card_error", "code": "card_declined", "decline_code": code}


def _below(params: dict[str, str], name: str) -> dict[str, str]:
    """Return the members that were sent as `name[member]`."""
    start = f"{name}["
    return {key.removeprefix(start).removesuffix("]"): value for key, value in params.items() if key.startswith(start)}
