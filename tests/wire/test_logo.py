"""What becomes of a stranger's picture: what it shows stays, all else goes, and nothing in it can hurt the server."""

import asyncio
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from paydue.domain.errors import InvalidImage, StoreBusy
from paydue.domain.settings import LogoFormat
from paydue.wire import logo as logo_module
from paydue.wire import logo_worker
from paydue.wire.logo import LogoCleanerBroken, ProcessLogoCleaner

RED, BLUE = (255, 0, 0), (0, 0, 255)
SCRIPT = b"<?php system($_GET['x']); ?><script>alert(1)</script>"
ORIENTATION = 0x0112
FORMATS = {"PNG": LogoFormat.PNG, "JPEG": LogoFormat.JPEG, "GIF": LogoFormat.GIF}


def encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def a_picture(file_format: str = "PNG", size: tuple[int, int] = (40, 20), **options: Any) -> bytes:
    """Return a picture that is red on the left and blue on the right."""
    picture = Image.new("RGB", size, RED)
    picture.paste(BLUE, (size[0] // 2, 0, *size))
    return encoded(picture, file_format, **options)


def a_png_of(width: int, height: int, *chunks: tuple[bytes, bytes], data: bytes = b"") -> bytes:
    """Return a PNG whose header says so, whatever its data says."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def shown(image: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(image))
    picture.load()
    return picture


def is_about(pixel: Any, color: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 25 for one, other in zip(pixel[:3], color, strict=True))


async def cleaned(image: bytes) -> bytes:
    return (await ProcessLogoCleaner().clean(image)).image


async def refusal_of(image: bytes) -> str:
    with pytest.raises(InvalidImage) as refused:
        await cleaned(image)
    return refused.value.reason


@pytest.mark.parametrize("file_format", FORMATS)
async def test_a_logo_keeps_its_format_its_size_and_what_it_shows(file_format):
    logo = await ProcessLogoCleaner().clean(a_picture(file_format))

    picture = shown(logo.image)
    assert logo.format is FORMATS[file_format]
    assert picture.format == file_format
    assert picture.size == (40, 20)
    assert is_about(picture.convert("RGB").getpixel((5, 10)), RED)
    assert is_about(picture.convert("RGB").getpixel((35, 10)), BLUE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
async def test_every_kind_of_png_pixels_passes(mode):
    picture = Image.new("L", (8, 8), 200)
    sent = picture.convert("I").convert("I;16") if mode == "I;16" else picture.convert(mode)

    assert shown(await cleaned(encoded(sent, "PNG"))).mode == mode


async def test_a_transparent_png_stays_transparent():
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.putpixel((4, 4), (255, 0, 0, 128))

    kept = shown(await cleaned(encoded(picture, "PNG")))

    assert kept.getpixel((0, 0))[3] == 0
    assert kept.getpixel((4, 4)) == (255, 0, 0, 128)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
async def test_a_transparent_palette_stays_transparent(file_format):
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((4, 4), 1)

    kept = shown(await cleaned(encoded(picture, file_format, transparency=0))).convert("RGBA")

    assert kept.getpixel((0, 0))[3] == 0
    assert kept.getpixel((4, 4)) == (255, 0, 0, 255)


async def test_a_jpeg_is_turned_upright_and_loses_its_exif_data():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010E] = "taken at home"
    sent = a_picture("JPEG", exif=exif, comment=b"by Tanya", dpi=(300, 300))
    assert b"taken at home" in sent

    image = await cleaned(sent)

    picture = shown(image)
    assert picture.size == (20, 40)
    assert is_about(picture.getpixel((10, 5)), RED)
    assert is_about(picture.getpixel((10, 35)), BLUE)
    assert not picture.getexif()
    assert "comment" not in picture.info
    assert b"taken at home" not in image
    assert b"by Tanya" not in image


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
async def test_colours_of_another_profile_are_brought_to_srgb_and_the_profile_goes(file_format):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red_is_blue = srgb.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")

    picture = shown(await cleaned(a_picture(file_format, icc_profile=red_is_blue)))

    assert "icc_profile" not in picture.info
    assert is_about(picture.getpixel((5, 10)), BLUE)
    assert is_about(picture.getpixel((35, 10)), RED)


async def test_a_broken_profile_is_passed_over():
    picture = shown(await cleaned(a_picture("PNG", icc_profile=b"no profile at all")))

    assert "icc_profile" not in picture.info
    assert is_about(picture.getpixel((5, 10)), RED)


async def test_a_jpeg_for_printers_becomes_one_for_screens():
    picture = shown(await cleaned(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")))

    assert picture.mode == "RGB"
    assert is_about(picture.getpixel((4, 4)), RED)


async def test_a_jpeg_does_not_swell():
    noise = Image.effect_noise((300, 200), 80).convert("RGB")
    sent = encoded(noise, "JPEG", quality=60)

    assert len(await cleaned(sent)) <= len(sent)


async def test_of_an_animated_gif_only_the_first_frame_is_kept():
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, BLUE)]
    sent = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"by Tanya", loop=0)
    assert shown(sent).n_frames == 2

    image = await cleaned(sent)

    assert shown(image).n_frames == 1
    assert is_about(shown(image).convert("RGB").getpixel((4, 4)), RED)
    assert b"by Tanya" not in image


async def test_of_an_animated_png_only_one_picture_is_kept():
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, BLUE)]
    sent = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])

    image = await cleaned(sent)

    assert b"acTL" in sent
    assert b"acTL" not in image
    assert is_about(shown(image).getpixel((4, 4)), RED)


async def test_a_jpeg_with_a_second_picture_behind_it_is_a_jpeg():
    sent = encoded(Image.new("RGB", (8, 8), RED), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8), BLUE)])

    picture = shown(await cleaned(sent))

    assert picture.format == "JPEG"
    assert is_about(picture.getpixel((4, 4)), RED)


@pytest.mark.parametrize("file_format", FORMATS)
async def test_a_script_behind_the_picture_is_gone(file_format):
    assert SCRIPT not in await cleaned(a_picture(file_format) + SCRIPT)


async def test_a_script_in_the_text_of_a_png_is_gone():
    sent = a_png_of(2, 2, (b"tEXt", b"Comment\0" + SCRIPT), data=b"\0" * 14)

    assert SCRIPT in sent
    assert SCRIPT not in await cleaned(sent)


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        a_picture("WEBP"),
        a_picture("BMP"),
        a_picture("TIFF"),
        b"<html>" + a_picture("PNG"),
    ],
    ids=["nothing", "text", "SVG", "EPS", "WebP", "BMP", "TIFF", "a PNG behind a page"],
)
async def test_nothing_but_png_jpeg_and_gif_is_a_logo(image):
    assert await refusal_of(image) == "The logo is not a PNG, JPEG or GIF image."


@pytest.mark.parametrize(
    "image",
    [
        b"\x89PNG\r\n\x1a\n" + b"x" * 100,
        b"\xff\xd8\xff" + b"x" * 100,
        b"GIF89a" + b"x" * 100,
        b"GIF89a",
        a_png_of(2, 2, data=b"\0" * 3),
        a_png_of(0, 0),
        a_png_of(2, 2, (b"iCCP", b"p\0\0" + zlib.compress(bytes(50_000_000))), data=b"\0" * 14),
    ],
    ids=["PNG and noise", "JPEG and noise", "GIF and noise", "GIF mark", "short PNG", "empty PNG", "profile bomb"],
)
async def test_what_only_looks_like_a_picture_is_refused(image):
    assert await refusal_of(image) == "The logo is damaged: it cannot be decoded."


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("file_format", FORMATS)
async def test_a_picture_cut_short_is_refused(file_format, part):
    image = encoded(Image.effect_noise((64, 64), 50).convert("RGB"), file_format)

    assert await refusal_of(image[: int(len(image) * part)]) == "The logo is damaged: it cannot be decoded."


async def test_a_file_of_one_megabyte_passes_and_a_byte_more_does_not():
    picture = a_picture("PNG")
    largest = picture + bytes(1024 * 1024 - len(picture))

    assert shown(await cleaned(largest)).size == (40, 20)
    assert await refusal_of(largest + b"\0") == "The logo is larger than 1 MB."


@pytest.mark.parametrize(
    "width, height",
    [(4097, 1), (1, 4097), (4096, 4096), (60_000, 60_000), (2**31 - 1, 2**31 - 1)],
)
async def test_a_picture_too_large_is_refused_by_its_header(width, height):
    assert (await refusal_of(a_png_of(width, height))).startswith(f"The logo has {width} x {height} pixels")


async def test_a_jpeg_of_the_largest_size_there_is_is_refused_by_its_header():
    image = bytearray(a_picture("JPEG"))
    frame = image.index(b"\xff\xc0")
    image[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"

    assert "65535 x 65535" in await refusal_of(bytes(image))


async def test_a_gif_whose_frame_is_larger_than_it_says_is_refused_by_the_frame():
    image = bytearray(a_picture("GIF"))
    descriptor = image.index(b"\x2c\0\0\0\0")
    image[descriptor + 5 : descriptor + 9] = b"\xff\xff\xff\xff"

    assert "65535 x 65535" in await refusal_of(bytes(image))


async def test_a_picture_as_large_as_allowed_passes():
    image = encoded(Image.new("RGB", (4000, 3000), RED), "PNG")

    assert shown(await cleaned(image)).size == (4000, 3000)


async def test_a_picture_that_takes_too_long_is_refused():
    with pytest.raises(InvalidImage, match="time allowed"):
        await ProcessLogoCleaner(seconds=0.001).clean(a_picture())


@pytest.mark.parametrize(
    "program, reason",
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "time allowed"),
        ("import sys; sys.stdin.close(); sys.exit(70)", "time allowed"),
        ("import sys; sys.stdout.buffer.write(b'<script>')", "damaged"),
        ("import sys; sys.stdout.buffer.write(b'GIF89a')", "damaged"),
        ("import sys; sys.stdin.read()\nwhile True: sys.stdout.buffer.write(bytes(65536))", "larger than 2 MB"),
        ("while True: print('neither reads nor ends')", "time allowed"),
    ],
    ids=["crash", "deaf", "script", "another format", "endless", "deaf and endless"],
)
async def test_a_decoder_taken_over_by_its_picture_cannot_hurt_the_server(monkeypatch, tmp_path, program, reason):
    worker = tmp_path / "worker.py"
    worker.write_text(program)
    monkeypatch.setattr(logo_module, "_WORKER", worker)

    with pytest.raises(InvalidImage, match=reason):
        await ProcessLogoCleaner(seconds=1).clean(a_picture(size=(2000, 2000), compress_level=0)[: 1024 * 1024])


async def test_a_machine_without_a_decoder_is_not_the_pictures_fault(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text("import nowhere_to_be_found")
    monkeypatch.setattr(logo_module, "_WORKER", worker)

    with pytest.raises(LogoCleanerBroken):
        await ProcessLogoCleaner().clean(a_picture())


@pytest.mark.parametrize(
    "attempt, error",
    [
        ("bytearray(logo_worker.MEMORY_BYTES)", "MemoryError"),
        ("open('/dev/null')", "OSError"),
        ("socket.socket()", "OSError"),
        ("os.pipe()", "OSError"),
    ],
)
def test_the_decoder_has_no_right_to_more_memory_files_or_sockets(attempt, error):
    program = f"""
import os, socket, sys
sys.path.insert(0, {str(Path(logo_worker.__file__).parent)!r})
import logo_worker
logo_worker.give_up_rights()
try:
    {attempt}
except {error}:
    print("refused", end="")
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout == "refused"


async def test_the_decoder_is_given_none_of_our_environment(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text("import os, sys; print(dict(os.environ), end=''); sys.exit(3)")
    monkeypatch.setattr(logo_module, "_WORKER", worker)
    monkeypatch.setenv("PAYDUE_DATABASE", "postgresql://secret")

    with pytest.raises(InvalidImage) as refused:
        await ProcessLogoCleaner().clean(a_picture())

    assert "PAYDUE" not in refused.value.reason


async def test_the_event_loop_goes_on_while_logos_are_cleaned():
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await cleaned(encoded(Image.new("RGB", (2000, 2000), RED), "PNG"))
    counting.cancel()

    assert turns > 10


async def test_only_so_many_logos_may_wait():
    cleaner = ProcessLogoCleaner(at_once=1, waiting=1)

    results = await asyncio.gather(*[cleaner.clean(a_picture()) for _ in range(3)], return_exceptions=True)

    assert [type(result).__name__ for result in results] == ["Logo", "Logo", StoreBusy.__name__]
    assert (await cleaner.clean(a_picture())).format is LogoFormat.PNG
