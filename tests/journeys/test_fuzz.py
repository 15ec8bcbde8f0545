"""
Requests made up from our own OpenAPI document, right ones and wrong ones, sent to the running server.

Whatever is sent, the answer has to be one that the document describes: its status, headers, media type and body. The
examples are the same in each run.
"""

import re
import warnings
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from client import Account, Answer, Client, an_invoice_body, bugs_met, checked, prepared
from openapi_check import the_document
from running import Server, paydue, running_demo

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports warns about itself
    import requests
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

# Left out: checks of other tests (authentication, methods), and those that know no rules between fields: a minimum
# above the total fits the schema and is refused all the same.
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES_EACH: Final = 40
OPERATIONS: Final = [
    (method, path)
    for path, methods in the_document()["paths"].items()
    for method in methods
    # The others (health, the document itself) take nothing that could be made up.
    if method != "parameters" and path.startswith(("/invoicing/", "/paydue/", "/ebc2/"))
]
# What our signature stands in; a made-up one would only test the door.
SIGNED_WITH: Final = {"authorization", "signature", "digest", "date", "v-c-date", "host", "v-c-merchant-id"}


class Target:
    """A server's merchant, and a connection to fuzz it over."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.http = httpx.Client(timeout=30, trust_env=False)
        with Client(account) as client:
            definition = {"fieldType": "Text", "label": "Reference", "merchantDefinedDataIndex": 1}
            client.call("POST", "/invoicing/v2/Invoice/merchantDefinedFields", definition).expect(201)

    def parameters(self, path: str) -> list[dict[str, str]]:
        """Return values that make a path lead to something: to fresh invoices, for many calls change theirs."""
        if "merchantDefinedFields" in path:
            return [{"id": "1"}, {"id": "2"}] if "{id}" in path else []
        with Client(self.account) as client:
            made = [
                client.create(an_invoice_body("99999999", send=send, email=email))
                for _ in range(2)
                for send in (False, True)
                for email in (None, "tanya.lee@my-email.world")
            ]
        if "{token}" in path:
            links = [invoice["invoiceInformation"].get("paymentLink", "") for invoice in made]
            return [{"token": match[1]} for link in links if (match := re.search(r"payInvoice/(\w+)", link))]
        return [{"id": invoice["id"]} for invoice in made] if "{id}" in path else []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_demo(tmp_path_factory.mktemp("fuzzed") / "demo") as server:
        yield server


@pytest.fixture(scope="module")
def target(server: Server) -> Iterator[Target]:
    target = Target(Account.demo(server))
    yield target
    target.http.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("method, path", OPERATIONS)
def test_whatever_is_sent_the_answer_is_a_described_one(
    target: Target, method: str, path: str, mode: GenerationMode
) -> None:
    operation = schemathesis.openapi.from_dict(the_document())[path][method]
    known = st.sampled_from([{}, *target.parameters(path)])

    @settings(
        max_examples=EXAMPLES_EACH,
        phases=[Phase.explicit, Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode), known)
    def send(case: Any, parameters: dict[str, str]) -> None:
        case.path_parameters = {**case.path_parameters, **parameters}
        _send(target, case)

    send()


def test_the_server_stands_and_its_books_agree_after_all_this(server: Server, target: Target) -> None:
    with Client(target.account) as client:
        assert client.list("?limit=1")["totalInvoices"] > 0
    paydue("verify", "--data", str(server.data), "--json")
    assert bugs_met(server) == []


def _send(target: Target, case: Any) -> None:
    """Sign the case, send it, and hold the answer against the document in both ways there are."""
    request = _signed(target.account, case)
    try:
        response = target.http.send(request)
    except httpx.LocalProtocolError:
        reject()  # a header that no client can send
    checked(request, Answer(response.status_code, response.headers, response.content))
    assert response.status_code != 401 or "security" in case.operation.definition.raw, "the signature was not accepted"
    case.validate_response(response, checks=CHECKS)


def _signed(account: Account, case: Any) -> httpx.Request:
    arguments = case.as_transport_kwargs(base_url=account.url)
    try:
        made = requests.Request(**{name: value for name, value in arguments.items() if name in _REQUEST}).prepare()
        headers = {name: value for name, value in made.headers.items() if name.lower() not in SIGNED_WITH | _LENGTHS}
        body = made.body.encode() if isinstance(made.body, str) else made.body
        return prepared(account, made.method or "", made.path_url, body, headers)
    except (requests.RequestException, UnicodeError, httpx.InvalidURL):
        reject()


_REQUEST: Final = {"method", "url", "headers", "params", "json", "data", "cookies"}
_LENGTHS: Final = {"content-length", "transfer-encoding"}
