"""What a change of settings leaves behind: values and their defaults, labels laid over labels, the logo's format."""

import pytest

from paydue.domain.settings import LABEL_FLAGS, Label, Logo, LogoFormat, Settings, SettingsChange, logo_format, merged

PNG = Logo(format=LogoFormat.PNG, image=b"\x89PNG\r\n\x1a\n")
CHANGED = Settings(version=3, merchant_display_name="Shop", sends_reminders=True, font_color="#123456")


def test_a_change_of_nothing_changes_nothing():
    assert CHANGED.after(SettingsChange()) == CHANGED


def test_a_change_touches_only_what_it_names():
    after = CHANGED.after(SettingsChange(values={"sends_reminders": False, "merchant_email": "a@example.com"}))

    assert after == Settings(
        version=3, merchant_display_name="Shop", font_color="#123456", merchant_email="a@example.com"
    )


def test_a_value_of_none_goes_back_to_the_default():
    values = {"merchant_display_name": None, "sends_reminders": None, "font_color": None}

    assert CHANGED.after(SettingsChange(values=values)) == Settings(version=3)


def test_the_version_is_left_to_the_store():
    assert CHANGED.after(SettingsChange(values={"sends_reminders": False})).version == 3


def test_a_new_logo_brings_its_format_and_no_logo_takes_it_away():
    with_logo = Settings().after(SettingsChange(logo=b"as sent"), PNG)

    assert with_logo.logo_format is LogoFormat.PNG
    assert with_logo.after(SettingsChange()).logo_format is LogoFormat.PNG
    assert with_logo.after(SettingsChange(logo=None)).logo_format is None


def test_payers_see_the_merchants_name_until_another_is_set():
    assert Settings().display_name("Acme Inc.") == "Acme Inc."
    assert CHANGED.display_name("Acme Inc.") == "Shop"


def test_labels_are_laid_over_those_of_the_same_key_and_keep_their_order():
    stored = (Label(key="tax", value="VAT"), Label(key="billTo", value="Payee"))

    changes = [Label(key="discount", value="Promo"), Label(key="tax", hidden_for_item=True)]

    assert merged(stored, changes) == (
        Label(key="tax", value="VAT", hidden_for_item=True),
        Label(key="billTo", value="Payee"),
        Label(key="discount", value="Promo"),
    )


def test_the_later_of_two_changes_of_one_label_wins():
    changes = [Label(key="billTo", value="first"), Label(key="billTo", value="second")]

    assert merged((), changes) == (Label(key="billTo", value="second"),)


@pytest.mark.parametrize("key", LABEL_FLAGS)
def test_a_label_without_any_value_changes_nothing(key):
    stored = (Label(key="billTo", value="Payee"),)

    assert merged(stored, [Label(key=key)]) == stored


def test_a_label_can_be_shown_again():
    stored = (Label(key="companyName", hidden=True),)

    assert merged(stored, [Label(key="companyName", hidden=False)]) == (Label(key="companyName", hidden=False),)


@pytest.mark.parametrize("hidden", [True, False])
def test_hiding_the_discount_hides_it_in_both_of_its_places(hidden):
    assert merged((), [Label(key="discount", hidden=hidden)]) == (
        Label(key="discount", hidden_for_invoice=hidden, hidden_for_item=hidden),
    )


def test_hiding_the_discount_spares_the_place_that_is_spoken_of_itself():
    assert merged((), [Label(key="discount", hidden=True, hidden_for_item=False)]) == (
        Label(key="discount", hidden_for_invoice=True, hidden_for_item=False),
    )


def test_renaming_the_discount_hides_it_nowhere():
    assert merged((), [Label(key="discount", value="Promo")]) == (Label(key="discount", value="Promo"),)


@pytest.mark.parametrize(
    "start, expected",
    [
        (b"\x89PNG\r\n\x1a\n....", LogoFormat.PNG),
        (b"\xff\xd8\xff\xe0....", LogoFormat.JPEG),
        (b"GIF87a....", LogoFormat.GIF),
        (b"GIF89a....", LogoFormat.GIF),
        (b"GIF88a....", None),
        (b"\x89PNG", None),
        (b"RIFF....WEBP", None),
        (b"<svg>", None),
        (b"", None),
    ],
)
def test_the_format_of_a_picture_is_told_by_its_first_bytes(start, expected):
    assert logo_format(start) is expected
