"""Bearer tokens: the published vector, the forms of every client, and everything that must be refused."""

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from access import (
    HOST,
    KEY_ID,
    MERCHANT,
    NOW,
    P12_KEY_ID,
    P12_PASSWORD,
    PORTFOLIO,
    SECRET,
    FixedClock,
    KeysInMemory,
    a_p12,
    caller_of,
    certificate_key,
    refusal_of,
    request_with,
    shared_key,
    some_callers,
)
from paydue.usecases.access_keys import AccessKey
from paydue.wire.caller import Caller, Callers, SignedRequest
from signing import (
    claims_of,
    open_p12,
    sign_http,
    sign_jwt_p12,
    sign_jwt_shared,
    sign_jwt_v1,
    token_by_rsa,
    token_by_secret,
)

AT = int(NOW.timestamp())
BODY = b'{"invoiceInformation":{"dueDate":"2026-06-30"}}'
LIST = "/invoicing/v2/invoices?offset=0&limit=10"
CREATE = "/invoicing/v2/invoices"
META_KEY = {"merchant_id": PORTFOLIO, "portfolio_id": PORTFOLIO, "merchants": (MERCHANT, "acme_other")}
HEADER = {"alg": "HS256", "kid": KEY_ID, "typ": "JWT"}

PUBLISHED_HEADER = b'{"alg":"HS256","kid":"f3b7a9c2-5d14-4e6b-8a90-1c2d3e4f5a6b","typ":"JWT"}'
PUBLISHED_CLAIMS = (
    b'{"digest":"U7PHLWxiqFeH9aOLo6bKZIFowFuxlNkLTEtixooh4M8=","digestAlgorithm":"SHA-256","exp":1777975320,'
    b'"iat":1777975200,"iss":"acme_test","jti":"6f0c1d7e-3a52-4b8e-9d41-7e2a9c5b8f10","request-host":"localhost:8443",'
    b'"request-method":"POST","request-resource-path":"/invoicing/v2/invoices","v-c-jwt-version":"2",'
    b'"v-c-merchant-id":"acme_test"}'
)
PUBLISHED_SIGNATURE = "ncy48Kq4bT1MUDBoBhggOBELbAqbqCaV7TVPsbTw2hw"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


PUBLISHED = f"{base64url(PUBLISHED_HEADER)}.{base64url(PUBLISHED_CLAIMS)}.{PUBLISHED_SIGNATURE}"


def bearing(token: str, method: str = "GET", target: str = LIST, body: bytes = b"") -> SignedRequest:
    return request_with({"Authorization": f"Bearer {token}"}, method, target, body)


def get_with(**changes: Any) -> SignedRequest:
    """Return a signed GET; the changes are claims, or `at` and `algorithm`."""
    given = {"at": AT} | changes
    return request_with(sign_jwt_shared("GET", LIST, HOST, MERCHANT, KEY_ID, SECRET, **given))


def post_with(body: bytes = BODY, method: str = "POST", **changes: Any) -> SignedRequest:
    given = {"at": AT} | changes
    headers = sign_jwt_shared(method, CREATE, HOST, MERCHANT, KEY_ID, SECRET, body, **given)
    return request_with(headers, method, CREATE, body)


def p12_get(algorithm: str = "RS256", **changes: Any) -> SignedRequest:
    given = {"at": AT, "algorithm": algorithm} | changes
    return request_with(sign_jwt_p12("GET", LIST, HOST, MERCHANT, a_p12(), P12_PASSWORD, **given))


def both_keys(**options: Any) -> Callers:
    return some_callers(shared_key(), certificate_key(a_p12()), **options)


def test_the_published_vector_is_accepted() -> None:
    assert caller_of(some_callers(), bearing(PUBLISHED, "POST", CREATE, BODY)) == Caller(MERCHANT, KEY_ID)


def test_the_signing_client_of_the_tests_makes_the_published_signature() -> None:
    assert token_by_secret(PUBLISHED_HEADER, PUBLISHED_CLAIMS, SECRET) == PUBLISHED


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_shared_secret_signs_with_each_hmac_algorithm(algorithm: str) -> None:
    assert caller_of(both_keys(), get_with(algorithm=algorithm)) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_a_certificate_signs_with_each_rsa_algorithm(algorithm: str) -> None:
    assert caller_of(both_keys(), p12_get(algorithm)) == Caller(MERCHANT, P12_KEY_ID)


