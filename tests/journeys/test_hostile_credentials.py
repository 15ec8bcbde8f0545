"""Who proves nothing gets nothing: one 401 for every reason, everywhere; what was signed is good for itself only."""

import json
from typing import Any, Final

from client import INVOICES, SETTINGS, Account, Answer, Client, an_invoice_body, bugs_met, nothing_changes
from raw_http import answered, signed_request
from running import Server
from signing import sign_jwt_shared

UNAUTHENTICATED: Final = b'{"response":{"rmsg":"Authentication Failed"}}'
PROTECTED: Final = [
    ("POST", INVOICES),
    ("GET", INVOICES),
    ("GET", f"{INVOICES}/1"),
    ("PUT", f"{INVOICES}/1"),
    ("DELETE", f"{INVOICES}/1"),
    ("PATCH", f"{INVOICES}/1"),
    ("OPTIONS", INVOICES),
    ("POST", f"{INVOICES}/1/delivery"),
    ("POST", f"{INVOICES}/1/publication"),
    ("POST", f"{INVOICES}/1/cancelation"),
    ("GET", SETTINGS),
    ("PUT", SETTINGS),
    ("GET", "/invoicing/v2/Invoice/merchantDefinedFields"),
    ("POST", "/invoicing/v2/Invoice/merchantDefinedFields"),
    ("PUT", "/invoicing/v2/Invoice/merchantDefinedFields/1"),
    ("DELETE", "/invoicing/v2/Invoice/merchantDefinedFields/1"),
    ("POST", "/paydue/v1/invoices/1/payments"),
    ("GET", "/invoicing/v2/"),
    ("GET", "/invoicing/v2/nothing/here"),
    ("GET", "/paydue/v1/nothing"),
]


def test_whoever_does_not_sign_gets_one_and_the_same_401_everywhere(client: Client) -> None:
    with nothing_changes(client):
        for method, path in PROTECTED:
            for body in (None, {}, b"{", b"not json"):
                if method in {"GET", "DELETE", "OPTIONS"} and body is not None:
                    continue
                answer = client.call(method, path, body, signed=False).expect(401)
                assert answer.body == UNAUTHENTICATED


def test_credentials_that_prove_nothing_get_the_same_401(client: Client) -> None:
    account = client.account
    good = _signed_headers(account, "GET", INVOICES)
    token = sign_jwt_shared("GET", INVOICES, account.host, account.merchant_id, account.key_id, account.shared_secret)[
        "Authorization"
    ]
    signature = good["Signature"]
    wrong = [
        {"Authorization": "Basic dTpw"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Bearer ..", "X": "1"},
        {"Authorization": token[:-2]},
        {"Authorization": token + "A"},
        {"Authorization": "Bearer " + "A" * 20_000},
        {"Authorization": "Bearer " + "." * 1000},
        {"Authorization": token, "Signature": signature},
        {"Authorization": token.replace("Bearer ", "Bearer  x")},
        {**good, "Signature": ""},
        {**good, "Signature": "x"},
        {**good, "Signature": signature[:-5]},
        {**good, "Signature": signature.replace("HmacSHA256", "none")},
        {**good, "Signature": signature.replace("request-target", "x-nothing")},
        {**good, "Signature": signature.replace("host date", "date")},
        {**good, "Signature": signature.replace(account.key_id, "unknown")},
        {**good, "Signature": signature.replace(account.key_id, "x" * 5000)},
        {**good, "Signature": signature.replace(account.key_id, "\xff\xfe")},
        {**good, "Signature": signature + ', keyid="other"'},
        {**good, "Signature": 'keyid="' * 500},
        {**good, "Date": "yesterday"},
        {**good, "Date": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {**good, "Date": "Fri, 31 Dec 9999 23:59:59 GMT"},
        {**good, "v-c-merchant-id": "somebody_else"},
        {**good, "v-c-merchant-id": account.merchant_id + "\x80"},
        {**good, "Host": "evil.example"},
    ]
    for headers in wrong:
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": account.host, **headers}.items())
        answer = answered(account, f"GET {INVOICES} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        assert (answer.status, answer.body) == (401, UNAUTHENTICATED), headers


def test_what_was_signed_cannot_be_used_for_anything_else(client: Client) -> None:
    account = client.account
    number = client.create(an_invoice_body(send=True))["id"]
    body = json.dumps(an_invoice_body()).encode()
    request = signed_request(account, "POST", INVOICES, body)
    get = signed_request(account, "GET", f"{INVOICES}/{number}")
    cancel = signed_request(account, "POST", f"{INVOICES}/{number}/delivery", b"{}")
    with nothing_changes(client):
        for changed in (
            request.replace(b"293.50", b"293.51"),
            request.replace(b"POST /invoicing/v2/invoices", b"POST /invoicing/v2/invoices?x"),
            request.replace(b"POST", b"PUT", 1),
            cancel.replace(b"/delivery", b"/cancelation"),
            cancel.replace(b"POST", b"GET", 1),
            get.replace(f"/{number} ".encode(), b"/1%31 ", 1),
            # A body that nobody signed.
            get.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n{}"),
        ):
            answer = answered(account, changed)
            assert (answer.status, answer.body) == (401, UNAUTHENTICATED), changed[:80]
    assert client.get(number)["status"] == "CREATED"


def test_a_token_is_good_for_one_use_and_for_version_2_only(client: Client) -> None:
    account = client.account

    def asked(**changes: Any) -> Answer:
        headers = sign_jwt_shared(
            "GET", INVOICES, account.host, account.merchant_id, account.key_id, account.shared_secret, **changes
        )
        return client.call("GET", INVOICES, headers=headers, signed=False)

    asked(jti="one use").expect(200)
    asked(jti="one use").expect(401)
    for changes in (
        {"v_c_jwt_version": None},
        {"v_c_jwt_version": "1"},
        {"jti": None},
        {"exp": None},
        {"exp": 1e400},
        {"iat": "now"},
        {"iat": -1e300},
        {"request_method": "POST"},
        {"request_resource_path": SETTINGS},
        {"request_host": "evil.example"},
        {"iss": "somebody_else"},
        {"v_c_merchant_id": "somebody_else"},
        {"v_c_merchant_id": None},
        {"jti": "\ud800"},
        {"jti": "x" * 10_000},
    ):
        answer = asked(**changes)
        assert answer.status == 401, changes
        assert answer.body == UNAUTHENTICATED


def test_nothing_of_all_this_reached_the_outermost_handler(demo: Server) -> None:
    assert bugs_met(demo) == []


def _signed_headers(account: Account, method: str, target: str) -> dict[str, str]:
    lines = signed_request(account, method, target).decode().split("\r\n")[1:]
    return {name: value for name, _, value in (line.partition(": ") for line in lines if line)}
