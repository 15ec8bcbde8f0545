"""
The little markup that our OpenAPI document is written in: paragraphs, lists with "- ", and `code`.

Read here into plain values instead of HTML, so that the template escapes every word like any other.
"""

import msgspec


class Piece(msgspec.Struct, frozen=True):
    text: str
    is_code: bool


class Block(msgspec.Struct, frozen=True):
    """A paragraph (one line) or a list (its items)."""

    is_list: bool
    lines: list[list[Piece]]


def blocks(text: str) -> list[Block]:
    """Return the paragraphs and lists of a description; a blank line parts them."""
    return [_block(part.split("\n")) for part in text.split("\n\n")]


def pieces(text: str) -> list[Piece]:
    """Return one line, cut at its backquotes; a quote that nothing closes is a quote."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return [Piece(text, is_code=False)]
    return [Piece(part, is_code=bool(position % 2)) for position, part in enumerate(parts) if part]


def _block(lines: list[str]) -> Block:
    if all(line.startswith("- ") for line in lines):
        return Block(is_list=True, lines=[pieces(line[2:]) for line in lines])
    return Block(is_list=False, lines=[pieces(" ".join(lines))])
