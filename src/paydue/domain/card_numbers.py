"""Telling a payment card number from other long digits, so that none is ever stored or logged."""

import re
import unicodedata
from collections.abc import Iterator

# 15, 16 or 19 digits, perhaps with single signs between them, not part of a longer run.
_CANDIDATE = re.compile(r"(?<![0-9])[2-6](?:[ .-]?[0-9]){13,18}(?![0-9])", re.ASCII)
# Of some ten thousand of these one has such digits by chance; callers use them as keys, ids and references.
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE | re.ASCII)
_LENGTHS = frozenset((15, 16, 19))
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def holds_card_number(text: str) -> bool:
    """
    Whether `text` holds digits of a card number's length that start like one and pass the Luhn check.

    Product codes of 8, 12, 13 or 14 digits, IBANs, telephone numbers and UUIDs pass.
    """
    return any(True for _ in _found(text if text.isascii() else _plain(text)))


def masked(text: str) -> str:
    """Return the text with every card number in it but for its last four digits replaced by `X`."""
    # Signs are put one for one, so that what is found in the plain form stands at the same place.
    signs = list(text)
    for match in _found(text if text.isascii() else _plain(text)):
        places = [place for place in range(*match.span()) if match.string[place].isdigit()]
        for place in places[:-4]:
            signs[place] = "X"
    return "".join(signs)


def _found(text: str) -> Iterator[re.Match[str]]:
    for match in _CANDIDATE.finditer(text):
        digits = [int(character) for character in match[0] if character.isdigit()]
        if len(digits) in _LENGTHS and _starts_like_a_card(digits) and _passes_luhn(digits) and not _in_uuid(match):
            yield match


def _in_uuid(match: re.Match[str]) -> bool:
    return any(uuid.start() < match.end() and match.start() < uuid.end() for uuid in _UUID.finditer(match.string))


def _plain(text: str) -> str:
    """Return the text with the digits, spaces and dashes of other scripts written as ASCII has them."""
    return "".join(map(_plain_sign, text))


def _plain_sign(sign: str) -> str:
    if sign.isascii():
        return sign
    digit = unicodedata.decimal(sign, None)
    if digit is not None:
        return str(digit)
    return {"Zs": " ", "Pd": "-"}.get(unicodedata.category(sign), sign)


def _starts_like_a_card(digits: list[int]) -> bool:
    # American Express 34, 37; Mastercard 2221 to 2720 and 51 to 55; JCB 35; Visa 4; Discover, Maestro, UnionPay 5, 6.
    if len(digits) == 15:
        return digits[0] == 3 and digits[1] in (4, 7)
    if digits[0] == 2:
        return 2221 <= digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3] <= 2720
    return digits[0] in (4, 5, 6) or digits[:2] == [3, 5]


def _passes_luhn(digits: list[int]) -> bool:
    return (sum(digits[-1::-2]) + sum(_DOUBLED[digit] for digit in digits[-2::-2])) % 10 == 0
