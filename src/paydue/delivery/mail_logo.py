"""A merchant's logo in the size that a mail shows it, small enough to travel with each."""

import io
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_LOGO_BYTES: Final = 100_000

_HEIGHT, _WIDTH = 40, 200
# Screens have two dots where the mail counts one.
_DENSITY: Final = 2


class MailLogo(msgspec.Struct, frozen=True, kw_only=True):
    """An inline picture: `width` and `height` are those it is shown in, `subtype` is `png` or `jpeg`."""

    image: bytes
    subtype: str
    width: int
    height: int
    content_id: str


def mail_logo(image: bytes) -> MailLogo:
    """
    Return a stored logo for mails, at most 200 x 40 and 100 kB.

    Takes some milliseconds: keep what comes out, and keep it off the event loop. `image` has been written anew by us
    when it was uploaded; what Pillow cannot read raises its OSError.
    """
    from PIL import Image  # noqa: PLC0415 - only a worker draws logos

    with Image.open(io.BytesIO(image)) as stored:
        has_alpha = "A" in stored.getbands() or "transparency" in stored.info
        picture = stored.convert("RGBA" if has_alpha else "RGB")
    picture.thumbnail((_WIDTH * _DENSITY, _HEIGHT * _DENSITY), Image.Resampling.LANCZOS)
    scale = min(1, _HEIGHT / picture.height, _WIDTH / picture.width)
    written, subtype = _small_enough(picture)
    return MailLogo(
        image=written,
        subtype=subtype,
        width=max(1, round(picture.width * scale)),
        height=max(1, round(picture.height * scale)),
        content_id=f"logo-{sha256(written).hexdigest()[:16]}@paydue",
    )


def _small_enough(picture: "Image") -> tuple[bytes, str]:
    written = _written(picture, "PNG", optimize=True)
    if len(written) <= LARGEST_LOGO_BYTES:
        return written, "png"
    if picture.mode == "RGB":
        return _written(picture, "JPEG", quality=85), "jpeg"
    return _written(picture.quantize(256), "PNG", optimize=True), "png"


def _written(picture: "Image", file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()
