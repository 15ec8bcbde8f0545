"""Payers in a real Chromium, on the running demo: every way to pay, to be refused, to come back and to leave."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from browsing import APPROVED, CHALLENGED, DECLINED, DESKTOP, PHONE, Payer, chromium
from client import Account, Client, an_invoice_body
from running import Server, running_demo
from typed_amounts import TYPED

LANGUAGES = ["en-US", "de-DE", "ja-JP", "ru-RU"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def shop(demo: Server) -> Iterator[Client]:
    """The demo's own merchant, which has an address, a telephone and a name to show."""
    with Client(Account.demo(demo)) as client:
        yield client


@pytest.fixture
def payer_at(browser: Browser, demo: Server) -> Iterator[Callable[..., Payer]]:
    with ExitStack() as stack:
        origins = (demo.ready["api_url"], demo.ready["sandbox_url"])
        yield lambda **options: stack.enter_context(Payer(browser, origins, **options))


@pytest.fixture
def payer(payer_at: Callable[..., Payer]) -> Payer:
    return payer_at()


def an_invoice(shop: Client, total: str = "293.50", *, in_parts: bool = True, **changed: Any) -> Any:
    due = datetime.now(UTC).date() + timedelta(days=20)
    wanted = {"dueDate": due.isoformat(), "allowPartialPayments": in_parts, **changed}
    body = an_invoice_body(total, send=True, email="tanya.lee@my-email.world", **wanted)
    if in_parts:
        body["orderInformation"]["amountDetails"]["minimumPartialAmount"] = "10"
    return shop.create(body)


def link_of(invoice: Any) -> str:
    return str(invoice["invoiceInformation"]["paymentLink"])


def status_of(shop: Client, invoice: Any) -> str:
    return str(shop.get(invoice["id"])["status"])


def payments_of(shop: Client, invoice: Any) -> list[str]:
    """Return the amounts that the invoice's history has as payments, oldest first."""
    events = reversed(shop.get(invoice["id"])["invoiceHistory"])
    amounts = (each["transactionDetails"]["amount"] for each in events if each["event"] == "PAYMENT")
    return [f"{Decimal(each):.2f}" for each in amounts]


# --- paying ---


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_payer_pays_all_of_it(shop: Client, payer_at: Callable[..., Payer], language: str, width: int) -> None:
    invoice, payer = an_invoice(shop), payer_at(width=width)
    payer.open(link_of(invoice), lang=language)
    payer.look(f"{language}-1-payable")
    assert payer.page.locator("html").get_attribute("lang") == language
    payer.turn_to_the_slip()
    payer.type_card()
    expect(payer.card.locator("html")).to_have_attribute("lang", language)
    payer.look(f"{language}-2-card")
    payer.button.click()
    payer.has_receipt()
    payer.look(f"{language}-3-receipt")
    assert (status_of(shop, invoice), payments_of(shop, invoice)) == ("PAID", ["293.50"])
    payer.open(link_of(invoice), lang=language)
    payer.look(f"{language}-4-paid")
    expect(payer.page.locator("#pay-form")).to_have_count(0)


def test_two_payers_pay_a_part_each(shop: Client, payer_at: Callable[..., Payer]) -> None:
    invoice = an_invoice(shop)
    first, second = payer_at(), payer_at(width=PHONE)
    first.open(link_of(invoice))
    first.turn_to_the_slip()
    first.type_card()
    first.choose("1,00.5")
    first.page.locator("#amount").blur()
    expect(first.page.locator("#amount-fault")).to_be_visible()
    first.choose("100.5")
    expect(first.button).to_have_text("Pay USD\u00a0100.50")
    expect(first.page.locator("#summary")).to_contain_text("Balance afterwards: USD\u00a0193.00.")
    first.look("parts-1-chosen")
    first.button.click()
    first.has_receipt()
    first.look("parts-2-receipt-with-rest")
    assert (status_of(shop, invoice), payments_of(shop, invoice)) == ("PARTIAL", ["100.50"])

    second.open(link_of(invoice))
    second.look("parts-3-partly-paid")
    second.pay()
    second.has_receipt()
    assert (status_of(shop, invoice), payments_of(shop, invoice)) == ("PAID", ["100.50", "193.00"])


