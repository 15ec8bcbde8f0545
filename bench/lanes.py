"""
The lanes: what is asked of the product over and over, what a right answer looks like, and which speed is wanted.

A lane's first answer is read before it is measured: a server that answers the wrong thing quickly is not fast.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from bench.client import Answer, Client, UnexpectedAnswer

DISTINCT_READS = 4000
DISTINCT_CREATES = 500
P99_TARGET_MS = 10.0
P99_TARGET_CONNECTIONS = 32
IDLE_MEMORY_TARGET_MB = 80
READY_TARGET_SECONDS = 0.5

_INVOICES = "/invoicing/v2/invoices"


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What the lanes may ask for: numbers and payment pages of invoices that exist."""

    numbers: tuple[str, ...]
    payment_pages: tuple[str, ...]


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request, measured by itself."""

    name: str
    about: str
    method: str
    status: int
    prepare: Callable[[Client, Book], list[bytes]]
    """Build the requests anew, since signatures age."""
    refuse_wrong: Callable[[Answer], None]
    """Raise UnexpectedAnswer unless the answer is what the lane says it is."""
    ratio_targets: dict[str, float] = {}
    """The wanted share of the floor, by database engine."""
    p50_target_ms: float | None = None
    connections: int | None = None
    """Always this many connections, whatever the command line says."""


def create_bodies(count: int, *, status: str = "SENT") -> list[bytes]:
    """
    Answer request bodies that create invoices with two line items, each for another customer.

    `status` says where they lead: SENT is mailed, CREATED has a payment link and no mail, DRAFT is neither.
    """
    due_date = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    delivery = {
        "SENT": {"sendImmediately": True, "deliveryMode": "email"},
        "CREATED": {"sendImmediately": True, "deliveryMode": "none"},
        "DRAFT": {"sendImmediately": False, "deliveryMode": "none"},
    }[status]
    return [
        msgspec.json.encode(
            {
                "customerInformation": {"name": f"Payer {number}", "email": f"payer{number}@customer.example"},
                "invoiceInformation": {
                    "description": "Two days of consulting and what they took",
                    "dueDate": due_date,
                    "allowPartialPayments": True,
                    **delivery,
                },
                "orderInformation": {
                    "amountDetails": {"totalAmount": 293.5, "currency": "USD"},
                    "lineItems": [
                        {
                            "productSku": "CONSULT-1",
                            "productName": "Consulting, per hour",
                            "unitPrice": 12.05,
                            "quantity": 20,
                            "totalAmount": 241,
                        },
                        {
                            "productSku": "TRAVEL-7",
                            "productName": "Travel, per zone",
                            "unitPrice": 5.25,
                            "quantity": 10,
                            "totalAmount": 52.5,
                        },
                    ],
                },
            }
        )
        for number in range(count)
    ]


def _creates(client: Client, _book: Book) -> list[bytes]:
    return [client.signed("POST", _INVOICES, body) for body in create_bodies(DISTINCT_CREATES)]


def _gets(client: Client, book: Book) -> list[bytes]:
    numbers = random.sample(book.numbers, min(len(book.numbers), DISTINCT_READS))
    return [client.signed("GET", f"{_INVOICES}/{number}") for number in numbers]


def _lists(client: Client, _book: Book) -> list[bytes]:
    return [client.signed("GET", f"{_INVOICES}?offset=0&limit=20")]


def _filtered_lists(client: Client, _book: Book) -> list[bytes]:
    return [client.signed("GET", f"{_INVOICES}?offset=0&limit=20&status=SENT")]


def _pages(client: Client, book: Book) -> list[bytes]:
    pages = random.sample(book.payment_pages, min(len(book.payment_pages), DISTINCT_READS))
    return [client.unsigned(page) for page in pages]


def _refuse_unless_sent(answer: Answer) -> None:
    invoice = msgspec.json.decode(answer.body)
    _insist(invoice["status"] == "SENT", "the created invoice is not SENT", answer)
    _insist(len(invoice["orderInformation"]["lineItems"]) == 2, "the created invoice has not two line items", answer)


def _refuse_unless_invoice(answer: Answer) -> None:
    invoice = msgspec.json.decode(answer.body)
    _insist(bool(invoice["id"]), "the answer is no invoice", answer)
    _insist(len(invoice["orderInformation"]["lineItems"]) == 2, "the invoice has not two line items", answer)


def _refuse_unless_list(answer: Answer) -> None:
    page = msgspec.json.decode(answer.body)
    _insist(len(page["invoices"]) == 20, "the list has not 20 invoices", answer)
    _insist(page["totalInvoices"] > 20, "the list has no total", answer)


def _refuse_unless_sent_list(answer: Answer) -> None:
    _refuse_unless_list(answer)
    statuses = {invoice["status"] for invoice in msgspec.json.decode(answer.body)["invoices"]}
    _insist(statuses == {"SENT"}, f"the list for SENT has {sorted(statuses)}", answer)


def _refuse_unless_page(answer: Answer) -> None:
    _insist("text/html" in answer.headers.get("content-type", ""), "the payment page is not HTML", answer)
    _insist(b"293.50" in answer.body, "the payment page does not show the amount", answer)


def _insist(holds: bool, complaint: str, answer: Answer) -> None:
    if not holds:
        raise UnexpectedAnswer(f"{complaint}: {answer.body[:500].decode(errors='replace')}")


LANES = {
    lane.name: lane
    for lane in (
        Lane(
            name="create",
            about="create and send by mail, two line items, generated number, durable",
            method="POST",
            status=201,
            prepare=_creates,
            refuse_wrong=_refuse_unless_sent,
            ratio_targets={"sqlite": 0.22, "postgresql": 0.25},
        ),
        Lane(
            name="get",
            about="one invoice by number, thousands of distinct ones in random order",
            method="GET",
            status=200,
            prepare=_gets,
            refuse_wrong=_refuse_unless_invoice,
            ratio_targets={"sqlite": 0.50, "postgresql": 0.16},
        ),
        Lane(
            name="list",
            about="the newest 20 invoices and the total",
            method="GET",
            status=200,
            prepare=_lists,
            refuse_wrong=_refuse_unless_list,
            ratio_targets={"sqlite": 0.25, "postgresql": 0.10},
        ),
        Lane(
            name="list-status",
            about="the newest 20 SENT invoices and their total",
            method="GET",
            status=200,
            prepare=_filtered_lists,
            refuse_wrong=_refuse_unless_sent_list,
            ratio_targets={"sqlite": 0.25, "postgresql": 0.10},
        ),
        Lane(
            name="page",
            about="the payment page as a payer's browser asks for it",
            method="GET",
            status=200,
            prepare=_pages,
            refuse_wrong=_refuse_unless_page,
            ratio_targets={"sqlite": 0.20, "postgresql": 0.12},
        ),
        Lane(
            name="lone-create",
            about="create over one connection: the time a single caller waits",
            method="POST",
            status=201,
            prepare=_creates,
            refuse_wrong=_refuse_unless_sent,
            p50_target_ms=1.0,
            connections=1,
        ),
    )
}
