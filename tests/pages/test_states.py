"""Every state of the payment page in every language: what a person would look for on it."""

import re
import unicodedata
from functools import cache

import pytest
from babel.messages.pofile import read_po

from page_states import drawn, states
from paydue.domain.settings import LANGUAGES
from paydue.language.words import CATALOGUES
from reading import Page

TRANSLATED = [language for language in LANGUAGES if language != "en-US"]
WITH_FORM = (
    "payable", "payable redirect", "overdue, every field", "partly paid", "amount wrong", "every fault", "declined",
    "not charged", "test mode", "amount only",
)  # fmt: skip
WITHOUT_FORM = (
    "someone is paying", "gateway down", "too many tries", "not configured", "confirming", "challenge", "in review",
    "paid", "receipt", "receipt of a part", "refunded", "canceled", "new link asked",
)  # fmt: skip


@cache
def pages(language: str) -> dict[str, Page]:
    return {name: Page(markup) for name, markup in drawn(language).items()}


def buttons(page: Page) -> list[dict[str, str | None]]:
    return [each for tag, each in page.elements if tag == "button" and "data-print" not in each]


def english(name: str) -> str:
    return pages("en-US")[name].words


# --- what each state says ---


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("payable", ("Open. Due in 20 days", "USD 293.50 due December 11, 2026, in 20 days", "Pay USD 293.50",
                     "You pay Harbour Lane Provisions USD 293.50 for invoice 98769. Balance afterwards: USD 0.00.",
                     "Card details go directly to Cybersource. Harbour Lane Provisions does not see them.")),
        ("payable redirect", ("You go to Stripe to pay, and come back here.", "Pay USD 293.50")),
        ("overdue, every field", ("5 days overdue. You can still pay", "USD 293.50 was due November 16, 2026",
                                  "How much do you want to pay?", "Another amount", "Phone", "Shipping address",
                                  "Your purchase order number", "4 to 20 characters", "Office & storage")),
        ("partly paid", ("Partly paid. Due in 7 days", "USD 600.00 of USD 1,657.08 paid", "Pay USD 1,057.08",
                         "Visa ending 1111", "November 21, 2026 · reference 731704265590",
                         "From USD 250.00 to USD 1,057.08")),
        ("amount wrong", ("There is a problem", "Enter an amount between USD 250.00 and USD 1,057.08.",
                          "You have not been charged.", "Pay this amount")),
        ("every fault", ("Enter the amount in figures.", "Enter an email address such as name@example.com.",
                         "Enter a phone number of 6 to 15 digits.", "Fill in this part of the address.",
                         "Enter 4 to 20 characters.", "Choose one of the values.")),
        ("declined", ("There is a problem", "Your bank refused the amount. Use another card.",
                      "You have not been charged.", "Pay USD 293.50")),
        ("not charged", ("The payment was not completed.", "You have not been charged.", "Pay USD 293.50")),
        ("someone is paying", ("A payment is in progress", "Somebody is paying this invoice now.", "Check again")),
        ("gateway down", ("Payments are not possible right now", "Nothing was charged.", "Try again")),
        ("too many tries", ("Too many tries.", "You can try again at November 21, 2026, 3:10 PM EST.")),
        ("not configured", ("Harbour Lane Provisions tells you how to pay USD 293.50. Name invoice 98769",)),
        ("test mode", ("Test mode. No money moves. Use card 4111 1111 1111 1111, any future date, any code.",)),
        ("preview", ("Preview. This invoice cannot be paid yet.", "Draft. Only you can see this page")),
        ("confirming", ("Waiting for the bank", "We are confirming your payment.", "Do not pay again.",
                        "we will write to t•••@m•••.world.", "Amount USD 293.50", "Check again")),
        ("challenge", ("Your bank wants to know that it is you.", "Go to your bank")),
        ("in review", ("In review", "Your payment is being checked.", "We will write to t•••@m•••.world.")),
        ("paid", ("Paid on November 21, 2026", "USD 293.50 paid in full. Nothing is due.", "PDF receipt")),
        ("receipt", ("Thank you.", "Harbour Lane Provisions received USD 293.50 for invoice 98769.",
                     "Paid on November 21, 2026, 2:32 PM EST", "Payment method Visa ending 1111",
                     "Transaction 732211860418", "Receipt sent to t•••@l•••.world", "PDF receipt", "PDF invoice")),
        ("receipt of a part", ("USD 600.00 for invoice 98774", "Balance due: USD 1,057.08", "Pay the rest")),
        ("refunded", ("Refunded on November 21, 2026", "USD 293.50 goes back to you.", "−USD 293.50")),
        ("canceled", ("Canceled on November 19, 2026", "Nothing is due.", "You do not need to pay it.")),
        ("expired", ("Expired on November 1, 2026, 00:00 UTC", "This link has expired.", "Send me a new link")),
        ("new link asked", ("If we have an address for this invoice, a new link is on its way.",)),
        ("amount only", ("Total €1,709.55", "Pay €1,709.55")),
        ("unknown link", ("This link does not work.", "Ask the sender for a new one.")),
        ("database down", ("This page cannot be shown right now.", "Nothing was charged.")),
        ("no PDF", ("The PDF cannot be made right now.",)),
    ],
)  # fmt: skip
def test_a_state_says_what_is_and_what_to_do(name, sentences):
    assert [sentence for sentence in sentences if sentence not in english(name)] == []


