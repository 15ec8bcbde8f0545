"""
Subscriptions as the API's JSON has them, in the two shapes that two versions of it use on either path.

The old shape has one product at the top, the new one a list. What a subscription was asked for in, it is answered in.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from paydue.domain.notifications import known_event_type, known_product_id
from paydue.domain.retry_policy import RetryPolicy
from paydue.domain.webhooks import (
    BodyVersion,
    NotificationScope,
    ProductEvents,
    Shape,
    SignedContent,
    Subscription,
    SubscriptionAction,
)
from paydue.usecases.change_subscription import SubscriptionChange
from paydue.usecases.subscribe_webhook import NewSubscription
from paydue.wire.fields import MISSING, Faults, Reader
from paydue.wire.webhook_policy_json import (
    LONGEST_NAME,
    RetryPolicyBody,
    SecurityPolicyBody,
    UrlFault,
    read_retry_policy,
    read_security_policy,
    read_url,
    write_retry_policy,
    write_security_policy,
)

_LONGEST_DESCRIPTION: Final = 2000
_MOST_PRODUCTS: Final = 20
_MOST_EVENTS: Final = 100
_MOST_ORGANIZATIONS: Final = 100
_SCOPES: Final = {scope.value.lower(): scope for scope in NotificationScope}
_SIGNED_CONTENTS: Final = {content.value.lower(): content for content in SignedContent}
_VERSIONS: Final = {version.value: version for version in BodyVersion}
_ACTIONS: Final = {"active": SubscriptionAction.ACTIVATE, "inactive": SubscriptionAction.DEACTIVATE}


def read_new_subscription(
    document: dict[str, Any], organization_id: str, default_scope: NotificationScope, fault_in: UrlFault
) -> NewSubscription:
    """Read the body of a create call, of either shape. Raises InvalidFields."""
    faults = Faults()
    body = Reader(document, "", faults)
    found = _read_common(body, document, organization_id, fault_in, is_new=True)
    retry = read_retry_policy(body, document)
    faults.raise_if_any()
    return NewSubscription(**{"scope": default_scope, **found}, retry=retry)


def read_subscription_change(document: dict[str, Any], organization_id: str, fault_in: UrlFault) -> SubscriptionChange:
    """
    Read the body of an update, of either shape: what is left out stays. Raises InvalidFields.

    An empty `healthCheckUrl` removes it. A `status` other than on and off is one that was fetched and comes back.
    """
    faults = Faults()
    body = Reader(document, "", faults)
    found = _read_common(body, document, organization_id, fault_in, is_new=False)
    if document.get("healthCheckUrl") == "":
        found["health_check_url"] = None
    retry = read_retry_policy(body, document)
    faults.raise_if_any()
    status = document.get("status")
    return SubscriptionChange(
        values=found, retry=retry, action=_ACTIONS.get(status.lower()) if type(status) is str else None
    )


def read_status(document: dict[str, Any]) -> SubscriptionAction:
    """Read the body of a status call: only on and off can be asked for. Raises InvalidFields."""
    faults = Faults()
    body = Reader(document, "", faults)
    action = body.choice("status", _ACTIONS)
    if not body.has("status"):
        body.fault("status", MISSING)
    faults.raise_if_any()
    assert isinstance(action, SubscriptionAction)
    return action


def read_test(document: dict[str, Any]) -> str | None:
    """Read the body of a test call: the event that it is to be like, if it names one. Raises InvalidFields."""
    faults = Faults()
    event_type = Reader(document, "", faults).text("eventType", LONGEST_NAME)
    faults.raise_if_any()
    return event_type


def write_subscription(subscription: Subscription, default_policy: RetryPolicy, *, is_update: bool = False) -> bytes:
    """Return the subscription in the shape it has; only the answer to an update tells when it was updated."""
    return _encode(_body_of(subscription, default_policy, is_update=is_update))


def write_subscriptions(subscriptions: Iterable[Subscription], default_policy: RetryPolicy) -> bytes:
    return _encode([_body_of(each, default_policy) for each in subscriptions])


def _read_common(
    body: Reader, document: dict[str, Any], organization_id: str, fault_in: UrlFault, *, is_new: bool
) -> dict[str, Any]:
    """Read what create and update have in common, by the names of `Subscription`; what was not sent is left out."""
    found: dict[str, Any] = {
        "name": body.text("name", LONGEST_NAME),
        "description": body.text("description", _LONGEST_DESCRIPTION, lines=True),
    }
    if body.has("organizationId") and document["organizationId"] != organization_id:
        body.fault("organizationId", "Invalid: has to be the organization that the request is signed for")
    products = _read_products(body, document, required=is_new)
    if products:
        found["products"] = products
        found["shape"] = Shape.PRODUCT_LIST if body.has("products") else Shape.ONE_PRODUCT
    found["url"] = read_url(body, "webhookUrl", fault_in, required=is_new)
    found["health_check_url"] = read_url(body, "healthCheckUrl", fault_in)
    found |= _read_scope(body, document)
    found["signed_content"] = body.choice("signedContent", _SIGNED_CONTENTS)
    found["includes_invoice"] = body.flag("includeInvoice")
    found["body_version"] = _read_version(body, document)
    found["security"] = read_security_policy(body, fault_in)
    return {name: value for name, value in found.items() if value is not None}


def _read_products(body: Reader, document: dict[str, Any], *, required: bool) -> tuple[ProductEvents, ...]:
    """Read the list of products, or the one product at the top; names become those that are sent."""
    if not body.has("products") and (body.has("productId") or body.has("eventTypes")):
        given = [("", document)]
    elif body.items("products", _MOST_PRODUCTS):
        objects = enumerate(document["products"])
        given = [(f"products[{position}]", each) for position, each in objects if type(each) is dict]
    else:
        given = []
        if required and not body.has_items("products"):
            body.missing_unless_noted("products")
    wanted: dict[str, dict[str, None]] = {}
    for path, values in given:
        product = Reader(values, path, body.faults).text("productId", LONGEST_NAME, required=True)
        events = read_texts(values, path, "eventTypes", _MOST_EVENTS, body.faults)
        if product is not None:
            wanted.setdefault(known_product_id(product), {}).update(_known_events(product, events, body.faults))
    return tuple(ProductEvents(product_id=name, event_types=tuple(events)) for name, events in wanted.items())


def _known_events(product: str, events: list[tuple[str, str]], faults: Faults) -> dict[str, None]:
    known: dict[str, None] = {}
    for path, event in events:
        if (name := known_event_type(product, event)) is not None:
            known[name] = None
        else:
            faults.add(path, f"Invalid: {product} has no such event")
    return known


def read_texts(
    values: dict[str, Any], path: str, name: str, maximum: int, faults: Faults, *, required: bool = True
) -> list[tuple[str, str]]:
    """Read an array of texts in the object at `path`, each with its own path; a wrong or absent one is empty."""
    reader = Reader(values, path, faults)
    given = values.get(name)
    if given is None or given == []:
        if required:
            reader.fault(name, MISSING)
        return []
    if type(given) is not list:
        reader.fault(name, "Invalid: has to be an array")
        return []
    if len(given) > maximum:
        reader.fault(name, f"Too many: at most {maximum}")
        return []
    members = {f"{name}[{position}]": each for position, each in enumerate(given)}
    each = Reader(members, path, faults)
    prefix = f"{path}." if path else ""
    read = ((prefix + member, each.text(member, LONGEST_NAME, required=True)) for member in members)
    return [(member, text) for member, text in read if text is not None]


def _read_scope(body: Reader, document: dict[str, Any]) -> dict[str, Any]:
    """Read the scope: a word, or the old API's object of a word and the organizations it names."""
    name = "notificationScope"
    group: Reader = body
    organizations: list[tuple[str, str]] = []
    if type(document.get(name)) is dict:
        group = Reader(document[name], name, body.faults)
        organizations = read_texts(document[name], name, "scopeData", _MOST_ORGANIZATIONS, body.faults, required=False)
        name = "scope"
    scope = group.choice(name, _SCOPES)
    if scope is None:
        return {}
    return {"scope": scope, "scope_organizations": tuple(text for _, text in organizations)}


