"""What a payer's clicks do, with a script in the page and without: over a real store, and a processor with a ledger."""

import asyncio
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from builders import TOKEN, an_invoice, some_terms
from paydue.domain.errors import StoreBusy
from paydue.domain.events import What
from paydue.domain.lifecycle import Status
from paydue.domain.merchant_fields import FieldDefinition, FieldType, ReferenceType
from paydue.domain.payable import TRY_LIMITS, TryLimits
from paydue.domain.settings import Settings
from paydue.pages.desk import PayLimits, Payments
from paydue.pages.slip import GatewayFace, Way
from paydue.usecases.change_attempt import Books as PaymentBooks
from paydue.usecases.gateway_ports import Checkout, CheckoutRequest
from paydue.wire.limits import FailureLimit
from paying import MovedClock, Processor, Steps

LINK = f"/ebc2/invoicing/payInvoice/{TOKEN}"
KEY = "k" * 32
IN_PARTS = some_terms("293.5", allows_partial_payments=True, minimum_partial_amount=Decimal(10))
OURS = {"sec-fetch-site": "same-origin"}


class Redirecting(Processor):
    async def begin(self, request: CheckoutRequest) -> Checkout:
        opened = await super().begin(request)
        self.return_url, self.cancel_url = request.return_url, request.cancel_url
        return replace(opened, frame_url=None, redirect_url="https://processor.example/pay")


class Desk:
    def __init__(self, store: Any, processor: Processor) -> None:
        self.store = store
        self.processor: Processor | None = processor
        self.books_of = lambda merchant_id: PaymentBooks(store.of(merchant_id), store.attempts_of(merchant_id))

    def gateway_of(self, merchant_id: str, name: str) -> Processor | None:
        return self.processor

    def current_gateway(self, merchant_id: str) -> Processor | None:
        return self.processor


class Till:
    """A payment page that takes money, and whoever stands in front of it."""

    def __init__(self, books: Any, desk: Desk) -> None:
        self.books = books
        self.desk = desk
        self.client: httpx.AsyncClient = books.client

    @property
    def processor(self) -> Processor:
        assert self.desk.processor is not None
        return self.desk.processor

    async def begin(self, key: str = KEY, below: str = "/attempts", **fields: str) -> httpx.Response:
        return await self.post(below, payer_key=key, **fields)

    async def pay(self, handed_over: str = "ok", key: str = KEY, **fields: str) -> dict[str, Any]:
        """Do what the script does, to the end."""
        begun = await self.begin(key, **fields)
        assert begun.status_code == 201, begun.text
        attempt = begun.json()
        charged = await self.charge(attempt, handed_over, key=key, **fields)
        assert charged.status_code == 200, charged.text
        return charged.json()

    async def charge(self, attempt: Any, handed_over: str = "ok", key: str = KEY, **fields: str) -> httpx.Response:
        below = f"/attempts/{attempt['attempt_id']}/charge"
        return await self.post(below, payer_key=key, token=handed_over, **fields)

    async def post(self, below: str = "", **fields: str) -> httpx.Response:
        return await self.client.post(LINK + below, data=fields, headers=OURS)

    async def invoice(self) -> Any:
        return await self.books.store.of("acme").invoice("1")

    async def attempts(self) -> Any:
        return await self.books.store.attempts_of("acme").attempts_of("1")


@pytest.fixture
def open_till(open_books: Any) -> Any:
    async def open_for(invoice: Any = None, *, redirects: bool = False, limits: PayLimits | None = None) -> Till:
        processor = Redirecting(Steps(), redirects=True) if redirects else Processor(Steps())
        made: list[Desk] = []

        def payments(store: Any) -> Payments:
            made.append(Desk(store, processor))
            return Payments(
                desk=made[0],
                ids=MovedClock(),
                secrets=OneToken(),
                portal_url="http://test",
                limits=limits or PayLimits(),
            )

        async def face(_: str) -> GatewayFace:
            way = Way.REDIRECT if redirects else Way.EMBEDDED
            return GatewayFace(name="Test processor", way=way, is_test=True)

        books = await open_books(payments=payments, face_of=face)
        await books.keep(invoice or an_invoice(Status.SENT, IN_PARTS))
        return Till(books, made[0])

    return open_for


class OneToken:
    def payment_token(self) -> str:
        return "n" * 64


@pytest.fixture
async def till(open_till: Any) -> Till:
    opened: Till = await open_till()
    return opened


# --- with a script ---


