"""What somebody with a payment link sees, in every state, whatever merchants write into their invoices."""

import logging
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from builders import NOON, TOKEN, a_line_item, a_payment, an_invoice, some_terms
from paydue.domain.errors import StoreUnavailable
from paydue.domain.lifecycle import Status
from paydue.domain.merchant import Address
from paydue.domain.merchant_fields import FieldDefinition, FieldType, FieldValue
from paydue.domain.settings import Label
from paydue.domain.terms import Customer, Freight, Tax
from paydue.wire.limits import FailureLimit
from reading import Page

LINKS = "/ebc2/invoicing/payInvoice/"


async def page_of(books, invoice) -> Page:
    await books.keep(invoice)
    answer = await books.open()
    assert answer.status_code == 200
    return Page(answer.text)


# --- states ---


async def test_a_payable_invoice_says_what_is_due_and_when(books):
    page = await page_of(books, an_invoice(Status.SENT))

    assert "Invoice 1" in page.words
    assert "Open. Due in 55 days" in page.words
    assert "USD 293.50 due June 30, 2026, in 55 days" in page.words
    assert "Nothing paid yet" in page.words
    assert (
        "How to pay Harbour Lane Provisions tells you how to pay USD 293.50. Name invoice 1 when you do." in page.words
    )


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (29, "Open. Due tomorrow"),
        (30, "Open. Due today"),
        (31, "1 day overdue. You can still pay"),
        (32, "2 days overdue. You can still pay"),
    ],
)
async def test_the_status_counts_the_days_to_the_due_date_and_from_it(books, day, words):
    books.clock.at = datetime(2026, 6, 30, 12, tzinfo=UTC).replace(day=min(day, 30))
    if day > 30:
        books.clock.at = datetime(2026, 7, day - 30, 12, tzinfo=UTC)

    assert words in (await page_of(books, an_invoice(Status.SENT))).words


async def test_the_day_is_over_when_it_is_over_where_the_merchant_is(open_books):
    books = await open_books(time_zone="Pacific/Auckland")
    books.clock.at = datetime(2026, 6, 30, 12, tzinfo=UTC)

    assert "1 day overdue" in (await page_of(books, an_invoice(Status.SENT))).words


async def test_an_unknown_time_zone_does_not_lose_the_page(open_books):
    books = await open_books(time_zone="Nowhere/At-All")

    assert "Open." in (await page_of(books, an_invoice(Status.SENT))).words


async def test_a_partly_paid_invoice_says_how_much_is_paid_and_how_much_is_left(books):
    page = await page_of(books, an_invoice(Status.PARTIAL))

    assert "Partly paid. Due in 55 days" in page.words
    assert "USD 193.50 due June 30, 2026, in 55 days" in page.words
    assert "USD 100.00 of USD 293.50 paid" in page.words
    assert "Balance due USD 193.50" in page.words
    assert "Paid so far, 1 payment −100.00" in page.words
    assert "Payments May 5, 2026 USD 100.00" in page.words
    assert page.attributes("progress", "value") == ["100"]
    assert page.attributes("progress", "max") == ["293.5"]


async def test_a_paid_invoice_says_so_and_asks_for_nothing(books):
    page = await page_of(books, an_invoice(Status.PAID))

    assert "Paid on May 5, 2026" in page.words
    assert "USD 293.50 paid in full. Nothing is due." in page.words
    assert "how to pay" not in page.words


async def test_a_canceled_invoice_shows_its_number_and_total_and_nothing_more(books):
    sent = an_invoice(Status.SENT, some_terms(line_items=(a_line_item(),)))
    page = await page_of(books, sent.cancel(NOON))

    assert "Canceled on May 5, 2026" in page.words
    assert "Nothing is due. Harbour Lane Provisions canceled this invoice. You do not need to pay it." in page.words
    assert "Invoice number 1 Total USD 293.50" in page.words
    assert "Consulting" not in page.words
    assert page.attributes("table", "role") == []


async def test_an_expired_link_says_since_when_and_whom_to_ask(books):
    books.clock.at = datetime(2026, 6, 1, tzinfo=UTC)
    page = await page_of(books, an_invoice(Status.SENT, some_terms(expiration_date=date(2026, 6, 1))))

    assert "Expired on June 1, 2026, 00:00 UTC" in page.words
    assert "This link has expired. Invoice 1 is still open. We can send a new link to the address" in page.words
    assert ("button", {"class": "btn", "type": "submit", "name": "new_link", "value": "1"}) in page.elements
    assert "how to pay" not in page.words


