"""
Many clients at once: nothing is lost, nothing happens twice, and whoever loses a race is told so.

Each test makes the clients wait for each other only by asking for everything at the same time; what is asserted holds
for every order in which the server may take them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest

from client import INVOICES, Account, Answer, AsyncClient, Client, a_payment_body, an_invoice_body, payments_of
from running import Server, paydue, running_demo

EMAIL: Final = "tanya.lee@my-email.world"
CLIENTS: Final = 32


@pytest.fixture
def account(new_merchant: Callable[[], Account]) -> Account:
    return new_merchant()


async def test_two_thousand_creates_by_32_clients_are_all_kept_under_numbers_of_their_own(
    account: Account, demo: Server
) -> None:
    creates = 2000

    async def one_client(caller: AsyncClient, start: int) -> list[str]:
        answers = [await caller.call("POST", INVOICES, _nth_body(each)) for each in range(start, creates, CLIENTS)]
        return [answer.expect(201).json["id"] for answer in answers]

    async with AsyncClient(account, connections=CLIENTS) as caller:
        kept = await asyncio.gather(*(one_client(caller, start) for start in range(CLIENTS)))
    numbers = [number for each in kept for number in each]
    assert sorted(map(int, numbers)) == list(range(1, creates + 1))
    with Client(account) as client:
        pages = [client.list(f"?offset={offset}&limit=1000") for offset in (0, 1000, 2000)]
        assert [(page["totalInvoices"], len(page["invoices"])) for page in pages] == [
            (creates, 1000),
            (creates, 1000),
            (creates, 0),
        ]
        assert {item["id"] for page in pages for item in page["invoices"]} == set(numbers)
        sent = client.list("?status=SENT&limit=1")["totalInvoices"]
        drafts = client.list("?status=DRAFT&limit=1")["totalInvoices"]
        assert (sent, drafts) == (creates // 2, creates // 2)
    paydue("verify", "--data", str(demo.data), "--json")


async def test_of_32_cancelations_one_happens(account: Account) -> None:
    number = _created(account)
    answers = await _at_once(account, [("POST", f"{INVOICES}/{number}/cancelation", {})] * CLIENTS)
    assert _told(answers) == {"200": 1, "400 ACTION_NOT_ALLOWED": CLIENTS - 1}
    assert _history(account, number) == ["DRAFT", "SEND", "CANCEL"]


async def test_of_32_publications_one_happens(account: Account) -> None:
    number = _created(account, send=False)
    answers = await _at_once(account, [("POST", f"{INVOICES}/{number}/publication", {})] * CLIENTS)
    assert _told(answers) == {"200": 1, "400 ACTION_NOT_ALLOWED": CLIENTS - 1}
    assert _history(account, number) == ["DRAFT", "CREATE"]


async def test_of_sixteen_deliveries_one_is_the_first_and_all_others_are_resends(account: Account) -> None:
    number = _created(account, send=False)
    answers = await _at_once(account, [("POST", f"{INVOICES}/{number}/delivery", {})] * 16)
    assert _told(answers) == {"200": 16}
    assert len({answer.json["invoiceInformation"]["paymentLink"] for answer in answers}) == 1
    assert _history(account, number) == ["DRAFT", "SEND", *["RESEND"] * 15]


async def test_parallel_payments_never_take_more_than_is_due(account: Account) -> None:
    number = _created(account, "100")
    wishes = [("POST", payments_of(number), a_payment_body("10", f"TR-{each}")) for each in range(CLIENTS)]
    answers = await _at_once(account, wishes)
    assert _told(answers) == {"201": 10, "400 ACTION_NOT_ALLOWED": CLIENTS - 10}
    balances = [answer.json["orderInformation"]["amountDetails"]["balanceAmount"] for answer in _kept(answers)]
    assert sorted(balances) == list(range(0, 100, 10)), "two payments were taken from the same balance"
    with Client(account) as client:
        invoice = client.get(number)
    assert (invoice["status"], invoice["orderInformation"]["amountDetails"]["balanceAmount"]) == ("PAID", 0)
    kept = {answer.json["invoiceHistory"][0]["transactionDetails"]["transactionId"] for answer in _kept(answers)}
    paid = {
        event["transactionDetails"]["transactionId"]
        for event in invoice["invoiceHistory"]
        if event["event"] == "PAYMENT"
    }
    assert kept == paid
    assert len(paid) == 10


async def test_of_parallel_full_payments_one_is_taken(account: Account) -> None:
    number = _created(account)
    wishes = [("POST", payments_of(number), a_payment_body("293.50", f"TR-{each}")) for each in range(CLIENTS)]
    answers = await _at_once(account, wishes)
    assert _told(answers) == {"201": 1, "400 ACTION_NOT_ALLOWED": CLIENTS - 1}
    assert _history(account, number) == ["DRAFT", "SEND", "PAYMENT"]


async def test_a_payment_and_a_cancelation_never_both_happen(account: Account) -> None:
    numbers = [_created(account) for _ in range(16)]
    wishes = [
        wish
        for number in numbers
        for wish in (
            ("POST", payments_of(number), a_payment_body("293.50")),
            ("POST", f"{INVOICES}/{number}/cancelation", {}),
        )
    ]
    answers = await _at_once(account, wishes)
    for number, paid, canceled in zip(numbers, answers[::2], answers[1::2], strict=True):
        assert sorted((paid.status, canceled.status)) in ([200, 400], [201, 400])
        expected = "PAYMENT" if paid.status == 201 else "CANCEL"
        assert _history(account, number) == ["DRAFT", "SEND", expected]


async def test_a_payment_counts_against_the_total_that_stood_when_it_was_taken(account: Account) -> None:
    numbers = [_created(account, "100") for _ in range(16)]
    lower = an_invoice_body("50", email=EMAIL)
    wishes = [
        wish
        for number in numbers
        for wish in (("POST", payments_of(number), a_payment_body("80")), ("PUT", f"{INVOICES}/{number}", lower))
    ]
    answers = await _at_once(account, wishes)
    with Client(account) as client:
        for number, paid, updated in zip(numbers, answers[::2], answers[1::2], strict=True):
            invoice = client.get(number)
            amounts = invoice["orderInformation"]["amountDetails"]
            found = (paid.status, updated.status, invoice["status"], amounts["totalAmount"], amounts["balanceAmount"])
            assert found in {(201, 400, "PARTIAL", 100, 20), (400, 200, "SENT", 50, 50)}


async def test_parallel_updates_leave_one_of_them_whole(account: Account) -> None:
    number = _created(account)
    bodies = []
    for each in range(CLIENTS):
        body = an_invoice_body(str(each + 1), email=f"payer{each + 1}@example.com", description=f"Version {each + 1}")
        bodies.append(body)
    answers = await _at_once(account, [("PUT", f"{INVOICES}/{number}", body) for body in bodies])
    assert _told(answers) == {"200": CLIENTS}
    with Client(account) as client:
        invoice = client.get(number)
    which = int(invoice["orderInformation"]["amountDetails"]["totalAmount"])
    assert invoice["customerInformation"]["email"] == f"payer{which}@example.com"
    assert invoice["invoiceInformation"]["description"] == f"Version {which}"
    assert _history(account, number) == ["DRAFT", "SEND", *["UPDATE"] * CLIENTS]
    told = answers[which - 1].json["invoiceInformation"]["paymentLink"]
    assert invoice["invoiceInformation"]["paymentLink"] == told
    links = {answer.json["invoiceInformation"]["paymentLink"] for answer in answers}
    assert len(links) == CLIENTS, "each changed the address and so has a link of its own"


async def test_one_number_asked_for_by_32_clients_is_given_once(account: Account) -> None:
    answers = await _at_once(account, [("POST", INVOICES, an_invoice_body(invoiceNumber="A123"))] * CLIENTS)
    assert _told(answers) == {"201": 1, "400 DUPLICATE_RECORD": CLIENTS - 1}
    with Client(account) as client:
        assert client.list()["totalInvoices"] == 1


async def test_one_idempotency_key_from_16_clients_makes_one_invoice(account: Account) -> None:
    key = {"Idempotency-Key": "order-4711"}
    body = an_invoice_body(send=True, email=EMAIL)
    async with AsyncClient(account, connections=16) as caller:
        answers = await asyncio.gather(*(caller.call("POST", INVOICES, body, headers=key) for _ in range(16)))
        last = await caller.call("POST", INVOICES, body, headers=key)
    told = _told(answers)
    assert set(told) <= {"201", "409 IDEMPOTENCY_KEY_IN_USE"}
    assert told["201"] >= 1
    made = [answer for answer in answers if answer.status == 201]
    assert [answer.headers.get("idempotent-replayed") for answer in made].count(None) == 1
    assert last.headers["idempotent-replayed"] == "true"
    assert {answer.body for answer in made} == {last.expect(201).body}
    with Client(account) as client:
        assert client.list()["totalInvoices"] == 1
    assert _history(account, last.json["id"]) == ["DRAFT", "SEND"]


def test_an_idempotency_key_is_bound_to_its_merchant_and_to_its_request(
    account: Account, new_merchant: Callable[[], Account]
) -> None:
    key = {"Idempotency-Key": "order-4711"}
    with Client(account) as client, Client(new_merchant()) as other:
        number = client.call("POST", INVOICES, an_invoice_body(), headers=key).expect(201).json["id"]
        for target, body in (
            (INVOICES, an_invoice_body("293.51")),
            (f"{INVOICES}?again", an_invoice_body()),
            (f"{INVOICES}/{number}/delivery", {}),
            (payments_of(number), a_payment_body("1")),
        ):
            answer = client.call("POST", target, body, headers=key).expect(422)
            assert answer.json["reason"] == "IDEMPOTENCY_KEY_REUSED"
        assert client.get(number)["status"] == "DRAFT"
        assert client.list()["totalInvoices"] == 1
        answer = other.call("POST", INVOICES, an_invoice_body(), headers=key).expect(201)
        assert "idempotent-replayed" not in answer.headers
        # Only POST knows keys: what replaces may be repeated anyhow.
        client.call("PUT", f"{INVOICES}/{number}", an_invoice_body("7"), headers=key).expect(200)
        client.call("GET", INVOICES, headers=key).expect(200)


def test_a_refusal_uses_up_no_idempotency_key(account: Account) -> None:
    key = {"Idempotency-Key": "order-4712"}
    with Client(account) as client:
        client.call("POST", INVOICES, an_invoice_body("-1"), headers=key).expect(400)
        client.call("POST", INVOICES, b"{", headers=key).expect(400)
        answer = client.call("POST", INVOICES, an_invoice_body(), headers=key).expect(201)
        assert "idempotent-replayed" not in answer.headers


def test_payments_and_actions_with_a_key_happen_once(account: Account) -> None:
    with Client(account) as client:
        number = client.create(an_invoice_body("100", email=EMAIL))["id"]
        for position, (target, body, status) in enumerate(
            (
                (f"{INVOICES}/{number}/delivery", {}, 200),
                (payments_of(number), a_payment_body("40"), 201),
                (f"{INVOICES}/{number}/delivery", b"", 200),
            )
        ):
            key = {"Idempotency-Key": f"step-{position}"}
            first = client.call("POST", target, body, headers=key).expect(status)
            again = client.call("POST", target, body, headers=key).expect(status)
            assert (again.body, again.headers["idempotent-replayed"]) == (first.body, "true")
        invoice = client.get(number)
        assert invoice["orderInformation"]["amountDetails"]["balanceAmount"] == 60
        events = [event["event"] for event in reversed(invoice["invoiceHistory"])]
        assert events == ["DRAFT", "SEND", "PAYMENT", "RESEND"]
        cancelable = client.create(an_invoice_body())["id"]
        key = {"Idempotency-Key": "cancel"}
        first = client.call("POST", f"{INVOICES}/{cancelable}/cancelation", {}, headers=key).expect(200)
        assert client.call("POST", f"{INVOICES}/{cancelable}/cancelation", {}, headers=key).body == first.body
        # Nothing changes when an invoice without mail is sent again, yet a repeat is answered all the same.
        payable = client.create(an_invoice_body(send=True))["id"]
        for _ in range(2):
            client.call("POST", f"{INVOICES}/{payable}/delivery", {}, headers={"Idempotency-Key": "n"}).expect(200)


def test_an_idempotency_key_of_another_form_is_refused_by_name(account: Account) -> None:
    with Client(account) as client:
        for key in ("", "x" * 256, "a b", "a\tb"):
            answer = client.call("POST", INVOICES, an_invoice_body(), headers={"Idempotency-Key": key}).expect(400)
            assert list(answer.faults) == ["Idempotency-Key"]
        assert client.list()["totalInvoices"] == 0


def test_a_key_answers_the_same_bytes_after_a_restart_and_books_are_as_they_were(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = tmp_path_factory.mktemp("restarted") / "demo"
    key = {"Idempotency-Key": "x" * 255}
    body = an_invoice_body(send=True, email=EMAIL)
    with running_demo(data) as server, Client(Account.demo(server)) as client:
        first = client.call("POST", INVOICES, body, headers=key).expect(201)
        client.pay(first.json["id"], "93.50")
        before, listed = client.get(first.json["id"]), client.list()
    with running_demo(data) as server, Client(Account.demo(server)) as client:
        again = client.call("POST", INVOICES, body, headers=key).expect(201)
        assert again.body == first.body
        assert again.headers["idempotent-replayed"] == "true"
        client.call("POST", INVOICES, an_invoice_body(), headers=key).expect(422)
        after = client.get(first.json["id"])
        assert after["orderInformation"]["amountDetails"]["balanceAmount"] == Decimal(200)
        assert after["invoiceHistory"] == before["invoiceHistory"]
        assert client.list()["totalInvoices"] == listed["totalInvoices"] == 1
        assert client.create(an_invoice_body())["id"] == "2"
    paydue("verify", "--data", str(data), "--json")


Wish = tuple[str, str, Any]


async def _at_once(account: Account, wishes: list[Wish]) -> list[Answer]:
    """Ask for everything at the same time, each on a connection that is open already; return the answers in order."""
    async with AsyncClient(account, connections=len(wishes)) as caller:
        return await asyncio.gather(*(caller.call(*wish) for wish in wishes))


def _told(answers: list[Answer]) -> Counter[str]:
    return Counter(
        str(answer.status) if answer.status < 400 else f"{answer.status} {answer.json['reason']}" for answer in answers
    )


def _kept(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.status < 400]


def _created(account: Account, total: str = "293.50", *, send: bool = True) -> str:
    with Client(account) as client:
        return str(client.create(an_invoice_body(total, send=send, email=EMAIL))["id"])


def _history(account: Account, number: str) -> list[str]:
    with Client(account) as client:
        return [event["event"] for event in reversed(client.get(number)["invoiceHistory"])]


def _nth_body(each: int) -> dict[str, Any]:
    """Every second one is mailed; all are different."""
    body = an_invoice_body(f"{each + 1}.25", send=each % 2 == 0, email=EMAIL, description=f"Number {each}")
    body["orderInformation"]["lineItems"] = [
        {"productSku": f"SKU-{each}", "productName": "A thing", "quantity": "2", "unitPrice": "12.05"},
        {"productSku": "P653727383", "productName": "Another", "unitPrice": 5.25},
    ]
    return body
