"""The door as a whole: which way of signing is taken, limits, one-time values, and what never happens."""

import base64
import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access import (
    HOST,
    KEY_ID,
    MERCHANT,
    NOW,
    P12_KEY_ID,
    SECRET,
    FixedClock,
    a_p12,
    caller_of,
    certificate_key,
    refusal_of,
    request_with,
    run_at_once,
    shared_key,
    some_callers,
)
from paydue.usecases.access_keys import (
    AccessKey,
    KeyKind,
    ReplayMemoryFull,
    Secret,
    new_key_id,
    new_shared_secret,
)
from paydue.wire.authentication import shown
from paydue.wire.caller import Caller, Callers, NotAuthenticated, SignedRequest, TooManyRequests
from paydue.wire.http_date import read_http_date, write_http_date
from paydue.wire.replay_memory import ReplayMemory
from signing import sign_http, sign_jwt_shared

LIST = "/invoicing/v2/invoices?offset=0&limit=10"
WRONG_SECRET = base64.b64encode(bytes(32)).decode()


def signed(
    secret: str = SECRET, key_id: str = KEY_ID, client: str | None = "192.0.2.7", **changes: Any
) -> SignedRequest:
    given = {"host": HOST, "merchant": MERCHANT, "date": NOW} | changes
    return request_with(sign_http("GET", LIST, key_id=key_id, secret=secret, **given), client=client)


def with_token(**changes: Any) -> SignedRequest:
    return request_with(sign_jwt_shared("GET", LIST, HOST, MERCHANT, KEY_ID, SECRET, at=NOW.timestamp(), **changes))


def outcome_of(callers: Callers, request: SignedRequest) -> int:
    """Return the status that the caller would see."""
    try:
        caller_of(callers, request)
    except NotAuthenticated:
        return 401
    except TooManyRequests:
        return 429
    return 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer a.b.c"},
        {"authorization": 'Signature keyid="x"'},
        {"signature": ""},
        {"signature": '"""'},
        {"host": HOST, "date": "now"},
    ],
)
def test_a_request_without_good_credentials_is_refused(headers: dict[str, str]) -> None:
    refusal = refusal_of(some_callers(), request_with(headers))
    assert refusal.reason
    assert refusal.hint


def test_both_ways_at_once_are_refused() -> None:
    both = request_with([*signed().headers, *with_token().headers[1:]])
    assert "both" in refusal_of(some_callers(), both).hint


def test_a_token_sent_twice_is_refused() -> None:
    token = with_token().headers
    assert "authorization" in refusal_of(some_callers(), request_with([*token, token[-1]])).hint


def test_the_word_bearer_may_be_in_any_case() -> None:
    headers = [(name, value.replace(b"Bearer", b"bEARER")) for name, value in with_token().headers]
    assert caller_of(some_callers(), request_with(headers)) == Caller(MERCHANT, KEY_ID)


def test_an_authority_stands_in_for_a_missing_host() -> None:
    headers = [(b":authority" if name == b"host" else name, value) for name, value in signed().headers]
    assert caller_of(some_callers(), request_with(headers)) == Caller(MERCHANT, KEY_ID)


def test_wrong_signatures_with_one_key_are_limited_wherever_they_come_from() -> None:
    callers = some_callers(failures_per_minute=20)
    outcomes = [outcome_of(callers, signed(WRONG_SECRET, client=f"192.0.2.{number}")) for number in range(22)]
    assert outcomes == [401] * 20 + [429] * 2


def test_wrong_signatures_from_one_address_are_limited_whatever_the_key() -> None:
    callers = some_callers(failures_per_minute=20)
    outcomes = [outcome_of(callers, signed(WRONG_SECRET, key_id=f"key-{number}")) for number in range(22)]
    assert outcomes == [401] * 20 + [429] * 2


def test_after_a_minute_wrong_signatures_are_unauthorised_again() -> None:
    clock = FixedClock()
    callers = some_callers(clock=clock, failures_per_minute=1)
    assert [outcome_of(callers, signed(WRONG_SECRET)) for _ in range(2)] == [401, 429]
    with pytest.raises(TooManyRequests) as caught:
        caller_of(callers, signed(WRONG_SECRET))
    assert caught.value.retry_after == 60
    clock.move(60)
    assert outcome_of(callers, signed(WRONG_SECRET)) == 401


