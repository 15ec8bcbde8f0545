"""The key operations: published requests in either order of provider and tenant, certificates, and what is refused."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st

from paydue.cli.certificates import KeyAndCertificate, KeyType, create_authority, create_leaf
from paydue.usecases.webhook_ports import WebhookKey, WebhookKeyKind
from webhook_builders import MERCHANT, NOON
from webhook_calls import Installation, example

SYM = "/kms/egress/v2/keys-sym"
ASYM = "/kms/egress/v2/keys-asym"
CREATE = example("key-create.request")
STORE = example("key-store-oauth.request")


@cache
def a_pair(key_type: KeyType = KeyType.RSA_2048) -> KeyAndCertificate:
    at = datetime.now(UTC)
    return create_leaf(create_authority(at), ["receiver.example"], at, key_type=key_type)


def pub_of(pair: KeyAndCertificate) -> str:
    return base64.b64encode(load_pem_x509_certificate(pair.certificate).public_bytes(Encoding.DER)).decode()


def pvt_of(pair: KeyAndCertificate) -> str:
    key = load_pem_private_key(pair.private_key, None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def with_key(document: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return the request with some members of its key changed; `...` removes one."""
    key = {name: value for name, value in (document["keyInformation"] | members).items() if value is not ...}
    return document | {"keyInformation": key}


def a_certificate_request(**members: Any) -> dict[str, Any]:
    return with_key(example("key-store-mle-certificate.request"), **{"pub": pub_of(a_pair()), **members})


def made(path: str, document: dict[str, Any]) -> tuple[dict[str, Any], WebhookKey]:
    installation = Installation()
    status, answer = installation.call("POST", path, document)
    assert (status, answer["status"]) == (201, "SUCCESS"), answer
    (key,) = installation.kept.kept_keys.values()
    return answer["keyInformation"], key


def faults_of(path: str, document: Any) -> list[str]:
    installation = Installation()
    status, answer = installation.call("POST", path, document)
    assert (status, answer["reason"]) == (400, "VALIDATION_ERROR"), answer
    assert installation.kept.kept_keys == {}
    return [fault["field"] for fault in answer["details"]]


def test_a_signing_key_is_made_as_the_published_example_shows():
    answer, key = made(SYM, CREATE)
    expected = example("key-create.response")["keyInformation"]

    assert list(answer) == list(expected)
    assert answer == {
        "provider": "nrtd",
        "tenant": MERCHANT,
        "organizationId": MERCHANT,
        "keyId": key.key_id,
        "key": key.secret.reveal() if key.secret is not None else None,
        "keyType": "sharedSecret",
        "status": "active",
        "expirationDate": "2027-11-21T12:00:00Z",
    }
    assert len(base64.b64decode(answer["key"], validate=True)) == 32


def test_the_answer_bears_its_time():
    assert Installation().call("POST", SYM, CREATE).body["submitTimeUtc"] == "2026-11-21T12:00:00Z"


def test_oauth_credentials_are_stored_as_the_published_example_shows():
    answer, key = made(SYM, STORE)
    expected = example("key-store-oauth.response")["keyInformation"]

    assert list(answer) == list(expected)
    assert (answer["clientKeyId"], answer["key"]) == (key.client_id, key.secret.reveal() if key.secret else None)
    assert key.client_id == STORE["keyInformation"]["clientKeyId"]
    assert key.kind is WebhookKeyKind.OAUTH_CREDENTIALS


@pytest.mark.parametrize(
    "provider, tenant, answered",
    [
        ("nrtd", MERCHANT, ("nrtd", MERCHANT)),
        (MERCHANT, "nrtd", (MERCHANT, "nrtd")),
        (MERCHANT, "NRTD", (MERCHANT, "NRTD")),
        (..., ..., ("nrtd", MERCHANT)),
        ("nrtd", ..., ("nrtd", MERCHANT)),
        (..., "nrtd", (MERCHANT, "nrtd")),
        (..., MERCHANT, ("nrtd", MERCHANT)),
        (MERCHANT, ..., (MERCHANT, "nrtd")),
    ],
)
def test_provider_and_tenant_are_taken_in_either_order(provider, tenant, answered):
    answer, _ = made(SYM, with_key(CREATE, provider=provider, tenant=tenant))

    assert (answer["provider"], answer["tenant"]) == answered


@pytest.mark.parametrize("days, expected", [("30", 30), (30, 30), (..., 365), ("365", 365)])
def test_the_days_until_a_key_expires_are_text_or_number_and_a_year_when_left_out(days, expected):
    _, key = made(SYM, with_key(CREATE, expiryDuration=days))

    assert key.expires_at == NOON + timedelta(days=expected)


def test_a_certificate_expires_when_it_says_itself():
    answer, key = made(ASYM, a_certificate_request())
    expected = example("key-store-mle-certificate.response")["keyInformation"]
    end = load_pem_x509_certificate(a_pair().certificate).not_valid_after_utc

    assert list(answer) == list(expected)
    assert answer["pub"] == pub_of(a_pair())
    assert key.expires_at == end
    assert answer["expirationDate"] == f"{end:%Y-%m-%dT%H:%M:%SZ}"
    assert key.secret is None