@pytest.mark.parametrize(
    "changes",
    [
        {"request_method": "get"},
        {"request_resource_path": "/invoicing/v2/invoices"},
        {"request_resource_path": ""},
        {"request_resource_path": None},
        {"v_c_jwt_version": 2},
        {"v_c_merchant_id": "ACME_TEST", "iss": "Acme_Test"},
        {"request_host": "APITEST.cybersource.com"},
        {"iat": str(AT)},
        {"iat": AT - 0.5, "exp": AT + 0.25},
        {"exp": AT - 60},
        {"v_c_response_mle_kid": "some key", "another": {"deep": [1, None, True]}},
    ],
)
def test_claims_may_take_every_form_that_clients_send(changes: dict[str, Any]) -> None:
    assert caller_of(some_callers(), get_with(**changes)) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"digestAlgorithm": None, "digest_algorithm": "SHA-256"},
        {"digestAlgorithm": "sha-256"},
        {"digestAlgorithm": None},
        {"digest": "SHA-256=U7PHLWxiqFeH9aOLo6bKZIFowFuxlNkLTEtixooh4M8="},
    ],
)
def test_the_digest_may_take_every_form_that_clients_send(changes: dict[str, Any]) -> None:
    assert caller_of(some_callers(), post_with(**changes)) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_every_method_with_a_digest_is_accepted(method: str) -> None:
    assert caller_of(some_callers(), post_with(b"{}", method)) == Caller(MERCHANT, KEY_ID)


def test_a_header_may_name_keys_and_is_not_listened_to() -> None:
    odd = {**HEADER, "jku": "https://evil.example", "x5u": "https://evil.example", "jwk": {"kty": "oct", "k": "AAAA"}}
    token = token_by_secret(odd, claims_of("GET", LIST, HOST, MERCHANT, at=AT), SECRET)
    assert caller_of(some_callers(), bearing(token)) == Caller(MERCHANT, KEY_ID)
    own_key = base64.b64encode(bytes(3)).decode()
    refusal_of(some_callers(), bearing(token_by_secret(odd, claims_of("GET", LIST, HOST, MERCHANT, at=AT), own_key)))


