"""
A payer at a browser: this machine's Chromium, driven as a person would, and watched for what no payer should meet.

Every page of a payer's is watched: a request to anybody but us, an error in the console, a script that fails, or
something that keeps people out (by axe-core) fails the test. Pictures are kept in `.screenshots/`, to be looked at.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, BrowserContext, Frame, FrameLocator, Page, Request, Response, sync_playwright

SCREENSHOTS = Path(__file__).parents[1] / ".screenshots"
APPROVED, DECLINED, CHALLENGED = "4111 1111 1111 1111", "4000 0000 0000 9995", "4000 0000 0000 2503"
DESKTOP, PHONE = 1280, 320
_TALL = 900
AXE = Path(AXE_FILE_PATH)
# Only what is wrong comes back: all that axe says of a page takes longer to hand over than to find.
_ASK_AXE = """async tags => {
  const {violations} = await axe.run({iframes: false, runOnly: tags, resultTypes: ["violations"]});
  return Object.fromEntries(violations.map(rule => [rule.id, rule.nodes.map(node => node.html.slice(0, 200))]));
}"""
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser that this machine has; nothing is fetched for it."""
    program = shutil.which("chromium")
    assert program is not None, "no chromium: tests/machine/setup.sh installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def barriers(frame: Frame) -> dict[str, list[str]]:
    """Return what in there keeps people out, as axe-core says: the rules that are broken, and by which elements."""
    if not frame.evaluate("'axe' in window"):
        frame.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, list[str]] = frame.evaluate(_ASK_AXE, _TAGS)
    return found


class Payer:
    """Somebody with a payment link. `origins` are all that the pages may talk to."""

    def __init__(self, browser: Browser, origins: tuple[str, ...], *, width: int = DESKTOP, **options: Any) -> None:
        # Settled at once: a picture in the middle of an appearance shows nothing, and axe counts it as faint.
        options = {"viewport": {"width": width, "height": _TALL}, "reduced_motion": "reduce", **options}
        self.context: BrowserContext = browser.new_context(**options)
        self.width = width
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self.ignored: list[str] = []
        self._origins = origins
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", lambda message: self._note(message.type in ("error", "warning"), message.text))
        self.page.on("pageerror", lambda error: self._note(True, f"script: {error}"))
        self.page.on("request", self._asked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.context.close()
        if kind is None:
            met = [each for each in self.complaints if not any(part in each for part in self.ignored)]
            assert not met, f"met on the way: {met}"

    def open(self, link: str, **query: str) -> Response | None:
        link += "".join(f"&{name}={value}" for name, value in query.items())
        found = self.page.goto(link)
        self.page.wait_for_load_state("networkidle")
        return found

    @property
    def card(self) -> FrameLocator:
        return self.page.frame_locator("#card iframe")

    @property
    def button(self) -> Any:
        return self.page.locator("#pay-button")

    def turn_to_the_slip(self) -> None:
        """Move the pointer there, and wait for the card form that this opens."""
        self.page.locator("#pay").hover()
        self.card.locator("#number").wait_for()

    def type_card(self, number: str = APPROVED, expiry: str = "12 / 30", code: str = "123") -> None:
        self.card.locator("#number").fill(number)
        self.card.locator("#expiry").fill(expiry)
        self.card.locator("#code").fill(code)

    def choose(self, amount: str) -> None:
        """Choose to pay another amount than the balance."""
        self.page.locator("input[name=choice][value=other]").check()
        self.page.locator("#amount").fill(amount)

    def pay(self, number: str = APPROVED, **card: str) -> None:
        self.turn_to_the_slip()
        self.type_card(number, **card)
        self.button.click()

    def has_receipt(self) -> None:
        """Wait for the receipt."""
        self.page.wait_for_url("**/receipt/**")
        self.page.wait_for_load_state()

    @property
    def posts(self) -> list[str]:
        """The paths below the link that something was sent to, without the names of attempts."""
        sent = (each for each in self.requests if each.method == "POST" and "/payInvoice/" in each.url)
        return ["/".join(each.url.split("?")[0].split("/")[6:]) for each in sent]

    def look(self, name: str) -> None:
        """Keep a picture, and ask axe-core whether anything here keeps people out. Nothing may need two directions."""
        self.page.wait_for_load_state()
        self.page.evaluate("document.fonts.ready.then(() => true)")
        # For the picture the page is laid out as tall as it is. A field with the focus is scrolled to when that is
        # over, a moment later and in a frame even later, and the next click would miss.
        self.page.evaluate("document.activeElement?.tagName === 'IFRAME' && document.activeElement.blur()")
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}-{self.width}.png", full_page=True)
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.width, f"{name}: {wide} px wide in a window of {self.width}"
        for frame in self.page.frames:
            # What frames need as pages of their own is the page's around them.
            ignored = {"page-has-heading-one", "region", "landmark-one-main"} if frame.parent_frame else set()
            violations = {rule: nodes for rule, nodes in barriers(frame).items() if rule not in ignored}
            assert not violations, f"{name}, {frame.url}: {violations}"

    def _note(self, is_bad: bool, text: str) -> None:
        if is_bad:
            self.complaints.append(text)

    def _asked(self, request: Request) -> None:
        self.requests.append(request)
        self._note(not request.url.startswith((*self._origins, "data:", "about:")), f"asked {request.url}")
