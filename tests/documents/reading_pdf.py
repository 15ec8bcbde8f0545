"""What a PDF says, and where: read by other people's programs."""

import io
import re
import subprocess
from typing import NamedTuple

from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject

_WORD = re.compile(r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>')
_INVISIBLE = str.maketrans("", "", "\u200b\u00ad")


class Word(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float
    text: str


def reader(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf), strict=True)


def text_of(pdf: bytes) -> str:
    """Return all text as one line, each space of any kind as one, and without the marks where words may break."""
    return plain(" ".join(page.extract_text() for page in reader(pdf).pages))


def plain(text: str) -> str:
    return " ".join(text.translate(_INVISIBLE).split())


def joined(text: str) -> str:
    """Return `text` without any space: East Asian lines break anywhere, and Latin words get some space around them."""
    return "".join(text.translate(_INVISIBLE).split())


def words_of(pdf: bytes, page: int = 1) -> list[Word]:
    """Return the words of a page with their places, in points from the top left."""
    command = ["pdftotext", "-bbox", "-f", str(page), "-l", str(page), "-", "-"]
    done = subprocess.run(command, input=pdf, capture_output=True, check=True, timeout=60)
    # pdftotext writes an emoji as two halves, which is no UTF-8.
    page_text = done.stdout.decode(errors="replace")
    return [Word(*map(float, found.groups()[:4]), found[5]) for found in _WORD.finditer(page_text)]


def tags_of(pdf: bytes) -> list[DictionaryObject]:
    """Return the elements of the structure tree, in reading order."""
    found: list[DictionaryObject] = []

    def walk(node: object) -> None:
        if isinstance(node, ArrayObject):
            for child in node:
                walk(child.get_object())
        elif isinstance(node, DictionaryObject):
            if "/S" in node:
                found.append(node)
            walk(node.get("/K", ArrayObject()).get_object())

    walk(reader(pdf).trailer["/Root"]["/StructTreeRoot"].get("/K").get_object())
    return found
