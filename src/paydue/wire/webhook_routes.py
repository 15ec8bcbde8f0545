"""The operations on webhook subscriptions, on the paths of both versions: read, use case, write; nothing else."""

from collections.abc import Callable
from typing import Final

from paydue.domain.notifications import INVOICING, Product, known_event_type, known_product_id
from paydue.domain.retry_policy import DEFAULTS, DefaultPolicy
from paydue.domain.webhooks import BodyVersion, NotificationScope, Subscription
from paydue.usecases.change_subscription import (
    change_subscription,
    delete_subscription,
    find_subscription,
    move_subscription,
)
from paydue.usecases.ports import Answer
from paydue.usecases.replay_webhook import replay_webhook
from paydue.usecases.subscribe_webhook import subscribe_webhook
from paydue.usecases.try_webhook import try_webhook
from paydue.usecases.webhook_ports import Messenger, Subscriptions, UrlRules
from paydue.wire.notification_json import event_schema, write_notification
from paydue.wire.products_json import SCHEMAS, write_products
from paydue.wire.query import parse_query
from paydue.wire.replay_json import read_replay
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.webhook_errors import NoSuchEvent, NoSuchOrganization, with_webhook_errors
from paydue.wire.webhook_json import (
    read_new_subscription,
    read_status,
    read_subscription_change,
    read_test,
    write_subscription,
    write_subscriptions,
)

_LARGEST: Final = 64 * 1024
_DELETED: Final = b'{"status":"successfully deleted"}'

SubscriptionsOf = Callable[[str], Subscriptions]


