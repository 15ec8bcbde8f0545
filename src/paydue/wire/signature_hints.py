"""
What most likely went wrong when a signature does not match: for the demo, where the caller is a person at a keyboard.

Apart from the verification because nothing here decides anything. It tries the mistakes that people make, and shows
the text that we signed; never the secret, and never the signature that we would have accepted.
"""

import binascii
import hmac
from collections.abc import Iterable, Iterator
from typing import Final

from paydue.usecases.access_keys import AccessKey
from paydue.wire.authentication import shown
from paydue.wire.http_date import read_http_date, write_http_date

_LONGEST_TEXT: Final = 1500


def why_it_differs(key: AccessKey, secret: str, lines: dict[bytes, bytes], given: bytes, hosts: Iterable[bytes]) -> str:
    """Return one line of plain ASCII: the mistake if it is a known one, and the text that the server signed."""
    mistake = _mistake(key, secret, lines, given, hosts) or "the secret, or one of these lines, is not the client's"
    return f'signature: {mistake}; the server signed "{shown(_text(lines), _LONGEST_TEXT)}"'


def _mistake(
    key: AccessKey, secret: str, lines: dict[bytes, bytes], given: bytes, hosts: Iterable[bytes]
) -> str | None:
    raw = binascii.a2b_base64(secret)
    for signing_key, text, mistake in (
        (secret.encode(), _text(lines), "the client signed with the secret's text; it has to be base64-decoded first"),
        (raw, _text(lines) + b"\n", "the client signed a line break after the last line"),
        (raw, _text(lines).replace(b"\n", b"\r\n"), "the client signed CR LF between the lines, not LF"),
    ):
        if _fits(signing_key, text, given):
            return mistake
    if hmac.compare_digest(hmac.digest(raw, _text(lines), "sha256").hex().encode(), given.lower()):
        return "the client sent it in hexadecimal, not in base64"
    for name, value in _other_values(key, lines, hosts):
        if _fits(raw, _text({**lines, name: value}), given):
            return f'the client signed "{name.decode()}: {shown(value)}"'
    return None


def _other_values(key: AccessKey, lines: dict[bytes, bytes], hosts: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield what a client may have signed in place of one line."""
    for name in (b"request-target", b"(request-target)"):
        if name in lines:
            method, _, target = lines[name].partition(b" ")
            yield name, method + b" " + target.partition(b"?")[0]
            yield name, method.upper() + b" " + target
            yield name, target
    for name in (b"date", b"v-c-date"):
        if name in lines and (posix := read_http_date(lines[name])) is not None:
            yield name, write_http_date(posix)
            yield name, write_http_date(posix - 1)
            yield name, write_http_date(posix + 1)
    for host in hosts:
        yield b"host", host
    for merchant in (key.merchant_id, key.portfolio_id, *key.merchants):
        if merchant is not None:
            yield b"v-c-merchant-id", merchant.encode()
    if b"digest" in lines:
        yield b"digest", lines[b"digest"].partition(b"=")[2]


def _text(lines: dict[bytes, bytes]) -> bytes:
    return b"\n".join(name + b": " + value for name, value in lines.items())


def _fits(signing_key: bytes, text: bytes, given: bytes) -> bool:
    expected = binascii.b2a_base64(hmac.digest(signing_key, text, "sha256"), newline=False)
    return hmac.compare_digest(expected, given)
