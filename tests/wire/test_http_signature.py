"""HTTP Signature: the published vectors, every spelling that clients use, and everything that must be refused."""

import base64
import hmac
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from access import (
    HOST,
    KEY_ID,
    MERCHANT,
    NOW,
    PORTFOLIO,
    SECRET,
    FixedClock,
    a_p12,
    caller_of,
    certificate_key,
    refusal_of,
    request_with,
    shared_key,
    some_callers,
)
from paydue.wire.caller import Caller, SignedRequest
from signing import sign_http

BODY = b'{"invoiceInformation":{"dueDate":"2026-06-30"}}'
DIGEST = "SHA-256=U7PHLWxiqFeH9aOLo6bKZIFowFuxlNkLTEtixooh4M8="
DATE = "Tue, 05 May 2026 10:00:00 GMT"
LIST = "/invoicing/v2/invoices?offset=0&limit=10"
CREATE = "/invoicing/v2/invoices"
META_KEY = {"merchant_id": PORTFOLIO, "portfolio_id": PORTFOLIO, "merchants": (MERCHANT, "acme_other")}


def published(names: str, signature: str, **headers: str) -> dict[str, str]:
    value = f'keyid="{KEY_ID}", algorithm="HmacSHA256", headers="{names}", signature="{signature}"'
    return {"host": HOST, "v-c-merchant-id": MERCHANT, "signature": value, **headers}


VECTOR_A = request_with(
    published(
        "host date request-target digest v-c-merchant-id",
        "v9o2gxJzoQMZ7u6EhAm2tD5DPbH5WFNkYr/zO13aIk8=",
        date=DATE,
        digest=DIGEST,
    ),
    "POST",
    CREATE,
    BODY,
)
VECTOR_B = request_with(
    published("host date request-target v-c-merchant-id", "KGhMqfScGYIyPpUdaPStOJvbSkhQghpxL5LgEpb0/PM=", date=DATE)
)
VECTOR_C = request_with(
    published("host date request-target v-c-merchant-id", "YqDWtAdq3V0L+UhbzbrVLx+MXNc7oW2LxsEEECJwyTo=", date=DATE)
)
VECTOR_D = request_with(
    published(
        "host v-c-date (request-target) digest v-c-merchant-id",
        "R50DAA1hXe3vVElMneFxk3K0bjcOGMWO/PWvjcCPDFs=",
        **{"v-c-date": DATE, "digest": DIGEST},
    ),
    "POST",
    CREATE,
    BODY,
)


def signed_get(**choices: Any) -> SignedRequest:
    given = {"host": HOST, "merchant": MERCHANT, "key_id": KEY_ID, "secret": SECRET, "date": NOW} | choices
    return request_with(sign_http("GET", LIST, **given))


def signed_post(body: bytes = BODY, method: str = "POST", **choices: Any) -> SignedRequest:
    given = {"host": HOST, "merchant": MERCHANT, "key_id": KEY_ID, "secret": SECRET, "date": NOW} | choices
    return request_with(sign_http(method, CREATE, body=body, **given), method, CREATE, body)


def changed(request: SignedRequest, header: str, value: str) -> SignedRequest:
    headers = [(name, value.encode() if name == header.encode() else old) for name, old in request.headers]
    return request_with(headers, request.method, request.target, request.body)


def test_the_published_vectors_are_accepted() -> None:
    for vector in (VECTOR_A, VECTOR_B, VECTOR_D):
        assert caller_of(some_callers(), vector) == Caller(MERCHANT, KEY_ID)


def test_the_published_meta_key_vector_is_accepted_for_the_merchant_in_the_header() -> None:
    assert caller_of(some_callers(shared_key(**META_KEY)), VECTOR_C) == Caller(MERCHANT, KEY_ID)


def test_the_signing_client_of_the_tests_makes_the_published_signatures() -> None:
    assert sorted(signed_get().headers) == sorted(VECTOR_B.headers)
    assert sorted(signed_get(portfolio=PORTFOLIO).headers) == sorted(VECTOR_C.headers)
    assert set(VECTOR_A.headers) < set(signed_post().headers)
    names = "host v-c-date (request-target) digest v-c-merchant-id"
    assert set(VECTOR_D.headers) < set(signed_post(names=names).headers)


