"""
A merchant's two colours, made safe to read: which of them may carry text, a button or a link, and what stands in.

Pure arithmetic by the WCAG formula for contrast, shared by everything that people look at: pages, mails, documents.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

INK: Final = "#10191b"
PAPER: Final = "#ffffff"

_TEXT_CONTRAST: Final = 4.5
_SHAPE_CONTRAST: Final = 3.0

# `fullmatch` and not `match` with "$", which would let a line break through.
_COLOUR: Final = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")


class Palette(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is drawn in which colour, each as `#rrggbb`.

    The band bears the merchant's name, the action is a filled button, a link stands on paper.
    """

    band: str
    band_ink: str
    action: str
    action_ink: str
    link: str


# A merchant has the same ones on every page and in every mail.
@lru_cache(maxsize=256)
def palette(background: str, text: str) -> Palette:
    """
    Return the colours for a merchant's header colours: theirs wherever one can read them, ink or paper elsewhere.

    Raises ValueError when either is no colour of the form `#rgb` or `#rrggbb`.
    """
    band, wanted_ink = six_digits(background), six_digits(text)
    on_paper = contrast(band, PAPER)
    action = band if on_paper >= _SHAPE_CONTRAST and contrast(band, _better(band)) >= _TEXT_CONTRAST else INK
    return Palette(
        band=band,
        band_ink=wanted_ink if contrast(band, wanted_ink) >= _TEXT_CONTRAST else _better(band),
        action=action,
        action_ink=PAPER if contrast(action, PAPER) >= _TEXT_CONTRAST else INK,
        link=band if on_paper >= _TEXT_CONTRAST else INK,
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 (none) to 21 (black on white). Raises ValueError for no colour."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def six_digits(colour: str) -> str:
    """Return `#rgb` or `#rrggbb` as `#rrggbb` in small letters. Raises ValueError for anything else."""
    if not _COLOUR.fullmatch(colour):
        raise ValueError(f"{colour!r} is no colour of the form #rgb or #rrggbb")
    digits = colour[1:].lower()
    return "#" + ("".join(digit * 2 for digit in digits) if len(digits) == 3 else digits)


def _better(background: str) -> str:
    return max((PAPER, INK), key=lambda ink: contrast(background, ink))


def _luminance(colour: str) -> float:
    digits = six_digits(colour)
    red, green, blue = (_linear(int(digits[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
