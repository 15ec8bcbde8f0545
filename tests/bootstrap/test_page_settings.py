"""What a merchant chooses for the payment page by our own calls, and what payers then see; previews of drafts."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from builders import some_terms
from paydue.domain.invoice import Invoice
from storing import a_change
from taking_payments import Caller, Shop, a_shop

SETTINGS = "/paydue/v1/payment-page-settings"
PREVIEWS = "/paydue/v1/invoices/{}/preview-links"
WAYS = """Bank: First Harbour Bank
Account: DE89 3704 0044 0532 0130 00
支店：本店
Please name the invoice number.
Opening hours: 9:00 <to> 17:00"""
LINKS = {
    "termsUrl": "https://acme.example/terms?a=1&b=2",
    "privacyUrl": "https://acme.example/privacy",
    "accessibilityUrl": "https://acme.example/access",
}


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(tmp_path) as opened:
        yield opened


@pytest.fixture
async def acme(shop: Shop) -> Caller:
    return await Caller.of(shop)


async def see(shop: Shop, path: str, **query: str) -> httpx.Response:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=shop.service.app), base_url="http://127.0.0.1:1"
    ) as browser:
        return await browser.get(path, params=query)


def page_of(invoice: Invoice) -> str:
    return f"/ebc2/invoicing/payInvoice/{invoice.payment_token}"


async def test_nothing_is_set_at_first(acme: Caller) -> None:
    assert (await acme.call("GET", SETTINGS)).expect(200).json == {"offersFreshLinks": True}


async def test_what_is_sent_changes_and_the_rest_stays(shop: Shop, acme: Caller) -> None:
    await acme.call("PUT", "/invoicing/v2/invoiceSettings", {"invoiceSettingsInformation": {"phoneNumber": True}})
    changed = (await acme.call("PUT", SETTINGS, {"otherWaysToPay": WAYS, **LINKS})).expect(200).json
    assert changed == {"offersFreshLinks": True, "otherWaysToPay": WAYS, **LINKS}
    (await acme.call("PUT", SETTINGS, {"offersFreshLinks": False, "termsUrl": None, "privacyUrl": ""})).expect(200)
    kept = (await acme.call("GET", SETTINGS)).json
    assert kept == {
        "offersFreshLinks": False,
        "otherWaysToPay": WAYS,
        "accessibilityUrl": LINKS["accessibilityUrl"],
    }
    assert (await acme.call("PUT", SETTINGS, {"offersFreshLinks": None})).json["offersFreshLinks"] is True
    # The compatible settings know nothing of these, and keep theirs.
    compatible = (await acme.call("GET", "/invoicing/v2/invoiceSettings")).expect(200).json
    assert compatible["invoiceSettingsInformation"]["phoneNumber"] is True
    assert not compatible["invoiceSettingsInformation"].keys() & {"otherWaysToPay", *LINKS}


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"offersFreshLinks": "perhaps"}, "offersFreshLinks", "has to be true or false"),
        ({"otherWaysToPay": "x" * 1001}, "otherWaysToPay", "at most 1000"),
        ({"otherWaysToPay": "My card: 4111 1111 1111 1111"}, "otherWaysToPay", "card number"),
        ({"privacyUrl": "javascript:alert(1)"}, "privacyUrl", "absolute"),
        ({"termsUrl": "https://user@acme.example/"}, "termsUrl", "absolute"),
        ({"accessibilityUrl": "https://acme.example/" + "x" * 500}, "accessibilityUrl", "at most 500"),
    ],
)
async def test_what_cannot_be_set_is_named(acme: Caller, body: dict[str, str], field: str, reason: str) -> None:
    refused = (await acme.call("PUT", SETTINGS, body)).expect(400)
    assert reason in refused.faults[field]
    assert (await acme.call("GET", SETTINGS)).json == {"offersFreshLinks": True}


async def test_payers_see_it_on_the_page_and_in_their_language(shop: Shop, acme: Caller) -> None:
    invoice = await shop.bill()
    assert "Other ways to pay" not in (await see(shop, page_of(invoice))).text
    (await acme.call("PUT", SETTINGS, {"otherWaysToPay": WAYS, **LINKS})).expect(200)
    page = (await see(shop, page_of(invoice))).text
    assert "<dt>Account</dt><dd><span>DE89 3704 0044 0532 0130 00</span>" in page
    assert "<dt>支店</dt><dd><span>本店</span>" in page
    assert "<p>Please name the invoice number.</p>" in page
    # Rows may follow text, as after a heading; and nothing of it is markup.
    assert "<dt>Opening hours</dt><dd><span>9:00 &lt;to&gt; 17:00</span>" in page
    assert page.index("name the invoice number") < page.index("Opening hours")
    assert 'href="https://acme.example/terms?a=1&amp;b=2"' in page
    german = (await see(shop, page_of(invoice), lang="de-DE")).text
    for words in ("Andere Zahlungswege", ">Datenschutz</a>", ">Barrierefreiheit</a>", ">AGB</a>"):
        assert words in german
    await shop.pay(invoice)
    paid = (await see(shop, page_of(invoice))).text
    assert "Other ways to pay" not in paid
    assert ">Privacy</a>" in paid


async def test_without_a_gateway_payers_read_how_to_pay_otherwise(tmp_path: Path) -> None:
    async with a_shop(tmp_path, gateway="none") as shop:
        invoice = await shop.bill()
        acme = await Caller.of(shop)
        (await acme.call("PUT", SETTINGS, {"otherWaysToPay": WAYS})).expect(200)
        page = (await see(shop, page_of(invoice))).text
        assert "How to pay" in page
        assert "Other ways to pay" in page


async def test_where_fresh_links_are_not_offered_the_page_offers_none(shop: Shop, acme: Caller) -> None:
    today = shop.desk.clock.now().date()
    invoice = await shop.bill(expiration_date=today)
    assert 'name="new_link"' in (await see(shop, page_of(invoice))).text
    (await acme.call("PUT", SETTINGS, {"offersFreshLinks": False})).expect(200)
    page = (await see(shop, page_of(invoice))).text
    assert "This link has expired." in page
    assert 'name="new_link"' not in page


async def test_a_draft_is_previewed_for_an_hour_and_cannot_be_paid(shop: Shop, acme: Caller) -> None:
    at = shop.desk.clock.now()
    draft = await shop.books.store.commit(a_change(None, Invoice.draft(some_terms("55"), at)))
    made = (await acme.call("POST", PREVIEWS.format(draft.number), {})).expect(201).json
    url = urlsplit(made["url"])
    page = await see(shop, f"{url.path}?{url.query}")
    assert (page.status_code, "55.00" in page.text) == (200, True)
    assert 'id="pay-button"' not in page.text
    assert 'type="button" aria-disabled="true"' in page.text
    assert made["expiresAt"] >= (at + timedelta(minutes=59)).isoformat()[:19]
    again = (await acme.call("POST", PREVIEWS.format(draft.number))).expect(201).json
    assert urlsplit(again["url"]).path.startswith("/ebc2/invoicing/payInvoice/preview/")
    (await acme.call("POST", PREVIEWS.format("no-such"), {})).expect(404)
    (await (await Caller.of(shop, "acme")).call("POST", PREVIEWS.format(draft.number), {})).expect(201)


async def test_a_ticket_that_was_changed_opens_nothing(shop: Shop, acme: Caller) -> None:
    invoice = await shop.bill()
    path = urlsplit((await acme.call("POST", PREVIEWS.format(invoice.number), {})).json["url"]).path
    assert (await see(shop, path)).status_code == 200
    assert (await see(shop, path[:-1] + ("0" if path[-1] != "0" else "1"))).status_code == 404
