"""The operations that make and keep webhook keys."""

from typing import Final

from paydue.usecases.ports import Answer
from paydue.usecases.webhook_keys import create_signing_key, store_certificate, store_oauth_credentials
from paydue.usecases.webhook_ports import WebhookKeyKind
from paydue.wire.kms_json import read_key_request, write_key
from paydue.wire.request import Request
from paydue.wire.router import Route
from paydue.wire.webhook_errors import with_webhook_errors
from paydue.wire.webhook_routes import SubscriptionsOf

_LARGEST: Final = 64 * 1024
_SYMMETRIC: Final = (WebhookKeyKind.SIGNING, WebhookKeyKind.OAUTH_CREDENTIALS)
_ASYMMETRIC: Final = (WebhookKeyKind.CERTIFICATE,)


class KmsRoutes:
    """
    A repeated request makes another key, even with an `Idempotency-Key`: the first answer holds a secret, and answers
    are kept in the clear.
    """

    def __init__(self, *, subscriptions_of: SubscriptionsOf) -> None:
        self._subscriptions_of = subscriptions_of

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/kms/egress/v2/keys-sym", with_webhook_errors(self.add_symmetric), _LARGEST),
            Route("POST", "/kms/egress/v2/keys-asym", with_webhook_errors(self.add_asymmetric), _LARGEST),
        )

    async def add_symmetric(self, request: Request) -> Answer:
        wanted = read_key_request(request.document(), request.store.merchant_id, _SYMMETRIC)
        subscriptions = self._subscriptions_of(request.store.merchant_id)
        if wanted.kind is WebhookKeyKind.SIGNING:
            key = await create_signing_key(subscriptions, days=wanted.days, at=request.at, actor=request.actor)
        else:
            assert wanted.client_id is not None and wanted.secret is not None
            key = await store_oauth_credentials(
                subscriptions, wanted.client_id, wanted.secret, days=wanted.days, at=request.at, actor=request.actor
            )
        return Answer(201, write_key(key, wanted, request.at))

    async def add_asymmetric(self, request: Request) -> Answer:
        wanted = read_key_request(request.document(), request.store.merchant_id, _ASYMMETRIC)
        assert wanted.certificate_der is not None and wanted.expires_at is not None
        key = await store_certificate(
            self._subscriptions_of(request.store.merchant_id),
            wanted.certificate_der,
            wanted.secret,
            expires_at=wanted.expires_at,
            at=request.at,
            actor=request.actor,
        )
        return Answer(201, write_key(key, wanted, request.at))
