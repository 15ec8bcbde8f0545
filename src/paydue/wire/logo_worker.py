"""
The process in which a stranger's picture is decoded and written anew: one on standard input, one on standard output.

It is run by its path (`python -I logo_worker.py`), imports nothing of Paydue, and before it reads a byte it gives up
the right to more memory, time and files. Exit code 3: refused, with the reason on standard output.
"""

import io
import os
import resource
import sys
from contextlib import suppress
from typing import Any, Final

from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

MAXIMUM_SIDE: Final = 4096
MAXIMUM_PIXELS: Final = 12_000_000
MEMORY_BYTES: Final = 768 * 1024 * 1024
CPU_SECONDS: Final = 8
REFUSED: Final = 3

# MPO is a JPEG file with more pictures behind the first.
_FORMATS: Final = {"PNG": "PNG", "JPEG": "JPEG", "MPO": "JPEG", "GIF": "GIF"}

# All that is needed to see the picture as it was; nothing else goes into the new file.
_KEPT: Final = ("transparency",)


def main() -> int:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    rehearse(srgb)
    give_up_rights()
    try:
        sys.stdout.buffer.write(rewritten(sys.stdin.buffer.read(), srgb))
    except Refused as refused:
        sys.stdout.write(str(refused))
        return REFUSED
    except Exception:  # noqa: BLE001 - a decoder may fail in any way on what is no picture
        sys.stdout.write("The logo is damaged: it cannot be decoded.")
        return REFUSED
    return 0


class Refused(Exception):
    """The picture will not be used; the text says why."""


def rehearse(srgb: ImageCms.ImageCmsProfile) -> None:
    """Rewrite a picture of each kind, so that Pillow has imported what it needs before files can no longer be read."""
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    picture = Image.new("RGB", (1, 1))
    kinds: dict[str, dict[str, Any]] = {
        "PNG": {"exif": turned},
        "JPEG": {"exif": turned},
        "MPO": {"save_all": True, "append_images": [picture]},
        "GIF": {},
    }
    for file_format, options in kinds.items():
        file = io.BytesIO()
        picture.save(file, file_format, **options)
        rewritten(file.getvalue(), srgb)


def give_up_rights() -> None:
    """Make more memory, more time, another open file and another process impossible, and let the server go first."""
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        # Standard input, output and error are there; the next file or socket would be the fourth.
        resource.RLIMIT_NOFILE: 3,
        resource.RLIMIT_NPROC: 0,
    }
    for limit, most in limits.items():
        # macOS knows not all of them; the server's own time limit holds everywhere.
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))
    os.nice(10)


def rewritten(data: bytes, srgb: ImageCms.ImageCmsProfile) -> bytes:
    """
    Return the picture's first frame, upright, in sRGB and in its own format, without metadata.

    Raises Refused; an error of any other kind means that it is no picture.
    """
    # Pillow's own limit is higher, and says less; ours follows at once.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "GIF"]) as picture:
        # Nothing is decoded yet: the size is the header's.
        width, height = picture.size
        if width > MAXIMUM_SIDE or height > MAXIMUM_SIDE or width * height > MAXIMUM_PIXELS:
            raise Refused(
                f"The logo has {width} x {height} pixels: at most {MAXIMUM_SIDE} x {MAXIMUM_SIDE} and"
                f" {MAXIMUM_PIXELS // 1_000_000} megapixels are allowed."
            )
        file_format = _FORMATS[str(picture.format)]
        options = save_options(picture, file_format)
        clean = in_srgb(ImageOps.exif_transpose(picture), srgb)
    clean.info = {name: clean.info[name] for name in _KEPT if name in clean.info}
    written = io.BytesIO()
    clean.save(written, file_format, **options)
    return written.getvalue()


def save_options(picture: ImageFile.ImageFile, file_format: str) -> dict[str, Any]:
    """Return how to write the picture so that it neither loses nor swells: a JPEG with the tables that it came with."""
    if file_format != "JPEG":
        return {"optimize": file_format == "GIF"}
    options: dict[str, Any] = {"optimize": True, "progressive": "progressive" in picture.info}
    if picture.mode == "CMYK" or not isinstance(picture, JpegImageFile):
        return options | {"quality": 90}
    return options | {"qtables": picture.quantization, "subsampling": get_sampling(picture)}


def in_srgb(picture: Image.Image, srgb: ImageCms.ImageCmsProfile) -> Image.Image:
    """Return the picture in the colours that a screen shows without being given a profile."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in {"RGB", "RGBA", "CMYK"}:
        # A broken profile, or one for another kind of colours, is passed over as browsers do.
        with suppress(ImageCms.PyCMSError, OSError):
            mode = "RGBA" if picture.mode == "RGBA" else "RGB"
            picture = ImageCms.profileToProfile(picture, io.BytesIO(profile), srgb, outputMode=mode) or picture
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


if __name__ == "__main__":
    sys.exit(main())
