"""
A merchant's webhook subscription: what it listens to, where it is told, and its life as one table.

`TABLE` is the only place that says who may move a subscription, from which status, and where that leads.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Self

import msgspec
from msgspec.structs import replace

from paydue.domain.errors import Refusal
from paydue.domain.retry_policy import RetryPolicy

MAXIMUM_SUBSCRIPTIONS: Final = 20
"""How many subscriptions a merchant may have."""


class SubscriptionStatus(StrEnum):
    """Only ACTIVE is delivered to; for SUSPENDED notifications are held until the receiver is back."""

    PENDING_REVIEW = "PENDING_REVIEW"
    BLOCKED = "BLOCKED"
    INACTIVE = "INACTIVE"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class SubscriptionAction(StrEnum):
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    TRY = "try"
    REPLAY = "replay"
    SUBMIT_URLS = "submit URLs"
    APPROVE = "approve"
    REJECT = "reject"
    RESUME = "resume"
    TAKE = "take"
    FAIL = "fail"
    SUSPEND = "suspend"
    GIVE_UP = "give up"


class Who(StrEnum):
    """The merchant by the API; whoever reviews URLs (our rules or a person); the worker that delivers and probes."""

    MERCHANT = "merchant"
    REVIEWER = "reviewer"
    WORKER = "worker"


class Rule(NamedTuple):
    who: Who
    leads: Mapping[SubscriptionStatus, SubscriptionStatus]


_APPROVED: Final = (SubscriptionStatus.INACTIVE, SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED)
_STARTED: Final = (SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED)

# What is not in the table is refused. TRY is a test notification that was taken; RESUME a healthy probe; TAKE a
# notification that was taken, FAIL one that was given up; SUSPEND the end of all tries under a policy that suspends;
# GIVE_UP a receiver that is gone, or has taken nothing for too many days.
TABLE: Final[Mapping[SubscriptionAction, Rule]] = {
    SubscriptionAction.ACTIVATE: Rule(Who.MERCHANT, dict.fromkeys(_APPROVED, SubscriptionStatus.ACTIVE)),
    SubscriptionAction.DEACTIVATE: Rule(Who.MERCHANT, dict.fromkeys(_APPROVED, SubscriptionStatus.INACTIVE)),
    SubscriptionAction.TRY: Rule(Who.MERCHANT, dict.fromkeys(_APPROVED, SubscriptionStatus.ACTIVE)),
    SubscriptionAction.REPLAY: Rule(Who.MERCHANT, {status: status for status in _STARTED}),
    SubscriptionAction.SUBMIT_URLS: Rule(
        Who.MERCHANT, dict.fromkeys(SubscriptionStatus, SubscriptionStatus.PENDING_REVIEW)
    ),
    SubscriptionAction.APPROVE: Rule(Who.REVIEWER, {SubscriptionStatus.PENDING_REVIEW: SubscriptionStatus.INACTIVE}),
    SubscriptionAction.REJECT: Rule(Who.REVIEWER, {SubscriptionStatus.PENDING_REVIEW: SubscriptionStatus.BLOCKED}),
    SubscriptionAction.RESUME: Rule(Who.WORKER, dict.fromkeys(_APPROVED, SubscriptionStatus.ACTIVE)),
    SubscriptionAction.TAKE: Rule(Who.WORKER, {status: status for status in _STARTED}),
    SubscriptionAction.FAIL: Rule(Who.WORKER, {status: status for status in _STARTED}),
    SubscriptionAction.SUSPEND: Rule(Who.WORKER, dict.fromkeys(_STARTED, SubscriptionStatus.SUSPENDED)),
    SubscriptionAction.GIVE_UP: Rule(Who.WORKER, dict.fromkeys(_STARTED, SubscriptionStatus.INACTIVE)),
}

# After these only the merchant starts it again: a healthy probe must not undo a decision.
_SWITCHED_OFF_BY: Final = frozenset((SubscriptionAction.DEACTIVATE, SubscriptionAction.GIVE_UP))
_SWITCHED_ON_BY: Final = frozenset((SubscriptionAction.ACTIVATE, SubscriptionAction.TRY))
_FAILING: Final = frozenset((SubscriptionAction.FAIL, SubscriptionAction.SUSPEND))
# Not a healthy probe: it says nothing about what becomes of notifications.
_WORKING: Final = frozenset((SubscriptionAction.ACTIVATE, SubscriptionAction.TRY, SubscriptionAction.TAKE))


class ProductEvents(msgspec.Struct, frozen=True, kw_only=True):
    """One product and those of its events that are wanted, both by the names under which they are sent."""

    product_id: str
    event_types: tuple[str, ...]


class SecurityType(StrEnum):
    """What a notification is sent with besides its signature, which is always there."""

    KEY = "KEY"
    OAUTH = "oAuth"
    OAUTH_JWT = "oAuth_JWT"


class OAuthConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Where and how an access token is fetched before a notification is sent.

    `key_id` names stored credentials when the newest are not meant, or the signing key in a JWT. `token_expiry` is
    kept and shown only: a token's own answer says how long it is good for.
    """

    token_url: str
    token_type: str = "Bearer"
    token_expiry: int | None = None
    audience: str | None = None
    client_id: str | None = None
    key_id: str | None = None
    scope: str | None = None


class SecurityPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`oauth` is there exactly for the two OAuth types. `proxy_type` is a word of the old API, kept and shown only."""

    security_type: SecurityType = SecurityType.KEY
    oauth: OAuthConfig | None = None
    proxy_type: str | None = None


class NotificationScope(StrEnum):
    """Whose events are told: the organization's own, those of all below it too, or of those named."""

    SELF = "SELF"
    DESCENDANTS = "DESCENDANTS"
    CUSTOM = "CUSTOM"


class SignedContent(StrEnum):
    """What the compatible signature covers: the whole body, or only its payload element, as some plugins check."""

    BODY = "BODY"
    PAYLOAD = "PAYLOAD"


class BodyVersion(StrEnum):
    """The form of the body: the current one, or that of 2023, whose number is ours because no document has one."""

    CURRENT = "3"
    OLDER = "2"


class Shape(StrEnum):
    """The form in which a subscription was asked for, and so is answered: one product at the top, or a list."""

    ONE_PRODUCT = "v1"
    PRODUCT_LIST = "v2"


class Subscription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One subscription. `retry_policy` None is the operator's default; `version` is the store's, 0 before the first save.

    `is_switched_off` tells a subscription that was switched off from one that never started: probes start only these.
    `includes_invoice` has each notification bring the invoice along.
    `failing_since` is when a notification was given up, or all were held, and nothing was taken since.
    """

    webhook_id: str
    organization_id: str
    products: tuple[ProductEvents, ...]
    url: str
    health_check_url: str | None = None
    status: SubscriptionStatus
    is_switched_off: bool = False
    failing_since: datetime | None = None
    name: str | None = None
    description: str | None = None
    retry_policy: RetryPolicy | None = None
    security: SecurityPolicy = SecurityPolicy()
    scope: NotificationScope = NotificationScope.DESCENDANTS
    scope_organizations: tuple[str, ...] = ()
    signed_content: SignedContent = SignedContent.BODY
    body_version: BodyVersion = BodyVersion.CURRENT
    includes_invoice: bool = False
    shape: Shape = Shape.PRODUCT_LIST
    created_at: datetime
    updated_at: datetime
    version: int = 0

    @property
    def urls(self) -> frozenset[str]:
        """Every address that would be called for it, and so has to pass a review."""
        oauth = self.security.oauth
        named = (self.url, self.health_check_url, oauth.token_url if oauth is not None else None)
        return frozenset(url for url in named if url is not None)

    def wants(self, product_id: str, event_type: str) -> bool:
        """Tell whether that event, by the names under which it is sent, is subscribed to."""
        return any(each.product_id == product_id and event_type in each.event_types for each in self.products)

    def check_allows(self, action: SubscriptionAction) -> None:
        """Raises SubscriptionActionNotAllowed when `action` is not possible in the present status."""
        if self.status not in TABLE[action].leads:
            raise SubscriptionActionNotAllowed(action, self.status)

    def after(self, action: SubscriptionAction, at: datetime) -> Self:
        """
        Return the subscription where `action` leads; itself when that changes nothing.

        RESUME leaves one that was switched off as it is. Raises SubscriptionActionNotAllowed.
        """
        self.check_allows(action)
        leads = TABLE[action].leads
        if action is SubscriptionAction.RESUME and self.is_switched_off:
            return self
        failing_since = self.failing_since
        if action in _FAILING:
            failing_since = failing_since or at
        elif action in _WORKING:
            failing_since = None
        is_switched_off = action in _SWITCHED_OFF_BY or (self.is_switched_off and action not in _SWITCHED_ON_BY)
        after = replace(self, status=leads[self.status], is_switched_off=is_switched_off, failing_since=failing_since)
        return self if after == self else replace(after, updated_at=at)


class WebhookRefusal(Refusal):
    """
    A wish about webhooks that is refused.

        NoSuchSubscription              the merchant has no subscription of that id
        SubscriptionActionNotAllowed    its status does not allow it
        TooManySubscriptions
        EventNotSubscribed              a test was asked for of an event that the subscription does not want
        NotificationNotTaken            the receiver did not take a test notification
        ReplayRunning                   one replay at a time
        TooManyWebhookKeys
    """


class NoSuchSubscription(WebhookRefusal):
    def __init__(self, webhook_id: str) -> None:
        super().__init__(webhook_id)
        self.webhook_id = webhook_id


class SubscriptionActionNotAllowed(WebhookRefusal):
    def __init__(self, action: SubscriptionAction, status: SubscriptionStatus) -> None:
        super().__init__(f"{action} in {status}")
        self.action = action
        self.status = status


class TooManySubscriptions(WebhookRefusal):
    def __init__(self, limit: int) -> None:
        super().__init__(str(limit))
        self.limit = limit


class EventNotSubscribed(WebhookRefusal):
    def __init__(self, event_type: str) -> None:
        super().__init__(event_type)
        self.event_type = event_type


class NotificationNotTaken(WebhookRefusal):
    """`outcome` says why in small words: `answered 503`, `timed out`."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class ReplayRunning(WebhookRefusal):
    """The merchant's last replay is still going on."""


class TooManyWebhookKeys(WebhookRefusal):
    def __init__(self, limit: int) -> None:
        super().__init__(str(limit))
        self.limit = limit
