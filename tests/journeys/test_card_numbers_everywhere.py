"""
A card number in every text that the OpenAPI document knows, in every field of a payment page, in what commands are
given: none of them is found afterwards in the files of the database, in the log, or in a mail.

Each place gets a number of its own, so that one that is found tells where it came in. What was refused and what was
not looked at is not told apart here: `test_card_numbers.py` has what is to be refused by name.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import httpx
import pytest

import openapi_check
from client import INVOICES, Account, Client, an_invoice_body
from running import Server, run_paydue, running_demo

FIELDS = "/invoicing/v2/Invoice/merchantDefinedFields"
DEEPEST = 6
# A range of numbers that is used for nothing else here.
PREFIX = "49291234"

# Without it nobody looks at what stands below it.
OAUTH = {
    "securityPolicy": {
        "securityType": "oAuth",
        "config": {
            "oAuthTokenExpiry": 365,
            "oAuthURL": "https://127.0.0.1:9/token",
            "oAuthTokenType": "Bearer",
            "additionalConfig": {"keyId": "k"},
        },
    }
}

Path_ = tuple[str | int, ...]


class Numbers:
    """Hands out card numbers, and remembers what each was put into."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def next(self, place: str) -> str:
        digits = f"{PREFIX}{len(self.places):07}"
        doubled = sum(sum(divmod(int(digit) * 2, 10)) for digit in digits[::-2])
        number = digits + str(-(doubled + sum(map(int, digits[-2::-2]))) % 10)
        self.places[number] = place
        return number

    def written(self, place: str, name: str) -> str:
        """Return a number as it might stand in a text of that name; every other one has spaces."""
        number = self.next(place)
        lower = name.lower()
        if "url" in lower or "uri" in lower:
            return f"https://127.0.0.1:9/{number}"
        if "mail" in lower and "message" not in lower:
            return f"{number}@example.com"
        return " ".join(re.findall("....", number)) if len(self.places) % 2 else number

    def found_in(self, content: bytes) -> set[str]:
        """Return the places whose numbers are in there, written together or apart."""
        plain = re.sub(rb"(?<=\d)[ -](?=\d)", b"", content)
        numbers = {each.decode() for text in (content, plain) for each in re.findall(PREFIX.encode() + rb"\d{8}", text)}
        return {self.places.get(each, each) for each in numbers}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A demo of its own: its files have to be whole, and it says all that it can say in its log."""
    with running_demo(tmp_path_factory.mktemp("cards") / "data", PAYDUE_LOG_LEVEL="debug") as server:
        yield server


@pytest.fixture(scope="module")
def client(demo: Server) -> Iterator[Client]:
    with Client(Account.demo(demo)) as opened:
        yield opened


def test_numbers_are_such_as_would_be_found() -> None:
    numbers = Numbers()
    plain, apart = numbers.next("a"), numbers.written("b", "name")
    assert " " in apart or apart.isdigit()
    assert numbers.found_in(f"x{plain}y {apart}".encode()) == {"a", "b"}
    assert numbers.found_in(b"4111111111111111") == set()


def test_no_text_of_the_api_lets_one_in(client: Client, demo: Server) -> None:
    numbers = Numbers()
    names = made_before(client)
    tried = 0
    for template, methods in openapi_check.the_document()["paths"].items():
        for method, operation in methods.items():
            if operation.get("security") == [] and not template.startswith("/gateway-notifications"):
                continue
            target = filled(template, names)
            where = f"{method.upper()} {template}"
            for at, body in bodies(operation, numbers, where):
                answer = call(client, demo, method, target, body, is_signed=operation.get("security") != [])
                assert answer.status < 500 or answer.status in (502, 503), (where, at, answer.body)
                assert not numbers.found_in(answer.body), (where, at)
                tried += 1
            for name in queried(operation):
                call(client, demo, method, f"{target}?{name}={numbers.next(f'{where}?{name}')}", {}, is_signed=True)
                tried += 1
    assert tried > 250
    assert_nowhere(demo, numbers)


def test_no_field_of_a_payment_page_lets_one_in(client: Client, demo: Server) -> None:
    numbers = Numbers()
    asked = {"label": "Your order", "fieldType": "text", "merchantDefinedDataIndex": 20, "customerVisible": True}
    client.call("POST", FIELDS, asked | {"readOnly": False}).expect(201)
    body = an_invoice_body("10", send=True, email="tanya.lee@my-email.world", allowPartialPayments=True)
    body["processingInformation"] = {"requestPhone": True, "requestShipping": True}
    invoice = client.create(body)
    link = invoice["invoiceInformation"]["paymentLink"]
    page = httpx.get(link, trust_env=False).text
    fields = sorted(set(re.findall(r'<(?:input|select)[^>]* name="(\w+)"', page)))
    assert {"amount", "email", "phone", "ship_name", "ship_street", "payer_key", "choice"} <= set(fields)
    assert any(name.startswith("field_") for name in fields)
    good = {"choice": "other", "amount": "1", "phone": "+1 207 555 0142", "ship_country": "US", "ship_name": "T",
            "ship_street": "S 1", "ship_city": "P", "ship_region": "ME", "ship_postal_code": "04101"}  # fmt: skip
    good |= {name: "A" for name in fields if name.startswith("field_")}
    with httpx.Client(headers={"sec-fetch-site": "same-origin"}, trust_env=False) as browser:
        base = link.partition("?")[0]
        # Each once with spaces and once without.
        for count, name in enumerate((*fields, "token", "lang", "attempt", "key", "no_such_field") * 2):
            typed = good | {"payer_key": f"a-payers-own-key-{count}"}
            number = numbers.next(f"page {name}")
            bad = typed | {name: " ".join(re.findall("....", number)) if count < len(fields) + 5 else number}
            answers = [browser.post(link, data=bad), browser.post(f"{base}/attempts", data=bad)]
            begun = browser.post(f"{base}/attempts", data=typed)
            assert begun.status_code == 201, begun.text
            charge = f"{base}/attempts/{begun.json()['attempt_id']}/charge"
            answers.append(browser.post(charge, data={"token": "none", **bad}))
            answers.append(browser.get(f"{link}&{name}={numbers.next(f'page ?{name}')}"))
            for answer in answers:
                assert answer.status_code < 500, (name, answer.text)
                # The page that the answer shows again has no number in it either.
                assert not numbers.found_in(answer.content), name
        browser.get(f"{base}/{numbers.next('below the link')}")
        browser.get(f"{demo.ready['api_url']}/{numbers.next('any path')}")
    assert_nowhere(demo, numbers)


def test_no_command_lets_one_in(demo: Server) -> None:
    numbers = Numbers()
    data = ("--data", str(demo.data))
    options = ("--id", "--name", "--email", "--phone", "--address1", "--address2", "--city", "--state", "--postal-code")
    for count, option in enumerate(options):
        named = {"--id": f"cards{count}", "--name": "Cards"} | {option: numbers.next(f"merchant add {option}")}
        if option == "--email":
            named[option] += "@example.com"
        done = run_paydue("merchant", "add", *(each for pair in named.items() for each in pair), *data)
        assert done.returncode != 0, option
        assert not numbers.found_in(f"{done.stdout}{done.stderr}".encode()), option
    run_paydue("key", "add", "--portfolio", numbers.next("key add --portfolio"), "--covers", "paydue_demo", *data)
    assert_nowhere(demo, numbers)


def filled(template: str, names: Mapping[tuple[str, str], str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: names.get((template, name[1]), names["", name[1]]), template)


def call(client: Client, demo: Server, method: str, target: str, body: Any, *, is_signed: bool) -> Any:
    return client.call(method.upper(), target, body if method not in ("get", "delete") else None, signed=is_signed)


def made_before(client: Client) -> Mapping[tuple[str, str], str]:
    """Make one of everything that has an id, and return what stands in paths: by template and name, or by name."""
    invoice = client.create(an_invoice_body("50", send=True, email="tanya.lee@my-email.world"))["id"]
    client.pay(invoice, "1", "TR-1")
    asked = {"label": "Order", "fieldType": "text", "merchantDefinedDataIndex": 19}
    field = client.call("POST", FIELDS, asked).expect(201).json[-1]["id"]
    secret = {"clientRequestAction": "CREATE", "keyInformation": {"keyType": "sharedSecret"}}
    client.call("POST", "/kms/egress/v2/keys-sym", secret).expect(201)
    events = [{"productId": "customerInvoicing", "eventTypes": ["invoicing.customer.invoice.send"]}]
    webhook = {"name": "Books", "products": events, "webhookUrl": "https://127.0.0.1:9/hooks"}
    made = client.call("POST", "/notification-subscriptions/v2/webhooks", webhook).expect(201).json["webhookId"]
    deliveries = client.call("GET", "/paydue/v1/deliveries").expect(200).json["deliveries"]
    fields = "/invoicing/v2/{referenceType}/merchantDefinedFields/{id}"
    return {
        ("", "id"): invoice,
        # One that is partly paid is not looked at any further.
        (INVOICES + "/{id}", "id"): client.create(an_invoice_body("50"))["id"],
        (fields, "id"): str(field),
        **{(f"/paydue/v1/deliveries/{{id}}{rest}", "id"): deliveries[0]["id"] for rest in ("", "/resend")},
        ("", "referenceType"): "Invoice",
        ("", "transactionId"): "TR-1",
        ("", "gateway"): "sandbox",
        ("", "merchantId"): client.account.merchant_id,
        ("", "organizationId"): client.account.merchant_id,
        ("", "webhookId"): made,
        ("", "eventType"): "invoicing.customer.invoice.send",
    }


def bodies(operation: Mapping[str, Any], numbers: Numbers, where: str) -> Iterator[tuple[Path_, Any]]:
    """Yield the example of a request again and again, each time with a number in another of its texts."""
    if "requestBody" not in operation:
        return
    media = operation["requestBody"]["content"]["application/json"]
    for at in sorted(set(texts(media["schema"])), key=str) or [("anything",)]:
        example = media.get("example", {}) | (OAUTH if at[0] == "securityPolicy" else {})
        yield at, put(example, at, numbers.written(f"{where} {at}", str(at[-1])))


def texts(schema: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of everything in a schema that may be text."""
    if "$ref" in schema:
        schema = openapi_check._at(schema["$ref"].removeprefix("#"))
    if len(at) > DEEPEST:
        return
    kind = schema.get("type", ())
    if at and ("string" in kind or kind == "string") and "enum" not in schema:
        yield at
    for name, each in schema.get("properties", {}).items():
        yield from texts(each, (*at, name))
    if "items" in schema:
        yield from texts(schema["items"], (*at, 0))
    for each in (part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ())):
        yield from texts(each, at)


def put(example: Any, at: Path_, text: str) -> Any:
    """Return the example with that text there; what is missing on the way is made."""
    whole = [deepcopy(example)]
    place: Any = whole
    for step, following in zip((0, *at), (*at, None), strict=True):
        if isinstance(place, list) and len(place) <= step:  # type: ignore[operator]
            place.append(None)
        if following is None:
            place[step] = text
            break
        wanted = list if isinstance(following, int) else dict
        if not isinstance(place[step] if isinstance(place, list) else place.get(step), wanted):
            place[step] = wanted()
        place = place[step]
    return whole[0]


def queried(operation: Mapping[str, Any]) -> Iterator[str]:
    for each in operation.get("parameters", ()):
        parameter = openapi_check._at(each["$ref"].removeprefix("#")) if "$ref" in each else each
        if parameter["in"] == "query":
            yield parameter["name"]


def assert_nowhere(demo: Server, numbers: Numbers) -> None:
    """Fail with the places whose number is in the log, or in any file of the data folder: database, its log, mails."""
    # What is on its way is written by then: each answer came after its commit, and mails are made from the database.
    for path in [demo.log, *(each for each in demo.data.rglob("*") if each.is_file())]:
        assert not numbers.found_in(path.read_bytes()), path
