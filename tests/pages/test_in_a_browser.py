"""
Payment pages in a browser, all states and languages: none scrolls sideways, and axe-core finds nothing.

Pictures of them are for people to look at: `PAYDUE_ARTEFACTS` names a folder to keep them in.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

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


# 320 is also a desktop's width at four times its size, and 640 at twice.
@pytest.mark.parametrize("width", [320, 640, 1280])
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


@contextmanager
def reading(browser: Browser, **options: Any) -> Iterator[Page]:
    """Open a page as somebody with those ways of reading has it."""
    context = browser.new_context(viewport={"width": DESKTOP, "height": 900}, reduced_motion="reduce", **options)
    try:
        yield context.new_page()
    finally:
        context.close()


def shown(page: Page, selector: str) -> int:
    """Count what is there to be seen."""
    return page.locator(f"{selector} >> visible=true").count()


def test_printed_a_page_says_what_is_owed_and_where_to_pay_and_has_nothing_to_press(
    browser: Browser, artefacts: Path
) -> None:
    with reading(browser) as page:
        page.emulate_media(media="print")
        for name, drawing in drawn("de-DE").items():
            page.set_content(alone(drawing))
            for selector in ("button", "form", "nav", ".btn", ".skip", ".foot", "input", "iframe"):
                assert shown(page, selector) == 0, (name, selector)
            assert shown(page, "h1") == 1, name
            if page.locator(".sheet:not(.alone)").count():
                assert shown(page, ".big") == 1, name
                assert shown(page, ".totals") >= 1, name
            for printed in page.locator(".printed").all():
                assert printed.is_visible(), name
                assert "https://" in printed.inner_text(), name
                assert printed.locator("img").is_visible(), name
        page.set_content(alone(drawn("de-DE")["overdue, every field"]))
        artefacts.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=artefacts / "printed.png", full_page=True)
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF-")


def test_in_forced_colours_everything_to_press_and_fill_in_has_a_border(browser: Browser, artefacts: Path) -> None:
    with reading(browser, forced_colors="active") as page:
        for name, drawing in drawn("de-DE").items():
            page.set_content(alone(drawing))
            bare = page.evaluate(
                """() => [...document.querySelectorAll(".btn, .input, .choice, progress")]
                    .filter((each) => each.checkVisibility())
                    .filter((each) => { const style = getComputedStyle(each);
                        return !parseFloat(style.borderBottomWidth) || style.borderBottomStyle === "none"; })
                    .map((each) => each.outerHTML.slice(0, 120))"""
            )
            assert bare == [], name
            # What is meant by a colour is said in words and by a picture besides.
            for status in page.locator(".status").all():
                assert status.inner_text().strip(), name
                assert status.locator("svg").count() == 1, name
        page.set_content(alone(drawn("de-DE")["overdue, every field"]))
        artefacts.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=artefacts / "forced-colours.png", full_page=True)


def test_without_a_script_every_page_can_be_read_and_shows_no_button_that_needs_one(browser: Browser) -> None:
    with reading(browser, java_script_enabled=False) as page:
        for name, drawing in drawn("en-US").items():
            page.set_content(alone(drawing))
            assert shown(page, "h1") == 1, name
            assert shown(page, "[data-print], [data-copy]") == 0, name
            if page.locator("#pay-form").count():
                assert shown(page, "#pay-button, button[aria-disabled]") == 1, name
