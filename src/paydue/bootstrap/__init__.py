"""
The only place that knows who is real: it opens the store, makes clock and secrets, and joins API and pages.

Whatever one peer has that another needs is handed over here, so that neither imports the other.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from paydue.bootstrap.front import App, behind_proxies, front
from paydue.bootstrap.pages import SiteAddresses, open_site
from paydue.bootstrap.paying import (
    GATEWAY_LIMITS,
    SandboxAccount,
    SandboxPlace,
    Tools,
    join_desk,
    require_real_gateway,
    sandbox_app,
    sandbox_port,
    sandbox_secret,
    sending,
)
from paydue.bootstrap.post import join_messenger, join_post_office, open_egress
from paydue.bootstrap.stores import database_path as database_path
from paydue.bootstrap.stores import key_file_path as key_file_path
from paydue.bootstrap.stores import make_store as make_store
from paydue.bootstrap.stores import migrate_store as migrate_store
from paydue.bootstrap.stores import open_store as open_store
from paydue.bootstrap.system import SystemClock as SystemClock
from paydue.bootstrap.system import SystemSecrets as SystemSecrets
from paydue.config import Config
from paydue.documents.press import Press
from paydue.domain.retry_policy import DefaultPolicy
from paydue.pages.site import Site
from paydue.usecases.payment_desk import PaymentDesk
from paydue.usecases.ports import Clock, Store
from paydue.usecases.previews import Previews
from paydue.wire.api import Api
from paydue.wire.asgi import AsgiApi
from paydue.wire.caller import AuthOptions, Callers
from paydue.wire.gateway_notifications import GatewayNotifications
from paydue.wire.limits import FailureLimit
from paydue.wire.logo import ProcessLogoCleaner
from paydue.wire.replay_memory import ReplayMemory
from paydue.wire.routes import api_routes
from paydue.wire.shown_lately import ShownLately

if TYPE_CHECKING:
    from paydue.delivery.post_office import PostOffice

_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
_WRONG_SIGNATURES_A_MINUTE: Final = 20
_NOTIFICATIONS_REFUSED_A_MINUTE: Final = 30


class Service(msgspec.Struct, frozen=True):
    """
    A whole installation, ready to answer: to be closed when the last answer is out.

    `app` answers everything. `api` is the part of it that a server of ours may call by itself, believing what
    `trusted_proxies` in front of it say. `post_office` delivers while it is at work; None when another process does.
    `desk` is where payers' money is taken, `sandbox` the test processor where there is one, to be served at its place.
    """

    app: App
    api: Api
    trusted_proxies: int
    store: Store
    site: Site
    desk: PaymentDesk
    press: Press
    post_office: "PostOffice | None" = None
    sandbox: App | None = None

    async def close(self) -> None:
        """Finish what was accepted, and let go of the database."""
        await self.press.aclose()
        await self.store.close()


async def open_service(
    config: Config,
    *,
    portal_url: str,
    tls_host: str,
    is_demo: bool = False,
    with_worker: bool = False,
    sandbox: SandboxPlace | None = None,
) -> Service:
    """
    Open the store and join everything that answers requests, and with a worker everything that delivers.

    `portal_url` is what payment links begin with, `tls_host` what SDKs are told to call. `is_demo` tells strangers
    which part of a signature is wrong, and calls receivers on this machine. `sandbox` is where the caller will serve
    the test processor, if that is the gateway. Raises what `open_store` raises, and WrongSetting.
    """
    require_real_gateway(config, is_demo=is_demo)
    egress = open_egress(config, is_development=is_demo)
    lately = ShownLately()
    store = await open_store(config, serves=True, show=lately.write)
    clock = store.clock
    counts = config.rate_limit > 0
    messenger = join_messenger(store, egress, clock)
    tools = _gateway_tools(config, clock, sandbox, is_development=is_demo or config.development)
    desk = join_desk(config, store, tools)
    press = Press()
    secrets = SystemSecrets()
    post_office = None
    if with_worker:
        post_office = join_post_office(
            config, store, egress, messenger, clock, desk, portal_url=portal_url, secret=_secret(config), press=press,
            shares_loop=True,
        )  # fmt: skip
        store.on_messages(post_office.wake)
    callers = Callers(
        store,
        store.replay_guard or ReplayMemory(clock),
        clock,
        own_hosts(config, portal_url),
        AuthOptions(
            accept_jwt_v1=config.accept_jwt_v1,
            replay=config.replay,
            hints=is_demo,
            failures_per_minute=_WRONG_SIGNATURES_A_MINUTE if counts else 0,
            requests_per_second=config.rate_limit,
            burst=config.burst,
        ),
    )
    routes = api_routes(
        secrets=secrets,
        lately=lately,
        logo_cleaner=ProcessLogoCleaner(),
        portal_url=portal_url,
        subscriptions_of=store.subscriptions_of,
        deliveries_of=store.deliveries_of,
        exports_of=store.exports_of,
        reminders=store.reminders,
        rules=egress,
        messenger=messenger,
        desk=desk,
        previews=Previews(_secret(config)),
        wake=post_office.wake if post_office is not None else lambda: None,
        default_policy=DefaultPolicy(config.webhook_default_policy),
        reviewed_by_person=config.webhook_review == "person",
        accepts_doubles=config.amount_rules == "observed",
        resends_a_day=config.resends_a_day if counts else 0,
        allows_plain_http=is_demo,
    )
    site = open_site(
        config,
        store,
        clock=clock,
        press=press,
        secret=_secret(config),
        addresses=SiteAddresses(portal_url=portal_url, tls_host=tls_host, is_public_tls=_is_public_tls(portal_url)),
        desk=desk,
        secrets=secrets,
    )
    api = Api(
        store=store,
        callers=callers,
        clock=clock,
        routes=routes,
        hints=is_demo,
        is_public_tls=_is_public_tls(portal_url),
    )
    count_refused = FailureLimit(_NOTIFICATIONS_REFUSED_A_MINUTE if counts else 0, 60, time.monotonic).count
    app = front(AsgiApi(api), site, GatewayNotifications(desk, count_refused))
    if config.behind_proxy:
        app = behind_proxies(app, config.trusted_proxies)
    hops = config.trusted_proxies if config.behind_proxy else 0
    return Service(app, api, hops, store, site, desk, press, post_office, sandbox_app(config, tools, sandbox))


class Delivery(msgspec.Struct, frozen=True):
    """What `paydue worker` runs: everything that delivers, beside a server or many."""

    store: Store
    press: Press
    post_office: "PostOffice"

    async def close(self) -> None:
        """Let go of the database."""
        await self.press.aclose()
        await self.store.close()


async def open_delivery(config: Config) -> Delivery:
    """Open the store and join everything that delivers. Raises what `open_store` raises."""
    require_real_gateway(config, is_demo=False)
    egress = open_egress(config)
    store = await open_store(config, serves=False)
    clock = store.clock
    portal_url = config.public_url or f"http://{config.host}:{config.port}"
    sandbox = None
    if config.gateway == "sandbox" and (port := sandbox_port(config)):
        # That of the server beside this worker.
        sandbox = SandboxPlace(f"http://127.0.0.1:{port}", portal_url)
    desk = join_desk(config, store, _gateway_tools(config, clock, sandbox, is_development=config.development))
    messenger = join_messenger(store, egress, clock)
    press = Press()
    post_office = join_post_office(
        config, store, egress, messenger, clock, desk, portal_url=portal_url, secret=_secret(config), press=press
    )
    return Delivery(store, press, post_office)


def _gateway_tools(config: Config, clock: Clock, sandbox: SandboxPlace | None, *, is_development: bool) -> Tools:
    egress = open_egress(config, is_development=is_development, limits=GATEWAY_LIMITS)
    account = None
    if sandbox is not None:
        account = SandboxAccount(sandbox.url, sandbox_secret(_secret(config)))
    return Tools(send=sending(egress), clock=clock, sandbox=account)


def _secret(config: Config) -> bytes:
    """Return what lies outside of the database: other secrets are derived of it, each for its purpose."""
    return key_file_path(config).read_bytes()


def own_hosts(config: Config, portal_url: str) -> Iterable[str]:
    """Return the host names that requests may be signed for, besides the vendor's."""
    public = {urlsplit(url).netloc for url in (portal_url, config.public_url) if url}
    listening = {config.host if ":" not in config.host else f"[{config.host}]"}
    return {*_LOOPBACK_NAMES, *public, *listening, *config.allowed_hosts}


def _is_public_tls(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and f"{parts.hostname}" not in ("localhost", "127.0.0.1", "::1")