async def test_opening_the_page_begins_nothing(till: Till) -> None:
    for method in ("GET", "HEAD"):
        assert (await till.client.request(method, LINK)).status_code == 200
    assert list(await till.attempts()) == []


async def test_the_balance_is_paid(till: Till) -> None:
    told = await till.pay()
    assert told["state"] == "settled"
    assert told["go"] == f"{LINK}?version=v2.1&attempt={told['attempt_id']}"
    assert (await till.invoice()).status is Status.PAID
    assert till.processor.net == Decimal("293.5")


async def test_two_payers_pay_a_part_each(till: Till) -> None:
    await till.pay(choice="other", amount="100.25")
    assert (await till.invoice()).status is Status.PARTIAL
    await till.pay(key="second-payer-0001", choice="balance")
    assert (await till.invoice()).status is Status.PAID
    assert till.processor.net == Decimal("293.5")


async def test_sent_twice_at_once_it_is_charged_once(till: Till) -> None:
    attempt = (await till.begin()).json()
    answers = await asyncio.gather(*(till.charge(attempt) for _ in range(8)))
    assert {each.status_code for each in answers} == {200}
    assert till.processor.net == Decimal("293.5")
    assert sum(till.processor.asked.values()) == 1


async def test_the_same_form_again_is_the_same_attempt_however_far_it_has_come(till: Till) -> None:
    first = (await till.begin()).json()
    assert (await till.begin()).json()["attempt_id"] == first["attempt_id"]
    await till.charge(first)
    again = await till.begin()
    assert (again.status_code, again.json()["state"]) == (200, "settled")
    assert len(await till.attempts()) == 1


async def test_a_payer_who_goes_away_has_paid_all_the_same(till: Till) -> None:
    attempt = (await till.begin()).json()
    charge = asyncio.ensure_future(till.charge(attempt))
    while not till.processor.asked:  # noqa: ASYNC110 - the processor has no event for it
        await asyncio.sleep(0)
    charge.cancel()
    with pytest.raises(asyncio.CancelledError):
        await charge
    for _ in range(100):
        await asyncio.sleep(0.01)
        if (await till.invoice()).status is Status.PAID:
            break
    assert (await till.invoice()).status is Status.PAID
    told = (await till.client.get(f"{LINK}/attempts/{attempt['attempt_id']}")).json()
    assert told["state"] == "settled"


async def test_a_declined_card_is_told_on_the_attempts_page_and_may_be_tried_again(till: Till) -> None:
    told = await till.pay("decline")
    assert (told["state"], told["go"]) == ("failed", told["page"])
    page = await till.client.get(told["page"])
    assert page.status_code == 200
    assert "INSUFFICIENT_FUND" not in page.text
    await till.pay(key="another-key-00001")
    assert (await till.invoice()).status is Status.PAID


async def test_what_is_not_known_is_being_confirmed_and_never_offered_again(till: Till) -> None:
    told = await till.pay("lost after")
    assert (told["state"], "go" in told) == ("confirming", False)
    refused = await till.begin("another-key-00001")
    assert refused.headers["content-type"].startswith("text/html")
    assert len(await till.attempts()) == 1


async def test_a_challenge_is_told_and_its_end_is_asked_for(till: Till) -> None:
    told = await till.pay("challenge")
    assert (told["state"], told["challenge_url"]) == ("challenge", "https://bank.example/")
    (attempt,) = await till.attempts()
    till.processor.pay(attempt, "ok")
    ended = await till.post(f"/attempts/{told['attempt_id']}/challenge")
    assert ended.json()["state"] == "settled"


async def test_a_payer_who_leaves_the_challenge_is_not_charged(till: Till) -> None:
    told = await till.pay("challenge")
    left = await till.post(f"/attempts/{told['attempt_id']}/abandon")
    assert (left.json()["state"], (await till.invoice()).reservations) == ("ended", ())
    assert till.processor.net == 0


async def test_another_amount_than_the_form_was_opened_for_is_not_charged(till: Till) -> None:
    attempt = (await till.begin(choice="other", amount="20")).json()
    charged = await till.charge(attempt, choice="other", amount="200")
    assert (charged.status_code, charged.json()) == (409, {"state": "another amount"})
    assert till.processor.charges == {}


async def test_without_anything_from_the_gateways_form_nothing_is_charged(till: Till) -> None:
    attempt = (await till.begin()).json()
    charged = await till.charge(attempt, "")
    assert (charged.status_code, charged.json()) == (422, {"state": "no card"})


