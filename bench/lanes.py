"""
The lanes: what is asked of the product over and over, what a right answer looks like, and which speed is wanted.

One line of the table is one lane. Its first answer is read before it is measured: a server that answers the wrong
thing quickly is not fast.
"""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bench.client import Answer, Client, UnexpectedAnswer

STATUSES = ("SENT", "PAID", "PARTIAL", "CREATED", "DRAFT", "CANCELED", "PENDING")
DISTINCT_READS = 4000
DISTINCT_CREATES = 500
LISTED = 20
INVOICES = "/invoicing/v2/invoices"

# What every lane, every start and every installation is held to: DESIGN's table in one place.
TARGET_CONNECTIONS = 32
P99_TARGET_MS = 10.0
FLATNESS_TARGET = 1.15
IDLE_MEMORY_TARGET_MB = 80
READY_TARGET_SECONDS = 0.5


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What the lanes may ask for: invoices and payment pages that exist, and how many invoices there are of which."""

    numbers: tuple[str, ...]
    payment_pages: tuple[str, ...]
    totals: dict[str, int]
    """By status; "" counts all."""


Check = Callable[[Answer], None]


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request, measured by itself."""

    name: str
    about: str
    targets: Callable[[Book], list[str]] = lambda _: [INVOICES]
    """The paths that are asked for, in this order and then from the first again."""
    bodies: Callable[[], list[bytes]] | None = None
    """What is posted there; without it the paths are read."""
    is_signed: bool = True
    check: Check
    """Raise UnexpectedAnswer unless the answer is what the lane says it is."""
    ratio_targets: Mapping[str, float] = {}
    """The wanted share of the floor, by database engine."""
    p50_alone_target_ms: float | None = None
    """How long a single caller may wait, in the median."""
    nodes_target: float | None = None
    """How much faster two nodes shall be than one; without it they are not compared."""
    is_main: bool = True
    """Main lanes are measured with every number of connections, the others with that of the targets."""

    @property
    def writes(self) -> bool:
        return self.bodies is not None

    @property
    def status(self) -> int:
        """The status of a right answer."""
        return 201 if self.writes else 200

    def prepare(self, client: Client, book: Book) -> list[bytes]:
        """Answer the requests, signed now: signatures age."""
        targets = self.targets(book)
        if self.bodies is not None:
            return [client.signed("POST", targets[0], body) for body in self.bodies()]
        return [client.signed("GET", target) if self.is_signed else client.unsigned(target) for target in targets]


def _lane(name: str, about: str, check: Check, **more: Any) -> Lane:
    return Lane(name=name, about=about, check=check, **more)


def _list_lane(name: str, about: str, status: str = "", *, is_deep: bool = False, **more: Any) -> Lane:
    """Answer a lane that lists 20 invoices of a status, the newest or the oldest."""

    def targets(book: Book) -> list[str]:
        offset = max(book.totals[status] - LISTED, 0) if is_deep else 0
        return [f"{INVOICES}?offset={offset}&limit={LISTED}" + (f"&status={status}" if status else "")]

    def check(answer: Answer) -> None:
        page = msgspec.json.decode(answer.body)
        _insist(len(page["invoices"]) == LISTED, f"the list has not {LISTED} invoices", answer)
        _insist(page["totalInvoices"] >= LISTED, "the list has no total", answer)
        found = {invoice["status"] for invoice in page["invoices"]}
        _insist(not status or found == {status}, f"the list for {status} has {sorted(found)}", answer)

    targets_of_lists = {"sqlite": 0.25, "postgresql": 0.10}
    return Lane(name=name, about=about, targets=targets, check=check, ratio_targets=targets_of_lists, **more)


def create_bodies() -> list[bytes]:
    """Answer request bodies that create invoices with two line items and mail them, each to another customer."""
    due_date = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    items = [
        {"productSku": sku, "productName": name, "unitPrice": price, "quantity": quantity, "totalAmount": total}
        for sku, name, price, quantity, total in (
            ("CONSULT-1", "Consulting, per hour", 12.05, 20, 241),
            ("TRAVEL-7", "Travel, per zone", 5.25, 10, 52.5),
        )
    ]
    return [
        msgspec.json.encode(
            {
                "customerInformation": {"name": f"Payer {number}", "email": f"payer@customer-{number}.example"},
                "invoiceInformation": {
                    "description": "Two days of consulting and what they took",
                    "dueDate": due_date,
                    "allowPartialPayments": True,
                    "sendImmediately": True,
                    "deliveryMode": "email",
                },
                "orderInformation": {
                    "amountDetails": {"totalAmount": 293.5, "currency": "USD"},
                    "lineItems": items,
                },
            }
        )
        for number in range(DISTINCT_CREATES)
    ]


def _some(of: tuple[str, ...]) -> list[str]:
    return random.sample(of, min(len(of), DISTINCT_READS))


def _refuse_unless_sent(answer: Answer) -> None:
    invoice = msgspec.json.decode(answer.body)
    _insist(invoice["status"] == "SENT", "the created invoice is not SENT", answer)
    _insist(len(invoice["orderInformation"]["lineItems"]) == 2, "the created invoice has not two line items", answer)


def _refuse_unless_invoice(answer: Answer) -> None:
    invoice = msgspec.json.decode(answer.body)
    _insist(bool(invoice["id"]), "the answer is no invoice", answer)
    _insist(bool(invoice["orderInformation"]["lineItems"]), "the invoice has no line items", answer)


def _refuse_unless_page(answer: Answer) -> None:
    _insist("text/html" in answer.headers.get("content-type", ""), "the payment page is not HTML", answer)
    _insist(b"Benchmark" in answer.body, "the page names no merchant", answer)
    _insist(b"<form" in answer.body or b"Due" in answer.body, "the page does not ask for money", answer)


def _insist(holds: bool, complaint: str, answer: Answer) -> None:
    if not holds:
        raise UnexpectedAnswer(f"{complaint}: {answer.body[:500].decode(errors='replace')}")


LANES = {
    lane.name: lane
    for lane in (
        _lane(
            "get",
            "one invoice by number, thousands of distinct ones in random order",
            _refuse_unless_invoice,
            targets=lambda book: [f"{INVOICES}/{number}" for number in _some(book.numbers)],
            ratio_targets={"sqlite": 0.50, "postgresql": 0.16},
            nodes_target=1.6,
        ),
        _list_lane("list", "the newest 20 invoices and the total"),
        _list_lane("list-deep", "the oldest 20 invoices, at the deepest offset", is_deep=True, is_main=False),
        *(
            _list_lane(
                f"list-{status.lower()}", f"the newest 20 {status} invoices and their total", status, is_main=False
            )
            for status in STATUSES
        ),
        _list_lane("list-sent-deep", "the oldest 20 SENT invoices", "SENT", is_deep=True, is_main=False),
        _lane(
            "page",
            "the payment page as a payer's browser asks for it",
            _refuse_unless_page,
            targets=lambda book: _some(book.payment_pages),
            is_signed=False,
            ratio_targets={"sqlite": 0.20, "postgresql": 0.12},
        ),
        _lane(
            "create",
            "create and send by mail, two line items, generated number, durable",
            _refuse_unless_sent,
            bodies=create_bodies,
            ratio_targets={"sqlite": 0.22, "postgresql": 0.25},
            p50_alone_target_ms=1.0,
            nodes_target=1.3,
        ),
    )
}
# What a quick run looks at.
QUICK_LANES = ("get", "list", "list-deep", "list-sent", "page", "create")