def test_the_rest_is_paid_from_the_receipt(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.choose("93.50")
    payer.pay()
    payer.has_receipt()
    payer.page.get_by_role("link", name="Pay the rest").click()
    payer.pay()
    payer.has_receipt()
    assert payments_of(shop, invoice) == ["93.50", "200.00"]


def test_opening_the_page_begins_nothing(shop: Client, payer: Payer) -> None:
    payer.open(link_of(an_invoice(shop)))
    time.sleep(0.3)
    assert payer.posts == []
    expect(payer.page.get_by_role("button", name="Enter card details")).to_be_visible()


def test_without_a_pointer_the_keyboard_alone_pays(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    keys = payer.page.keyboard

    def focused() -> str:
        return str(payer.page.evaluate("document.activeElement.id || document.activeElement.tagName"))

    def tab_to(name: str) -> None:
        for _ in range(40):
            if focused() == name:
                return
            keys.press("Tab")
        raise AssertionError(f"{name} is not reached, at {focused()}")

    tab_to("email")
    payer.card.locator("#number").wait_for()
    tab_to("IFRAME")
    keys.type("4111111111111111")
    keys.press("Tab")
    keys.type("1230")
    keys.press("Tab")
    keys.type("123")
    keys.press("Enter")
    payer.has_receipt()
    assert status_of(shop, invoice) == "PAID"


def test_the_way_back_and_a_reload_show_no_form_again(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.choose("100")
    payer.pay()
    payer.has_receipt()
    payer.page.reload()
    expect(payer.page.locator("#pay-form")).to_have_count(0)
    receipt = payer.page.url
    payer.page.go_back()
    assert payer.page.url in ("about:blank", receipt)
    assert payments_of(shop, invoice) == ["100.00"]


def test_a_double_click_and_an_impatient_enter_charge_once(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.turn_to_the_slip()
    payer.type_card()
    payer.page.evaluate(
        """() => { const form = document.getElementById("pay-form");
                   for (let time = 0; time < 5; time++) form.requestSubmit(); }"""
    )
    expect(payer.button).to_have_attribute("aria-disabled", "true")
    expect(payer.button).to_have_text("Processing…")
    payer.has_receipt()
    assert payments_of(shop, invoice) == ["293.50"]
    assert [each for each in payer.posts if each.endswith("charge")].__len__() == 1


def test_what_is_needed_for_a_transfer_is_copied_and_the_page_is_printed(shop: Client, payer: Payer) -> None:
    settings = "/paydue/v1/payment-page-settings"
    shop.call("PUT", settings, {"otherWaysToPay": "Bank: First Harbour\nIBAN: DE89 3704 0044 0532 0130 00"}).expect(200)
    payer.context.grant_permissions(["clipboard-read", "clipboard-write"])
    payer.context.add_init_script("window.print = () => { window.printed = true; }")
    payer.open(link_of(an_invoice(shop)))
    payer.look("other-ways")
    copy = payer.page.get_by_role("button", name="Copy IBAN")
    copy.press("Enter")
    expect(payer.page.get_by_role("button", name="Copied IBAN")).to_be_visible()
    assert payer.page.evaluate("navigator.clipboard.readText()") == "DE89 3704 0044 0532 0130 00"
    payer.page.get_by_role("button", name="Print").click()
    assert payer.page.evaluate("window.printed")
    shop.call("PUT", settings, {"otherWaysToPay": None}).expect(200)


# --- being refused ---


def test_a_declined_card_is_told_kindly_and_another_one_pays(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.choose("120.00")
    payer.pay(DECLINED)
    alert = payer.page.get_by_role("alert")
    expect(alert).to_contain_text("Your bank refused the amount.")
    expect(alert).to_contain_text("You have not been charged.")
    expect(alert).to_be_focused()
    expect(payer.page.locator("#amount")).to_have_value("120.00")
    payer.look("declined")
    payer.pay(APPROVED)
    payer.has_receipt()
    assert payments_of(shop, invoice) == ["120.00"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("4000000000000002", "declined the card"),
        ("4000000000009987", "declined the card"),
        ("4000000000000069", "has expired"),
        ("4000000000000127", "do not match"),
        ("4000000000002925", "could not confirm that it is you"),
        ("4000000000000119", "right now"),
    ],
)
def test_no_payer_reads_a_raw_code(shop: Client, payer: Payer, number: str, words: str) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.pay(number)
    expect(payer.page.locator("#notice, .notice").first).to_contain_text(words)
    assert not re.search(r"[A-Z]{4,}_[A-Z]+|stolen|fraud", payer.page.content())
    assert status_of(shop, invoice) == "SENT"


def test_what_is_wrong_is_told_and_the_typed_card_is_not_lost(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.turn_to_the_slip()
    payer.type_card()
    payer.page.locator("#email").fill("not an address")
    payer.button.click()
    payer.ignored.append("422")
    alert = payer.page.get_by_role("alert")
    expect(alert).to_contain_text("You have not been charged.")
    expect(alert).to_be_focused()
    expect(payer.page.locator("#email")).to_have_attribute("aria-invalid", "true")
    expect(payer.card.locator("#number")).to_have_value(APPROVED)
    payer.look("wrong-email")
    payer.page.locator("#email").fill("payer@example.com")
    payer.button.click()
    payer.has_receipt()
    assert status_of(shop, invoice) == "PAID"


def test_an_amount_outside_the_limits_is_refused_before_anything_is_sent(shop: Client, payer: Payer) -> None:
    payer.open(link_of(an_invoice(shop)))
    payer.turn_to_the_slip()
    payer.type_card()
    payer.choose("5")
    before = len(payer.posts)
    payer.button.click()
    expect(payer.page.locator("#amount-fault")).to_contain_text("between USD\u00a010.00 and USD\u00a0293.50")
    expect(payer.page.locator("#amount")).to_be_focused()
    assert len(payer.posts) == before
    payer.look("wrong-amount")


def test_a_real_card_number_never_leaves_the_frame(shop: Client, payer: Payer) -> None:
    payer.open(link_of(an_invoice(shop)))
    payer.turn_to_the_slip()
    payer.type_card("4012 8888 8888 1881")
    payer.button.click()
    expect(payer.card.get_by_role("alert")).to_contain_text("Test numbers only.")
    expect(payer.button).not_to_have_attribute("aria-disabled", "true")
    assert not [each for each in payer.requests if "4012" in (each.post_data or "")]


@pytest.mark.parametrize("language", ["en-US", "de-DE", "ja-JP"])
def test_the_script_reads_amounts_as_the_server_does(shop: Client, payer: Payer, language: str) -> None:
    for currency in sorted({each for of, each, _, _ in TYPED if of == language}):
        body = an_invoice_body("99999999", send=True, allowPartialPayments=True)
        body["orderInformation"]["amountDetails"] |= {"currency": currency}
        payer.open(link_of(shop.create(body)), lang=language)
        payer.page.locator("input[name=choice][value=other]").check()
        marks = payer.page.evaluate("JSON.parse(document.getElementById('pay-form').dataset.reading)")
        for _, _, text, meant in (each for each in TYPED if each[:2] == (language, currency)):
            payer.page.evaluate("text => { document.getElementById('amount').value = text }", text)
            payer.page.locator("#amount").dispatch_event("input")
            payer.page.locator("#amount").dispatch_event("change")
            label = payer.button.inner_text()
            digits = re.sub(f"[^0-9{re.escape(marks['decimal'])}]", "", label).replace(marks["decimal"], ".")
            is_amount = re.fullmatch(r"[0-9.]+", meant) is not None and float(meant) > 0
            assert (float(digits) if digits else None) == (float(meant) if is_amount else None), (currency, text, label)


# --- the bank's question ---


def test_a_challenge_that_succeeds_pays(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.pay(CHALLENGED)
    dialog = payer.page.get_by_role("dialog", name="Your bank asks whether it is you")
    expect(dialog).to_be_visible()
    bank = payer.page.frame_locator(".bank iframe")
    bank.get_by_role("button", name="Yes, it is me").wait_for()
    payer.look("challenge")
    bank.get_by_role("button", name="Yes, it is me").click()
    payer.has_receipt()
    assert payments_of(shop, invoice) == ["293.50"]


@pytest.mark.parametrize("button", ["Fail the check", "Cancel"])
def test_a_challenge_that_fails_charges_nothing(shop: Client, payer: Payer, button: str) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.pay(CHALLENGED)
    payer.page.frame_locator(".bank iframe").get_by_role("button", name=button).click()
    expect(payer.page.get_by_role("alert")).to_contain_text("You have not been charged.")
    payer.pay(APPROVED)
    payer.has_receipt()
    assert payments_of(shop, invoice) == ["293.50"]


@pytest.mark.parametrize("leaves_by", ["button", "key"])
def test_a_payer_may_leave_the_challenge_and_try_again(shop: Client, payer: Payer, leaves_by: str) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.pay(CHALLENGED)
    payer.page.frame_locator(".bank iframe").get_by_role("button", name="Cancel").wait_for()
    if leaves_by == "button":
        payer.page.get_by_role("button", name="Stop this payment").click()
    else:
        payer.page.get_by_role("button", name="Stop this payment").press("Escape")
    expect(payer.page.locator("#notice")).to_contain_text("You have not been charged.")
    payer.look("left-the-bank")
    payer.pay(APPROVED)
    payer.has_receipt()
    assert payments_of(shop, invoice) == ["293.50"]


def test_a_reload_in_the_middle_of_a_challenge_leads_back_to_it(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop)
    payer.open(link_of(invoice))
    payer.pay(CHALLENGED)
    payer.page.frame_locator(".bank iframe").get_by_role("button", name="Cancel").wait_for()
    payer.page.reload()
    bank = payer.page.frame_locator(".bank iframe")
    bank.get_by_role("button", name="Yes, it is me").click()
    payer.has_receipt()
    assert payments_of(shop, invoice) == ["293.50"]


# --- waiting ---


def test_a_lost_answer_is_confirmed_by_itself(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop, "9998.00", in_parts=False)
    payer.open(link_of(invoice))
    # The worker may be faster than who reads the page: it is held until it was read.
    payer.page.route(
        "**/attempts/*", lambda route: route.abort() if route.request.method == "GET" else route.continue_()
    )
    payer.pay()
    expect(payer.page.locator("main")).to_contain_text("Do not pay again.")
    expect(payer.page.locator("#pay-form")).to_have_count(0)
    payer.look("confirming")
    payer.page.unroute("**/attempts/*")
    payer.page.wait_for_url("**/receipt/**", timeout=30_000)
    assert payments_of(shop, invoice) == ["9998.00"]


def test_a_payment_under_review_says_so_until_it_is_decided(shop: Client, payer: Payer, demo: Server) -> None:
    invoice = an_invoice(shop, "9995.00", in_parts=False)
    payer.open(link_of(invoice))
    payer.pay()
    expect(payer.page.locator("main")).to_contain_text("Your payment is being checked.")
    payer.look("in-review")
    assert status_of(shop, invoice) == "PENDING"


def test_while_somebody_pays_all_of_it_nobody_else_can(shop: Client, payer_at: Callable[..., Payer]) -> None:
    invoice = an_invoice(shop, in_parts=False)
    first, second = payer_at(), payer_at()
    first.open(link_of(invoice))
    first.pay(CHALLENGED)
    first.page.frame_locator(".bank iframe").get_by_role("button", name="Cancel").wait_for()
    second.open(link_of(invoice))
    expect(second.page.locator("#pay-form")).to_have_count(0)
    second.look("somebody-is-paying")
    first.page.get_by_role("button", name="Stop this payment").click()
    expect(first.page.locator("#notice")).to_be_visible()
    expect(second.page.locator("#pay-form")).to_be_visible(timeout=15_000)


def test_a_server_killed_in_the_middle_of_a_charge_charges_once_and_tells_the_payer(
    browser: Browser, tmp_path: Path
) -> None:
    data = tmp_path / "killed"
    with running_demo(data) as server:
        account, port = Account.demo(server), server.ready["api_url"].rpartition(":")[2]
        origins = (server.ready["api_url"], server.ready["sandbox_url"])
        with Client(account) as client:
            invoice = an_invoice(client, "9996.00", in_parts=False)
        payer = Payer(browser, origins)
        payer.open(link_of(invoice))
        payer.pay()
        payer.page.wait_for_url("**attempt=**")
        time.sleep(1)
        server.kill()
    payer.ignored += ["ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"]
    expect(payer.page.locator("#notice")).to_contain_text("We are confirming your payment. Do not pay again.")
    expect(payer.page.locator("#pay-form")).to_have_count(0)
    with running_demo(data, "--port", port), payer:
        payer.page.wait_for_url("**/receipt/**", timeout=60_000)
        with Client(account) as client:
            assert payments_of(client, invoice) == ["9996.00"]


# --- gateways that bring a library instead of a frame ---

LIBRARY = """
globalThis.VAS = {UnifiedCheckout: async (session) => ({createCheckout: () => ({
  destroy() {},
  mount: (place) => new Promise((resolve) => {
    const button = Object.assign(document.createElement("button"), {type: "button", textContent: `Pay by ${session}`});
    button.onclick = () => resolve("token of the library");
    document.querySelector(place).append(button);
  }),
})})};
"""


def test_a_library_of_the_gateways_draws_its_own_form_and_hands_over_its_token(
    shop: Client, payer: Payer, demo: Server
) -> None:
    """The gateway is played here: its library, and what the server would answer with it."""
    link = link_of(an_invoice(shop))
    attempt = "00000000-0000-4000-8000-000000000001"
    opened = {
        "attempt_id": attempt,
        "state": "open",
        "page": f"{link}&attempt={attempt}",
        "seconds": 900,
        "client_token": "session",
        "script_url": f"{demo.ready['api_url']}/library.js",
    }
    sent: list[str] = []

    def charged(route: Any) -> None:
        sent.append(route.request.post_data)
        route.fulfill(json={"attempt_id": attempt, "state": "settled", "page": link, "go": link})

    payer.page.route(re.compile(r"/attempts(\?|$)"), lambda route: route.fulfill(status=201, json=opened))
    payer.page.route("**/library.js", lambda route: route.fulfill(content_type="text/javascript", body=LIBRARY))
    payer.page.route("**/charge*", charged)
    payer.open(link)
    payer.page.locator("#pay").hover()
    payer.page.get_by_role("button", name="Pay by session").click()
    payer.page.wait_for_url(link)
    assert len(sent) == 1
    assert "token=token+of+the+library" in sent[0]


# --- links that are over, and browsers without a script ---


def test_an_expired_link_is_replaced_by_mail(shop: Client, payer: Payer, demo: Server) -> None:
    today = datetime.now(UTC).date().isoformat()
    address = "late.payer@my-email.world"
    body = an_invoice_body(send=True, email=address, expirationDate=today, dueDate=today)
    invoice = shop.create(body)
    payer.open(link_of(invoice))
    payer.look("expired")
    payer.page.get_by_role("button", name="Send me a new link").click()
    expect(payer.page.locator("main")).to_contain_text("a new link is on its way")
    payer.look("expired-asked")
    assert payer.open(link_of(invoice)).status == 404
    payer.ignored.append("404")

    def found() -> str | None:
        for path in sorted(Path(demo.ready["mailbox_dir"]).glob("*.eml")):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if mail["To"] and address in mail["To"] and "New link" in mail["Subject"]:
                text = mail.get_body(("plain",)).get_content()
                return re.search(r"http\S+payInvoice/\S+", text)[0]
        return None

    give_up_at = time.monotonic() + 15
    while not (fresh := found()):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    payer.open(fresh)
    payer.pay()
    payer.has_receipt()
    assert status_of(shop, invoice) == "PAID"


def test_a_canceled_invoice_asks_for_nothing(shop: Client, payer: Payer) -> None:
    invoice = an_invoice(shop)
    shop.act(invoice["id"], "cancelation")
    payer.open(link_of(invoice))
    payer.look("canceled")
    expect(payer.page.locator("#pay-form")).to_have_count(0)


def test_an_unknown_link_opens_nothing(payer: Payer, demo: Server) -> None:
    payer.ignored.append("404")
    answer = payer.open(f"{demo.ready['api_url']}/ebc2/invoicing/payInvoice/{'x' * 64}?version=v2.1")
    assert answer is not None
    assert answer.status == 404
    payer.look("unknown-link")


def test_without_a_script_the_page_can_be_read_and_says_what_is_missing(
    shop: Client, payer_at: Callable[..., Payer]
) -> None:
    payer = payer_at(java_script_enabled=False, width=PHONE)
    payer.ignored.append("422")
    payer.open(link_of(an_invoice(shop)))
    # This way of switching scripts off leaves them on for the parser.
    assert "<noscript><p>Paying by card needs JavaScript in your browser." in payer.page.content()
    payer.page.locator("input[name=choice][value=other]").check()
    payer.page.locator("#amount").fill("5")
    payer.button.click()
    expect(payer.page.get_by_role("alert")).to_contain_text("Enter an amount between")
    expect(payer.page.locator("#amount")).to_have_value("5")
