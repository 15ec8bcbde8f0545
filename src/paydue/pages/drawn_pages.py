"""
The pages that were drawn last, to be sent again: a scanner of mails opens a link, then its payer, then its script.

Nothing that differs from one answer to the next is kept: nonce and payer key are holes, which every answer fills anew.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

_MOST_BYTES: Final = 16 * 1024 * 1024

# What stands in a drawn page where a nonce and a payer key belong: no text can hold it by chance or by guess.
NONCE_HOLE: Final = os.urandom(16).hex()
KEY_HOLE: Final = os.urandom(16).hex()


class Drawn(msgspec.Struct, frozen=True):
    """A page in pieces, with what it was drawn from: equal grounds are the same page."""

    grounds: tuple[object, ...]
    before: bytes
    between: bytes
    after: bytes

    def filled(self, nonce: str, payer_key: str) -> bytes:
        """Return the page with a nonce and, where it has a form, a payer key."""
        if not self.after:
            return b"%b%b%b" % (self.before, nonce.encode(), self.between)
        return b"%b%b%b%b%b" % (self.before, nonce.encode(), self.between, payer_key.encode(), self.after)


class DrawnPages:
    """Keeps the pages of links, one for each link: of those longest unused, as many go as there is too much."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pages: OrderedDict[str, Drawn] = OrderedDict()

    def get(self, token: str, grounds: tuple[object, ...], draw: Callable[[], bytes]) -> Drawn:
        """Return the page of these grounds, drawn now unless it was the last that was drawn for its link."""
        kept = self._pages.get(token)
        if kept is not None and kept.grounds == grounds:
            self._pages.move_to_end(token)
            return kept
        body = draw()
        before, _, rest = body.partition(NONCE_HOLE.encode())
        between, _, after = rest.partition(KEY_HOLE.encode())
        drawn = Drawn(grounds, before, between, after)
        self._keep(token, drawn)
        return drawn

    def _keep(self, token: str, drawn: Drawn) -> None:
        left = self._pages.pop(token, None)
        self._bytes += _size(drawn) - (_size(left) if left is not None else 0)
        self._pages[token] = drawn
        while self._bytes > self._most_bytes:
            self._bytes -= _size(self._pages.popitem(last=False)[1])


def _size(drawn: Drawn) -> int:
    # Beside the page itself: its grounds and its place.
    return len(drawn.before) + len(drawn.between) + len(drawn.after) + 1024
