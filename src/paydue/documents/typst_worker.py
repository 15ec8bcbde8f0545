"""
The process that draws documents, one after the other: a job on standard input, its PDF on standard output.

It is run by its path (`python -I typst_worker.py`) and imports nothing of Paydue. A process of its own can be stopped
when a document takes too long, and takes the memory with it that typst keeps. It ends when its input does.
"""

import io
import json
import os
import resource
import signal
import sys
from base64 import b64decode, b64encode
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import segno
import typst
from PIL import Image, ImageStat

MEMORY_BYTES: Final = 2 * 1024 * 1024 * 1024
STANDARDS: Final = ("a-3a", "ua-1")
DRAWN, REFUSED = b"P", b"E"

_HERE: Final = Path(__file__).parent
_LOGO_HEIGHT_MM, _LOGO_WIDTH_MM, _DOTS_PER_MM = 13, 52, 12
# A logo that is lighter than this on average was made for the coloured band, and would vanish on paper.
_LIGHTEST_ON_PAPER: Final = 200


def main() -> None:
    give_up_rights()
    compiler = typst.Compiler(
        _HERE / "templates" / "invoice.typ",
        root=_HERE / "templates",
        font_paths=typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(_HERE / "fonts")]
        ),
        ignore_system_fonts=True,
    )
    while (size := sys.stdin.buffer.read(4)) and (job := sys.stdin.buffer.read(int.from_bytes(size, "big"))):
        try:
            kind, answer = DRAWN, draw(compiler, json.loads(job))
        except Exception as failed:  # noqa: BLE001 - whatever it is, the next document wants to be drawn
            kind, answer = REFUSED, f"{type(failed).__name__}: {failed}".encode(errors="replace")[:2000]
        write(sys.stdout.buffer, kind, answer)


def give_up_rights() -> None:
    """Make endless memory and files on the disk impossible, let the server go first, and leave Ctrl-C to the server."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        # macOS knows not all of them.
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))
    os.nice(5)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def draw(compiler: typst.Compiler, job: dict[str, Any]) -> bytes:
    """
    Return the PDF of a job: tagged, for archives (PDF/A-3a) and for everyone (PDF/UA-1).

    What these standards refuse, such as a letter under a mark that no font draws together, is drawn without them:
    a payer with such a name gets a PDF all the same.
    """
    inputs = {"values": job["values"]}
    if job["payment_link"]:
        inputs["qr"] = qr_code(job["payment_link"])
    if job["logo"] and (logo := logo_for_paper(job["logo"])):
        inputs["logo"] = logo
    template = _HERE / "templates" / f"{job['template']}.typ"
    options: dict[str, Any] = {"sys_inputs": inputs, "timestamp": job["made_at"], "format": "pdf"}
    try:
        drawn = compiler.compile(template, pdf_standards=list(STANDARDS), **options)
    except typst.TypstError:
        drawn = compiler.compile(template, **options)
    assert isinstance(drawn, bytes), "one PDF, in memory"
    return drawn


@lru_cache(maxsize=256)
def qr_code(link: str) -> str:
    """Return the QR code of an address as SVG, without a margin: the paper around it is one."""
    file = io.BytesIO()
    segno.make(link, error="m", micro=False, boost_error=False).save(
        file, kind="svg", border=0, dark="#10191b", xmldecl=False, svgns=True, omitsize=True
    )
    return file.getvalue().decode()


@lru_cache(maxsize=64)
def logo_for_paper(encoded: str) -> str:
    """
    Return a logo as JSON: an SVG around the picture, its size in mm, and whether it has to stand on the band's colour.

    A picture that cannot be read is no logo: the merchant's name stands beside it anyway.
    """
    try:
        with Image.open(io.BytesIO(b64decode(encoded))) as stored:
            stored.draft("RGB", (_LOGO_WIDTH_MM * _DOTS_PER_MM * 2, _LOGO_HEIGHT_MM * _DOTS_PER_MM * 2))
            has_alpha = "A" in stored.getbands() or "transparency" in stored.info
            picture = stored.convert("RGBA" if has_alpha else "RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return ""
    picture.thumbnail((_LOGO_WIDTH_MM * _DOTS_PER_MM, _LOGO_HEIGHT_MM * _DOTS_PER_MM), Image.Resampling.LANCZOS)
    scale = min(_LOGO_HEIGHT_MM / picture.height, _LOGO_WIDTH_MM / picture.width)
    file = io.BytesIO()
    picture.save(file, "PNG")
    wide, tall = picture.size
    png = b64encode(file.getvalue()).decode()
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}">'
        f'<image width="{wide}" height="{tall}" href="data:image/png;base64,{png}"/></svg>'
    )
    return json.dumps(
        {"svg": svg, "width": wide * scale, "height": tall * scale, "needs_band": has_alpha and is_light(picture)}
    )


def is_light(picture: Image.Image) -> bool:
    alpha = picture.getchannel("A").point(lambda value: 255 if value > 127 else 0)
    seen = ImageStat.Stat(picture.convert("L"), alpha)
    return seen.count[0] > 0 and seen.mean[0] > _LIGHTEST_ON_PAPER


def write(file: BinaryIO, kind: bytes, answer: bytes) -> None:
    file.write(kind + len(answer).to_bytes(4, "big") + answer)
    file.flush()


if __name__ == "__main__":
    main()
