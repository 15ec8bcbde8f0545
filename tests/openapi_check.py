"""
Holds an HTTP answer against our own OpenAPI document: every test that talks HTTP passes its answers through here.

Beyond the schema it checks what JSON Schema cannot say: no member twice, numbers in their shortest plain form, and
keys in the order in which the document lists them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from paydue.wire.api import PREFIXES
from paydue.wire.openapi_document import described

_DOCUMENT_URI = "urn:paydue:openapi"
_SHORTEST_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?")

# What a path or a method that nobody described may answer, below the API's prefixes.
_SIGNED_PREFIXES = PREFIXES
_BEFORE_ROUTING = {
    401: "NotAuthenticated",
    408: "RequestTimeout",
    413: "BodyTooLarge",
    414: "UrlTooLong",
    415: "WrongMediaType",
    429: "TooManyRequests",
    431: "HeadersTooLarge",
    503: "Overloaded",
}
_UNKNOWN_ROUTE = {**_BEFORE_ROUTING, 404: "NoSuchRoute"}
_UNKNOWN_METHOD = {**_BEFORE_ROUTING, 405: "MethodNotAllowed"}


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """
    Raise AssertionError unless the document describes this answer: operation, status, headers and body.

    `path` is a template of the document or a path as requested, with or without its query. A path or method that the
    document lacks passes only as what such a request has to be answered: 401, 404 or 405, or a limit.
    """
    path = path.partition("?")[0]
    what = f"{method.upper()} {path} answered {status}"
    pointer = _answer(method.lower(), path, status, what)
    answer = _at(pointer)
    _check_headers(answer.get("headers", {}), {name.lower(): value for name, value in headers.items()}, what)
    content = answer.get("content")
    if content is None:
        assert not body, f"{what}: no body is described, {len(body)} bytes came: {body[:200]!r}"
        return
    sent_type = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    media_type = sent_type.partition(";")[0].strip().lower()
    assert media_type in content, f"{what}: Content-Type {sent_type!r}, described: {', '.join(content)}"
    if media_type == "application/json":
        schema = f"{pointer}/content/{_escaped(media_type)}/schema"
        _check_order(schema, check_json(schema, body, what), what)
    else:
        body.decode("utf-8")


def check_json(pointer: str, body: bytes, what: str = "This body") -> Any:
    """Return what `body` holds. Raise AssertionError unless it is JSON as the schema at `pointer` has it."""
    value = _parsed(body, what)
    faults = sorted(_validator(pointer).iter_errors(value), key=lambda fault: list(map(str, fault.absolute_path)))
    told = "\n".join(f"  {fault.json_path}: {fault.message[:300]}" for fault in faults[:10])
    assert not faults, f"{what}: not as described at {pointer}\n{told}\n  body: {body[:2000].decode()}"
    return value


def request_pointer(method: str, template: str) -> str:
    """Return the pointer of the schema that a request body of this operation has to fit."""
    return f"/paths/{_escaped(template)}/{method.lower()}/requestBody/content/{_escaped('application/json')}/schema"


def answer_pointer(method: str, path: str, status: int) -> str:
    """Return the pointer of the schema that describes a JSON answer."""
    pointer = _answer(method.lower(), path.partition("?")[0], status, f"{method} {path} answering {status}")
    return f"{pointer}/content/{_escaped('application/json')}/schema"


@cache
def the_document() -> dict[str, Any]:
    """Return the document, read once."""
    return described("http://127.0.0.1:8080")


def _answer(method: str, path: str, status: int, what: str) -> str:
    """Return where in the document this answer is described."""
    template = _template(path)
    if template is not None and method in the_document()["paths"][template]:
        answers = the_document()["paths"][template][method]["responses"]
        assert str(status) in answers, f"{what}: {template} describes only {', '.join(answers)}"
        if reference := answers[str(status)].get("$ref"):
            return str(reference).removeprefix("#")
        return f"/paths/{_escaped(template)}/{method}/responses/{status}"
    if template is None:
        assert path.startswith(_SIGNED_PREFIXES), f"{what}: the document has no such path"
        assert status in _UNKNOWN_ROUTE, f"{what}: an unknown path answers only {sorted(_UNKNOWN_ROUTE)}"
        return f"/components/responses/{_UNKNOWN_ROUTE[status]}"
    assert status in _UNKNOWN_METHOD, f"{what}: the document has no such method, so only {sorted(_UNKNOWN_METHOD)}"
    for operation in the_document()["paths"][template].values():
        if reference := operation["responses"].get(str(status), {}).get("$ref"):
            return str(reference).removeprefix("#")
    return f"/components/responses/{_UNKNOWN_METHOD[status]}"


@cache
def _template(path: str) -> str | None:
    """Return the path template that `path` is or fits; a literal segment wins over a placeholder."""
    segments = path.split("/")
    fitting = [
        template
        for template in the_document()["paths"]
        if len(parts := template.split("/")) == len(segments)
        and all(
            part == segment or (part.startswith("{") and segment) for part, segment in zip(parts, segments, strict=True)
        )
    ]
    return min(fitting, key=lambda template: template.count("{"), default=None)


def _check_headers(described_headers: dict[str, Any], headers: dict[str, str], what: str) -> None:
    for name, header in described_headers.items():
        header = _resolved(header)  # noqa: PLW2901 - the same header, looked up
        value = headers.get(name.lower())
        if value is None:
            assert not header.get("required"), f"{what}: the header {name} is missing"
            continue
        whole_number = header["schema"].get("type") == "integer"
        assert not whole_number or value.isdigit(), f"{what}: {name}: {value!r} is no whole number"
        faults = list(Draft202012Validator(header["schema"]).iter_errors(int(value) if whole_number else value))
        assert not faults, f"{what}: {name}: {faults[0].message}"


def _parsed(body: bytes, what: str) -> Any:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), f"{what}: a member twice among {names}"
        return dict(pairs)

    def number(text: str) -> float:
        assert _SHORTEST_NUMBER.fullmatch(text), f"{what}: the number {text} is not in its shortest plain form"
        return float(text)

    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=members, parse_float=number)
    except ValueError as fault:
        raise AssertionError(f"{what}: not JSON in UTF-8 ({fault}): {body[:200]!r}") from None


@cache
def _validator(pointer: str) -> Validator:
    resource = DRAFT202012.create_resource(the_document())
    registry: Registry[Any] = Registry().with_resource(_DOCUMENT_URI, resource)
    return Draft202012Validator({"$ref": f"{_DOCUMENT_URI}#{pointer}"}, registry=registry)


def _check_order(pointer: str, value: Any, what: str) -> None:
    for where, keys, order in _misordered(_at(pointer), value, "$"):
        raise AssertionError(f"{what}: keys of {where} come as {keys}, described as {order}")


def _misordered(schema: dict[str, Any], value: Any, where: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield the objects whose keys do not come in the document's order."""
    schema = _with_references(schema)
    if isinstance(value, list) and "items" in schema:
        for position, item in enumerate(value):
            yield from _misordered(schema["items"], item, f"{where}[{position}]")
    if isinstance(value, dict) and "properties" in schema:
        order = [name for name in schema["properties"] if name in value]
        keys = [name for name in value if name in schema["properties"]]
        if keys != order:
            yield where, keys, order
        for name in keys:
            yield from _misordered(schema["properties"][name], value[name], f"{where}.{name}")


def _with_references(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with what it refers to laid under it; properties of both, the referred ones first."""
    if not isinstance(schema, dict) or "$ref" not in schema:
        return schema if isinstance(schema, dict) else {}
    below = _with_references(_at(schema["$ref"].removeprefix("#")))
    return {**below, **schema, "properties": {**below.get("properties", {}), **schema.get("properties", {})}}


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    return _at(value["$ref"].removeprefix("#")) if "$ref" in value else value


def _at(pointer: str) -> Any:
    found: Any = the_document()
    for part in pointer.split("/")[1:]:
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