class WebhookRoutes:
    """
    `subscriptions_of` opens one merchant's subscriptions. `default_policy` is shown where a subscription has none.
    `reviewed_by_person` leaves the last word about new addresses to one. `products` are those on offer. `wake` has the
    worker of this process look at the outbox now.
    """

    def __init__(
        self,
        *,
        subscriptions_of: SubscriptionsOf,
        rules: UrlRules,
        messenger: Messenger,
        default_policy: DefaultPolicy = DefaultPolicy.COMPATIBLE,
        reviewed_by_person: bool = False,
        products: tuple[Product, ...] = (INVOICING,),
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._subscriptions_of = subscriptions_of
        self._rules = rules
        self._messenger = messenger
        self._default_policy = DEFAULTS[default_policy]
        self._reviewed_by_person = reviewed_by_person
        self._products = products
        self._wake = wake

    def routes(self) -> tuple[Route, ...]:
        """Return all operations; only a new subscription's usual scope differs between the versions."""
        both = [
            *self._routes("/notification-subscriptions/v1", NotificationScope.SELF),
            *self._routes("/notification-subscriptions/v2", NotificationScope.DESCENDANTS),
        ]
        products = "/notification-subscriptions/v1/products/{organizationId}"
        v1 = "/notification-subscriptions/v1/webhooks/{webhookId}"
        v2 = "/notification-subscriptions/v2/webhooks/{webhookId}"
        more = (
            # So the guide prints it, once.
            Route("GET", "/webhooks" + products, self.list_products, _LARGEST),
            Route("POST", v1, self.try_one, _LARGEST),
            # The guide's own example of switching on leaves the last segment out.
            Route("PUT", v2, self.switch, _LARGEST),
            Route("POST", "/nrtf/v1/webhooks/{webhookId}/replays", self.replay, _LARGEST),
            Route("POST", v2 + "/replays", self.replay, _LARGEST),
            Route("GET", SCHEMAS + "/{eventType}", self.schema, _LARGEST),
        )
        return tuple(
            Route(route.method, route.template, with_webhook_errors(route.handler), route.maximum_body)
            for route in (*both, *more)
        )

    def _routes(self, prefix: str, default_scope: NotificationScope) -> tuple[Route, ...]:
        async def create(request: Request) -> Answer:
            return await self.create(request, default_scope)

        webhooks = prefix + "/webhooks"
        one = webhooks + "/{webhookId}"
        return (
            Route("GET", prefix + "/products/{organizationId}", self.list_products, _LARGEST),
            Route("POST", webhooks, create, _LARGEST),
            Route("GET", webhooks, self.list_all, _LARGEST),
            Route("GET", one, self.get, _LARGEST),
            Route("PATCH", one, self.update, _LARGEST),
            Route("DELETE", one, self.delete, _LARGEST),
            Route("PUT", one + "/status", self.switch, _LARGEST),
        )

    async def list_products(self, request: Request) -> Answer:
        if request.values[0] != request.store.merchant_id:
            raise NoSuchOrganization
        return Answer(200, write_products(self._products))

    async def schema(self, request: Request) -> Answer:
        schema = event_schema(request.values[0])
        if schema is None:
            raise NoSuchEvent
        return Answer(200, schema)

    async def create(self, request: Request, default_scope: NotificationScope) -> Answer:
        wanted = read_new_subscription(
            request.document(), request.store.merchant_id, default_scope, self._rules.fault_in
        )

        def written(subscription: Subscription) -> Answer:
            return Answer(201, write_subscription(subscription, self._default_policy))

        subscription = await subscribe_webhook(
            self._of(request),
            wanted,
            rules=self._rules,
            reviewed_by_person=self._reviewed_by_person,
            at=request.at,
            actor=request.actor,
            receipt=request.receipt(written),
        )
        return written(subscription)

    async def list_all(self, request: Request) -> Answer:
        query = parse_query(request.query)
        organization = query.get("organizationId") or request.store.merchant_id
        product, event = query.get("productId"), query.get("eventType")
        found = await self._of(request).subscriptions() if organization == request.store.merchant_id else ()
        matching = [each for each in found if _matches(each, product, event)]
        return Answer(200, write_subscriptions(matching, self._default_policy))

    async def get(self, request: Request) -> Answer:
        subscription = await find_subscription(self._of(request), request.values[0])
        return Answer(200, write_subscription(subscription, self._default_policy))

    async def update(self, request: Request) -> Answer:
        change = read_subscription_change(request.document(), request.store.merchant_id, self._rules.fault_in)
        subscription = await change_subscription(
            self._of(request),
            request.values[0],
            change,
            rules=self._rules,
            reviewed_by_person=self._reviewed_by_person,
            at=request.at,
            actor=request.actor,
        )
        return Answer(200, write_subscription(subscription, self._default_policy, is_update=True))

    async def delete(self, request: Request) -> Answer:
        request.check_ignored_body()
        await delete_subscription(self._of(request), request.values[0], actor=request.actor)
        return Answer(200, _DELETED)

    async def switch(self, request: Request) -> Answer:
        action = read_status(request.document())
        subscription = await move_subscription(
            self._of(request), request.values[0], action, at=request.at, actor=request.actor
        )
        return Answer(200, b'{"status":"%s"}' % subscription.status.encode())

    async def try_one(self, request: Request) -> Answer:
        event_type = read_test(request.document()) if request.body else None
        notification = await try_webhook(
            self._of(request),
            request.values[0],
            event_type,
            messenger=self._messenger,
            at=request.at,
            actor=request.actor,
        )
        return Answer(201, write_notification(notification, BodyVersion.CURRENT).body)

    async def replay(self, request: Request) -> Answer:
        selection = read_replay(request.document(), request.at)
        await replay_webhook(self._of(request), request.values[0], selection, at=request.at, actor=request.actor)
        self._wake()
        return Answer(202, b"")

    def _of(self, request: Request) -> Subscriptions:
        return self._subscriptions_of(request.store.merchant_id)


def _matches(subscription: Subscription, product: str | None, event: str | None) -> bool:
    """Tell whether a subscription is of that product and event, each in any accepted spelling; empty means any."""
    for each in subscription.products:
        wanted = known_event_type(each.product_id, event) if event else None
        if (not product or each.product_id == known_product_id(product)) and (not event or wanted in each.event_types):
            return True
    return False
