"""
Where a payer may be sent after paying: the one function that reads such an address and writes it anew.

Apart, because an address that two programs understand differently is how payers end up elsewhere: only what is
written here is kept and ever sent in a `Location`.
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import quote, urlsplit

_REFUSED: Final = re.compile(r"[\\\s\x00-\x20\x7f-\x9f\ud800-\udfff]")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)

# What may stand in a path, query or fragment as it is; everything else is percent-encoded.
_SAFE: Final = "%/:?#[]@!$&'()*+,;=-._~"


def redirect_url(text: str, *, allows_plain_http: bool = False) -> str | None:
    """
    Return the address in ASCII, scheme and host in lower case, or None when payers must not be sent there.

    It has to be absolute and https (http where `allows_plain_http`), with a host, without user name, backslash,
    space, line break or control character, and with a port from 1 to 65535 if any.
    """
    if _REFUSED.search(text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        # Brackets that hold no IPv6 address, or characters that a browser would turn into a slash.
        return None
    if parts.scheme != "https" and not (allows_plain_http and parts.scheme == "http"):
        return None
    authority = _authority(parts.netloc)
    if authority is None:
        return None
    rest = text[text.index("//") + 2 + len(parts.netloc) :]
    return f"{parts.scheme}://{authority}{quote(rest, safe=_SAFE)}"


def _authority(text: str) -> str | None:
    """Return host and port, or None for anything else than a host name or address with perhaps a port."""
    if text.startswith("["):
        host, bracket, port = text.partition("]")
        try:
            host = f"[{IPv6Address(host[1:])}]" if bracket and "%" not in host else ""
        except AddressValueError:
            return None
    else:
        host, colon, port = text.partition(":")
        port = colon + port
        try:
            host = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return None
        if not _HOST.fullmatch(host):
            return None
    if not host:
        return None
    if port in {"", ":"}:
        return host
    if not port.startswith(":") or not _PORT.fullmatch(port[1:]) or not 1 <= int(port[1:]) <= 65535:
        return None
    return f"{host}:{int(port[1:])}"
