"""
Where this installation may call: which addresses on the net, and which spellings of a URL are understood at all.

Apart from `egress.py` because these rules are pure: the same function reads a URL when it is written down and when it
is called, so that no two readings can differ, and no address is judged by its name.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import quote

import msgspec

LONGEST_URL: Final = 2048

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_CHARACTERS: Final = re.compile(r"[\\\s\x00-\x20\x7f-\x9f\ud800-\udfff]")
_URL: Final = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE | re.ASCII)
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*", re.ASCII)
# Such a last label makes browsers and C libraries read the whole as an IPv4 address, in decimal, octal or hexadecimal.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
# What may stand in a path or query as it is; everything else is percent-encoded.
_SAFE: Final = "%/:?[]@!$&'()*+,;=-._~"

# IANA's special-purpose registries, and what else is not a stranger's public host. Written out, because `is_private`
# and `is_global` of the standard library differ between its versions and let some of these through.
_REFUSED_IPV4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # one cloud's host services, at a public address
    )
)  # fmt: skip
# Only this part of IPv6 is handed out to hosts. Outside of it are loopback, local and multicast addresses, and the
# forms that carry an IPv4 address (mapped, compatible, NAT64): those reach a host that was never judged.
_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
_REFUSED_IPV6: Final = tuple(
    IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)  # fmt: skip
_LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class RefusedByRules(Exception):
    """This is never called. The text says why: of a URL's form to its writer, of an address only to the operator."""


class Target(msgspec.Struct, frozen=True):
    """A URL taken apart: `host` in ASCII lower case without brackets, `path` with the query, percent-encoded."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Return what the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """Return the address that stands in the place of a name, if one does."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


class EgressRules(msgspec.Struct, frozen=True, kw_only=True):
    """
    The operator's choices. `allowed_networks` are private networks that may be called all the same.

    `is_development` allows plain http, any port, and this machine's loopback: for a demonstration, never in earnest.
    """

    ports: frozenset[int] = frozenset((443, 8443))
    allowed_networks: tuple[Network, ...] = ()
    is_development: bool = False

    def read(self, url: str) -> Target:
        """Return what `url` names. Raises RefusedByRules for a form that is not understood, or may not be called."""
        if len(url) > LONGEST_URL:
            raise RefusedByRules(f"at most {LONGEST_URL} characters are allowed")
        if _REFUSED_CHARACTERS.search(url):
            raise RefusedByRules("spaces, backslashes and control characters are not allowed")
        match = _URL.match(url)
        if match is None or (match[1].lower() != "https" and not self.is_development):
            raise RefusedByRules("an absolute https address is needed, for example https://example.com/webhooks")
        scheme, authority, path = match[1].lower(), match[2], match[3]
        if "@" in authority:
            raise RefusedByRules("a user name or password is not allowed")
        host, port = _split(authority)
        target = Target(scheme, _host(host), _port(port, scheme), quote(path, safe=_SAFE) or "/")
        if target.port not in self.ports and not self.is_development:
            allowed = ", ".join(str(each) for each in sorted(self.ports))
            raise RefusedByRules(f"port {target.port} is not allowed: use {allowed}")
        return target if target.path.startswith("/") else msgspec.structs.replace(target, path="/" + target.path)

    def fault_in(self, url: str) -> str | None:
        """Return what is wrong with the form of `url`, for whoever wrote it, or None."""
        try:
            self.read(url)
        except RefusedByRules as refusal:
            return str(refusal)
        return None

    def check(self, address: Address) -> None:
        """Raises RefusedByRules unless that address may be dialled."""
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            raise RefusedByRules(f"{address} is bound to a link")
        if any(address in network for network in self.allowed_networks):
            return
        if self.is_development and any(address in network for network in _LOOPBACK):
            return
        if isinstance(address, IPv6Address):
            refused = address not in _GLOBAL_IPV6 or any(address in network for network in _REFUSED_IPV6)
        else:
            refused = any(address in network for network in _REFUSED_IPV4)
        # Asked as well, in case a later version knows of a range that was set apart meanwhile.
        if refused or not address.is_global or address.is_multicast:
            raise RefusedByRules(f"{address} is not a public address")


def read_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks an operator named, `10.1.0.0/16`. Raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def _split(authority: str) -> tuple[str, str]:
    """Part host and port; a bracket belongs to the host."""
    if authority.startswith("["):
        host, bracket, port = authority.partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise RefusedByRules("the host is not understood")
        return host + bracket, port.removeprefix(":")
    host, _, port = authority.partition(":")
    return host, port


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            # Written anew, in the one spelling that everybody reads alike. A zone never gets through.
            return str(IPv6Address(text[1:-1])) if "%" not in text else _not_understood()
        except AddressValueError:
            return _not_understood()
    # The one dot that marks a name as absolute is no part of it for TLS and for the Host header.
    name = _ascii(text).lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        return _not_understood()
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(IPv4Address(name))
        except AddressValueError:
            raise RefusedByRules("an IPv4 address is written as four decimal numbers") from None
    return name


def _ascii(text: str) -> str:
    """Return an internationalised name as browsers look it up."""
    if text.isascii():
        return text
    import idna  # noqa: PLC0415 - tables that few installations ever need

    try:
        return idna.encode(text, uts46=True, transitional=False).decode("ascii")
    except idna.IDNAError:
        return _not_understood()


def _port(text: str, scheme: str) -> int:
    if not text:
        return _DEFAULT_PORTS[scheme]
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise RefusedByRules("the port has to be a number from 1 to 65535")
    return int(text)


def _not_understood() -> str:
    raise RefusedByRules("the host is not understood")
