"""
JSON Schema as rows for a person: a field's whole path, its type in a word, its limit, whether it is required.

What restricts fields among each other (`anyOf`, `if`) is told in descriptions, in words, and not read here.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from paydue.pages.words_and_code import Piece, pieces

_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "object",
}
_FORMATS: Final = {"date": "date", "date-time": "instant"}
_MOST_WORDS: Final = 12
_LARGEST_TOLD: Final = 2**31

JsonObject = Mapping[str, Any]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One field or parameter. `place` says where a parameter stands; `words` are the only values it takes."""

    name: str
    type: str
    limit: str = ""
    place: str = ""
    is_required: bool = False
    is_deprecated: bool = False
    meaning: list[Piece]
    words: list[str]
    default: str = ""


class Schemas:
    """The schemas of one OpenAPI document."""

    def __init__(self, document: JsonObject) -> None:
        self._document = document

    def rows(self, name: str) -> Iterator[Row]:
        """Yield the fields of a named schema, from the outside in, in the document's order."""
        return self.rows_of({"$ref": f"#/components/schemas/{name}"})

    def rows_of(self, schema: JsonObject, path: str = "", *, is_required: bool = True) -> Iterator[Row]:
        """
        Yield the fields below `schema`; objects are told by their members, lists of objects by both.

        A field counts as required when everything around it is too, up to the item of a list.
        """
        schema = self.resolved(schema)
        for name, member in schema.get("properties", {}).items():
            inner = self.resolved(member)
            where = path + name
            required = is_required and name in schema.get("required", ())
            if "items" in inner:
                yield self._row(where + "[]", inner, is_required=required)
                yield from self.rows_of(inner["items"], where + "[].")
            elif self._tells_its_members(inner):
                yield from self.rows_of(inner, where + ".", is_required=required)
            else:
                yield self._row(where, inner, is_required=required)

    def parameter(self, parameter: JsonObject) -> Row:
        """Return a parameter as a row."""
        parameter = self.resolved(parameter)
        schema = {**parameter["schema"], "description": parameter["description"]}
        row = self._row(parameter["name"], schema, is_required=parameter.get("required", False))
        return msgspec.structs.replace(row, place=parameter["in"])

    def meaning(self, name: str) -> list[Piece]:
        """Return the description of a named schema."""
        return self.meaning_of({"$ref": f"#/components/schemas/{name}"})

    def meaning_of(self, schema: JsonObject) -> list[Piece]:
        return pieces(self.resolved(schema).get("description", ""))

    def resolved(self, schema: JsonObject) -> JsonObject:
        """Return what `schema` refers to, with its own members laid over it; properties of both."""
        if "$ref" not in schema:
            return schema
        target: Any = self._document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        below = self.resolved(target)
        own = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        merged = {**below, **own}
        if "properties" in below and "properties" in own:
            merged["properties"] = {**below["properties"], **own["properties"]}
        if "required" in below and "required" in own:
            merged["required"] = [*below["required"], *own["required"]]
        return merged

    def _tells_its_members(self, schema: JsonObject) -> bool:
        """Whether the members of an object are described; else the object is told in one row."""
        members = [self.resolved(member) for member in schema.get("properties", {}).values()]
        return any("description" in member or self._tells_its_members(member) for member in members)

    def _row(self, name: str, schema: JsonObject, *, is_required: bool) -> Row:
        branches = list(self._branches(schema))
        words = _words(branches)
        meaning = pieces(schema.get("description", ""))
        told = {piece.text for piece in meaning if piece.is_code}
        return Row(
            name=name,
            type=_type(branches),
            limit=_limit(branches, words),
            is_required=is_required,
            is_deprecated=schema.get("deprecated", False),
            meaning=meaning,
            words=words if len(words) <= _MOST_WORDS and not told.issuperset(words) else [],
            default=_told(schema["default"]) if "default" in schema else "",
        )

    def _branches(self, schema: JsonObject) -> Iterator[JsonObject]:
        """Yield the alternatives of a schema: itself, or those of its `oneOf` or `anyOf`."""
        alternatives = schema.get("oneOf") or schema.get("anyOf")
        if not alternatives:
            yield schema
        for alternative in alternatives or ():
            yield from self._branches(self.resolved(alternative))


def _type(branches: list[JsonObject]) -> str:
    found = [each for branch in branches for each in _types(branch)]
    if "boolean" in found and "text" in found and not any(branch.get("enum") == ["True", False] for branch in branches):
        return "boolean"  # its spellings as text are for clients that cannot do better
    if "date" in found:
        found = [each for each in found if each != "text"]  # a date spelled otherwise is a date
    return " or ".join(dict.fromkeys(found)) or "anything"


def _types(branch: JsonObject) -> list[str]:
    """Return the types of one alternative in our words; where none is named, those of its values."""
    named = branch.get("type", [])
    if not named:
        kinds = ["boolean" if isinstance(value, bool) else "string" for value in _values(branch) if value is not None]
        return [_TYPES[kind] for kind in kinds]
    types = [named] if isinstance(named, str) else named
    return [_FORMATS.get(branch.get("format", ""), _TYPES[each]) for each in types if each in _TYPES]


def _limit(branches: list[JsonObject], words: list[str]) -> str:
    limits: list[str] = []
    for branch in branches:
        if (most := branch.get("maxLength")) is not None:
            limits.append(f"up to {most:,} characters")
        if (most := branch.get("maxItems")) is not None:
            limits.append(f"up to {most:,}")
        if branch.get("type") == "integer" and branch.get("maximum", _LARGEST_TOLD) < _LARGEST_TOLD:
            limits.append(f"{branch.get('minimum', 0)} to {branch['maximum']}")
    if len(words) > _MOST_WORDS:
        limits.append("ISO 4217")
    return ", ".join(dict.fromkeys(limits))


def _words(branches: list[JsonObject]) -> list[str]:
    """Return the values a field takes, each once whatever its letter case; none for a boolean."""
    if any(branch.get("type") == "boolean" for branch in branches):
        return []
    first: dict[str, str] = {}
    for value in (each for branch in branches for each in _values(branch)):
        if value not in {None, ""}:
            first.setdefault(str(value).lower(), _told(value))
    return list(first.values())


def _values(branch: JsonObject) -> list[Any]:
    if "const" in branch:
        return [branch["const"]]
    values: list[Any] = branch.get("enum", [])
    return values


def _told(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