def _read_version(body: Reader, document: dict[str, Any]) -> BodyVersion | None:
    """Read the form of notifications, which answers write as text and some callers as a number."""
    version = document.get("version")
    if version is None:
        return None
    found = _VERSIONS.get(str(version)) if type(version) in (str, int) else None
    if found is None:
        body.fault("version", f"Invalid: has to be one of {', '.join(_VERSIONS)}")
    return found


class _ProductBody(msgspec.Struct, kw_only=True, rename="camel"):
    product_id: str
    event_types: tuple[str, ...]


class _ListShape(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """Members in the order of the wire. `version`, `signedContent`, `includeInvoice` only where not as usual."""

    webhook_id: str
    organization_id: str
    products: tuple[_ProductBody, ...]
    webhook_url: str
    health_check_url: str | None = None
    status: str
    name: str | None = None
    description: str | None = None
    retry_policy: RetryPolicyBody
    security_policy: SecurityPolicyBody
    created_on: str
    updated_on: str | None = None
    version: str | None = None
    notification_scope: str
    signed_content: str | None = None
    include_invoice: bool | None = None


class _OneProductShape(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """Members in the order of the wire. `deliveryType` is the one word that was ever seen there."""

    organization_id: str
    product_id: str
    event_types: tuple[str, ...]
    webhook_id: str
    name: str | None = None
    webhook_url: str
    health_check_url: str | None = None
    created_on: str
    updated_on: str | None = None
    status: str
    description: str | None = None
    retry_policy: RetryPolicyBody
    security_policy: SecurityPolicyBody
    version: str
    delivery_type: str | None = None
    notification_scope: str
    signed_content: str | None = None
    include_invoice: bool | None = None


_encode = msgspec.json.Encoder().encode


def _body_of(
    subscription: Subscription, default_policy: RetryPolicy, *, is_update: bool = False
) -> _ListShape | _OneProductShape:
    products = subscription.products
    as_one_product = subscription.shape is Shape.ONE_PRODUCT
    common: dict[str, Any] = {
        "webhook_id": subscription.webhook_id,
        "organization_id": subscription.organization_id,
        "webhook_url": subscription.url,
        "health_check_url": subscription.health_check_url,
        "status": subscription.status.value,
        "name": subscription.name,
        "description": subscription.description,
        "retry_policy": write_retry_policy(subscription.retry_policy or default_policy),
        "security_policy": write_security_policy(subscription.security, as_one_product=as_one_product),
        "created_on": write_instant(subscription.created_at),
        "updated_on": write_instant(subscription.updated_at) if is_update else None,
        "notification_scope": subscription.scope.value,
        "signed_content": _unless(subscription.signed_content, SignedContent.BODY),
        "include_invoice": subscription.includes_invoice or None,
    }
    if as_one_product:
        return _OneProductShape(
            product_id=products[0].product_id,
            event_types=products[0].event_types,
            version=subscription.body_version.value,
            delivery_type="nrtdCentral",
            **common,
        )
    return _ListShape(
        products=tuple(_ProductBody(product_id=each.product_id, event_types=each.event_types) for each in products),
        version=_unless(subscription.body_version, BodyVersion.CURRENT),
        **common,
    )


def _unless(value: StrEnum, usual: StrEnum) -> str | None:
    return value.value if value is not usual else None


def write_instant(at: datetime) -> str:
    """Return a time in UTC to the millisecond, as the answers to creating have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
