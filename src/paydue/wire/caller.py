"""
Who is calling: the one door to every merchant's books.

`Callers` chooses between the two ways of signing, counts failures and requests, and lets nothing else through.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from paydue.usecases.access_keys import Keyring, ReplayGuard, ReplayMemoryFull
from paydue.usecases.ports import Clock
from paydue.wire.allowed_hosts import AllowedHosts
from paydue.wire.authentication import (
    AuthOptions,
    Caller,
    NotAuthenticated,
    SignedRequest,
    TooManyRequests,
    refuse,
    shown,
)
from paydue.wire.http_signature import HttpSignatures
from paydue.wire.jwt_token import JwtTokens
from paydue.wire.limits import FailureLimit, RequestLimit

__all__ = ["AuthOptions", "Caller", "Callers", "NotAuthenticated", "SignedRequest", "TooManyRequests"]

_SECURITY_HEADERS: Final = frozenset(
    {b"authorization", b"signature", b"digest", b"date", b"v-c-date", b"host", b"v-c-merchant-id"}
)


class Callers:
    """
    Tells who sent a request.

    `hosts` are our own public names, with or without port. `clock` has to be the real one even where invoices live by
    a clock that can be moved: callers sign with theirs.
    """

    def __init__(
        self,
        keyring: Keyring,
        replay_guard: ReplayGuard,
        clock: Clock,
        hosts: Iterable[str],
        options: AuthOptions | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        options = options or AuthOptions()
        allowed_hosts = AllowedHosts(hosts)
        self._clock = clock
        self._options = options
        self._http_signatures = HttpSignatures(keyring, replay_guard, allowed_hosts, options)
        self._jwt_tokens = JwtTokens(keyring, replay_guard, allowed_hosts, options)
        self._requests = RequestLimit(options.requests_per_second, options.burst, monotonic)
        self._failures_of_keys = FailureLimit(options.failures_per_minute, 60, monotonic)
        self._failures_of_clients = FailureLimit(options.failures_per_minute, 60, monotonic)

    async def caller(self, request: SignedRequest) -> Caller:
        """
        Return the merchant and key that the request proves.

        Raises NotAuthenticated for anything that does not prove one, and TooManyRequests for a key that calls too
        often, or for wrong credentials of a key or an address that were wrong too often. Failures of others never
        lock out a caller that signs well: a key id is no secret, and many callers may share an address.
        """
        try:
            fields = dict(request.headers)
            if len(fields) != len(request.headers):
                _drop_repeated(fields, request.headers)
            if b"authorization" in fields:
                caller = await self._bearer(request, fields)
            else:
                if b"signature" not in fields:
                    refuse(_NO_CREDENTIALS, "neither a Signature header nor Authorization: Bearer was sent")
                if b"host" not in fields and b":authority" in fields:
                    fields[b"host"] = fields[b":authority"]
                caller = await self._http_signatures.caller(request, fields, self._clock.nanoseconds() / 1e9)
        except NotAuthenticated as refusal:
            self._refuse(refusal, request)
        except ReplayMemoryFull as full:
            raise TooManyRequests(str(full), 5) from full
        if (wait := self._requests.take(caller.key_id)) > 0:
            raise TooManyRequests(f"too many requests with key {caller.key_id}", wait, caller.key_id)
        return caller

    async def _bearer(self, request: SignedRequest, fields: dict[bytes, bytes]) -> Caller:
        if b"signature" in fields:
            refuse("both Signature and Authorization were sent")
        scheme, _, token = fields[b"authorization"].partition(b" ")
        if scheme.lower() != b"bearer":
            refuse(f"Authorization: {shown(scheme)} is not Bearer")
        return await self._jwt_tokens.caller(request, token.strip(), self._clock.nanoseconds() / 1e9)

    def _refuse(self, refusal: NotAuthenticated, request: SignedRequest) -> NoReturn:
        """Count the failure and raise it, or what stands for it above the limit."""
        if not self._options.hints:
            refusal.hint = ""
        wait = 0.0
        # Without credentials nobody guesses anything: a health check of somebody's may do that every second.
        if refusal.reason != _NO_CREDENTIALS:
            if refusal.key_id is not None:
                wait = self._failures_of_keys.count(refusal.key_id)
            if request.client is not None:
                wait = max(wait, self._failures_of_clients.count(request.client))
        if wait > 0:
            raise TooManyRequests(f"too many failures, the last: {refusal.reason}", wait, refusal.key_id) from refusal
        raise refusal


_NO_CREDENTIALS: Final = "no credentials"


def _drop_repeated(fields: dict[bytes, bytes], headers: list[tuple[bytes, bytes]]) -> None:
    """Drop what was sent more than once, so that signing it proves nothing. Raises NotAuthenticated for ours."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen:
            if name in _SECURITY_HEADERS:
                refuse(f"header {shown(name)} was sent more than once")
            fields.pop(name, None)
        seen.add(name)