async def test_an_attempt_at_another_invoice_is_not_there(till: Till) -> None:
    attempt = (await till.begin()).json()
    other = an_invoice(Status.SENT, IN_PARTS)
    await till.books.keep(replace(other, payment_token="b" * 64))
    elsewhere = f"/ebc2/invoicing/payInvoice/{'b' * 64}/attempts/{attempt['attempt_id']}"
    for answer in (
        await till.client.get(elsewhere),
        await till.client.post(elsewhere + "/charge", data={"token": "ok"}, headers=OURS),
        await till.client.get(f"{LINK}/attempts/00000000-0000-4000-8000-000000000000"),
        await till.client.get(f"{LINK}/attempts/nothing"),
    ):
        assert (answer.status_code, answer.json()) == (404, {"state": "unknown"})
    assert till.processor.charges == {}


@pytest.mark.parametrize(
    ("setting", "handed_over"),
    [("redirect_accepted", "ok"), ("redirect_rejected", "decline"), ("redirect_pending", "held")],
)
async def test_a_result_leads_where_the_merchant_wants_it(till: Till, setting: str, handed_over: str) -> None:
    await till.books.set(**{setting: "https://shop.example/after"})
    assert (await till.pay(handed_over))["go"] == "https://shop.example/after"


# --- without a script ---


async def test_a_redirect_gateway_is_gone_to_and_come_back_from(open_till: Any) -> None:
    till = await open_till(redirects=True)
    sent = await till.post(payer_key=KEY, choice="other", amount="93.50", email="payer@example.com")
    assert (sent.status_code, sent.headers["location"]) == (303, "https://processor.example/pay")
    (attempt,) = await till.attempts()
    assert (attempt.amount, attempt.payer_email) == (Decimal("93.5"), "payer@example.com")
    till.processor.pay(attempt, "ok")
    back = await till.client.get(till.processor.return_url)
    assert (back.status_code, back.headers["location"]) == (303, f"{LINK}?version=v2.1&attempt={attempt.attempt_id}")
    assert (await till.invoice()).status is Status.PARTIAL
    again = await till.client.get(till.processor.return_url)
    assert again.headers["location"] == back.headers["location"]
    assert till.processor.net == Decimal("93.5")


async def test_who_cancels_at_the_gateway_may_pay_again_at_once(open_till: Any) -> None:
    till = await open_till(redirects=True)
    await till.post(payer_key=KEY, choice="balance")
    assert (await till.invoice()).reserved == Decimal("293.5")
    back = await till.client.get(till.processor.cancel_url)
    assert back.status_code == 303
    assert (await till.invoice()).reserved == 0


async def test_what_a_browser_says_of_a_return_is_only_a_hint(open_till: Any) -> None:
    till = await open_till(redirects=True)
    await till.post(payer_key=KEY, choice="balance")
    await till.client.get(till.processor.return_url)
    assert (await till.invoice()).status is Status.SENT


async def test_a_form_that_nobody_can_pay_by_without_a_script_keeps_what_was_typed(till: Till) -> None:
    page = await till.post(payer_key=KEY, choice="other", amount="20.00")
    assert page.status_code == 200
    assert list(await till.attempts()) == []


@pytest.mark.parametrize("below", ["", "/attempts"])
@pytest.mark.parametrize("amount", ["", "9.99", "293.51", "ten", "10.001", "-20", "1e2"])
async def test_a_wrong_amount_is_told_and_begins_nothing(till: Till, below: str, amount: str) -> None:
    answer = await till.begin(below=below, choice="other", amount=amount)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert list(await till.attempts()) == []


async def test_a_form_from_elsewhere_is_refused(till: Till) -> None:
    for headers, status in (
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://test:1"}, 403),
        ({"origin": "http://test"}, 201),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, 201),
        ({}, 201),
    ):
        answer = await till.client.post(LINK + "/attempts", data={"payer_key": KEY}, headers=headers)
        assert answer.status_code == status, headers


async def test_what_is_no_form_is_refused(till: Till) -> None:
    async def posted(body: bytes, kind: str = "application/x-www-form-urlencoded") -> int:
        headers = {"content-type": kind, **OURS}
        return (await till.client.post(LINK + "/attempts", content=body, headers=headers)).status_code

    assert await posted(b"{}", "application/json") == 415
    assert await posted(b"a=" + b"b" * 20_000) == 413
    assert await posted(b"a=%ff") == 400
    assert await posted("a=ü".encode()) == 400
    assert await posted(b"email=a%00b") == 400
    assert await posted(b"&".join(b"a%d=1" % each for each in range(200))) == 400
    assert await posted(b"payer_key=short") == 422
    assert await posted(b"") == 422


