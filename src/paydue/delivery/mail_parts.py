"""
The parts of a mail as bytes: headers, then text, a picture, a PDF or other parts within, lines ended by CR LF.

Put together here and not by the library, which takes each line through Python several times: that was half of what a
mail cost.
"""

from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Sequence
from typing import Final, NamedTuple

from paydue.delivery.mail_headers import header_line

_END: Final = b"\r\n"


class Part(NamedTuple):
    """Headers in their order, and a body."""

    headers: tuple[tuple[str, str], ...]
    body: bytes

    def to_bytes(self) -> bytes:
        """Return it as it is sent. Raises ValueError for a header that would not be one line of ASCII."""
        return b"".join((*(header_line(name, value) for name, value in self.headers), _END, self.body))


def text_part(subtype: str, text: str) -> Part:
    """Return text as quoted-printable. Its lines end with LF."""
    # It looks at how the first line ends, and ends what it breaks in the same way.
    content = b2a_qp(text.replace("\n", "\r\n").encode("utf-8", "replace"), istext=True)
    return Part(_content(f'text/{subtype}; charset="utf-8"', "quoted-printable"), content)


def picture_part(subtype: str, image: bytes, content_id: str) -> Part:
    """Return a picture that HTML beside it shows."""
    shown = (("Content-Disposition", "inline"), ("Content-ID", f"<{content_id}>"))
    return Part((*_content(f"image/{subtype}", "base64"), *shown), _base64(image))


def pdf_part(file_name: str, content: bytes) -> Part:
    """Return a PDF to attach. The file name needs no quotes."""
    attached = ("Content-Disposition", f'attachment; filename="{file_name}"')
    return Part((*_content("application/pdf", "base64"), attached), _base64(content))


def parts_together(
    subtype: str, message_id: str, parts: Sequence[Part], headers: tuple[tuple[str, str], ...] = ()
) -> Part:
    """Return parts in one: `alternative`, `related` or `mixed`. `headers` go before its own."""
    # "=_" occurs in no quoted-printable text, nor in base64.
    boundary = f"=_{subtype}_{message_id[:40]}"
    between = f"--{boundary}\r\n".encode("ascii")
    body = b"".join(piece for part in parts for piece in (between, part.to_bytes(), _END))
    kind = ("Content-Type", f'multipart/{subtype}; boundary="{boundary}"')
    return Part((*headers, kind), b"".join((body, f"--{boundary}--\r\n".encode("ascii"))))


def _content(content_type: str, encoding: str) -> tuple[tuple[str, str], ...]:
    return ("Content-Type", content_type), ("Content-Transfer-Encoding", encoding)


def _base64(content: bytes) -> bytes:
    return encodebytes(content).replace(b"\n", _END)