@pytest.mark.parametrize(
    "names",
    [
        "v-c-merchant-id digest request-target date host",
        "(request-target) host digest v-c-date v-c-merchant-id",
        "digest date host v-c-merchant-id (request-target)",
    ],
)
def test_signed_names_may_come_in_any_order_and_spelling(names: str) -> None:
    assert caller_of(some_callers(), signed_post(names=names)) == Caller(MERCHANT, KEY_ID)


def test_other_headers_may_be_signed_as_well() -> None:
    headers = sign_http("GET", LIST, HOST, MERCHANT, KEY_ID, SECRET, date=NOW)
    text = f"host: {HOST}\ndate: {DATE}\nrequest-target: get {LIST}\nv-c-merchant-id: {MERCHANT}\naccept: */*"
    signature = base64.b64encode(hmac.digest(base64.b64decode(SECRET), text.encode(), "sha256")).decode()
    headers["Signature"] = (
        f'keyid="{KEY_ID}", algorithm="HmacSHA256", headers="host date request-target v-c-merchant-id accept", '
        f'signature="{signature}"'
    )
    assert caller_of(some_callers(), request_with({**headers, "Accept": "  */* "})).merchant_id == MERCHANT
    assert "accept" in refusal_of(some_callers(), request_with(headers)).reason


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_every_method_with_a_signed_body_is_accepted(method: str) -> None:
    assert caller_of(some_callers(), signed_post(b"{}", method)) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\x00", b"x" * 100_000])
def test_the_digest_is_that_of_the_raw_bytes(body: bytes) -> None:
    assert caller_of(some_callers(), signed_post(body)) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize(
    "written",
    [
        f'keyid="{KEY_ID}",algorithm="HmacSHA256",headers="{{names}}",signature="{{signature}}"',
        f'KeyId="{KEY_ID}" ,  Algorithm="hmac-sha256", Headers = "{{names}}", Signature="{{signature}}" ',
        f'signature="{{signature}}", headers="{{names}}", keyid="{KEY_ID}"',
    ],
)
def test_the_signature_header_may_be_spaced_ordered_and_capitalised_freely(written: str) -> None:
    names, signature = "host date request-target v-c-merchant-id", "KGhMqfScGYIyPpUdaPStOJvbSkhQghpxL5LgEpb0/PM="
    request = changed(VECTOR_B, "signature", written.format(names=names, signature=signature))
    assert caller_of(some_callers(), request) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize(
    "date",
    [
        "Tue, 05 May 2026 9:59:58 GMT",  # PHP's hour
        "Tue, 5 May 2026 10:00:00 GMT",
        "05 May 2026 10:00:00 +0000",
        "Tuesday, 05-May-2026 10:00:00 UTC",
        " Tue, 05 May 2026 10:00:00 GMT ",
    ],
)
def test_dates_are_read_leniently(date: str) -> None:
    request = signed_get(date=date.strip())
    assert caller_of(some_callers(), changed(request, "date", date)) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_date_at_the_edge_of_the_window_is_accepted(seconds: int) -> None:
    assert caller_of(some_callers(), signed_get(date=NOW + timedelta(seconds=seconds))).merchant_id == MERCHANT


@pytest.mark.parametrize(("seconds", "difference"), [(-301, "301 s behind"), (301, "301 s ahead of")])
def test_a_date_outside_the_window_is_refused(seconds: int, difference: str) -> None:
    refusal = refusal_of(some_callers(), signed_get(date=NOW + timedelta(seconds=seconds)))
    assert difference in refusal.hint
    assert DATE in refusal.reason
    assert DATE not in refusal.hint


def test_the_window_is_a_setting() -> None:
    late = signed_get(date=NOW - timedelta(seconds=301))
    assert caller_of(some_callers(window_seconds=600), late).merchant_id == MERCHANT


@pytest.mark.parametrize(
    "date", ["", "yesterday", "2026-05-05T10:00:00Z", "Tue, 35 May 2026 10:00:00 GMT", "Tue, 05 May 2026 10:00:00 EST"]
)
def test_a_date_that_is_none_is_refused(date: str) -> None:
    assert "date" in refusal_of(some_callers(), signed_get(date=date)).hint