async def test_other_methods_are_refused(till: Till) -> None:
    assert (await till.client.put(LINK, headers=OURS)).status_code == 405
    assert (await till.client.delete(LINK + "/attempts", headers=OURS)).status_code == 405
    attempt = (await till.begin()).json()["attempt_id"]
    assert (await till.client.get(f"{LINK}/attempts/{attempt}/charge")).status_code == 405
    assert (await till.post(f"/attempts/{attempt}")).status_code == 405


async def test_a_link_that_opens_nothing_takes_nothing(till: Till) -> None:
    for below in ("", "/attempts", "/attempts/x/charge"):
        answer = await till.client.post(f"/ebc2/invoicing/payInvoice/{'x' * 64}{below}", data={}, headers=OURS)
        assert answer.status_code == 404


# --- what payers say ---


ASKING = Settings(asks_for_phone=True, asks_for_shipping=True)
SAID = {
    "phone": "+1 207 555 0198",
    "ship_country": "US",
    "ship_street": "8 Wharf Street",
    "ship_city": "Portland",
    "ship_postal_code": "04101",
    "email": "payer@example.com",
}


async def a_field(till: Till, **changed: Any) -> int:
    definition = FieldDefinition(
        **{
            "field_type": FieldType.TEXT,
            "label": "Purchase order",
            "is_customer_visible": True,
            "text_minimum_length": 4,
            "text_maximum_length": 20,
            "data_index": 1,
            **changed,
        }
    )
    store = till.books.store.of("acme")
    return (await store.add_field_definition(ReferenceType.INVOICE, definition, 100, None)).definition_id


async def test_what_payers_are_asked_for_is_kept_with_the_attempt(till: Till) -> None:
    await till.books.set(asks_for_phone=True, asks_for_shipping=True)
    field = await a_field(till)
    await till.pay(**SAID, **{f"field_{field}": "PO-1234"})
    (attempt,) = await till.attempts()
    assert attempt.payer_email == "payer@example.com"
    assert (attempt.details.phone, attempt.details.shipping.city) == ("+1 207 555 0198", "Portland")
    assert [each.value for each in attempt.details.fields] == ["PO-1234"]


@pytest.mark.parametrize(
    "changed",
    [
        {"phone": ""},
        {"phone": "12345"},
        {"phone": "4111 1111 1111 1111"},
        {"ship_country": ""},
        {"ship_country": "ZZ"},
        {"ship_country": "us"},
        {"ship_street": ""},
        {"ship_street": "4111111111111111"},
        {"ship_city": ""},
        {"ship_street": "x" * 101},
        {"email": "not an address"},
        {"email": "4111111111111111@example.com"},
        {"field_": "abc"},
        {"field_": "x" * 21},
        {"field_": "4111-1111-1111-1111"},
    ],
)
async def test_what_is_wrong_is_told_before_anything_is_charged(till: Till, changed: dict[str, str]) -> None:
    await till.books.set(asks_for_phone=True, asks_for_shipping=True)
    field = f"field_{await a_field(till)}"
    said = {**SAID, field: "PO-1234"} | {field if name == "field_" else name: value for name, value in changed.items()}
    attempt = (await till.begin(**said)).json()
    answer = await till.charge(attempt, **said)
    assert answer.status_code == 422
    assert till.processor.charges == {}
    for text in (answer.text, *map(str, await till.attempts())):
        # The whole number: names made by chance may hold any four digits.
        assert "4111111111111111" not in re.sub("[ -]", "", text)


async def test_a_masked_address_is_the_one_that_we_have(till: Till) -> None:
    await till.pay(email="t\u2022\u2022\u2022@m\u2022\u2022\u2022.world")
    assert (await till.attempts())[0].payer_email is None


async def test_without_an_address_on_file_one_is_needed(open_till: Any) -> None:
    till = await open_till(an_invoice(Status.CREATED, replace(IN_PARTS, customer=None)))
    attempt = (await till.begin()).json()
    assert (await till.charge(attempt)).status_code == 422
    assert (await till.charge(attempt, email="payer@example.com")).json()["state"] == "settled"


# --- limits ---


async def test_too_many_declined_cards_pause_the_link_and_say_until_when(open_till: Any) -> None:
    till = await open_till(limits=PayLimits(tries=replace(TRY_LIMITS, in_a_while=2)))
    for number in range(2):
        await till.pay("decline", key=f"some-payer-key-{number}")
    paused = await till.begin("some-payer-key-2")
    assert (paused.status_code, paused.headers["retry-after"]) == (429, "900")
    assert (await till.post(payer_key=KEY)).status_code == 429
    till.books.clock.at += timedelta(minutes=15)
    assert (await till.begin("some-payer-key-2")).status_code == 201


