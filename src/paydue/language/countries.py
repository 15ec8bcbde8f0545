"""The countries that something can be sent to, named in each language and in the order in which readers look."""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from paydue.language.locales import locale_of

# Two letters of CLDR that are no country with an address: groups, test regions, and "unknown".
_NO_COUNTRIES: Final = frozenset("AN BV CP CQ DG EA EU EZ HM IC QO SU TA UN XA XB ZZ".split())


@lru_cache
def country_names(language: str) -> Mapping[str, str]:
    """Return the names of countries by their ISO 3166 codes, in alphabetical order. Raises UnknownLanguage."""
    names = {
        code: name
        for code, name in locale_of(language).territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRIES
    }
    return dict(sorted(names.items(), key=lambda named: _sorting(named[1])))


def _sorting(name: str) -> str:
    """Return what sorts Å beside A, as people look for it."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign)).casefold()