def test_of_two_dates_the_signed_one_counts() -> None:
    request = signed_get(names="host v-c-date request-target v-c-merchant-id")
    stale = format_datetime(NOW - timedelta(days=1), usegmt=True).encode()
    both = request_with([*request.headers, (b"date", stale)])
    assert caller_of(some_callers(), both) == Caller(MERCHANT, KEY_ID)


@pytest.mark.parametrize("host", ["LOCALHOST:8443", "localhost", "apitest.cybersource.com", "api.cybersource.com:443"])
def test_our_own_names_and_the_vendors_may_be_signed(host: str) -> None:
    assert caller_of(some_callers(), signed_get(host=host)) == Caller(MERCHANT, KEY_ID)


def test_a_name_given_without_port_is_accepted_with_any() -> None:
    callers = some_callers(hosts=["pay.example.com", "[::1]:8443"])
    for host in ("pay.example.com", "pay.example.com:8443", "[::1]:8443", "[::1]"):
        assert caller_of(callers, signed_get(host=host)) == Caller(MERCHANT, KEY_ID)
    for host in ("pay.example.com:8443:1", "[::1]:1", "::1", "pay.example.com.", "https://pay.example.com"):
        refusal_of(callers, signed_get(host=host))


def test_another_host_is_refused_and_the_hint_says_how_to_allow_it() -> None:
    refusal = refusal_of(some_callers(), signed_get(host="evil.example"))
    assert "evil.example" in refusal.hint
    assert "allowed_hosts" in refusal.hint
    assert HOST in refusal.hint


def test_the_merchant_is_compared_without_regard_to_case() -> None:
    assert caller_of(some_callers(), signed_get(merchant="ACME_Test")) == Caller(MERCHANT, KEY_ID)


def test_a_merchant_that_the_key_does_not_cover_is_refused() -> None:
    assert "somebody_else" in refusal_of(some_callers(), signed_get(merchant="somebody_else")).hint
    uncovered = signed_get(merchant="somebody_else", portfolio=PORTFOLIO)
    assert "somebody_else" in refusal_of(some_callers(shared_key(**META_KEY)), uncovered).reason


def test_a_meta_key_acts_for_each_of_its_merchants() -> None:
    callers = some_callers(shared_key(**META_KEY))
    for merchant in (MERCHANT, "acme_other"):
        assert caller_of(callers, signed_get(merchant=merchant, portfolio=PORTFOLIO)).merchant_id == merchant


def test_a_meta_key_that_signs_the_merchant_is_refused_with_the_reason() -> None:
    refusal = refusal_of(some_callers(shared_key(**META_KEY)), signed_get())
    assert 'the client signed "v-c-merchant-id: acme_test"' in refusal.hint
    assert "v-c-merchant-id: acme_portfolio" in refusal.hint


def test_an_ordinary_key_that_signs_a_portfolio_is_refused() -> None:
    refusal_of(some_callers(), signed_get(portfolio=PORTFOLIO))


