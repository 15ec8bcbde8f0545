"""
What other people typed, made fit for paper: no hidden characters, none that our fonts cannot draw, and no word too
long for its column.

A PDF for archives may not hold a character without a picture, and typst refuses to write one.
"""

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

FONTS: Final = Path(__file__).parent / "fonts"
STAND_IN: Final = "\N{WHITE SQUARE}"

# Controls, marks that turn the reading direction, half characters, and invisible ones that only hide.
_HIDDEN: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_LINE_END: Final = re.compile("\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")
_SPACE: Final = re.compile(r"[ \t\u1680\u2000-\u200a\u205f]+")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")

# East Asian text breaks between any two characters by itself.
_BREAKS_BY_ITSELF: Final = "\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
_LONG_TOKEN: Final = re.compile(rf"[^\s\u00a0\u202f{_BREAKS_BY_ITSELF}]{{17,}}")
_LETTERS_HYPHENATED_BY_RULE: Final = 30
_JOINER: Final = "\u200d"
_MAY_BREAK, _MAY_HYPHENATE = "\u200b", "\u00ad"


def drawable_line(text: str | None) -> str:
    """Return `text` on one line, in characters that can be drawn; words too long for a column may be parted."""
    return _SPACE.sub(" ", drawable_lines(text).replace("\n", " "))


def drawable_lines(text: str | None) -> str:
    """Return `text` with its line breaks as single LF, otherwise as `drawable_line` does."""
    if not text:
        return ""
    plain = unicodedata.normalize("NFC", _HIDDEN.sub("", _LINE_END.sub("\n", text)))
    drawn = _undrawable().sub(STAND_IN, _SPACE.sub(" ", plain))
    return _LONG_TOKEN.sub(_with_breaks, _EMPTY_LINES.sub("\n\n", drawn)).strip()


def breakable_url(url: str) -> str:
    """Return an address that may go on in the next line anywhere."""
    return _MAY_BREAK.join(_undrawable().sub(STAND_IN, url))


def _with_breaks(token: re.Match[str]) -> str:
    word = token[0]
    if word.isalpha():
        # Words of a language are parted by its own rules; what is longer is no word.
        return word if len(word) <= _LETTERS_HYPHENATED_BY_RULE else _every(8, word, _MAY_HYPHENATE)
    return _every(6, word, _MAY_BREAK)


def _every(count: int, word: str, mark: str) -> str:
    """Put `mark` after every `count` characters, never before one that belongs to the character before it."""
    pieces, piece = [], ""
    for character in word:
        is_joined = unicodedata.combining(character) or _JOINER in (character, piece[-1:])
        if len(piece) >= count and not is_joined:
            pieces.append(piece)
            piece = ""
        piece += character
    return mark.join((*pieces, piece))


@cache
def _undrawable() -> re.Pattern[str]:
    """Return what finds a character that no font of ours has; read when a document is first made."""
    ranges = (line.split("-") for line in (FONTS / "coverage.txt").read_text(encoding="ascii").split())
    drawn = "".join(f"{re.escape(chr(int(first, 16)))}-{re.escape(chr(int(last, 16)))}" for first, last in ranges)
    return re.compile(f"[^\n\u00a0\u202f{drawn}]")
