"""
Two readers, one meaning: what the reader of plain bodies reads, the one that collects faults reads the same.

Every member of ordinary bodies is replaced by everything that callers were ever seen to send in its place.
"""

import copy
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paydue.domain.errors import InvalidFields
from paydue.usecases.create_invoice import CreateInvoice
from paydue.wire.plain_invoice import read_plain_invoice
from paydue.wire.read_invoice import read_new_invoice
from paydue.wire.strict_json import MalformedJson, parse_object

TODAY = date(2026, 11, 21)

AMOUNT_ONLY: dict[str, Any] = {
    "invoiceInformation": {"description": "Consulting", "dueDate": "2026-12-31"},
    "orderInformation": {"amountDetails": {"totalAmount": "100.00", "currency": "USD"}},
}
EVERYTHING: dict[str, Any] = {
    "customerInformation": {
        "name": "Tanya Lee",
        "email": "tanya.lee@my-email.world",
        "merchantCustomerId": "C-1",
        "company": {"name": "Lee & Söhne"},
    },
    "processingInformation": {"requestPhone": True, "requestShipping": False},
    "invoiceInformation": {
        "invoiceNumber": "INV_2026-1",
        "transactionReferenceNumber": "ABC123",
        "description": "Weekly bakery order",
        "dueDate": "2026-12-11",
        "expirationDate": "2026-12-31",
        "sendImmediately": True,
        "allowPartialPayments": True,
        "deliveryMode": "Email",
    },
    "orderInformation": {
        "amountDetails": {
            "totalAmount": 293.5,
            "currency": "USD",
            "discountAmount": "0",
            "discountPercent": "0.00",
            "subAmount": 300,
            "minimumPartialAmount": "10.009",
            "taxDetails": {"type": "VAT", "amount": "12.50", "rate": "8.25"},
            "freight": {"amount": "5.00", "taxable": True, "taxRate": "7"},
        },
        "lineItems": [
            {
                "productSku": "P1",
                "productName": "Sourdough, 900 g",
                "unitPrice": 12.05,
                "quantity": 20,
                "discountAmount": "1.00",
                "discountPercent": 5,
                "taxAmount": "0",
                "taxRate": "0",
                "totalAmount": "241.000",
            },
            {"productSku": "P2", "productName": "Butter", "unitPrice": "5.25"},
        ],
    },
}
YEN = copy.deepcopy(EVERYTHING)
YEN["orderInformation"]["amountDetails"]["currency"] = "JPY"

