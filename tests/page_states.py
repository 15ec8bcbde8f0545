"""
Every state of the payment page, drawn without a server: what the tests ask, photograph and check for accessibility.

Run as a program it photographs them: `python tests/page_states.py FOLDER [LANGUAGE ...]`.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from paydue.domain.invoice import Invoice
from paydue.domain.line_items import LineItem
from paydue.domain.merchant import Address, Merchant
from paydue.domain.merchant_fields import FieldDefinition, FieldType
from paydue.domain.payments import Payment
from paydue.domain.reservations import Hold
from paydue.domain.settings import Settings
from paydue.domain.terms import Customer, DeliveryMode, Freight, Tax, Terms
from paydue.pages.page_options import PageOptions, PaidBy
from paydue.pages.payer_templates import PayerTemplates
from paydue.pages.payment_page import Found, PaymentPage
from paydue.pages.rendering import StaticFiles
from paydue.pages.slip import Fault, GatewayFace, Headline, ShipTo, Slip, Way, Wrong
from paydue.usecases.previews import PREVIEW
from paydue.usecases.receipt_links import receipts_of

NOW = datetime(2026, 11, 21, 19, 32, tzinfo=UTC)
ISSUED = datetime(2026, 11, 20, 15, tzinfo=UTC)
TOKEN = "XvgrhdaVUbBJb466S9nxqXpp1e2UHoFEUlhye9gtiwgi7gzv5fwqV8YgfP6xep0D"

CYBERSOURCE = GatewayFace(name="Cybersource", way=Way.EMBEDDED, sources={"frame-src": ("https://gateway.example",)})
STRIPE = GatewayFace(name="Stripe", way=Way.REDIRECT, sources={"form-action": ("https://checkout.example",)})
SANDBOX = GatewayFace(name="Sandbox", way=Way.EMBEDDED, is_test=True, test_hint="4111 1111 1111 1111")

MERCHANT = Merchant(
    merchant_id="harbour",
    name="Harbour Lane Provisions",
    phone="+1 207 555 0142",
    email="accounts@harbourlane.example",
    address=Address(address1="14 Harbour Lane", city="Portland", state="ME", postal_code="04101", country="US"),
    time_zone="America/New_York",
)
SETTINGS = Settings(
    version=1,
    background_color="#17352b",
    font_color="#f3ebd9",
    other_ways="Bank: First Harbour Bank\nIBAN: DE89 3704 0044 0532 0130 00\nName the invoice number, please.",
    terms_url="https://harbour.example/terms",
    privacy_url="https://harbour.example/privacy",
    accessibility_url="https://harbour.example/access",
)
FIELD = FieldDefinition(
    definition_id=7, field_type=FieldType.TEXT, label="Your purchase order number", is_customer_visible=True,
    text_minimum_length=4, text_maximum_length=20, data_index=1,
)  # fmt: skip
SELECT = FieldDefinition(
    definition_id=8, field_type=FieldType.SELECT, label="Department", is_customer_visible=True,
    possible_values=("Kitchen", "Office & storage"), data_index=2,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class State:
    """One state: the invoice, the slip and whose page it is."""

    invoice: Invoice
    slip: Slip = field(default_factory=lambda: Slip(gateway=CYBERSOURCE))
    merchant: Merchant = MERCHANT
    settings: Settings = SETTINGS
    fields: tuple[FieldDefinition, ...] = ()
    paid_by: dict[str, PaidBy] = field(default_factory=dict)
    at: datetime = NOW
    is_preview: bool = False
    is_receipt: bool = False


def states() -> dict[str, State]:
    """Return every state of the page by its name."""
    payable = an_invoice(terms())
    partial = pay(an_invoice(big_terms(), number="98774"), "600", "731704265590")
    paid = pay(payable, "293.5", "732211860418")
    visa = {
        name: PaidBy(brand="Visa", last4="1111", email="tanya@lee.world") for name in ("731704265590", "732211860418")
    }
    typed = Slip(gateway=CYBERSOURCE, pays_balance=False, amount="120.00")
    return {
        "payable": State(invoice=payable),
        "payable redirect": State(invoice=payable, slip=Slip(gateway=STRIPE)),
        "overdue, every field": State(
            invoice=an_invoice(replace(terms(), due_date=date(2026, 11, 16), requests_phone=True,
                                       requests_shipping=True, allows_partial_payments=True)),
            slip=Slip(gateway=STRIPE), fields=(FIELD, SELECT),
        ),
        "partly paid": State(invoice=partial, paid_by=visa),
        "amount wrong": State(
            invoice=partial, paid_by=visa,
            slip=replace(typed, faults=(
                Fault("amount", Wrong.AMOUNT_RANGE, {"least": Decimal(250), "most": Decimal("1057.08")}),)),
        ),
        "every fault": State(
            invoice=an_invoice(replace(big_terms(), requests_phone=True, requests_shipping=True, customer=None)),
            fields=(FIELD, SELECT),
            slip=replace(
                typed, amount="1.2.3", email="tanya", phone="1", ship_to=ShipTo(country="US"), custom={7: "abc"},
                faults=(
                    Fault("amount", Wrong.AMOUNT_UNREADABLE), Fault("email", Wrong.EMAIL_WRONG),
                    Fault("phone", Wrong.PHONE_WRONG), Fault("ship_street", Wrong.ADDRESS_MISSING),
                    Fault("field_7", Wrong.TEXT_LENGTH, {"least": 4, "most": 20}),
                    Fault("field_8", Wrong.NOT_A_CHOICE),
                ),
            ),
        ),
        "declined": State(invoice=payable, slip=Slip(gateway=CYBERSOURCE, headline=Headline.DECLINED, reason="funds")),
        "not charged": State(invoice=payable, slip=Slip(gateway=STRIPE, headline=Headline.NOT_CHARGED)),
        "someone is paying": State(invoice=payable.reserve("a", payable.balance, Hold.IN_FLIGHT)),
        "gateway down": State(invoice=payable, slip=Slip(gateway=CYBERSOURCE, headline=Headline.GATEWAY_DOWN)),
        "too many tries": State(
            invoice=payable,
            slip=Slip(gateway=CYBERSOURCE, headline=Headline.TOO_MANY_TRIES,
                      again_at=datetime(2026, 11, 21, 20, 10, tzinfo=UTC)),
        ),
        "not configured": State(invoice=payable, slip=Slip()),
        "test mode": State(invoice=payable, slip=Slip(gateway=SANDBOX)),
        "preview": State(invoice=Invoice.draft(terms(), ISSUED, "98769"), is_preview=True),
        "confirming": State(
            invoice=payable,
            slip=Slip(gateway=CYBERSOURCE, headline=Headline.CONFIRMING, attempt_amount=Decimal("293.5")),
        ),
        "challenge": State(
            invoice=payable,
            slip=Slip(gateway=CYBERSOURCE, headline=Headline.CHALLENGE, attempt_amount=Decimal("293.5"),
                      challenge_url="https://bank.example/challenge"),
        ),
        "in review": State(
            invoice=payable.reserve("a", payable.balance, Hold.IN_FLIGHT).hold("a", "TR-9", NOW)
        ),
        "paid": State(invoice=paid, paid_by=visa),
        "receipt": State(invoice=paid, paid_by=visa, is_receipt=True),
        "receipt of a part": State(invoice=partial, paid_by=visa, is_receipt=True),
        "refunded": State(invoice=paid.refund("732211860418", Decimal("293.5"), NOW), paid_by=visa),
        "canceled": State(invoice=payable.cancel(datetime(2026, 11, 19, 15, tzinfo=UTC))),
        "expired": State(invoice=an_invoice(replace(terms(), expiration_date=date(2026, 11, 1)))),
        "new link asked": State(
            invoice=an_invoice(replace(terms(), expiration_date=date(2026, 11, 1))), slip=Slip(new_link_asked=True)
        ),
        "amount only": State(
            invoice=an_invoice(Terms(due_date=date(2026, 12, 11), currency="EUR", total=Decimal("1709.55"),
                                     delivery_mode=DeliveryMode.NONE)),
            settings=replace(SETTINGS, background_color="#f2c14e", font_color="#ffffff"),
        ),
    }  # fmt: skip


def draw(state: State, language: str) -> str:
    """Return the page of a state."""
    found = Found(
        token=PREVIEW + "ticket" if state.is_preview else TOKEN,
        merchant=state.merchant, settings=state.settings, invoice=state.invoice, fields=state.fields,
        paid_by=state.paid_by,
    )  # fmt: skip
    page = PaymentPage(None, _Clock(state.at), _templates(), _OPTIONS)  # type: ignore[arg-type]
    if state.is_receipt:
        return page.receipt(found, language, state.slip, receipts_of(state.invoice)[-1]).body.decode()
    return page.page(found, language, state.slip).body.decode()


def nobody(language: str) -> Iterator[tuple[str, str]]:
    """Yield the pages that belong to no merchant."""
    page = PaymentPage(None, _Clock(NOW), _templates(), _OPTIONS)  # type: ignore[arg-type]
    scope: dict[str, Any] = {
        "path": "/ebc2/invoicing/payInvoice/x",
        "query_string": f"lang={language}".encode(),
        "headers": [],
    }
    yield "unknown link", page.miss(scope).body.decode()
    yield "database down", page.unavailable(scope).body.decode()
    yield "no PDF", page.no_pdf(scope).body.decode()


def drawn(language: str) -> dict[str, str]:
    """Return the pages of all states in one language, by name."""
    return {name: draw(state, language) for name, state in states().items()} | dict(nobody(language))


def alone(page: str) -> str:
    """Return a page with its style sheets inside, so that a browser can show it without a server."""
    static = Path(sys.modules[StaticFiles.__module__].__file__ or "").parent / "static"

    def sheet(link: re.Match[str]) -> str:
        css = (static / link[1]).read_text(encoding="utf-8")
        return "<style>" + css.replace("url(fonts/", f"url({static.as_uri()}/fonts/") + "</style>"

    page = re.sub(r'<link rel="stylesheet" href="/static/[0-9a-f]+/([a-z-]+\.css)">', sheet, page)
    return re.sub(r"<script[^>]*></script>\n?", "", page)


def an_invoice(terms_: Terms, number: str = "98769") -> Invoice:
    return Invoice.draft(terms_, ISSUED, number).publish(ISSUED, TOKEN)


def terms() -> Terms:
    return Terms(
        due_date=date(2026, 12, 11), currency="USD", total=Decimal("293.5"), delivery_mode=DeliveryMode.EMAIL,
        customer=Customer(name="Tanya Lee", email="tanya.lee@my-email.world"),
        description="Weekly bakery order, delivered November 18", sub_amount=Decimal("293.5"),
        freight=Freight(amount=Decimal(0)),
        line_items=(
            an_item("Country sourdough, 900 g", "P653727383", "12.05", 20, "241"),
            an_item("Cultured butter, 250 g", "P653727391", "5.25", 10, "52.5"),
        ),
    )  # fmt: skip


def big_terms() -> Terms:
    return Terms(
        due_date=date(2026, 11, 28), currency="USD", total=Decimal("1657.08"), delivery_mode=DeliveryMode.EMAIL,
        customer=Customer(name="Tanya Lee", company_name="Lee’s Kitchen", merchant_customer_id="LK-0417",
                          email="tanya.lee@my-email.world"),
        expiration_date=date(2027, 1, 31), allows_partial_payments=True, minimum_partial_amount=Decimal(250),
        sub_amount=Decimal("1567.6"), discount_amount=Decimal("78.38"), discount_percent=Decimal(5),
        freight=Freight(amount=Decimal(45)), tax=Tax(type="Sales tax", amount=Decimal("122.86"), rate=Decimal("8.25")),
        line_items=(
            an_item("Country sourdough, 900 g", "P653727383", "12.05", 20, "241"),
            an_item("Cultured butter, 250 g", "P653727391", "5.25", 40, "210"),
            an_item("Heritage tomatoes, 5 kg crate", "P653728004", "38.5", 12, "462"),
            an_item("Cold-pressed olive oil, 5 l", "P653728117", "74.9", 6, "449.4"),
            an_item("Free-range eggs, tray of 30", "P653727420", "11.4", 18, "205.2"),
        ),
    )  # fmt: skip


def an_item(name: str, sku: str, price: str, quantity: int, total: str) -> LineItem:
    return LineItem(
        product_name=name, product_sku=sku, unit_price=Decimal(price), quantity=quantity, total=Decimal(total)
    )


def pay(invoice: Invoice, amount: str, reference: str) -> Invoice:
    at = datetime(2026, 11, 21, 19, 32, tzinfo=UTC)
    return invoice.receive(Payment(amount=Decimal(amount), method="card", reference=reference, paid_at=at), at)


class _Clock:
    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def nanoseconds(self) -> int:
        return int(self._at.timestamp()) * 1_000_000_000


@cache
def _templates() -> PayerTemplates:
    return PayerTemplates(StaticFiles().shared())


_OPTIONS = PageOptions(
    count_miss=lambda _: 0.0,
    link_of=lambda token: f"https://pay.example.com/ebc2/invoicing/payInvoice/{token}?version=v2.1",
    secret=b"a secret of the tests",
)


def _main(folder: Path, languages: list[str]) -> None:
    from browsing import chromium
    from paydue.domain.settings import LANGUAGES
    from screenshots import photograph

    with chromium() as browser:
        for language in languages or LANGUAGES:
            for width in (320, 360, 1280):
                for name, page in drawn(language).items():
                    picture = folder / language / f"{name.replace(', ', '-').replace(' ', '-')}-{width}.png"
                    photograph(browser, [alone(page)], picture, width=width)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
