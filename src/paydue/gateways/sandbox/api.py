"""The test processor's JSON API: the part of the Cybersource API that our gateway speaks, signed as there."""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from paydue.domain.settings import LANGUAGES
from paydue.gateways.http_signing import signature_of, string_to_sign
from paydue.gateways.sandbox.forms import Keys, SandboxSettings
from paydue.gateways.sandbox.ledger import Ledger, Transaction
from paydue.gateways.sandbox.messages import (
    Dropped,
    answer_json,
    invalid,
    is_origin,
    part,
    read_amount,
    read_body,
    text,
    time_text,
)
from paydue.gateways.sandbox.scenarios import AMOUNTS, Trigger
from paydue.gateways.signed_json import InvalidToken, read
from paydue.language.locales import SOURCE_LANGUAGE
from paydue.usecases.ports import Clock

_CODE: Final = re.compile(r"clientReferenceInformation\.code:([A-Za-z0-9_.-]{1,64})")
_SIGNATURE: Final = re.compile(r'signature="([A-Za-z0-9+/=]{1,200})"')
_WINDOW_SECONDS: Final = 300
_MERCHANT: Final = "v-c-merchant-id"

Notify = Callable[[str, str, str], Awaitable[None]]


class SandboxApi:
    """Answers as the processor would, and tells `notify` of each payment: whose it is, its code, which event."""

    def __init__(
        self, ledger: Ledger, keys: Keys, settings: SandboxSettings, clock: Clock, notify: Notify | None
    ) -> None:
        self._ledger = ledger
        self._keys = keys
        self._settings = settings
        self._clock = clock
        self._notify = notify
        self._telling: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        def post(path: str, answer: Callable[[Request, dict[str, Any]], Awaitable[Response]]) -> Route:
            return Route(path, self._signed(answer), methods=["POST"])

        return [
            post("/uc/v1/sessions", self._open_session),
            post("/pts/v2/payments", self._charge),
            post("/pts/v2/payments/{id}/refunds", self._refund),
            post("/pts/v2/payments/{id}/voids", self._void),
            post("/pts/v2/voids", self._timeout_void),
            post("/tss/v2/searches", self._search),
            post("/risk/v1/decisions/{id}/actions", self._decide),
            Route("/tss/v2/transactions/{id}", self._signed(self._transaction), methods=["GET"]),
            Route("/flex/v2/public-keys/{kid}", self._public_key, methods=["GET"]),
        ]

    def _signed(
        self, answer: Callable[[Request, dict[str, Any]], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            body = await read_body(request)
            if body is None:
                return answer_json(413, {"reason": "INVALID_DATA"})
            if not self._is_signed(request, body):
                return answer_json(401, {"response": {"rmsg": "Authentication Failed"}})
            try:
                document = msgspec.json.decode(body) if body else {}
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                return invalid("INVALID_DATA")
            return await answer(request, document) if isinstance(document, dict) else invalid("INVALID_DATA")

        return checked

    def _is_signed(self, request: Request, body: bytes) -> bool:
        headers = request.headers
        digest = f"SHA-256={base64.b64encode(hashlib.sha256(body).digest()).decode()}"
        has_body = request.method != "GET"
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        date = headers.get("date") or headers.get("v-c-date") or ""
        merchant_id = headers.get(_MERCHANT, "")
        lines = string_to_sign(
            request.method, target, headers.get("host", ""), merchant_id, date, digest if has_body else None
        )
        given = _SIGNATURE.search(headers.get("signature", ""))
        expected = signature_of(lines, self._settings.shared_secret)
        is_right = given is not None and hmac.compare_digest(given[1].encode(), expected.encode())
        return is_right and self._is_recent(date)

    def _is_recent(self, date: str) -> bool:
        try:
            sent = parsedate_to_datetime(date).astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            return False
        return abs((self._clock.now() - sent).total_seconds()) <= _WINDOW_SECONDS

    async def _open_session(self, request: Request, document: dict[str, Any]) -> Response:
        amount, currency = read_amount(part(document, "data", "orderInformation", "amountDetails"))
        origins = document.get("targetOrigins")
        if amount is None or not isinstance(origins, list) or len(origins) != 1 or not is_origin(origins[0]):
            return invalid("MISSING_FIELD")
        session = self._ledger.open_session(
            merchant_id=request.headers.get(_MERCHANT, ""),
            origin=origins[0],
            code=text(part(document, "data", "clientReferenceInformation"), "code"),
            amount=amount,
            currency=currency,
            at=self._clock.now(),
            language=_language(document),
        )
        library = f"{self._settings.origin}/form/{session.session_id}"
        context = {"type": "sandbox", "data": {"clientLibrary": library, "clientLibraryIntegrity": ""}}
        token = self._keys.session_token(session.session_id, context, self._clock.now())
        return Response(token, 201, media_type="application/jwt")

    async def _public_key(self, request: Request) -> Response:
        found = self._keys.public(request.path_params["kid"])
        return answer_json(404, {"reason": "NOT_FOUND"}) if found is None else answer_json(200, found)

    async def _charge(self, request: Request, document: dict[str, Any]) -> Response:
        client = part(document, "clientReferenceInformation")
        amount, currency = read_amount(part(document, "orderInformation", "amountDetails"))
        jwt = text(part(document, "tokenInformation"), "transientTokenJwt")
        if amount is None or not jwt or part(document, "processingInformation").get("capture") is not True:
            return invalid("MISSING_FIELD")
        try:
            name = self._keys.token_name(read(jwt))
        except InvalidToken:
            return invalid("INVALID_DATA")
        code, own_id = text(client, "code"), text(client, "transactionId")
        token = self._ledger.tokens.get(name)
        # A token pays what its form showed, once.
        if token is None or (token.session.code, token.session.amount, token.session.currency) != (
            code, amount, currency,
        ):  # fmt: skip
            return invalid("INVALID_DATA")
        self._ledger.tokens.pop(name)
        found = AMOUNTS.get(amount)
        trigger = found.trigger if found is not None else None
        if trigger is Trigger.LOST_BEFORE:
            return Dropped()
        if trigger is Trigger.SYSTEM_ERROR:
            return answer_json(502, {"status": "SERVER_ERROR", "reason": "SYSTEM_ERROR"})
        payment = self._ledger.charge(
            token, code=code, own_id=own_id, amount=amount, currency=currency, at=self._clock.now()
        )
        await self._tell(payment, trigger)
        if not payment.took_money:
            return self._payment(payment)
        if trigger is Trigger.LOST_AFTER:
            return Dropped()
        if trigger is Trigger.SLOW:
            await asyncio.sleep(self._settings.slow_seconds)
        return self._payment(payment)

    async def _refund(self, request: Request, document: dict[str, Any]) -> Response:
        payment = self._ledger.transactions.get(request.path_params["id"])
        client = part(document, "clientReferenceInformation")
        amount, currency = read_amount(part(document, "orderInformation", "amountDetails"))
        if payment is None or amount is None:
            return invalid("INVALID_DATA")
        refund = self._ledger.refund(
            payment,
            code=text(client, "code"),
            own_id=text(client, "transactionId"),
            amount=amount,
            currency=currency,
            at=self._clock.now(),
        )
        return invalid("INVALID_AMOUNT") if refund is None else self._payment(refund)

    async def _void(self, request: Request, document: dict[str, Any]) -> Response:
        payment = self._ledger.transactions.get(request.path_params["id"])
        voided = self._ledger.void(payment) if payment is not None else None
        return invalid("NOT_VOIDABLE") if voided is None else self._payment(voided)

    async def _timeout_void(self, request: Request, document: dict[str, Any]) -> Response:
        own_id = text(part(document, "clientReferenceInformation"), "transactionId")
        for payment in self._ledger.by_own_id(own_id) if own_id else ():
            voided = self._ledger.void(payment)
            if voided is not None:
                return self._payment(voided)
        return invalid("INVALID_DATA")

    async def _search(self, request: Request, document: dict[str, Any]) -> Response:
        wanted = _CODE.match(text(document, "query"))
        hits = self._ledger.by_code(wanted[1]) if wanted is not None else []
        summaries = [{"id": each.transaction_id, "submitTimeUtc": time_text(each.submitted_at)} for each in hits[:20]]
        answer = {"count": len(summaries), "_embedded": {"transactionSummaries": summaries}}
        return answer_json(201, answer)

    async def _transaction(self, request: Request, document: dict[str, Any]) -> Response:
        found = self._ledger.transactions.get(request.path_params["id"])
        if found is None:
            return answer_json(404, {"reason": "NOT_FOUND"})
        members = self._members(found)
        status = members.pop("status")
        return answer_json(200, {**members, "applicationInformation": {"status": status}})

    async def _decide(self, request: Request, document: dict[str, Any]) -> Response:
        payment = self._ledger.transactions.get(request.path_params["id"])
        decision = text(part(document, "decisionInformation"), "decision")
        if payment is None or decision not in ("ACCEPT", "REJECT"):
            return invalid("INVALID_DATA")
        return self._payment(self._ledger.decide(payment, accepts=decision == "ACCEPT"))

    def _payment(self, payment: Transaction) -> Response:
        return answer_json(400 if payment.status == "INVALID_REQUEST" else 201, self._members(payment))

    def _members(self, payment: Transaction) -> dict[str, Any]:
        details = {"totalAmount": f"{payment.amount:f}", "currency": payment.currency}
        if payment.authorized is not None:
            details["authorizedAmount"] = f"{payment.authorized:f}"
        members: dict[str, Any] = {
            "id": payment.transaction_id,
            "status": payment.status,
            "submitTimeUtc": time_text(payment.submitted_at),
            "clientReferenceInformation": {"code": payment.code, "transactionId": payment.own_id},
            "orderInformation": {"amountDetails": details},
        }
        if payment.reason:
            members |= {"errorInformation": {"reason": payment.reason}, "reason": payment.reason}
        if payment.card is not None:
            card = payment.card
            members["paymentAccountInformation"] = {
                "card": {
                    "type": card.card.type_code,
                    "suffix": card.suffix,
                    "expirationMonth": card.month,
                    "expirationYear": card.year,
                }
            }
        if payment.status == "PENDING_AUTHENTICATION":
            challenge = f"{self._settings.origin}/challenge/{payment.transaction_id}"
            members["consumerAuthenticationInformation"] = {"stepUpUrl": challenge}
        return members

    async def _tell(self, payment: Transaction, trigger: Trigger | None) -> None:
        """Notify of a payment, beside the answer and not before it."""
        if self._notify is None:
            return
        name = payment.transaction_id
        events = (f"{name}-2", f"{name}-1", f"{name}-2") if trigger is Trigger.NOTIFY_THRICE else (f"{name}-1",)
        notify = self._notify

        async def tell_all() -> None:
            for event in events:
                await notify(payment.merchant_id, payment.code, event)

        task = asyncio.create_task(tell_all())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _language(document: Mapping[str, Any]) -> str:
    """Return the language to show the form in; one that we do not speak is no reason to show none."""
    language = text(document, "locale").replace("_", "-")
    return language if language in LANGUAGES else SOURCE_LANGUAGE
