"""The host names that a request may be signed for, so that one signed for another service is refused here."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

# An SDK's intermediate-host setting sends requests to us that are still signed for the vendor's names.
VENDOR_HOSTS: Final = frozenset(
    {
        "apitest.cybersource.com",
        "api.cybersource.com",
        "apitest.visaacceptance.com",
        "api.visaacceptance.com",
        "api.smartpayfuse-test.barclaycard",
        "api.smartpayfuse.barclaycard",
    }
)

# An IPv6 address has its port outside the brackets: "[::1]:8443", while "::1" has none.
_NAME_AND_PORT: Final = re.compile(rb"([^:]+|\[[^\]]*\]):[0-9]{1,5}")


class AllowedHosts:
    """
    Our own names and the vendor's.

    A name given without a port is accepted with any port, since only a proxy in front may know it; a name given with
    a port is accepted with that port or with none.
    """

    def __init__(self, own: Iterable[str]) -> None:
        names = {name.strip().lower().encode() for name in (*own, *VENDOR_HOSTS)} - {b""}
        self._exact = frozenset(names | {_without_port(name) for name in names})
        self._any_port = frozenset(name for name in names if _without_port(name) == name)

    def allows(self, host: bytes) -> bool:
        """Say whether a request signed for that host, in any letter case, is meant for us."""
        return (name := host.lower()) in self._exact or _without_port(name) in self._any_port

    def __iter__(self) -> Iterator[bytes]:
        return iter(sorted(self._exact))


def _without_port(name: bytes) -> bytes:
    return match[1] if (match := _NAME_AND_PORT.fullmatch(name)) else name