async def test_forms_are_opened_and_cards_are_tried_only_so_often(open_till: Any) -> None:
    limit = FailureLimit(2, 3600, lambda: 0.0)
    till = await open_till(limits=PayLimits(begins=limit.count))
    statuses = [(await till.begin(f"some-payer-key-{number}")).status_code for number in range(3)]
    assert statuses == [201, 201, 429]

    till = await open_till(limits=PayLimits(charges=FailureLimit(1, 3600, lambda: 0.0).count))
    first, second = [(await till.begin(f"some-payer-key-{number}")).json() for number in range(2)]
    assert (await till.charge(first, "decline")).status_code == 200
    assert (await till.charge(second)).status_code == 429
    assert till.processor.net == 0


async def test_an_invoice_takes_so_many_charges_an_hour_from_anybody_and_says_when_the_next_one(open_till: Any) -> None:
    till = await open_till(limits=PayLimits(tries=TryLimits(in_an_hour=3)))
    for number in range(3):
        till.books.clock.at += timedelta(minutes=1)
        await till.pay(key=f"some-payer-key-{number}", choice="other", amount="10")
    refused = await till.begin("some-payer-key-9")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, str(58 * 60))
    assert "Too many tries." in refused.text
    assert "You can try again at" in refused.text
    assert (await till.client.get(LINK)).status_code == 200
    till.books.clock.at += timedelta(minutes=58)
    assert (await till.pay(key="some-payer-key-9"))["state"] == "settled"


async def test_who_is_refused_for_their_address_takes_nothing_from_others(open_till: Any) -> None:
    counted: list[str] = []
    of_invoice = FailureLimit(2, 3600, lambda: 0.0).count
    limits = PayLimits(charges_from_one=lambda who: counted.append(who) or 60.0, charges=of_invoice)
    till = await open_till(limits=limits)
    attempt = (await till.begin()).json()
    for _ in range(3):
        assert (await till.charge(attempt)).status_code == 429
    assert len(counted) == 3
    assert of_invoice("acme/1") == 0


async def test_while_the_store_is_busy_everybody_is_told_so_kindly(till: Till, monkeypatch: Any) -> None:
    async def busy(*_: object) -> None:
        raise StoreBusy("too many")

    monkeypatch.setattr(till.books.store, "find_by_payment_token", busy)
    for below, kind in (("", "text/html"), ("/attempts", "application/json")):
        answer = await till.post(below)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.headers["content-type"].startswith(kind)


# --- a fresh link ---


def without_nonce(page: str) -> str:
    return re.sub('(nonce|name="payer_key" value)="[0-9a-f]+"', "", page)


async def test_who_comes_too_late_gets_a_new_link_by_mail_and_one_answer_in_any_case(open_till: Any) -> None:
    late = date(2026, 5, 6)
    with_address = await open_till(an_invoice(Status.SENT, replace(IN_PARTS, expiration_date=late)))
    answers = [without_nonce((await with_address.post(new_link="")).text)]
    invoice = await with_address.invoice()
    assert invoice.payment_token == "n" * 64
    assert invoice.history[-1].what is What.LINK_RENEWED
    assert (await with_address.client.get(LINK)).status_code == 404
    assert (await with_address.client.get(LINK.replace(TOKEN, "n" * 64))).status_code == 200

    nobody = replace(IN_PARTS, expiration_date=late, customer=None)
    without = await open_till(an_invoice(Status.CREATED, nobody))
    answers.append(without_nonce((await without.post(new_link="")).text))
    assert (await without.invoice()).payment_token == TOKEN
    assert answers[0] == answers[1]


async def test_new_links_are_asked_for_only_so_often_from_one_address(open_till: Any) -> None:
    late = an_invoice(Status.SENT, replace(IN_PARTS, expiration_date=date(2026, 5, 6)))
    till = await open_till(late, limits=PayLimits(new_links=lambda _: 60.0))
    assert (await till.post(new_link="")).status_code == 200
    assert (await till.invoice()).payment_token == TOKEN


async def test_the_page_takes_nothing_where_nobody_can_pay(till: Till) -> None:
    till.desk.processor = None
    assert (await till.begin()).status_code == 409
    assert (await till.post(payer_key=KEY)).status_code == 200
