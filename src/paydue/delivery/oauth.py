"""
Access tokens for receivers that want one: fetched with stored credentials or a signed JWT, and kept while they last.

Tokens live in memory only. A receiver that answers 401 has withdrawn one before its time: `forget` drops it.
"""

import asyncio
import base64
import uuid
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import msgspec

from paydue.delivery.egress import Egress
from paydue.delivery.egress_answers import NotAnswered
from paydue.domain.webhooks import OAuthConfig, SecurityPolicy, SecurityType
from paydue.usecases.access_keys import Secret
from paydue.usecases.webhook_ports import WebhookKey

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFE: Final = timedelta(minutes=5)
# An answer need not say how long its token is good for.
_USUAL_LIFE: Final = timedelta(minutes=5)
_LONGEST_LIFE: Final = timedelta(hours=24)
_MARGIN: Final = timedelta(seconds=30)
_LONGEST_TOKEN: Final = 8192
_MOST_TOKENS: Final = 1000
_HEADERS: Final = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))

_Asked = tuple[str, SecurityPolicy]


class NoToken(Exception):
    """No token was granted; the text says why in small words, fit to be shown to the subscriber."""


class AccessTokens:
    """The tokens in use. Whoever needs one that is being fetched waits for that one."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._tokens: dict[_Asked, _Token] = {}
        self._fetching: WeakValueDictionary[_Asked, asyncio.Lock] = WeakValueDictionary()

    async def authorization(self, security: SecurityPolicy, key: WebhookKey, at: datetime) -> str:
        """
        Return the value of the Authorization header for a subscription of one of the OAuth types.

        `key` is what we prove ourselves with: stored credentials, or a certificate's private key for the JWT type.
        Raises NoToken.
        """
        assert security.oauth is not None
        asked = (key.key_id, security)
        lock = self._fetching.setdefault(asked, asyncio.Lock())
        async with lock:
            token = self._tokens.get(asked)
            if token is None or at >= token.good_until:
                token = await self._fetch(security, security.oauth, key, at)
                self._tokens.pop(asked, None)
                if len(self._tokens) >= _MOST_TOKENS:
                    del self._tokens[next(iter(self._tokens))]
                self._tokens[asked] = token
        return f"{security.oauth.token_type} {token.text.reveal()}"

    def forget(self, security: SecurityPolicy, key: WebhookKey) -> None:
        """Drop the token in use, so that the next call fetches another."""
        self._tokens.pop((key.key_id, security), None)

    async def _fetch(self, security: SecurityPolicy, oauth: OAuthConfig, key: WebhookKey, at: datetime) -> "_Token":
        assert key.secret is not None
        form = {"grant_type": "client_credentials"}
        if security.security_type is SecurityType.OAUTH_JWT:
            # RSA takes milliseconds, and checking a private key many more.
            assertion = await asyncio.to_thread(signed_assertion, oauth, key.secret, at)
            form |= {
                "client_id": oauth.client_id or "",
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": assertion,
            }
        else:
            form |= {"client_id": key.client_id or "", "client_secret": key.secret.reveal()}
        if oauth.scope is not None:
            form["scope"] = oauth.scope
        answer = await self._egress.send("POST", oauth.token_url, _HEADERS, urlencode(form).encode())
        if isinstance(answer, NotAnswered):
            raise NoToken(f"the token server did not answer: {answer.why.value}")
        if answer.status != 200:
            raise NoToken(f"the token server answered {answer.status}")
        return _read_token(answer.body, at)


def signed_assertion(oauth: OAuthConfig, private_key: Secret, at: datetime) -> str:
    """Return a JWT (RS256) by which a client proves itself, as RFC 7523 has it; `private_key` is base64 of PKCS #8."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - rarely wanted
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415

    key = load_der_private_key(base64.b64decode(private_key.reveal()), password=None)
    assert isinstance(key, RSAPrivateKey)
    issued = int(at.timestamp())
    header = {"alg": "RS256", "typ": "JWT", "kid": oauth.key_id}
    claims = {
        "iss": oauth.client_id,
        "sub": oauth.client_id,
        "aud": oauth.audience,
        "iat": issued,
        "exp": issued + int(_ASSERTION_LIFE.total_seconds()),
        "jti": str(uuid.uuid4()),
    }
    signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, claims))
    return b".".join((signed, _base64url(key.sign(signed, PKCS1v15(), SHA256())))).decode()


class _Token(msgspec.Struct, frozen=True):
    text: Secret
    good_until: datetime


class _Grant(msgspec.Struct):
    """What a token server answers, as far as it matters."""

    access_token: str
    expires_in: int | float | str | None = None


_decode = msgspec.json.Decoder(_Grant).decode


def _read_token(body: bytes, at: datetime) -> _Token:
    try:
        grant = _decode(body)
        life = timedelta(seconds=float(grant.expires_in)) if grant.expires_in is not None else _USUAL_LIFE
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        raise NoToken("the token server's answer is not understood") from None
    text = grant.access_token
    # It becomes part of a header: what is not visible ASCII would be refused there, or worse.
    if not (text.isascii() and text.isprintable() and " " not in text and 1 <= len(text) <= _LONGEST_TOKEN):
        raise NoToken("the token server's answer holds no usable token")
    life = min(max(life, timedelta(0)), _LONGEST_LIFE)
    return _Token(Secret(text), at + life - min(_MARGIN, life / 10))


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
