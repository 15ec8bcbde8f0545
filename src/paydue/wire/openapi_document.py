"""
Our OpenAPI 3.1 description, put together from the JSON pieces in `openapi/`.

The pieces are written by hand and hold everything but the two facts that only an installation knows: its public
address and its version. Tests and the reference page read the same document that `/openapi.json` serves.
"""

from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec

# An OpenAPI document is a tree whose shape the standard rules, not we: plain JSON is its honest type.
JsonObject = dict[str, Any]

_PIECES: Final = "openapi"


@lru_cache(maxsize=8)
def document(public_url: str) -> bytes:
    """
    Return the document as JSON, naming `public_url` as the server and the installed version of Paydue.

    `public_url` comes from the configuration, so few different ones are ever asked for.
    """
    return msgspec.json.encode(described(public_url))


def described(public_url: str) -> JsonObject:
    """Return the same document as an object of the caller's own, to read or to change."""
    whole: JsonObject = msgspec.json.decode(_whole())
    whole["info"]["version"] = _installed_version()
    whole["servers"] = [{"url": public_url.rstrip("/"), "description": "This installation."}]
    return whole


@cache
def _whole() -> bytes:
    """
    Join the pieces: `document.json`, then every file of `paths/` and `schemas/`, then `components.json`.

    Raises ValueError for a path or schema that two pieces describe.
    """
    folder = files("paydue.wire") / _PIECES
    whole = _read(folder / "document.json")
    whole["paths"] = _joined(folder / "paths")
    whole["components"] = {"schemas": _joined(folder / "schemas"), **_read(folder / "components.json")}
    return msgspec.json.encode(whole)


def _joined(folder: Traversable) -> JsonObject:
    joined: JsonObject = {}
    for piece in sorted(folder.iterdir(), key=lambda each: each.name):
        members = _read(piece)
        if twice := joined.keys() & members.keys():
            raise ValueError(f"{piece.name}: described twice: {', '.join(sorted(twice))}")
        joined.update(members)
    return joined


def _read(piece: Traversable) -> JsonObject:
    return msgspec.json.decode(piece.read_bytes(), type=JsonObject)


def _installed_version() -> str:
    try:
        return version("paydue")
    except PackageNotFoundError:
        # Run from a source tree that was never installed.
        return "0+source"
