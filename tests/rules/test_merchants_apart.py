"""
No merchant reaches another's books, on any route there is.

The routes are taken from the router's own table, so that a new one fails this test until somebody has said here how it
keeps merchants apart. A number of another merchant has to get the answer of one that does not exist, to the letter:
whoever can tell the two apart can find out what others have.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import pytest

from client import INVOICES, SETTINGS, Account, Answer, Client, a_payment_body, an_invoice_body, payments_of
from paydue.domain.settings import Logo
from paydue.wire.router import Route
from paydue.wire.routes import api_routes
from raw_http import exchange, signed_request
from running import Server

FIELDS: Final = "/invoicing/v2/{referenceType}/merchantDefinedFields"
NOWHERE: Final = "invoice-of-nobody"
NO_FIELD: Final = "999999"
NO_UUID: Final = "00000000-0000-4000-8000-000000000000"
WEBHOOKS: Final = "/notification-subscriptions/{version}/webhooks"
DELIVERIES: Final = "/paydue/v1/deliveries"
EXPORTS: Final = "/paydue/v1/exports"
UNAPPLIED: Final = "/paydue/v1/unapplied-money"
KEYS: Final = "/kms/egress/v2/keys-"
ONE: Final = "/{webhookId}"
OLD, NEW = WEBHOOKS.replace("{version}", "v1"), WEBHOOKS.replace("{version}", "v2")
PAGE_SETTINGS: Final = "/paydue/v1/payment-page-settings"
UNAUTHENTICATED: Final = b'{"response":{"rmsg":"Authentication Failed"}}'

# What differs between any two answers and tells nothing.
ALWAYS_DIFFERENT: Final = {"date", "v-c-correlation-id"}


class Books(NamedTuple):
    """Merchants: what the owner has, the other must not reach, and the third may use the same names for."""

    owner: Client
    other: Client
    third: Client
    invoices: list[str]
    definition: str
    webhook: str
    delivery: str


def _definition(index: int = 1) -> dict[str, Any]:
    return {"fieldType": "Text", "label": "Reference", "merchantDefinedDataIndex": index}


def _subscription() -> dict[str, Any]:
    events = {"productId": "customerInvoicing", "eventTypes": ["invoicing.customer.invoice.send"]}
    return {"name": "Books", "products": [events], "webhookUrl": "https://127.0.0.1:9/hooks"}


def _signing_key() -> dict[str, Any]:
    return {"clientRequestAction": "CREATE", "keyInformation": {"keyType": "sharedSecret"}}


_REPLAY: Final = {"byDeliveryStatus": {"status": "FAILED"}}
_BY_WEBHOOK: Final = {
    (method, prefix + ONE + path): body
    for prefix in (OLD, NEW)
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "Mine now"}),
        ("DELETE", "", None),
        ("PUT", "/status", {"status": "INACTIVE"}),
    )
}

# Routes with the id of something in their path, and a body that its owner would get through with.
BY_ID: Final[dict[tuple[str, str], Any]] = {
    ("GET", INVOICES + "/{id}"): None,
    ("PUT", INVOICES + "/{id}"): an_invoice_body("1"),
    ("POST", INVOICES + "/{id}/delivery"): {},
    ("POST", INVOICES + "/{id}/publication"): {},
    ("POST", INVOICES + "/{id}/cancelation"): {},
    ("POST", payments_of("{id}")): a_payment_body("1"),
    ("GET", payments_of("{id}")): None,
    ("GET", "/paydue/v1/invoices/{id}/attempts"): None,
    **{
        ("POST", f"{payments_of('{id}')}/{{transactionId}}/{action}"): {}
        for action in ("refunds", "reversal", "acceptance", "rejection")
    },
    ("PUT", FIELDS + "/{id}"): _definition(2),
    ("DELETE", FIELDS + "/{id}"): None,
    **_BY_WEBHOOK,
    ("POST", OLD + ONE): {},
    ("PUT", NEW + ONE): {"status": "INACTIVE"},
    ("POST", NEW + ONE + "/replays"): _REPLAY,
    ("POST", "/nrtf/v1/webhooks" + ONE + "/replays"): _REPLAY,
    ("GET", "/paydue/v1/webhooks/{webhookId}/keys"): None,
    ("POST", "/paydue/v1/webhooks/{webhookId}/keys"): {},
    ("DELETE", "/paydue/v1/webhooks/{webhookId}/keys"): None,
    ("GET", "/paydue/v1/webhooks/{webhookId}/client-certificate"): None,
    ("PUT", "/paydue/v1/webhooks/{webhookId}/client-certificate"): {},
    ("DELETE", "/paydue/v1/webhooks/{webhookId}/client-certificate"): None,
    ("GET", "/notification-subscriptions/v1/products/{organizationId}"): None,
    ("GET", "/notification-subscriptions/v2/products/{organizationId}"): None,
    ("GET", "/webhooks/notification-subscriptions/v1/products/{organizationId}"): None,
    ("POST", "/paydue/v1/invoices/{id}/preview-links"): {},
    ("GET", "/paydue/v1/invoices/{id}/reminders"): None,
    ("PUT", "/paydue/v1/invoices/{id}/reminders"): {"isStopped": True},
    ("GET", DELIVERIES + "/{id}"): None,
    ("POST", DELIVERIES + "/{id}/resend"): {},
}


def _lists_only_its_own(books: Books) -> None:
    listed = books.other.list("?limit=1000")
    assert (listed["totalInvoices"], listed["invoices"]) == (0, [])
    for status in ("DRAFT", "SENT", "PAID"):
        assert books.other.list(f"?status={status}")["totalInvoices"] == 0


def _creates_beside_the_other(books: Books) -> None:
    # The owner's numbers are free to others, and its fields as unknown as any.
    for number in books.invoices:
        assert books.third.create(an_invoice_body("5", invoiceNumber=number))["id"] == number
    answers = []
    for definition in (books.definition, NO_FIELD):
        body = an_invoice_body() | {"merchantDefinedFieldValues": [{"definitionId": definition, "value": "x"}]}
        answers.append(books.third.call("POST", INVOICES, body).expect(400))
    _assert_alike(*answers)
    body, key = an_invoice_body("6"), {"Idempotency-Key": "the-owners"}
    books.owner.call("POST", INVOICES, body, headers=key).expect(201)
    assert "idempotent-replayed" not in books.third.call("POST", INVOICES, body, headers=key).expect(201).headers
    for number in books.invoices:
        assert books.owner.get(number)["orderInformation"]["amountDetails"]["totalAmount"] != 5


def _keeps_settings_apart(books: Books) -> None:
    mine = {"invoiceSettingsInformation": {"merchantDisplayName": "The owner", "customEmailMessage": "Ours"}}
    books.owner.call("PUT", SETTINGS, mine).expect(200)
    theirs = books.other.call("GET", SETTINGS).expect(200).json["invoiceSettingsInformation"]
    assert theirs["merchantDisplayName"] != "The owner"
    assert theirs.get("customEmailMessage") != "Ours"
    books.other.call("PUT", SETTINGS, {"invoiceSettingsInformation": {"customEmailMessage": "Theirs"}}).expect(200)
    kept = books.owner.call("GET", SETTINGS).expect(200).json["invoiceSettingsInformation"]
    assert kept["customEmailMessage"] == "Ours"


def _keeps_page_settings_apart(books: Books) -> None:
    mine = {"otherWaysToPay": "Account: ours", "offersFreshLinks": False}
    books.owner.call("PUT", PAGE_SETTINGS, mine).expect(200)
    theirs = books.other.call("GET", PAGE_SETTINGS).expect(200).json
    assert (theirs["offersFreshLinks"], theirs.get("otherWaysToPay")) != (False, "Account: ours")
    books.other.call("PUT", PAGE_SETTINGS, {"otherWaysToPay": "Account: theirs"}).expect(200)
    assert books.owner.call("GET", PAGE_SETTINGS).expect(200).json == mine


def _keeps_fields_apart(books: Books) -> None:
    target = FIELDS.replace("{referenceType}", "Invoice")
    assert books.other.call("GET", target).expect(200).json == []
    (made,) = books.other.call("POST", target, _definition()).expect(201).json
    assert made["merchantId"] == books.other.account.merchant_id
    (kept,) = books.owner.call("GET", target).expect(200).json
    assert kept["merchantId"] == books.owner.account.merchant_id
    books.other.call("DELETE", f"{target}/{made['id']}").expect(204)
    assert books.owner.call("GET", target).expect(200).json == [kept]


def _keeps_webhooks_apart(books: Books) -> None:
    for webhooks in (OLD, NEW):
        assert books.other.call("GET", webhooks).expect(200).json == []
        assert books.other.call("GET", f"{webhooks}?organizationId={books.owner.account.merchant_id}").json == []
        (listed,) = books.owner.call("GET", webhooks).expect(200).json
        assert (listed["webhookId"], listed["status"]) == (books.webhook, "INACTIVE")
    of_the_owner = {"organizationId": books.owner.account.merchant_id}
    books.other.call("POST", NEW, _subscription() | of_the_owner).expect(400)
    made = books.third.call("POST", NEW, _subscription()).expect(201).json
    assert made["organizationId"] == books.third.account.merchant_id
    books.third.call("DELETE", f"{NEW}/{made['webhookId']}").expect(200)


def _keeps_keys_apart(books: Books) -> None:
    made = books.third.call("POST", KEYS + "sym", _signing_key()).expect(201).json["keyInformation"]
    assert made["organizationId"] == books.third.account.merchant_id
    for call, kind in (("sym", "sharedSecret"), ("asym", "publickey")):
        wanted = _signing_key()
        wanted["keyInformation"] = {"keyType": kind, "organizationId": books.owner.account.merchant_id}
        refused = books.other.call("POST", KEYS + call, wanted).expect(400)
        assert "keyInformation.organizationId" in refused.faults


def _shows_the_same_to_all(books: Books) -> None:
    target = "/paydue/v1/webhook-schemas/invoicing.customer.invoice.send"
    assert books.owner.call("GET", target).expect(200).body == books.other.call("GET", target).expect(200).body


def _keeps_deliveries_apart(books: Books) -> None:
    for query in ("", "?limit=100", f"?invoiceId={books.invoices[1]}", f"?after={books.delivery}"):
        assert books.other.call("GET", DELIVERIES + query).expect(200).json["deliveries"] == []
    assert books.delivery in [each["id"] for each in books.owner.call("GET", DELIVERIES).json["deliveries"]]
    window = {"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
    assert books.other.call("POST", DELIVERIES + "/recover", window).expect(202).json == {"recovered": 0}


def _keeps_unapplied_money_apart(books: Books) -> None:
    assert books.other.call("GET", UNAPPLIED).expect(200).json == {"unappliedMoney": []}
    books.other.call("POST", f"{UNAPPLIED}/sandbox/TR-1/refunds", {}).expect(404)


def _exports_only_its_own(books: Books) -> None:
    for what in ("invoices", "payments"):
        target = f"{EXPORTS}/{what}?format=jsonl"
        assert books.other.call("GET", target).expect(200).body == b""
        own = [json.loads(line)["invoiceId"] for line in books.owner.call("GET", target).expect(200).body.splitlines()]
        assert set(own) & set(books.invoices)


# Routes whose path has no id: what proves that they keep merchants apart.
WITHOUT_ID: Final[dict[tuple[str, str], Callable[[Books], None]]] = {
    ("GET", INVOICES): _lists_only_its_own,
    ("POST", INVOICES): _creates_beside_the_other,
    ("GET", SETTINGS): _keeps_settings_apart,
    ("PUT", SETTINGS): _keeps_settings_apart,
    ("GET", PAGE_SETTINGS): _keeps_page_settings_apart,
    ("PUT", PAGE_SETTINGS): _keeps_page_settings_apart,
    ("GET", FIELDS): _keeps_fields_apart,
    ("POST", FIELDS): _keeps_fields_apart,
    ("GET", OLD): _keeps_webhooks_apart,
    ("POST", OLD): _keeps_webhooks_apart,
    ("GET", NEW): _keeps_webhooks_apart,
    ("POST", NEW): _keeps_webhooks_apart,
    ("POST", KEYS + "sym"): _keeps_keys_apart,
    ("POST", KEYS + "asym"): _keeps_keys_apart,
    ("GET", "/paydue/v1/webhook-schemas/{eventType}"): _shows_the_same_to_all,
    ("GET", DELIVERIES): _keeps_deliveries_apart,
    ("POST", DELIVERIES + "/recover"): _keeps_deliveries_apart,
    ("GET", EXPORTS + "/invoices"): _exports_only_its_own,
    ("GET", EXPORTS + "/payments"): _exports_only_its_own,
    ("GET", UNAPPLIED): _keeps_unapplied_money_apart,
    ("POST", UNAPPLIED + "/{gateway}/{transactionId}/refunds"): _keeps_unapplied_money_apart,
}


class _NoSecrets:
    def payment_token(self) -> str:
        raise AssertionError("the table of routes is only read")


class _NoCleaner:
    async def clean(self, image: bytes) -> Logo:
        raise AssertionError("the table of routes is only read")


def all_routes() -> tuple[Route, ...]:
    nothing: Any = None
    return api_routes(
        secrets=_NoSecrets(),
        lately=nothing,
        logo_cleaner=_NoCleaner(),
        portal_url="http://127.0.0.1",
        subscriptions_of=nothing,
        deliveries_of=nothing,
        exports_of=nothing,
        reminders=nothing,
        rules=nothing,
        messenger=nothing,
        desk=nothing,
        previews=nothing,
    )


ROUTES: Final = [(route.method, route.template) for route in all_routes()]


@pytest.fixture(scope="module")
def books(demo: Server) -> Iterator[Books]:
    with Client(Account.new(demo)) as owner, Client(Account.new(demo)) as other, Client(Account.new(demo)) as third:
        draft = owner.create(an_invoice_body())["id"]
        sent = owner.create(an_invoice_body(send=True, email="tanya.lee@my-email.world"))["id"]
        paid = owner.create(an_invoice_body("10", send=True))["id"]
        owner.pay(paid, "10")
        own = owner.create(an_invoice_body(invoiceNumber="Of-the-owner"))["id"]
        target = FIELDS.replace("{referenceType}", "Invoice")
        (definition,) = owner.call("POST", target, _definition()).expect(201).json
        webhook = owner.call("POST", NEW, _subscription()).expect(201).json["webhookId"]
        delivery = owner.call("GET", f"{DELIVERIES}?invoiceId={sent}").expect(200).json["deliveries"][0]["id"]
        yield Books(owner, other, third, [draft, sent, paid, own], str(definition["id"]), webhook, delivery)


def test_every_route_says_here_how_it_keeps_merchants_apart() -> None:
    assert sorted(ROUTES) == sorted([*BY_ID, *WITHOUT_ID])


@pytest.mark.parametrize("method, template", ROUTES)
def test_a_stranger_gets_401_whether_there_is_something_or_not(books: Books, method: str, template: str) -> None:
    body = BY_ID.get((method, template), {} if method in {"POST", "PUT"} else None)
    strange_key = Account(**{**vars(books.owner.account), "key_id": "00000000-0000-4000-8000-000000000000"})
    with Client(strange_key) as stranger:
        for target in _targets(template, books):
            unsigned = books.owner.call(method, target, body, signed=False).expect(401)
            unknown = stranger.call(method, target, body).expect(401)
            assert unsigned.body == unknown.body == UNAUTHENTICATED
            # The hint is the demo's, for those who write a client; it may speak of the signature alone.
            told = unsigned.headers.get("x-paydue-auth-hint", "") + unknown.headers.get("x-paydue-auth-hint", "")
            assert not any(number in told for number in books.invoices if len(number) > 3)


@pytest.mark.parametrize("method, template", BY_ID)
def test_what_another_merchant_has_looks_like_what_nobody_has(books: Books, method: str, template: str) -> None:
    body = BY_ID[method, template]
    before = _everything_of(books.owner, books)
    *theirs, nothing = _targets(template, books)
    missing = books.other.call(method, nothing, body)
    assert 400 <= missing.status < 500
    for target in theirs:
        _assert_alike(books.other.call(method, target, body), missing)
        # A body that nobody can read does not tell either.
        _assert_alike(books.other.call(method, target, b"{"), books.other.call(method, nothing, b"{"))
        _assert_alike(books.other.call(method, target, [1]), books.other.call(method, nothing, [1]))
        key = {"Idempotency-Key": "any"}
        _assert_alike(
            books.other.call(method, target, body, headers=key), books.other.call(method, nothing, body, headers=key)
        )
    assert _everything_of(books.owner, books) == before


@pytest.mark.parametrize("method, template", WITHOUT_ID)
def test_a_route_without_an_id_keeps_merchants_apart(books: Books, method: str, template: str) -> None:
    WITHOUT_ID[method, template](books)


def test_nobody_becomes_another_merchant_by_naming_it(books: Books) -> None:
    owner, other = books.owner.account, books.other.account
    for claimed, key in ((owner, other), (other, owner)):
        pretender = Account(
            url=key.url, merchant_id=claimed.merchant_id, key_id=key.key_id, shared_secret=key.shared_secret
        )
        with Client(pretender) as client:
            for method, template in ROUTES:
                target = _targets(template, books)[0]
                body = BY_ID.get((method, template), {} if method in {"POST", "PUT"} else None)
                assert client.call(method, target, body).expect(401).body == UNAUTHENTICATED
    # Nor by naming it beside one's own name.
    request = signed_request(other, "GET", INVOICES, headers=[("v-c-merchant-id", owner.merchant_id)])
    answer = exchange(other, request)
    assert answer is not None
    assert answer.expect(401).body == UNAUTHENTICATED


def _targets(template: str, books: Books) -> list[str]:
    """Return the path for each thing the owner has, and last for one that nobody has."""
    path = template.replace("{referenceType}", "Invoice")
    path = path.replace("{gateway}", "sandbox").replace("{transactionId}", "TR-1")
    path = path.replace("{eventType}", "invoicing.customer.invoice.send")
    for placeholder, ids in (
        ("{webhookId}", (books.webhook, NO_UUID)),
        ("{organizationId}", (books.owner.account.merchant_id, "nobody_at_all")),
        (DELIVERIES + "/{id}", (books.delivery, NO_UUID)),
    ):
        if placeholder in path:
            whole = placeholder.replace("{id}", "{}") if placeholder.startswith("/") else "{}"
            return [path.replace(placeholder, whole.replace("{}", each)) for each in ids]
    if "{id}" not in path:
        return [path]
    found = [books.definition, NO_FIELD] if template.startswith(FIELDS) else [*books.invoices, NOWHERE]
    return [path.replace("{id}", each) for each in found]


def _assert_alike(one: Answer, other: Answer) -> None:
    """Fail unless nobody could tell these two answers apart by anything but when they were given."""
    assert one.status == other.status
    assert _without_time(one.json if one.body else {}) == _without_time(other.json if other.body else {})
    assert len(one.body) == len(other.body)
    told, told_other = (
        [(name, value) for name, value in answer.headers.multi_items() if name not in ALWAYS_DIFFERENT]
        for answer in (one, other)
    )
    assert told == told_other


def _without_time(document: Any) -> Any:
    assert isinstance(document, dict)
    return {name: value for name, value in document.items() if name != "submitTimeUtc"}


def _everything_of(client: Client, books: Books) -> Any:
    invoices = [_without_time(client.get(number)) for number in books.invoices]
    fields = client.call("GET", FIELDS.replace("{referenceType}", "Invoice")).expect(200).json
    webhook = client.call("GET", f"{NEW}/{books.webhook}").expect(200).json
    return invoices, fields, webhook, client.list()["totalInvoices"]
