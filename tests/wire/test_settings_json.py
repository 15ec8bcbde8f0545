"""Settings on the wire: the guide's examples replayed, every field in and out, resets, labels and faults."""

import base64
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from paydue.domain.errors import Fault, InvalidFields, InvalidImage
from paydue.domain.merchant import Address, Merchant
from paydue.domain.settings import LANGUAGES, Label, ProductType, Settings, SettingsChange
from paydue.wire.logo import ProcessLogoCleaner
from paydue.wire.settings_json import read_product_type, read_settings, write_settings
from paydue.wire.strict_json import MalformedJson, parse_object

EXAMPLES = json.loads(Path(__file__).with_name("settings_examples.json").read_text())
INFORMATION = "invoiceSettingsInformation"
TIME = "2026-02-03T20:48:27.917947446Z"
MERCHANT = Merchant(
    merchant_id="apirefsandbox",
    name="API Ref Sandbox",
    phone="4251231234",
    address=Address(address1="123 Main St", city="Bellevue", state="WA", country="US", postal_code="98005"),
)


def read(**members: Any) -> SettingsChange:
    """Return what a body with these members means, having gone through JSON as bodies do."""
    return read_settings(parse_object(json.dumps({INFORMATION: members}).encode()))


def faults_of(**members: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFields) as refused:
        read(**members)
    return [(fault.field.removeprefix(INFORMATION + "."), fault.reason) for fault in refused.value.faults]


def written(settings: Settings, logo: bytes | None = None, merchant: Merchant = MERCHANT) -> dict[str, Any]:
    return json.loads(write_settings(settings, logo, merchant, TIME))


def the_guides_update() -> dict[str, Any]:
    """Return the members of the guide's update but the logo, which is cut short there and no picture."""
    return {name: value for name, value in EXAMPLES["update"][INFORMATION].items() if name != "merchantLogo"}


def information(settings: Settings, logo: bytes | None = None) -> dict[str, Any]:
    return written(settings, logo)[INFORMATION]


def a_jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    return file.getvalue()


async def test_the_guides_update_is_answered_byte_for_byte():
    expected = json.loads(json.dumps(EXAMPLES["answer"]))

    change = read(merchantLogo=base64.b64encode(a_jpeg()).decode(), **the_guides_update())
    logo = await ProcessLogoCleaner().clean(change.logo)
    answer = write_settings(Settings().after(change, logo), logo.image, MERCHANT, TIME)

    expected[INFORMATION]["merchantLogo"] = f"data:image/JPEG;base64,{base64.b64encode(logo.image).decode()}"
    assert answer == msgspec.json.encode(expected)


def test_the_guides_older_answer_has_the_same_members_in_the_same_order():
    settings = Settings().after(read(**the_guides_update()))
    bare = msgspec.structs.replace(
        settings, labels=(), redirect_accepted=None, redirect_rejected=None, redirect_pending=None
    )

    answer = information(bare)

    # What came later than that capture.
    assert answer.pop("enableMerchantEmailNotifications") is False
    assert list(answer.items()) == list(EXAMPLES["answer_2024"][INFORMATION].items())


def test_settings_never_touched_are_answered_with_their_defaults_and_without_what_is_unset():
    assert write_settings(Settings(), None, Merchant(merchant_id="m", name="Acme"), TIME).decode() == (
        f'{{"submitTimeUtc":"{TIME}","invoiceSettingsInformation":{{"merchantDisplayName":"Acme",'
        '"enableReminders":false,"headerStyle":{"fontColor":"#000000","backgroundColor":"#ffffff"},'
        '"deliveryLanguage":"en-US","defaultCurrencyCode":"USD","payerAuthentication3DSVersion":false,'
        '"showVatNumber":false,"phoneNumber":false,"shipTo":false,"email":true,'
        '"enableMerchantEmailNotifications":false},"merchantInformation":{"name":"Acme"}}'
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=5,
)


