"""
Payment pages in a browser, all states and languages: none scrolls sideways, and axe-core finds nothing.

Pictures of them are for people to look at: `PAYDUE_ARTEFACTS` names a folder to keep them in.
"""

import json
import os
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from PIL import Image

from delivery.screenshots import measure, photograph
from page_states import alone, drawn
from paydue.domain.settings import LANGUAGES

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's package chromium is not installed")

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AT_ONCE = 8

SHEET = """<!doctype html><html lang="en"><title>axe</title><body>{frames}<pre id="found"></pre><script>
addEventListener("load", async () => {{
  const found = {{}};
  for (const frame of document.querySelectorAll("iframe")) {{
    const result = await frame.contentWindow.axe.run(frame.contentDocument, {{iframes: false, runOnly: {tags}}});
    for (const rule of result.violations)
      found[frame.name + ": " + rule.id] = rule.nodes.map(node => node.html.slice(0, 200));
    found.checked = (found.checked ?? 0) + 1;
  }}
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>"""


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = os.environ.get("PAYDUE_ARTEFACTS")
    return Path(folder) / "pages" if folder else tmp_path_factory.mktemp("pages")


@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_scrolls_sideways(language: str, width: int) -> None:
    pages = drawn(language)
    sizes = measure([alone(page) for page in pages.values()], width=width)
    assert len(sizes) == len(pages)
    assert [name for name, (wide, _) in zip(pages, sizes, strict=True) if wide != width] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_on_any_page(language: str, tmp_path: Path) -> None:
    script = Path(AXE_FILE_PATH).read_text(encoding="utf-8").replace("</script", "<\\/script")
    pages = list(drawn(language).items())
    for first in range(0, len(pages), AT_ONCE):
        some = pages[first : first + AT_ONCE]
        found = findings(
            {name: alone(page).replace("</head>", f"<script>{script}</script></head>") for name, page in some}, tmp_path
        )
        assert found == {"checked": len(some)}


def findings(pages: dict[str, str], folder: Path) -> dict[str, object]:
    """Return what axe-core says of each page."""
    frames = "".join(
        f'<iframe name="{escape(name)}" srcdoc="{escape(page)}" width="1280" height="2400"></iframe>'
        for name, page in pages.items()
    )
    sheet = folder / "axe.html"
    sheet.write_text(SHEET.format(frames=frames, tags=json.dumps(TAGS)), encoding="utf-8")
    options = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync "
        "--virtual-time-budget=60000 --dump-dom"
    ).split()
    done = subprocess.run(
        ["chromium", *options, f"--user-data-dir={folder}/profile", sheet.as_uri()],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert said is not None, "the sheet was not loaded"
    found: dict[str, object] = json.loads(unescape(said[1]) or "{}")
    return found


@pytest.mark.parametrize("language", ["en-US", "de-DE", "ja-JP"])
@pytest.mark.parametrize("width", [320, 1280])
def test_pages_are_photographed(language: str, width: int, artefacts: Path) -> None:
    pages = drawn(language)
    names = list(pages)
    for first in range(0, len(names), 6):
        some = names[first : first + 6]
        picture = artefacts / language / f"{re.sub('[^a-z]+', '-', some[0].lower())}-{width}.png"
        photograph([alone(pages[name]) for name in some], picture, width=width)
        with Image.open(picture) as image:
            counted = image.convert("RGB").getcolors(1 << 24) or []
        # The band's green, the ground and the paper: what a blank page has not.
        assert {(238, 241, 241), (255, 255, 255)} <= {colour for count, colour in counted if count > 400}
