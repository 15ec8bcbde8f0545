"""
The API reference: one page, made from the OpenAPI document and nothing else.

Apart from the other pages because it takes nothing from any request: it is rendered once and is the same for everybody.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from paydue.pages.rendering import StaticFiles, Templates
from paydue.pages.schema_rows import Row, Schemas
from paydue.pages.words_and_code import Block, Piece, blocks, pieces

_TEMPLATE: Final = "api_reference.html"
_JSON: Final = "application/json"

# Answers that any signed call may give are told once, under Errors.
_ANY_CALL: Final = frozenset(("401", "405", "408", "413", "414", "415", "429", "431", "502", "503"))

# The objects that answers hold: anchor, heading, schema. Each has its table of fields once.
_OBJECTS: Final = (
    ("invoice", "Invoice", "InvoiceWithHistory"),
    ("invoice-list", "List of invoices", "InvoiceList"),
    ("settings", "Settings", "Settings"),
    ("field-definition", "Field definition", "FieldDefinition"),
    ("error", "Error", "BadRequest"),
    ("field-definition-error", "Error of a field definition", "FieldDefinitionError"),
    ("gateway-error", "Gateway error", "GatewayError"),
)
_OBJECT_OF_SCHEMA: Final = {
    "Invoice": "invoice",
    "FieldDefinitions": "field-definition",
    **{schema: anchor for anchor, _, schema in _OBJECTS},
}

_TOKEN: Final = re.compile(
    r'(?P<k>"(?:[^"\\]|\\.)*"(?=:))|(?P<q>"(?:[^"\\]|\\.)*")|(?P<n>-?[0-9][0-9.]*|true|false|null)|(?P<rest>[^"0-9a-z-]+)'
)


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the page says about this installation.

    `api_url` is where plain clients call, `tls_host` the host and port that an SDK takes as its run environment.
    """

    name: str = "Paydue"
    version: str
    api_url: str
    tls_host: str


class Token(msgspec.Struct, frozen=True):
    """A piece of a JSON example and how to colour it: k a key, q a text, n a number or word, or nothing."""

    kind: str
    text: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    meaning: list[Piece]
    is_good: bool


class Example(msgspec.Struct, frozen=True, kw_only=True):
    heading: str
    tokens: list[Token]
    status: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    anchor: str
    heading: str
    method: str
    path: str
    meaning: list[Block]
    is_signed: bool
    parameters: list[Row]
    body: list[Row]
    body_meaning: list[Piece]
    answers: list[Answer]
    also: list[str]
    answer_object: str
    examples: list[Example]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    anchor: str
    heading: str
    meaning: list[Piece]
    operations: list[Operation]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    anchor: str
    heading: str
    meaning: list[Piece]
    rows: list[Row]


def render_reference(document: Mapping[str, Any], product: Product, templates: Templates | None = None) -> str:
    """Return the page for this document: whole, readable without script, asking nothing from elsewhere."""
    schemas = Schemas(document)
    values = {
        "product": product,
        "summary": document["info"]["summary"],
        "introduction": blocks(document["info"]["description"]),
        "schemes": [
            {"name": scheme.get("bearerFormat", scheme.get("name", "")), "meaning": blocks(scheme["description"])}
            for scheme in document["components"]["securitySchemes"].values()
        ],
        "groups": list(_groups(document, schemas)),
        "errors": list(_errors(document, schemas)),
        "error_examples": [
            Example(heading="A field is wrong", tokens=tokens(_example(schemas, "InvalidRequest")), status="400"),
            Example(heading="Not signed", tokens=tokens(_example(schemas, "NotAuthenticated")), status="401"),
        ],
        "shapes": [
            Shape(anchor=anchor, heading=heading, meaning=schemas.meaning(name), rows=list(schemas.rows(name)))
            for anchor, heading, name in _OBJECTS
        ],
    }
    return (templates or Templates(StaticFiles())).render(_TEMPLATE, values).decode("utf-8")


def _groups(document: Mapping[str, Any], schemas: Schemas) -> Iterator[Group]:
    for tag in document["tags"]:
        operations = [
            _operation(schemas, method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        yield Group(
            anchor="group-" + re.sub(r"[^a-z]+", "-", tag["name"].lower()),
            heading=tag["name"],
            meaning=pieces(tag["description"]),
            operations=operations,
        )


def _operation(schemas: Schemas, method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get(_JSON)
    is_signed = operation.get("security") != []
    told_once = _ANY_CALL if is_signed else frozenset()
    answers = {status: schemas.resolved(answer) for status, answer in operation["responses"].items()}
    examples = [Example(heading="Request", tokens=tokens(body["example"]))] if body else []
    answer_object = ""
    for status, answer in answers.items():
        content = answer.get("content", {}).get(_JSON)
        if status.startswith("2") and content and not answer_object:
            answer_object = _OBJECT_OF_SCHEMA.get(content["schema"].get("$ref", "").rpartition("/")[2], "")
            examples.append(Example(heading="Answer", tokens=tokens(content["example"]), status=status))
            break
    return Operation(
        anchor=operation["operationId"],
        heading=operation["summary"],
        method=method.upper(),
        path=path,
        meaning=blocks(operation["description"]),
        is_signed=is_signed,
        parameters=[schemas.parameter(parameter) for parameter in operation.get("parameters", ())],
        body=list(schemas.rows_of(body["schema"])) if body else [],
        body_meaning=schemas.meaning_of(body["schema"]) if body else [],
        answers=[_answer(status, answer) for status, answer in answers.items() if status not in told_once],
        also=[status for status in answers if status in told_once],
        answer_object=answer_object,
        examples=examples,
    )


def _answer(status: str, answer: Mapping[str, Any]) -> Answer:
    return Answer(
        status=status,
        meaning=pieces(answer["description"]),
        is_good=status.startswith("2"),
    )


def _errors(document: Mapping[str, Any], schemas: Schemas) -> Iterator[Answer]:
    """Yield what any call may be refused with, each status once."""
    told: set[str] = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            if operation.get("security") != []:
                for status, answer in operation["responses"].items():
                    if status in _ANY_CALL and status not in told:
                        told.add(status)
                        yield _answer(status, schemas.resolved(answer))


def _example(schemas: Schemas, response: str) -> Any:
    return schemas.resolved({"$ref": f"#/components/responses/{response}"})["content"][_JSON]["example"]


def tokens(value: Any) -> list[Token]:
    """Return `value` as indented JSON, cut where the colour changes. Joined, the pieces are that JSON again."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    found = [Token(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(text)]
    return [Token("", token.text) if token.kind == "rest" else token for token in found]