REFUSED: dict[str, SignedRequest] = {
    "another method": request_with(VECTOR_A.headers, "PUT", CREATE, BODY),
    "another path": request_with(VECTOR_B.headers, target="/invoicing/v2/invoices/1?offset=0&limit=10"),
    "another query": request_with(VECTOR_B.headers, target="/invoicing/v2/invoices?offset=0&limit=11"),
    "no query": request_with(VECTOR_B.headers, target="/invoicing/v2/invoices"),
    "another body": request_with(VECTOR_A.headers, "POST", CREATE, BODY.replace(b"30", b"29")),
    "no body": request_with(VECTOR_A.headers, "POST", CREATE, b""),
    "another host": changed(VECTOR_B, "host", "localhost:8444"),
    "another merchant": changed(VECTOR_B, "v-c-merchant-id", "acme_other"),
    "another date": changed(VECTOR_B, "date", "Tue, 05 May 2026 10:00:01 GMT"),
    "another secret": signed_get(secret=base64.b64encode(bytes(32)).decode()),
    "unknown key": signed_get(key_id="00000000-0000-4000-8000-000000000000"),
    "key id of another form": signed_get(key_id="k" * 129),
    "POST without digest": signed_post(names="host date request-target v-c-merchant-id"),
    "GET with an unsigned body": request_with(VECTOR_B.headers, body=b"{}"),
    "DELETE with an unsigned body": request_with(
        sign_http("DELETE", LIST, HOST, MERCHANT, KEY_ID, SECRET, date=NOW), "DELETE", body=b"{}"
    ),
    "no host": signed_get(names="date request-target v-c-merchant-id"),
    "no target": signed_get(names="host date v-c-merchant-id"),
    "two targets": signed_get(names="host date request-target (request-target) v-c-merchant-id"),
    "no date": signed_get(names="host request-target v-c-merchant-id"),
    "no merchant": signed_get(names="host date request-target"),
    "a name twice": signed_get(names="host date request-target v-c-merchant-id host"),
    "a signed header not sent": request_with([each for each in VECTOR_B.headers if each[0] != b"date"]),
    "a changed digest": changed(VECTOR_A, "digest", DIGEST.replace("256", "512")),
    "a signed digest of another body": signed_post(digest=DIGEST.replace("U7P", "U7Q")),
    "a signed digest under another name": signed_post(digest=DIGEST.replace("256", "512")),
    "a signed digest without a name": signed_post(digest=DIGEST.removeprefix("SHA-256=")),
    "no key id": changed(VECTOR_B, "signature", 'headers="host", signature="x"'),
    "no list": changed(VECTOR_B, "signature", f'keyid="{KEY_ID}", signature="x"'),
    "an empty list": changed(VECTOR_B, "signature", f'keyid="{KEY_ID}", headers="", signature="x"'),
    "no signature": changed(VECTOR_B, "signature", f'keyid="{KEY_ID}", headers="host"'),
    "an empty header": changed(VECTOR_B, "signature", ""),
    "a header too long": changed(VECTOR_B, "signature", 'keyid="' + "k" * 5000 + '"'),
    "a list too long": signed_get(names="host date request-target v-c-merchant-id" + " host" * 40),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_exactly_what_was_signed_is_refused(case: str) -> None:
    refusal = refusal_of(some_callers(), REFUSED[case])
    assert refusal.reason
    assert refusal.hint


def test_a_list_of_very_many_names_is_not_gone_through() -> None:
    refusal = refusal_of(some_callers(), signed_get(names="host date request-target v-c-merchant-id" + " host" * 40))
    assert "more than 32" in refusal.reason


def test_the_name_of_the_digest_may_be_in_any_case() -> None:
    assert caller_of(some_callers(), signed_post(digest=DIGEST.replace("SHA", "sha"))) == Caller(MERCHANT, KEY_ID)


def with_signature(change: tuple[str, str]) -> SignedRequest:
    value = dict(VECTOR_B.headers)[b"signature"].decode()
    assert change[0] in value
    return changed(VECTOR_B, "signature", value.replace(*change))


@pytest.mark.parametrize(
    "change",
    [
        ("HmacSHA256", "HmacSHA512"),
        ("HmacSHA256", "none"),
        ("HmacSHA256", "rsa-sha256"),
        ("HmacSHA256", ""),
        ("host date", "Host date"),
        ("PM=", "PN="),  # the same bytes in other base64
        ("PM=", "PM"),
        ("PM=", "PM=="),
        ("KGh", " KGh"),
        (", headers", " headers"),
        (", headers", ",, headers"),
        (", headers", f', keyid="{KEY_ID}", headers'),
        ("algorithm=", "signature="),
        ("algorithm=", "="),
        ("keyid=", ",keyid="),
        ('PM="', 'PM=", left over'),
        ('PM="', 'PM="x'),
        ('PM="', "PM="),
        ('PM="', 'PM=" "'),
        ("keyid=", "'keyid'="),
    ],
)
def test_a_signature_header_of_another_form_is_refused(change: tuple[str, str]) -> None:
    refusal_of(some_callers(), with_signature(change))


@pytest.mark.parametrize("name", ["host", "date", "v-c-merchant-id", "signature", "digest"])
def test_a_security_header_that_was_sent_twice_is_refused(name: str) -> None:
    value = dict(VECTOR_A.headers)[name.encode()]
    twice = request_with([*VECTOR_A.headers, (name.encode(), value)], "POST", CREATE, BODY)
    assert name in refusal_of(some_callers(), twice).hint


def test_another_header_may_be_sent_twice_unless_it_is_signed() -> None:
    twice = [(b"accept", b"a"), (b"accept", b"b")]
    assert caller_of(some_callers(), request_with([*VECTOR_B.headers, *twice])) == Caller(MERCHANT, KEY_ID)
    names = "host date request-target v-c-merchant-id accept"
    signature = dict(VECTOR_B.headers)[b"signature"].replace(
        b"host date request-target v-c-merchant-id", names.encode()
    )
    headers = [each for each in VECTOR_B.headers if each[0] != b"signature"]
    assert "accept" in refusal_of(some_callers(), request_with([*headers, (b"signature", signature), *twice])).reason


def test_a_header_called_request_target_changes_nothing() -> None:
    forged = request_with([*VECTOR_B.headers, (b"request-target", f"get {LIST}".encode())], target="/invoicing/v2/x")
    refusal_of(some_callers(), forged)


def test_a_line_break_in_a_signed_header_is_refused() -> None:
    """Or one header could be read as two lines of what was signed."""
    host = f"{HOST}\ndate: {DATE}"
    signature = dict(VECTOR_B.headers)[b"signature"].replace(b"host date request", b"host request")
    headers = [(b"host", host.encode()), (b"v-c-merchant-id", MERCHANT.encode()), (b"signature", signature)]
    refusal_of(some_callers(), request_with(headers))
    names = signature.replace(b"host request", b"host v-c-date request")
    refusal = refusal_of(
        some_callers(),
        request_with([*headers[:2], (b"v-c-date", DATE.encode()), (b"signature", names)]),
    )
    assert "line break" in refusal.reason


@pytest.mark.parametrize("change", [{"is_revoked": True}, {"key_id": "another"}])
def test_a_key_that_is_revoked_or_unknown_is_refused(change: dict[str, Any]) -> None:
    assert KEY_ID in refusal_of(some_callers(shared_key(**change)), VECTOR_B).hint


def test_a_certificate_key_cannot_sign_this_way() -> None:
    assert "certificate" in refusal_of(some_callers(certificate_key(a_p12(), key_id=KEY_ID)), VECTOR_B).hint


def parts_to_flip() -> list[tuple[str, int]]:
    headers = dict(VECTOR_A.headers)
    lengths = {name.decode(): len(value) for name, value in headers.items() if name != b"signature"}
    lengths |= {"method": len("POST"), "target": len(CREATE), "body": len(BODY)}
    return list(lengths.items())


@pytest.mark.parametrize(("part", "length"), parts_to_flip())
def test_no_byte_of_a_signed_part_can_be_changed(part: str, length: int) -> None:
    callers = some_callers(window_seconds=10**9)
    for place in range(length):
        for mask in (0x01, 0x20, 0x80):
            refusal_of(callers, flipped(part, place, mask))


def test_no_byte_of_the_signature_can_be_changed() -> None:
    callers = some_callers()
    header = dict(VECTOR_A.headers)[b"signature"]
    for value in (
        KEY_ID,
        "host date request-target digest v-c-merchant-id",
        "v9o2gxJzoQMZ7u6EhAm2tD5DPbH5WFNkYr/zO13aIk8=",
    ):
        start = header.index(value.encode())
        for place in range(start, start + len(value)):
            for mask in (0x01, 0x02, 0x20, 0x80):
                refusal_of(callers, flipped("signature", place, mask))


def flipped(part: str, place: int, mask: int) -> SignedRequest:
    def flip(value: bytes) -> bytes:
        return value[:place] + bytes([value[place] ^ mask]) + value[place + 1 :]

    if part == "method":
        method = flip(b"POST").decode("latin-1")
        # A method is signed in lower case, whatever its case was.
        return request_with(VECTOR_A.headers, method if method.upper() != "POST" else "PAST", CREATE, BODY)
    if part == "target":
        return request_with(VECTOR_A.headers, "POST", flip(CREATE.encode()), BODY)
    if part == "body":
        return request_with(VECTOR_A.headers, "POST", CREATE, flip(BODY))
    headers = [(name, flip(value) if name == part.encode() else value) for name, value in VECTOR_A.headers]
    return request_with(headers, "POST", CREATE, BODY)


def test_a_date_that_turned_between_signing_and_sending_is_accepted_only_if_the_operator_wants() -> None:
    raced = changed(signed_get(date=NOW - timedelta(seconds=1)), "date", DATE)
    assert "09:59:59" in refusal_of(some_callers(), raced).hint
    assert caller_of(some_callers(retry_one_second_earlier=True), raced) == Caller(MERCHANT, KEY_ID)
    two_seconds = changed(signed_get(date=NOW - timedelta(seconds=2)), "date", DATE)
    refusal_of(some_callers(retry_one_second_earlier=True), two_seconds)


def test_the_second_try_holds_the_window_as_well() -> None:
    edge = NOW - timedelta(seconds=300)
    raced = changed(signed_get(date=edge - timedelta(seconds=1)), "date", format_datetime(edge, usegmt=True))
    refusal_of(some_callers(retry_one_second_earlier=True), raced)


def test_equal_requests_in_one_second_are_legal_unless_the_operator_refuses_them() -> None:
    lenient, strict = some_callers(), some_callers(replay="reject")
    for _ in range(2):
        assert caller_of(lenient, VECTOR_B) == Caller(MERCHANT, KEY_ID)
    assert caller_of(strict, VECTOR_B) == Caller(MERCHANT, KEY_ID)
    assert "before" in refusal_of(strict, VECTOR_B).hint
    assert caller_of(strict, VECTOR_A) == Caller(MERCHANT, KEY_ID)


def test_a_refused_repetition_stays_refused_as_long_as_its_date_is_good() -> None:
    clock = FixedClock()
    callers = some_callers(clock=clock, replay="reject")
    ahead = signed_get(date=NOW + timedelta(seconds=300))
    assert caller_of(callers, ahead) == Caller(MERCHANT, KEY_ID)
    for _ in range(60):
        clock.move(10)
        assert "before" in refusal_of(callers, ahead).hint


MISTAKES = {
    "base64-decoded": signed_get(secret=base64.b64encode(SECRET.encode()).decode()),
    f'signed "request-target: get {CREATE}"': request_with(
        sign_http("GET", CREATE, HOST, MERCHANT, KEY_ID, SECRET, date=NOW)
    ),
    'signed "host: localhost"': changed(signed_get(host="localhost"), "host", HOST),
}


@pytest.mark.parametrize("hint", MISTAKES)
def test_a_known_mistake_is_named_in_the_hint(hint: str) -> None:
    assert hint in refusal_of(some_callers(), MISTAKES[hint]).hint


def test_the_hint_shows_what_the_server_signed_on_one_line() -> None:
    hint = refusal_of(some_callers(), REFUSED["another secret"]).hint
    assert f"host: {HOST}\\ndate: {DATE}\\nrequest-target: get {LIST}\\nv-c-merchant-id: {MERCHANT}" in hint


def test_hints_are_plain_ascii_and_hold_neither_secret_nor_expected_signature() -> None:
    odd = [
        changed(VECTOR_B, "host", "h\u00f6st\\\t"),
        request_with(VECTOR_B.headers, target=b"/\xff\x80\x01" + b"x" * 9000),
        *REFUSED.values(),
        *MISTAKES.values(),
    ]
    raw = base64.b64decode(SECRET)
    for request in odd:
        refusal = refusal_of(some_callers(), request)
        for text in (refusal.hint, refusal.reason):
            assert text.isascii()
            assert text.isprintable()
            assert len(text) < 2500
            assert SECRET not in text
            assert raw.decode() not in text
            for expected in expected_signatures(request, raw):
                assert expected not in text


def expected_signatures(request: SignedRequest, raw: bytes) -> set[str]:
    """Return the signatures that would have been accepted for the request, in base64 and in hexadecimal."""
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    target = f"{request.method.lower()} {request.target.decode('latin-1')}"
    lines = {**fields, "request-target": target, "(request-target)": target}
    found = set()
    for names in (
        "host date request-target v-c-merchant-id",
        "host date request-target digest v-c-merchant-id",
        "host v-c-date (request-target) digest v-c-merchant-id",
    ):
        text = "\n".join(f"{name}: {lines.get(name, '')}" for name in names.split())
        mac = hmac.digest(raw, text.encode("latin-1", "replace"), "sha256")
        found |= {base64.b64encode(mac).decode(), mac.hex()}
    return found


def test_without_the_setting_there_is_no_hint() -> None:
    for request in REFUSED.values():
        assert refusal_of(some_callers(hints=False), request).hint == ""
