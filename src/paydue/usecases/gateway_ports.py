"""
What paying needs of a card processor, in our words: one port that each gateway fills.

No method raises for what a processor does: every result, a lost answer included, is an `Outcome`. Card numbers appear
nowhere here; what a payer's browser hands over is opaque text, believed only after the gateway has verified it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import msgspec

from paydue.domain.attempts import MaskedAccount, PaymentAttempt
from paydue.domain.money import ZERO
from paydue.domain.refunds import Refund


class Kind(StrEnum):
    """
    What came of asking a gateway. `certainly_not_charged` and `is_final` divide them.

    INVALID: the payer can mend what was handed over. MISCONFIGURED: the merchant's account or our settings are wrong.
    NOT_FOUND: the processor knows no such payment now, which soon after a charge proves nothing.
    """

    CHARGED = "charged"
    DECLINED = "declined"
    INVALID = "invalid"
    MISCONFIGURED = "misconfigured"
    UNAVAILABLE = "unavailable"
    WAITING_FOR_PAYER = "waiting for payer"
    HELD = "held"
    CANCELED = "canceled"
    EXPIRED = "expired"
    VOIDED = "voided"
    NOT_VOIDABLE = "not voidable"
    NOT_FOUND = "not found"
    UNKNOWN = "unknown"
    REFUNDED = "refunded"
    REFUND_PENDING = "refund pending"
    REFUND_FAILED = "refund failed"


class Reason(StrEnum):
    """Why not, as classes that a payer may read: raw codes stay in the log, and nobody is told "stolen"."""

    CHECK_DETAILS = "check_details"
    EXPIRED = "expired"
    FUNDS = "funds"
    BANK_SAYS_NO = "bank_says_no"
    AUTHENTICATION = "authentication"
    NOT_ACCEPTED = "not_accepted"
    TRY_LATER = "try_later"
    CONFIRMING = "confirming"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One result. `amount` and `currency` are what really moved, `reference` whose attempt the processor says it was.

    `next_url` is where a payer has to go on. `retry_at` is when to ask again, where the gateway knows better than the
    plan. `raw` is the processor's own word for it, without personal data, for logs and the merchant.
    """

    kind: Kind
    amount: Decimal = ZERO
    currency: str = ""
    reference: str = ""
    transaction_id: str | None = None
    reason: Reason | None = None
    raw: str = ""
    method: str = "card"
    account: MaskedAccount | None = None
    next_url: str | None = None
    retry_at: datetime | None = None


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a gateway can do. `redirects`: the payer pays on the processor's page, and nothing of ours stands between the
    payer's last click and the money. `is_test`: no money moves, and every page and mail says so.
    """

    name: str
    redirects: bool = False
    currencies: frozenset[str] | None = None
    can_void: bool = True
    can_refund_in_part: bool = True
    can_review: bool = False
    is_test: bool = False


class CheckoutRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a payer's form is opened with. `page_origin` is the one origin that may embed it."""

    attempt: PaymentAttempt
    page_origin: str
    return_url: str
    cancel_url: str
    locale: str = "en-US"
    merchant_name: str = ""
    wants_authentication: bool = False
    requests_phone: bool = False
    requests_shipping: bool = False


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the payment page needs to let somebody pay; it is handed on and never stored.

    Either `redirect_url`, or an embedded form: `frame_url` for a frame of the gateway's, or `client_token` with
    `script_url` and its `integrity` for a library of the gateway's.
    """

    session: str
    expires_at: datetime
    redirect_url: str | None = None
    frame_url: str | None = None
    client_token: str | None = None
    script_url: str | None = None
    integrity: str | None = None


class Health(msgspec.Struct, frozen=True):
    """Whether the gateway works, found out without charging; `detail` is for the operator."""

    is_up: bool
    detail: str


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A hint that something happened at the processor. It is never believed: the truth is asked for."""

    event_id: str
    reference: str | None = None
    session: str | None = None


class NotificationRefused(Exception):
    """What arrived is no notification of this processor's: forged, too old, or unreadable."""


class Gateway(Protocol):
    """One merchant's account at one processor."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def begin(self, request: CheckoutRequest) -> Checkout | Outcome:
        """
        Open a form, or say why there is none: UNAVAILABLE, MISCONFIGURED or INVALID.

        For an attempt whose form was opened before: the same one or another, or what has become of the payment.
        """
        ...

    async def charge(self, attempt: PaymentAttempt, handed_over: str) -> Outcome:
        """
        Verify what the browser handed over against the attempt, then charge its amount, once.

        What does not verify is INVALID, and nothing was charged. Of less than `attempt.least` the gateway lets go
        again, and says DECLINED.
        """
        ...

    async def look_up(self, attempt: PaymentAttempt) -> Outcome:
        """Ask what became of an attempt. Nothing is charged by it; what must not be kept is let go, as by `charge`."""
        ...

    async def void(self, attempt: PaymentAttempt) -> Outcome:
        """Undo a charge whose answer never came, by our own id: VOIDED, NOT_VOIDABLE, NOT_FOUND or UNKNOWN."""
        ...

    async def close(self, attempt: PaymentAttempt) -> Outcome:
        """End an open form so that nobody can pay it any more: CANCELED, or CHARGED when the payment was faster."""
        ...

    async def refund(self, attempt: PaymentAttempt, refund: Refund) -> Outcome:
        """Give money back: REFUNDED, REFUND_PENDING, REFUND_FAILED, UNKNOWN. The refund's id makes it once only."""
        ...

    async def look_up_refund(self, attempt: PaymentAttempt, refund: Refund) -> Outcome: ...

    async def review(self, attempt: PaymentAttempt, *, accepts: bool) -> Outcome:
        """Decide a held payment and say what it is now; decided before, it says that."""
        ...

    def notifications(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notification]:
        """Return what was notified, after verifying the exact bytes. Raises NotificationRefused."""
        ...

    def content_sources(self) -> Mapping[str, Sequence[str]]:
        """Return the origins that a payment page has to allow, by directive of its content security policy."""
        ...

    async def check(self) -> Health: ...
