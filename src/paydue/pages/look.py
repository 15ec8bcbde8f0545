"""
What is the same on all pages of one merchant in one language: band, colours, contact, names of labels, policy.

It is made once and kept until merchant, settings or gateway change, because nothing of it depends on the invoice.
"""

import re
from collections import OrderedDict
from datetime import tzinfo
from typing import Final
from urllib.parse import quote

import msgspec

from paydue.domain.colours import palette
from paydue.domain.labels import Labels
from paydue.domain.merchant import Address, Merchant
from paydue.domain.settings import Settings
from paydue.language.countries import country_names
from paydue.language.moments import zone_named
from paydue.language.words import Words, words_of
from paydue.pages.answers import Header
from paydue.pages.page_headers import Policy, policy_for
from paydue.pages.payer_templates import PayerTemplates, Rendered
from paydue.pages.slip import GatewayFace

# Written in their own script, addresses there begin with the country's largest part and end with the house.
_LARGEST_FIRST: Final = frozenset({"CN", "JP", "TW"})
_NOT_DIALLED: Final = re.compile(r"[^+0-9]+")
# `Account: 0047 1180 2265`; a colon of full width is one too, and a time of day is none.
_ROW: Final = re.compile(r"([^:\uff1a]{1,40})(?::\s+|\uff1a\s*)(\S.{0,199})")
_KEPT: Final = 512

# Each language in itself; the tag is what its readers' browsers and screen readers know.
LANGUAGE_NAMES: Final = {
    "en-US": "English",
    "de-DE": "Deutsch",
    "es-419": "Español",
    "fr-FR": "Français",
    "pt-BR": "Português (Brasil)",
    "ru-RU": "Русский",
    "ja-JP": "日本語",
    "zh-CN": "简体中文",
    "zh-TW": "繁體中文",
}


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """
    One merchant's pages in one language.

    `band` is everything above the content, `contact` how to reach the merchant, `other_ways` how to pay by other means,
    `foot_links` what stands below everything; `style` are the five colours.
    """

    merchant: Merchant
    settings: Settings
    face: GatewayFace
    language: str
    words: Words
    labels: Labels
    zone: tzinfo
    name: str
    style: Rendered
    band: Rendered
    contact: Rendered
    other_ways: Rendered
    foot_links: Rendered
    policy: Policy

    def headers(self, nonce: str) -> tuple[Header, ...]:
        """Return the headers of a page whose style and script bear that nonce."""
        return self.policy.headers(nonce)


class Looks:
    """Makes looks, and keeps those that were asked for last."""

    def __init__(self, templates: PayerTemplates) -> None:
        self._templates = templates
        self._kept: OrderedDict[tuple[str, str], Look] = OrderedDict()

    def of(self, merchant: Merchant, settings: Settings, face: GatewayFace, language: str) -> Look:
        """Return the look of these; the same one while they are the same. Raises UnknownLanguage."""
        key = (merchant.merchant_id, language)
        kept = self._kept.get(key)
        if kept is not None and _is_of(kept, merchant, settings, face):
            return kept
        look = self._made(merchant, settings, face, language)
        self._kept[key] = look
        self._kept.move_to_end(key)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return look

    def band(self, look: Look, *, query: str = "", is_preview: bool = False) -> Rendered:
        """Return the band of a page that is not the usual one: a preview, or behind an address with that query."""
        return self._band(look.merchant, look.settings, look.face, look.language, query, is_preview=is_preview)

    def _made(self, merchant: Merchant, settings: Settings, face: GatewayFace, language: str) -> Look:
        words = words_of(language)
        colours = palette(settings.background_color, settings.font_color)
        return Look(
            merchant=merchant,
            settings=settings,
            face=face,
            language=language,
            words=words,
            labels=Labels(settings.labels),
            zone=zone_named(merchant.time_zone),
            name=settings.display_name(merchant.name),
            # Every value is a colour of the form #rrggbb, which `palette` has made sure of.
            style=Rendered(
                f":root{{--band:{colours.band};--band-ink:{colours.band_ink};--action:{colours.action};"
                f"--action-ink:{colours.action_ink};--link:{colours.link}}}"
            ),
            band=self._band(merchant, settings, face, language, "", is_preview=False),
            contact=self._contact(merchant, settings, language),
            other_ways=self._other_ways(settings, language),
            foot_links=self._foot_links(settings, language),
            policy=policy_for(face.sources),
        )

    def _band(
        self,
        merchant: Merchant,
        settings: Settings,
        face: GatewayFace,
        language: str,
        query: str,
        *,
        is_preview: bool,
    ) -> Rendered:
        logo = f"/logos/{quote(merchant.merchant_id, safe='')}/{settings.version}" if settings.logo_format else ""
        return self._templates.part(
            "band.html",
            language,
            {
                "name": settings.display_name(merchant.name),
                "logo": logo,
                "is_test": face.is_test,
                "card": face.test_hint,
                "is_preview": is_preview,
                "languages": list(LANGUAGE_NAMES.items()),
                "language_name": LANGUAGE_NAMES[language],
                "query": f"&{query}" if query else "",
            },
        )

    def _contact(self, merchant: Merchant, settings: Settings, language: str) -> Rendered:
        phone, email = merchant.phone or "", merchant.email or ""
        return self._templates.part(
            "contact.html",
            language,
            {
                "address": ", ".join((settings.display_name(merchant.name), *_address(merchant.address, language))),
                "phone": phone,
                "dial": _NOT_DIALLED.sub("", phone),
                "email": email,
                "mail_to": quote(email, safe="@"),
                "number": settings.vat_registration_number or "" if settings.shows_vat_number else "",
            },
        )

    def _other_ways(self, settings: Settings, language: str) -> Rendered:
        if settings.other_ways is None:
            return Rendered("")
        # Rows that follow each other stand in one list, and what stands between is text.
        blocks: list[tuple[bool, list[tuple[str, str] | str]]] = []
        for line in filter(None, map(str.strip, settings.other_ways.splitlines())):
            row = _ROW.fullmatch(line)
            if not blocks or blocks[-1][0] is (row is None):
                blocks.append((row is not None, []))
            blocks[-1][1].append((row[1], row[2]) if row is not None else line)
        return self._templates.part("other_ways.html", language, {"ways": blocks})

    def _foot_links(self, settings: Settings, language: str) -> Rendered:
        links = {
            "terms": settings.terms_url,
            "privacy": settings.privacy_url,
            "accessibility": settings.accessibility_url,
        }
        return self._templates.part("foot_links.html", language, links) if any(links.values()) else Rendered("")


def _address(address: Address | None, language: str) -> list[str]:
    """Return the parts of an address in the order of its country."""
    if address is None:
        return []
    city, state, code = address.city or "", address.state or "", address.postal_code or ""
    street = [part for part in (address.address1, address.address2) if part]
    if address.country in _LARGEST_FIRST and not city.isascii():
        return [part for part in (code, "".join((state, city, *street))) if part]
    place = [city, " ".join(filter(None, (state, code)))] if state else [f"{code} {city}".strip()]
    country = country_names(language).get(address.country or "", address.country or "")
    return [part for part in (*street, *place, country) if part]


def _is_of(look: Look, merchant: Merchant, settings: Settings, face: GatewayFace) -> bool:
    # The store hands out the same objects for some seconds, and equal ones after that.
    return (
        (look.settings is settings or look.settings == settings)
        and (look.merchant is merchant or look.merchant == merchant)
        and (look.face is face or look.face == face)
    )
