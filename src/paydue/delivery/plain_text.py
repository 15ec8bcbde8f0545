"""
What other people typed, made fit for a mail: no hidden characters, no header in a name, and links that say where
they lead.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

LONGEST_NAME: Final = 120

# Everything that ends a line somewhere, controls, half characters, and marks that turn the reading direction.
_HIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")
_HIDDEN_BUT_LINES: Final = re.compile(_HIDDEN.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f"))
_LINE_END: Final = re.compile("\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")
_SPACES: Final = re.compile(" {2,}")

# Only what a name needs in order to advertise: an address of any kind.
_ADVERTISING: Final = re.compile(r"https?\b|www\.|@|://", re.IGNORECASE)

# One address, its host without user name or port tricks; what stands around it decides whether it is one.
_LINK: Final = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?")
_END_OF_SENTENCE: Final = ".,;:!?'"


class Piece(NamedTuple):
    """Some text of a line; `url` is where it leads, empty when nowhere, and otherwise the text itself."""

    text: str
    url: str


def one_line(text: str | None) -> str:
    """
    Return `text` as one line that is safe in a header: without line breaks of any kind and other hidden characters.

    Python 3.11 decodes encoded-words even inside quoted names, line breaks included; so none is left that a parser
    would take for one.
    """
    if not text:
        return ""
    line = _SPACES.sub(" ", _HIDDEN.sub(" ", text)).strip()
    # A word joiner, which nobody sees.
    return line.replace("=?", "=\u2060?") if "=?" in line else line


def lines(text: str | None) -> str:
    """Return `text` with its line breaks as single LF and without any other hidden character."""
    if not text:
        return ""
    return _HIDDEN_BUT_LINES.sub("", _LINE_END.sub("\n", text)).strip()


def name_to_greet(name: str | None) -> str:
    """
    Return a name that may stand in a heading or a header, or nothing.

    Whoever may write names could else have advertisements sent to strangers: no addresses, and no more than a name.
    """
    line = one_line(name)
    if _ADVERTISING.search(line):
        return ""
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1].rstrip() + "…"


def linked_lines(text: str) -> tuple[tuple[Piece, ...], ...]:
    """Return each line of `text` in pieces; https addresses are clickable, and show where they lead."""
    return tuple(tuple(_pieces(line)) for line in text.split("\n"))


def _pieces(line: str) -> Iterator[Piece]:
    done = 0
    for found in _LINK.finditer(line):
        url = found[0].rstrip(_END_OF_SENTENCE)
        # A closing bracket belongs to the address only if it was opened there.
        while url.endswith(")") and url.count("(") < url.count(")"):
            url = url[:-1].rstrip(_END_OF_SENTENCE)
        rest = line[found.end() : found.end() + 1]
        before = line[found.start() - 1 : found.start()] if found.start() else ""
        # Letters around it, or a user name: it would lead elsewhere than its reader thinks.
        if before.isalnum() or rest.isalnum() or rest in ("@", "\\", "\u2060") or "." not in url:
            continue
        if found.start() > done:
            yield Piece(line[done : found.start()], "")
        yield Piece(url, url)
        done = found.start() + len(url)
    if done < len(line) or not line:
        yield Piece(line[done:], "")
