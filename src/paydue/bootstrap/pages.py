"""Composes what people open in a browser: payment pages with their PDFs, and the documentation."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from paydue.config import Config
from paydue.documents.press import Press
from paydue.domain.attempts import AttemptState
from paydue.pages.desk import PayLimits, Payments
from paydue.pages.page_options import FaceOf, PageOptions, PaidBy, PaymentsOf
from paydue.pages.site import Site
from paydue.pages.slip import NO_GATEWAY, GatewayFace, Way
from paydue.usecases.gateway_ports import Gateway
from paydue.usecases.payment_desk import PaymentDesk
from paydue.usecases.ports import Clock, Secrets
from paydue.wire import openapi_document
from paydue.wire.api import new_correlation_id
from paydue.wire.limits import FailureLimit
from paydue.wire.write_invoice import payment_link

if TYPE_CHECKING:
    from paydue.storage.postgres.store import PostgresStore
    from paydue.storage.sqlite.store import SqliteStore

_LINK_MISSES_A_MINUTE: Final = 30
# For an address, and for an invoice. Forms open by themselves when a payer turns to them; only a click charges.
_BEGINS_AN_HOUR: Final = 120
_NEW_LINKS_AN_HOUR: Final = 10

# What payers know gateways by.
_GATEWAY_NAMES: Final = {"sandbox": "Test processor", "cybersource": "Cybersource", "stripe": "Stripe"}
_TEST_CARD: Final = "4111 1111 1111 1111"


class SiteAddresses(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where people come from: `portal_url` is what payment links begin with, `tls_host` what SDKs are told to call.

    `is_public_tls` says that browsers may be told to come by https only.
    """

    portal_url: str
    tls_host: str
    is_public_tls: bool


def open_site(
    config: Config,
    store: "SqliteStore | PostgresStore",
    *,
    clock: Clock,
    press: Press,
    secret: bytes,
    addresses: SiteAddresses,
    desk: PaymentDesk,
    secrets: Secrets,
) -> Site:
    """Return everything that is not the API. `secret` lies outside of the database and makes addresses unguessable."""
    misses = _LINK_MISSES_A_MINUTE if config.rate_limit > 0 else 0
    return Site(
        store=store,
        reminders=store.reminders,
        clock=clock,
        openapi=lambda: openapi_document.document(addresses.portal_url),
        tls_host=addresses.tls_host,
        pages=PageOptions(
            count_miss=FailureLimit(misses, 60, time.monotonic).count,
            link_of=lambda token: payment_link(addresses.portal_url, token),
            secret=secret,
            face_of=_face_of(desk),
            payments_of=_payments_of(store),
        ),
        payments=Payments(
            desk=desk,
            ids=desk.ids,
            secrets=secrets,
            portal_url=addresses.portal_url,
            limits=_pay_limits(config, desk),
        ),
        press=press,
        new_correlation_id=new_correlation_id,
        is_public_tls=addresses.is_public_tls,
    )


def _face_of(desk: PaymentDesk) -> FaceOf:
    async def face_of(merchant_id: str) -> GatewayFace:
        gateway = desk.current_gateway(merchant_id)
        return _face(gateway) if gateway is not None else NO_GATEWAY

    return face_of


def _face(gateway: Gateway) -> GatewayFace:
    able = gateway.capabilities
    return GatewayFace(
        name=_GATEWAY_NAMES.get(able.name, able.name),
        way=Way.REDIRECT if able.redirects else Way.EMBEDDED,
        is_test=able.is_test,
        sources=gateway.content_sources(),
        test_hint=_TEST_CARD if able.is_test else "",
    )


def _pay_limits(config: Config, desk: PaymentDesk) -> PayLimits:
    if not config.rate_limit:
        return PayLimits(tries=None)

    def an_hour(count: int) -> Callable[[str], float]:
        return FailureLimit(count, 3600, time.monotonic).count

    return PayLimits(
        begins=an_hour(_BEGINS_AN_HOUR),
        begins_from_one=an_hour(_BEGINS_AN_HOUR),
        charges=an_hour(config.charges_an_hour),
        charges_from_one=an_hour(config.charges_an_hour_from_one),
        new_links=an_hour(_NEW_LINKS_AN_HOUR),
        tries=desk.limits,
    )


def _payments_of(store: "SqliteStore | PostgresStore") -> PaymentsOf:
    async def payments_of(merchant_id: str, number: str) -> Mapping[str, PaidBy]:
        attempts = await store.attempts_of(merchant_id).attempts_of(number)
        return {
            attempt.transaction_id: PaidBy(
                brand=attempt.account.brand if attempt.account is not None else "",
                last4=attempt.account.last4 if attempt.account is not None else "",
                email=attempt.payer_email,
            )
            for attempt in attempts
            if attempt.state is AttemptState.SETTLED and attempt.transaction_id is not None
        }

    return payments_of
