"""Mails in a browser: none scrolls sideways on the smallest phone, and pictures of each for people to look at."""

import os
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image
from playwright.sync_api import Browser

from browsing import chromium
from builders import a_line_item
from delivery.letters import some_facts
from paydue.delivery.letter import letter_of
from paydue.delivery.mail import draw
from paydue.delivery.mail_facts import MailKind
from paydue.delivery.preview import preview_html, preview_letter, preview_logo
from paydue.domain.settings import LANGUAGES
from paydue.domain.terms import Customer
from screenshots import measure, photograph

KINDS = list(MailKind)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where pictures go: PAYDUE_ARTEFACTS, for somebody who wants to look at them, or a folder that goes."""
    folder = os.environ.get("PAYDUE_ARTEFACTS")
    return Path(folder) / "mails" if folder else tmp_path_factory.mktemp("mails")


@pytest.mark.parametrize("width", [320, 600])
def test_no_mail_scrolls_sideways(browser, width):
    mails = [html(kind, language) for language in LANGUAGES for kind in KINDS] + [a_bursting_mail()]
    sizes = measure(browser, mails, width=width)
    assert len(sizes) == len(mails)
    assert {wide for wide, _ in sizes} == {width}
    assert all(tall > 200 for _, tall in sizes)


@pytest.mark.parametrize("first", range(0, len(KINDS), 5))
def test_every_mail_is_photographed(browser, first, artefacts):
    kinds = KINDS[first : first + 5]
    picture = artefacts / f"{'+'.join(kinds)}.png"
    photograph(browser, [html(kind, "en-US") for kind in kinds], picture, width=600)
    # The band's green, the ground and the paper: what a blank page has not.
    assert {(23, 53, 43), (238, 241, 241), (255, 255, 255)} <= colours_of(picture)


def test_a_mail_has_a_dark_style(browser, artefacts):
    picture = artefacts / f"{MailKind.REMINDER}-dark.png"
    photograph(browser, [html(MailKind.REMINDER, "en-US")], picture, width=640, is_dark=True)
    seen = colours_of(picture)
    assert {(11, 17, 19), (17, 24, 26), (23, 53, 43)} <= seen
    assert (255, 255, 255) not in seen


def a_bursting_mail() -> str:
    """Return a mail whose words have no end and whose amounts are the largest there are."""
    endless, most = "Wintergartenbeschattung" * 5, Decimal("999999999999.99")
    facts = some_facts(
        MailKind.REMINDER,
        "de-DE",
        currency="USD",
        total=most,
        balance=most - 1,
        settings={"merchant_display_name": endless, "custom_email_message": f"https://shop.example/{endless * 3}"},
        terms={"customer": Customer(name=endless), "minimum_partial_amount": most - 2},
        number="2026-" + "9" * 45,
    )
    items = tuple(a_line_item(product_name=endless, total=most) for _ in range(3))
    invoice = replace(facts, kind=MailKind.INVOICE, terms=replace(facts.terms, line_items=items, description=endless))
    return draw(letter_of(invoice), preview_logo("de-DE"))[1]


def html(kind: MailKind, language: str) -> str:
    return preview_html(preview_letter(kind, language), preview_logo(language))


def colours_of(picture: Path) -> set[Sequence[int]]:
    with Image.open(picture) as image:
        counted = image.convert("RGB").getcolors(1 << 24)
    assert counted is not None
    return {colour for count, colour in counted if count > 400 and isinstance(colour, tuple)}