@pytest.mark.parametrize("name", WITH_FORM)
def test_whoever_can_pay_gets_a_form_with_one_filled_button_that_names_the_amount(name):
    page = pages("en-US")[name]

    assert page.attributes("form", "method") == ["post"]
    assert [each.get("id") for each in buttons_of_the_slip(page)] == ["pay-button"]
    assert page.attributes("input", "name").count("payer_key") == 1


@pytest.mark.parametrize("name", WITHOUT_FORM)
def test_whoever_cannot_pay_gets_no_form(name):
    assert pages("en-US")[name].attributes("form", "method") == []


def test_a_preview_has_a_button_that_does_nothing():
    (button,) = buttons_of_the_slip(pages("en-US")["preview"])

    assert (button["type"], button["aria-disabled"]) == ("button", "true")


def buttons_of_the_slip(page):
    """Return the buttons but those that only a script shows: they print and copy."""
    return [each for tag, each in page.elements if tag == "button" and not {"data-print", "data-copy"} & each.keys()]


def test_no_field_asks_for_anything_of_a_card():
    for name, page in pages("en-US").items():
        names = {each for tag in ("input", "select") for each in page.attributes(tag, "name")}
        assert not [each for each in names if re.search("card|pan|cvc|cvv|cvn|expir", each or "")], name
        assert not [each for each in page.attributes("input", "autocomplete") if (each or "").startswith("cc-")], name


# --- what holds in every state and language ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_has_one_heading_landmarks_a_title_and_its_language(language):
    for name, page in pages(language).items():
        tags = [tag for tag, _ in page.elements]
        assert page.attributes("html", "lang") == [language], name
        assert [tags.count(each) for each in ("h1", "main", "header", "footer", "title")] == [1] * 5, name
        assert ("a", {"class": "skip", "href": "#main"}) in page.elements, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_merchant_is_reached_by_the_same_words_in_every_state(language):
    of_merchant = [pages(language)[name] for name in states()]
    contacts = {
        page.words.partition("14 Harbour Lane")[2].partition("Paydue")[0].partition("@")[0] for page in of_merchant
    }

    assert len(contacts) == 1
    assert all("tel:+12075550142" in page.attributes("a", "href") for page in of_merchant)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_is_offered_in_its_own_words(language):
    for name in states():
        links = [each for tag, each in pages(language)[name].elements if tag == "a" and "hreflang" in each]
        assert [each["lang"] for each in links] == [each["hreflang"] for each in links]
        assert {each["href"] for each in links} == {f"?lang={each}" for each in LANGUAGES}
        assert [each["lang"] for each in links if "aria-current" in each] == [language], name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reference_within_a_page_leads_somewhere(language):
    for name, page in pages(language).items():
        ids = [each["id"] for _, each in page.elements if "id" in each]
        wanted = [href[1:] for href in page.attributes("a", "href") if href and href.startswith("#")]
        wanted += [each for each in page.attributes("label", "for") if each]
        for _, each in page.elements:
            wanted += (each.get("aria-describedby") or "").split() + (each.get("aria-labelledby") or "").split()
        assert len(ids) == len(set(ids)), name
        assert set(wanted) <= set(ids), name


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_stays_english(language):
    with (CATALOGUES / language / "messages.po").open("rb") as file:
        messages = [each for each in read_po(file) if each.id and isinstance(each.id, str)]
    # Sentences that are said otherwise in that language, and whose English no other text contains by chance.
    said_otherwise = [each.id for each in messages if each.id != each.string and " " in each.id and "{" not in each.id]
    for name, page in pages(language).items():
        assert [text for text in said_otherwise if text in page.words] == [], name


@pytest.mark.parametrize("language", LANGUAGES)
def test_amounts_are_written_as_the_language_does_and_always_with_their_currency(language):
    words = unicodedata.normalize("NFKC", pages(language)["partly paid"].words)
    number = {
        "en": "1,057.08",
        "de": "1.057,08",
        "es": "1,057.08",
        "fr": "1 057,08",
        "pt": "1.057,08",
        "ru": "1 057,08",
    }
    shown = number.get(language[:2], "1,057.08")

    assert f"USD {shown}" in words or f"{shown} USD" in words
    assert "$" not in words


def test_a_payer_key_is_new_on_every_page():
    keys = {Page(drawn("en-US")["payable"]).attributes("input", "value")[0] for _ in range(5)}

    assert len(keys) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", key or "") for key in keys)
