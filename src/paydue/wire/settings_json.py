"""
Invoice settings as the API's JSON has them: a change is read, the whole is written.

What goes in and what comes out differ: payer authentication has another name, `email` is always true, a VAT number
shows only while it is switched on, and a logo comes out as a data URI. A member that is not sent stays as it is; one
sent without a value goes back to its default, except labels, which never do.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from paydue.domain.errors import Fault, InvalidFields, InvalidImage
from paydue.domain.merchant import Address, Merchant
from paydue.domain.settings import LABEL_FLAGS, LANGUAGES, Label, ProductType, Settings, SettingsChange, logo_format
from paydue.wire.fields import Faults, Reader
from paydue.wire.redirect_url import redirect_url
from paydue.wire.write_invoice import write_labels

Value = str | bool | None
Read = Callable[[Reader, str], Value]

_COLOR: Final = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")
_DATA_URI: Final = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,", re.ASCII | re.IGNORECASE)
_WHITESPACE: Final = re.compile(r"[ \t\r\n]+")
_AUTHENTICATION: Final = {"enable": True, "update": True, "disable": False}
_MAXIMUM_URL: Final = 500
_MAXIMUM_LABELS: Final = 100


def read_product_type(query: Mapping[str, str]) -> ProductType:
    """Read whose settings a query means: invoicing's, unless it says otherwise. Raises InvalidFields."""
    value = query.get("productType", "")
    # The official clients write "None" for a parameter that their caller left out.
    if value in {"", "None"}:
        return ProductType.INVOICING
    try:
        return ProductType(value)
    except ValueError:
        reason = f"Invalid: has to be one of {', '.join(ProductType)}"
        raise InvalidFields((Fault("productType", reason),)) from None


def read_settings(document: dict[str, Any], *, allows_plain_http: bool = False) -> SettingsChange:
    """
    Read the body of an update; the logo in it is decoded from base64, but still a stranger's bytes.

    `allows_plain_http` lets redirect addresses be http. Raises InvalidFields with all faults in the order of the
    document, or InvalidImage when everything else is right and the logo is not base64.
    """
    faults = Faults()
    reader = Reader(document, "", faults).group("invoiceSettingsInformation", required=True)
    values: dict[str, Value] = {}
    labels: tuple[Label, ...] = ()
    logo: str | UnsetType | None = UNSET
    if reader is not None:
        groups = {"headerStyle": _HEADER_STYLE, "customRedirectUrls": _redirect_urls(allows_plain_http)}
        for name, value in document["invoiceSettingsInformation"].items():
            if name in _MEMBERS:
                values |= read_member(reader, name, value, _MEMBERS)
            elif name in groups:
                values |= _read_group(reader, name, value, groups[name])
            elif name == "customLabels":
                labels = tuple(label for item in reader.items(name, _MAXIMUM_LABELS) if (label := _read_label(item)))
            elif name == "merchantLogo":
                logo = _read_logo_text(reader, name, value)
    faults.raise_if_any()
    return SettingsChange(values=values, labels=labels, logo=_decoded(logo) if isinstance(logo, str) else logo)


def write_settings(settings: Settings, logo: bytes | None, merchant: Merchant, submit_time: str) -> bytes:
    """Return the answer of a read or an update of settings; `logo` is the stored picture, if there is one."""
    return _encode(
        _Answer(
            submit_time_utc=submit_time,
            invoice_settings_information=_Information(
                merchant_logo=_data_uri(logo) if logo is not None else None,
                merchant_display_name=settings.display_name(merchant.name),
                custom_email_message=settings.custom_email_message,
                enable_reminders=settings.sends_reminders,
                header_style=_HeaderStyle(font_color=settings.font_color, background_color=settings.background_color),
                delivery_language=settings.delivery_language,
                default_currency_code=settings.default_currency,
                # The captures show the text "True"; the official clients take false and "False" for different things.
                payer_authentication="True" if settings.authenticates_payers else False,
                show_vat_number=settings.shows_vat_number,
                vat_registration_number=settings.vat_registration_number if settings.shows_vat_number else None,
                phone_number=settings.asks_for_phone,
                ship_to=settings.asks_for_shipping,
                email=True,
                enable_merchant_email_notifications=settings.notifies_merchant,
                merchant_email=settings.merchant_email,
                custom_labels=msgspec.Raw(write_labels(settings.labels).encode()) if settings.labels else None,
                custom_redirect_urls=_write_redirect_urls(settings),
            ),
            merchant_information=_MerchantInformation(
                name=merchant.name,
                phone=merchant.phone,
                address_details=_write_address(merchant.address) if merchant.address is not None else None,
            ),
        )
    )