def test_strangers_who_are_wrong_do_not_lock_a_good_caller_out() -> None:
    """A key id is no secret, and many callers share an address behind a proxy."""
    callers = some_callers(failures_per_minute=1)
    assert [outcome_of(callers, signed(WRONG_SECRET)) for _ in range(5)] == [401, 429, 429, 429, 429]
    assert outcome_of(callers, signed()) == 200


def test_no_credentials_are_no_failure() -> None:
    callers = some_callers(failures_per_minute=1)
    assert [outcome_of(callers, request_with({})) for _ in range(50)] == [401] * 50


def test_a_limit_of_zero_counts_nothing() -> None:
    callers = some_callers(failures_per_minute=0)
    assert [outcome_of(callers, signed(WRONG_SECRET)) for _ in range(50)] == [401] * 50


def test_a_key_that_calls_too_often_has_to_wait() -> None:
    callers = some_callers(shared_key(), shared_key(key_id="other"), requests_per_second=1, burst=3)
    assert [outcome_of(callers, signed()) for _ in range(5)] == [200, 200, 200, 429, 429]
    assert outcome_of(callers, signed(key_id="other")) == 200
    with pytest.raises(TooManyRequests) as caught:
        caller_of(callers, signed())
    assert caught.value.retry_after == 1
    assert caught.value.key_id == KEY_ID


def test_wrong_signatures_use_up_nobodys_requests() -> None:
    callers = some_callers(requests_per_second=1, burst=1)
    for _ in range(20):
        assert outcome_of(callers, signed(WRONG_SECRET)) == 401
    assert outcome_of(callers, signed()) == 200


def test_a_full_memory_of_one_time_values_makes_callers_wait() -> None:
    callers = some_callers()
    callers._jwt_tokens._replay_guard = ReplayMemory(FixedClock(), capacity=1)
    assert outcome_of(callers, with_token()) == 200
    assert outcome_of(callers, with_token()) == 429
    assert outcome_of(callers, signed()) == 200


def test_one_time_values_are_remembered_until_their_time_and_then_forgotten() -> None:
    clock = FixedClock()
    memory = ReplayMemory(clock, capacity=2)
    until = NOW + timedelta(seconds=420)
    assert run_at_once(memory.first_use(shared_key(), "a", until))
    assert run_at_once(memory.first_use(shared_key(), "b", until + timedelta(seconds=60)))
    clock.move(420)
    assert not run_at_once(memory.first_use(shared_key(), "a", until))
    with pytest.raises(ReplayMemoryFull):
        run_at_once(memory.first_use(shared_key(), "c", until))
    clock.move(5)
    assert run_at_once(memory.first_use(shared_key(), "c", until + timedelta(seconds=60)))
    assert not run_at_once(memory.first_use(shared_key(), "b", until))


def test_one_time_values_of_two_keys_are_not_mixed_up() -> None:
    memory = ReplayMemory(FixedClock())
    until = NOW + timedelta(seconds=1)
    assert run_at_once(memory.first_use(shared_key(key_id="ab"), "c", until))
    assert run_at_once(memory.first_use(shared_key(key_id="a"), "bc", until))
    assert run_at_once(memory.first_use(shared_key(key_id="a"), "\ud800", until))


def test_a_refusal_names_the_claimed_key_for_the_log() -> None:
    assert refusal_of(some_callers(), signed(WRONG_SECRET)).key_id == KEY_ID
    assert refusal_of(some_callers(), with_token(iss="other")).key_id == KEY_ID
    assert refusal_of(some_callers(), request_with({})).key_id is None


header_bytes = st.binary(max_size=120)


