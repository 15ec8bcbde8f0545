"""The Cybersource gateway: an embedded form of theirs, a token that is verified, a charge with capture, and more."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from paydue.domain.attempts import PaymentAttempt
from paydue.domain.refunds import Refund
from paydue.gateways import signed_json
from paydue.gateways.cybersource_answers import document_of, failure_of, part, payment_of, refund_of, reversal_of, text
from paydue.gateways.cybersource_client import CybersourceClient, amount_text
from paydue.gateways.sending import Reply
from paydue.gateways.signed_json import InvalidToken
from paydue.usecases.gateway_ports import (
    Capabilities,
    Checkout,
    CheckoutRequest,
    Health,
    Kind,
    Notification,
    NotificationRefused,
    Outcome,
    Reason,
)
from paydue.usecases.ports import Clock

_NETWORKS: Final = ["VISA", "MASTERCARD", "AMEX", "DISCOVER", "DINERSCLUB", "JCB"]
_MOST_KEYS: Final = 32
_MOST_HITS: Final = 20
_NO_PAYMENT: Final = frozenset((Kind.VOIDED, Kind.DECLINED))


class CybersourceGateway:
    """Fills the port in `usecases/gateway_ports.py` with one account at the processor."""

    capabilities: Capabilities = Capabilities(name="cybersource", can_review=True)

    def __init__(self, client: CybersourceClient, clock: Clock, *, country: str = "US") -> None:
        self._client = client
        self._clock = clock
        self._country = country
        self._keys: dict[str, RSAPublicKey] = {}

    async def begin(self, request: CheckoutRequest) -> Checkout | Outcome:
        reply = await self._client.open_session(self._session_body(request))
        failure = _not_opened(reply)
        if failure is not None:
            return failure
        token = reply.body.decode("ascii", "replace").strip()
        try:
            claims = await self._verified(token)
            return self._checkout(token, claims, request.attempt)
        except InvalidToken as fault:
            return Outcome(kind=Kind.MISCONFIGURED, raw=f"session: {fault}", reason=Reason.TRY_LATER)

    async def charge(self, attempt: PaymentAttempt, handed_over: str) -> Outcome:
        try:
            self._check_transient(await self._verified(handed_over))
        except InvalidToken as fault:
            return Outcome(kind=Kind.INVALID, raw=f"token: {fault}", reason=Reason.CHECK_DETAILS)
        reply = await self._client.charge(
            reference=attempt.reference,
            transaction_id=attempt.attempt_id,
            token=handed_over,
            amount=attempt.amount,
            currency=attempt.currency,
        )
        return await self._let_go_of_too_little(attempt, payment_of(reply, attempt.currency))

    async def look_up(self, attempt: PaymentAttempt) -> Outcome:
        reply = await self._client.search(attempt.reference)
        failure = failure_of(reply)
        if failure is not None:
            return failure
        found = [await self._transaction(each, attempt) for each in _ids(document_of(reply) or {})]
        payments = [each for each in found if each.kind not in _NO_PAYMENT]
        # A charge that was counted already must not hide a second one.
        news = [each for each in payments if each.transaction_id != attempt.transaction_id]
        charged = [each for each in (*news, *payments) if each.kind is Kind.CHARGED]
        outcome = next(iter([*charged, *payments, *found]), Outcome(kind=Kind.NOT_FOUND))
        return await self._let_go_of_too_little(attempt, outcome)

    async def void(self, attempt: PaymentAttempt) -> Outcome:
        return reversal_of(
            await self._client.timeout_void(reference=attempt.reference, transaction_id=attempt.attempt_id)
        )

    async def close(self, attempt: PaymentAttempt) -> Outcome:
        # Without our charge nothing happens there: the form makes a token and no payment.
        return Outcome(kind=Kind.CANCELED)

    async def refund(self, attempt: PaymentAttempt, refund: Refund) -> Outcome:
        if attempt.transaction_id is None:
            return Outcome(kind=Kind.REFUND_FAILED, raw="nothing was charged")
        return refund_of(
            await self._client.refund(
                attempt.transaction_id,
                reference=_refund_reference(refund),
                transaction_id=refund.refund_id,
                amount=refund.amount,
                currency=attempt.currency,
            )
        )

    async def look_up_refund(self, attempt: PaymentAttempt, refund: Refund) -> Outcome:
        reply = await self._client.search(_refund_reference(refund))
        failure = failure_of(reply)
        if failure is not None:
            return failure
        for transaction_id in _ids(document_of(reply) or {}):
            return refund_of(await self._client.transaction(transaction_id))
        return Outcome(kind=Kind.NOT_FOUND)

    async def review(self, attempt: PaymentAttempt, *, accepts: bool) -> Outcome:
        if attempt.transaction_id is None:
            return Outcome(kind=Kind.NOT_FOUND)
        # Whatever is answered, what counts is what the payment is afterwards.
        await self._client.decide(attempt.transaction_id, "ACCEPT" if accepts else "REJECT")
        return await self._transaction(attempt.transaction_id, attempt)

    def notifications(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notification]:
        # Their notifications are encrypted to a key that has to be registered first. Until then we ask, unprompted.
        raise NotificationRefused("notifications of this processor are not taken")

    def content_sources(self) -> Mapping[str, Sequence[str]]:
        origin = (self._client.account.api_url,)
        return dict.fromkeys(("connect-src", "frame-src", "child-src", "script-src"), origin)

    async def check(self) -> Health:
        """Ask for a payment that does not exist: proves address, credentials and rights, and charges nothing."""
        failure = failure_of(await self._client.search("paydue-gateway-check"))
        if failure is None:
            return Health(is_up=True, detail="credentials accepted")
        return Health(is_up=False, detail=f"{failure.kind.value}: {failure.raw}")

    def _session_body(self, request: CheckoutRequest) -> dict[str, Any]:
        attempt = request.attempt
        body: dict[str, Any] = {
            "targetOrigins": [request.page_origin],
            "allowedCardNetworks": _NETWORKS,
            "allowedPaymentTypes": ["PANENTRY"],
            "country": self._country,
            "locale": request.locale.replace("-", "_"),
            "captureMandate": {
                "billingType": "NONE",
                "requestEmail": False,
                "requestPhone": request.requests_phone,
                "requestShipping": request.requests_shipping,
                "showAcceptedNetworkIcons": True,
            },
            "data": {
                "orderInformation": {
                    "amountDetails": {
                        "totalAmount": amount_text(attempt.amount, attempt.currency),
                        "currency": attempt.currency,
                    }
                },
                "clientReferenceInformation": {"code": attempt.reference},
            },
        }
        if request.wants_authentication:
            body["completeMandate"] = {"type": "CAPTURE", "consumerAuthentication": "3DS"}
        return body

    def _checkout(self, token: str, claims: Mapping[str, Any], attempt: PaymentAttempt) -> Checkout:
        contexts = claims.get("ctx")
        first = contexts[0] if isinstance(contexts, list) and contexts and isinstance(contexts[0], dict) else {}
        library, integrity = text(first, "data", "clientLibrary"), text(first, "data", "clientLibraryIntegrity")
        session = text(claims, "jti")
        if not session or not library:
            raise InvalidToken("no session or no library in it")
        return Checkout(
            session=session,
            expires_at=min(self._not_over(claims), attempt.expires_at),
            client_token=token,
            script_url=library,
            integrity=integrity or None,
        )

    async def _verified(self, token: str) -> dict[str, Any]:
        """Return the claims of a token of the processor's. Raises InvalidToken."""
        unverified = signed_json.read(token)
        key = self._keys.get(unverified.key_name)
        if key is None:
            document = document_of(await self._client.public_key(unverified.key_name))
            name = text(document or {}, "kid")
            if document is None or not hmac.compare_digest(name.encode(), unverified.key_name.encode()):
                raise InvalidToken("the processor has no such key")
            key = signed_json.public_key(document)
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            self._keys[unverified.key_name] = key
        claims = unverified.verified(key)
        self._not_over(claims)
        return claims

    def _not_over(self, claims: Mapping[str, Any]) -> datetime:
        """Return when the token ends. Raises InvalidToken when that is over."""
        ends = claims.get("exp")
        if not isinstance(ends, int) or not 0 < ends < 1 << 40 or ends <= self._clock.now().timestamp():
            raise InvalidToken("it has ended, or never does")
        return datetime.fromtimestamp(ends, UTC)

    def _check_transient(self, claims: Mapping[str, Any]) -> None:
        is_transient = text(claims, "type").startswith(("gda-", "mf-")) and text(claims, "iss").startswith("Flex/")
        if not is_transient or not text(claims, "jti"):
            raise InvalidToken("not a transient token")

    async def _transaction(self, transaction_id: str, attempt: PaymentAttempt) -> Outcome:
        return payment_of(await self._client.transaction(transaction_id), attempt.currency)

    async def _let_go_of_too_little(self, attempt: PaymentAttempt, outcome: Outcome) -> Outcome:
        """Void what must not be kept: less than the invoice takes, or what the risk rules refuse."""
        is_too_little = outcome.kind is Kind.CHARGED and outcome.amount < attempt.least
        if outcome.transaction_id is None or not (is_too_little or outcome.raw.startswith("AUTHORIZED_RISK_DECLINED")):
            return outcome
        undone = reversal_of(await self._client.void(outcome.transaction_id, reference=attempt.reference))
        if undone.kind is not Kind.VOIDED:
            return Outcome(kind=Kind.UNKNOWN, raw=f"{outcome.raw}, not voided", reason=Reason.CONFIRMING)
        reason = Reason.FUNDS if is_too_little else Reason.BANK_SAYS_NO
        return msgspec.structs.replace(outcome, kind=Kind.DECLINED, reason=reason)


def _not_opened(reply: Reply) -> Outcome | None:
    """Return why no session was opened, None when one was: nothing can have been charged by that, whatever happened."""
    if reply.status == 201:
        return None
    failure = failure_of(reply) or Outcome(kind=Kind.MISCONFIGURED, raw=f"HTTP {reply.status}")
    kind = Kind.UNAVAILABLE if failure.kind is Kind.UNKNOWN else failure.kind
    return msgspec.structs.replace(failure, kind=kind, reason=Reason.TRY_LATER)


def _ids(document: Mapping[str, Any]) -> list[str]:
    hits = part(document, "_embedded").get("transactionSummaries")
    if not isinstance(hits, list):
        return []
    return [each["id"] for each in hits[:_MOST_HITS] if isinstance(each, dict) and isinstance(each.get("id"), str)]


def _refund_reference(refund: Refund) -> str:
    return f"R-{refund.refund_id.replace('-', '')}"
