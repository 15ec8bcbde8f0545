"""
One process that answers on several sockets until it is told to stop: sockets, uvicorn, signals, the ready file.

uvicorn is handed sockets of ours and leaves signals to us, so that http and https share one event loop and one end.
"""

import asyncio
import errno
import gc
import json
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn

from paydue.cli.http_protocol import Door, HttpProtocol, ServerState
from paydue.cli.leaving import refuse_new_connections
from paydue.cli.private_files import write_private_file

_BACKLOG: Final = 2048
# Longer than proxies and clients usually keep an idle connection, so that they and not we close it: a request that
# crosses our closing would be lost.
_KEEP_ALIVE_SECONDS: Final = 75
# A stop has 20 seconds in all; the store needs some of them for what was accepted.
_FINISH_WITHIN_SECONDS: Final = 15
# For what was begun before new connections were refused: the rest of a handshake, and the request behind it.
_LAST_ARRIVALS_SECONDS: Final = 0.2
_ADDRESS_FAULTS: Final[Mapping[int, str]] = {
    errno.EADDRINUSE: "it is in use; choose another port, or 0 for any free one",
    errno.EACCES: "this user may not use it; ports below 1024 are for root",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}

_log = logging.getLogger("paydue.server")


class CannotListen(Exception):
    """A socket could not be had; the text says which and why."""


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """
    A bound socket, with the files of its certificate when it speaks TLS. `app` answers there in place of what answers
    on the others.
    """

    bound: socket.socket
    certificate: Path | None = None
    key: Path | None = None
    app: Callable[..., Awaitable[None]] | None = None

    @property
    def port(self) -> int:
        port: int = self.bound.getsockname()[1]
        return port


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to that address; port 0 takes a free one. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named protocol: only then does the event loop switch Nagle's algorithm off, which would cost 40 ms an answer.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as fault:
        bound.close()
        why = _ADDRESS_FAULTS.get(fault.errno or 0, fault.strerror)
        raise CannotListen(f"cannot listen on {host} port {port}: {why}") from None
    return bound


async def serve_until_stopped(
    app: Callable[..., Awaitable[None]],
    listeners: Sequence[Listener],
    on_ready: Callable[[], None],
    on_stop: Callable[[], None] = lambda: None,
    *,
    door: Door,
    drain_seconds: float = 0,
) -> None:
    """
    Answer on all listeners until SIGTERM or SIGINT, then finish what was accepted, and return.

    `door` leads calls of the API the short way; `app` answers all the rest, where a listener has none of its own.
    `on_ready` is called once, when a connection to any of them will be answered, `on_stop` as soon as the end is asked
    for. After SIGTERM new connections are taken for `drain_seconds` more, and each answer asks its client to come by
    another connection, so that whoever spreads the load can turn to others. A second signal ends that, a second SIGINT
    gives up what is still running.
    Raises CannotListen when a certificate cannot be used.
    """
    servers = [_Server(_uvicorn_config(app, listener, door)) for listener in listeners]
    leaving = _Leaving(servers, listeners, on_stop, drain_seconds)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.begin, number)
    async with asyncio.TaskGroup() as running:
        for server, listener in zip(servers, listeners, strict=True):
            running.create_task(server.serve([listener.bound]))
        for server in servers:
            await server.has_started.wait()
        _settle_memory()
        on_ready()
    _log.info("stopped")


def write_ready_file(path: Path, facts: Mapping[str, Any]) -> None:
    """Say that the server answers, and how to reach it: the file appears whole."""
    write_private_file(path, json.dumps({**facts, "pid": os.getpid()}, indent=2).encode() + b"\n")


class _Server(uvicorn.Server):
    """A server that tells when it has started, leaves signals to us, and says goodbye before it goes."""

    server_state: ServerState

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = ServerState()
        self.has_started = asyncio.Event()

    def leave(self) -> None:
        """Let every answer from now on be the last one of its connection."""
        self.server_state.is_leaving = True
        for connection in self.server_state.connections:
            if isinstance(connection, HttpProtocol):
                connection.leave()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Leaving:
    """The end of a server, from the signal that asks for it to the moment when it takes nothing more."""

    def __init__(
        self,
        servers: Sequence[_Server],
        listeners: Sequence[Listener],
        on_stop: Callable[[], None],
        drain_seconds: float,
    ) -> None:
        self._servers = servers
        self._listeners = listeners
        self._on_stop = on_stop
        self._drain_seconds = drain_seconds
        self._hurrying = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def begin(self, signal_number: int) -> None:
        """Begin to leave; asked again, do it at once."""
        if self._running is not None:
            self._hurrying.set()
            for server in self._servers:
                server.force_exit = server.force_exit or signal_number == signal.SIGINT
            return
        if signal_number == signal.SIGINT:
            # A person at a terminal waits for no balancer.
            self._hurrying.set()
        self._running = asyncio.get_running_loop().create_task(self._leave())
        self._on_stop()

    async def _leave(self) -> None:
        for server in self._servers:
            server.leave()
        if self._drain_seconds and not self._hurrying.is_set():
            _log.info("draining", extra={"seconds": self._drain_seconds})
            await self._wait(self._drain_seconds)
            for listener in self._listeners:
                refuse_new_connections(listener.bound)
            await self._wait(_LAST_ARRIVALS_SECONDS)
        for server in self._servers:
            server.should_exit = True

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurrying.wait()
        except TimeoutError:
            pass


def _uvicorn_config(app: Callable[..., Awaitable[None]], listener: Listener, door: Door) -> uvicorn.Config:
    config = uvicorn.Config(
        listener.app or app,
        http=partial(HttpProtocol, door=door if listener.app is None else None),  # type: ignore[arg-type]  # called like the class
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_FINISH_WITHIN_SECONDS,
        ssl_certfile=listener.certificate,
        ssl_keyfile=listener.key,
    )
    try:
        config.load()
    except OSError as fault:
        # ssl.SSLError is one too: files that are no certificate, or do not belong together.
        raise CannotListen(f"the certificate {listener.certificate} or its key cannot be used: {fault}") from None
    return config


def _settle_memory() -> None:
    """
    Take everything made by the start out of the garbage collector's sight, and let it look less often.

    A request makes no cycles; the collector would only walk through the same modules and templates again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
