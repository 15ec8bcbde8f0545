"""The API reference as people and browsers meet it: whole, true to the document, asking nothing from elsewhere."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import openapi_check
from paydue.pages import api_reference
from paydue.pages.api_reference import Product, render_reference, tokens
from paydue.pages.rendering import StaticFiles
from paydue.pages.schema_rows import Schemas
from paydue.pages.words_and_code import Block, Piece, blocks, pieces
from paydue.wire.openapi_document import described

STATIC = Path(api_reference.__file__).parent / "static"
PRODUCT = Product(version="1.2.3", api_url="http://127.0.0.1:8080", tls_host="localhost:8443")
EMPTY_ELEMENTS = {"meta", "link", "input", "br", "wbr", "rect", "circle", "path"}


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, and the text below each `id`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text_of: dict[str, str] = {}
        self.script = ""
        self._open: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        identity = attributes.get("id")
        if identity:
            assert identity not in self.text_of, f"two elements have the id {identity}"
            self.text_of[identity] = ""
        if tag not in EMPTY_ELEMENTS:
            self._open.append((tag, identity))

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY_ELEMENTS:
            assert self._open.pop()[0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if any(tag in {"script", "style"} for tag, _ in self._open):
            self.script += data
        for _, identity in self._open:
            if identity:
                self.text_of[identity] += data

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]

    def sections(self) -> list[str]:
        return list(self.text_of)


@pytest.fixture(scope="module")
def html() -> str:
    return render_reference(described("https://api.example.com"), PRODUCT)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def operations() -> list[Any]:
    return [
        pytest.param(method, path, operation, id=operation["operationId"])
        for path, methods in openapi_check.the_document()["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.mark.parametrize("method, path, operation", operations())
def test_every_operation_is_told_with_its_parameters_and_answers(page, method, path, operation):
    told = page.text_of[operation["operationId"]]

    assert operation["summary"] in told
    assert f"{method.upper()} {path}" in told
    for parameter in operation.get("parameters", ()):
        assert openapi_check._resolved(parameter)["name"] in told
    for status in operation["responses"]:
        assert status in told


@pytest.mark.parametrize("method, path, operation", operations())
def test_the_examples_on_the_page_are_those_of_the_document(page, method, path, operation):
    told = page.text_of[operation["operationId"]]

    if "requestBody" in operation:
        assert as_shown(operation["requestBody"]["content"]["application/json"]["example"]) in told
    good = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    if "application/json" in good[0].get("content", {}):
        assert as_shown(good[0]["content"]["application/json"]["example"]) in told


@pytest.mark.parametrize(
    "operation, field",
    [
        ("createInvoice", "invoiceInformation.sendImmediately"),
        ("createInvoice", "orderInformation.lineItems[].unitPrice"),
        ("updateInvoice", "customerInformation.company.name"),
        ("recordPayment", "paidAt"),
        ("updateInvoiceSettings", "invoiceSettingsInformation.customLabels[].key"),
        ("createMerchantDefinedFieldDefinition", "merchantDefinedDataIndex"),
    ],
)
def test_the_fields_of_a_body_are_told_under_their_whole_path(page, operation, field):
    assert field in page.text_of[operation]


def test_the_tour_names_this_server(page):
    tour = page.text_of["start"]

    assert '"run_environment": "localhost:8443"' in tour
    assert "runEnvironment: 'localhost:8443'" in tour
    assert "intermediateHost =\n  'http://127.0.0.1:8080'" in tour
    assert "examples/" in tour


def test_every_link_on_the_page_leads_to_a_place_on_it(page):
    fragments = [link for link in page.attributes("href") if link.startswith("#")]

    assert len(fragments) > 40
    assert [link for link in fragments if link[1:] not in page.text_of] == []
    elsewhere = {link for link in page.attributes("href") if link.startswith("/") and not link.startswith("/static/")}
    assert elsewhere == {"/openapi.json"}


def test_the_page_is_whole_without_anything_from_elsewhere_or_inline(page):
    static = StaticFiles()
    root = static.root + "/"

    assert page.script == ""
    assert page.attributes("style") == []
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
    assert not {tag for tag, _ in page.elements} & {"style", "iframe", "object", "embed", "base", "img"}
    loaded = [link for tag, attributes in page.elements if tag in {"link", "script"} for link in sources(attributes)]
    loaded.remove("data:,")
    assert len(loaded) == 4
    assert [link for link in loaded if not link.startswith(root) or static.find(link.removeprefix(root)) is None] == []


@pytest.mark.parametrize("style", ["tokens.css", "tokens-console.css", "api_reference.css"])
def test_a_stylesheet_asks_only_for_files_beside_it(style):
    text = (STATIC / style).read_text(encoding="utf-8")

    assert "@import" not in text
    assert [url for url in re.findall(r"url\(([^)]*)\)", text) if not (STATIC / url).is_file()] == []


def test_the_script_writes_no_markup():
    script = (STATIC / "api_reference.js").read_text(encoding="utf-8")

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|https?:", script)


def test_the_fonts_come_with_their_licence():
    assert "SIL OPEN FONT LICENSE" in (STATIC / "fonts" / "OFL.txt").read_text(encoding="utf-8")


def test_whatever_the_document_says_comes_out_as_text():
    document = described("https://api.example.com")
    markup = "<script>alert(1)</script>"
    operation = document["paths"]["/invoicing/v2/invoices"]["post"]
    operation["summary"] = operation["description"] = markup
    operation["requestBody"]["content"]["application/json"]["example"] = {markup: markup}
    document["components"]["schemas"]["CustomerInput"]["properties"]["name"]["description"] = f"`{markup}`"

    html = render_reference(document, PRODUCT)

    assert markup not in html
    assert Page(html).text_of["createInvoice"].count(markup) == 5


def test_the_same_document_gives_the_same_page(html):
    assert render_reference(described("https://api.example.com"), PRODUCT) == html


@pytest.mark.parametrize(
    "value",
    [
        {"a": "b", "c": [1, 2.5, -3, True, False, None], "d": {}},
        {'with "quotes"': "and: a colon, 12 and true"},
        [{"html": "<b>&amp;</b>", "unicode": "Zürich, 東京"}],
        "\\",
    ],
)
def test_the_coloured_pieces_of_an_example_are_the_example(value):
    assert json.loads("".join(token.text for token in tokens(value))) == value


def test_keys_texts_and_numbers_are_coloured_apart():
    kinds = {token.text: token.kind for token in tokens({"total": 293.5, "currency": "USD", "paid": False})}

    assert kinds['"total"'] == kinds['"currency"'] == "k"
    assert kinds['"USD"'] == "q"
    assert kinds["293.5"] == kinds["false"] == "n"


def test_descriptions_are_read_as_paragraphs_lists_and_code():
    assert blocks("One `code` here,\nstill one.\n\n- first\n- `second`") == [
        Block(is_list=False, lines=[[Piece("One ", False), Piece("code", True), Piece(" here, still one.", False)]]),
        Block(is_list=True, lines=[[Piece("first", False)], [Piece("second", True)]]),
    ]


def test_a_quote_that_nothing_closes_is_a_quote():
    assert pieces("it`s `odd` so") == [Piece("it`s `odd` so", False)]


@pytest.mark.parametrize(
    "schema, field, expected",
    [
        ("CreateInvoiceRequest", "invoiceInformation.dueDate", ("date", "", True, [], "")),
        ("CreateInvoiceRequest", "invoiceInformation.expirationDate", ("date", "", False, [], "")),
        ("CreateInvoiceRequest", "customerInformation.name", ("text", "up to 100 characters", False, [], "")),
        ("CreateInvoiceRequest", "invoiceInformation.sendImmediately", ("boolean", "", False, [], "false")),
        ("CreateInvoiceRequest", "orderInformation.lineItems[]", ("list", "up to 30", False, [], "")),
        (
            "CreateInvoiceRequest",
            "orderInformation.amountDetails.totalAmount",
            ("text or number", "up to 19 characters", True, [], ""),
        ),
        ("CreateInvoiceRequest", "orderInformation.amountDetails.currency", ("text", "ISO 4217", True, [], "")),
        (
            "CreateInvoiceRequest",
            "orderInformation.lineItems[].quantity",
            ("whole number or text", "1 to 999999999", False, [], "1"),
        ),
        ("SettingsInput", "payerAuthenticationInInvoicing", ("text", "", False, ["disable"], "disable")),
        ("SettingsInput", "email", ("anything", "", False, [], "")),
        ("Settings", "invoiceSettingsInformation.payerAuthentication3DSVersion", ("text or boolean", "", True, [], "")),
        ("InvoiceWithHistory", "_links", ("object", "", True, [], "")),
        # Required in its object, which itself may be missing.
        ("InvoiceWithHistory", "customerInformation.company.name", ("text", "up to 60 characters", False, [], "")),
        ("InvoiceWithHistory", "invoiceHistory[].event", ("text", "", True, ["RESEND"], "")),
    ],
)
def test_a_field_is_told_by_type_limit_and_need(schema, field, expected):
    rows = {row.name: row for row in Schemas(openapi_check.the_document()).rows(schema)}
    row = rows[field]
    kind, limit, is_required, some_words, default = expected

    assert (row.type, row.limit, row.is_required, row.default) == (kind, limit, is_required, default)
    assert set(some_words) <= set(row.words)
    assert bool(some_words) is bool(row.words)


def as_shown(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def sources(attributes: dict[str, str | None]) -> list[str]:
    return [attributes[name] or "" for name in ("href", "src") if name in attributes]
