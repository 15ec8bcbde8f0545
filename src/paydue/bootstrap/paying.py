"""
Which gateways this installation has, and how they call their processors: composed here into the payment desk.

Apart from the rest of the composition because taking money is optional, and each gateway is one entry in a table.
"""

import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from paydue.bootstrap.system import SystemIds
from paydue.config import Config, WrongSetting
from paydue.delivery.egress import Egress, EgressLimits
from paydue.delivery.egress_answers import Answered
from paydue.domain.payable import TryLimits
from paydue.gateways.http_signing import Account
from paydue.gateways.sending import Reply, Send
from paydue.usecases.change_attempt import Books
from paydue.usecases.gateway_ports import Gateway
from paydue.usecases.payment_desk import PaymentDesk
from paydue.usecases.ports import Clock

if TYPE_CHECKING:
    from paydue.storage.postgres.store import PostgresStore
    from paydue.storage.sqlite.store import SqliteStore

_NOTIFY_SECONDS: Final = 5.0
_SANDBOX_KEY_ID: Final = "sandbox"

# A charge may take half a minute, and a search tells of many payments.
GATEWAY_LIMITS: Final = EgressLimits(total_seconds=30, largest_answer=1 << 20)

App = Callable[..., Awaitable[None]]


class SandboxPlace(msgspec.Struct, frozen=True):
    """Where whoever composes the service will serve the test processor, and where it tells of payments."""

    url: str
    api_url: str


