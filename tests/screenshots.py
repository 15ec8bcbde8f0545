"""
Mails and pages as a browser shows them, many on one sheet: pictures, and how wide they get.

Run as a program it photographs every preview: `python tests/screenshots.py FOLDER [LANGUAGE ...]`.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

_FRAMES_ARE_DRAWN = """async () => {
  for (const frame of document.querySelectorAll("iframe")) await frame.contentDocument.fonts.ready;
}"""
_LAY_OUT = """() => [...document.querySelectorAll("iframe")].map(frame => {
  const root = frame.contentDocument.documentElement;
  frame.style.height = root.scrollHeight + "px";
  return [root.scrollWidth, root.scrollHeight];
})"""


def photograph(browser: Browser, mails: Sequence[str], picture: Path, *, width: int, is_dark: bool = False) -> None:
    """Write one PNG that shows the mails side by side, each `width` wide."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    with sheet_of(browser, mails, width=width, color_scheme="dark" if is_dark else "light") as page:
        height = max(tall for _, tall in laid_out(page))
        page.set_viewport_size({"width": len(mails) * (width + 8), "height": height})
        page.screenshot(path=picture)


def measure(browser: Browser, mails: Sequence[str], *, width: int) -> list[tuple[int, int]]:
    """Return how wide and tall each mail becomes in a window of `width`; wider than that, one would scroll sideways."""
    with sheet_of(browser, mails, width=width) as page:
        return laid_out(page)


@contextmanager
def sheet_of(
    browser: Browser, mails: Sequence[str], *, width: int, script: Path | None = None, **options: Any
) -> Iterator[Page]:
    """Lend a page that shows the mails in frames beside each other, with their fonts and this script in each."""
    frames = "\n".join(
        f'<iframe srcdoc="{escape(mail)}" style="border:0;flex:none;width:{width}px;height:400px"></iframe>'
        for mail in mails
    )
    ground = "#000" if options.get("color_scheme") == "dark" else "#fff"
    with tempfile.TemporaryDirectory() as folder, browser.new_context(**options) as context:
        sheet = Path(folder) / "sheet.html"
        sheet.write_text(
            '<!doctype html><meta charset="utf-8">'
            f'<body style="margin:0;display:flex;align-items:flex-start;gap:8px;background:{ground}">{frames}',
            encoding="utf-8",
        )
        if script is not None:
            context.add_init_script(path=script)
        page = context.new_page()
        page.goto(sheet.as_uri())
        page.evaluate(_FRAMES_ARE_DRAWN)
        yield page


def laid_out(sheet: Page) -> list[tuple[int, int]]:
    """Make each frame as tall as what is in it, and return how wide and tall that is."""
    return [(wide, tall) for wide, tall in sheet.evaluate(_LAY_OUT)]


def _main(folder: Path, languages: Sequence[str]) -> None:
    from browsing import chromium
    from paydue.delivery.mail_facts import MailKind
    from paydue.delivery.preview import preview_html, preview_letter, preview_logo
    from paydue.domain.settings import LANGUAGES

    kinds = list(MailKind)
    with chromium() as browser:
        for language in languages or LANGUAGES:
            mails = [preview_html(preview_letter(kind, language), preview_logo(language)) for kind in kinds]
            for first in range(0, len(kinds), 3):
                some, name = mails[first : first + 3], "+".join(kinds[first : first + 3])
                photograph(browser, some, folder / language / f"{name}-680.png", width=680)
                photograph(browser, some, folder / language / f"{name}-360.png", width=360)
            photograph(browser, mails[3:4], folder / language / f"{kinds[3]}-dark.png", width=680, is_dark=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
