"""
Mails as a browser shows them, in one run of headless Chromium for many of them: pictures, and how wide they get.

Run as a program it photographs every preview: `python tests/delivery/screenshots.py FOLDER [LANGUAGE ...]`.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=4000"
).split()
_TIMEOUT_SECONDS = 120

_SHEET = """<!doctype html><meta charset="utf-8">
<body style="margin:0;display:flex;align-items:flex-start;gap:8px;background:{ground}">
{frames}
<pre id="measured" style="display:none"></pre>
<script>
addEventListener("load", () => {{
  const sizes = [...document.querySelectorAll("iframe")].map(frame => {{
    const root = frame.contentDocument.documentElement;
    frame.style.height = root.scrollHeight + "px";
    return [root.scrollWidth, root.scrollHeight];
  }});
  document.getElementById("measured").textContent = JSON.stringify(sizes);
}});
</script>"""


def photograph(mails: Sequence[str], picture: Path, *, width: int, is_dark: bool = False) -> None:
    """Write one PNG that shows the mails side by side, each `width` wide, as a screen with two dots a pixel does."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    height = max(tall for _, tall in measure(mails, width=width))
    _run(
        mails, width, is_dark,
        f"--screenshot={picture.absolute()}",
        f"--window-size={len(mails) * (width + 8)},{height}",
        "--force-device-scale-factor=1.5",
    )  # fmt: skip


def measure(mails: Sequence[str], *, width: int) -> list[tuple[int, int]]:
    """Return how wide and tall each mail becomes in a window of `width`; wider than that, one would scroll sideways."""
    page = _run(mails, width, False, "--dump-dom")
    measured = re.search(r'<pre id="measured"[^>]*>(.*?)</pre>', page)
    assert measured is not None, "the page was not laid out"
    return [(wide, tall) for wide, tall in json.loads(measured[1])]


def _run(mails: Sequence[str], width: int, is_dark: bool, *options: str) -> str:
    frames = "\n".join(
        f'<iframe srcdoc="{escape(mail)}" style="border:0;flex:none;width:{width}px;height:400px"></iframe>'
        for mail in mails
    )
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "sheet.html"
        sheet.write_text(_SHEET.format(frames=frames, ground="#000" if is_dark else "#fff"), encoding="utf-8")
        scheme = ["--blink-settings=preferredColorScheme=0"] if is_dark else []
        done = subprocess.run(
            ["chromium", *_QUIET, *scheme, f"--user-data-dir={folder}/profile", *options, sheet.as_uri()],
            capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _main(folder: Path, languages: Sequence[str]) -> None:
    from paydue.delivery.mail_facts import MailKind
    from paydue.delivery.preview import preview_html, preview_letter, preview_logo
    from paydue.domain.settings import LANGUAGES

    kinds = list(MailKind)
    for language in languages or LANGUAGES:
        mails = [preview_html(preview_letter(kind, language), preview_logo(language)) for kind in kinds]
        for first in range(0, len(kinds), 3):
            some, name = mails[first : first + 3], "+".join(kinds[first : first + 3])
            photograph(some, folder / language / f"{name}-680.png", width=680)
            photograph(some, folder / language / f"{name}-360.png", width=360)
        photograph(mails[3:4], folder / language / f"{kinds[3]}-dark.png", width=680, is_dark=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