# Reading


def _one_line(maximum: int) -> Read:
    return lambda reader, name: reader.text(name, maximum)


def several_lines(maximum: int) -> Read:
    return lambda reader, name: reader.text(name, maximum, lines=True)


def _color(reader: Reader, name: str) -> Value:
    return reader.text(name, 7, pattern=_COLOR, form="a colour such as #1a2b3c or #fff is needed")


def _one_of(choices: Mapping[str, Value]) -> Read:
    """Make a reader of one of these words, written exactly so."""

    def read(reader: Reader, name: str) -> Value:
        word = reader.text(name, 255)
        if word is None:
            return None
        if word not in choices:
            reader.fault(name, f"Invalid: has to be one of {', '.join(choices)}")
            return None
        return choices[word]

    return read


# Wire name -> the field of Settings, and how it is read. `email` is always on: whatever is sent is not looked at.
Members = Mapping[str, tuple[str, Read]]
_MEMBERS: Final[Members] = {
    "merchantDisplayName": ("merchant_display_name", _one_line(100)),
    "customEmailMessage": ("custom_email_message", several_lines(2000)),
    "enableReminders": ("sends_reminders", Reader.flag),
    "deliveryLanguage": ("delivery_language", _one_of({language: language for language in LANGUAGES})),
    "defaultCurrencyCode": ("default_currency", Reader.currency),
    "payerAuthenticationInInvoicing": ("authenticates_payers", _one_of(_AUTHENTICATION)),
    "showVatNumber": ("shows_vat_number", Reader.flag),
    "vatRegistrationNumber": ("vat_registration_number", _one_line(21)),
    "shipTo": ("asks_for_shipping", Reader.flag),
    "phoneNumber": ("asks_for_phone", Reader.flag),
    "enableMerchantEmailNotifications": ("notifies_merchant", Reader.flag),
    "merchantEmail": ("merchant_email", Reader.email),
}
_HEADER_STYLE: Final[Members] = {
    "fontColor": ("font_color", _color),
    "backgroundColor": ("background_color", _color),
}


def page_url(allows_plain_http: bool) -> Read:
    """Return a reader of an address that payers may be sent to."""

    def read(reader: Reader, name: str) -> Value:
        text = reader.text(name, _MAXIMUM_URL)
        url = redirect_url(text, allows_plain_http=allows_plain_http) if text is not None else None
        if text is not None and url is None:
            schemes = "http or https" if allows_plain_http else "https"
            reader.fault(name, f"Invalid: an absolute {schemes} address with a host, without user name and spaces")
        elif url is not None and len(url) > _MAXIMUM_URL:
            reader.fault(name, f"Too long: at most {_MAXIMUM_URL} characters once percent-encoded")
        return url

    return read


def _redirect_urls(allows_plain_http: bool) -> Members:
    read = page_url(allows_plain_http)
    return {
        "paymentAccepted": ("redirect_accepted", read),
        "paymentRejected": ("redirect_rejected", read),
        "paymentPending": ("redirect_pending", read),
    }


def read_member(reader: Reader, name: str, value: Any, members: Members) -> dict[str, Value]:
    """Read one member as the setting it stands for: None when it has no value. An unknown one stands for nothing."""
    if name not in members:
        return {}
    field, read = members[name]
    return {field: None if value is None or value == "" else read(reader, name)}


