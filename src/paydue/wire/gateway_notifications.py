"""
Where processors tell that something happened: an ASGI application of its own, for none of them signs as our callers do.

What they tell is a hint and no more. The gateway verifies it, it is noted with its attempt, and the truth is asked for.
"""

import logging
from collections.abc import Callable
from typing import Final

from paydue.domain.errors import StoreUnavailable
from paydue.usecases.gateway_ports import NotificationRefused
from paydue.usecases.payment_desk import PaymentDesk
from paydue.usecases.ports import Actor
from paydue.usecases.reconcile_payments import take_hint
from paydue.wire.api import GatewayRefusal, Header, Reply, new_correlation_id
from paydue.wire.asgi import ClientGone, Receive, Scope, Send, read_body, send_reply
from paydue.wire.error_json import gateway_body
from paydue.wire.router import Route, Router

PREFIX: Final = "/gateway-notifications/"

TEMPLATE: Final = PREFIX + "{gateway}/{merchantId}"
_LARGEST: Final = 256 * 1024

_log = logging.getLogger("paydue.gateways")


class GatewayNotifications:
    """`count_refused` counts one more refused notification of an address; above its limit it returns seconds."""

    def __init__(self, desk: PaymentDesk, count_refused: Callable[[str], float]) -> None:
        self._desk = desk
        self._count_refused = count_refused
        self._router = Router((Route("POST", TEMPLATE, self._take, _LARGEST),))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; nothing a caller sends makes this raise."""
        correlation_id = new_correlation_id()
        headers: tuple[Header, ...] = ()
        status, body = 204, b""
        try:
            names = self._names(scope)
            await self._take(names, scope, await read_body(scope, receive, _LARGEST), correlation_id)
        except ClientGone:
            return
        except GatewayRefusal as refusal:
            status, body, headers = refusal.status, gateway_body(refusal.message), refusal.headers
        except StoreUnavailable as failure:
            # They tell again; until then the reconciler finds out by itself.
            _log.warning("notification_not_kept", extra={"correlation_id": correlation_id, "reason": str(failure)})
            status, body, headers = 503, gateway_body("Service Unavailable"), ((b"retry-after", b"5"),)
        except Exception:  # noqa: BLE001 - the outermost layer
            _log.exception("request_failed", extra={"correlation_id": correlation_id, "path": scope["path"]})
            status, body = 500, gateway_body("Internal Server Error")
        await send_reply(send, Reply(status, body, correlation_id, headers))

    def _names(self, scope: Scope) -> tuple[str, ...]:
        match = self._router.match(scope["raw_path"])
        if match is None:
            raise GatewayRefusal(404, "Not Found")
        if scope["method"] not in match.routes:
            raise GatewayRefusal(405, "Method Not Allowed", (b"allow", b"POST"))
        return match.values

    async def _take(self, names: tuple[str, ...], scope: Scope, body: bytes, correlation_id: str) -> None:
        """Note what is hinted at. A hint about nothing of ours is taken as well: they need not tell it again."""
        name, merchant_id = names
        gateway = self._desk.gateway_of(merchant_id, name)
        if gateway is None:
            raise GatewayRefusal(404, "Not Found")
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            hints = gateway.notifications(headers, body)
        except NotificationRefused as refusal:
            raise self._refused(scope, name, merchant_id, str(refusal), correlation_id) from None
        actor = Actor(f"gateway {name}", correlation_id)
        books = self._desk.books_of(merchant_id)
        for hint in hints:
            is_new = await take_hint(books, name, hint, at=self._desk.clock.now(), actor=actor)
            _log.info("notified", extra={"correlation_id": correlation_id, "gateway": name, "is_new": is_new})

    def _refused(self, scope: Scope, name: str, merchant_id: str, reason: str, correlation_id: str) -> GatewayRefusal:
        """Return how a refusal is answered. Who is refused too often is not logged any more: logs are not free."""
        client = scope.get("client")
        wait = self._count_refused(client[0] if client else "")
        if wait:
            return GatewayRefusal(429, "Too Many Requests", (b"retry-after", str(int(wait) + 1).encode()))
        _log.warning(
            "notification_refused",
            extra={"correlation_id": correlation_id, "gateway": name, "merchant_id": merchant_id, "reason": reason},
        )
        return GatewayRefusal(400, "Notification not taken")
