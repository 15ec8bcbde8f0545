"""Composes what people open in a browser: payment pages with their PDFs, and the documentation."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from paydue.config import Config
from paydue.documents.press import Press
from paydue.domain.attempts import AttemptState
from paydue.pages.page_options import PageOptions, PaidBy, PaymentsOf
from paydue.pages.site import Site
from paydue.usecases.ports import Clock
from paydue.wire import openapi_document
from paydue.wire.api import new_correlation_id
from paydue.wire.limits import FailureLimit
from paydue.wire.write_invoice import payment_link

if TYPE_CHECKING:
    from paydue.storage.postgres.store import PostgresStore
    from paydue.storage.sqlite.store import SqliteStore

_LINK_MISSES_A_MINUTE: Final = 30


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
            payments_of=_payments_of(store),
        ),
        press=press,
        new_correlation_id=new_correlation_id,
        is_public_tls=addresses.is_public_tls,
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
