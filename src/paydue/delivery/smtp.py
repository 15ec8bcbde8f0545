"""
Submission of mails to the operator's mail server, over connections that are kept for the next mail.

What the server says about one recipient or one mail for good ends that mail; everything else, a wrong password
included, is a trouble of ours or of the moment, and the mail is tried again.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal
from weakref import WeakValueDictionary

import aiosmtplib
import msgspec

from paydue.delivery.mail_transport import Fate, Handed, Posting
from paydue.domain.mail_address import is_dead_address
from paydue.usecases.access_keys import Secret

DEFAULT_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}

_CONNECT_SECONDS: Final = 10.0
_COMMAND_SECONDS: Final = 30.0
_MOST_CONNECTIONS: Final = 8
_MOST_PER_DOMAIN: Final = 2
# Servers close what is idle for some minutes, and what has carried many mails.
_IDLE_SECONDS: Final = 30.0
_MOST_MAILS: Final = 100
_LONGEST_ANSWER: Final = 500
_LOWEST_CODE: Final = 200
_SERVER_GOES_AWAY: Final = 421
# To a recipient these say that we have not proved ourselves, which is no fault of the address.
_NOT_ABOUT_THE_MAIL: Final = frozenset((503, 530, 534, 535, 538))


class SmtpServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where mails are submitted. `starttls` and `tls` check the certificate; `none` is for a server on this machine."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: Secret | None = None


class Smtp:
    """
    Hands mails to one server. `domain` is what we are called in greeting it.

    `tls` replaces the machine's trusted certificates.
    """

    def __init__(
        self,
        server: SmtpServer,
        *,
        domain: str,
        tls: ssl.SSLContext | None = None,
        connect_seconds: float = _CONNECT_SECONDS,
        command_seconds: float = _COMMAND_SECONDS,
    ) -> None:
        self._server = server
        self._domain = domain
        self._tls = tls
        self._connect_seconds = connect_seconds
        self._command_seconds = command_seconds
        self._idle: list[_Connection] = []
        self._all = asyncio.Semaphore(_MOST_CONNECTIONS)
        self._domains: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def hand_over(self, posting: Posting) -> Handed:
        """Submit one mail and tell what came of it."""
        name = posting.recipient.rpartition("@")[2].lower()
        # Kept while somebody holds it: domains are as many as there are strangers.
        domain = self._domains.setdefault(name, asyncio.Semaphore(_MOST_PER_DOMAIN))
        async with domain, self._all:
            return await self._submit(posting)

    async def close(self) -> None:
        """Take leave of the server on every connection that is kept."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.leave()

    async def _submit(self, posting: Posting) -> Handed:
        stage = "connecting"
        try:
            async with self._connection() as connection:
                client = connection.client
                stage = "sender"
                await client.mail(posting.sender)
                stage = "recipient"
                await client.rcpt(posting.recipient)
                stage = "mail"
                answer = await client.data(posting.content)
        except aiosmtplib.SMTPResponseException as refusal:
            return _refused(stage, refusal.code, refusal.message)
        except (aiosmtplib.SMTPException, OSError, ValueError) as failure:
            return Handed(fate=Fate.LATER, outcome=_words(stage, failure), answer=_cut(str(failure)))
        return Handed(
            fate=Fate.TAKEN, outcome=f"accepted, {answer.code}", status=answer.code, answer=_cut(answer.message)
        )

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["_Connection"]:
        """Lend a connection that the server answers on, and keep it for the next mail if it is still good then."""
        connection = await self._kept() or await self._open()
        try:
            yield connection
        except aiosmtplib.SMTPResponseException as refusal:
            if refusal.code == _SERVER_GOES_AWAY or not await connection.start_over():
                connection.drop()
            else:
                self._keep(connection)
            raise
        except BaseException:
            connection.drop()
            raise
        self._keep(connection)

    async def _kept(self) -> "_Connection | None":
        while self._idle:
            connection = self._idle.pop()
            # Asked first: to find out in the middle of a mail that the server has gone would leave us in doubt.
            if connection.idle_seconds() < _IDLE_SECONDS and await connection.start_over():
                return connection
            connection.drop()
        return None

    async def _open(self) -> "_Connection":
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password.reveal() if server.password is not None else None,
            local_hostname=self._domain,
            timeout=self._command_seconds,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=await self._tls_context() if server.security != "none" else None,
        )
        connection = _Connection(client)
        try:
            async with asyncio.timeout(self._connect_seconds):
                await client.connect()
        except BaseException:
            connection.drop()
            raise
        return connection

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            # Some hundred certificates are read from disk.
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls

    def _keep(self, connection: "_Connection") -> None:
        if connection.client.is_connected and connection.mails < _MOST_MAILS:
            connection.used()
            self._idle.append(connection)
        else:
            connection.drop()


class _Connection:
    """A connection and how long it has served."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self.client = client
        self.mails = 0
        self._used_at = 0.0

    def used(self) -> None:
        self.mails += 1
        self._used_at = asyncio.get_running_loop().time()

    def idle_seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._used_at

    async def start_over(self) -> bool:
        """Forget a mail that was begun; tell whether the server still answers."""
        try:
            await self.client.rset()
        except (aiosmtplib.SMTPException, OSError):
            return False
        return True

    async def leave(self) -> None:
        try:
            await self.client.quit(timeout=1)
        except (aiosmtplib.SMTPException, OSError):
            self.drop()

    def drop(self) -> None:
        self.client.close()


def _refused(stage: str, code: int, message: str) -> Handed:
    if code < _LOWEST_CODE:
        # An answer without an end, or without a code: the library's own word for it.
        return Handed(fate=Fate.LATER, outcome=f"{stage}: not understood", answer=_cut(message))
    is_about_the_mail = stage in ("recipient", "mail") and code not in _NOT_ABOUT_THE_MAIL
    fate = Fate.NEVER if code >= 500 and is_about_the_mail else Fate.LATER
    is_dead = stage == "recipient" and fate is Fate.NEVER and is_dead_address(code, message)
    return Handed(
        fate=fate, outcome=f"{stage} refused, {code}", status=code, answer=_cut(message), is_dead_address=is_dead
    )


def _words(stage: str, failure: Exception) -> str:
    match failure:
        case TimeoutError():
            why = "timed out"
        case ssl.SSLError():
            why = "TLS failed"
        case ConnectionRefusedError():
            why = "connection refused"
        case ConnectionError():
            why = "dropped"
        case OSError():
            why = "unreachable"
        case _:
            why = "not understood"
    return f"{stage}: {why}"


def _cut(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_ANSWER])
