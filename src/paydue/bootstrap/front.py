"""The front door: which application answers which path, and whom to believe about where a request comes from."""

from collections.abc import Awaitable, Callable

from paydue.wire.api import PREFIXES
from paydue.wire.asgi import Receive, Scope, Send
from paydue.wire.forwarded import forwarded_client
from paydue.wire.gateway_notifications import PREFIX as NOTIFICATIONS_PREFIX

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def front(api: App, site: App, notifications: App) -> App:
    # Not a coroutine itself: one less for every request to go through.
    def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope["path"]
        if path.startswith(PREFIXES):
            return api(scope, receive, send)
        return (notifications if path.startswith(NOTIFICATIONS_PREFIX) else site)(scope, receive, send)

    return app


def behind_proxies(app: App, hops: int) -> App:
    """Take the client's address from what the nearest `hops` proxies wrote down; what came before is hearsay."""

    def proxied(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if (address := forwarded_client(scope["headers"], hops)) is not None:
            scope["client"] = (address, 0)
        return app(scope, receive, send)

    return proxied