def some_of(names: Iterable[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(sorted(names)), ANYTHING)


@given(
    some_of([*EXAMPLES["update"][INFORMATION], "merchantEmail"]),
    some_of(["fontColor", "backgroundColor"]) | ANYTHING,
    some_of(["paymentAccepted", "paymentRejected", "paymentPending"]) | ANYTHING,
    st.lists(some_of(["key", "value", "hidden", "hiddenForInvoice", "hiddenForItem"]) | ANYTHING, max_size=3),
)
def test_whatever_is_sent_is_either_refused_or_can_be_kept_and_answered(members, style, urls, labels):
    sent = {**members, "headerStyle": style, "customRedirectUrls": urls, "customLabels": labels}
    try:
        change = read_settings(parse_object(json.dumps({INFORMATION: sent}).encode()))
    except (InvalidFields, InvalidImage, MalformedJson):
        return
    assert written(Settings().after(change))


def test_everything_set_is_answered_in_the_order_of_the_wire():
    settings = Settings(
        merchant_display_name="Shop",
        custom_email_message="Thank you.\nSee you.",
        shows_vat_number=True,
        vat_registration_number="Inv1234",
        merchant_email="a@example.com",
        labels=(Label(key="companyName", hidden=True), Label(key="tax", hidden_for_invoice=True)),
        redirect_rejected="https://example.com/fail",
    )

    answer = information(settings, b"GIF89a")

    assert list(answer) == [
        "merchantLogo", "merchantDisplayName", "customEmailMessage", "enableReminders", "headerStyle",
        "deliveryLanguage", "defaultCurrencyCode", "payerAuthentication3DSVersion", "showVatNumber",
        "vatRegistrationNumber", "phoneNumber", "shipTo", "email", "enableMerchantEmailNotifications",
        "merchantEmail", "customLabels", "customRedirectUrls",
    ]  # fmt: skip
    assert answer["customLabels"] == [
        {"key": "companyName", "hidden": True},
        {"key": "tax", "hiddenForInvoice": True},
    ]
    assert answer["customRedirectUrls"] == {"paymentRejected": "https://example.com/fail"}


@pytest.mark.parametrize(
    "name, sent, field, kept",
    [
        ("merchantDisplayName", "Käse & Söhne", "merchant_display_name", "Käse & Söhne"),
        ("merchantDisplayName", "n" * 100, "merchant_display_name", "n" * 100),
        ("customEmailMessage", "a\tb\r\nc", "custom_email_message", "a\tb\r\nc"),
        ("customEmailMessage", "m" * 2000, "custom_email_message", "m" * 2000),
        ("enableReminders", True, "sends_reminders", True),
        ("enableReminders", "TRUE", "sends_reminders", True),
        ("deliveryLanguage", "es-419", "delivery_language", "es-419"),
        ("defaultCurrencyCode", "JPY", "default_currency", "JPY"),
        ("payerAuthenticationInInvoicing", "enable", "authenticates_payers", True),
        ("payerAuthenticationInInvoicing", "update", "authenticates_payers", True),
        ("payerAuthenticationInInvoicing", "disable", "authenticates_payers", False),
        ("showVatNumber", True, "shows_vat_number", True),
        ("vatRegistrationNumber", "DE123456789", "vat_registration_number", "DE123456789"),
        ("shipTo", True, "asks_for_shipping", True),
        ("phoneNumber", True, "asks_for_phone", True),
        ("enableMerchantEmailNotifications", True, "notifies_merchant", True),
        ("merchantEmail", "billing@example.com", "merchant_email", "billing@example.com"),
    ],
)
def test_a_member_is_read_as_its_setting_and_nothing_else_changes(name, sent, field, kept):
    assert read(**{name: sent}) == SettingsChange(values={field: kept})


@pytest.mark.parametrize("color", ["#fff", "#FFF", "#1a2B3c"])
@pytest.mark.parametrize("name, field", [("fontColor", "font_color"), ("backgroundColor", "background_color")])
def test_one_colour_of_the_header_leaves_the_other_alone(name, field, color):
    assert read(headerStyle={name: color}).values == {field: color}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_of_the_api_is_taken(language):
    assert read(deliveryLanguage=language).values == {"delivery_language": language}


def test_one_redirect_address_leaves_the_others_alone():
    assert read(customRedirectUrls={"paymentPending": "https://example.com/p"}).values == {
        "redirect_pending": "https://example.com/p"
    }


@pytest.mark.parametrize("nothing", [None, ""])
def test_every_setting_sent_without_a_value_goes_back_to_its_default(nothing):
    sent = the_guides_update()
    changed = Settings().after(read(**sent, merchantEmail="a@example.com"))
    members = dict.fromkeys([*sent, "merchantEmail", "merchantLogo"], nothing)
    members["customLabels"] = None
    for group in ("headerStyle", "customRedirectUrls"):
        members[group] = dict.fromkeys(sent[group], nothing)

    after = changed.after(read(**members))

    assert after == Settings(labels=(Label(key="billTo", value="Payee name"),))


@pytest.mark.parametrize("nothing", [None, {}])
def test_an_object_sent_without_a_value_resets_all_that_is_in_it(nothing):
    assert read(headerStyle=nothing).values == {"font_color": None, "background_color": None}
    assert read(customRedirectUrls=nothing).values == {
        "redirect_accepted": None, "redirect_rejected": None, "redirect_pending": None
    }  # fmt: skip


def test_what_is_not_known_or_only_answered_is_not_looked_at():
    assert (
        read(
            email=False,
            unheard={"of": [1]},
            payerAuthentication3DSVersion="False",
            headerStyle={"fontFamily": "Comic Sans"},
            customRedirectUrls={"paymentPostponed": "javascript:alert(1)"},
        )
        == SettingsChange()
    )


def test_an_update_of_nothing_is_no_fault():
    assert read() == SettingsChange()


@pytest.mark.parametrize("body", ["{}", '{"invoiceSettingsInformation":null}', '{"merchantDisplayName":"Shop"}'])
def test_a_body_without_the_settings_object_is_refused(body):
    with pytest.raises(InvalidFields) as refused:
        read_settings(parse_object(body.encode()))

    assert refused.value.faults == (Fault(INFORMATION, "MISSING_FIELD"),)


@pytest.mark.parametrize(
    "name, sent",
    [
        ("merchantDisplayName", "n" * 101),
        ("merchantDisplayName", 5),
        ("merchantDisplayName", "two\nlines"),
        ("merchantDisplayName", "4111 1111 1111 1111"),
        ("customEmailMessage", "m" * 2001),
        ("customEmailMessage", "bell\x07"),
        ("enableReminders", "yes"),
        ("enableReminders", 1),
        ("enableReminders", []),
        ("deliveryLanguage", "EN-us"),
        ("deliveryLanguage", "it-IT"),
        ("defaultCurrencyCode", "usd"),
        ("defaultCurrencyCode", "XXX"),
        ("payerAuthenticationInInvoicing", "Enable"),
        ("payerAuthenticationInInvoicing", True),
        ("vatRegistrationNumber", "v" * 22),
        ("merchantEmail", "Billing <billing@example.com>"),
        ("merchantEmail", "a" * 250 + "@example.com"),
        ("merchantLogo", 7),
        ("merchantLogo", {"url": "https://example.com/logo.png"}),
        ("headerStyle", "#fff"),
        ("headerStyle", []),
        ("customRedirectUrls", "https://example.com"),
        ("customLabels", {"key": "tax"}),
        ("customLabels", ""),
        ("customLabels", [{"key": "tax"}] * 101),
    ],
)
def test_a_member_of_the_wrong_form_is_named(name, sent):
    assert [field for field, _ in faults_of(**{name: sent})] == [name]


@pytest.mark.parametrize("color", ["red", "fff", "#ffff", "#ggg", "#fff\n", "#fff;}", "#FFFFFFF", 0])
def test_a_colour_that_is_none_is_named(color):
    assert [field for field, _ in faults_of(headerStyle={"backgroundColor": color})] == ["headerStyle.backgroundColor"]


@pytest.mark.parametrize("url", ["example.com", "http://example.com", "javascript:alert(1)", "h" * 501, 1])
def test_a_redirect_address_that_is_none_is_named(url):
    assert [field for field, _ in faults_of(customRedirectUrls={"paymentRejected": url})] == [
        "customRedirectUrls.paymentRejected"
    ]


def test_a_redirect_address_is_kept_as_we_write_it_and_within_its_limit_then_too():
    assert read(customRedirectUrls={"paymentAccepted": "HTTPS://Example.com/ä"}).values == {
        "redirect_accepted": "https://example.com/%C3%A4"
    }
    ((_, reason),) = faults_of(customRedirectUrls={"paymentAccepted": "https://example.com/" + "ä" * 200})
    assert reason == "Too long: at most 500 characters once percent-encoded"


def test_plain_http_is_taken_where_the_operator_allows_it():
    body = {INFORMATION: {"customRedirectUrls": {"paymentAccepted": "http://localhost:3000/thanks"}}}

    assert read_settings(body, allows_plain_http=True).values == {"redirect_accepted": "http://localhost:3000/thanks"}
    with pytest.raises(InvalidFields):
        read_settings(body)


def test_all_faults_are_named_in_the_order_of_the_document():
    assert faults_of(
        vatRegistrationNumber=7,
        customLabels=[{"key": "tax"}, {"key": "nonsense", "value": "v" * 26}, 3, {"value": "x"}],
        headerStyle={"backgroundColor": "no", "fontColor": "no"},
        merchantDisplayName=[],
    ) == [
        ("vatRegistrationNumber", "Invalid: has to be text"),
        # Items that are no objects are found before the others are read.
        ("customLabels[2]", "Invalid: has to be an object"),
        (
            "customLabels[1].key",
            "Invalid: has to be one of billTo, invoiceNumber, customerId, companyName, description, shipping, "
            "partialPayment, discount, tax",
        ),
        ("customLabels[1].value", "Too long: at most 25 characters"),
        ("customLabels[3].key", "MISSING_FIELD"),
        ("headerStyle.backgroundColor", "Invalid: a colour such as #1a2b3c or #fff is needed"),
        ("headerStyle.fontColor", "Invalid: a colour such as #1a2b3c or #fff is needed"),
        ("merchantDisplayName", "Invalid: has to be text"),
    ]


def test_labels_are_read_with_what_they_set():
    change = read(
        customLabels=[
            {"key": "billTo", "value": "Payee name"},
            {"key": "companyName", "hidden": "true"},
            {"key": "discount", "value": "Promo", "hiddenForItem": True},
            {"key": "tax", "value": "", "hidden": None, "hiddenForInvoice": True, "hiddenForItem": False},
        ]
    )

    assert change.labels == (
        Label(key="billTo", value="Payee name"),
        Label(key="companyName", hidden=True),
        Label(key="discount", value="Promo", hidden_for_item=True),
        Label(key="tax", hidden_for_invoice=True, hidden_for_item=False),
    )


@pytest.mark.parametrize("nothing", [None, []])
def test_no_labels_change_no_labels(nothing):
    assert read(customLabels=nothing) == SettingsChange()


@pytest.mark.parametrize(
    "key, hidden, hidden_in_places",
    [
        ("billTo", False, False),
        ("invoiceNumber", True, False),
        ("customerId", True, False),
        ("companyName", True, False),
        ("description", True, False),
        ("shipping", True, False),
        ("partialPayment", True, False),
        ("discount", True, True),
        ("tax", False, True),
    ],
)
def test_a_label_takes_only_the_flags_of_its_key(key, hidden, hidden_in_places):
    flags = {"hidden": hidden, "hiddenForInvoice": hidden_in_places, "hiddenForItem": hidden_in_places}

    for flag, is_taken in flags.items():
        label = {"key": key, flag: True}
        if is_taken:
            assert len(read(customLabels=[label]).labels) == 1
        else:
            assert faults_of(customLabels=[label]) == [(f"customLabels[0].{flag}", f"Invalid: not possible for {key}")]


def test_a_vat_number_is_kept_always_and_answered_only_while_it_is_switched_on():
    hidden = Settings().after(read(vatRegistrationNumber="Inv1234"))
    shown = hidden.after(read(showVatNumber=True))

    assert "vatRegistrationNumber" not in information(hidden)
    assert information(shown)["vatRegistrationNumber"] == "Inv1234"


@pytest.mark.parametrize("is_on, answer", [(True, "True"), (False, False)])
def test_payer_authentication_has_another_name_and_form_in_answers(is_on, answer):
    assert information(Settings(authenticates_payers=is_on))["payerAuthentication3DSVersion"] == answer


@pytest.mark.parametrize("sent", [False, "false", None, "", 0, {"a": 1}])
def test_email_is_always_on_whatever_is_sent(sent):
    assert information(Settings().after(read(email=sent)))["email"] is True


@pytest.mark.parametrize(
    "text",
    [
        "R0lGODlh",
        "data:image/gif;base64,R0lGODlh",
        "data:image/PNG;base64,R0lGODlh",
        "DATA:IMAGE/svg+xml;BASE64,R0lGODlh",
        "R0lG\r\nODlh\n",
    ],
)
def test_a_logo_is_read_from_base64_bare_or_in_a_data_uri(text):
    assert read(merchantLogo=text).logo == b"GIF89a"


@pytest.mark.parametrize("text", ["https://example.com/logo.png", "R0lGODlh!", "R0lGODl", "data:text/html,hi", "ä"])
def test_a_logo_that_is_not_base64_is_an_invalid_image(text):
    with pytest.raises(InvalidImage):
        read(merchantLogo=text)


def test_wrong_fields_are_told_before_a_wrong_logo():
    assert faults_of(merchantLogo="!", enableReminders="?") == [("enableReminders", "Invalid: has to be true or false")]


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_logo_sent_without_a_value_is_taken_away(nothing):
    assert read(merchantLogo=nothing) == SettingsChange(logo=None)


@pytest.mark.parametrize(
    "logo, start",
    [
        (b"\xff\xd8\xff\xe0", "data:image/JPEG;base64,/9j/4A=="),
        (b"\x89PNG\r\n\x1a\n", "data:image/png;base64,iVBORw0KGgo="),
        (b"GIF89a", "data:image/gif;base64,R0lGODlh"),
    ],
)
def test_a_logo_is_answered_as_a_data_uri_of_its_own_format(logo, start):
    assert information(Settings(), logo)["merchantLogo"] == start


def test_a_merchants_country_is_answered_in_lower_case_and_the_rest_as_it_is():
    address = Address(address2=" Suite 800", country="DZ")

    assert written(Settings(), merchant=Merchant(merchant_id="m", name="Acme", address=address))[
        "merchantInformation"
    ] == {"name": "Acme", "addressDetails": {"address2": " Suite 800", "country": "dz"}}


def test_an_empty_address_is_left_out():
    merchant = Merchant(merchant_id="m", name="Acme", address=Address())

    assert written(Settings(), merchant=merchant)["merchantInformation"] == {"name": "Acme"}


@pytest.mark.parametrize(
    "query, product",
    [
        ({}, ProductType.INVOICING),
        ({"productType": ""}, ProductType.INVOICING),
        ({"productType": "None"}, ProductType.INVOICING),
        ({"productType": "INVOICING"}, ProductType.INVOICING),
        ({"productType": "PAYBYLINK"}, ProductType.PAY_BY_LINK),
    ],
)
def test_settings_are_those_of_invoicing_unless_the_query_says_otherwise(query, product):
    assert read_product_type(query) is product


@pytest.mark.parametrize("value", ["invoicing", "TAX", "INVOICING ", "PAYBYLINK,INVOICING"])
def test_a_product_that_is_none_is_named(value):
    with pytest.raises(InvalidFields) as refused:
        read_product_type({"productType": value})

    assert refused.value.faults == (Fault("productType", "Invalid: has to be one of INVOICING, PAYBYLINK"),)