REFUSED: dict[str, dict[str, Any]] = {
    "another method": {"request_method": "POST"},
    "no method": {"request_method": None},
    "another path": {"request_resource_path": "/invoicing/v2/invoices/1"},
    "another query": {"request_resource_path": "/invoicing/v2/invoices?offset=0&limit=11"},
    "half a path": {"request_resource_path": "/invoicing/v2"},
    "a path that is no text": {"request_resource_path": 1},
    "another host": {"request_host": "evil.example"},
    "no host": {"request_host": None},
    "another issuer": {"iss": "acme_other"},
    "no issuer": {"iss": None},
    "a portfolio that is not the key's": {"iss": PORTFOLIO},
    "another merchant": {"v_c_merchant_id": "acme_other"},
    "no merchant": {"v_c_merchant_id": None},
    "version 1": {"v_c_jwt_version": "1"},
    "version 3": {"v_c_jwt_version": 3},
    "a version that is a list": {"v_c_jwt_version": ["2"]},
    "a version that is an object": {"v_c_jwt_version": {"2": 2}},
    "no version": {"v_c_jwt_version": None},
    "no iat": {"iat": None},
    "iat as HTTP date": {"iat": "Tue, 05 May 2026 10:00:00 GMT"},
    "iat as truth": {"iat": True, "exp": 100},
    "iat too large": {"iat": 10**30, "exp": 10**30},
    "iat below zero": {"iat": -1},
    "no exp": {"exp": None},
    "exp as truth": {"exp": True},
    "a life too long": {"exp": AT + 121},
    "iat in the future": {"iat": AT + 301, "exp": AT + 302},
    "expired": {"iat": AT - 400, "exp": AT - 301},
    "no jti": {"jti": None},
    "an empty jti": {"jti": ""},
    "a jti that is no text": {"jti": 5},
    "a jti too long": {"jti": "j" * 256},
    "a digest of something": {"digest": "U7PHLWxiqFeH9aOLo6bKZIFowFuxlNkLTEtixooh4M8="},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_token_that_is_not_for_this_request_is_refused(case: str) -> None:
    refusal = refusal_of(some_callers(), get_with(**REFUSED[case]))
    assert refusal.reason
    assert refusal.hint


REFUSED_BODIES: dict[str, SignedRequest] = {
    "another body": request_with(post_with().headers, "POST", CREATE, BODY.replace(b"30", b"29")),
    "no digest": post_with(digest=None),
    "an empty digest": post_with(digest=""),
    "a digest that is no text": post_with(digest=1),
    "a digest in hexadecimal": post_with(digest="53b3c72d6c62a85787f5a38ba3a6ca648168c05bb194d90b4c4b62c68a21e0cf"),
    "SHA-512": post_with(digestAlgorithm="SHA-512"),
    "two algorithms": post_with(digest_algorithm="SHA-1"),
    "an algorithm that is no text": post_with(digestAlgorithm=256),
    "GET with an unsigned body": request_with(get_with().headers, body=b"{}"),
    "DELETE with an unsigned body": request_with(get_with(request_method="DELETE").headers, "DELETE", body=b"{}"),
    "POST without a path": post_with(request_resource_path=""),
    "POST without any path": post_with(request_resource_path=None),
}


@pytest.mark.parametrize("case", REFUSED_BODIES)
def test_a_body_that_is_not_the_signed_one_is_refused(case: str) -> None:
    refusal_of(some_callers(), REFUSED_BODIES[case])


@pytest.mark.parametrize(
    "changes",
    [{"iat": AT + 300, "exp": AT + 420}, {"iat": AT - 420, "exp": AT - 300}, {"exp": AT + 120}],
)
def test_times_at_the_edge_are_accepted(changes: dict[str, Any]) -> None:
    assert caller_of(some_callers(), get_with(**changes)) == Caller(MERCHANT, KEY_ID)


def test_the_hint_on_time_says_by_how_many_seconds() -> None:
    refusal = refusal_of(some_callers(), get_with(**REFUSED["expired"]))
    assert "301 s behind" in refusal.hint
    assert "05 May 2026" in refusal.reason
    assert "05 May 2026" not in refusal.hint


def test_a_portfolio_issues_for_its_merchants() -> None:
    callers = some_callers(shared_key(**META_KEY), certificate_key(a_p12(), **META_KEY))
    for merchant in (MERCHANT, "acme_other"):
        assert caller_of(callers, get_with(iss=PORTFOLIO, v_c_merchant_id=merchant)) == Caller(merchant, KEY_ID)
        assert caller_of(callers, p12_get(iss=PORTFOLIO, v_c_merchant_id=merchant)) == Caller(merchant, P12_KEY_ID)
    refusal_of(callers, get_with(iss=MERCHANT))
    refusal_of(callers, get_with(iss=PORTFOLIO, v_c_merchant_id="uncovered"))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS1", "HS224", "ES256", "EdDSA", "hs256", "HS256 "])
def test_a_foreign_algorithm_is_refused(algorithm: str) -> None:
    claims = claims_of("GET", LIST, HOST, MERCHANT, at=AT)
    for signature in ("", PUBLISHED_SIGNATURE):
        unsigned = token_by_secret(json.dumps({**HEADER, "alg": algorithm}).encode(), claims, SECRET).rpartition(".")[0]
        refusal_of(both_keys(), bearing(f"{unsigned}.{signature}"))


@pytest.mark.parametrize("alg", [None, 1, ["HS256"], {"HS256": 1}])
def test_an_algorithm_that_is_no_text_is_refused(alg: Any) -> None:
    header = json.dumps({**HEADER, "alg": alg}).encode()
    refusal_of(some_callers(), bearing(token_by_secret(header, claims_of("GET", LIST, HOST, MERCHANT, at=AT), SECRET)))


def test_a_public_key_does_not_serve_as_a_secret() -> None:
    certificate = open_p12(a_p12(), P12_PASSWORD)[1]
    claims = claims_of("GET", LIST, HOST, MERCHANT, at=AT)
    for public in (
        certificate.public_bytes(Encoding.DER),
        certificate.public_bytes(Encoding.PEM),
        certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        token = token_by_secret({**HEADER, "kid": P12_KEY_ID}, claims, base64.b64encode(public).decode())
        assert "HS256" in refusal_of(both_keys(), bearing(token)).hint


def test_an_rsa_token_does_not_pass_for_a_shared_secret() -> None:
    private_key, _ = open_p12(a_p12(), P12_PASSWORD)
    token = token_by_rsa({**HEADER, "alg": "RS256"}, claims_of("GET", LIST, HOST, MERCHANT, at=AT), private_key)
    assert "RS256" in refusal_of(both_keys(), bearing(token)).hint


def test_another_private_key_is_refused() -> None:
    private_key, _ = open_p12(a_p12("stranger"), P12_PASSWORD)
    header = {"alg": "RS256", "kid": P12_KEY_ID, "typ": "JWT"}
    refusal_of(both_keys(), bearing(token_by_rsa(header, claims_of("GET", LIST, HOST, MERCHANT, at=AT), private_key)))


@pytest.mark.parametrize(
    "kid", [None, "", 1, "unknown", "k" * 129, "nul\x00", "\ud800", "with\nbreak", "\u00e9", ["x"], {"a": 1}]
)
def test_a_key_id_that_is_unknown_or_none_is_refused(kid: Any) -> None:
    header = json.dumps({**HEADER, "kid": kid}).encode()
    refusal_of(some_callers(), bearing(token_by_secret(header, claims_of("GET", LIST, HOST, MERCHANT, at=AT), SECRET)))


@pytest.mark.parametrize("kid", ["k" * 129, "nul\x00", "with\nbreak", "\u00e9"])
def test_the_keyring_is_not_asked_for_what_no_key_id_looks_like(kid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL would refuse some of them with an error of its own."""
    callers = some_callers()
    monkeypatch.delattr(KeysInMemory, "find")
    header = json.dumps({**HEADER, "kid": kid}).encode()
    token = token_by_secret(header, claims_of("GET", LIST, HOST, MERCHANT, at=AT), SECRET)
    assert "key id" in refusal_of(callers, bearing(token)).reason


@pytest.mark.parametrize("claims", [PUBLISHED_CLAIMS.replace(b'"iss"', b'"a":"\xc2\xbf\xc2\xbe>>??","iss"')])
def test_a_part_in_another_base64_is_refused_although_it_was_signed(claims: bytes) -> None:
    key = base64.b64decode(SECRET)
    url = base64.urlsafe_b64encode(claims + b" " * (-len(claims) % 3)).decode()
    padded = base64.urlsafe_b64encode(claims + b" " * (-len(claims) % 3) + b" ").decode()
    standard = url.translate(str.maketrans("-_", "+/"))
    assert standard != url
    assert padded.endswith("==")
    for part, accepted in ((url, True), (padded, False), (standard, False)):
        signed = f"{base64url(PUBLISHED_HEADER)}.{part}"
        token = f"{signed}.{base64url(hmac.digest(key, signed.encode(), 'sha256'))}"
        request = bearing(token, "POST", CREATE, BODY)
        if accepted:
            assert caller_of(some_callers(), request) == Caller(MERCHANT, KEY_ID)
        else:
            assert "base64url" in refusal_of(some_callers(), request).reason


def test_a_revoked_key_is_refused() -> None:
    callers = some_callers(shared_key(is_revoked=True), certificate_key(a_p12(), is_revoked=True), accept_jwt_v1=True)
    old = request_with(sign_jwt_v1(HOST, MERCHANT, a_p12(), P12_PASSWORD, iat=AT))
    for request in (get_with(), p12_get(), old):
        assert "revoked" in refusal_of(callers, request).hint


def test_a_critical_extension_is_refused() -> None:
    header = {**HEADER, "crit": ["b64"], "b64": False}
    token = token_by_secret(header, claims_of("GET", LIST, HOST, MERCHANT, at=AT), SECRET)
    assert "crit" in refusal_of(some_callers(), bearing(token)).hint


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        (PUBLISHED_HEADER.replace(b'"typ"', b'"kid":"other","typ"'), PUBLISHED_CLAIMS),
        (PUBLISHED_HEADER, PUBLISHED_CLAIMS.replace(b'"iss"', b'"iat":1777975200,"iss"')),
        (PUBLISHED_HEADER, PUBLISHED_CLAIMS.replace(b'"iss":"acme_test"', b'"iss":"acme_test","a":{"b":1,"b":1}')),
        (PUBLISHED_HEADER, PUBLISHED_CLAIMS.replace(b"1777975320", b"NaN")),
        (PUBLISHED_HEADER, PUBLISHED_CLAIMS.replace(b"1777975320", b"1e400")),
        (PUBLISHED_HEADER, PUBLISHED_CLAIMS.replace(b"1777975320", b"1777975320" + b"0" * 5000)),
        (PUBLISHED_HEADER, PUBLISHED_CLAIMS[:-1]),
        (PUBLISHED_HEADER, PUBLISHED_CLAIMS + b"{}"),
        (PUBLISHED_HEADER, PUBLISHED_CLAIMS.decode().encode("utf-16")),
        (PUBLISHED_HEADER, b"[" + PUBLISHED_CLAIMS + b"]"),
        (PUBLISHED_HEADER, b'{"a":' * 2000),
        (PUBLISHED_HEADER, b""),
        (PUBLISHED_HEADER, b'"text"'),
        (b"null", PUBLISHED_CLAIMS),
        (b"\xff", PUBLISHED_CLAIMS),
    ],
)
def test_json_that_is_not_plain_is_refused(header: bytes, claims: bytes) -> None:
    refusal_of(some_callers(), bearing(token_by_secret(header, claims, SECRET), "POST", CREATE, BODY))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque-oauth-token",
        "a.b",
        "a.b.c.d",
        "..",
        PUBLISHED + ".",
        PUBLISHED + "=",
        PUBLISHED.replace(".", "..", 1),
        PUBLISHED.replace(".", "=.", 1),
        PUBLISHED.replace(".", " .", 1),
        PUBLISHED.replace(".", "\n.", 1),
        PUBLISHED[:-1] + "x",  # the same bytes in other base64
        PUBLISHED[:-1],
        PUBLISHED + "A" * 16_384,
    ],
)
def test_a_token_of_another_form_is_refused(token: str) -> None:
    refusal_of(some_callers(), bearing(token, "POST", CREATE, BODY))


def test_a_token_longer_than_the_limit_is_refused_before_it_is_read() -> None:
    claims = claims_of("GET", LIST, HOST, MERCHANT, at=AT, padding="x" * 13_000)
    assert "longer" in refusal_of(some_callers(), bearing(token_by_secret(HEADER, claims, SECRET))).reason


def test_no_byte_of_a_token_with_a_secret_can_be_changed() -> None:
    callers = some_callers(window_seconds=10**9)
    for place in range(len(PUBLISHED)):
        for mask in (0x01, 0x02, 0x04, 0x08, 0x10, 0x20):
            flipped = PUBLISHED[:place] + chr(ord(PUBLISHED[place]) ^ mask) + PUBLISHED[place + 1 :]
            refusal_of(callers, bearing(flipped, "POST", CREATE, BODY))
    assert caller_of(callers, bearing(PUBLISHED, "POST", CREATE, BODY)) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_no_byte_of_a_token_with_a_certificate_can_be_changed(algorithm: str) -> None:
    callers = both_keys(window_seconds=10**9)
    request = p12_get(algorithm)
    token = dict(request.headers)[b"authorization"].decode().removeprefix("Bearer ")
    for place in range(len(token)):
        flipped = token[:place] + chr(ord(token[place]) ^ 0x01) + token[place + 1 :]
        refusal_of(callers, bearing(flipped))
    assert caller_of(callers, request) == Caller(MERCHANT, P12_KEY_ID)


def test_a_token_is_accepted_once() -> None:
    callers = both_keys()
    for request in (get_with(), p12_get()):
        assert caller_of(callers, request).merchant_id == MERCHANT
        for _ in range(2):
            assert "used before" in refusal_of(callers, request).hint


def test_a_jti_is_used_up_for_its_key_alone() -> None:
    callers = both_keys()
    assert caller_of(callers, get_with(jti="the same")).key_id == KEY_ID
    assert caller_of(callers, p12_get(jti="the same")).key_id == P12_KEY_ID
    refusal_of(callers, get_with(jti="the same", at=AT + 1))


def test_a_jti_stays_used_as_long_as_its_token_is_good() -> None:
    clock = FixedClock()
    callers = some_callers(clock=clock)
    request = get_with(iat=AT + 300, exp=AT + 420)
    assert caller_of(callers, request) == Caller(MERCHANT, KEY_ID)
    for _ in range(720 // 5):
        clock.move(5)
        assert "used before" in refusal_of(callers, request).hint
    clock.move(1)
    assert "exp" in refusal_of(callers, request).hint


def test_a_refused_request_does_not_use_the_jti_up() -> None:
    callers = some_callers()
    request = get_with()
    for wrong in (
        request_with(request.headers, "DELETE"),
        request_with(request.headers, target="/invoicing/v2/x"),
        request_with(request.headers, body=b"{}"),
    ):
        refusal_of(callers, wrong)
    assert caller_of(callers, request) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize("iat", ["Tue, 05 May 2026 9:59:00 GMT", AT, str(AT), AT - 300, AT + 300])
def test_a_version_1_token_is_accepted_where_the_operator_allows_it(iat: str | int) -> None:
    headers = sign_jwt_v1(HOST, MERCHANT, a_p12(), P12_PASSWORD, BODY, iat=iat)
    request = request_with(headers, "POST", CREATE, BODY)
    assert caller_of(both_keys(accept_jwt_v1=True), request) == Caller(MERCHANT, P12_KEY_ID)
    assert "accept_jwt_v1" in refusal_of(both_keys(), request).hint


@pytest.mark.parametrize("iat", [AT - 301, AT + 301, "", "yesterday", True, None, "Mon, 04 May 2026 10:00:00 GMT"])
def test_a_version_1_token_outside_the_window_is_refused(iat: Any) -> None:
    headers = sign_jwt_v1(HOST, MERCHANT, a_p12(), P12_PASSWORD, iat="" if iat is None else iat)
    assert "iat" in refusal_of(both_keys(accept_jwt_v1=True), request_with(headers)).hint


def test_a_version_1_token_binds_its_body() -> None:
    callers = both_keys(accept_jwt_v1=True)
    headers = sign_jwt_v1(HOST, MERCHANT, a_p12(), P12_PASSWORD, BODY, iat=AT)
    assert "digest" in refusal_of(callers, request_with(headers, "POST", CREATE, BODY + b" ")).hint
    without = sign_jwt_v1(HOST, MERCHANT, a_p12(), P12_PASSWORD, iat=AT)
    assert caller_of(callers, request_with(without)) == Caller(MERCHANT, P12_KEY_ID)
    refusal_of(callers, request_with(without, "POST", CREATE, b""))
    refusal_of(callers, request_with(without, body=b"{}"))


def test_a_certificate_that_is_not_registered_proves_nothing() -> None:
    strange = request_with(sign_jwt_v1(HOST, MERCHANT, a_p12("stranger"), P12_PASSWORD, iat=AT))
    assert "x5c" in refusal_of(both_keys(accept_jwt_v1=True), strange).hint


def test_a_keyring_that_finds_another_certificate_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def find_any(_: KeysInMemory, __: bytes) -> AccessKey:
        return certificate_key(a_p12("stranger"))

    monkeypatch.setattr(KeysInMemory, "find_certificate", find_any)
    request = request_with(sign_jwt_v1(HOST, MERCHANT, a_p12(), P12_PASSWORD, iat=AT))
    assert "x5c" in refusal_of(both_keys(accept_jwt_v1=True), request).hint


def test_a_registered_certificate_proves_nothing_without_its_private_key() -> None:
    registered = open_p12(a_p12(), P12_PASSWORD)[1].public_bytes(Encoding.DER)
    stranger, _ = open_p12(a_p12("stranger"), P12_PASSWORD)
    header = {"alg": "RS256", "v-c-merchant-id": MERCHANT, "x5c": [base64.b64encode(registered).decode()]}
    refusal_of(both_keys(accept_jwt_v1=True), bearing(token_by_rsa(header, {"iat": AT}, stranger)))
    secret = base64.b64encode(registered).decode()
    refusal_of(both_keys(accept_jwt_v1=True), bearing(token_by_secret({**header, "alg": "HS256"}, {"iat": AT}, secret)))


@pytest.mark.parametrize("x5c", [None, "", [], [1], [""], ["%%%"], ["AAAA"], {"0": "AAAA"}, ["\u00e9"], [None]])
def test_an_x5c_of_another_form_is_refused(x5c: Any) -> None:
    private_key, _ = open_p12(a_p12(), P12_PASSWORD)
    header = {"alg": "RS256", "v-c-merchant-id": MERCHANT, "x5c": x5c}
    refusal_of(both_keys(accept_jwt_v1=True), bearing(token_by_rsa(header, {"iat": AT}, private_key)))


def test_a_version_1_token_needs_a_merchant_that_the_key_covers() -> None:
    callers = some_callers(certificate_key(a_p12(), **META_KEY), accept_jwt_v1=True)
    covered = request_with(sign_jwt_v1(HOST, "acme_other", a_p12(), P12_PASSWORD, iat=AT))
    assert caller_of(callers, covered) == Caller("acme_other", P12_KEY_ID)
    refusal_of(callers, request_with(sign_jwt_v1(HOST, "uncovered", a_p12(), P12_PASSWORD, iat=AT)))


def test_a_version_2_key_id_does_not_make_a_version_1_token_good() -> None:
    """A token without version 2 is refused even where version 1 is allowed, unless its certificate is registered."""
    callers = both_keys(accept_jwt_v1=True)
    assert "v-c-jwt-version" in refusal_of(callers, get_with(v_c_jwt_version=None)).hint
    assert "v-c-jwt-version" in refusal_of(callers, p12_get(v_c_jwt_version=None)).hint


def test_version_1_tokens_may_be_repeated_unless_the_operator_refuses_it() -> None:
    request = request_with(sign_jwt_v1(HOST, MERCHANT, a_p12(), P12_PASSWORD, iat=AT))
    lenient, strict = both_keys(accept_jwt_v1=True), both_keys(accept_jwt_v1=True, replay="reject")
    for _ in range(2):
        assert caller_of(lenient, request).key_id == P12_KEY_ID
    assert caller_of(strict, request).key_id == P12_KEY_ID
    assert "before" in refusal_of(strict, request).hint


def test_hints_hold_neither_secret_nor_expected_signature() -> None:
    raw = base64.b64decode(SECRET)
    wrong = base64.b64encode(bytes(32)).decode()
    odd = [
        *(get_with(**changes) for changes in REFUSED.values()),
        *REFUSED_BODIES.values(),
        bearing(token_by_secret(HEADER, claims_of("GET", LIST, HOST, MERCHANT, at=AT), wrong)),
        get_with(request_host="h\u00f6st\\\n" + "x" * 3000),
    ]
    for request in odd:
        refusal = refusal_of(some_callers(), request)
        signed = dict(request.headers)[b"authorization"].split()[1].rpartition(b".")[0]
        for text in (refusal.hint, refusal.reason):
            assert text.isascii()
            assert text.isprintable()
            assert len(text) < 1000
            assert SECRET not in text
            assert raw.decode() not in text
            assert base64url(hmac.digest(raw, signed, "sha256")) not in text


def test_a_secret_that_was_not_decoded_is_named_in_the_hint() -> None:
    text_as_key = base64.b64encode(SECRET.encode()).decode()
    token = token_by_secret(HEADER, claims_of("GET", LIST, HOST, MERCHANT, at=AT), text_as_key)
    assert "base64-decoded" in refusal_of(some_callers(), bearing(token)).hint


def test_a_token_and_a_signature_together_are_refused() -> None:
    both = [
        *get_with().headers,
        *request_with(sign_http("GET", LIST, HOST, MERCHANT, KEY_ID, SECRET, date=NOW)).headers[1:],
    ]
    assert "both" in refusal_of(some_callers(), request_with(both)).hint
