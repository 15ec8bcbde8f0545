"""
The headers of payers' pages: who may run, draw, frame and be told what.

The address of a payment page is a secret, and card details may be typed on it: nobody may keep it, index it, frame it
or learn it from a Referer, and nothing runs there but our one script and what the gateway needs.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from paydue.pages.answers import Header

HTML: Final[Header] = (b"content-type", b"text/html; charset=utf-8")
PRIVATE: Final[tuple[Header, ...]] = (
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"cross-origin-opener-policy", b"same-origin-allow-popups"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

# A page on which nothing runs: for those that belong to no merchant.
STILL: Final[tuple[Header, ...]] = (
    HTML,
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'",
    ),
    *PRIVATE,
)

# Pictures and PDFs that belong to a page.
INERT: Final[tuple[Header, ...]] = (
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_OWN: Final[Mapping[str, str]] = {
    "default-src": "'none'",
    "script-src": "'self' 'nonce-{nonce}'",
    "style-src": "'self' 'nonce-{nonce}'",
    "font-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "frame-src": "",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


class Policy:
    """The headers of a merchant's pages, ready but for the nonce that each answer has anew."""

    def __init__(self, sources: Mapping[str, Sequence[str]]) -> None:
        parts = []
        for directive, own in _OWN.items():
            # Nobody may be allowed to frame the page, or to load what no directive names.
            others = sources.get(directive, ()) if "none" not in own else ()
            allowed = " ".join(filter(None, (own, *others)))
            parts.append(f"{directive} {allowed or chr(39) + 'none' + chr(39)}")
        self._before, self._between, self._after = "; ".join(parts).encode().split(b"{nonce}")
        frames = "".join(f' "{origin}"' for origin in sources.get("frame-src", ()))
        self._others: Final = (
            *PRIVATE,
            (b"permissions-policy", f"payment=(self{frames})".encode()),
        )

    def headers(self, nonce: str) -> tuple[Header, ...]:
        """Return the headers of the page whose style and script bear that nonce."""
        mark = nonce.encode()
        policy = b"%b%b%b%b%b" % (self._before, mark, self._between, mark, self._after)
        return (HTML, (b"content-security-policy", policy), *self._others)


def policy_for(sources: Mapping[str, Sequence[str]]) -> Policy:
    """Return the headers for a gateway that needs those origins, by directive; the same ones each time."""
    return _kept(tuple((directive, tuple(origins)) for directive, origins in sorted(sources.items())))


@lru_cache(maxsize=256)
def _kept(sources: tuple[tuple[str, tuple[str, ...]], ...]) -> Policy:
    return Policy(dict(sources))
