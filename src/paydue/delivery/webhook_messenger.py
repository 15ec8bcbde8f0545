"""One notification sent once: signed, authorized if the subscription wants it, and what came back in small words."""

import re
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from paydue.delivery.egress import Egress
from paydue.delivery.egress_answers import Answered, NotAnswered
from paydue.delivery.notification_headers import notification_headers
from paydue.delivery.oauth import AccessTokens, NoToken
from paydue.domain.invoice import Invoice
from paydue.domain.notifications import Notification, NotificationBody
from paydue.domain.webhooks import BodyVersion, SecurityType, Subscription
from paydue.usecases.delivery_ports import Try
from paydue.usecases.ports import Clock
from paydue.usecases.webhook_keys import client_certificate, jwt_signing_key, oauth_credentials, signing_keys
from paydue.usecases.webhook_ports import InvoiceExample, Outcome, Subscriptions, WebhookKey

GONE: Final = 410
_UNAUTHORIZED: Final = 401
_LONGEST_REQUEST: Final = 16 * 1024
# Proofs of ours, which nobody needs to read in a log.
_NOT_LOGGED: Final = frozenset(("authorization",))
# Whoever reads it could pay, and see what is billed to whom.
_PAYMENT_TOKEN: Final = re.compile(r"[A-Za-z0-9]{64}")

WriteNotification = Callable[[Notification, BodyVersion], NotificationBody]
WriteSnapshot = Callable[[Invoice, datetime, str | None], bytes]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """
    What came of one attempt: the try as it is logged, and when the receiver wants no other before.

    `tried` is None when nothing could be sent, because there is no key to do it with; `outcome` says which.
    """

    outcome: str
    tried: Try | None = None
    not_before: datetime | None = None

    @property
    def is_taken(self) -> bool:
        return self.tried is not None and self.tried.is_taken

    @property
    def is_gone(self) -> bool:
        """Tell whether the receiver said that it will never take anything again."""
        return self.tried is not None and self.tried.status == GONE


class WebhookMessenger:
    """`write` gives a notification its body, `write_snapshot` an invoice: their form is the API's business."""

    def __init__(
        self,
        *,
        subscriptions_of: Callable[[str], Subscriptions],
        egress: Egress,
        write: WriteNotification,
        write_snapshot: WriteSnapshot,
        clock: Clock,
    ) -> None:
        self._subscriptions_of = subscriptions_of
        self._egress = egress
        self._write = write
        self._write_snapshot = write_snapshot
        self._clock = clock
        self._tokens = AccessTokens(egress)

    def example(self, event_type: str, at: datetime) -> InvoiceExample:
        """Return what a notification of that event might be about."""
        from paydue.delivery.examples import invoice_example  # noqa: PLC0415 - what a server seldom needs

        return invoice_example(event_type, at)

    def snapshot(self, invoice: Invoice, at: datetime, link: str | None) -> bytes:
        """Return the invoice with its payment link as JSON, for subscribers who want it with each notification."""
        return self._write_snapshot(invoice, at, link)

    async def deliver(self, subscription: Subscription, notification: Notification) -> Outcome:
        """Send it once and now, and tell whether it was taken."""
        attempt = await self.attempt(subscription, notification)
        return Outcome(attempt.is_taken, attempt.outcome)

    async def attempt(self, subscription: Subscription, notification: Notification) -> Attempt:
        """Send it once and now, and tell all about it."""
        at = self._clock.now()
        began = time.perf_counter()
        kept = await self._subscriptions_of(subscription.organization_id).keys()
        keys = signing_keys(kept, at, subscription.webhook_id)
        if not keys:
            return Attempt(outcome="no signing key")
        proof = _proof(subscription, kept, at)
        if proof is None and subscription.security.security_type is not SecurityType.KEY:
            return Attempt(outcome="no credentials for the token server")
        try:
            authorization = await self._tokens.authorization(subscription.security, proof, at) if proof else None
        except NoToken as failure:
            failed = Try(at=at, milliseconds=_milliseconds(began), is_taken=False, outcome=str(failure))
            return Attempt(outcome=failed.outcome, tried=failed)
        body = self._write(notification, subscription.body_version)
        headers = notification_headers(
            notification,
            body,
            keys=keys,
            signed_content=subscription.signed_content,
            at=at,
            authorization=authorization,
        )
        certificate = client_certificate(kept, subscription.webhook_id)
        identity = certificate.secret if certificate is not None else None
        answer = await self._egress.send("POST", subscription.url, headers, body.body, identity=identity)
        if proof is not None and isinstance(answer, Answered) and answer.status == _UNAUTHORIZED:
            self._tokens.forget(subscription.security, proof)
        tried = _try(answer, at, began)
        tried = replace(
            tried,
            trace_id=notification.trace_id,
            request=_logged("POST", subscription.url, headers, body.body),
        )
        not_before = answer.not_before(at) if isinstance(answer, Answered) else None
        return Attempt(outcome=tried.outcome, tried=tried, not_before=not_before)


def new_trace_id() -> str:
    """Return the name of one attempt."""
    return str(uuid.uuid4())


def _proof(subscription: Subscription, kept: Sequence[WebhookKey], at: datetime) -> WebhookKey | None:
    """Return what we prove ourselves with where the subscription's tokens come from, if it wants tokens."""
    oauth = subscription.security.oauth
    if oauth is None:
        return None
    if subscription.security.security_type is SecurityType.OAUTH_JWT:
        return jwt_signing_key(kept, oauth, at)
    return oauth_credentials(kept, oauth, at)


def _try(answer: Answered | NotAnswered, at: datetime, began: float) -> Try:
    if isinstance(answer, Answered):
        is_taken, outcome, told = answer.is_success, f"answered {answer.status}", answer.excerpt
    else:
        # Whoever says yes and then too much has taken it.
        is_taken = answer.status is not None and 200 <= answer.status < 300
        outcome = f"answered {answer.status}, then {_words(answer)}" if answer.status else _words(answer)
        told = ""
    return Try(
        at=at,
        milliseconds=_milliseconds(began),
        is_taken=is_taken,
        outcome=outcome,
        status=answer.status,
        answer=told,
    )


def _logged(method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> str:
    shown = (f"{name}: {'***' if name.lower() in _NOT_LOGGED else value}" for name, value in headers)
    head = "\n".join((f"{method} {url}", *shown))
    return _PAYMENT_TOKEN.sub("***", f"{head}\n\n{body.decode()}")[:_LONGEST_REQUEST]


def _words(answer: NotAnswered) -> str:
    return answer.why.value.replace("_", " ")


def _milliseconds(began: float) -> int:
    return int((time.perf_counter() - began) * 1000)
