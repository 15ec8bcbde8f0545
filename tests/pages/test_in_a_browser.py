"""
Payment pages in a browser, all states and languages: none scrolls sideways, and axe-core finds nothing.

Pictures of them are for people to look at: `PAYDUE_ARTEFACTS` names a folder to keep them in.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from browsing import AXE, DESKTOP, barriers, chromium
from page_states import alone, drawn
from paydue.domain.settings import LANGUAGES
from screenshots import laid_out, measure, photograph, sheet_of


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = os.environ.get("PAYDUE_ARTEFACTS")
    return Path(folder) / "pages" if folder else tmp_path_factory.mktemp("pages")


@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_scrolls_sideways(browser: Browser, language: str, width: int) -> None:
    pages = drawn(language)
    sizes = measure(browser, [alone(page) for page in pages.values()], width=width)
    assert len(sizes) == len(pages)
    assert [name for name, (wide, _) in zip(pages, sizes, strict=True) if wide != width] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_on_any_page(browser: Browser, language: str) -> None:
    pages = drawn(language)
    with sheet_of(browser, [alone(page) for page in pages.values()], width=DESKTOP, script=AXE) as sheet:
        laid_out(sheet)
        frames = sheet.main_frame.child_frames
        assert len(frames) == len(pages)
        found = {name: barriers(frame) for name, frame in zip(pages, frames, strict=True)}
    assert {name: broken for name, broken in found.items() if broken} == {}


@pytest.mark.parametrize("language", ["en-US", "de-DE", "ja-JP"])
@pytest.mark.parametrize("width", [320, 1280])
def test_pages_are_photographed(browser: Browser, language: str, width: int, artefacts: Path) -> None:
    pages = drawn(language)
    names = list(pages)
    for first in range(0, len(names), 6):
        some = names[first : first + 6]
        picture = artefacts / language / f"{re.sub('[^a-z]+', '-', some[0].lower())}-{width}.png"
        photograph(browser, [alone(pages[name]) for name in some], picture, width=width)
        with Image.open(picture) as image:
            counted = image.convert("RGB").getcolors(1 << 24) or []
        # The band's green, the ground and the paper: what a blank page has not.
        assert {(238, 241, 241), (255, 255, 255)} <= {colour for count, colour in counted if count > 400}