async def test_a_link_that_will_expire_says_when(books):
    page = await page_of(books, an_invoice(Status.SENT, some_terms(expiration_date=date(2026, 7, 1))))

    assert "Link valid until July 1, 2026, 00:00 UTC" in page.words


async def test_a_link_that_was_renewed_says_when_it_ends_now(books):
    books.clock.at = at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    renewed = an_invoice(Status.SENT, some_terms(expiration_date=date(2026, 6, 1))).renew_link(at, TOKEN)

    assert "Link valid until July 2, 2026, 00:00 UTC" in (await page_of(books, renewed)).words


async def test_an_invoice_whose_payment_is_under_review_asks_nobody_to_pay_again(books):
    page = await page_of(books, an_invoice(Status.PENDING))

    assert "In review" in page.words
    assert "Your payment is being checked. We will write to t•••@m•••.world. Do not pay again." in page.words
    assert "how to pay" not in page.words


async def test_an_invoice_over_nothing_can_be_opened(books):
    page = await page_of(books, an_invoice(Status.SENT, some_terms("0")))

    assert "USD 0.00 due" in page.words
    assert page.attributes("progress", "max") == ["1"]


# --- links that open nothing ---


async def test_links_that_open_nothing_get_one_answer(books):
    await books.keep(an_invoice(Status.SENT))
    draft_token = "d" * 64
    await books.keep(replace(an_invoice(Status.DRAFT), payment_token=draft_token))
    tokens = ["b" * 64, draft_token, "a" * 63, "a" * 65, "", "-" * 64, "%00" * 21, "ä" * 64, TOKEN + "/", TOKEN.upper()]
    answers = [await books.open(LINKS + token) for token in tokens]

    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    assert "This link does not work. Ask the sender for a new one." in Page(answers[0].text).words
    assert len({tuple(answer.headers.items()) for answer in answers}) == 1


async def test_too_many_misses_of_one_address_have_to_wait_but_a_link_that_works_still_opens(open_books):
    limit = FailureLimit(30, 60, lambda: 0.0)
    books = await open_books(count_miss=limit.count)
    await books.keep(an_invoice(Status.SENT))
    misses = [await books.open(LINKS + "b" * 64) for _ in range(32)]

    assert [answer.status_code for answer in misses] == [404] * 30 + [429] * 2
    assert misses[-1].headers["retry-after"] == "60"
    assert "Too many tries." in Page(misses[-1].text).words
    assert (await books.open()).status_code == 200


async def test_a_limit_of_nothing_is_no_limit(open_books):
    books = await open_books(count_miss=FailureLimit(0, 60, lambda: 0.0).count)

    assert {(await books.open(LINKS + "b" * 64)).status_code for _ in range(40)} == {404}


async def test_a_token_is_never_written_into_the_log(books, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    # Another test may have run a tool that switches off every logger it does not know.
    monkeypatch.setattr(logging.getLogger("paydue.pages"), "disabled", False)
    await books.open(LINKS + "b" * 64)

    async def broken(_token: str) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(books.store, "find_by_payment_token", broken)
    answer = await books.open(LINKS + "b" * 64)

    assert answer.status_code == 500
    assert "the-correlation-id" in answer.text
    assert "a bug of ours" not in answer.text
    ours = [record for record in caplog.records if record.name.startswith("paydue")]
    assert [record.message for record in ours] == ["payment_link_missed", "request_failed"]
    assert not any("bbbb" in str(vars(record)) for record in ours)


async def test_a_database_that_does_not_answer_gets_a_page_that_promises_nothing(books, monkeypatch):
    async def unavailable(_token: str) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(books.store, "find_by_payment_token", unavailable)
    answer = await books.open()

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "Nothing was charged. Try again in a few minutes." in Page(answer.text).words
    assert "disk full" not in answer.text


# --- what is on it ---


async def test_items_and_totals_are_shown_with_all_decimals(books):
    terms = some_terms(
        "1263.85",
        sub_amount=Decimal(1250),
        discount_amount=Decimal(10),
        discount_percent=Decimal("0.8"),
        freight=Freight(amount=Decimal("3.85")),
        tax=Tax(type="State Tax", amount=Decimal(20), rate=Decimal("8.25")),
        line_items=(
            a_line_item("1250", discount_percent=Decimal(5), tax_amount=Decimal("1.5")),
            a_line_item("0", product_sku="B-2", product_name="A gift", quantity=1500),
        ),
    )
    words = (await page_of(books, an_invoice(Status.SENT, terms))).words

    assert "Item Quantity Unit price Discount Tax Amount" in words
    assert "First line item's name P653727383 20 12.05 −5% 1.50 1,250.00" in words
    assert "A gift B-2 1,500 12.05 0.00" in words
    assert "Subtotal 1,250.00 Discount (0.8%) −10.00 Shipping 3.85 Tax (State Tax 8.25%) 20.00" in words
    assert "Total USD 1,263.85" in words


async def test_columns_that_would_be_empty_are_left_out(books):
    words = (await page_of(books, an_invoice(Status.SENT, some_terms(line_items=(a_line_item(),))))).words

    assert "Item Quantity Unit price Amount" in words


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "JPY 293"), ("KWD", "KWD 293.500"), ("CLF", "CLF 293.5000")])
async def test_an_amount_has_as_many_decimals_as_its_currency(books, currency, shown):
    terms = some_terms("293" if currency == "JPY" else "293.5", currency=currency)

    assert f"{shown} due June 30" in (await page_of(books, an_invoice(Status.SENT, terms))).words


