"""The contrast guard: the design's own examples, and that every pair of colours comes out readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.domain.colours import INK, PAPER, contrast, palette, six_digits

colours = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@pytest.mark.parametrize(
    "background, action, action_ink, link",
    [
        ("#17352b", "#17352b", PAPER, "#17352b"),
        ("#ff4d2e", "#ff4d2e", INK, INK),
        ("#f2c14e", INK, PAPER, INK),
        ("#ffffff", INK, PAPER, INK),
    ],
)
def test_a_merchants_colour_is_used_where_it_can_be_read(background, action, action_ink, link):
    chosen = palette(background, "#ffffff")
    assert (chosen.band, chosen.action, chosen.action_ink, chosen.link) == (background, action, action_ink, link)


def test_a_readable_text_colour_stays_and_another_gives_way():
    assert palette("#17352b", "#f3ebd9").band_ink == "#f3ebd9"
    assert palette("#ff4d2e", "#ffffff").band_ink == INK
    assert palette("#000", "#111").band_ink == PAPER


@given(background=colours, text=colours)
def test_whatever_is_chosen_can_be_read(background, text):
    chosen = palette(background, text)
    # Ink or white is always above 4.1 on any colour: the best there is where both of the merchant's fail.
    assert contrast(chosen.band, chosen.band_ink) > 4.1
    assert contrast(chosen.action, chosen.action_ink) >= 4.5
    assert contrast(chosen.action, PAPER) >= 3
    assert contrast(chosen.link, PAPER) >= 4.5


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert contrast("#17352b", "#ffffff") == pytest.approx(13.29, abs=0.005)
    assert contrast("#abcdef", "#abcdef") == 1


def test_short_and_capital_forms_mean_the_same():
    assert six_digits("#AbC") == six_digits("#aabbcc") == "#aabbcc"


@pytest.mark.parametrize("text", ["", "#", "#12", "#1234", "red", "#12345g", "#123456\n", "#fff;color:red", "＃ffffff"])
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(ValueError, match="no colour"):
        six_digits(text)
