"""
The processor's REST API as far as we need it: which request is sent for what. What answers mean is told elsewhere.

A client of our own, for the vendor's SDK loses the fields by which a lost payment is found again.
"""

from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import msgspec

from paydue.domain.money import exponent
from paydue.gateways.http_signing import Account, signed_headers
from paydue.gateways.sending import Reply, Send
from paydue.usecases.ports import Clock

_CHARGE_SECONDS: Final = 30.0
_READ_SECONDS: Final = 10.0


class CybersourceClient:
    """One merchant's account. No call is ever repeated: only whoever knows what it was can say whether it may be."""

    def __init__(self, account: Account, send: Send, clock: Clock) -> None:
        self.account = account
        self._send = send
        self._clock = clock

    async def open_session(self, body: dict[str, Any]) -> Reply:
        return await self._post("/uc/v1/sessions", body, seconds=_READ_SECONDS)

    async def public_key(self, key_name: str) -> Reply:
        return await self._get(f"/flex/v2/public-keys/{quote(key_name, safe='')}")

    async def charge(self, *, reference: str, transaction_id: str, token: str, amount: Decimal, currency: str) -> Reply:
        """Charge and capture in one. `transaction_id` is ours: by it a charge without an answer can be voided."""
        body = {
            "clientReferenceInformation": {"code": reference, "transactionId": transaction_id},
            "processingInformation": {"capture": True},
            "orderInformation": _order(amount, currency),
            "tokenInformation": {"transientTokenJwt": token},
        }
        return await self._post("/pts/v2/payments", body, seconds=_CHARGE_SECONDS)

    async def refund(
        self, payment_id: str, *, reference: str, transaction_id: str, amount: Decimal, currency: str
    ) -> Reply:
        body = {
            "clientReferenceInformation": {"code": reference, "transactionId": transaction_id},
            "orderInformation": _order(amount, currency),
        }
        return await self._post(f"/pts/v2/payments/{quote(payment_id, safe='')}/refunds", body, seconds=_CHARGE_SECONDS)

    async def void(self, payment_id: str, *, reference: str) -> Reply:
        body = {"clientReferenceInformation": {"code": reference}}
        return await self._post(f"/pts/v2/payments/{quote(payment_id, safe='')}/voids", body, seconds=_CHARGE_SECONDS)

    async def timeout_void(self, *, reference: str, transaction_id: str) -> Reply:
        """Void what was sent with that id of ours, whatever its answer was."""
        body = {"clientReferenceInformation": {"code": reference, "transactionId": transaction_id}}
        return await self._post("/pts/v2/voids", body, seconds=_CHARGE_SECONDS)

    async def search(self, reference: str) -> Reply:
        """Find what was sent with that reference in the last week, newest first. The index lags behind."""
        recent = "submitTimeUtc:[NOW/DAY-7DAYS TO NOW/DAY+1DAY}"
        body = {
            "save": False,
            "query": f"clientReferenceInformation.code:{reference} AND {recent}",
            "offset": 0,
            "limit": 20,
            "sort": "submitTimeUtc:desc",
        }
        return await self._post("/tss/v2/searches", body, seconds=_READ_SECONDS)

    async def transaction(self, payment_id: str) -> Reply:
        return await self._get(f"/tss/v2/transactions/{quote(payment_id, safe='')}")

    async def decide(self, payment_id: str, decision: str) -> Reply:
        body = {"decisionInformation": {"decision": decision, "comments": "decided in Paydue"}}
        return await self._post(f"/risk/v1/decisions/{quote(payment_id, safe='')}/actions", body, seconds=_READ_SECONDS)

    async def _get(self, target: str) -> Reply:
        headers = signed_headers(self.account, "GET", target, b"", self._clock.now())
        return await self._send("GET", self.account.api_url + target, headers, b"", seconds=_READ_SECONDS)

    async def _post(self, target: str, body: dict[str, Any], *, seconds: float) -> Reply:
        data = msgspec.json.encode(body)
        headers = signed_headers(self.account, "POST", target, data, self._clock.now())
        return await self._send("POST", self.account.api_url + target, headers, data, seconds=seconds)


def _order(amount: Decimal, currency: str) -> dict[str, Any]:
    return {"amountDetails": {"totalAmount": amount_text(amount, currency), "currency": currency}}


def amount_text(amount: Decimal, currency: str) -> str:
    """Return an amount with all decimals of its currency, as the processor wants it."""
    return f"{amount:.{exponent(currency)}f}"
