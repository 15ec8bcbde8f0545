"""
How many connections one address may have open at once, so that nobody takes them all.

Asked once when a connection is made and once when it ends; no request knows of it.
"""

import ipaddress
from collections import Counter
from typing import Final

# What one customer of a network has: who is counted by single addresses has as many as he likes.
_IPV6_PREFIX: Final = 64


class ConnectionLimit:
    """Counts for all listeners together. A limit of 0 is none."""

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> str | None:
        """Count a connection from that address and return what `leave` wants; None when it has too many already."""
        if not self._most:
            return ""
        name = _counted_as(address)
        if self._open[name] >= self._most:
            return None
        self._open[name] += 1
        return name

    def leave(self, name: str) -> None:
        """Forget a connection that was counted."""
        if name:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]


def _counted_as(address: str) -> str:
    if ":" not in address:
        return address
    read = ipaddress.IPv6Address(address)
    # A socket for both families tells of IPv4 so.
    if read.ipv4_mapped is not None:
        return str(read.ipv4_mapped)
    return str(int(read) >> (read.max_prefixlen - _IPV6_PREFIX))
