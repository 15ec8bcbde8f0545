"""
Whether the configured gateway works, found out without charging: what `paydue gateway check` runs.

Apart from the rest of the composition because it needs neither store nor server.
"""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Final

import msgspec

from paydue.bootstrap.paying import (
    GATEWAY_LIMITS,
    GATEWAYS,
    SandboxAccount,
    Tools,
    sandbox_port,
    sandbox_secret,
    sending,
)
from paydue.bootstrap.post import open_egress
from paydue.bootstrap.stores import key_file_path
from paydue.bootstrap.system import SystemClock
from paydue.config import Config
from paydue.domain.attempts import PaymentAttempt
from paydue.usecases.gateway_ports import CheckoutRequest, Gateway, Kind, Outcome

_MERCHANT: Final = "gateway-check"
_LASTS: Final = timedelta(minutes=5)
_ADVICE: Final = {
    Kind.UNAVAILABLE: "see whether this machine reaches it, and whether it is up",
    Kind.UNKNOWN: "see whether this machine reaches it, and whether it is up",
    Kind.MISCONFIGURED: "compare account, key id and secret with the processor's console",
}


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried, what came of it, and what to do when it `is_well` not."""

    tried: str
    is_well: bool
    result: str
    advice: str = ""


async def check_gateway(config: Config, *, page_origin: str) -> list[Checked]:
    """Try the configured gateway, without charging, up to the first thing that does not work."""
    name = config.gateway
    if name == "none":
        advice = "set gateway and its settings, see docs/howto/take-payments.md"
        return [
            Checked(tried="settings", is_well=False, result="no gateway is configured: nobody can pay", advice=advice)
        ]
    gateway = GATEWAYS[name](config, _tools(config), _MERCHANT)
    if gateway is None:
        advice = "set sandbox_port to the port of the test processor of a running server"
        return [Checked(tried="settings", is_well=False, result=f"{name} cannot be reached from here", advice=advice)]
    mode = "test mode, no money moves" if gateway.capabilities.is_test else "real money moves"
    checked = [Checked(tried="settings", is_well=True, result=f"{name}, {mode}")]
    health = await gateway.check()
    kind = next((each for each in _ADVICE if health.detail.startswith(each.value)), None)
    advice = "" if health.is_up else _ADVICE.get(kind or Kind.UNKNOWN, "")
    checked.append(Checked(tried="credentials", is_well=health.is_up, result=health.detail, advice=advice))
    if health.is_up and not gateway.capabilities.redirects:
        checked.append(await _form(gateway, page_origin))
    return checked


async def _form(gateway: Gateway, page_origin: str) -> Checked:
    """Open a form for a payment that nobody will make: it ends by itself."""
    at = SystemClock().now()
    attempt = PaymentAttempt(
        attempt_id=str(uuid.uuid4()),
        number=_MERCHANT,
        payer_key=_MERCHANT,
        gateway=gateway.capabilities.name,
        reference=f"{_MERCHANT}-{uuid.uuid4().hex[-24:]}",
        amount=Decimal(1),
        least=Decimal(1),
        currency="USD",
        begun_at=at,
        expires_at=at + _LASTS,
    )
    opened = await gateway.begin(
        CheckoutRequest(attempt=attempt, page_origin=page_origin, return_url=page_origin, cancel_url=page_origin)
    )
    if isinstance(opened, Outcome):
        advice = "see whether the account has embedded payments, and whether public_url is the page's https origin"
        result = f"{opened.kind.value}: {opened.raw}"
        return Checked(tried=f"payment form for {page_origin}", is_well=False, result=result, advice=advice)
    return Checked(tried=f"payment form for {page_origin}", is_well=True, result="opened, and nothing was charged")


def _tools(config: Config) -> Tools:
    egress = open_egress(config, is_development=config.development, limits=GATEWAY_LIMITS)
    sandbox = None
    port = sandbox_port(config)
    if config.gateway == "sandbox" and port and key_file_path(config).is_file():
        sandbox = SandboxAccount(f"http://127.0.0.1:{port}", sandbox_secret(key_file_path(config).read_bytes()))
    return Tools(send=sending(egress), clock=SystemClock(), sandbox=sandbox)
