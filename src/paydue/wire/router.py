"""Paths to handlers: a literal segment wins over a placeholder, and what was declared can be listed."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import msgspec


class Route(msgspec.Struct, frozen=True):
    """
    One operation: `template` has its placeholders in braces, `maximum_body` is in bytes.

    The handler of a prompt one may begin without a task of its own: nothing in it asks for the current task before
    its first wait. A streamed one answers piece by piece.
    """

    method: str
    template: str
    handler: Callable[..., Awaitable[Any]]
    maximum_body: int
    is_prompt: bool = False
    is_streamed: bool = False


class Match(msgspec.Struct, frozen=True):
    """The operations of a path by method, and what stood for its placeholders."""

    routes: dict[str, Route]
    values: tuple[str, ...]


class _Node:
    __slots__ = ("literals", "placeholder", "routes")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.placeholder: _Node | None = None
        self.routes: dict[str, Route] = {}


class Router:
    """A tree of path segments, built once."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.template.split("/"):
                if segment.startswith("{"):
                    node.placeholder = node.placeholder or _Node()
                    node = node.placeholder
                else:
                    node = node.literals.setdefault(segment, _Node())
            node.routes[route.method] = route

    def match(self, raw_path: bytes) -> Match | None:
        """
        Return the operations of a path as it was sent, or None where there is nothing. A placeholder is never empty.

        Segments are decoded after they are parted, so that an encoded slash parts nothing. One slash at the end is as
        good as none: the links of a list have it before the question mark.
        """
        path = raw_path.decode("latin-1").removesuffix("/")
        segments = path.split("/") if "%" not in path else [unquote(segment) for segment in path.split("/")]
        node = self._root
        values: list[str] = []
        for segment in segments:
            below = node.literals.get(segment)
            if below is None:
                below = node.placeholder
                if below is None or not segment:
                    return None
                values.append(segment)
            node = below
        return Match(node.routes, tuple(values)) if node.routes else None
