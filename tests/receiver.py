"""A receiver of calls on this machine, over real TLS or without: well-behaved or hostile, as its path says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from paydue.cli.certificates import KeyAndCertificate, create_authority, create_leaf
from paydue.cli.private_files import write_private_file
from paydue.delivery.egress import EgressLimits, Resolver
from paydue.delivery.egress_answers import Answered, NotAnswered, Why
from paydue.delivery.egress_rules import EgressRules

DEVELOPMENT = EgressRules(is_development=True)
# Long enough for any machine on a bad day. Calls that are to hang are made in less time, if only enough for the request
# to arrive, and those that need not even arrive in haste.
PATIENT = EgressLimits(connect_seconds=10, total_seconds=20)
BRIEF = EgressLimits(connect_seconds=10, total_seconds=2.5)
HASTY = EgressLimits(connect_seconds=0.3, total_seconds=0.5)

ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken",
    "/no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nta\r\n3\r\nken\r\n0\r\n\r\n",
    "/until-close": b"HTTP/1.0 200 OK\r\n\r\ntaken",
    "/after-hints": b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken",
    "/busy": b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
    "/redirect": b"HTTP/1.1 302 Found\r\nLocation: %(base)s/ok\r\nContent-Length: 0\r\n\r\n",
    "/just-fits": b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"a" * 65536,
    "/too-large": b"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n" + b"a" * 65537,
    "/packed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
    "/drop": b"",
    "/drop-in-head": b"HTTP/1.1 200 OK\r\nContent-",
    "/drop-in-body": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nta",
    "/drop-in-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nta",
    "/no-http": b"220 mail.example ESMTP\r\n\r\n",
    "/two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\ntaken",
    "/large-head": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n",
    "/switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}
# Answers that never come to an end: what they begin with, and what follows again and again, every so many seconds.
POURED = {
    "/hang": (b"", b"", 60),
    "/drip": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.01),
    "/slow": (b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b"a", 0.01),
    "/endless": (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 8192, 0),
    "/endless-hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.001),
}


class Received(NamedTuple):
    """A request as it came: the head in lines, the body, and the name that TLS was asked for."""

    head: list[str]
    body: bytes
    server_name: str | None

    def headers(self, name: str) -> list[str]:
        return [
            value.strip()
            for line in self.head[1:]
            for key, _, value in [line.partition(":")]
            if key.lower() == name.lower()
        ]


class Receiver:
    """`received` are the requests so far; `answers` may be added to or changed, also for the paths that misbehave."""

    def __init__(self, scheme: str, port: int) -> None:
        self.scheme = scheme
        self.port = port
        self.received: list[Received] = []
        self.has_received = asyncio.Event()
        self.connections = 0
        self.clients: list[str] = []
        self.answers = dict(ANSWERS)
        self.server_name: str | None = None
        self.thinks_seconds = 0.0

    def url(self, path: str, host: str = "localhost") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        certificate = writer.get_extra_info("peercert") or {}
        self.clients += [
            value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"
        ]
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        path = head[0].split(" ")[1].partition("?")[0]
        length = next((int(line.partition(":")[2]) for line in head if line.lower().startswith("content-length:")), 0)
        if path == "/early":
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        if path == "/drop-midway" and path not in self.answers:
            writer.transport.abort()
            return
        self.received.append(Received(head, await reader.readexactly(length), self.server_name))
        self.has_received.set()
        await asyncio.sleep(self.thinks_seconds)
        if path in self.answers or path not in POURED:
            writer.write(self.answers[path].replace(b"%(base)s", self.url("").encode()))
            await writer.drain()
            return
        first, then, seconds = POURED[path]
        writer.write(first)
        while True:
            writer.write(then)
            await writer.drain()
            await asyncio.sleep(seconds)


def answering(*answers: Sequence[str]) -> Resolver:
    """Return a resolver that gives one answer after the other, the last again and again."""
    left = list(answers)

    async def resolve_name(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve_name


def why_of(answer: Answered | NotAnswered) -> Why:
    assert isinstance(answer, NotAnswered), answer
    return answer.why


@cache
def an_authority() -> KeyAndCertificate:
    return create_authority(datetime.now(UTC))


def authority_file(folder: Path) -> Path:
    """Write the certificate that vouches for the receiver, and return the file."""
    file = folder / "authority.pem"
    file.write_bytes(an_authority().certificate)
    return file


def a_client(name: str = "paydue.merchant.example", *, days: int = 30) -> KeyAndCertificate:
    """Make a client's key and certificate, by the authority that vouches for the receiver."""
    authority, at = an_authority(), datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = load_pem_private_key(authority.private_key, password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.load_pem_x509_certificate(authority.certificate).subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=60))
        .not_valid_after(at + timedelta(days=days))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(issuer_key, SHA256())
    )
    return KeyAndCertificate(
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate=certificate.public_bytes(Encoding.PEM),
    )


@asynccontextmanager
async def receiving(
    folder: Path | None,
    names: Sequence[str] = ("localhost", "receiver.example", "127.0.0.1"),
    partners: bytes | None = None,
) -> AsyncIterator[Receiver]:
    """
    Serve on a free port of 127.0.0.1; over TLS, with a certificate for `names`, when there is a folder for it. With
    `partners`, an authority's certificate, only to clients who show one that it vouches for.
    """
    receiver = Receiver("http" if folder is None else "https", 0)
    context = None
    if folder is not None:
        chain = folder / "leaf.pem"
        leaf = create_leaf(an_authority(), names, datetime.now(UTC))
        write_private_file(chain, leaf.private_key + leaf.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        if partners is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=partners.decode())
        context.sni_callback = lambda _, name, __: setattr(receiver, "server_name", name)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await receiver.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