@given(
    method=st.text(max_size=8),
    target=st.binary(max_size=60),
    body=st.binary(max_size=30),
    signature=header_bytes | st.text('keyidhrsgntualom="=, \\\n', max_size=120).map(str.encode),
    date=header_bytes,
    digest=header_bytes,
    merchant=header_bytes,
)
def test_nothing_but_a_refusal_comes_of_arbitrary_headers(
    method: str, target: bytes, body: bytes, signature: bytes, date: bytes, digest: bytes, merchant: bytes
) -> None:
    names = (b"signature", b"host", b"date", b"v-c-date", b"digest", b"v-c-merchant-id")
    headers = list(zip(names, (signature, HOST.encode(), date, date, digest, merchant), strict=True))
    refusal_of(some_callers(), request_with(headers, method, target, body))
    start = f'keyid="{KEY_ID}", headers="host date v-c-date request-target digest v-c-merchant-id", signature="'
    headers[0] = (b"signature", start.encode() + signature.replace(b'"', b"") + b'"')
    refusal_of(some_callers(retry_one_second_earlier=True), request_with(headers, method, target, body))


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.binary(max_size=10))
def test_nothing_but_a_refusal_comes_of_arbitrary_tokens(parts: list[bytes], between: bytes) -> None:
    encoded = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    for token in (encoded, between.join(parts), encoded + between):
        refusal_of(some_callers(), request_with([(b"authorization", b"Bearer " + token)]))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=3), children, max_size=2),
    max_leaves=4,
)


CLAIMS = "iat exp iss jti request_host request_method request_resource_path v_c_merchant_id digest v_c_jwt_version"


@given(st.dictionaries(st.sampled_from(CLAIMS.split()), json_values, min_size=1, max_size=3))
def test_arbitrary_claims_under_a_good_signature_end_in_an_answer_or_a_refusal(claims: dict[str, Any]) -> None:
    assert outcome_of(some_callers(), with_token(**claims)) in {200, 401}


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    key = shared_key()
    for text in (repr(key), str(key), f"{key.secret}", repr([key.secret]), repr(Callers), str(vars(KeyKind))):
        assert SECRET not in text
    assert "***" in repr(key)
    assert key.secret is not None
    assert key.secret.reveal() == SECRET
    assert key.secret == Secret(SECRET)
    assert key.secret != Secret(WRONG_SECRET)
    assert key.secret != SECRET
    with pytest.raises(TypeError):
        pickle.dumps(key.secret)


@pytest.mark.parametrize(
    "changes",
    [{"secret": None}, {"secret": Secret("not base64!")}, {"secret": Secret("")}, {"certificate_der": b"x"}],
)
def test_a_key_that_could_verify_nothing_is_not_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=KEY_ID):
        shared_key(**changes)


@pytest.mark.parametrize("changes", [{"certificate_der": None}, {"secret": Secret(SECRET)}])
def test_a_certificate_key_is_made_of_a_certificate_alone(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=P12_KEY_ID):
        certificate_key(a_p12(), **changes)


def test_a_certificate_that_cannot_be_read_refuses_and_does_not_fail() -> None:
    broken = AccessKey(
        key_id="broken",
        merchant_id=MERCHANT,
        kind=KeyKind.CERTIFICATE,
        certificate_der=b"\x30\x00",
        merchants=(MERCHANT,),
    )
    claims = sign_jwt_shared("GET", LIST, HOST, MERCHANT, "broken", SECRET, at=NOW.timestamp())
    header = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"broken"}').rstrip(b"=").decode()
    token = f"Bearer {header}." + claims["Authorization"].partition(".")[2]
    assert "certificate" in refusal_of(some_callers(broken), request_with({"Authorization": token})).reason


def test_new_keys_are_fresh_and_of_the_usual_form() -> None:
    first, second = new_shared_secret(), new_shared_secret()
    assert first != second
    assert len(base64.b64decode(first.reveal(), validate=True)) == 32
    assert new_key_id() != new_key_id()
    key_id, secret = new_key_id(), first
    callers = some_callers(shared_key(key_id=key_id, secret=secret))
    assert caller_of(callers, signed(secret.reveal(), key_id)) == Caller(MERCHANT, key_id)


def test_a_date_is_written_and_read_back() -> None:
    assert write_http_date(0) == b"Thu, 01 Jan 1970 00:00:00 GMT"
    for seconds in (0, 951782400, 1777975200, 4102444799):
        assert read_http_date(write_http_date(seconds)) == seconds


def test_a_foreign_value_is_shown_on_one_line_of_plain_ascii() -> None:
    assert shown("a\r\n\tb\\n\u00e9\ud800") == "a\\r\\n\\tb\\\\n\\xe9\\ud800"
    assert shown(b"\xff\x00") == "\\xff\\x00"
    assert shown("x" * 301) == "x" * 300 + "..."
