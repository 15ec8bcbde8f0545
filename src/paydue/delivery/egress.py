"""
The one module through which this installation calls others: webhooks, health probes, tokens, processors.

Each call resolves the name once, judges every address it got, and dials one of those very addresses; the name is kept
for the certificate and the Host header only. Nothing stands between this and the socket that could follow a redirect,
read a proxy from the environment, keep a cookie or unpack an answer: h11 parses, and opens no connections.
"""

import asyncio
import os
import socket
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

import msgspec

from paydue.delivery.egress_answers import Answered, Failed, NotAnswered, Why
from paydue.delivery.egress_rules import Address, EgressRules, RefusedByRules, Target
from paydue.usecases.access_keys import Secret

_REVIEW_SECONDS: Final = 3.0
_MOST_DIALLED: Final = 4
_CONTEXTS_KEPT: Final = 64

Header = tuple[str, str]
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


class EgressLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Connecting is resolving, dialling and the TLS handshake together. `largest_answer` is in bytes of the body."""

    connect_seconds: float = 5.0
    total_seconds: float = 15.0
    largest_answer: int = 64 * 1024


EGRESS_LIMITS: Final = EgressLimits()


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as this machine is set up to find them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Egress:
    """Calls others within the rules, over HTTPS with the machine's trusted certificates and those of `extra_ca`."""

    def __init__(
        self,
        rules: EgressRules,
        *,
        extra_ca: Path | None = None,
        limits: EgressLimits = EGRESS_LIMITS,
        resolver: Resolver = resolve,
    ) -> None:
        """Raises ValueError when `extra_ca` is no file of certificates: better now than at the first call."""
        self._rules = rules
        self._limits = limits
        self._resolve = resolver
        self._extra_ca = _certificates(extra_ca) if extra_ca is not None else None
        self._tls: OrderedDict[bytes, ssl.SSLContext] = OrderedDict()

    def fault_in(self, url: str) -> str | None:
        """Return what is wrong with the form of `url`, for whoever wrote it, or None."""
        return self._rules.fault_in(url)

    async def admits(self, url: str) -> bool:
        """
        Tell whether every address behind `url` may be dialled, without dialling any.

        A name that cannot be found now is admitted: the rules stand again at every call.
        """
        try:
            async with asyncio.timeout(_REVIEW_SECONDS):
                await self._addresses(self._rules.read(url))
        except RefusedByRules:
            return False
        except (OSError, UnicodeError):
            pass
        return True

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[Header] = (),
        body: bytes = b"",
        *,
        total_seconds: float | None = None,
        identity: Secret | None = None,
    ) -> Answered | NotAnswered:
        """
        Send one request on a connection of its own and return what came of it; nothing the other side does raises.

        `total_seconds` is for those whose answers may take another time than a webhook's. `identity` is a private key
        and its certificates, in PEM, for receivers who want to know over TLS who calls. Host, Content-Length,
        Connection and Accept-Encoding are added. Raises ValueError for a header that cannot be sent, or is one of
        these.
        """
        from paydue.delivery.http_exchange import Exchange  # noqa: PLC0415 - many installations never call anybody

        try:
            target = self._rules.read(url)
        except RefusedByRules as refusal:
            return NotAnswered(why=Why.REFUSED_BY_RULES, detail=str(refusal))
        was_sent = False
        exchange = Exchange(method, target.authority, target.path, headers, body)
        try:
            async with asyncio.timeout(total_seconds or self._limits.total_seconds):
                reader, writer = await self._connect(target, identity)
                was_sent = True
                try:
                    answer = await exchange.run(reader, writer, self._limits.largest_answer)
                finally:
                    # Not closed politely: whoever is not through by now would keep the connection open.
                    writer.transport.abort()
        except (Failed, RefusedByRules, OSError, UnicodeError) as failure:
            why = _why(failure)
            return NotAnswered(why=why, detail=str(failure) or why.value, status=exchange.status, was_sent=was_sent)
        assert exchange.status is not None
        return Answered(status=exchange.status, body=answer, retry_after=exchange.headers.get("retry-after"))

    async def _connect(
        self, target: Target, identity: Secret | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Dial the judged addresses, one after the other, until one answers. Raises OSError, RefusedByRules."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._limits.connect_seconds) as limit:
            addresses = (await self._addresses(target))[:_MOST_DIALLED]
            tls = await self._tls_context(identity) if target.scheme == "https" else None
            while True:
                address = addresses.pop(0)
                # An equal share of the time that is left, so that one silent address does not use up all of it.
                left = (limit.when() or 0.0) - loop.time()
                try:
                    async with asyncio.timeout(left / (len(addresses) + 1)):
                        return await asyncio.open_connection(
                            str(address), target.port, ssl=tls, server_hostname=target.host if tls else None
                        )
                except OSError:
                    if not addresses:
                        raise

    async def _addresses(self, target: Target) -> list[Address]:
        """Return the host's addresses, every one of them judged. Raises RefusedByRules, OSError."""
        literal = target.address
        found = [literal] if literal is not None else []
        if literal is None:
            found = [ip_address(each) for each in await self._resolve(target.host, target.port)]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        for address in found:
            self._rules.check(address)
        return found

    async def _tls_context(self, identity: Secret | None) -> ssl.SSLContext:
        name = sha256(identity.reveal().encode()).digest() if identity is not None else b""
        known = self._tls.get(name)
        if known is None:
            # Some hundred certificates are read from disk.
            known = self._tls[name] = await asyncio.to_thread(_trusting, self._extra_ca, identity)
            if len(self._tls) > _CONTEXTS_KEPT:
                self._tls.popitem(last=False)
        return known


def _certificates(file: Path) -> str:
    """Return the certificates in that file, PEM, after looking that they can be used. Raises ValueError."""
    try:
        text = file.read_text(encoding="ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (OSError, ValueError) as fault:
        raise ValueError(f"{file} cannot be used as a file of trusted certificates: {fault}") from None
    return text


def _trusting(extra_ca: str | None, identity: Secret | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if extra_ca is not None:
        context.load_verify_locations(cadata=extra_ca)
    if identity is not None:
        _show(context, identity)
    return context


def _show(context: ssl.SSLContext, identity: Secret) -> None:
    """Have a context show who we are. The library reads files only: this one lies in memory where that can be."""
    in_memory = hasattr(os, "memfd_create")
    with os.fdopen(os.memfd_create("identity"), "wb") if in_memory else NamedTemporaryFile("wb") as file:
        file.write(identity.reveal().encode())
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}" if in_memory else file.name)


def _why(failure: Exception) -> Why:
    match failure:
        case Failed():
            return failure.why
        case RefusedByRules():
            return Why.REFUSED_BY_RULES
        case TimeoutError():
            return Why.TIMED_OUT
        case socket.gaierror() | UnicodeError():
            return Why.UNRESOLVABLE
        case ssl.SSLError():
            return Why.TLS_FAILED
        case ConnectionRefusedError():
            return Why.CONNECTION_REFUSED
        case ConnectionError():
            return Why.DROPPED
        case _:
            return Why.UNREACHABLE