async def test_the_merchant_can_be_reached_in_every_state(open_books):
    address = Address(address1="14 Harbour Lane", city="Portland", state="ME", postal_code="04101", country="US")
    books = await open_books(phone="+1 (207) 555-0142", email="accounts@harbourlane.example", address=address)
    await books.set(shows_vat_number=True, vat_registration_number="DE123")
    await books.keep(an_invoice(Status.SENT))
    for at in (datetime(2026, 5, 6, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)):
        books.clock.at = at
        page = Page((await books.open()).text)
        assert (
            "Harbour Lane Provisions, 14 Harbour Lane, Portland, ME 04101, United States VAT number DE123" in page.words
        )
        assert {"tel:+12075550142", "mailto:accounts@harbourlane.example"} <= set(page.attributes("a", "href"))


async def test_the_name_that_the_merchant_chose_to_show_stands_for_the_merchant(books):
    await books.set(merchant_display_name="The Lane")
    page = await page_of(books, an_invoice(Status.SENT))

    assert "The Lane" in page.words
    assert "Harbour Lane Provisions" not in page.words


async def test_labels_are_renamed_and_hidden_as_the_merchant_wants_and_figures_stay(books):
    terms = some_terms(
        discount_amount=Decimal(1),
        tax=Tax(amount=Decimal(2)),
        freight=Freight(amount=Decimal(3)),
        customer=Customer(name="Tanya Lee", company_name="Lee & Co", merchant_customer_id="C-1"),
    )
    labels = ("billTo", "companyName", "customerId", "description", "discount", "tax", "shipping")
    await books.keep(an_invoice(Status.SENT, terms))
    await books.set(labels=tuple(Label(key=key, value=f"My {key}") for key in labels))
    words = Page((await books.open()).text).words
    assert all(f"My {key}" in words for key in labels)

    await books.set(labels=tuple(Label(key=key, hidden=True, hidden_for_invoice=True) for key in labels))
    words = Page((await books.open()).text).words
    assert not any(shown in words for shown in ("Lee & Co", "C-1", "Consulting", "1.00", "2.00", "3.00"))
    assert "Total USD 293.50" in words


async def test_only_fields_that_are_meant_for_the_customer_are_shown(books):
    def value(text: str, *, is_visible: bool) -> FieldValue:
        definition = FieldDefinition(
            field_type=FieldType.TEXT, label=f"Label of {text}", data_index=1, is_customer_visible=is_visible
        )
        return FieldValue(definition=definition, value=text)

    terms = some_terms(field_values=(value("open", is_visible=True), value("secret", is_visible=False)))
    words = (await page_of(books, an_invoice(Status.SENT, terms))).words

    assert "Label of open open" in words
    assert "secret" not in words


async def test_the_page_tells_a_stranger_no_address_and_no_reference(books):
    terms = some_terms(transaction_reference_number="TRN-777")
    sent = an_invoice(Status.SENT, terms).receive(a_payment("100", "BANK-4711"), NOON)
    markup = (await page_of(books, sent)).words

    assert not any(secret in markup for secret in ("my-email.world", "TRN-777", "BANK-4711", "acme"))


# --- hostile text ---

HOSTILE = """</title></dd><script>alert(1)</script><img src=x onerror="alert(2)">'">&amp;{{7*7}}{% raw %}\u202e"""


