"""The operations on what one subscription has for itself, ours beside the compatible API: keys, client certificate."""

from typing import Final

from paydue.usecases.ports import Answer
from paydue.usecases.webhook_keys import (
    create_signing_key,
    forget_own_keys,
    own_keys,
    signing_keys,
    store_client_certificate,
)
from paydue.usecases.webhook_ports import Subscriptions, WebhookKeyKind
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.webhook_errors import NoSuchClientCertificate, with_webhook_errors
from paydue.wire.webhook_routes import SubscriptionsOf
from paydue.wire.webhook_secrets_json import (
    read_client_certificate,
    read_key_wish,
    write_client_certificate,
    write_keys,
    write_new_key,
)

_LARGEST: Final = 96 * 1024
_DELETED: Final = b'{"status":"successfully deleted"}'


class WebhookSecretsRoutes:
    """
    `subscriptions_of` opens one merchant's subscriptions.

    A repeated request for a key makes another, even with an `Idempotency-Key`, as at the key API: answers are kept in
    the clear.
    """

    def __init__(self, *, subscriptions_of: SubscriptionsOf) -> None:
        self._subscriptions_of = subscriptions_of

    def routes(self) -> tuple[Route, ...]:
        one = "/paydue/v1/webhooks/{webhookId}"
        certificate = one + "/client-certificate"
        own = (
            Route("POST", one + "/keys", self.add_key, _LARGEST),
            Route("GET", one + "/keys", self.list_keys, _LARGEST),
            Route("DELETE", one + "/keys", self.forget_keys, _LARGEST),
            Route("PUT", certificate, self.put_certificate, _LARGEST),
            Route("GET", certificate, self.get_certificate, _LARGEST),
            Route("DELETE", certificate, self.forget_certificate, _LARGEST),
        )
        return tuple(
            Route(route.method, route.template, with_webhook_errors(route.handler), route.maximum_body) for route in own
        )

    async def add_key(self, request: Request) -> Answer:
        days = read_key_wish(request.document() if request.body else {})
        key = await create_signing_key(
            self._of(request), request.values[0], days=days, at=request.at, actor=request.actor
        )
        return Answer(201, write_new_key(key))

    async def list_keys(self, request: Request) -> Answer:
        own = await own_keys(self._of(request), request.values[0], WebhookKeyKind.SIGNING)
        return Answer(200, write_keys(signing_keys(own, request.at, request.values[0])))

    async def forget_keys(self, request: Request) -> Answer:
        return await self._forget(request, WebhookKeyKind.SIGNING)

    async def put_certificate(self, request: Request) -> Answer:
        found = read_client_certificate(request.document(), request.at)
        key = await store_client_certificate(
            self._of(request),
            request.values[0],
            found.der,
            found.identity,
            expires_at=found.expires_at,
            at=request.at,
            actor=request.actor,
        )
        return Answer(200, write_client_certificate(key))

    async def get_certificate(self, request: Request) -> Answer:
        own = await own_keys(self._of(request), request.values[0], WebhookKeyKind.CLIENT_CERTIFICATE)
        if not own:
            raise NoSuchClientCertificate
        return Answer(200, write_client_certificate(own[0]))

    async def forget_certificate(self, request: Request) -> Answer:
        return await self._forget(request, WebhookKeyKind.CLIENT_CERTIFICATE)

    async def _forget(self, request: Request, kind: WebhookKeyKind) -> Answer:
        request.check_ignored_body()
        await forget_own_keys(self._of(request), request.values[0], kind, actor=request.actor)
        return Answer(200, _DELETED)

    def _of(self, request: Request) -> Subscriptions:
        return self._subscriptions_of(request.store.merchant_id)
