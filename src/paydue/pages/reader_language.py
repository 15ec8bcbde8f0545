"""In which language a reader is written to: as they asked, as the merchant chose, as their browser prefers."""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from paydue.domain.settings import LANGUAGES
from paydue.language.locales import SOURCE_LANGUAGE
from paydue.pages.answers import Scope

_BY_FIRST_PART: Final = {language.partition("-")[0]: language for language in LANGUAGES} | {"zh": "zh-CN"}
_TRADITIONAL: Final = re.compile(r"zh-(hant|tw|hk|mo)\b")
_LONGEST: Final = 200
_BY_LOWER_CASE: Final = {language.lower(): language for language in LANGUAGES}


def reader_language(scope: Scope, chosen: str = SOURCE_LANGUAGE) -> str:
    """
    Return one of the nine languages: the one of `?lang=`, else the merchant's, else the browser's.

    A merchant who never chose one has American English, which gives way to a browser that says what it prefers.
    """
    query: bytes = scope.get("query_string") or b""
    if b"lang=" in query and (asked := _asked(query)):
        return asked
    if chosen != SOURCE_LANGUAGE:
        return chosen
    for name, value in scope["headers"]:
        if name == b"accept-language":
            return _preferred(value[:_LONGEST])
    return SOURCE_LANGUAGE


def _asked(query: bytes) -> str | None:
    try:
        fields = dict(parse_qsl(query.decode("latin-1"), max_num_fields=20))
    except ValueError:
        return None
    return _BY_LOWER_CASE.get(fields.get("lang", "").lower())


@lru_cache(maxsize=1024)
def _preferred(header: bytes) -> str:
    """Return the first language of ours in the order of the browser's preference."""
    wanted = []
    for part in header.decode("latin-1").lower().split(","):
        tag, _, parameters = part.strip().partition(";")
        wanted.append((-_quality(parameters), tag.strip()))
    for quality, tag in sorted(wanted, key=lambda each: each[0]):
        if quality and (language := _ours(tag)):
            return language
    return SOURCE_LANGUAGE


def _quality(parameters: str) -> float:
    found = re.fullmatch(r"\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*", parameters)
    return float(found[1]) if found else float(not parameters)


def _ours(tag: str) -> str | None:
    if _TRADITIONAL.match(tag):
        return "zh-TW"
    return _BY_FIRST_PART.get(tag.partition("-")[0])
