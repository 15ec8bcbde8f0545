"""A mail server on this machine, well-behaved or not: each mode is a way in which real ones fail."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from paydue.cli.certificates import create_leaf
from paydue.cli.private_files import write_private_file
from receiver import an_authority


class Mode(StrEnum):
    """
    How it answers a mail.

    DROP_* ends the connection before the mail is whole, or after it was accepted. SLOW takes its time and comes to an
    end; DRIPPING and ENDLESS never do. MOVED names another server, as a redirect does.
    """

    WELL = "well"
    REFUSE = "refuse"
    HANG = "hang"
    LATER = "4xx"
    NEVER = "5xx"
    LATER_FOR_RECIPIENT = "4xx for the recipient"
    NEVER_FOR_RECIPIENT = "5xx for the recipient"
    DROP_MIDWAY = "drop mid-way"
    DROP_AFTER_ACCEPT = "drop after accept"
    SLOW = "slow"
    DRIPPING = "dripping"
    ENDLESS = "endless"
    MOVED = "551 for the recipient"
    GOING_AWAY = "421"


class Taken(NamedTuple):
    sender: str
    recipient: str
    content: bytes

    @property
    def message_id(self) -> str:
        return str(message_from_bytes(self.content)["Message-ID"])


class MailServer:
    """`taken` are the mails that it answers for, in order. `mode` may be changed at any time."""

    def __init__(self) -> None:
        self.mode = Mode.WELL
        self.taken: list[Taken] = []
        self.connections = 0
        self.at_once = self.most_at_once = 0
        self.logins: list[str] = []
        self.port = 0

    # What aiosmtpd calls.

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        match self.mode:
            case Mode.LATER_FOR_RECIPIENT:
                return "450 4.2.0 greylisted"
            case Mode.NEVER_FOR_RECIPIENT:
                return "550 5.1.1 no such user"
            case Mode.MOVED:
                return f"551 5.1.6 user not local; please try <{address}.elsewhere>"
            case Mode.DROP_MIDWAY:
                self._drop(server)
                return "250 never read"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._data(server, envelope)
        finally:
            self.at_once -= 1

    async def _data(self, server: SMTP, envelope: Envelope) -> str:
        match self.mode:
            case Mode.LATER:
                return "451 4.3.0 try again"
            case Mode.NEVER:
                return "554 5.7.1 refused for policy reasons"
            case Mode.HANG:
                await asyncio.sleep(60)
            case Mode.SLOW:
                await asyncio.sleep(0.2)
            case Mode.GOING_AWAY:
                return "421 4.3.2 shutting down"
            case Mode.DRIPPING:
                await self._pour(server, b"2", seconds=0.05)
            case Mode.ENDLESS:
                await self._pour(server, b"250-and so on\r\n" * 100, seconds=0)
        assert isinstance(envelope.content, bytes)
        for recipient in envelope.rcpt_tos:
            self.taken.append(Taken(envelope.mail_from or "", recipient, envelope.content))
        if self.mode is Mode.DROP_AFTER_ACCEPT:
            self._drop(server)
        return "250 2.0.0 taken"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password == b"right", handled=False)

    async def _pour(self, server: SMTP, bytes_: bytes, seconds: float) -> None:
        """Send the same for as long as anybody listens."""
        while server.transport is not None and not server.transport.is_closing():
            server.transport.write(bytes_)
            await asyncio.sleep(seconds)
        raise ConnectionAbortedError

    def _drop(self, server: SMTP) -> None:
        assert server.transport is not None
        server.transport.abort()


@asynccontextmanager
async def mail_server(folder: Path | None = None, *, implicit_tls: bool = False) -> AsyncIterator[MailServer]:
    """Serve on a free port of 127.0.0.1; with a folder for its certificate by STARTTLS and login, or by TLS at once."""
    state = MailServer()
    context = _context(folder) if folder is not None else None
    make = partial(SMTP, state, hostname="mail.example", ident="test", enable_SMTPUTF8=False)
    if context is not None:
        starttls = {} if implicit_tls else {"tls_context": context, "require_starttls": True}
        make = partial(
            make,
            **starttls,
            authenticator=state.authenticate,
            auth_required=True,
            auth_require_tls=not implicit_tls,
        )
    loop = asyncio.get_running_loop()
    sessions: list[SMTP] = []

    def session() -> asyncio.Protocol:
        if state.mode is Mode.REFUSE:
            return _Refusing()
        state.connections += 1
        with warnings.catch_warnings():
            # A login without STARTTLS is meant: the connection speaks TLS from its beginning.
            warnings.simplefilter("ignore")
            sessions.append(made := make(loop=loop))
        return made

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if implicit_tls else None)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for each in sessions:
            if each.transport is not None:
                each.transport.abort()
        await asyncio.sleep(0)
        await server.wait_closed()


class _Refusing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.abort()  # type: ignore[attr-defined]


def _context(folder: Path) -> ssl.SSLContext:
    chain = folder / "mail-server.pem"
    leaf = create_leaf(an_authority(), ("localhost", "127.0.0.1"), datetime.now(UTC))
    write_private_file(chain, leaf.private_key + leaf.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context
