"""
Headers of a mail: the only place where other people's words become a line that a mail server acts on.

They are written here and not by the library's parser, which on Python 3.11 decodes encoded-words inside quoted names,
line breaks included, and which takes longer than everything else about a mail.
"""

from email.header import Header
from email.utils import quote
from typing import Final

from paydue.domain.mail_address import can_be_mailed

_LONGEST_LINE: Final = 78


class UnmailableAddress(Exception):
    """No mail can go there: it is no single plain address, or needs a mail server that takes more than ASCII."""


def mailable(address: str) -> str:
    """
    Return the address for a header and for the envelope; a host name outside ASCII in its ASCII form.

    Raises UnmailableAddress for anything that is not one plain address, and for letters outside ASCII before the @.
    """
    local_part, _, host = address.rpartition("@")
    plain = address if host.isascii() else f"{local_part}@{_ascii_host(host)}"
    if not can_be_mailed(plain):
        raise UnmailableAddress(f"{address!r} cannot be mailed")
    return plain


def named_address(name: str, address: str) -> str:
    """Return an address with a display name, which is quoted or encoded so that it is nothing but a name."""
    if not name:
        return address
    shown = f'"{quote(name)}"' if name.isascii() else encoded(name)
    return f"{shown} <{address}>"


def encoded(text: str) -> str:
    """Return text for a header: itself when it is ASCII, otherwise as encoded-words."""
    if text.isascii():
        return text
    # Without a line end, for folding comes later and nothing else may break a line.
    return Header(text, "utf-8").encode(linesep="")


def header_line(name: str, value: str) -> bytes:
    """
    Return a header, folded at spaces so that no line is long, ended by CR LF.

    Raises ValueError for a value that holds anything but visible ASCII: it would end the line.
    """
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{name}: {value!r} is no header")
    first, *words = value.split()
    lines = [f"{name}: {first}"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _LONGEST_LINE:
            lines.append("")
        lines[-1] += f" {word}"
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _ascii_host(host: str) -> str:
    """Return the ASCII form of a host name, or nothing when it has none."""
    import idna  # noqa: PLC0415 - tables that few addresses need

    try:
        return idna.encode(host, uts46=True, std3_rules=True, transitional=False).decode("ascii")
    except idna.IDNAError:
        return ""