@pytest.mark.parametrize("change", [lambda pub: pub.rstrip("="), lambda pub: pub[:64] + "\n" + pub[64:]])
def test_a_certificate_without_padding_or_on_several_lines_is_read(change):
    _, key = made(ASYM, a_certificate_request(pub=change(pub_of(a_pair()))))

    assert key.certificate_der == load_pem_x509_certificate(a_pair().certificate).public_bytes(Encoding.DER)


def test_a_private_key_beside_the_certificate_is_kept_and_not_shown():
    answer, key = made(ASYM, a_certificate_request(pvt=pvt_of(a_pair())))

    assert key.secret is not None
    assert key.secret.reveal() == pvt_of(a_pair())
    assert not {"key", "pvt"} & set(answer)


@pytest.mark.parametrize(
    "path, document, fields",
    [
        (SYM, {}, ["clientRequestAction", "keyInformation"]),
        (SYM, {"clientRequestAction": "CREATE", "keyInformation": "key"}, ["keyInformation"]),
        (SYM, CREATE | {"clientRequestAction": "DELETE"}, ["clientRequestAction"]),
        (SYM, CREATE | {"clientRequestAction": "STORE"}, ["clientRequestAction"]),
        (SYM, STORE | {"clientRequestAction": "CREATE"}, ["clientRequestAction"]),
        (SYM, CREATE | {"clientReferenceInformation": {"code": "a" * 51}}, ["clientReferenceInformation.code"]),
        (SYM, with_key(CREATE, keyType=...), ["keyInformation.keyType"]),
        (SYM, with_key(CREATE, keyType="publickey"), ["keyInformation.keyType"]),
        (SYM, with_key(CREATE, organizationId="another"), ["keyInformation.organizationId"]),
        (SYM, with_key(CREATE, tenant="another"), ["keyInformation.provider"]),
        (SYM, with_key(CREATE, provider="aws"), ["keyInformation.provider"]),
        (SYM, with_key(CREATE, provider=MERCHANT), ["keyInformation.provider"]),
        (SYM, with_key(CREATE, expiryDuration="0"), ["keyInformation.expiryDuration"]),
        (SYM, with_key(CREATE, expiryDuration="4000"), ["keyInformation.expiryDuration"]),
        (SYM, with_key(STORE, key=..., clientKeyId=...), ["keyInformation.clientKeyId", "keyInformation.key"]),
        (SYM, with_key(STORE, key="a" * 4097), ["keyInformation.key"]),
        (ASYM, with_key(CREATE, keyType="sharedSecret"), ["keyInformation.keyType"]),
        (ASYM, example("key-store-mle-certificate.request"), ["keyInformation.pub"]),
        (ASYM, with_key(example("key-store-mle-certificate.request"), pub=...), ["keyInformation.pub"]),
        (ASYM, with_key(example("key-store-mle-certificate.request"), pub="AAAA"), ["keyInformation.pub"]),
    ],
)
def test_a_request_for_a_key_that_is_wrong_is_refused_naming_the_member(path, document, fields):
    assert faults_of(path, document) == fields


def test_a_private_key_that_cannot_sign_for_the_certificate_is_refused():
    other = create_leaf(
        create_authority(datetime.now(UTC)), ["other.example"], datetime.now(UTC), key_type=KeyType.RSA_2048
    )
    curve = a_pair(KeyType.ECDSA_P256)

    assert faults_of(ASYM, a_certificate_request(pvt="AAAA")) == ["keyInformation.pvt"]
    assert faults_of(ASYM, a_certificate_request(pvt=pvt_of(other))) == ["keyInformation.pvt"]
    assert faults_of(ASYM, a_certificate_request(pvt=pvt_of(curve))) == ["keyInformation.pvt"]
    assert faults_of(ASYM, a_certificate_request(pub=pub_of(curve), pvt=pvt_of(curve))) == ["keyInformation.pvt"]


def test_the_twenty_first_key_in_use_is_refused():
    installation = Installation()
    for _ in range(20):
        assert installation.call("POST", SYM, STORE).status == 201

    status, answer = installation.call("POST", SYM, CREATE)
    assert (status, answer["reason"]) == (400, "LIMIT_EXCEEDED")


members = st.sampled_from(
    ["provider", "tenant", "keyType", "organizationId", "clientKeyId", "key", "pub", "pvt", "expiryDuration"]
)
texts = st.sampled_from([MERCHANT, "nrtd", "sharedSecret", "oAuthClientCredentials", "publickey", "MIIB", "365"])


@given(
    st.sampled_from([SYM, ASYM]),
    st.sampled_from(["CREATE", "STORE", "x", None]),
    st.dictionaries(members, st.none() | st.integers() | st.booleans() | texts | st.text(max_size=20)),
    st.binary(max_size=60),
)
def test_no_body_makes_a_key_call_fail(path, action, key, der):
    bodies = (key, key | {"pub": base64.b64encode(der).decode()})
    for body in bodies:
        document = {"clientRequestAction": action, "keyInformation": body}
        assert Installation().call("POST", path, document).status in (201, 400)