def _read_group(reader: Reader, name: str, value: Any, members: Members) -> dict[str, Value]:
    """Read an object of settings; when it has no value, neither has any setting that could be in it."""
    if value is None or value == {}:
        return {field: None for field, _ in members.values()}
    group = reader.group(name)
    values: dict[str, Value] = {}
    if group is not None:
        for member, member_value in value.items():
            values |= read_member(group, member, member_value, members)
    return values


def _read_label(item: Reader) -> Label | None:
    """Read a label control. An unknown key, and a flag that its key does not take, is a fault."""
    key = item.text("key", 255, required=True)
    allowed = LABEL_FLAGS.get(key) if key is not None else None
    if key is not None and allowed is None:
        item.fault("key", f"Invalid: has to be one of {', '.join(LABEL_FLAGS)}")
    value = item.text("value", 25)
    flags: dict[str, bool | None] = {}
    for name, field in _LABEL_FLAG_NAMES.items():
        if allowed is not None and field not in allowed and item.has(name):
            item.fault(name, f"Invalid: not possible for {key}")
        else:
            flags[field] = item.flag(name)
    return Label(key=key, value=value, **flags) if key is not None and allowed is not None else None


_LABEL_FLAG_NAMES: Final = {
    "hidden": "hidden",
    "hiddenForInvoice": "hidden_for_invoice",
    "hiddenForItem": "hidden_for_item",
}


def _read_logo_text(reader: Reader, name: str, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if type(value) is not str:
        reader.fault(name, "Invalid: has to be text, an image in base64")
        return None
    return value


def _decoded(text: str) -> bytes:
    """Return what base64, perhaps in a data URI, perhaps broken into lines, stands for. Raises InvalidImage."""
    # What a data URI says about the format is not heeded: the bytes themselves tell.
    prefix = _DATA_URI.match(text)
    try:
        return b64decode(_WHITESPACE.sub("", text[prefix.end() :] if prefix else text), validate=True)
    except ValueError:
        raise InvalidImage("The logo is not valid base64.") from None


# Writing: members in the order of the wire; what is None is left out.


class _Wire(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    pass


class _HeaderStyle(_Wire):
    font_color: str
    background_color: str


class _RedirectUrls(_Wire):
    payment_accepted: str | None = None
    payment_rejected: str | None = None
    payment_pending: str | None = None


class _Information(_Wire, kw_only=True):
    merchant_logo: str | None = None
    merchant_display_name: str
    custom_email_message: str | None = None
    enable_reminders: bool
    header_style: _HeaderStyle
    delivery_language: str
    default_currency_code: str
    payer_authentication: Literal["True"] | bool = msgspec.field(name="payerAuthentication3DSVersion")
    show_vat_number: bool
    vat_registration_number: str | None = None
    phone_number: bool
    ship_to: bool
    email: bool
    enable_merchant_email_notifications: bool
    merchant_email: str | None = None
    custom_labels: msgspec.Raw | None = None
    custom_redirect_urls: _RedirectUrls | None = None


class _Address(_Wire):
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    postal_code: str | None = None


class _MerchantInformation(_Wire):
    name: str
    phone: str | None = None
    address_details: _Address | None = None


class _Answer(_Wire):
    submit_time_utc: str
    invoice_settings_information: _Information
    merchant_information: _MerchantInformation


_encode = msgspec.json.Encoder().encode


def _data_uri(logo: bytes) -> str:
    return f"data:image/{logo_format(logo)};base64,{b64encode(logo).decode('ascii')}"


def _write_redirect_urls(settings: Settings) -> _RedirectUrls | None:
    urls = _RedirectUrls(
        payment_accepted=settings.redirect_accepted,
        payment_rejected=settings.redirect_rejected,
        payment_pending=settings.redirect_pending,
    )
    return urls if urls != _RedirectUrls() else None


def _write_address(address: Address) -> _Address | None:
    written = _Address(
        address1=address.address1,
        address2=address.address2,
        city=address.city,
        state=address.state,
        # The captures have it in lower case, whatever was given.
        country=address.country.lower() if address.country is not None else None,
        postal_code=address.postal_code,
    )
    return written if written != _Address() else None