ODD: list[Any] = [
    None, "", " ", "\t", "x", "0", "1", "-1", "00012.50", ".5", "5.", "1e3", "1E400", "NaN", "Infinity", "1_000", "+5",
    "１２",
    "12,50", "293.50 ", "99999999999999999999", 0, 1, -1, 10**15, 10**20, 100, 101, 12.5, 1e3, 2.5e-7, True, False,
    [], {}, [None], ["x"], {"x": 1}, "true", "FALSE", "email", "NONE", "post",
    "2026-11-20", "2026-11-21", "2026-02-30",
    "2026-12-31T10:00:00Z", "31-12-2026", "2026-W47-6", "20261231",
    "4111 1111 1111 1111", "4111111111111111",
    "order 4111-1111-1111-1111 paid", "123456789012345", "a\nb", "a\x00b", "\ud800", "\u200b", "a" * 61, "a" * 256,
    "a" * 2001, "USD", "usd", "XXX", "KWD", "tanya@example.com", "tanya@", "a|b", "4111", "11111111 1111",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def replaced(body: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def without(body: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return changed


def readings(body: dict[str, Any], *, accepts_doubles: bool) -> tuple[CreateInvoice | None, CreateInvoice | None]:
    """Return what the plain reader reads, None where it leaves it to the other, and what the other one reads."""
    return both(json.dumps(body).encode("utf-8", "surrogatepass"), accepts_doubles=accepts_doubles)


def both(body: bytes, *, accepts_doubles: bool = False) -> tuple[CreateInvoice | None, CreateInvoice | None]:
    plain = read_plain_invoice(body, TODAY, accepts_doubles=accepts_doubles)
    try:
        return plain, read_new_invoice(parse_object(body), TODAY, accepts_doubles=accepts_doubles)
    except (MalformedJson, InvalidFields):
        return plain, None


BODIES = {"amount only": AMOUNT_ONLY, "everything": EVERYTHING, "yen": YEN}


@pytest.mark.parametrize("name", BODIES)
def test_ordinary_bodies_are_read_plainly(name: str) -> None:
    plain, careful = readings(BODIES[name], accepts_doubles=False)
    assert plain is not None
    # 2E+2 and 200 are equal, and are not written alike.
    assert repr(plain) == repr(careful)


@pytest.mark.parametrize("accepts_doubles", [False, True])
@pytest.mark.parametrize("name", BODIES)
def test_whatever_stands_in_a_member_both_readers_agree(name: str, accepts_doubles: bool) -> None:
    body = BODIES[name]
    for path in list(places(body)):
        variants = [replaced(body, path, value) for value in ODD] + [without(body, path)]
        for variant in variants:
            plain, careful = readings(variant, accepts_doubles=accepts_doubles)
            assert plain is None or repr(plain) == repr(careful), (path, variant)


EVERYWHERE = list(places(EVERYTHING))


@given(st.lists(st.tuples(st.sampled_from(EVERYWHERE), st.sampled_from(ODD)), min_size=2, max_size=4))
def test_whatever_stands_in_several_members_both_readers_agree(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    body = EVERYTHING
    for path, value in changes:
        try:
            body = replaced(body, path, value)
        except (KeyError, IndexError, TypeError):
            continue
    plain, careful = readings(body, accepts_doubles=True)
    assert plain is None or repr(plain) == repr(careful)


def test_a_zero_amount_is_no_second_discount() -> None:
    body = replaced(EVERYTHING, ("orderInformation", "amountDetails", "discountAmount"), "5")
    assert readings(body, accepts_doubles=False) == (None, None)
    plain, careful = readings(body, accepts_doubles=True)
    assert plain is not None
    assert repr(plain) == repr(careful)


PLAIN = json.dumps(AMOUNT_ONLY).encode()


@pytest.mark.parametrize(
    "body",
    [
        PLAIN.replace(b'"dueDate"', b'"dueDate": "2027-01-31", "dueDate"'),
        PLAIN.replace(b'"dueDate"', b'"dueDate": "2027-01-31", "dueDate"').replace(b"Consulting", b"a\\u003Ab"),
        PLAIN.replace(b'"currency"', b'"curr\\u0065ncy": "EUR", "currency"'),
        PLAIN.replace(b"{", b'{"unknown": {"unknown": 1}, ', 1),
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN + b" x",
        PLAIN[:-1],
        PLAIN.replace(b"Consulting", b"\xff"),
        PLAIN.replace(b'"100.00"', b"01.5"),
        b"[" * 100_000,
        PLAIN.replace(b"{", b'{"unknown":' + b"[" * 100_000, 1),
        b"[]",
        b"",
    ],
)
def test_what_is_odd_in_the_text_itself_is_left_to_the_other(body: bytes) -> None:
    plain, careful = both(body)
    assert plain is None
    assert careful is None or body.startswith(b"\xef") or b"unknown" in body


@pytest.mark.parametrize("text", ["at 9:30", "a\\u00e4b", "\\\\u003", '\\"quoted\\"', "50 \u20ac: Kaffee"])
def test_colons_and_escapes_within_texts_change_nothing(text: str) -> None:
    plain, careful = both(PLAIN.replace(b"Consulting", text.encode()))
    assert careful is not None
    assert plain is None or repr(plain) == repr(careful)
    assert plain is not None or "u003" in text