class SandboxAccount(msgspec.Struct, frozen=True):
    """Where the test processor answers, and the secret (base64) that it shares with this installation."""

    url: str
    secret: str

    def __repr__(self) -> str:
        return f"SandboxAccount({self.url!r})"


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway is made with: `send` calls its processor; `sandbox` is there where the test processor is."""

    send: Send
    clock: Clock
    sandbox: SandboxAccount | None = None


def _sandbox(_config: Config, tools: Tools, merchant_id: str) -> Gateway | None:
    own = tools.sandbox
    if own is None:
        return None
    from paydue.gateways.cybersource_client import CybersourceClient  # noqa: PLC0415 - see GATEWAYS
    from paydue.gateways.sandbox_gateway import SandboxGateway  # noqa: PLC0415

    account = Account(api_url=own.url, merchant_id=merchant_id, key_id=_SANDBOX_KEY_ID, shared_secret=own.secret)
    return SandboxGateway(CybersourceClient(account, tools.send, tools.clock), tools.clock)


def _cybersource(config: Config, tools: Tools, _merchant_id: str) -> Gateway | None:
    if config.cybersource_secret is None:
        return None
    from paydue.gateways.cybersource import CybersourceGateway  # noqa: PLC0415 - see GATEWAYS
    from paydue.gateways.cybersource_client import CybersourceClient  # noqa: PLC0415

    account = Account(
        api_url=f"{config.cybersource_url}",
        merchant_id=f"{config.cybersource_merchant_id}",
        key_id=f"{config.cybersource_key_id}",
        shared_secret=config.cybersource_secret.reveal(),
    )
    client = CybersourceClient(account, tools.send, tools.clock)
    return CybersourceGateway(client, tools.clock, country=config.cybersource_country)


def _stripe(config: Config, tools: Tools, _merchant_id: str) -> Gateway | None:
    if config.stripe_secret_key is None:
        return None
    from paydue.gateways.stripe_client import STRIPE_PAGE, STRIPE_URL, StripeAccount, StripeClient  # noqa: PLC0415
    from paydue.gateways.stripe_gateway import StripeGateway  # noqa: PLC0415 - see GATEWAYS

    account = StripeAccount(
        secret_key=config.stripe_secret_key.reveal(),
        webhook_secrets=tuple(each.reveal() for each in config.stripe_webhook_secrets),
        api_url=config.stripe_url or STRIPE_URL,
        page_origins=(STRIPE_PAGE, *config.stripe_page_origins),
    )
    return StripeGateway(StripeClient(account, tools.send), tools.clock)


# By the name that the setting `gateway` and stored attempts have for it; None where its settings are not there. All
# that can be made are, for an attempt is settled by the gateway that it was begun with. Each is imported when it is
# first asked for: a start shall not wait for all of them.
GATEWAYS: Final[Mapping[str, Callable[[Config, Tools, str], Gateway | None]]] = {
    "sandbox": _sandbox,
    "cybersource": _cybersource,
    "stripe": _stripe,
}


def join_desk(config: Config, store: "SqliteStore | PostgresStore", tools: Tools) -> PaymentDesk:
    """Return where payers' money is taken, by the operator's choice of a gateway."""

    @cache
    def gateway_of(merchant_id: str, name: str) -> Gateway | None:
        make = GATEWAYS.get(name)
        return make(config, tools, merchant_id) if make is not None else None

    return PaymentDesk(
        books_of=lambda merchant_id: Books(store.of(merchant_id), store.attempts_of(merchant_id)),
        gateway_of=gateway_of,
        looking=store.attempts_to_look_at,
        current=config.gateway if config.gateway != "none" else None,
        clock=tools.clock,
        ids=SystemIds(),
        limits=TryLimits(in_an_hour=config.charges_an_hour) if config.rate_limit else None,
    )


def sending(egress: Egress) -> Send:
    """Return how gateways call their processors: through the one module that calls others, by its rules."""

    async def send(method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, seconds: float) -> Reply:
        answer = await egress.send(method, url, headers, body, total_seconds=seconds)
        if isinstance(answer, Answered):
            return Reply(status=answer.status, body=answer.body)
        return Reply(status=None, was_sent=answer.was_sent)

    return send


def require_real_gateway(config: Config, *, is_demo: bool) -> None:
    """Raise WrongSetting where real money is meant and the gateway is the test processor, which takes none."""
    if config.gateway == "sandbox" and not (is_demo or config.development):
        raise WrongSetting(
            "gateway is sandbox, which moves no money: choose another, or set development = true for trials"
        )


def sandbox_port(config: Config) -> int:
    """Return the port of the test processor; 0 means any that is free."""
    return config.sandbox_port if config.sandbox_port is not None else config.port and config.port + 2


def sandbox_secret(key: bytes) -> str:
    """Return the secret that is shared with the test processor: server and worker have the same key file."""
    return base64.b64encode(hmac.digest(key, b"paydue sandbox", "sha256")).decode()


def sandbox_app(config: Config, tools: Tools, place: SandboxPlace | None) -> App | None:
    """Return the test processor, to be served at its place. It is imported when somebody calls it first."""
    account = tools.sandbox
    if place is None or account is None:
        return None

    async def notify(merchant_id: str, code: str, event_id: str) -> None:
        from paydue.gateways.sandbox_gateway import (  # noqa: PLC0415 - see GATEWAYS
            SIGNATURE_HEADER,
            notification_body,
            notification_signature,
        )

        body = notification_body(code, event_id)
        signature = notification_signature(int(tools.clock.now().timestamp()), body, account.secret)
        url = f"{place.api_url}/gateway-notifications/sandbox/{quote(merchant_id, safe='')}"
        headers = [("Content-Type", "application/json"), (SIGNATURE_HEADER, signature)]
        await tools.send("POST", url, headers, body, seconds=_NOTIFY_SECONDS)

    @cache
    def load() -> App:
        # Imported here because nobody may ever pay, and a framework comes with it.
        from paydue.gateways.sandbox.app import create_sandbox  # noqa: PLC0415
        from paydue.gateways.sandbox.forms import SandboxSettings  # noqa: PLC0415
        from paydue.gateways.sandbox.ledger import Ledger  # noqa: PLC0415

        settings = SandboxSettings(origin=account.url, shared_secret=account.secret, is_production=False)
        return create_sandbox(settings, Ledger(config.data / "sandbox.db"), tools.clock, notify=notify)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await load()(scope, receive, send)

    return app
