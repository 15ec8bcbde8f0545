"""
The code blocks and tables of the documents that bear a mark: a comment of HTML right above them.

    <!-- run -->             each line is a command that the tests run against a demo server
    <!-- run, refused -->    the same, and it has to fail
    <!-- output -->          what the block before prints; `...` stands for anything within a line
    <!-- from FILE -->       the block is a part of that file, word by word
"""

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_MARKED_BLOCK = re.compile(r"^( *)<!-- (?P<mark>[^>]+?) -->\n\1```\w*\n(?P<text>.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A marked block of code, as it reads without the indentation of a list."""

    document: str
    mark: str
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def blocks(document: Path) -> list[Block]:
    """Return a document's marked blocks, in order."""
    name = document.relative_to(ROOT).as_posix()
    text = document.read_text(encoding="utf-8")
    return [
        Block(name, match["mark"], textwrap.dedent(match["text"]) if match[1] else match["text"])
        for match in _MARKED_BLOCK.finditer(text)
    ]


def block(document: Path, mark: str) -> str:
    """Return the text of the only block with that mark, without its last line feed."""
    (found,) = [each for each in blocks(document) if each.mark == mark]
    return found.text.removesuffix("\n")


def table(document: Path, mark: str) -> list[dict[str, str]]:
    """Return the rows of the table below a mark, by the names of its columns; `code` marks are taken off."""
    text = document.read_text(encoding="utf-8")
    _, found, below = text.partition(f"<!-- {mark} -->\n\n")
    assert found, f"{document.name} has no mark {mark!r}"
    header, _, *rows = [_cells(line) for line in below.partition("\n\n")[0].splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]


def looks_like(printed: str, documented: str) -> bool:
    """Tell whether what was printed is what a document shows, in which `...` stands for anything within a line."""
    pattern = re.escape(documented.strip()).replace(re.escape("..."), r"[^\n]*")
    return re.fullmatch(pattern, printed.strip()) is not None


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
