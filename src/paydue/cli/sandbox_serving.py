"""
Where the test processor is served: beside the server, in its process, on a port and so on an origin of its own.

Only on a loopback address, whatever else the server listens on: nobody else's browser is to find a form for cards here.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec.structs import replace

from paydue.bootstrap.paying import SandboxPlace, sandbox_port
from paydue.cli.serving import Listener, bind
from paydue.config import Config

_HOST: Final = "127.0.0.1"


def bind_sandbox(config: Config) -> Listener | None:
    """Return the test processor's listener, where it is the gateway. Raises CannotListen."""
    return Listener(bound=bind(_HOST, sandbox_port(config))) if config.gateway == "sandbox" else None


def place_of(listener: Listener | None, api_url: str) -> SandboxPlace | None:
    """Return where the test processor will be, and where it tells of payments."""
    return SandboxPlace(f"http://{_HOST}:{listener.port}", api_url) if listener is not None else None


def served_at(listener: Listener | None, app: Callable[..., Awaitable[None]] | None) -> Sequence[Listener]:
    """Return the listener with the test processor behind it; none where there is none."""
    return [replace(listener, app=app)] if listener is not None and app is not None else []