async def test_whatever_a_merchant_writes_stays_text(open_books):
    def hostile(name: str) -> str:
        return f"{name}: {HOSTILE}"

    address = Address(address1=hostile("address1"), city=hostile("city"))
    merchant = {"name": "m", "phone": hostile("phone"), "email": hostile("email"), "address": address}
    books = await open_books(**merchant)
    await books.set(
        merchant_display_name=hostile("display name"),
        shows_vat_number=True,
        vat_registration_number=hostile("vat"),
        labels=(Label(key="billTo", value=hostile("label")),),
    )
    definition = FieldDefinition(
        field_type=FieldType.TEXT, label=hostile("field label"), data_index=1, is_customer_visible=True
    )
    terms = some_terms(
        description=hostile("description"),
        customer=Customer(
            name=hostile("customer"), company_name=hostile("company"), merchant_customer_id=hostile("customer id")
        ),
        tax=Tax(type=hostile("tax type"), amount=Decimal(1)),
        line_items=(a_line_item(product_name=hostile("product"), product_sku=hostile("sku")),),
        field_values=(FieldValue(definition=definition, value=hostile("field value")),),
    )
    plain = await books.keep(an_invoice(Status.SENT, some_terms(line_items=(a_line_item(),))))
    harmless = {tag for tag, _ in Page((await books.open()).text).elements}
    token = "h" * 64
    await books.keep(replace(an_invoice(Status.SENT, terms), payment_token=token))
    page = Page((await books.open(LINKS + token)).text)

    assert plain.number == "1"
    assert {tag for tag, _ in page.elements} <= harmless
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    hrefs = [href or "" for href in page.attributes("a", "href")]
    assert all(href.startswith(("#", "tel:", "mailto:", "?lang=", LINKS)) for href in hrefs)
    assert all(set(href) <= set("tel:+0123456789") for href in hrefs if href.startswith("tel:"))
    shown = "".join(page.texts)
    names = (
        "address1", "city", "phone", "email", "display name", "vat", "label", "description", "customer", "company",
        "customer id", "tax type", "product", "sku", "field label", "field value",
    )  # fmt: skip
    assert [name for name in names if hostile(name) not in shown] == []


async def test_line_breaks_of_a_description_are_kept(books):
    page = await page_of(books, an_invoice(Status.SENT, some_terms(description="one\ntwo")))

    assert "one\ntwo" in page.texts


# --- HTTP ---


async def test_the_page_may_not_be_kept_framed_indexed_or_told_to_others(books):
    await books.keep(an_invoice(Status.SENT))
    headers = (await books.open()).headers

    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert headers["v-c-correlation-id"] == "the-correlation-id"
    assert "set-cookie" not in headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert re.fullmatch(r"'self' 'nonce-[0-9a-f]{32}'", policy["script-src"])
    assert policy["style-src"] == policy["script-src"]
    assert policy["form-action"] == policy["connect-src"] == "'self'"
    assert policy["frame-src"] == "'none'"
    assert headers["permissions-policy"] == "payment=(self)"
    assert "unsafe" not in headers["content-security-policy"]


async def test_nothing_of_the_page_comes_from_elsewhere_and_nothing_runs_that_is_not_ours(books):
    await books.keep(an_invoice(Status.SENT))
    answer = await books.open()
    page = Page(answer.text)

    assert "style" not in {name for _, each in page.elements for name in each}
    nonces = page.attributes("style", "nonce")
    assert len(nonces) == 1
    assert f"'nonce-{nonces[0]}'" in answer.headers["content-security-policy"]
    for address in page.attributes("link", "href") + page.attributes("script", "src") + page.attributes("img", "src"):
        assert address is not None
        assert (await books.open(address)).status_code == 200
    assert all(page.attributes("script", "integrity"))


async def test_no_two_pages_have_the_same_nonce(books):
    await books.keep(an_invoice(Status.SENT))

    assert len({(await books.open()).headers["content-security-policy"] for _ in range(20)}) == 20


async def test_opening_a_link_changes_nothing_however_it_is_opened(books):
    kept = await books.keep(an_invoice(Status.SENT))
    whole, head = await books.open(), await books.open(method="HEAD")

    assert head.status_code == 200
    assert head.content == b""
    without_nonce = [
        {name: re.sub("nonce-[0-9a-f]+", "", value) for name, value in answer.headers.items()}
        for answer in (head, whole)
    ]
    assert without_nonce[0] == without_nonce[1]
    assert int(head.headers["content-length"]) == len(whole.content)
    assert await books.store.of("acme").invoice(kept.number) == kept


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused_by_name(books, method):
    await books.keep(an_invoice(Status.SENT))
    answer = await books.open(method=method)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("query", ["", "?version=v2.1", "?version=v9", "?x=%00&&&=", "?" + "a" * 5000])
async def test_what_stands_behind_the_question_mark_makes_no_difference(books, query):
    await books.keep(an_invoice(Status.SENT))

    assert (await books.open(LINKS + TOKEN + query)).status_code == 200
