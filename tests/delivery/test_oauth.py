"""Access tokens: what is proven to the token server, for how long a token is kept, and every wrong answer."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from paydue.delivery.egress import Egress, EgressLimits
from paydue.delivery.egress_rules import EgressRules
from paydue.delivery.oauth import AccessTokens, NoToken
from paydue.domain.webhooks import OAuthConfig, SecurityPolicy, SecurityType
from paydue.usecases.webhook_ports import WebhookKey, WebhookKeyKind
from receiver import Receiver, authority_file, receiving
from webhook_builders import NOON, a_signing_key


@cache
def a_private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


CREDENTIALS = a_signing_key("p&ss=wörd", kind=WebhookKeyKind.OAUTH_CREDENTIALS, client_id="us & co")


def a_jwt_key() -> WebhookKey:
    der = a_private_key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return a_signing_key(base64.b64encode(der).decode(), kind=WebhookKeyKind.CERTIFICATE, certificate_der=b"der")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path) as served:
        yield served


@pytest.fixture
def tokens(tmp_path: Path) -> AccessTokens:
    rules = EgressRules(is_development=True)
    limits = EgressLimits(connect_seconds=10, total_seconds=20)
    return AccessTokens(Egress(rules, extra_ca=authority_file(tmp_path), limits=limits))


def granting(server: Receiver, body: Any, status: str = "200 OK") -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    server.answers["/token"] = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status.encode(), len(raw)) + raw


def a_policy(server: Receiver, kind: SecurityType = SecurityType.OAUTH, **config: str) -> SecurityPolicy:
    return SecurityPolicy(security_type=kind, oauth=OAuthConfig(token_url=server.url("/token"), **config))


def form_of(server: Receiver, number: int = -1) -> dict[str, list[str]]:
    return parse_qs(server.received[number].body.decode(), strict_parsing=True)


async def test_a_token_is_asked_for_with_the_stored_credentials(server, tokens):
    granting(server, {"access_token": "abc.def", "token_type": "bearer", "expires_in": 3600})

    assert await tokens.authorization(a_policy(server, scope="a b"), CREDENTIALS, NOON) == "Bearer abc.def"
    assert form_of(server) == {
        "grant_type": ["client_credentials"],
        "client_id": ["us & co"],
        "client_secret": ["p&ss=wörd"],
        "scope": ["a b"],
    }
    assert server.received[0].headers("content-type") == ["application/x-www-form-urlencoded"]


async def test_the_word_before_the_token_is_the_subscribers(server, tokens):
    granting(server, {"access_token": "abc"})

    assert await tokens.authorization(a_policy(server, token_type="DPoP"), CREDENTIALS, NOON) == "DPoP abc"


async def test_a_jwt_proves_who_asks_and_is_signed_by_the_stored_key(server, tokens):
    granting(server, {"access_token": "abc"})
    policy = a_policy(server, SecurityType.OAUTH_JWT, audience="idp.example", client_id="client", key_id="kid-1")
    for minute in range(2):
        await tokens.authorization(policy, a_jwt_key(), NOON + timedelta(hours=minute))

    form = form_of(server)
    assert "client_secret" not in form
    assert form["client_id"] == ["client"]
    assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    assertions = [form_of(server, number)["client_assertion"][0] for number in range(2)]
    header, claims, signature = (part + "=" * (-len(part) % 4) for part in assertions[0].split("."))
    assert json.loads(base64.urlsafe_b64decode(header)) == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
    read = json.loads(base64.urlsafe_b64decode(claims))
    assert len(read.pop("jti")) == 36
    issued = int(NOON.timestamp())
    assert read == {"iss": "client", "sub": "client", "aud": "idp.example", "iat": issued, "exp": issued + 300}
    signed = assertions[0].rpartition(".")[0].encode()
    a_private_key().public_key().verify(base64.urlsafe_b64decode(signature), signed, PKCS1v15(), SHA256())
    assert assertions[0] != assertions[1]


@pytest.mark.parametrize(
    "expires_in, kept, fetched",
    [
        (3600, 3569, 3571),
        ("3600", 3569, 3571),
        (3600.0, 3569, 3571),
        (10, 8, 10),
        (10**12, 86_369, 86_371),
        (None, 269, 271),
        (0, None, 0),
        (-5, None, 0),
    ],
)
async def test_a_token_is_kept_until_shortly_before_it_expires(server, tokens, expires_in, kept, fetched):
    granting(server, {"access_token": "abc", "expires_in": expires_in})
    policy = a_policy(server)
    await tokens.authorization(policy, CREDENTIALS, NOON)

    if kept is not None:
        await tokens.authorization(policy, CREDENTIALS, NOON + timedelta(seconds=kept))
        assert len(server.received) == 1
    await tokens.authorization(policy, CREDENTIALS, NOON + timedelta(seconds=fetched))
    assert len(server.received) == 2


async def test_a_token_that_was_withdrawn_is_fetched_anew(server, tokens):
    granting(server, {"access_token": "abc"})
    policy = a_policy(server)
    await tokens.authorization(policy, CREDENTIALS, NOON)
    tokens.forget(policy, CREDENTIALS)
    tokens.forget(policy, CREDENTIALS)

    await tokens.authorization(policy, CREDENTIALS, NOON)
    assert len(server.received) == 2


async def test_a_token_is_never_used_for_other_credentials_or_another_policy(server, tokens):
    granting(server, {"access_token": "abc"})
    await tokens.authorization(a_policy(server), CREDENTIALS, NOON)
    await tokens.authorization(a_policy(server, scope="a"), CREDENTIALS, NOON)
    other = a_signing_key("other", "key-2", kind=WebhookKeyKind.OAUTH_CREDENTIALS, client_id="us & co")
    await tokens.authorization(a_policy(server), other, NOON)

    assert len(server.received) == 3


async def test_many_who_need_a_token_at_once_wait_for_one(server, tokens):
    granting(server, {"access_token": "abc"})
    asked = [tokens.authorization(a_policy(server), CREDENTIALS, NOON) for _ in range(20)]

    assert set(await asyncio.gather(*asked)) == {"Bearer abc"}
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"", b"abc", b"[]", b"{}", b"[" * 30_000, b"\xff", b'{"access_token":7}', b'{"access_token":""}',
        b'{"access_token":"a b"}', b'{"access_token":"a\\r\\nX-B: b"}', '{"access_token":"ä"}'.encode(),
        b'{"access_token":"' + b"a" * 8193 + b'"}', b'{"access_token":"a","expires_in":"soon"}',
        b'{"access_token":"a","expires_in":1e300}', b'{"access_token":"a","expires_in":"nan"}',
    ],
)  # fmt: skip
async def test_an_answer_without_a_usable_token_is_none(server, tokens, body):
    granting(server, body)

    with pytest.raises(NoToken, match="token server's answer"):
        await tokens.authorization(a_policy(server), CREDENTIALS, NOON)


@pytest.mark.parametrize("status", ["401 Unauthorized", "201 Created", "302 Found", "500 Oops"])
async def test_a_refusal_is_no_token(server, tokens, status):
    granting(server, {"access_token": "abc"}, status)

    with pytest.raises(NoToken, match=status[:3]):
        await tokens.authorization(a_policy(server), CREDENTIALS, NOON)


async def test_a_token_server_that_does_not_answer_is_named_without_its_address(server, tokens):
    server.answers["/token"] = b""
    with pytest.raises(NoToken, match="dropped") as refused:
        await tokens.authorization(a_policy(server), CREDENTIALS, NOON)
    assert "127.0.0.1" not in str(refused.value)

    granting(server, {"access_token": "abc"})
    assert await tokens.authorization(a_policy(server), CREDENTIALS, NOON) == "Bearer abc"


async def test_a_token_server_inside_is_not_asked():
    policy = SecurityPolicy(
        security_type=SecurityType.OAUTH, oauth=OAuthConfig(token_url="https://169.254.169.254/token")
    )
    with pytest.raises(NoToken, match="refused_by_rules"):
        await AccessTokens(Egress(EgressRules())).authorization(policy, CREDENTIALS, NOON)
