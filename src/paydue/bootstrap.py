"""
The only place that knows who is real: it opens the store, makes clock and secrets, and joins API and pages.

Whatever one peer has that another needs is handed over here, so that neither imports the other.
"""

import os
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from paydue.config import Config, WrongSetting
from paydue.pages.site import Site
from paydue.storage.errors import CannotOpenStore, VaultError
from paydue.storage.migrate import Migration
from paydue.storage.sqlite.schema import migrate_file
from paydue.storage.sqlite.store import SqliteStore
from paydue.storage.vault import KeyFile, create_key_file
from paydue.usecases.ports import Store
from paydue.wire import openapi_document
from paydue.wire.asgi import PREFIXES, Api, Receive, Scope, Send, new_correlation_id
from paydue.wire.caller import AuthOptions, Callers
from paydue.wire.limits import FailureLimit
from paydue.wire.logo import ProcessLogoCleaner
from paydue.wire.replay_memory import ReplayMemory
from paydue.wire.routes import api_routes

App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
_WRONG_SIGNATURES_A_MINUTE: Final = 20
_LINK_MISSES_A_MINUTE: Final = 30


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def nanoseconds(self) -> int:
        return time.time_ns()


class SystemSecrets:
    """Fresh secrets from the operating system."""

    def payment_token(self) -> str:
        """Return 64 characters of `[A-Za-z0-9]`, each equally likely: bytes that would favour some are dropped."""
        token = b""
        while len(token) < _TOKEN_LENGTH:
            token += os.urandom(96).translate(_LETTERS, _UNEVEN)
        return token[:_TOKEN_LENGTH].decode()


_TOKEN_LENGTH: Final = 64
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LETTERS: Final = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_UNEVEN: Final = bytes(range(256 - 256 % len(_ALPHABET), 256))


class Service(msgspec.Struct, frozen=True):
    """A whole installation, ready to answer: to be closed when the last answer is out."""

    app: App
    store: Store
    site: Site

    async def close(self) -> None:
        """Finish what was accepted, and let go of the database."""
        await self.store.close()


def database_path(config: Config) -> Path:
    """Return the SQLite file. Raises WrongSetting for a database that this release cannot use."""
    if config.database is None:
        return config.data / "paydue.db"
    if config.database.startswith("sqlite:///"):
        return Path(config.database.removeprefix("sqlite:///")).absolute()
    raise WrongSetting("PostgreSQL is not yet available in this release: leave database out to use SQLite")


def key_file_path(config: Config) -> Path:
    return config.key_file or config.data / "paydue.key"


async def open_store(config: Config, *, serves: bool) -> SqliteStore:
    """
    Open the installation's store; `serves` claims it for a long-running process.

    Raises CannotOpenStore, whose text says what to do, and StoreUnavailable.
    """
    path, key_path = database_path(config), key_file_path(config)
    if not path.exists() and not key_path.exists():
        raise CannotOpenStore(f"There is no Paydue in {config.data} yet: run `paydue init --data {config.data}` first.")
    return await SqliteStore.open(
        path, KeyFile.read(key_path), SystemClock(), serves=serves, queue_limit=config.max_queue
    )


async def make_store(config: Config, progress: Callable[[str], None] = lambda _: None) -> None:
    """
    Make what is missing of data folder, key file and database, readable by this user alone, at this release's schema.

    `progress` hears of each step. Raises CannotOpenStore: a database without its key file gets no new one, which could
    not read it; StoreUnavailable.
    """
    path, key_path = database_path(config), key_file_path(config)
    for folder in (config.data, path.parent, key_path.parent):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True)
            progress(f"made the folder {folder}")
    if not key_path.exists():
        if path.exists():
            raise VaultError(
                f"The key file {key_path} of the database {path} is missing. Bring it back from its backup."
            )
        create_key_file(key_path)
        progress(f"made the key file {key_path}: back it up apart from the database")
    await migrate_store(config, progress)


async def migrate_store(config: Config, progress: Callable[[str], None] = lambda _: None) -> int:
    """Bring the database to this release's schema and return how many migrations that took. Raises CannotOpenStore."""

    def tell(migration: Migration) -> None:
        progress(f"migration {migration.number}: {migration.title}")

    return await migrate_file(database_path(config), tell)


async def open_service(config: Config, *, portal_url: str, tls_host: str, is_demo: bool = False) -> Service:
    """
    Open the store and join everything that answers requests.

    `portal_url` is what payment links begin with, `tls_host` what SDKs are told to call. `is_demo` tells strangers
    which part of a signature is wrong. Raises what `open_store` raises.
    """
    store = await open_store(config, serves=True)
    clock = SystemClock()
    counts = config.rate_limit > 0
    callers = Callers(
        store,
        ReplayMemory(clock),
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
        secrets=SystemSecrets(),
        logo_cleaner=ProcessLogoCleaner(),
        portal_url=portal_url,
        accepts_doubles=config.amount_rules == "observed",
        allows_plain_http=is_demo,
    )
    site = Site(
        store=store,
        clock=clock,
        openapi=lambda: openapi_document.document(portal_url),
        tls_host=tls_host,
        count_miss=FailureLimit(_LINK_MISSES_A_MINUTE if counts else 0, 60, time.monotonic).count,
        new_correlation_id=new_correlation_id,
        is_public_tls=_is_public_tls(portal_url),
    )
    api = Api(
        store=store,
        callers=callers,
        clock=clock,
        routes=routes,
        hints=is_demo,
        is_public_tls=_is_public_tls(portal_url),
    )
    app = _front(api, site)
    return Service(_behind_proxies(app, config.trusted_proxies) if config.behind_proxy else app, store, site)


def own_hosts(config: Config, portal_url: str) -> Iterable[str]:
    """Return the host names that requests may be signed for, besides the vendor's."""
    public = {urlsplit(url).netloc for url in (portal_url, config.public_url) if url}
    listening = {config.host if ":" not in config.host else f"[{config.host}]"}
    return {*_LOOPBACK_NAMES, *public, *listening, *config.allowed_hosts}


def _is_public_tls(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and f"{parts.hostname}" not in ("localhost", "127.0.0.1", "::1")


def _front(api: App, site: App) -> App:
    # Not a coroutine itself: one less for every request to go through.
    def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return (api if scope["path"].startswith(PREFIXES) else site)(scope, receive, send)

    return app


def _behind_proxies(app: App, hops: int) -> App:
    """Take the client's address from what the nearest `hops` proxies wrote down; what came before is hearsay."""

    def proxied(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        named = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").split(b",")
        if len(named) >= hops and (address := named[-hops].strip().decode("latin-1")):
            scope["client"] = (address[:64], 0)
        return app(scope, receive, send)

    return proxied
